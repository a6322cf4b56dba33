"""A line of live callers and callbacks before some agents, event by event: what `benchmarks waits` measures on.

One queue, first come first served. Live callers hang up after an exponential patience; callbacks do not, and when
their turn comes some do not reach their customer and take no agent. A customer's wait is the time until an agent
would have taken them: those who hang up are followed on to it, so that it does not depend on their patience.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

RECENT: Final = 10
"""The moving average is over so many waits."""
WARM_UP: Final = 0.05
"""The first share of the customers is not observed: the line starts empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """A line to simulate; ``load`` is the rate of arrivals over that of services with all agents busy."""

    agents: int = 50
    load: float
    handling_s: float = 240.0
    patience_s: float = math.inf
    callbacks: float = 0.0
    reach: float = 1.0
    attempts: int = 1
    """A callback that is not reached comes back to its place until it had so many."""
    retry_s: float = 300.0
    handling_cv: float = 1.0
    """Standard deviation over mean of the handling time: 1 is exponential, others are lognormal."""


@dataclass(slots=True)
class Customer:
    """One contact in the simulated line."""

    at_s: float
    leaves_s: float
    live: bool
    answers: list[bool]
    """One for each attempt that is left."""
    seen: Seen | None = None


@dataclass(slots=True)
class Seen:
    """The line as an arriving customer found it, and how long they waited in the end."""

    live_ahead: tuple[bool, ...]
    head_s: float
    last_s: float
    average_s: float
    back_s: tuple[float, ...]
    """Until each callback that was not reached comes back ahead."""
    wait_s: float = math.nan
    served: bool = False


class Line:
    """Those who wait, the agents, and the callbacks that will come back."""

    def __init__(self, centre: Centre, services: Iterator[float]) -> None:
        self.waiting: deque[Customer] = deque()
        self.free_at_s = [0.0] * centre.agents
        self.recent: deque[float] = deque([0.0], maxlen=RECENT)
        self._services = services
        self._retry_s = centre.retry_s
        self.back: list[tuple[float, float, Customer]] = []

    def join(self, customer: Customer) -> bool:
        """Take a customer to a free agent or into the line; return whether they wait."""
        if self.free_at_s[0] <= customer.at_s:
            heapq.heapreplace(self.free_at_s, customer.at_s + next(self._services))
            self.recent.append(0.0)
            return False
        self.waiting.append(customer)
        return True

    def serve(self, until_s: float) -> None:
        """Give the line to agents as they come free up to a time; those who are gone are passed over."""
        while True:
            back_s = self.back[0][0] if self.back else math.inf
            if self.waiting and self.free_at_s[0] <= min(until_s, back_s):
                self._offer(self.free_at_s[0])
            elif back_s <= until_s and self.back:
                _, _, customer = heapq.heappop(self.back)
                later = [one for one in self.waiting if one.at_s > customer.at_s]
                self.waiting = deque([*list(self.waiting)[: len(self.waiting) - len(later)], customer, *later])
                if self.free_at_s[0] < back_s:
                    self._offer(back_s)
            else:
                return

    def _offer(self, now_s: float) -> None:
        customer = self.waiting.popleft()
        served = customer.answers[0] and customer.leaves_s > now_s
        if customer.seen is not None and math.isnan(customer.seen.wait_s):
            customer.seen.wait_s, customer.seen.served = now_s - customer.at_s, served
        if served:
            self.recent.append(now_s - customer.at_s)
            heapq.heapreplace(self.free_at_s, now_s + next(self._services))
        elif not customer.live and len(customer.answers) > 1:
            customer.answers = customer.answers[1:]
            heapq.heappush(self.back, (now_s + self._retry_s, customer.at_s, customer))


def observe(centre: Centre, rng: np.random.Generator, *, n_customers: int, every: int) -> list[Seen]:
    """Simulate, and return every so many of the customers who had to wait."""
    line = Line(centre, _services(centre, rng, n_customers))
    observed: list[Seen] = []
    n_waiting = 0
    for index, customer in enumerate(_arrivals(centre, rng, n_customers)):
        line.serve(customer.at_s)
        seen = None
        if line.free_at_s[0] > customer.at_s and index >= WARM_UP * n_customers:
            seen = _look(line, customer.at_s) if (n_waiting + 1) % every == 0 else None
        if line.join(customer):
            n_waiting += 1
            if seen is not None:
                customer.seen = seen
                observed.append(seen)
    line.serve(math.inf)
    return observed


def _arrivals(centre: Centre, rng: np.random.Generator, n_customers: int) -> Iterator[Customer]:
    gaps_s = rng.exponential(centre.handling_s / (centre.agents * centre.load), n_customers)
    patient_s = rng.exponential(1.0, n_customers) * centre.patience_s
    live = rng.random(n_customers) >= centre.callbacks
    answers = rng.random((n_customers, centre.attempts)) < centre.reach
    for at_s, one_s, is_live, reached in zip(np.cumsum(gaps_s), patient_s, live, answers, strict=True):
        leaves_s = float(at_s + one_s) if is_live else math.inf
        yield Customer(float(at_s), leaves_s, bool(is_live), [True] if is_live else reached.tolist())


def _services(centre: Centre, rng: np.random.Generator, n_customers: int) -> Iterator[float]:
    if centre.handling_cv == 1:
        drawn = rng.exponential(centre.handling_s, n_customers)
    else:
        spread = math.log1p(centre.handling_cv**2)
        drawn = centre.handling_s * np.exp(rng.normal(-spread / 2, math.sqrt(spread), n_customers))
    return iter(drawn.tolist())


def _look(line: Line, now_s: float) -> Seen:
    there = [customer for customer in line.waiting if customer.leaves_s > now_s]
    return Seen(
        live_ahead=tuple(customer.live for customer in there),
        head_s=now_s - there[0].at_s if there else 0.0,
        last_s=line.recent[-1],
        average_s=sum(line.recent) / len(line.recent),
        back_s=tuple(back_s - now_s for back_s, _, _ in line.back),
    )

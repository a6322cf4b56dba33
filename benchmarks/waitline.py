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
    handling_cv: float = 1.0
    """Standard deviation over mean of the handling time: 1 is exponential, others are lognormal."""


@dataclass(slots=True)
class Customer:
    """One contact in the simulated line."""

    at_s: float
    leaves_s: float
    live: bool
    answers: bool
    seen: Seen | None = None


@dataclass(slots=True)
class Seen:
    """The line as an arriving customer found it, and how long they waited in the end."""

    live_ahead: tuple[bool, ...]
    head_s: float
    last_s: float
    average_s: float
    wait_s: float = math.nan
    served: bool = False


def observe(centre: Centre, rng: np.random.Generator, *, n_customers: int, every: int) -> list[Seen]:
    """Simulate, and return every so many of the customers who had to wait."""
    line: deque[Customer] = deque()
    free_at_s = [0.0] * centre.agents
    recent: deque[float] = deque([0.0], maxlen=RECENT)
    services = _services(centre, rng, n_customers)
    observed: list[Seen] = []
    n_waiting = 0
    for index, customer in enumerate(_arrivals(centre, rng, n_customers)):
        _serve(line, free_at_s, recent, services, until_s=customer.at_s)
        if free_at_s[0] <= customer.at_s:
            heapq.heapreplace(free_at_s, customer.at_s + next(services))
            recent.append(0.0)
            continue
        n_waiting += 1
        if index >= WARM_UP * n_customers and n_waiting % every == 0:
            customer.seen = _look(line, recent, customer.at_s)
            observed.append(customer.seen)
        line.append(customer)
    _serve(line, free_at_s, recent, services, until_s=math.inf)
    return observed


def _arrivals(centre: Centre, rng: np.random.Generator, n_customers: int) -> Iterator[Customer]:
    gaps_s = rng.exponential(centre.handling_s / (centre.agents * centre.load), n_customers)
    patient_s = rng.exponential(1.0, n_customers) * centre.patience_s
    live = rng.random(n_customers) >= centre.callbacks
    answers = rng.random(n_customers) < centre.reach
    for at_s, one_s, is_live, reached in zip(np.cumsum(gaps_s), patient_s, live, answers, strict=True):
        leaves_s = float(at_s + one_s) if is_live else math.inf
        yield Customer(float(at_s), leaves_s, bool(is_live), bool(is_live or reached))


def _services(centre: Centre, rng: np.random.Generator, n_customers: int) -> Iterator[float]:
    if centre.handling_cv == 1:
        drawn = rng.exponential(centre.handling_s, n_customers)
    else:
        spread = math.log1p(centre.handling_cv**2)
        drawn = centre.handling_s * np.exp(rng.normal(-spread / 2, math.sqrt(spread), n_customers))
    return iter(drawn.tolist())


def _serve(
    line: deque[Customer],
    free_at_s: list[float],
    recent: deque[float],
    services: Iterator[float],
    *,
    until_s: float,
) -> None:
    """Give the line to agents as they come free up to a time; those who are gone are passed over on the way."""
    while line and free_at_s[0] <= until_s:
        now_s = free_at_s[0]
        customer = line.popleft()
        served = customer.answers and customer.leaves_s > now_s
        if customer.seen is not None:
            customer.seen.wait_s, customer.seen.served = now_s - customer.at_s, served
        if served:
            recent.append(now_s - customer.at_s)
            heapq.heapreplace(free_at_s, now_s + next(services))


def _look(line: deque[Customer], recent: deque[float], now_s: float) -> Seen:
    there = [customer for customer in line if customer.leaves_s > now_s]
    return Seen(
        live_ahead=tuple(customer.live for customer in there),
        head_s=now_s - there[0].at_s if there else 0.0,
        last_s=recent[-1],
        average_s=sum(recent) / len(recent),
    )

"""The contact centre as a discrete-event model (SimPy): a line, agents, dials, and what they do to each other.

Whenever something changes (`_turn`), free agents take whoever is ready and first in line, and then dials start for
the callbacks that are due. Estimates, the order of the line and the time to dial are those of the real queue:
`callback.estimate`, `callback.ordering`, `callback.pacing`.

An assumption throughout: agents stay until the last customer is served; only what lies within the shift counts as
their paid time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from callback.departures import moments
from callback.estimate import Service, estimate_wait
from callback.ordering import Contact, Kind
from callback.pacing import is_due
from callback.simulation.detection import PERFECT, Detector
from callback.simulation.dialing import Fate, fate, hold_patience_s
from callback.simulation.draws import Customer
from callback.simulation.line import Entry, Line, made_ready, place
from callback.simulation.outcome import Run, Stay
from callback.simulation.policies import Policy, Reach
from callback.simulation.scenario import Scenario
from callback.states import Outcome

CALLBACK_PRIORITY: Final = 0
LIVE_PRIORITY: Final = 1
FAR: Final = 4.0
"""Behind this many times those who could be served within the lead nobody is due: it is not worked out."""

if TYPE_CHECKING:
    import simpy

    Steps = Generator[simpy.Event, Any, None]


class Centre:
    """One shift under one policy.

    Parameters
    ----------
    scenario : Scenario
    policy : Policy
    detector : Detector
    customers : sequence of Customer
        `callback.simulation.draws.draw_customers`.
    """

    def __init__(
        self, scenario: Scenario, policy: Policy, detector: Detector, customers: Sequence[Customer]
    ) -> None:
        import simpy  # noqa: PLC0415 - an extra: the command line must not need it

        self._scenario, self._policy, self._detector = scenario, policy, detector
        self._customers = customers
        self._env = simpy.Environment()
        self._line = Line()
        self._free = scenario.agents
        self._talked_s = self._wasted_s = 0.0
        self._stays: list[Stay] = []
        self._entries: list[Entry] = []
        self._near: dict[tuple[int, ...], bool] = {}
        self._far = scenario.agents + FAR * policy.lead_s * scenario.agents / scenario.handling_s
        self._service = Service(
            agents=scenario.agents,
            handling_s=scenario.handling_s,
            patience_s=scenario.patience_s or math.ulp(0.0),
            reach=scenario.answering.human,
        )

    def run(self) -> Run:
        """Simulate until everybody is served or gone."""
        self._env.process(self._arrivals())
        self._env.run()
        return Run(
            entries=tuple(self._entries),
            stays=tuple(self._stays),
            talked_s=self._talked_s,
            wasted_s=self._wasted_s,
        )

    # Customers

    def _arrivals(self) -> Steps:
        for customer in self._customers:
            yield self._env.timeout(customer.arrives_s - self._env.now)
            self._arrive(customer)

    def _arrive(self, customer: Customer) -> None:
        booked = self._offers() and customer.accepts < self._scenario.accepts
        priority = CALLBACK_PRIORITY if booked and self._policy.jumps else LIVE_PRIORITY
        stands = place(priority, customer.arrives_s, customer.seq)
        kind = Kind.CALLBACK if booked else Kind.LIVE
        contact = Contact(id=str(customer.seq), place=stands, kind=kind, ready=not booked)
        entry = Entry(customer=customer, contact=contact)
        self._entries.append(entry)
        if not booked:
            entry.ready_s = self._env.now
        self._line.join(entry)
        self._turn()
        if not booked and entry.served_s is None and math.isfinite(customer.patience_s):
            self._after(customer.patience_s, lambda: self._hang_up(entry))

    def _offers(self) -> bool:
        """Whether this customer would wait long enough to be offered a callback."""
        if self._policy.reach is Reach.NONE or self._free > len(self._line):
            return False
        stays = [None if one.contact.ready else self._service.reach for one in self._line]
        mean_s, _ = moments(
            stays[self._free :], self._service.handling_s / self._service.agents, self._service.patience_s
        )
        return mean_s > self._scenario.offer_above_s

    def _hang_up(self, entry: Entry) -> None:
        if entry.served_s is None:
            self._line.leave(entry)
            self._end_stay(entry, served=False)
            entry.left_s = self._env.now
            self._turn()

    def _end_stay(self, entry: Entry, *, served: bool) -> None:
        if entry.ready_s is not None:
            self._stays.append(
                Stay(place=entry.contact.place, from_s=entry.ready_s, to_s=self._env.now, served=served)
            )

    def _after(self, delay_s: float, what: Callable[[], None]) -> None:
        self._env.timeout(delay_s).callbacks.append(lambda _: what())

    # Agents

    def _turn(self) -> None:
        """Let free agents take who is first, and start the dials that are due."""
        while self._free and (entry := self._next()) is not None:
            self._free -= 1
            self._line.leave(entry)
            if entry.contact.ready:
                self._serve(entry)
            else:
                self._env.process(self._dial_for_agent(entry))
        if self._policy.reach is Reach.CUSTOMER_FIRST:
            for entry in self._due():
                entry.dialing = True
                self._env.process(self._dial(entry))

    def _next(self) -> Entry | None:
        if self._policy.reach is Reach.AGENT_FIRST:
            return next(iter(self._line), None)
        return next((entry for entry in self._line if entry.contact.ready), None)

    def _serve(self, entry: Entry) -> None:
        self._end_stay(entry, served=True)
        if entry.on_phone is Outcome.MACHINE:
            self._hear_machine(entry)
            return
        entry.served_s = self._env.now
        self._occupy(entry.customer.handling_s, talking=True)

    def _occupy(self, lasts_s: float, *, talking: bool) -> None:
        """Keep an agent, who was free until now, for a while."""
        self._account(self._env.now, lasts_s, talking=talking)
        self._after(lasts_s, self._release)

    def _account(self, from_s: float, lasts_s: float, *, talking: bool) -> None:
        start_s, end_s = max(from_s, self._scenario.warm_up_s), min(from_s + lasts_s, self._scenario.shift_s)
        paid_s = max(0.0, end_s - start_s)
        if talking:
            self._talked_s += paid_s
        else:
            self._wasted_s += paid_s

    def _release(self) -> None:
        self._free += 1
        self._turn()

    # Dials

    def _due(self) -> list[Entry]:
        """Return the callbacks to dial now, from the head of the line."""
        found: list[Entry] = []
        ahead: list[Contact] = []
        for entry in self._line:
            if entry.contact.ready:
                ahead.append(entry.contact)
            elif not entry.dialing:
                if not self._is_due(ahead):
                    break
                found.append(entry)
        return found

    def _is_due(self, ahead: Sequence[Contact]) -> bool:
        """Whether a callback is at the head of the line, those aside who are being dialled, or will be soon."""
        if not ahead:
            return True
        if not self._policy.lead_s or len(ahead) > self._far:
            return False
        nearer = ahead[:-1]  # the head is reached when the last of those ahead is served, who waits for these
        key = (self._free, *(one.ready for one in nearer))
        if key not in self._near:
            service = replace(self._service, free_agents=self._free)
            self._near[key] = is_due(estimate_wait(nearer, service), self._policy.lead_s)
        return self._near[key]

    def _fate(self, entry: Entry, detector: Detector) -> Fate:
        """Begin the entry's next attempt."""
        luck = entry.customer.attempts[entry.attempts]
        entry.attempts += 1
        entry.dialing = True
        entry.fate = fate(self._scenario.answering, detector, luck)
        return entry.fate

    def _dial(self, entry: Entry) -> Steps:
        """Dial a customer who stands in line, and screen who answers; no agent is asked for before that."""
        attempt = self._fate(entry, self._detector)
        yield self._env.timeout(attempt.rings_s)
        if attempt.found is Outcome.HUMAN:
            entry.answered_s = self._env.now
        yield self._env.timeout(attempt.screened_s)
        entry.dialing = False
        if attempt.said is Outcome.HUMAN:
            self._hold(entry)
        else:
            entry.lost_people += attempt.found is Outcome.HUMAN
            self._line.leave(entry)
            self._defer(entry)
        self._turn()

    def _hold(self, entry: Entry) -> None:
        """Put who answered on hold, in the place that the customer has."""
        made_ready(entry, ready=True)
        entry.ready_s = self._env.now
        number, luck = entry.attempts, entry.customer.attempts[entry.attempts - 1]
        patience_s = hold_patience_s(luck, self._scenario.hold_patience_s)
        if entry.on_phone is Outcome.HUMAN and math.isfinite(patience_s):
            self._after(patience_s, lambda: self._hang_up_on_hold(entry, number))

    def _hang_up_on_hold(self, entry: Entry, number: int) -> None:
        if entry.attempts == number and entry.served_s is None and entry.ready_s is not None:
            entry.hung_up_on_hold += 1
            self._line.leave(entry)
            self._end_stay(entry, served=False)
            self._defer(entry)
            self._turn()

    def _dial_for_agent(self, entry: Entry) -> Steps:
        """Dial for an agent who is reserved and hears what answers."""
        attempt = self._fate(entry, PERFECT)
        begun_s = self._env.now
        yield self._env.timeout(attempt.rings_s)
        entry.dialing = False
        if attempt.found is Outcome.HUMAN:
            entry.answered_s = entry.served_s = self._env.now
            self._account(begun_s, self._env.now - begun_s, talking=False)
            self._occupy(entry.customer.handling_s, talking=True)
            return
        if attempt.found is Outcome.MACHINE:
            yield self._env.timeout(self._scenario.answering.agent_recognises_s)
        self._account(begun_s, self._env.now - begun_s, talking=False)
        self._defer(entry)
        self._release()

    def _hear_machine(self, entry: Entry) -> None:
        """An agent was given a machine: screening was wrong."""
        recognises_s = self._scenario.answering.agent_recognises_s
        self._occupy(recognises_s, talking=False)
        self._after(recognises_s, lambda: self._defer(entry))

    def _defer(self, entry: Entry) -> None:
        """Try again later, or give up. The entry is out of the line."""
        made_ready(entry, ready=False)
        entry.ready_s = entry.answered_s = None
        if entry.attempts == self._scenario.attempts_max:
            entry.exhausted = True
            entry.left_s = self._env.now
        else:
            self._after(self._scenario.retry_after_s, lambda: self._rejoin(entry))

    def _rejoin(self, entry: Entry) -> None:
        if not self._policy.keeps_place:
            stood = entry.contact.place
            back = place(stood.priority, self._env.now, stood.seq)
            entry.contact = replace(entry.contact, place=back)
        self._line.join(entry)
        self._turn()

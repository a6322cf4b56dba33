"""How long a customer will wait, as a range that counts callbacks and those who hang up.

The range is where the wait will lie in eight of ten cases, from the law of the departures ahead
(`callback.departures`), not from a margin. What is told to a waiting customer never grows merely because time
passed: only when more people stand ahead, agents leave or calls become longer, and then with that as the reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from callback.departures import gamma_quantile, moments
from callback.ordering import Contact

LOW: Final = 0.1
HIGH: Final = 0.9
"""The range is from the first to the last decile: one wait in five is outside, and that is said."""
CHANGED: Final = 1.25
"""Calls have become longer, or shorter, when their mean has changed by this factor; until then what a customer is
told keeps to the mean it began with. Assumption: the mean of 64 calls of exponential length is off by an eighth
(one standard deviation), so a quarter is rarely chance."""


class EstimateError(ValueError):
    """A line or a staffing from which no wait can be estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How fast a line moves.

    Parameters
    ----------
    agents : int, at least 1
        Working on this line, busy or free.
    handling_s : float, above 0 s
        Mean time that an agent spends on a contact, after-call work included.
    patience_s : float, above 0 s
        Mean time after which those on the line hang up; infinite when they do not.
    reach : float, 0 to 1
        The share of callbacks that reach their customer, so that an agent is needed.
    free_agents : int, 0 to ``agents``
    """

    agents: int
    handling_s: float
    patience_s: float = math.inf
    reach: float = 1.0
    free_agents: int = 0

    def __post_init__(self) -> None:
        if self.agents < 1:
            raise EstimateError(f"agents={self.agents}, need one at least: closed? Then say when it opens")
        if not 0 <= self.free_agents <= self.agents:
            raise EstimateError(f"free_agents={self.free_agents} must be from 0 to agents={self.agents}")
        if not (math.isfinite(self.handling_s) and self.handling_s > 0):
            raise EstimateError(f"handling_s={self.handling_s} must be finite and above 0 s")
        if not self.patience_s > 0:
            raise EstimateError(f"patience_s={self.patience_s} must be above 0 s, or math.inf if nobody hangs up")
        if not 0 <= self.reach <= 1:
            raise EstimateError(f"reach={self.reach} is outside 0 to 1: a percentage?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The time until a customer is offered to an agent, in seconds from now."""

    p10_s: float
    p50_s: float
    p90_s: float
    mean_s: float


NO_WAIT: Final = Wait(p10_s=0.0, p50_s=0.0, p90_s=0.0, mean_s=0.0)


def estimate_wait(ahead: Sequence[Contact], service: Service, *, back_s: Sequence[float] = ()) -> Wait:
    """Estimate the wait of the customer behind some contacts.

    Parameters
    ----------
    ahead : sequence of Contact
        Those who are due, from the head of the line (`callback.ordering.ahead`). Those who are ready hold the line
        and may hang up; the others are callbacks.
    service : Service
    back_s : sequence of float, s
        When each deferred callback with a better place is due, from now. It comes back to its place, so it counts
        with the chance that this is within the wait.

    Returns
    -------
    Wait
        Zero when a free agent remains after those ahead.

    Examples
    --------
    The wait for one of ten agents, 180 s a call, with nobody ahead is 18 s on average and often less:

    >>> wait = estimate_wait([], Service(agents=10, handling_s=180.0))
    >>> round(wait.mean_s, 1), round(wait.p10_s, 1), round(wait.p90_s, 1)
    (18.0, 1.9, 41.4)
    """
    if service.free_agents > len(ahead):
        return NO_WAIT
    mean_s, variance_s2 = moments(
        [None if contact.ready else service.reach for contact in ahead[service.free_agents :]],
        service.handling_s / service.agents,
        service.patience_s,
        back_s=back_s,
        reach=service.reach,
    )
    p10_s, p50_s, p90_s = (gamma_quantile(share, mean_s, variance_s2) for share in (LOW, 0.5, HIGH))
    return Wait(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, mean_s=mean_s)


class Reason(StrEnum):
    """Why what is told has grown."""

    MORE_AHEAD = "more_ahead"  # someone with a better place joined, or is due again
    FEWER_AGENTS = "fewer_agents"
    LONGER_CALLS = "longer_calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a customer was told, and of what state of the line it was true.

    Parameters
    ----------
    wait : Wait
    n_ahead : int
        Contacts ahead when it was told.
    agents, handling_s : int, float
        What ``wait`` was estimated with.
    grown : Reason or None
        Why it is longer than what was told before.
    """

    wait: Wait
    n_ahead: int
    agents: int
    handling_s: float
    grown: Reason | None = None


def tell(
    previous: Told | None, ahead: Sequence[Contact], service: Service, *, back_s: Sequence[float] = ()
) -> Told:
    """Return what to tell a customer now, given what they were told last.

    A deferred callback is a reason to tell more when it is back in line, not when its time draws near.

    Examples
    --------
    Calls that seem 5 % longer by today's mean are no reason to take back what was said:

    >>> first = tell(None, [], Service(agents=10, handling_s=180.0))
    >>> tell(first, [], Service(agents=10, handling_s=189.0)).wait == first.wait
    True
    >>> tell(first, [], Service(agents=5, handling_s=180.0)).grown
    <Reason.FEWER_AGENTS: 'fewer_agents'>
    """
    if previous is not None and 1 / CHANGED < service.handling_s / previous.handling_s < CHANGED:
        service = replace(service, handling_s=previous.handling_s)
    fresh = estimate_wait(ahead, service, back_s=back_s)
    now = Told(wait=fresh, n_ahead=len(ahead), agents=service.agents, handling_s=service.handling_s)
    if previous is None or _shorter(fresh, previous.wait) == fresh:
        return now
    if reason := _reason(previous, now):
        return replace(now, grown=reason)
    return replace(now, wait=_shorter(fresh, previous.wait))


def _shorter(fresh: Wait, old: Wait) -> Wait:
    return Wait(
        p10_s=min(fresh.p10_s, old.p10_s),
        p50_s=min(fresh.p50_s, old.p50_s),
        p90_s=min(fresh.p90_s, old.p90_s),
        mean_s=min(fresh.mean_s, old.mean_s),
    )


def _reason(previous: Told, now: Told) -> Reason | None:
    if now.n_ahead > previous.n_ahead:
        return Reason.MORE_AHEAD
    if now.agents < previous.agents:
        return Reason.FEWER_AGENTS
    return Reason.LONGER_CALLS if now.handling_s > previous.handling_s else None

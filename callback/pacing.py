"""When the dialer starts for a place in line, and how many dials may be in flight.

Dialling takes time, so it starts before the place reaches the head; too early, and the customer who answers is put
on hold. Dials in flight are held to what the agents who will be free can take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from callback.estimate import EstimateError, Wait

LEAD_S: Final = 25.0
"""Lead of a line that has no dials of its own to learn from: some rings, an answer and its screening. In one
simulated scenario of 30 agents it took the customers who overtook a callback from 1.4 to 0.1."""
LATE_WEIGHT: Final = 1.0
"""A second by which the customer is late, and others overtake, against a second on hold. Assumption: alike."""
PILE_UP_MAX: Final = 0.25
"""At most this chance that more customers answer than agents come free meanwhile. Assumption: on hold for one
service in four times is better than an agent who waits while a phone rings."""


def lead_s(dials_s: Sequence[float], *, late_weight: float = LATE_WEIGHT) -> float:
    """Return how many seconds before the head the dialer should start.

    Parameters
    ----------
    dials_s : sequence of float, s
        From dial to a person's verdict, of the dials that reached one. Without any it is `LEAD_S`.
    late_weight : float, above 0
        What a second late costs against a second on hold.

    Returns
    -------
    float
        The quantile ``late_weight / (1 + late_weight)`` of the dials, where both costs are least (the newsvendor's
        rule): half of them are done in time when they weigh the same.

    Examples
    --------
    >>> lead_s([12.0, 18.0, 20.0, 26.0, 41.0])
    20.0
    >>> lead_s([12.0, 18.0, 20.0, 26.0, 41.0], late_weight=9.0)
    41.0
    """
    if not (math.isfinite(late_weight) and late_weight > 0):
        raise EstimateError(f"late_weight={late_weight} must be finite and above 0")
    if any(not (math.isfinite(dial_s) and dial_s >= 0) for dial_s in dials_s):
        raise EstimateError("a dial in dials_s is not finite and at least 0 s: a failed one among them?")
    if not dials_s:
        return LEAD_S
    index = math.ceil(len(dials_s) * late_weight / (1 + late_weight)) - 1
    return sorted(dials_s)[max(index, 0)]


def is_due(wait: Wait, lead: float) -> bool:
    """Whether to dial now: the head is as likely as not to be reached within the lead (s)."""
    return wait.p50_s <= lead


def dials_allowed(
    *,
    free_agents: int,
    busy_agents: int,
    handling_s: float,
    lead: float,
    ready: int,
    in_flight: int,
    reach: float,
    pile_up_max: float = PILE_UP_MAX,
) -> int:
    """Return how many further dials may start now.

    Parameters
    ----------
    free_agents, busy_agents : int
    handling_s : float, above 0 s
        Mean: within the lead a busy agent comes free with the probability ``1 - exp(-lead / handling_s)``.
    lead : float, at least 0 s
        What a dial takes until a person is there.
    ready : int
        Contacts that wait for an agent already and come first.
    in_flight : int
        Dials that have not ended.
    reach : float, 0 to 1
        The share of dials that reach a person.
    pile_up_max : float, 0 to 1

    Returns
    -------
    int
        The most for which the chance that someone answers and finds no agent is at most ``pile_up_max``, all dials
        in flight counted; never more in flight than there are agents.

    Examples
    --------
    >>> crew = {"busy_agents": 30, "handling_s": 240.0, "lead": 25.0, "in_flight": 0, "reach": 0.7}
    >>> [dials_allowed(free_agents=0, ready=ready, **crew) for ready in (0, 1, 3)]
    [3, 1, 0]
    """
    if min(free_agents, busy_agents, ready, in_flight) < 0 or not 0 <= reach <= 1:
        raise EstimateError(
            f"free_agents={free_agents}, busy_agents={busy_agents}, ready={ready}, in_flight={in_flight} must be "
            f"at least 0 and reach={reach} from 0 to 1: a percentage?"
        )
    if not (handling_s > 0 and lead >= 0):
        raise EstimateError(f"handling_s={handling_s} must be above 0 s and lead={lead} at least 0 s")
    comes_free = _binomial(busy_agents, -math.expm1(-lead / handling_s))
    # short[n]: the chance that fewer than n contacts find an agent.
    short = [sum(comes_free[: max(0, n - free_agents)]) for n in range(ready + free_agents + busy_agents + 1)]
    dials = 0
    while dials < free_agents + busy_agents:
        answers = _binomial(dials + 1, reach)
        pile_up = sum(chance * short[min(ready + n, len(short) - 1)] for n, chance in enumerate(answers) if n > 0)
        if pile_up > pile_up_max:
            break
        dials += 1
    return max(0, dials - in_flight)


def _binomial(n: int, chance: float) -> list[float]:
    """Return the probabilities of 0 to n successes."""
    if chance in {0.0, 1.0}:
        return [float(k == n * chance) for k in range(n + 1)]
    hit, miss, whole = math.log(chance), math.log1p(-chance), math.lgamma(n + 1)
    return [
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * hit + (n - k) * miss)
        for k in range(n + 1)
    ]

"""Erlang's B, C and A by their birth-death equations: what the simulation is checked against.

The number of customers in the system goes up with the rate of arrivals and down with the rate at which agents
finish and those in line hang up. Its law follows from the balance of the two between neighbouring numbers, and all
else from the law. Rates are per second.

References
----------
Erlang, A. K. (1917). Solution of some problems in the theory of probabilities of significance in automatic
telephone exchanges. Elektroteknikeren 13.
Garnett, O., Mandelbaum, A. & Reiman, M. (2002). Designing a call center with impatient customers. Manufacturing &
Service Operations Management 4(3), 208-227. doi:10.1287/msom.4.3.208.7753
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

NEGLIGIBLE: Final = 1e-16
"""A tail this far below the sum of what was added before does not show in a double."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a line does in the long run.

    Parameters
    ----------
    p_wait : float
        Probability that no agent is free on arrival.
    p_lost : float
        Probability of hanging up, or of being turned away.
    wait_s : float
        Mean wait of all who arrive, those who hang up included.
    within_target : float
        Probability of being served within the target; NaN where it has no closed form here.
    """

    p_wait: float
    p_lost: float
    wait_s: float
    within_target: float = math.nan


def _law(arrivals_hz: float, leaves_hz: Callable[[int], float], last: int | None) -> list[float]:
    """Return the probabilities of 0, 1, 2, ... customers in the system."""
    weights, total = [1.0], 1.0
    numbers: Iterator[int] = itertools.count(1) if last is None else iter(range(1, last + 1))
    for number in numbers:
        weight = weights[-1] * arrivals_hz / leaves_hz(number)
        if last is None and weight < weights[-1] and weight < NEGLIGIBLE * total:
            break
        weights.append(weight)
        total += weight
        if total > 1e200:
            weights, total = [one / total for one in weights], 1.0
    return [weight / total for weight in weights]


def _check(arrivals_hz: float, handling_s: float, agents: int) -> None:
    if not (math.isfinite(arrivals_hz) and arrivals_hz > 0):
        raise ValueError(f"arrivals_hz={arrivals_hz} must be above 0 a second: calls an hour?")
    if not (math.isfinite(handling_s) and handling_s > 0):
        raise ValueError(f"handling_s={handling_s} must be above 0 s")
    if agents < 1:
        raise ValueError(f"agents={agents} must be 1 or more: a load?")


def erlang_b(*, arrivals_hz: float, handling_s: float, agents: int) -> Line:
    """Nobody waits: who finds no free agent is turned away.

    Examples
    --------
    >>> round(erlang_b(arrivals_hz=100 / 1800, handling_s=180.0, agents=14).p_lost, 7)
    0.0568191
    """
    _check(arrivals_hz, handling_s, agents)
    law = _law(arrivals_hz, lambda number: number / handling_s, agents)
    return Line(p_wait=0.0, p_lost=law[-1], wait_s=0.0)


def erlang_c(*, arrivals_hz: float, handling_s: float, agents: int, target_s: float = 20.0) -> Line:
    """Everybody waits until served.

    Examples
    --------
    >>> line = erlang_c(arrivals_hz=100 / 1800, handling_s=180.0, agents=14)
    >>> round(line.p_wait, 7), round(line.wait_s, 4), round(line.within_target, 5)
    (0.1741319, 7.8359, 0.88835)
    """
    _check(arrivals_hz, handling_s, agents)
    load = arrivals_hz * handling_s
    if load >= agents:
        raise ValueError(
            f"a load of {load:.3g} Erlang grows for ever before agents={agents}: who hangs up? Erlang A"
        )
    law = _law(arrivals_hz, lambda number: min(number, agents) / handling_s, None)
    p_wait = math.fsum(law[agents:])
    spare_hz = agents / handling_s - arrivals_hz
    return Line(
        p_wait=p_wait,
        p_lost=0.0,
        wait_s=p_wait / spare_hz,
        within_target=1 - p_wait * math.exp(-spare_hz * target_s),
    )


def erlang_a(*, arrivals_hz: float, handling_s: float, agents: int, patience_s: float) -> Line:
    """Who waits hangs up after an exponential patience.

    Examples
    --------
    >>> line = erlang_a(arrivals_hz=0.0611, handling_s=180.0, agents=10, patience_s=120.0)
    >>> round(line.p_wait, 5), round(line.p_lost, 5), round(line.wait_s, 2)
    (0.6053, 0.18069, 21.68)
    """
    _check(arrivals_hz, handling_s, agents)
    if not (math.isfinite(patience_s) and patience_s > 0):
        raise ValueError(f"patience_s={patience_s} must be above 0 s and finite: without an end it is Erlang C")
    law = _law(
        arrivals_hz,
        lambda number: min(number, agents) / handling_s + max(0, number - agents) / patience_s,
        None,
    )
    in_line = math.fsum(chance * (number - agents) for number, chance in enumerate(law) if number > agents)
    # Little's law for the line, and the rate at which those in it hang up over the rate at which they come.
    return Line(
        p_wait=math.fsum(law[agents:]),
        p_lost=in_line / patience_s / arrivals_hz,
        wait_s=in_line / arrivals_hz,
    )

"""The simulated centre against Erlang B, C and A: the same lines, run long, and what theory says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from callback.simulation.centre import Centre
from callback.simulation.detection import PERFECT
from callback.simulation.draws import draw_customers
from callback.simulation.erlang import Line, erlang_a, erlang_b, erlang_c
from callback.simulation.measures import Estimate, estimate
from callback.simulation.policies import NO_CALLBACK
from callback.simulation.scenario import HOUR_S, Load, Scenario

CONFIDENCE: Final = 0.99
ROUNDING_S: Final = 1e-6
"""Less than this is no wait: the clock sums up differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A line that theory knows.

    Parameters
    ----------
    name : str
    scenario : Scenario
    theory : Line
    """

    name: str
    scenario: Scenario
    theory: Line


def _case(
    name: str, theory: Line, *, arrivals_hz: float, agents: int, handling_s: float, patience_s: float
) -> Case:
    load = Load(load=arrivals_hz * handling_s / agents, lasts_s=HOUR_S)
    scenario = Scenario(
        loads=(load,),
        shift_s=11 * HOUR_S,
        warm_up_s=HOUR_S,
        agents=agents,
        handling_s=handling_s,
        patience_s=patience_s,
    )
    return Case(name=name, scenario=scenario, theory=theory)


BUSY_HZ: Final = 100 / 1800
CASES: Final = (
    _case(
        "Erlang B",
        erlang_b(arrivals_hz=BUSY_HZ, handling_s=180.0, agents=14),
        arrivals_hz=BUSY_HZ,
        agents=14,
        handling_s=180.0,
        patience_s=0.0,
    ),
    _case(
        "Erlang C",
        erlang_c(arrivals_hz=BUSY_HZ, handling_s=180.0, agents=14),
        arrivals_hz=BUSY_HZ,
        agents=14,
        handling_s=180.0,
        patience_s=math.inf,
    ),
    _case(
        "Erlang A",
        erlang_a(arrivals_hz=0.0611, handling_s=180.0, agents=10, patience_s=120.0),
        arrivals_hz=0.0611,
        agents=10,
        handling_s=180.0,
        patience_s=120.0,
    ),
)
"""100 calls in half an hour, 180 s each, 14 agents; and an overloaded line of ten, from which people hang up."""


def measured(scenario: Scenario, *, seed: int, shifts: int) -> dict[str, Estimate]:
    """Return what a scenario without callbacks comes to, by the names of `callback.simulation.erlang.Line`."""
    rows = [_one(scenario, seed, replication) for replication in range(shifts)]
    return {name: estimate([row[name] for row in rows], CONFIDENCE) for name in rows[0]}


def _one(scenario: Scenario, seed: int, replication: int) -> dict[str, float]:
    customers = draw_customers(scenario, seed, replication)
    entries = Centre(scenario, NO_CALLBACK, PERFECT, customers).run().entries
    counted = [one for one in entries if one.customer.arrives_s >= scenario.warm_up_s]
    ends_s = [one.left_s if one.served_s is None else one.served_s for one in counted]
    waits_s = [(end_s or 0.0) - one.customer.arrives_s for end_s, one in zip(ends_s, counted, strict=True)]
    lost = sum(one.served_s is None for one in counted)
    within = sum(
        one.served_s is not None and wait_s <= scenario.target_s
        for wait_s, one in zip(waits_s, counted, strict=True)
    )
    n = len(counted)
    return {
        "p_wait": sum(wait_s > ROUNDING_S for wait_s in waits_s) / n,
        "p_lost": lost / n,
        "wait_s": math.fsum(waits_s) / n,
        "within_target": within / n,
    }


def within(one: Estimate, value: float) -> bool:
    """Whether a value lies in an interval."""
    return one.low <= value <= one.high


NAMES: Final[dict[str, Sequence[str]]] = {
    "Erlang B": ("p_lost",),
    "Erlang C": ("p_wait", "wait_s", "within_target"),
    "Erlang A": ("p_wait", "p_lost", "wait_s"),
}
"""What each case is checked by."""

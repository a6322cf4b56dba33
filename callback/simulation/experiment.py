"""Policies and detectors side by side: independent shifts, the same customers for all, spread over processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from amd.workers import spread
from callback.simulation.centre import Centre
from callback.simulation.detection import PERFECT, Detector
from callback.simulation.draws import draw_customers
from callback.simulation.measures import MEASURES, Estimate, estimate, measure
from callback.simulation.policies import CUSTOMER_FIRST, DIAL_LEAD, POLICIES, Policy
from callback.simulation.scenario import Scenario, ScenarioError

SHIFTS: Final = 40
"""Enough for the retried wait to be known to some 7 s; a few minutes on one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One thing compared: a policy with a detector, under a name of its own."""

    name: str
    policy: Policy
    detector: Detector = PERFECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An arm's figures.

    Parameters
    ----------
    arm : Arm
    figures : dict of str to Estimate
        By the names of `callback.simulation.measures.MEASURES`.
    differences : dict of str to Estimate
        The same less those of the first arm, shift by shift: the customers are the same.
    """

    arm: Arm
    figures: dict[str, Estimate]
    differences: dict[str, Estimate]


def one_shift(scenario: Scenario, arms: Sequence[Arm], seed: int, replication: int) -> list[dict[str, float]]:
    """Return the figures of one shift for every arm."""
    customers = draw_customers(scenario, seed, replication)
    return [measure(Centre(scenario, arm.policy, arm.detector, customers).run(), scenario) for arm in arms]


def compare(
    scenario: Scenario, arms: Sequence[Arm], *, seed: int, shifts: int, jobs: int | None = 1
) -> list[Compared]:
    """Simulate independent shifts of every arm.

    Parameters
    ----------
    scenario : Scenario
    arms : sequence of Arm
        Differences are from the first.
    seed : int
    shifts : int, at least 2
    jobs : int or None
        Processes; None is one a core.
    """
    if shifts < 2:
        raise ScenarioError(f"shifts={shifts} must be 2 or more: one says nothing of how far chance goes")
    if len({arm.name for arm in arms}) < len(arms):
        raise ScenarioError(f"two arms have one name: {', '.join(arm.name for arm in arms)}")
    rows = list(spread(partial(one_shift, scenario, arms, seed), range(shifts), jobs=jobs))
    compared = []
    for index, arm in enumerate(arms):
        own = {name: [row[index][name] for row in rows] for name in MEASURES}
        base = {name: [row[0][name] for row in rows] for name in MEASURES}
        compared.append(
            Compared(
                arm=arm,
                figures={name: estimate(values) for name, values in own.items()},
                differences={
                    name: estimate([a - b for a, b in zip(values, base[name], strict=True)])
                    for name, values in own.items()
                },
            )
        )
    return compared


def policy_arms(detector: Detector = PERFECT) -> list[Arm]:
    """Every policy, with one detector."""
    return [Arm(name=policy.name, policy=policy, detector=detector) for policy in POLICIES]


def detector_arms(detectors: Sequence[Detector]) -> list[Arm]:
    """Detectors under one policy: customer first, dialled ahead of the head."""
    return [Arm(name=one.name, policy=DIAL_LEAD, detector=one) for one in (PERFECT, *detectors)]


LOST_STEPS: Final = (0.0, 0.02, 0.05, 0.10, 0.20, 0.40, 0.60)
LATER_STEPS_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0)


def accuracy_arms(detector: Detector, steps: Sequence[float] = LOST_STEPS) -> list[Arm]:
    """One detector, made to lose more and more people."""
    return [
        Arm(
            name=f"people lost {100 * lost:g} %",
            policy=CUSTOMER_FIRST,
            detector=replace(detector, human_lost=lost, human_unsure=min(detector.human_unsure, 1 - lost)),
        )
        for lost in steps
    ]


def latency_arms(detector: Detector, steps_s: Sequence[float] = LATER_STEPS_S) -> list[Arm]:
    """One detector, made later and later."""
    return [
        Arm(
            name=f"verdicts {later_s:g} s later",
            policy=CUSTOMER_FIRST,
            detector=replace(
                detector,
                human_delays_s=tuple(one + later_s for one in detector.human_delays_s),
                machine_delays_s=tuple(one + later_s for one in detector.machine_delays_s),
            ),
        )
        for later_s in steps_s
    ]

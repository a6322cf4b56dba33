"""The stopping rule: the thresholds of a policy at which errors and delays cost least on calls that were heard.

One field after another is moved along its grid while the others stay, until none makes it cheaper: cheap, since a
policy is replayed on what was heard (`amd.training.replay`), and the cost is nearly convex in each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from amd.errors import ManifestError, PolicyError
from amd.policy import Policy
from amd.training.cost import Cost
from amd.training.listening import Recorded
from amd.training.replay import Stack

GRID: Final[Mapping[str, tuple[float, ...]]] = {
    "machine_probability_min": (0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998),
    "human_probability_min": (
        0.6,
        0.7,
        0.8,
        0.82,
        0.84,
        0.85,
        0.86,
        0.87,
        0.88,
        0.89,
        0.9,
        0.92,
        0.94,
        0.95,
        0.96,
        0.97,
        0.98,
        0.985,
        0.99,
    ),
    "human_gap_min_s": (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2),
    "forced_probability_min": (0.5, 0.55, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995),
}
"""What is chosen. What the law gives (``gap_max_s``), and what only bounds a call, stays."""
ROUNDS_MAX: Final = 6


def choose(recorded: Sequence[Recorded], start: Policy, cost: Cost) -> tuple[dict[str, float], float]:
    """Choose the fields of `GRID` by cost.

    Parameters
    ----------
    recorded : sequence of Recorded
        Of speakers that the model was not fitted to.
    start : Policy
        Where to begin; its other fields stay.
    cost : Cost

    Returns
    -------
    fields : dict of str to float
    cost : float
        Mean of a call, by these fields.
    """
    calls = [one.call for one in recorded if one.call is not None]
    if len(calls) != len(recorded) or not calls:
        raise ManifestError("the stopping rule is chosen on calls of a labeled set: these have no labels")
    stack = Stack(recorded)

    def price(policy: Policy) -> float:
        return cost.mean(calls, stack.decide(policy))

    best, least = start, price(start)
    for _ in range(ROUNDS_MAX):
        before = least
        for name, values in GRID.items():
            for value in values:
                try:
                    policy = dataclasses.replace(best, **{name: value})  # type: ignore[arg-type]
                except PolicyError:  # out of step with a field that stays
                    continue
                price_of = price(policy)
                if price_of < least - 1e-9:
                    best, least = policy, price_of
        if least >= before - 1e-9:
            break
    return {name: float(getattr(best, name)) for name in GRID}, least

"""What other stopping rules would have said of the same calls: errors against delay, and where others stand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from amd.evaluation.manifest import TIME_COLUMNS, Call
from amd.evaluation.measured import Measured
from amd.evaluation.rivals import KNOWN, VERDICT
from amd.evaluation.summary import PARTIES
from amd.events import Party
from amd.model import Model, shipped
from amd.policy import PRESETS, Policy, preset
from amd.training.cost import Cost
from amd.training.listening import Recorded, hear
from amd.training.replay import CAUSES, Decided, Stack
from amd.vocabularies import party_of
from amd.workers import spread

CALLS_MAX: Final = 1000
"""The curve is drawn from so many calls at most, spread evenly over the set: it hears them once more."""
HUMAN_P: Final = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
MACHINE_P: Final = (0.85, 0.9, 0.93, 0.95, 0.97, 0.985)
GAPS_S: Final = (0.3, 0.45, 0.6, 0.75, 0.85, 1.0, 1.25, 1.5)
GAPS_MAX_S: Final = (1.2, 1.8, 2.4)
SWEPT: Final = ("human_probability_min", "machine_probability_min", "human_gap_min_s", "gap_max_s")

WEIGHTS: Final = Cost()
"""What errors cost here: the weights that the stopping rule was chosen by."""
ERRORS_ONLY: Final = replace(WEIGHTS, human_second=0.0, machine_second=0.0, human_median_max_s=math.inf)
"""Delay is the other axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One stopping rule, or one system.

    Parameters
    ----------
    name : str
        Of a preset or a system; empty for what was swept.
    delay_s : float
        Median from the end of a person's greeting to ``human``; NaN where there is none.
    cost : float
        Of errors, of 100 calls, by `WEIGHTS`.
    human_called_machine, machine_called_human, unsure : float
        Shares of people, of machines, of all.
    """

    name: str
    delay_s: float
    cost: float
    human_called_machine: float
    machine_called_human: float
    unsure: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The curve, and what stands beside it.

    Parameters
    ----------
    n_calls : int
        Of how many calls it is drawn.
    chosen : Point
        The policy of the report.
    presets, swept, rivals : list of Point
    front : list of Point
        Of ``chosen``, ``presets`` and ``swept`` those that no other beats in cost and delay both, by delay.
    """

    n_calls: int
    chosen: Point
    presets: list[Point]
    swept: list[Point]
    rivals: list[Point]
    front: list[Point]


def draw_calls(calls: Iterable[Measured], n_calls: int) -> list[Call]:
    """Take at most `CALLS_MAX` of ``n_calls`` calls, spread evenly."""
    step = max(1.0, n_calls / CALLS_MAX)
    wanted = {int(index * step) for index in range(min(n_calls, CALLS_MAX))}
    return [_call(one) for index, one in enumerate(calls) if index in wanted]


def _call(one: Measured) -> Call:
    texts = {name: one.columns.get(name, "").strip() for name in TIME_COLUMNS}
    times_s = {name: float(text) for name, text in texts.items() if text}
    return Call(row=one.row, file=one.file, label=one.label, times_s=times_s, columns=dict(one.columns))


def operating_curve(
    folder: Path, calls: Sequence[Call], policy: Policy, *, model: Model | None, jobs: int | None
) -> Curve:
    """Hear calls once more, deciding nothing, and replay stopping rules on them.

    Parameters
    ----------
    folder : Path
        Of the set.
    calls : sequence of Call
        One at least.
    policy : Policy
        The one that the report is about.
    model : Model or None
        The shipped one unless given.
    jobs : int or None
    """
    heard = list(spread(partial(_hear, folder, policy.early_media, model), calls, jobs=jobs))
    stack = Stack(heard)
    judge = model or shipped()
    presets = {name: replace(preset(name, judge), early_media=policy.early_media) for name in PRESETS}
    named = {replace(one, until=policy.until): name for name, one in reversed(presets.items())}
    chosen_name = named.get(policy, "this policy")
    chosen = point(chosen_name, calls, stack.decide(policy))
    others = [point(name, calls, stack.decide(one)) for one, name in named.items() if name != chosen_name]
    swept = [point("", calls, stack.decide(one)) for one in sweep(policy)]
    return Curve(
        n_calls=len(calls),
        chosen=chosen,
        presets=[one for one in others if (one.delay_s, one.cost) != (chosen.delay_s, chosen.cost)],
        swept=swept,
        rivals=rival_points(calls),
        front=front([chosen, *others, *swept]),
    )


def _hear(folder: Path, early_media: bool, model: Model | None, call: Call) -> Recorded:  # noqa: FBT001
    return hear(folder / call.file, call=call, early_media=early_media, model=model)


def sweep(policy: Policy) -> Iterable[Policy]:
    """Yield policies around one."""
    for human, machine, gap_s, gap_max_s in itertools.product(HUMAN_P, MACHINE_P, GAPS_S, GAPS_MAX_S):
        if gap_s <= gap_max_s and policy.early_gap_min_s <= gap_s and policy.early_probability_min is None:
            yield replace(
                policy,
                human_probability_min=human,
                machine_probability_min=machine,
                human_gap_min_s=gap_s,
                gap_max_s=gap_max_s,
            )


def point(name: str, calls: Sequence[Call], decided: Decided) -> Point:
    """Score what was said of calls."""
    label = np.array([PARTIES.index(call.label) for call in calls])
    human, machine, unsure = (PARTIES.index(one) for one in (Party.HUMAN, Party.MACHINE, Party.UNSURE))
    from_s = np.array([call.times_s.get("greeting_end_s", np.nan) for call in calls])
    late_s = (decided.known_s - from_s)[(label == human) & (decided.party == human)]
    late_s = late_s[~np.isnan(late_s)]
    return Point(
        name=name,
        delay_s=float(np.median(late_s)) if late_s.size else math.nan,
        cost=100 * ERRORS_ONLY.mean(calls, decided),
        human_called_machine=_share(decided.party == machine, label == human),
        machine_called_human=_share(decided.party == human, label == machine),
        unsure=_share(decided.party == unsure, label >= 0),
    )


def _share(hit: np.ndarray, of: np.ndarray) -> float:
    return float(hit[of].mean()) if of.any() else math.nan


def rival_points(calls: Sequence[Call]) -> list[Point]:
    """Score what other systems said of calls, as far as they judged them."""
    names = [name for name in calls[0].columns if name.endswith(VERDICT)]
    points = []
    for column in names:
        name = column.removesuffix(VERDICT)
        judged = [call for call in calls if call.columns.get(column)]
        if judged:
            party = [PARTIES.index(party_of(call.columns[column])) for call in judged]
            known_s = [float(call.columns.get(name + KNOWN) or "nan") for call in judged]
            points.append(point(name.replace("_", " "), judged, _decided(party, known_s)))
    return points


def _decided(party: Sequence[int], known_s: Sequence[float]) -> Decided:
    n = len(party)
    return Decided(
        party=np.array(party, dtype=np.int8),
        known_s=np.array(known_s, dtype=np.float64),
        cause=np.full(n, len(CAUSES) - 1, dtype=np.int8),
        probability=np.full(n, np.nan),
    )


def front(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other beats in cost and delay both, by delay.

    Examples
    --------
    >>> none = {"human_called_machine": 0.0, "machine_called_human": 0.0, "unsure": 0.0}
    >>> ones = [Point(name="", delay_s=s, cost=cost, **none) for s, cost in ((1.0, 5.0), (0.5, 9.0), (1.2, 6.0))]
    >>> [one.delay_s for one in front(ones)]
    [0.5, 1.0]
    """
    best: list[Point] = []
    for one in sorted(
        (one for one in points if not math.isnan(one.delay_s)), key=lambda one: (one.delay_s, one.cost)
    ):
        if not best or one.cost < best[-1].cost:
            best.append(one)
    return best

"""``python -m benchmarks curve SET...``: what each stopping rule of `amd` costs, in errors and in delay.

Calls are heard once; the policies are replayed (`amd.training.replay`). A point is Pareto-optimal when no other
has fewer people called machine, fewer machines called human, fewer unsure and earlier human verdicts, all at once
or as many.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from amd.evaluation.scores import wilson
from amd.events import Party
from amd.policy import PRESETS, Policy
from amd.recordings import Reading, classify
from amd.training.replay import PARTIES, Decided, Recorded, Stack, record
from benchmarks import systems
from benchmarks.accuracy import Sets, models, read_sets, score
from benchmarks.cost import Truths, mean_cost, truths_of
from benchmarks.scoring import Scored, share_data, short

HUMAN_P: Final = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
MACHINE_P: Final = (0.85, 0.9, 0.93, 0.95, 0.97, 0.985)
GAPS_S: Final = (0.3, 0.45, 0.6, 0.75, 0.85, 1.0, 1.25, 1.5)
GAPS_MAX_S: Final = (1.2, 1.8, 2.4)
SWEPT: Final = ("human_probability_min", "machine_probability_min", "human_gap_min_s", "gap_max_s")

PRINTED: Final = 20
"""So many of the Pareto-optimal policies are printed, the cheapest; the JSON has all."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One policy, or one peer, on the calls; ``policy`` holds what was swept, and is empty for a peer.

    Parameters
    ----------
    name : str
    policy : dict of str to float
    counts : dict of str to (int, int)
        People called machine, machines called human, unsure, right: how many, of how many.
    human_s : tuple of float
        p50 and p90 of people's verdicts, from the end of the greeting; NaN if there are none.
    machine_s : float
        p50 of machines' verdicts, from the first speech; NaN if there are none.
    cost : float
        By `benchmarks.cost`.
    """

    name: str
    policy: dict[str, float]
    counts: dict[str, tuple[int, int]]
    human_s: tuple[float, float]
    machine_s: float
    cost: float

    @property
    def losses(self) -> tuple[float, ...]:
        """What should be small: the errors, unsure, and how late people are told."""
        errors = (self.counts[name][0] for name in ("human_called_machine", "machine_called_human", "unsure"))
        late_s = self.human_s[0] if not np.isnan(self.human_s[0]) else np.inf
        return (*errors, round(late_s, 3))


def policies() -> Iterator[tuple[str, Policy]]:
    """Yield the presets by name, then what is swept around ``balanced``."""
    yield from PRESETS.items()
    for human, machine, gap_s, gap_max_s in itertools.product(HUMAN_P, MACHINE_P, GAPS_S, GAPS_MAX_S):
        if gap_s <= gap_max_s:
            values = (human, machine, gap_s, gap_max_s)
            yield "", replace(PRESETS["balanced"], **dict(zip(SWEPT, values, strict=True)))  # type: ignore[arg-type]


def point(name: str, policy: Policy | None, truths: Truths, decided: Decided) -> Point:
    """Score the verdicts of one policy or peer."""
    human, machine = truths.are(Party.HUMAN), truths.are(Party.MACHINE)
    late_s = decided.known_s - truths.from_s
    human_s = late_s[human & decided.are(Party.HUMAN) & ~np.isnan(late_s)]
    machine_s = late_s[machine & decided.are(Party.MACHINE) & ~np.isnan(late_s)]
    p50, p90 = np.quantile(human_s, [0.5, 0.9]).tolist() if human_s.size else (float("nan"), float("nan"))
    return Point(
        name=name,
        policy={} if policy is None else {field: getattr(policy, field) for field in SWEPT},
        counts={
            "right": (int(np.sum(decided.party == truths.label)), truths.label.size),
            "human_called_machine": (int(np.sum(human & decided.are(Party.MACHINE))), int(human.sum())),
            "machine_called_human": (int(np.sum(machine & decided.are(Party.HUMAN))), int(machine.sum())),
            "unsure": (int(np.sum(decided.are(Party.UNSURE))), truths.label.size),
        },
        human_s=(p50, p90),
        machine_s=float(np.median(machine_s)) if machine_s.size else float("nan"),
        cost=mean_cost(truths, decided),
    )


def sweep(recorded: Sequence[Recorded]) -> list[Point]:
    """Replay every policy on calls that were heard."""
    stack, truths = Stack(recorded), truths_of([one.call for one in recorded if one.call is not None])
    return [point(name, policy, truths, stack.decide(policy)) for name, policy in policies()]


def pareto(points: Sequence[Point]) -> list[bool]:
    """Tell which points no other beats: as good in every loss, and better in one.

    Policies with the same losses are one point: the first of them stands for it.
    """
    losses = np.array([one.losses for one in points])
    kept = []
    for index, mine in enumerate(losses):
        as_good = np.all(losses <= mine, axis=1)
        better = as_good & np.any(losses < mine, axis=1)
        kept.append(not better.any() and int(np.flatnonzero(as_good)[0]) == index)
    return kept


def of_scored(scored: Sequence[Scored], truths: Truths, name: str) -> Point:
    """Return a peer as a point."""
    party = np.array([PARTIES.index(one.party) for one in scored], dtype=np.int8)
    known_s = np.array([one.known_s for one in scored])
    unknown = np.full(party.size, np.nan)
    decided = Decided(party=party, known_s=known_s, cause=np.zeros_like(party), probability=unknown)
    return point(name, None, truths, decided)


def check(sets: Sets, recorded: Sequence[Recorded], n_calls: int) -> int:
    """Count calls whose replayed verdict is not the detector's, over all presets, on the first calls."""
    n_other = 0
    for name, policy in PRESETS.items():
        decided = Stack(recorded[:n_calls]).decide(policy)
        for index, (folder, call) in enumerate(sets.calls[:n_calls]):
            result = classify(folder / call.file, Reading(policy=replace(policy, watch_s=0.0)))
            same = decided.said(index) == (result.party, result.known_s, result.cause)
            n_other += not same
            if not same:
                print(f"{name}: {call.file} is {result.party} at {result.known_s}, replayed {decided.said(index)}")
    return n_other


def run(
    folders: Sequence[Path],
    *,
    peers: str = "all",
    out: Path | None = None,
    jobs: int | None = None,
    n_checked: int = 0,
) -> None:
    """Print the presets, the peers and the Pareto-optimal policies; write all points as JSON if asked to."""
    sets, systems_here = read_sets(folders), systems.chosen(peers)
    recorded = [one for folder in folders for one in record(folder, jobs)]
    if n_checked and (n_other := check(sets, recorded, n_checked)):
        raise SystemExit(f"{n_other} replayed verdicts are not the detector's")
    points = sweep(recorded)
    best = pareto(points)
    truths = truths_of([call for _, call in sets.calls])
    others = []
    if systems_here:
        scored = score(sets, systems_here, jobs=jobs)
        others = [of_scored(scored[peer.title], truths, peer.title) for peer in systems_here.values()]
    shown = [one for one in points if one.name] + others
    optimal = sorted(
        (one for one, is_best in zip(points, best, strict=True) if is_best), key=lambda one: one.losses
    )
    names = " and ".join(folder.name for folder in folders)
    console = Console(width=10_000)
    console.print(table(f"{names}: {len(sets.calls)} calls; presets and peers", shown), "")
    title = f"{len(optimal)} of {len(points)} policies are Pareto-optimal; the {PRINTED} that cost least"
    console.print(table(title, optimal[:PRINTED]))
    if out is not None:
        data = {
            "command": "python -m benchmarks curve",
            "sets": sets.described(),
            **models(),
            "points": [as_data(one) | {"pareto": is_best} for one, is_best in zip(points, best, strict=True)],
            "peers": [as_data(one) for one in others],
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def as_data(one: Point) -> dict[str, Any]:
    """Return a point as plain JSON types."""
    times = {"human_p50_s": one.human_s[0], "human_p90_s": one.human_s[1], "machine_p50_s": one.machine_s}
    return {
        "name": one.name,
        "policy": one.policy,
        **{name: share_data(wilson(*counts)) for name, counts in one.counts.items()},
        **{name: None if np.isnan(value) else round(value, 4) for name, value in times.items()},
        "cost": round(one.cost, 4),
    }


def table(title: str, points: Sequence[Point]) -> Table:
    """One row a point."""
    made = Table(
        *("policy", "p human", "p machine", "gap s", "gap max s", "right", "human called machine"),
        *("machine called human", "unsure", "human p50, p90", "machine p50", "cost"),
        box=None,
        pad_edge=False,
        header_style="bold",
        title=title,
        title_justify="left",
    )
    for one in points:
        swept = [f"{one.policy[field]:g}" if one.policy else "" for field in SWEPT]
        shares = [short(wilson(*one.counts[name])) for name in ("human_called_machine", "machine_called_human")]
        right, unsure = wilson(*one.counts["right"]), one.counts["unsure"]
        times = (f"{one.human_s[0]:.2f}, {one.human_s[1]:.2f} s", f"{one.machine_s:.2f} s")
        cells = (f"{100 * right.value:.1f} %", *shares, f"{unsure[0]}/{unsure[1]}", *times, f"{one.cost:.3f}")
        made.add_row(one.name, *swept, *cells)
    return made

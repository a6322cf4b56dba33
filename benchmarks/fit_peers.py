"""``python -m benchmarks fit-peers TRAINSET... --out FILE``: the constants of the peers, on composed train calls.

The rule of times on each mask is printed, to be written down in `benchmarks.peers.cadence`; the trees over fifteen
times go to the file. The last fifth of the calls chooses the stopping rule of the trees, which were fitted to the
others. Needs webrtcvad, silero-vad, torch and scikit-learn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from amd.audio import RATE_HZ
from amd.evaluation.manifest import Call, read_manifest
from amd.training.answer import PARTIES, lesson_of
from amd.training.listening import Recorded
from amd.training.replay import Stack
from amd.training.truth import read_truth
from amd.trees import Trees
from amd.workers import spread
from benchmarks.boosted import content_from
from benchmarks.cost import truths_of
from benchmarks.peers import activity, cadence, timing
from benchmarks.peers.cadence import Runs
from benchmarks.search import RuleStack, best_policy, best_rule

Floats = npt.NDArray[np.float64]

N_TREES: Final = 120
DEPTH: Final = 4
RATE: Final = 0.08
LEAF_TICKS: Final = 200
CHOOSE_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A call to hear, and what is true of it."""

    path: Path
    call: Call
    truth: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One call: the runs of each mask by name, the fifteen times of each tick, and how much each tick counts."""

    call: Call
    duration_s: float
    runs: dict[str, Runs]
    rows: Floats
    weight: npt.NDArray[np.float32]


def jobs_of(folders: Sequence[Path], n_calls: int | None) -> list[Job]:
    """List the calls of some sets, the first so many of each."""
    jobs = []
    for folder in folders:
        calls, truths = read_manifest(folder)[:n_calls], read_truth(folder, n_calls=n_calls)
        jobs += [
            Job(path=folder / call.file, call=call, truth=truth) for call, truth in zip(calls, truths, strict=True)
        ]
    return jobs


def can_hear() -> bool:
    """Whether every mask can be put on a call here."""
    return activity.has_webrtc() and activity.has_silero()


def hear(job: Job) -> Timed:
    """Put every mask on one call."""
    samples, _ = soundfile.read(job.path, dtype="float32")
    silero = activity.silero(samples)
    masks = {f"webrtcvad {mode}": activity.webrtc(mode, samples) for mode in activity.WEBRTC_MODES}
    masks |= {"silero-vad": silero, "amd's speech activity": activity.ours(samples)}
    rows = timing.measures(silero)
    return Timed(
        call=job.call,
        duration_s=samples.size / RATE_HZ,
        runs={
            name: cadence.runs_of(mask, cadence.TICKS[name.split(" ")[0] if "webrtc" in name else name])
            for name, mask in masks.items()
        },
        rows=rows,
        weight=lesson_of(job.truth, rows.shape[0])[1],
    )


def run(folders: Sequence[Path], out: Path, *, n_calls: int | None, n_jobs: int | None) -> None:
    """Hear the calls, choose the rules, fit the trees, write them, and say what was found."""
    jobs = jobs_of(folders, n_calls)
    timed = list(spread(hear, jobs, jobs=n_jobs))
    for line in rules(timed):
        print(line, flush=True)
    content = fit(
        timed, f"{len(timed)} composed calls of the train split: {', '.join(folder.name for folder in folders)}"
    )
    out.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"fifteen times: {content['policy']}, cost {content['chosen_cost']}; {out.stat().st_size / 1000:.0f} kB")


def rules(timed: Sequence[Timed]) -> Iterator[str]:
    """Choose the constants of the rule on each mask."""
    truths = truths_of([one.call for one in timed])
    durations_s = [one.duration_s for one in timed]
    for name in timed[0].runs:
        mode = int(name[-1]) if name.startswith("webrtcvad") else 0
        stack = RuleStack([one.runs[name] for one in timed], durations_s)
        cost, rule = best_rule(stack, truths, mode=mode)
        yield f"{name}: gap_s={rule.gap_s}, longest_s={rule.longest_s}; mean cost {cost:.3f} ({len(timed)} calls)"


def boosted(timed: Sequence[Timed]) -> Any:
    """Fit trees over fifteen times to the ticks of people and machines, with scikit-learn."""
    # scikit-learn comes with the extra `train`
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    rows, machine, weight = ticks_of(timed)
    return HistGradientBoostingClassifier(
        max_iter=N_TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        min_samples_leaf=LEAF_TICKS,
        l2_regularization=1.0,
        random_state=0,
        early_stopping=False,
    ).fit(rows, machine, sample_weight=weight)


def trees_of(fitted: Any) -> Trees:
    """Return fitted trees as they are walked."""
    return Trees.of(content_from(fitted, timing.MEASURES, timing.FORMAT, version="draft"), timing.MEASURES)


def opinions(trees: Trees, timed: Sequence[Timed]) -> list[Recorded]:
    """Return what the trees say of each tick, for the stopping rule."""
    return [
        timing.recorded(one.rows, timing.probabilities(trees, one.rows), duration_s=one.duration_s)
        for one in timed
    ]


def fit(timed: Sequence[Timed], story: str) -> dict[str, Any]:
    """Fit the trees over fifteen times, and choose when they stop, as JSON content."""
    n_fit = round((1 - CHOOSE_SHARE) * len(timed))
    fitted = boosted(timed[:n_fit])
    chosen = timed[n_fit:]
    calls = opinions(trees_of(fitted), chosen)
    cost, policy = best_policy(Stack(calls), truths_of([one.call for one in chosen]))
    recipe = (
        f"python -m benchmarks fit-peers: {story}; {N_TREES} trees of depth {DEPTH} on the first {n_fit} calls,"
        f" stopping rule by benchmarks/cost.py on the other {len(chosen)}; scikit-learn"
    )
    stop = {name: getattr(policy, name) for name in timing.POLICY_FIELDS}
    return content_from(
        fitted,
        timing.MEASURES,
        timing.FORMAT,
        version="timing-1",
        recipe=recipe,
        policy=stop,
        chosen_cost=round(cost, 4),
    )


def ticks_of(timed: Sequence[Timed]) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Stack the ticks of people and machines that count: their times, who it is, and how much each counts."""
    rows, machine, weight = [], [], []
    for one in timed:
        counts = (one.weight > 0) & ~np.isnan(one.rows[:, 0])
        if str(one.call.label) in PARTIES and counts.any():
            rows.append(one.rows[counts])
            weight.append(one.weight[counts])
            machine.append(np.full(int(counts.sum()), str(one.call.label) == "machine"))
    return np.concatenate(rows), np.concatenate(machine), np.concatenate(weight)

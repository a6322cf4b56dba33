"""``python -m benchmarks baselines TRAINSET... --dev SET --test SET``: what the recurrent network is compared to.

Logistic regression and gradient-boosted trees on the wide vector of `benchmarks.ticks`, a recurrent network as
``amd train`` fits it, and boosted trees on fifteen times of silero-vad's speech are fitted to the same calls. Each
gets the stopping rule that is cheapest on the dev calls (`benchmarks.cost`), and so do the rules of times on masks
of speech activity, and the shipped network, which heard more. All are scored on the same test calls, beside
``balanced`` and Asterisk's rules as they come. Needs scikit-learn and torch; masks need webrtcvad and silero-vad.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from amd.policy import PRESETS
from amd.training import answer
from amd.training.listening import Recorded
from amd.training.replay import Stack
from benchmarks import fit_peers, systems
from benchmarks.accuracy import models, read_sets
from benchmarks.candidates import (
    Candidate,
    Judge,
    calls_of,
    cross_entropy,
    of_decided,
    of_rules,
    with_best_stop,
    with_best_times,
)
from benchmarks.fit_peers import jobs_of
from benchmarks.peers import activity
from benchmarks.scoring import HEADERS, cells, figures
from benchmarks.ticks import FEATURES, Ticks, hear_all

N_TREES: Final = 300
DEPTH: Final = 5
RATE: Final = 0.06
LEAF_TICKS: Final = 200
INVERSE_PENALTY: Final = 0.1
MASKS: Final = {
    "silero-vad": ("silero-vad",),
    "amd's speech activity": ("amd's speech activity",),
    "webrtcvad": tuple(f"webrtcvad {mode}" for mode in activity.WEBRTC_MODES),
}


def run(
    folders: Sequence[Path],
    dev: Path,
    tests: Sequence[Path],
    *,
    out: Path | None,
    n_calls: int | None,
    n_dev: int | None,
    n_test: int | None,
    n_jobs: int | None,
) -> None:
    """Fit to the first calls of each folder, choose on those of ``dev``, score, print; write JSON if asked to."""
    train = hear_all(jobs_of(folders, n_calls), n_jobs)
    judges = fitted(train)
    n_train = len(train)
    del train  # what was heard of many calls is large
    choosing = hear_all(jobs_of([dev], n_dev), n_jobs)
    heard = hear_all(jobs_of(tests, n_test), n_jobs)
    found = candidates(judges, choosing, heard)
    title = (
        f"{_names(tests)}: {len(heard)} calls; fitted to {n_train} calls of {_names(folders)}, "
        f"stopping rules chosen on {len(choosing)} of {dev.name}"
    )
    console = Console(width=10_000)
    console.print(table(title, found))
    if not fit_peers.can_hear():
        console.print(
            "left out, as webrtcvad and silero-vad are not both installed here: what rests on their masks"
        )
    if out is not None:
        data = {
            "command": "python -m benchmarks baselines",
            "train": read_sets(folders, n_calls).described(),
            "dev": read_sets([dev], n_dev).described(),
            "sets": read_sets(tests, n_test).described(),
            **models(),
            "peers": systems.versions(systems.chosen("all")),
            "systems": {name: one.data() for name, one in found.items()},
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(folder.name for folder in folders)


def fitted(train: Sequence[Ticks]) -> dict[str, Judge]:
    """Fit all that is fitted to ticks."""
    judges = {"recurrent network": refitted(train), **fit(train)}
    if fit_peers.can_hear():
        judges["silero-vad + 15 timing features, boosted trees"] = times_judge(train)
    return judges


def candidates(
    judges: dict[str, Judge], choosing: Sequence[Ticks], heard: Sequence[Ticks]
) -> dict[str, Candidate]:
    """Score everything on the calls heard, by name, with constants that the choosing calls give."""
    shipped = network(heard)
    found = {
        "amd, balanced": of_decided(
            calls_of(heard),
            Stack(shipped).decide(PRESETS["balanced"]),
            stop={},
            cross_entropy=cross_entropy(heard, shipped),
        ),
        "shipped network": with_best_stop(network, choosing, heard),
    }
    found |= {name: with_best_stop(judge, choosing, heard) for name, judge in judges.items()}
    if fit_peers.can_hear():
        found |= {
            f"{name} + cadence rule": with_best_times(masks, choosing, heard) for name, masks in MASKS.items()
        }
    return found | {"Asterisk's rules": of_rules(heard)}


def network(calls: Sequence[Ticks]) -> list[Recorded]:
    """What the shipped network, calibrated, makes of the calls: they are heard with it."""
    return [one.heard for one in calls]


def refitted(train: Sequence[Ticks]) -> Judge:
    """Fit a network as ``amd train`` does; its answers are not calibrated, as those of the others are not."""
    made = answer.fit([one.lesson for one in train], answer.Recipe(), version="baseline", story="")

    def judge(calls: Sequence[Ticks]) -> list[Recorded]:
        judged = []
        for one, log_odds in zip(calls, answer.judge(made, [one.lesson for one in calls]), strict=True):
            n_more = one.heard.n_ticks - log_odds.size  # what is left of a tick at the end of the audio
            p_machine = expit(np.pad(log_odds.astype(np.float64), (0, max(0, n_more)), mode="edge"))
            judged.append(one.judged(p_machine[: one.heard.n_ticks], float(p_machine[-1])))
        return judged

    return judge


def fit(train: Sequence[Ticks]) -> dict[str, Judge]:
    """Fit the baselines to the ticks of people and machines that count."""
    # scikit-learn comes with the extra `train`
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    rows = np.concatenate([one.features[one.counts] for one in train])
    weight = np.concatenate([one.weight[one.counts] for one in train])
    machine = np.concatenate([np.full(int(one.counts.sum()), one.machine) for one in train])
    trees = HistGradientBoostingClassifier(
        max_iter=N_TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        min_samples_leaf=LEAF_TICKS,
        l2_regularization=1.0,
        random_state=0,
        early_stopping=False,
    ).fit(rows, machine, sample_weight=weight)
    line = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=INVERSE_PENALTY, max_iter=500),
    ).fit(rows, machine, logisticregression__sample_weight=weight)
    return {
        f"gradient-boosted trees, {len(FEATURES)} features": _judge(trees),
        f"logistic regression, {len(FEATURES)} features": _judge(line),
    }


def _judge(model: Any) -> Judge:
    def judge(calls: Sequence[Ticks]) -> list[Recorded]:
        rows = np.concatenate([np.vstack([one.features, one.end_features]) for one in calls])
        p_machine = model.predict_proba(rows)[:, 1]
        starts = np.cumsum([0, *(one.features.shape[0] + 1 for one in calls)])
        return [
            one.judged(p_machine[start : end - 1], float(p_machine[end - 1]))
            for one, start, end in zip(calls, starts[:-1], starts[1:], strict=True)
        ]

    return judge


def times_judge(train: Sequence[Ticks]) -> Judge:
    """Fit trees to fifteen times of silero-vad's speech, as `benchmarks.fit_peers` does."""
    trees = fit_peers.trees_of(fit_peers.boosted([one.timed for one in train if one.timed is not None]))

    def judge(calls: Sequence[Ticks]) -> list[Recorded]:
        return fit_peers.opinions(trees, [one.timed for one in calls if one.timed is not None])

    return judge


def table(title: str, found: dict[str, Candidate]) -> Table:
    """One row a system."""
    headers = ("system", "cross-entropy", "stops at", "cost", *HEADERS)
    made = Table(*headers, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name, one in found.items():
        stop = "/".join(f"{value:g}" for value in one.stop.values())
        entropy = "" if np.isnan(one.cross_entropy) else f"{one.cross_entropy:.4f}"
        made.add_row(name, entropy, stop, f"{one.cost:.3f}", *cells(figures(one.scored)))
    return made

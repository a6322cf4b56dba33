"""``python -m benchmarks baselines TRAINSET... --dev SET``: what the recurrent network is compared to.

Logistic regression and gradient-boosted trees on the wide vector of `benchmarks.ticks`, against a recurrent
network that is fitted to the same calls, and the shipped one, which heard more: same ticks, same labels and
weights, same speech activity and tones, and for each the stopping rule that is cheapest on the last fifth of the
train calls (`benchmarks.cost`). The first four fifths fit. Needs scikit-learn and torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from amd.policy import Policy
from amd.training import answer
from amd.training.listening import Recorded
from amd.training.replay import Stack
from benchmarks.accuracy import models, read_sets
from benchmarks.cost import mean_cost, truths_of
from benchmarks.fit_peers import CHOOSE_SHARE, jobs_of
from benchmarks.peers.timing import POLICY_FIELDS
from benchmarks.scoring import HEADERS, Scored, as_data, cells, figures
from benchmarks.search import best_policy
from benchmarks.ticks import FEATURES, Ticks, hear_all

Floats = npt.NDArray[np.float64]
Judge = Callable[[Sequence[Ticks]], list[Recorded]]

N_TREES: Final = 300
DEPTH: Final = 5
RATE: Final = 0.06
LEAF_TICKS: Final = 200
INVERSE_PENALTY: Final = 0.1
P_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One model on the dev calls."""

    cross_entropy: float
    policy: Policy
    scored: list[Scored]
    cost: float


def run(folders: Sequence[Path], dev: Path, *, out: Path | None, n_calls: int | None, n_jobs: int | None) -> None:
    """Fit, choose, score, print, and write as JSON if asked to."""
    train = hear_all(jobs_of(folders, n_calls), n_jobs)
    n_fit = round((1 - CHOOSE_SHARE) * len(train))
    judges = {
        "shipped network": network,
        "network on the same calls": refitted(train[:n_fit]),
        **fit(train[:n_fit]),
    }
    held = hear_all(jobs_of([dev], None), n_jobs)
    found = {name: score(judge, train[n_fit:], held) for name, judge in judges.items()}
    title = (
        f"{dev.name}: {len(held)} calls; baselines fitted to {n_fit} calls, stopping rules chosen on "
        f"{len(train) - n_fit}, of {', '.join(folder.name for folder in folders)}"
    )
    Console(width=10_000).print(table(title, found))
    if out is not None:
        data = {
            "command": "python -m benchmarks baselines",
            "train": read_sets(folders, n_calls).described(),
            "sets": read_sets([dev]).described(),
            **models(),
            "systems": {name: _data(one) for name, one in found.items()},
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


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
        f"logistic regression, {len(FEATURES)} features": _judge(line),
        "gradient-boosted trees": _judge(trees),
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


def score(judge: Judge, chosen: Sequence[Ticks], dev: Sequence[Ticks]) -> Baseline:
    """Choose the stopping rule on some calls, and score the others with it."""
    calls = [one.heard.call for one in chosen if one.heard.call is not None]
    _, policy = best_policy(Stack(judge(chosen)), truths_of(calls))
    judged = judge(dev)
    decided = Stack(judged).decide(policy)
    dev_calls = [one.heard.call for one in dev if one.heard.call is not None]
    said = [decided.said(index) for index in range(len(dev))]
    return Baseline(
        cross_entropy=cross_entropy(dev, judged),
        policy=policy,
        scored=[
            Scored(call=call, party=one.party, known_s=one.known_s)
            for call, one in zip(dev_calls, said, strict=True)
        ],
        cost=mean_cost(truths_of(dev_calls), decided),
    )


def cross_entropy(calls: Sequence[Ticks], judged: Sequence[Recorded]) -> float:
    """Cross-entropy a tick in nats, weighted as the network was fitted."""
    total = weights = 0.0
    for one, opinion in zip(calls, judged, strict=True):
        counts = one.counts
        p_machine = np.clip(opinion.machine_probability[counts], P_LEAST, 1 - P_LEAST)
        total -= float(np.sum(one.weight[counts] * np.log(p_machine if one.machine else 1 - p_machine)))
        weights += float(np.sum(one.weight[counts]))
    return total / weights if weights else float("nan")


def table(title: str, found: dict[str, Baseline]) -> Table:
    """One row a model."""
    headers = ("model", "cross-entropy", "stops at", "cost", *HEADERS)
    made = Table(*headers, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name, one in found.items():
        stop = "/".join(f"{getattr(one.policy, field):g}" for field in POLICY_FIELDS)
        made.add_row(name, f"{one.cross_entropy:.4f}", stop, f"{one.cost:.3f}", *cells(figures(one.scored)))
    return made


def _data(one: Baseline) -> dict[str, Any]:
    return {
        "cross_entropy": round(one.cross_entropy, 4),
        "policy": {field: getattr(one.policy, field) for field in POLICY_FIELDS},
        "cost": round(one.cost, 4),
        **as_data(figures(one.scored)),
    }

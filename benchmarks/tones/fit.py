"""Fit the trees of `amd.beeps` to the examples of `benchmarks.tones.examples`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.beeps import FORMAT, MEASURES, SHIPPED
from benchmarks.boosted import content_from
from benchmarks.tones.examples import N_FOLDS, Sample, gather
from benchmarks.tones.line import Floats

N_TREES: Final = 1000
DEPTH: Final = 6
RATE: Final = 0.05
SCOUT_TREES: Final = 100
EASY_LOG_ODDS: Final = -4.5
N_EASY: Final = 30_000
"""Most tones in speech are nothing like a beep, as a first few trees know; of those, so many stand for all."""
LENGTHS_S: Final = (0.05, 1.7)
VOICES_TWICE: Final = ("beeps", "call")
"""Groups whose voices are in the clips too: cross-validation leaves what they say out, or it would know them."""
LEAST_HZ: Final = 325.0
"""What lies outside is never asked about."""


def fit(samples: Sequence[Sample]) -> tuple[dict[str, Any], Iterator[str]]:
    """Return the trees as JSON content, and what grouped cross-validation says of them, worked out when asked."""
    values = np.array([sample.values for sample in samples])
    generated = np.array([sample.generated for sample in samples])
    chosen, weights = _choose(values, generated)
    trees = _boosting(N_TREES, DEPTH)
    trees.fit(values[chosen], generated[chosen], sample_weight=weights[chosen])
    content = content_from(trees, tuple(MEASURES), FORMAT, version=SHIPPED.removesuffix(".json"))
    heard_once = [i for i in chosen if generated[i] or not samples[i].group.startswith(VOICES_TWICE)]
    used = [samples[index] for index in heard_once]
    lines = _report(used, values[heard_once], generated[heard_once], weights[heard_once])
    return content, lines


def _boosting(n_trees: int, depth: int) -> Any:
    # scikit-learn comes with the extra `train`
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    return HistGradientBoostingClassifier(
        max_iter=n_trees,
        max_depth=depth,
        learning_rate=RATE,
        min_samples_leaf=40,
        l2_regularization=1.0,
        random_state=0,
        early_stopping=False,
    )


def _choose(values: Floats, generated: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Which samples to fit to, and all weights: both classes weigh the same, few easy ones stand for all."""
    weights = np.where(generated, 0.5 / generated.mean(), 0.5 / (1 - generated.mean()))
    scout = _boosting(SCOUT_TREES, DEPTH - 1).fit(values, generated, sample_weight=weights)
    length_s, freq_hz = (values[:, list(MEASURES).index(name)] for name in ("length_s", "freq_hz"))
    asked = (length_s >= LENGTHS_S[0]) & (length_s <= LENGTHS_S[1]) & (freq_hz >= LEAST_HZ)
    is_hard = generated | (asked & (scout.decision_function(values) > EASY_LOG_ODDS))
    easy = np.flatnonzero(asked & ~is_hard)
    sample = np.random.default_rng(0).choice(easy, min(N_EASY, easy.size), replace=False)
    weights[sample] *= easy.size / max(1, sample.size)
    return np.sort(np.concatenate([np.flatnonzero(is_hard), sample])), weights


def _report(
    samples: Sequence[Sample], values: Floats, generated: npt.NDArray[np.bool_], weights: Floats
) -> Iterator[str]:
    from sklearn.model_selection import GroupKFold, cross_val_predict  # noqa: PLC0415

    scores = cross_val_predict(
        _boosting(N_TREES, DEPTH),
        values,
        generated,
        groups=[sample.group for sample in samples],
        cv=GroupKFold(N_FOLDS),
        method="decision_function",
        params={"sample_weight": weights},
    )
    yield f"{generated.sum()} beeps, {(~generated).sum()} other tones"
    odds = np.sort(scores[~generated])[::-1]
    for n in (0, 5, 10, 20, 40, 80, 160):
        share = np.mean(scores[generated] > odds[n])
        yield f"above all but {n} others (log-odds {odds[n]:.2f}): {100 * share:.2f} % of the beeps"
    for index in np.argsort(np.where(generated, -np.inf, scores))[::-1][:20]:
        named = zip(MEASURES, samples[index].values, strict=True)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in named)
        yield f"{scores[index]:.2f} {samples[index].note}: {shown}"


def run(folder: Path, calls: Path | None, out: Path, *, seed: int, n_tasks: int) -> None:
    """Gather, fit, write, report."""
    content, lines = fit(gather(folder, calls, seed=seed, n_tasks=n_tasks))
    out.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    for text in lines:
        print(text)

"""Tests that say what chance alone would do: of a part against the rest, of two systems on the same calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from amd.evaluation.summary import Floats

ALPHA: Final = 0.05
RESAMPLES: Final = 2000
_BATCH_VALUES: Final = 4_000_000


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being many, by Holm's step-down method (1979, Scandinavian Journal of Statistics 6:65).

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    adjusted = np.empty(n)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (n - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted.tolist()


def _stats() -> Any:
    """scipy.stats, which takes a second to import: commands that test nothing do without."""
    from scipy import stats  # noqa: PLC0415

    return stats


def part_against_rest(count: int, total: int, count_all: int, total_all: int) -> float:
    """p-value of Fisher's exact test that a part's rate is the rest's; 1 where either is empty.

    Examples
    --------
    >>> part_against_rest(9, 10, 15, 30) < 0.01
    True
    >>> part_against_rest(5, 10, 15, 30)
    1.0
    """
    rest, rest_total = count_all - count, total_all - total
    if total == 0 or rest_total == 0:
        return 1.0
    table = [[count, total - count], [rest, rest_total - rest]]
    return float(_stats().fisher_exact(table).pvalue)


def mcnemar(only_first: int, only_second: int) -> float:
    """p-value of McNemar's exact test, from the calls that only one of two systems has right.

    Examples
    --------
    >>> round(mcnemar(1, 9), 4), mcnemar(0, 0)
    (0.0215, 1.0)
    """
    n = only_first + only_second
    return float(_stats().binomtest(only_first, n).pvalue) if n else 1.0


def median_interval(values: Floats, *, seed: int = 1) -> tuple[float, float, float]:
    """Median, and its 95 % percentile bootstrap interval (Efron 1979), NaN of fewer than two values."""
    if values.size < 2:
        return (float(np.median(values)) if values.size else float("nan"), float("nan"), float("nan"))
    found = _stats().bootstrap(
        (values,),
        np.median,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=True,
        batch=max(1, _BATCH_VALUES // values.size),
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return float(np.median(values)), float(low), float(high)


def upper_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """One-sided exact upper bound of a share (Clopper and Pearson 1934); NaN of nothing.

    Examples
    --------
    >>> round(upper_bound(0, 100), 4)
    0.0295
    """
    if total == 0:
        return float("nan")
    return float(
        _stats().binomtest(count, total, alternative="less").proportion_ci(confidence, method="exact").high
    )

"""Scores of verdicts against labels: pure functions, counts beside every rate, intervals beside every share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from amd.events import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``count`` of ``total``, with its 95 % Wilson interval; all NaN when there is nothing to count."""

    count: int
    total: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.total == 0:
            return "none to count"
        return (
            f"{100 * self.value:.1f} % ({self.count}/{self.total}; "
            f"95 % interval {100 * self.low:.1f}-{100 * self.high:.1f})"
        )


def wilson(count: int, total: int, confidence: float = 0.95) -> Share:
    """Share of a count with Wilson's score interval (1927, doi:10.1080/01621459.1927.10502953).

    Examples
    --------
    >>> print(wilson(734, 764))
    96.1 % (734/764; 95 % interval 94.4-97.2)
    >>> print(wilson(0, 0))
    none to count
    """
    if not 0 <= count <= total:
        raise ValueError(f"count={count} must be from 0 to total={total}: swapped?")
    if total == 0:
        return Share(count=0, total=0, value=math.nan, low=math.nan, high=math.nan)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = count / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Share(count=count, total=total, value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """How many values there were, and their 50, 90 and 95 % quantiles; NaN when there were none."""

    n: int
    p50: float
    p90: float
    p95: float


def quantiles(values: Sequence[float]) -> Quantiles:
    """Quantiles of ``values``, by linear interpolation.

    Examples
    --------
    >>> quantiles([1.0, 2.0, 3.0]).p50
    2.0
    """
    if not values:
        return Quantiles(n=0, p50=math.nan, p90=math.nan, p95=math.nan)
    p50, p90, p95 = (float(value) for value in np.quantile(values, [0.5, 0.9, 0.95]))
    return Quantiles(n=len(values), p50=p50, p90=p90, p95=p95)


Confusion = Counter[tuple[Party, Party]]


def confusion(labels: Sequence[Party], parties: Sequence[Party]) -> Confusion:
    """How often each label got each verdict, as ``{(label, verdict): count}``."""
    return Counter(zip(labels, parties, strict=True))


def accuracy(counts: Confusion) -> Share:
    """Share of calls whose verdict is their label; ``unsure`` is never right."""
    return wilson(sum(n for (label, party), n in counts.items() if label is party), sum(counts.values()))


def rate(counts: Confusion, label: Party, party: Party) -> Share:
    """Share of the calls of ``label`` that were called ``party``."""
    total = sum(n for (found, _), n in counts.items() if found is label)
    return wilson(counts[label, party], total)

"""What a shift came to, as figures; and figures of many shifts, with 95 % intervals of their means."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from callback.simulation.line import Entry
from callback.simulation.outcome import Run
from callback.simulation.scenario import Scenario

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure.

    Parameters
    ----------
    words : str
    unit : str
        ``%`` for shares, which are kept as shares.
    """

    words: str
    unit: str


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "live_wait_s": Measure(words="wait of live callers who were served", unit="s"),
        "callback_wait_s": Measure(words="wait of callbacks, from the call to an agent", unit="s"),
        "first_try_wait_s": Measure(words="of those, reached at the first try", unit="s"),
        "retried_wait_s": Measure(words="of those, reached at a later try", unit="s"),
        "abandoned": Measure(words="hung up before an agent, of all who called", unit="%"),
        "in_target": Measure(words="live callers served within the target, of those who held the line", unit="%"),
        "booked": Measure(words="took a callback, of all who called", unit="%"),
        "unreached": Measure(words="callbacks given up after the last try", unit="%"),
        "people_lost": Measure(words="callbacks of people whom screening hung up on at least once", unit="%"),
        "lost": Measure(words="never served, of all who called", unit="%"),
        "overtaken_first_try": Measure(words="later callers served before a callback, first try", unit=""),
        "overtaken_retried": Measure(words="later callers served before a callback, later try", unit=""),
        "hold_s": Measure(words="hold after answer, until an agent speaks", unit="s"),
        "hold_p90_s": Measure(words="hold after answer that one in ten exceeds", unit="s"),
        "used": Measure(words="agents' paid time spent with customers", unit="%"),
        "wasted": Measure(words="agents' paid time spent with nobody there", unit="%"),
        "wasted_per_callback_s": Measure(words="agents' time with nobody there, a callback", unit="s"),
        "fairness": Measure(words="Kendall's tau of service with calling: 1 is first come, first served", unit=""),
    }
)  # fmt: skip
"""Every figure, in the order of the tables."""


def overtaken(served: Iterable[Entry]) -> dict[int, int]:
    """Count, for each customer served, those who called later and were served earlier.

    Parameters
    ----------
    served : iterable of Entry
        Each with ``served_s``.

    Returns
    -------
    dict of int to int
        By ``seq`` of the customer.
    """
    before: list[int] = []
    counts = {}
    for entry in sorted(served, key=lambda one: (one.served_s or 0.0, one.customer.seq)):
        seq = entry.customer.seq
        counts[seq] = len(before) - bisect_right(before, seq)
        insort(before, seq)
    return counts


def measure(run: Run, scenario: Scenario) -> dict[str, float]:
    """Return the figures of a shift, by the names of `MEASURES`; NaN where there is nothing to measure."""
    counted = [one for one in run.entries if one.customer.arrives_s >= scenario.warm_up_s]
    served = [one for one in counted if one.served_s is not None]
    live = [one for one in counted if not one.booked]
    booked = [one for one in counted if one.booked]
    live_s = [_wait_s(one) for one in live if one.served_s is not None]
    reached = [one for one in booked if one.served_s is not None]
    first = [one for one in reached if one.attempts == 1]
    again = [one for one in reached if one.attempts > 1]
    passed = overtaken(served)
    holds_s = [(one.served_s or 0.0) - one.answered_s for one in reached if one.answered_s is not None]
    paid_s = scenario.agents * (scenario.shift_s - scenario.warm_up_s)
    n = len(counted)
    return {
        "live_wait_s": _mean(live_s),
        "callback_wait_s": _mean(_wait_s(one) for one in reached),
        "first_try_wait_s": _mean(_wait_s(one) for one in first),
        "retried_wait_s": _mean(_wait_s(one) for one in again),
        "abandoned": _share(sum(one.served_s is None for one in live), n),
        "in_target": _share(sum(wait_s <= scenario.target_s for wait_s in live_s), len(live)),
        "booked": _share(len(booked), n),
        "unreached": _share(sum(one.exhausted for one in booked), len(booked)),
        "people_lost": _share(sum(one.lost_people > 0 for one in booked), len(booked)),
        "lost": _share(n - len(served), n),
        "overtaken_first_try": _mean(passed[one.customer.seq] for one in first),
        "overtaken_retried": _mean(passed[one.customer.seq] for one in again),
        "hold_s": _mean(holds_s),
        "hold_p90_s": float(np.quantile(holds_s, 0.9)) if holds_s else math.nan,
        "used": run.talked_s / paid_s,
        "wasted": run.wasted_s / paid_s,
        "wasted_per_callback_s": run.wasted_s / len(booked) if booked else math.nan,
        "fairness": 1 - 2 * _share(sum(passed.values()), len(served) * (len(served) - 1) // 2),
    }


def _wait_s(entry: Entry) -> float:
    return (entry.served_s or 0.0) - entry.customer.arrives_s


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else math.nan


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over independent shifts, with its interval by Student's t; NaN with fewer than two.

    Parameters
    ----------
    mean, low, high : float
    n : int
        Shifts that had something to measure.
    """

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of independent values, and its interval.

    Examples
    --------
    >>> one = estimate([1.0, 2.0, 3.0])
    >>> one.mean, round(one.low, 3), round(one.high, 3)
    (2.0, -0.484, 4.484)
    """
    from scipy import stats  # noqa: PLC0415 - slow to load: only results need it

    known = np.array([value for value in values if not math.isnan(value)])
    if known.size < 2:
        mean = float(known[0]) if known.size else math.nan
        return Estimate(mean=mean, low=math.nan, high=math.nan, n=known.size)
    half = stats.t.ppf(0.5 + confidence / 2, known.size - 1) * known.std(ddof=1) / math.sqrt(known.size)
    mean = float(known.mean())
    return Estimate(mean=mean, low=mean - float(half), high=mean + float(half), n=known.size)

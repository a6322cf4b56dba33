"""The panels of the report's figures, and the numbers that they show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import norm

from amd.evaluation.compliance import ALLOWED_S
from amd.evaluation.scores import Share, wilson
from amd.evaluation.summary import Flags, Floats
from amd.report.operating import Curve, Point
from amd.report.svg import GREY, HUMAN, INK, MACHINE, TONE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS: Final = ("s", "^", "v", "P", "X", "D", "<", ">", "p", "h")


def rates(score: Floats, human: Flags, machine: Flags) -> tuple[Floats, Floats]:
    """Shares of people and of machines at or above each threshold of the score, from none to all.

    Parameters
    ----------
    score : ndarray of float64, shape (n_calls,)
    human, machine : ndarray of bool, shape (n_calls,)

    Returns
    -------
    people, machines : ndarray of float64

    Examples
    --------
    >>> score, human = np.array([0.9, 0.6, 0.1]), np.array([False, True, False])
    >>> people, machines = rates(score, human, ~human)
    >>> people.tolist(), machines.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    thresholds = np.unique(score)[::-1]
    people = np.searchsorted(np.sort(-score[human]), -thresholds, side="right") / max(1, int(human.sum()))
    machines = np.searchsorted(np.sort(-score[machine]), -thresholds, side="right") / max(1, int(machine.sum()))
    return np.concatenate([[0.0], people]), np.concatenate([[0.0], machines])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a system stands: people called machine, machines called machine, as shares."""

    name: str
    people: float
    machines: float


def draw_roc(people: Floats, machines: Floats, standings: Sequence[Standing]) -> Callable[[Axes], None]:
    """Machines found against people lost."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
        axes.plot(people, machines, color=INK, lw=1.8, drawstyle="steps-post")
        for colour, marker, one in _marked(standings):
            axes.plot(one.people, one.machines, marker, color=colour, ms=8, label=one.name, ls="")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="people called machines")
        axes.set_ylabel("machines called machines")
        _percent(axes)

    return draw


DET_TICKS: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
DET_RANGE: Final = (0.0008, 0.9)


def draw_det(people: Floats, machines: Floats, standings: Sequence[Standing]) -> Callable[[Axes], None]:
    """Both errors, on scales of normal deviates (Martin et al. 1997)."""

    def deviate(shares: Floats | float) -> Floats:
        return np.asarray(norm.ppf(np.clip(shares, *DET_RANGE)))

    def draw(axes: Axes) -> None:
        axes.plot(deviate(people), deviate(1 - machines), color=INK, lw=1.8, drawstyle="steps-post")
        for colour, marker, one in _marked(standings):
            axes.plot(
                deviate(one.people), deviate(1 - one.machines), marker, color=colour, ms=8, label=one.name, ls=""
            )
        ticks, labels = deviate(np.array(DET_TICKS)), [f"{100 * tick:g}" for tick in DET_TICKS]
        limits = deviate(np.array(DET_RANGE))
        axes.set(xlim=limits, ylim=limits, xlabel="people called machines, %")
        axes.set_ylabel("machines not called so, %")
        axes.set_xticks(ticks, labels)
        axes.set_yticks(ticks, labels)

    return draw


def _marked(standings: Sequence[Any]) -> Iterator[tuple[str, str, Any]]:
    """Colour and marker of the report's system, then of the others."""
    for index, one in enumerate(standings):
        yield (MACHINE if index == 0 else TONE), ("o" if index == 0 else MARKERS[(index - 1) % len(MARKERS)]), one


def draw_curve(curve: Curve, measure: str, ylabel: str) -> Callable[[Axes], None]:
    """What errors cost against the delay of a person's verdict."""

    def value(one: Point) -> float:
        found: float = getattr(one, measure)
        return found if measure == "cost" else 100 * found

    def draw(axes: Axes) -> None:
        axes.plot(
            [one.delay_s for one in curve.swept],
            [value(one) for one in curve.swept],
            ".",
            color=GREY,
            ms=3,
            label="other stopping rules",
            alpha=0.6,
        )
        if measure == "cost":
            axes.plot(
                [one.delay_s for one in curve.front],
                [value(one) for one in curve.front],
                color=INK,
                lw=1.6,
                drawstyle="steps-post",
                label="the cheapest of them",
            )
        for one in curve.presets:
            axes.plot(one.delay_s, value(one), "o", mfc="none", mec=INK, ms=7)
            if measure == "cost":
                axes.annotate(
                    one.name.replace("_", " "),
                    (one.delay_s, value(one)),
                    (6, 5),
                    textcoords="offset points",
                    size=9,
                )
        for colour, marker, one in _marked([curve.chosen, *curve.rivals]):
            axes.plot(one.delay_s, value(one), marker, color=colour, ms=9, label=one.name.replace("_", " "), ls="")
        shown = [one for one in (curve.chosen, *curve.presets, *curve.rivals) if not math.isnan(one.delay_s)]
        axes.axvline(ALLOWED_S, color=MACHINE, lw=1.2, ls="--")
        right = max([ALLOWED_S + 0.15, *(one.delay_s for one in shown)]) + 0.1
        left = min([0.0, *(one.delay_s for one in shown)]) - 0.1
        axes.set_xlim(left, right)
        _spread_out(axes)
        axes.set_xlabel("median person: seconds after the greeting")
        axes.set_ylabel(ylabel)

    return draw


def _spread_out(axes: Axes) -> None:
    """Give small values of y room beside large ones; the labels stay plain numbers."""
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - as in drawing

    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_yticks([0, 1, 2, 5, 10, 20, 50, 100, 200, 500])
    low, high = axes.dataLim.intervaly
    axes.set_ylim(0.7 * low if low > 1.0 else -0.1, 1.3 * max(high, 5.0))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()


def draw_times(
    human_s: Floats, machine_s: Floats, xlabel: str, *, line_s: float | None = None
) -> Callable[[Axes], None]:
    """How long right verdicts took, of people and of machines."""

    def draw(axes: Axes) -> None:
        known = [values[~np.isnan(values)] for values in (human_s, machine_s)]
        together = np.concatenate(known)
        low = min(0.0, float(np.quantile(together, 0.005))) if together.size else 0.0
        high = max(2.5, float(np.quantile(together, 0.995))) if together.size else 2.5
        edges = np.arange(math.floor(4 * low) / 4, high + 0.25, 0.25 if high - low < 12 else 0.5).tolist()
        for values, colour, name in zip(known, (HUMAN, MACHINE), ("people", "machines"), strict=True):
            if values.size:
                inside = np.clip(values, edges[0], edges[-1])
                axes.hist(inside, edges, histtype="stepfilled", color=colour, alpha=0.3)
                axes.hist(inside, edges, histtype="step", color=colour, lw=1.6, label=f"{name} ({values.size})")
        if line_s is not None:
            axes.axvline(line_s, color=INK, lw=1.4, ls="--", label=f"{line_s:g} s")
        axes.set(xlabel=xlabel, ylabel="calls")

    return draw


def draw_errors(values_ms: Floats, xlabel: str, *, within_ms: float, reach_ms: float) -> Callable[[Axes], None]:
    """How far times were off."""

    def draw(axes: Axes) -> None:
        edges = np.linspace(-reach_ms, reach_ms, 41).tolist()
        inside = np.clip(values_ms, -reach_ms, reach_ms)
        axes.hist(inside, edges, histtype="stepfilled", color=TONE, alpha=0.3)
        axes.hist(inside, edges, histtype="step", color=TONE, lw=1.6)
        for at in (-within_ms, within_ms):
            axes.axvline(at, color=INK, lw=1.2, ls="--")
        axes.set(xlabel=xlabel, ylabel="calls")

    return draw


RELIABILITY_EDGES: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Verdicts that were given about the same probability: what it was on average, and how many were right."""

    low: float
    high: float
    mean: float
    right: Share


def reliability(probability: Floats, right: Flags) -> list[Bin]:
    """Sort verdicts by the probability that they were given; bins without one are left out.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_calls,)
    right : ndarray of bool, shape (n_calls,)
    """
    bins = []
    edges = (0.0, *RELIABILITY_EDGES)
    for low, high in itertools.pairwise(edges):
        inside = (probability >= low) & ((probability < high) | ((high == 1.0) & (probability == 1.0)))
        n = int(inside.sum())
        if n:
            share = wilson(int(right[inside].sum()), n)
            bins.append(Bin(low=low, high=high, mean=float(probability[inside].mean()), right=share))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance between what was said and what was right, weighed by calls; NaN without any."""
    n = sum(one.right.total for one in bins)
    return sum(one.right.total * abs(one.mean - one.right.value) for one in bins) / n if n else math.nan


def draw_reliability(bins: Sequence[Bin]) -> Callable[[Axes], None]:
    """What was right of what was said with each probability."""

    def draw(axes: Axes) -> None:
        low = min([0.5, *(one.mean for one in bins)]) - 0.03
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="said = right")
        means, values = [one.mean for one in bins], [one.right.value for one in bins]
        below = [max(0.0, one.right.value - one.right.low) for one in bins]
        above = [max(0.0, one.right.high - one.right.value) for one in bins]
        axes.errorbar(
            means, values, (below, above), color=HUMAN, fmt="o-", ms=6, lw=1.4, capsize=3, label="verdicts, 95 %"
        )
        axes.set(xlim=(low, 1.02), ylim=(min([low, *(one.right.low for one in bins)]) - 0.03, 1.03))
        axes.set(xlabel="probability that was given", ylabel="share that was right")
        _percent(axes)

    return draw


def _percent(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415 - as in drawing

    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))

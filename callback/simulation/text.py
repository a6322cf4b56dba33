"""The figures of a simulation as tables: for a terminal (rich), Markdown, and JSON for other programs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from callback.simulation.detection import Detector
from callback.simulation.experiment import Compared
from callback.simulation.measures import MEASURES, Estimate
from callback.simulation.scenario import Scenario, numbers

NONE: Final = "-"
SHOWN: Final = (
    "live_wait_s",
    "callback_wait_s",
    "first_try_wait_s",
    "retried_wait_s",
    "abandoned",
    "lost",
    "overtaken_first_try",
    "hold_s",
    "used",
    "wasted",
    "fairness",
)
"""Of the policies; JSON has all."""
SCREENED: Final = (
    "lost",
    "people_lost",
    "unreached",
    "callback_wait_s",
    "hold_s",
    "wasted",
    "wasted_per_callback_s",
)
"""Of the detectors."""
SECTIONS: Final = {
    "policies": ("Policies, with screening that is always right and at once", SHOWN),
    "screened": ("The same policies, with screening as measured", SHOWN),
    "detectors": ("Detectors, as measured; customer first, dialled ahead", SCREENED),
    "accuracy": ("If screening lost more people; customer first", SCREENED),
    "latency": ("If verdicts came later; customer first", SCREENED),
}
"""Title and columns of each table."""


def figure(name: str, one: Mapping[str, float | None] | Estimate) -> str:
    """Return a figure with its interval.

    Examples
    --------
    >>> figure("abandoned", Estimate(mean=0.0752, low=0.0715, high=0.0789, n=40))
    '7.52 % (7.15 to 7.89)'
    """
    data = dataclasses.asdict(one) if isinstance(one, Estimate) else one
    mean, low, high = (
        math.nan if data[key] is None else float(data[key] or 0.0) for key in ("mean", "low", "high")
    )
    if math.isnan(mean):
        return NONE
    unit = MEASURES[name].unit
    scale = 100.0 if unit == "%" else 1.0
    digits = 1 if unit == "s" else 2 if unit else 4 if name == "fairness" else 2
    shown = f"{scale * mean:.{digits}f}" + (f" {unit}" if unit else "")
    if math.isnan(low):
        return shown
    return f"{shown} ({scale * low:.{digits}f} to {scale * high:.{digits}f})"


def table(title: str, compared: Sequence[Compared], names: Sequence[str]) -> Table:
    """Return a table of arms, one a row."""
    found = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    found.add_column("")
    for name in names:
        found.add_column(name.removesuffix("_s").replace("_", " "), justify="right")
    for one in compared:
        found.add_row(one.arm.name, *(figure(name, one.figures[name]) for name in names))
    return found


def legend(names: Sequence[str]) -> Table:
    """Return what the columns mean."""
    found = Table(box=None, pad_edge=False, show_header=False)
    for name in names:
        found.add_row(name.removesuffix("_s").replace("_", " "), MEASURES[name].words)
    return found


def markdown(arms: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a Markdown table of arms as they stand in the JSON: a measure a row, an arm a column."""
    lines = ["| | " + " | ".join(arms) + " |", "| --- |" + " --: |" * len(arms)]
    for name in names:
        cells = [figure(name, arm["figures"][name]) for arm in arms.values()]
        lines.append(f"| {MEASURES[name].words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def as_data(compared: Sequence[Compared]) -> dict[str, Any]:
    """Return arms as plain JSON types; what cannot be measured is null."""
    return {
        one.arm.name: {
            "detector": one.arm.detector.name,
            "figures": {name: _plain(value) for name, value in one.figures.items()},
            "less_the_first": {name: _plain(value) for name, value in one.differences.items()},
        }
        for one in compared
    }


def scenario_data(scenario: Scenario) -> list[dict[str, str]]:
    """Return every number of the scenario with its source."""
    return [{"name": name, "value": value, "source": source} for name, value, source in numbers(scenario)]


def detector_data(one: Detector) -> dict[str, Any]:
    """Return a detector's errors, and deciles of its delays."""
    return {
        "source": one.source,
        "human_lost": round(one.human_lost, 4),
        "human_unsure": round(one.human_unsure, 4),
        "machine_passed": round(one.machine_passed, 4),
        "machine_unsure": round(one.machine_unsure, 4),
        "human_delay_p50_s": round(one.human_delays_s[len(one.human_delays_s) // 2], 3),
        "machine_delay_p50_s": round(one.machine_delays_s[len(one.machine_delays_s) // 2], 3),
    }


def _plain(one: Estimate) -> dict[str, float | int | None]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else round(value, 5)
        for name, value in dataclasses.asdict(one).items()
    }

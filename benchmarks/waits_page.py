"""The tables and the picture of docs/waits.md, from the figures in ``benchmarks/results/waits.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from callback.estimate import HIGH, LOW

PAGE: Final = Path(__file__).parents[1] / "docs" / "waits.md"
RESULTS: Final = Path(__file__).parent / "results" / "waits.json"
BEGIN: Final = "<!-- {name}: begin; made by `python -m benchmarks readme` -->"
END: Final = "<!-- {name}: end -->"
ESTIMATORS: Final = {
    "departures": "departures ahead (used)",
    "queue": "queue length alone",
    "head": "head of the line",
    "last": "last to be served",
    "average": "mean of the last ten",
}

Lines = tuple[list[str], list[list[str]]]


def page(text: str) -> str:
    """Return the page with its tables put in place."""
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    figures = data["cases"]
    made_of = {"closure": closures(data["closure"]), "errors": errors(figures), "ranges": ranges(figures)}
    for name, (headers, rows) in made_of.items():
        before, rest = text.split(BEGIN.format(name=name))
        _, after = rest.split(END.format(name=name))
        lines = [headers, ["---", *["--:"] * (len(headers) - 1)], *rows]
        made = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        text = f"{before}{BEGIN.format(name=name)}\n\n{made}\n\n{END.format(name=name)}{after}"
    return text


def closures(teams: list[dict[str, Any]]) -> Lines:
    """Return how far the percentiles are from the exact law's, a row for each team."""
    rows = [
        [
            f"{one['agents']}, {one['handling_s']:.0f} s, {one['patience_s']:.0f} s",
            *(f"{100 * off:.2f} %" for off in one["off"].values()),
        ]
        for one in teams
    ]
    return ["agents, handling, patience", *teams[0]["off"]], rows


def errors(figures: dict[str, Any]) -> Lines:
    """Return how far each estimator is off, a row for each case."""
    rows = [
        [
            name,
            f"{one['mean_wait_s']:.0f} s",
            *(f"{one['rmse_over_mean'][key]['value']:.2f}" for key in ESTIMATORS),
        ]
        for name, one in figures.items()
    ]
    return ["RMSE over mean wait", "mean wait", *ESTIMATORS.values()], rows


def ranges(figures: dict[str, Any]) -> Lines:
    """Return how often the range holds, a row for each case."""
    rows = [
        [
            name,
            f"{one['n']:,}",
            *(_percent(one[key]) for key in ("in_range", "below", "above")),
            f"{one['range_over_median']:.2f}",
        ]
        for name, one in figures.items()
    ]
    return ["range p10-p90", "waits", "within", "shorter", "longer", "width over median"], rows


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw the share of waits within the range, case by case, and the errors of the estimators."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the rest needs no matplotlib

    names = list(figures)[::-1]
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for row, name in enumerate(names):
        one = figures[name]["in_range"]
        left.errorbar(
            100 * one["value"],
            row,
            xerr=[[100 * (one["value"] - one["low"])], [100 * (one["high"] - one["value"])]],
            fmt="o",
            color="tab:blue",
            capsize=3,
        )
    left.axvline(100 * (HIGH - LOW), color="grey", linewidth=1)
    left.set(xlabel="waits within the range p10-p90, % (95 % intervals)", yticks=range(len(names)), xlim=(50, 100))
    left.set_yticklabels(names)
    for key, marker in zip(ESTIMATORS, "osD^v", strict=True):
        errors = [figures[name]["rmse_over_mean"][key]["value"] for name in names]
        right.plot(errors, range(len(names)), marker, label=ESTIMATORS[key])
    right.set(xlabel="RMSE over mean wait", xlim=(0, None))
    figure.legend(
        *right.get_legend_handles_labels(), loc="outside upper center", ncols=len(ESTIMATORS), frameon=False
    )
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)

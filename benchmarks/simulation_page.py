"""``python -m benchmarks.simulation_page``: the tables and the plot of docs/simulation.md, from the figures.

The figures are ``benchmarks/results/simulation.json``, which ``callback simulate --out`` writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from callback.simulation.drawings import dots
from callback.simulation.text import SCREENED, SHOWN, markdown

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "simulation.md"
PLOT: Final = ROOT / "docs" / "simulation.png"
FIGURES: Final = ROOT / "benchmarks" / "results" / "simulation.json"
BEGIN: Final = "<!-- {name}: begin; made by `python -m benchmarks.simulation_page` -->"
END: Final = "<!-- {name}: end -->"
COLOURS: Final = ("#0060a0", "#b84700", "#8a2a7c")


def written(text: str, data: dict[str, Any]) -> str:
    """Return the page with its generated parts put in place."""
    made = {
        "run": f"`{data['command']}`: {data['shifts']} shifts a policy.",
        "numbers": _numbers(data),
        "policies": markdown(data["tables"]["policies"], SHOWN),
        "detectors": markdown(data["tables"]["detectors"], SCREENED),
        "accuracy": markdown(data["tables"]["accuracy"], SCREENED),
        "latency": markdown(data["tables"]["latency"], SCREENED),
    }
    for name, part in made.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{PAGE.name} has no place for {name!r}: {begin}")
        text = f"{before}{begin}\n\n{part}\n\n{end}{after}"
    return text


def _numbers(data: dict[str, Any]) -> str:
    rows = [f"| `{one['name']}` | {one['value']} | {one['source']} |" for one in data["scenario"]]
    return "\n".join(["| number | value | source |", "| --- | --- | --- |", *rows])


def draw(data: dict[str, Any], out: Path) -> None:
    """Draw waits, wasted time, overtaking and holds of the policies."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the tables must not need it

    figure = Figure(figsize=(10, 6), dpi=110, layout="constrained")
    figure.suptitle(data["title"])
    panels = figure.subplots(2, 2)
    for axes, (title, *names) in zip(
        panels.flat,
        (
            ("wait of callbacks, by the try that reached them", "first_try_wait_s", "retried_wait_s"),
            ("agents' paid time with nobody there", "wasted"),
            ("later callers served before a callback (first try)", "overtaken_first_try"),
            ("hold after answer", "hold_s", "hold_p90_s"),
        ),
        strict=True,
    ):
        dots(data["tables"]["policies"], names, COLOURS)(axes)
        axes.set_title(title, fontsize=10, loc="left")
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
        if len(names) > 1:
            axes.legend(frameon=False, fontsize=8)
    figure.savefig(out, format="png", metadata={"Software": None})


def run() -> None:
    """Write the page and its plot."""
    data = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")
    draw(data, PLOT)


if __name__ == "__main__":
    run()

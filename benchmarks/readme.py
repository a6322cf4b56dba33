"""``python -m benchmarks readme``: the tables in README.md, made from what the detector says now."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from amd.evaluation.run import Judged, Summary, judge_set, summarise
from amd.evaluation.text import score_lines, title
from amd.model import shipped
from amd.policy import PRESETS

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- samples: begin; made by `python -m benchmarks readme` -->"
END: Final = "<!-- samples: end -->"


def generated() -> str:
    """Return the samples' table and scores as Markdown."""
    judged, failures = judge_set(ROOT / "datasets" / "samples", PRESETS["balanced"], jobs=1)
    if failures:
        raise RuntimeError(f"samples that cannot be read: {failures}")
    summary = summarise(judged)
    lines = [f"**{title(summary, 'datasets/samples', 'balanced', shipped().version)}**", ""]
    lines += ["| file | scenario | label | verdict | cause | probability | known at | |"]
    lines += ["| --- | --- | --- | --- | --- | --: | --: | --- |"]
    lines += [_row(one) for one in judged]
    lines += ["", *_scores(summary)]
    return "\n".join(lines)


def _row(one: Judged) -> str:
    result = one.result
    verdict = str(result.party) + (f", {result.sub_state}" if result.sub_state else "")
    cells = (
        one.call.file.removesuffix(".wav"),
        one.call.columns["scenario"].replace("_", " "),
        str(one.call.label),
        verdict.replace("_", " "),
        str(result.cause).replace("_", " "),
        f"{result.probability:.2f}",
        f"{result.known_s:.2f} s",
        "" if one.call.label is result.party else "**wrong**",
    )
    return "| " + " | ".join(cells) + " |"


def _scores(summary: Summary) -> list[str]:
    return ["| score | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in score_lines(summary))]


def written(text: str) -> str:
    """Return the README with the generated part put in place."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{generated()}\n\n{END}{after}"


def run() -> None:
    """Write the generated part into README.md."""
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")

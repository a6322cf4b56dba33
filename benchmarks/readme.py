"""``python -m benchmarks readme``: the tables in README.md and the docs, from what the code says now."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Final

from amd.evaluation.run import Judged, Summary, judge_set, summarise
from amd.evaluation.text import score_lines, title, verdict_words
from amd.model import shipped
from amd.policy import PRESETS, Policy
from benchmarks import model_card, tables, waits_page
from benchmarks.tones import report

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
BENCHMARKS: Final = ROOT / "docs" / "benchmarks.md"
TONES: Final = ROOT / "benchmarks" / "results" / "tones.json"
POLICY: Final = ROOT / "docs" / "policy.md"
PRESET_NOTES: Final = """
    - `balanced`: for most.
    - `protect_humans`: when in doubt, human.
    - `fast`: a provisional verdict as soon as there is one, then the final one.
    - `leave_message`: goes on until the place to start a message is known, and waits longer for a beep.
    """
BEGIN: Final = "<!-- samples: begin; made by `python -m benchmarks readme` -->"
END: Final = "<!-- samples: end -->"
TONES_BEGIN: Final = "<!-- tones: begin; made by `python -m benchmarks readme` -->"
TONES_END: Final = "<!-- tones: end -->"


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
    cells = (
        one.call.file.removesuffix(".wav"),
        one.call.columns["scenario"].replace("_", " "),
        str(one.call.label),
        verdict_words(result),
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
    return _put(text, generated(), BEGIN, END)


def with_tones(text: str) -> str:
    """Return the page of the benchmarks with the last figures of the tones put in place."""
    return _put(text, report.markdown(json.loads(TONES.read_text(encoding="utf-8"))), TONES_BEGIN, TONES_END)


def _put(text: str, made: str, begin: str, end: str) -> str:
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


def policy_page() -> str:
    """Return docs/policy.md: every field of a policy with its range, its reason, and its value in each preset."""
    text = inspect.getdoc(Policy) or ""
    entries = re.split(r"^(?=\w[\w, ]* : )", text.split("-" * 10 + "\n", 1)[1], flags=re.MULTILINE)[1:]
    lines = [
        "# Policies",
        "",
        "Made by `python -m benchmarks readme` from `amd/policy.py`; every threshold of the decision is there.",
        "`dataclasses.replace(amd.PRESETS['balanced'], human_gap_min_s=1.2)` makes one of your own.",
        "",
        *(inspect.cleandoc(PRESET_NOTES).splitlines()),
        "",
        "| field | " + " | ".join(PRESETS) + " |",
        "| --- |" + " --: |" * len(PRESETS),
    ]
    for field in dataclasses.fields(Policy):
        values = (str(getattr(policy, field.name)) for policy in PRESETS.values())
        lines.append(f"| `{field.name}` | " + " | ".join(values) + " |")
    for entry in entries:
        head, _, reason = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        fields = ", ".join(f"`{name}`" for name in names.split(", "))
        lines += ["", f"**{fields}** ({kind}). {' '.join(reason.split())}"]
    return "\n".join(lines).replace("``", "`") + "\n"


def run() -> None:
    """Write what is generated into README.md and the docs."""
    model_card.PAGE.write_text(model_card.page(), encoding="utf-8")
    BENCHMARKS.write_text(with_tones(BENCHMARKS.read_text(encoding="utf-8")), encoding="utf-8")
    POLICY.write_text(policy_page(), encoding="utf-8")
    tables.PAGE.write_text(tables.page(tables.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    waits_page.PAGE.write_text(waits_page.page(waits_page.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    speed = tables.SPEED_PAGE.read_text(encoding="utf-8")
    tables.SPEED_PAGE.write_text(tables.page(speed, tables.SPEED_TABLES), encoding="utf-8")
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")

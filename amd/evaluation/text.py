"""What ``amd evaluate`` prints: rich tables for reading, Markdown, JSON and CSV for other programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amd.evaluation.measured import Measured
from amd.evaluation.scores import Quantiles, Share
from amd.evaluation.summary import BEEP_WITHIN_S, Summary
from amd.events import Cause, Party
from amd.model import Model
from amd.recordings import Result


def verdict_words(result: Result) -> str:
    """Party and sub-state as one reads them: ``machine, ended beep``."""
    words = [str(result.party), *([str(result.sub_state)] if result.sub_state else [])]
    return ", ".join(words).replace("_", " ")


def calls_table(results: Sequence[Result]) -> Table:
    """Verdicts, one row a recording."""
    table = _table("file", "verdict", "cause", ">prob.", ">known at")
    for result in results:
        table.add_row(*map(Text, (result.file, verdict_words(result), *_cause_cells(result))))
    return table


def labeled_table(calls: Iterable[Measured]) -> Table:
    """Verdicts beside their labels, one row a call."""
    table = _table("file", "label", "verdict", "cause", ">prob.", ">known at", "")
    for call in calls:
        wrong = "" if call.right else "wrong"
        cells = (call.file, str(call.label), str(call.party), *_cause_cells(call), wrong)
        table.add_row(*map(Text, cells), style="bold red" if wrong else "")
    return table


class _Verdict(Protocol):
    @property
    def cause(self) -> Cause | str: ...
    @property
    def probability(self) -> float: ...
    @property
    def known_s(self) -> float: ...


def _table(*headers: str) -> Table:
    """A plain table; a header that begins with ``>`` is of figures, set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header.lstrip(">"), justify="right" if header.startswith(">") else "left")
    return table


def _cause_cells(result: _Verdict) -> tuple[str, str, str]:
    cause = str(result.cause).replace("_", " ")
    return cause, f"{result.probability:.2f}", f"{result.known_s:.2f} s"


def confusion_table(summary: Summary) -> Table:
    """How often each label got each verdict; only labels and verdicts that occur."""
    labels, parties = _occurring(summary)
    table = _table("label \\ verdict", *(f">{party}" for party in parties), ">all")
    for label in labels:
        counts = [summary.confusion[label, party] for party in parties]
        table.add_row(str(label), *(str(count) if count else "." for count in counts), str(sum(counts)))
    return table


def _occurring(summary: Summary) -> tuple[list[Party], list[Party]]:
    """Return labels and verdicts that occur."""
    labels = [party for party in Party if any(label is party for label, _ in summary.confusion)]
    return labels, [party for party in Party if any(found is party for _, found in summary.confusion)]


def scores(summary: Summary) -> list[tuple[str, Share | Quantiles | int]]:
    """Name and value of every score."""
    return [
        ("accuracy", summary.accuracy),
        ("human called machine", summary.human_called_machine),
        ("machine called human", summary.machine_called_human),
        ("unsure", summary.unsure),
        ("human verdict after greeting end", summary.human_from_greeting_end),
        ("machine verdict after speech start", summary.machine_from_speech_start),
        ("any verdict after speech start", summary.from_speech_start),
        (f"beeps found (end within {1000 * BEEP_WITHIN_S:.0f} ms)", summary.beeps),
        ("greeting end error, no beep", summary.greeting_end_error),
        ("final verdicts contradicted later", summary.contradictions),
    ]


def score_lines(summary: Summary) -> list[tuple[str, str]]:
    """Name and value of every score, as text."""
    return [
        (name, _quantiles(value) if isinstance(value, Quantiles) else str(value))
        for name, value in scores(summary)
    ]


def title(summary: Summary, name: str, policy: str, model: str) -> str:
    """What was measured, on what, and where it comes from."""
    origin = ", ".join(summary.origins)
    return f"{name}: {summary.n_calls} calls ({origin}), policy {policy}, model {model}"


def report(summary: Summary, heading: str) -> RenderableType:
    """The summary for a terminal."""
    scores = Table(box=None, show_header=False, pad_edge=False)
    for name, value in score_lines(summary):
        scores.add_row(Text(name), Text(value))
    return Group(Text(heading, style="bold"), "", confusion_table(summary), "", scores)


def markdown(summary: Summary, heading: str) -> str:
    """The summary as Markdown."""
    labels, parties = _occurring(summary)
    lines = [f"**{heading}**", "", "| label \\ verdict | " + " | ".join([*parties, "all"]) + " |"]
    lines.append("| --- |" + " --: |" * (len(parties) + 1))
    for label in labels:
        counts = [summary.confusion[label, party] for party in parties]
        lines.append(f"| {label} | " + " | ".join(map(str, [*counts, sum(counts)])) + " |")
    lines += ["", "| score | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in score_lines(summary)]
    return "\n".join(lines) + "\n"


def as_data(summary: Summary) -> dict[str, Any]:
    """The summary as plain JSON types; what cannot be measured is null."""
    return {
        "calls": summary.n_calls,
        "origins": list(summary.origins),
        "confusion": [
            {"label": str(label), "verdict": str(party), "calls": n}
            for (label, party), n in sorted(summary.confusion.items())
        ],
        "scores": {name: _plain(value) for name, value in scores(summary)},
    }


def as_json(summary: Summary, about: dict[str, Any]) -> str:
    """The summary as JSON, after what it is about."""
    return json.dumps({**about, **as_data(summary)}, indent=1) + "\n"


SCORE_FIELDS = ("score", "count", "total", "value", "low", "high", "n", "p50", "p90", "p95")


def as_csv(summary: Summary) -> str:
    """The scores as CSV, one a row; what cannot be measured is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, SCORE_FIELDS, lineterminator="\n")
    writer.writeheader()
    for name, value in scores(summary):
        plain = _plain(value)
        writer.writerow({"score": name, **(plain if isinstance(plain, dict) else {"count": plain})})
    return out.getvalue()


def _plain(value: Share | Quantiles | int) -> Any:
    if isinstance(value, int):
        return value
    return {
        name: None if isinstance(number, float) and math.isnan(number) else number
        for name, number in ((name, _rounded(number)) for name, number in asdict(value).items())
    }


def _rounded(number: float) -> float:
    return round(number, 4) if isinstance(number, float) else number


def _quantiles(values: Quantiles) -> str:
    if values.n == 0 or math.isnan(values.p50):
        return "none to measure"
    return f"p50 {values.p50:.2f} s, p90 {values.p90:.2f} s, p95 {values.p95:.2f} s (n={values.n})"


def card_table(model: Model) -> RenderableType:
    """What a model was fitted to and how well it did on speakers that it had not heard."""
    card = model.card
    heading = (
        f"model {model.version}, {card['date']}: {card['calls']} calls, {card['people']} people, "
        f"{card['machines']} machines, {card['speakers']} speakers; judged on {card['calls_not_heard']} calls of "
        "others"
    )
    scored = card["on_speakers_not_heard"]
    names = tuple(scored)
    table = _table("on speakers not heard", *names)
    for row in scored[names[0]]:
        table.add_row(row, *(str(scored[name][row]) for name in names))
    rules = _table("stopping rule", *(f">{name}" for name in names))
    for row in model.policies[names[0]]:
        rules.add_row(row, *(f"{model.policies[name][row]:g}" for name in names))
    return Group(Text(heading, style="bold"), "", table, "", rules)

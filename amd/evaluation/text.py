"""What ``amd evaluate`` prints, as rich tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amd.evaluation.run import BEEP_WITHIN_S, Judged, Summary
from amd.evaluation.scores import Quantiles
from amd.events import Party
from amd.recordings import Result

CALL_COLUMNS = ("file", "party", "sub-state", "cause", "probability", "decided at", "known at", "length")


def call_row(result: Result) -> tuple[str, ...]:
    """One result as the cells of `CALL_COLUMNS`."""
    return (
        result.file,
        str(result.party),
        str(result.sub_state or ""),
        str(result.cause).replace("_", " "),
        f"{result.probability:.2f}",
        f"{result.decided_at_s:.2f} s",
        f"{result.known_s:.2f} s",
        f"{result.duration_s:.2f} s",
    )


def calls_table(results: Sequence[Result]) -> Table:
    """Verdicts, one row a recording."""
    table = Table(*CALL_COLUMNS, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[4:]:
        column.justify = "right"
    for result in results:
        table.add_row(*map(Text, call_row(result)))
    return table


def labeled_table(judged: Sequence[Judged]) -> Table:
    """Verdicts beside their labels, one row a call."""
    columns = ("file", "label", "verdict", "sub-state", "cause", "probability", "known at", "")
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[5:7]:
        column.justify = "right"
    for one in judged:
        _, party, sub_state, cause, probability, _, known, _ = call_row(one.result)
        wrong = "" if one.call.label is one.result.party else "wrong"
        cells = (one.call.file, str(one.call.label), party, sub_state, cause, probability, known, wrong)
        table.add_row(*map(Text, cells), style="bold red" if wrong else "")
    return table


def confusion_table(summary: Summary) -> Table:
    """How often each label got each verdict; only labels and verdicts that occur."""
    labels = [party for party in Party if any(label is party for label, _ in summary.confusion)]
    parties = [party for party in Party if any(found is party for _, found in summary.confusion)]
    table = Table("label \\ verdict", *map(str, parties), "all", box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for label in labels:
        counts = [summary.confusion[label, party] for party in parties]
        table.add_row(str(label), *(str(count) if count else "." for count in counts), str(sum(counts)))
    return table


def score_lines(summary: Summary) -> list[tuple[str, str]]:
    """Name and value of every score."""
    return [
        ("accuracy", str(summary.accuracy)),
        ("human called machine", str(summary.human_called_machine)),
        ("machine called human", str(summary.machine_called_human)),
        ("unsure", str(summary.unsure)),
        ("human verdict after greeting end", _quantiles(summary.human_from_greeting_end)),
        ("machine verdict after speech start", _quantiles(summary.machine_from_speech_start)),
        ("any verdict after speech start", _quantiles(summary.from_speech_start)),
        (f"beeps found (end within {1000 * BEEP_WITHIN_S:.0f} ms)", str(summary.beeps)),
        ("greeting end error, no beep", _quantiles(summary.greeting_end_error)),
        ("final verdicts contradicted later", str(summary.contradictions)),
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


def _quantiles(values: Quantiles) -> str:
    if values.n == 0 or math.isnan(values.p50):
        return "none to measure"
    return f"p50 {values.p50:.2f} s, p90 {values.p90:.2f} s, p95 {values.p95:.2f} s (n={values.n})"

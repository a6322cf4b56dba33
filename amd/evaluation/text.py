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


def labeled_table(judged: Sequence[Judged]) -> Table:
    """Verdicts beside their labels, one row a call."""
    table = _table("file", "label", "verdict", "cause", ">prob.", ">known at", "")
    for one in judged:
        wrong = "" if one.call.label is one.result.party else "wrong"
        cells = (one.call.file, str(one.call.label), str(one.result.party), *_cause_cells(one.result), wrong)
        table.add_row(*map(Text, cells), style="bold red" if wrong else "")
    return table


def _table(*headers: str) -> Table:
    """A plain table; a header that begins with ``>`` is of figures, set to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header.lstrip(">"), justify="right" if header.startswith(">") else "left")
    return table


def _cause_cells(result: Result) -> tuple[str, str, str]:
    cause = str(result.cause).replace("_", " ")
    return cause, f"{result.probability:.2f}", f"{result.known_s:.2f} s"


def confusion_table(summary: Summary) -> Table:
    """How often each label got each verdict; only labels and verdicts that occur."""
    labels = [party for party in Party if any(label is party for label, _ in summary.confusion)]
    parties = [party for party in Party if any(found is party for _, found in summary.confusion)]
    table = _table("label \\ verdict", *(f">{party}" for party in parties), ">all")
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

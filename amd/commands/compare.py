"""``amd compare``: two systems, or two versions, on the same calls."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from amd.commands.terminal import OK, print_tables
from amd.evaluation.comparing import Comparison, compare
from amd.evaluation.rivals import read_verdicts
from amd.events import Party
from amd.vocabularies import NAMES

FORMATS = ("text", "md", "json")
PAIRED_HEADERS = ("calls", "n", "{first} right", "{second} right", "only {first}", "only {second}", "p (McNemar)")
LATER_HEADERS = ("both right", "n", "{first}", "{second}", "{second} later by (median, 95 %)")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="compare two systems on the same calls",
        description="Compare the verdicts of two systems, or of two versions, on the same calls: CSV tables with "
        "file, a verdict in the names of Twilio, Asterisk, Amazon Connect or amd, and, in one of them at least, "
        "label. Tables of `amd evaluate` are such.",
    )
    parser.add_argument("first", type=Path, metavar="A.csv")
    parser.add_argument("second", type=Path, metavar="B.csv")
    for name in ("first", "second"):
        parser.add_argument(
            f"--{name}", dest=f"{name}_column", metavar="COLUMN", help="where its verdicts are (default: found)"
        )
    parser.add_argument(
        "--map",
        dest="names",
        type=_meaning,
        action="append",
        default=[],
        metavar="NAME=PARTY",
        help="what a verdict's name means, as live=human; may be given again",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.set_defaults(run=run)


def _meaning(text: str) -> tuple[str, Party]:
    name, _, party = text.rpartition("=")
    if not name or party not in tuple(map(str, Party)):
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=PARTY; parties: {', '.join(map(str, Party))}")
    return name, Party(party)


def run(options: argparse.Namespace) -> int:
    """Compare, and print."""
    names = {**NAMES, **dict(options.names)}
    found = compare(
        read_verdicts(options.first, options.first_column, names),
        read_verdicts(options.second, options.second_column, names),
    )
    first, second = _titles(options)
    if options.format == "json":
        told = {"first": first, "second": second, **asdict(found)}
        sys.stdout.write(json.dumps(_without_nan(told), indent=1) + "\n")
        return OK
    paired, later = (
        _rows(PAIRED_HEADERS, first, second, _paired_rows(found)),
        _rows(LATER_HEADERS, first, second, _later_rows(found)),
    )
    if options.format == "md":
        sys.stdout.write(f"{_markdown(paired)}\n{_markdown(later)}")
    else:
        print_tables(_table(paired), "", _table(later))
    sys.stdout.write(f"\n{_left_out(found, first, second)}")
    return OK


def _titles(options: argparse.Namespace) -> tuple[str, str]:
    """What to call the two: their columns when they are of one file, else their files."""
    if options.first == options.second:
        return options.first_column or "first", options.second_column or "second"
    if options.first.stem == options.second.stem:
        return "first", "second"
    return options.first.stem, options.second.stem


def _left_out(found: Comparison, first: str, second: str) -> str:
    counts = ((found.n_only_first, f"only in {first}"), (found.n_only_second, f"only in {second}"))
    told = [f"{n} calls {where}" for n, where in (*counts, (found.n_unlabeled, "without a label")) if n]
    return f"Left out: {', '.join(told)}.\n" if told else "All calls are in both.\n"


def _paired_rows(found: Comparison) -> list[list[str]]:
    return [
        [
            name,
            str(one.n_calls),
            _share(one.first.value),
            _share(one.second.value),
            str(one.only_first),
            str(one.only_second),
            "< 0.001" if one.p_value < 0.001 else f"{one.p_value:.3f}",
        ]
        for name, one in found.paired.items()
    ]


def _later_rows(found: Comparison) -> list[list[str]]:
    return [
        [
            name,
            str(one.n_calls),
            _seconds(one.first_s),
            _seconds(one.second_s),
            f"{one.median_s:+.2f} s ({one.low_s:+.2f} to {one.high_s:+.2f})" if one.n_calls else "not known",
        ]
        for name, one in found.later.items()
    ]


def _share(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"


def _seconds(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.2f} s"


def _rows(headers: tuple[str, ...], first: str, second: str, rows: list[list[str]]) -> list[list[str]]:
    return [[header.format(first=first, second=second) for header in headers], *rows]


def _table(rows: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, header in enumerate(rows[0]):
        table.add_column(header, justify="right" if index else "left")
    for row in rows[1:]:
        table.add_row(*row)
    return table


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " --: |" * (len(rows[0]) - 1), *lines[1:]]) + "\n"


def _without_nan(value: Any) -> Any:
    """The same with null in place of what is no number, which JSON does not know."""
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value

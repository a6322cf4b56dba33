"""``amd evaluate``: score a labeled set, and write the accuracy report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import amd
from amd.commands.terminal import (
    OK,
    SOME_FAILED,
    add_policy_options,
    add_worker_options,
    model_of,
    policy_of,
    positive,
    print_tables,
    progress,
    say,
)
from amd.errors import AmdError
from amd.evaluation.manifest import take_inventory
from amd.evaluation.measured import Measured, read_measured
from amd.evaluation.rivals import beside, read_verdicts, rivals_of
from amd.evaluation.run import BadRows, Scored, Scoring, score_set
from amd.evaluation.summary import Tally
from amd.evaluation.text import as_csv, as_json, labeled_table, markdown, report, title

BESIDE_METAVAR = "NAME=FILE"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score a labeled set",
        description="Judge a folder of labeled recordings (manifest.csv with file,label) and print the scores. A "
        "run that was interrupted goes on where it stopped.",
    )
    parser.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv")
    add_policy_options(parser)
    parser.add_argument("--format", choices=("text", "md", "json", "csv"), default="text", help="default: text")
    parser.add_argument("--calls", action="store_true", help="print the verdict of every call as well")
    parser.add_argument(
        "--out", type=Path, default=Path("amd-calls.csv"), help="per-call CSV (default: amd-calls.csv)"
    )
    bad = parser.add_mutually_exclusive_group()
    bad.add_argument(
        "--strict", action="store_true", help="stop at the first row that cannot be scored, whatever the reason"
    )
    bad.add_argument(
        "--skip",
        action="store_true",
        help="leave out every row that cannot be scored, and count them (default: slips in the manifest stop "
        "before anything is judged, recordings that cannot be read are left out)",
    )
    add_worker_options(parser)
    reporting = parser.add_argument_group("the report (needs the extra: report)")
    reporting.add_argument("--report", type=Path, metavar="FILE", help="write one HTML file that opens offline")
    reporting.add_argument("--title", metavar="TEXT", help="of the report (default: the set's name)")
    reporting.add_argument("--embed-audio", action="store_true", help="with every error's recording in it")
    reporting.add_argument(
        "--pictures", type=positive, default=500, metavar="N", help="draw the first N errors (default: 500)"
    )
    reporting.add_argument(
        "--beside",
        type=_named_file,
        action="append",
        default=[],
        metavar=BESIDE_METAVAR,
        help="the verdicts of another system on these calls: CSV with file, a verdict and known_s",
    )
    parser.set_defaults(run=run)


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"{text!r} must be {BESIDE_METAVAR}, as twilio=verdicts.csv")
    return name, Path(file)


def run(options: argparse.Namespace) -> int:
    """Score, print, and write the table of calls and the report."""
    write_report = _report_writer(options.report) if options.report else None
    others = {name: read_verdicts(file) for name, file in options.beside}
    model = model_of(options)
    policy = policy_of(options, model)
    bad_rows = BadRows.STRICT if options.strict else BadRows.SKIP if options.skip else BadRows.ASK
    scoring = Scoring(
        policy=policy,
        model=model if options.model else None,
        jobs=options.jobs,
        scheduler=options.scheduler,
        bad_rows=bad_rows,
    )
    with progress(take_inventory(options.set).n_rows) as told:
        scored = score_set(options.set, options.out, scoring, told=told)
    if scored.n_kept:
        say(f"amd: went on after {scored.n_kept} calls of an earlier run")
    status = _tell_bad_rows(scored)
    if scored.n_scored == 0:
        return status

    def calls() -> Iterable[Measured]:
        ones: Iterable[Measured] = read_measured(options.out)
        for name, said in others.items():
            ones = beside(ones, name, said)
        return ones

    tally = Tally.of(calls())
    rivals = rivals_of(tally)
    summary = tally.summary()
    heading = title(summary, str(options.set), options.policy, model.version)
    if options.calls:
        print_tables(labeled_table(read_measured(options.out)), "")
    about = {
        "set": options.set.name,
        "manifest_sha256": scored.manifest_sha256,
        "left_out": scored.n_bad,
        "policy": options.policy,
        "model": model.version,
        "amd": amd.__version__,
    }
    if options.format == "text":
        print_tables(report(summary, heading))
    else:
        written = {"md": markdown(summary, heading), "csv": as_csv(summary), "json": as_json(summary, about)}
        sys.stdout.write(written[options.format])
    say(f"amd: wrote {options.out}")
    if write_report is not None:
        say("amd: hearing the calls once more, for the operating curve, and drawing the errors")
        from amd.report.page import About  # noqa: PLC0415 - as in _report_writer

        subject = About(
            title=options.title or options.set.resolve().name,
            folder=options.set,
            made=datetime.now(UTC),
            facts=about,
            policy=scoring.policy,
            model=scoring.model,
            pictures=options.pictures,
            embed_audio=options.embed_audio,
            jobs=options.jobs,
        )
        write_report(tally, rivals, calls, subject, options.report)
        say(f"amd: wrote {options.report}")
    return status


def _report_writer(out: Path) -> Any:
    """Return what writes the report; what it needs is asked for before hours of judging, not after."""
    from amd.report.page import check_installed, write_report  # noqa: PLC0415 - scoring must not need it

    check_installed()
    if not out.parent.is_dir():
        raise AmdError(f"cannot write {out}: there is no folder {out.parent}")
    return write_report


def _tell_bad_rows(scored: Scored) -> int:
    for row in scored.bad:
        say(f"amd: left out row {row.row}: {row.reason}")
    if scored.n_bad > len(scored.bad):
        say(f"amd: left out {scored.n_bad} rows in all")
    return SOME_FAILED if scored.n_bad else OK

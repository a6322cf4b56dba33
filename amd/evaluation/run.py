"""Judge a labeled set on all cores or on a cluster, a row at a time, and go on where an earlier run stopped."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import amd
from amd.errors import ManifestError
from amd.evaluation.manifest import BadRow, Call, check_times, read_manifest, read_rows, take_inventory
from amd.evaluation.measured import COLUMNS, Measured, extra_columns, measure, to_cells
from amd.evaluation.results import ResultsFile
from amd.evaluation.summary import BEEP_WITHIN_S, Summary, Tally
from amd.model import Model, shipped
from amd.policy import Policy, Until
from amd.recordings import Failure, Reading, Result, classify_or_fail
from amd.workers import spread

__all__ = ["BEEP_WITHIN_S", "COLUMNS", "Judged", "Summary", "judge_set", "per_call_csv", "score_set", "summarise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One call of the set and its result."""

    call: Call
    result: Result


class BadRows(StrEnum):
    """What to do with rows that cannot be scored."""

    ASK = "ask"
    """Stop at a slip in the manifest before anything is judged; leave out recordings that cannot be read."""
    STRICT = "strict"
    """Stop at either."""
    SKIP = "skip"
    """Leave out either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What a set is scored with.

    Parameters
    ----------
    policy : Policy
        Its ``until`` is set to `Until.END`, so that greeting ends can be scored.
    model : Model or None
        The shipped one unless given.
    jobs : int or None
        Worker processes; as many as cores unless given.
    scheduler : str or None
        Address of a Dask scheduler, whose workers are used in place of processes here.
    bad_rows : BadRows
    """

    policy: Policy
    model: Model | None = None
    jobs: int | None = None
    scheduler: str | None = None
    bad_rows: BadRows = BadRows.ASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How scoring went.

    Parameters
    ----------
    n_scored, n_kept : int
        Calls in the table; and how many of them an earlier, interrupted run had scored.
    bad : tuple of BadRow
        The rows that were left out; the first `BAD_KEPT` of them.
    n_bad : int
    manifest_sha256 : str
    """

    n_scored: int
    n_kept: int
    bad: tuple[BadRow, ...]
    n_bad: int
    manifest_sha256: str


BAD_KEPT = 1000
"""So many bad rows are named; a manifest that is wrong throughout needs no more."""
BAD_TOLD = 10
"""So many are named in an error."""


def score_set(folder: Path, out: Path, scoring: Scoring, *, told: Callable[[], None] = lambda: None) -> Scored:
    """Judge every call of a set to its end and write the table of calls; memory does not grow with the set.

    Until it is whole the table is kept beside ``out``, under a name that holds a digest of the manifest and of
    what judges; a run that finds one goes on where it stops.

    Parameters
    ----------
    folder : Path
        With ``manifest.csv``.
    out : Path
        The CSV file to write; it is not written when no call could be scored.
    scoring : Scoring
    told : callable, optional
        Called for each row that is done.

    Raises
    ------
    ManifestError
        If the manifest cannot be used, or a row of it, as ``scoring.bad_rows`` says; the message names rows.
    """
    inventory = take_inventory(folder)
    if scoring.bad_rows is not BadRows.SKIP:
        check_rows(folder)
    bad: list[BadRow] = []
    n_bad = 0
    columns = [*COLUMNS, *extra_columns(inventory.columns)]
    with ResultsFile(out, columns=columns, key=_key(inventory.sha256, scoring)) as results:
        n_kept = results.n_rows
        for row in _measured_rows(folder, scoring, results.has, told):
            if isinstance(row, Measured):
                results.append(to_cells(row))
            elif _stops(row, scoring.bad_rows):
                raise ManifestError(f"{folder / 'manifest.csv'} row {row.row}: {row.reason}")
            else:
                n_bad += 1
                if n_bad <= BAD_KEPT:
                    bad.append(row)
            told()
        results.finish()
        n_scored = results.n_rows
    return Scored(n_scored=n_scored, n_kept=n_kept, bad=tuple(bad), n_bad=n_bad, manifest_sha256=inventory.sha256)


def check_rows(folder: Path) -> None:
    """Look at every row of a manifest before any is judged.

    Raises
    ------
    ManifestError
        If rows cannot be used; it names the first of them, and says how many there are.
    """
    slips = (row for row in read_rows(folder) if isinstance(row, BadRow))
    first = list(itertools.islice(slips, BAD_TOLD))
    if first:
        n_more = sum(1 for _ in slips)
        told = "".join(f"\n  row {row.row}: {row.reason}" for row in first[1:])
        told += f"\n  and {n_more} more" if n_more else ""
        raise ManifestError(f"{folder / 'manifest.csv'} row {first[0].row}: {first[0].reason}{told}")


def _stops(row: BadRow, bad_rows: BadRows) -> bool:
    return bad_rows is BadRows.STRICT or (bad_rows is BadRows.ASK and row.slip)


def _measured_rows(
    folder: Path, scoring: Scoring, has: Callable[[int], bool], told: Callable[[], None]
) -> Iterator[Measured | BadRow]:
    """Judge the rows that no earlier run has, and pass on those that cannot be used."""

    def to_do() -> Iterator[Call | BadRow]:
        for row in read_rows(folder):
            if has(row.row):
                told()
            else:
                yield row

    work = partial(_measure_row, folder, _reading(scoring.policy, scoring.model))
    return spread(work, to_do(), jobs=scoring.jobs, scheduler=scoring.scheduler)


def _reading(policy: Policy, model: Model | None) -> Reading:
    return Reading(policy=dataclasses.replace(policy, until=Until.END), model=model)


def _measure_row(folder: Path, reading: Reading, row: Call | BadRow) -> Measured | BadRow:
    """Judge and measure one row."""
    if isinstance(row, BadRow):
        return row
    outcome = classify_or_fail(reading, str(folder / row.file))
    if isinstance(outcome, Failure):
        return BadRow(row=row.row, file=row.file, reason=outcome.reason, slip=False)
    try:
        check_times(row, outcome.duration_s)
    except ManifestError as error:
        return BadRow(row=row.row, file=row.file, reason=str(error).removeprefix(f"row {row.row}: "))
    return measure(row, outcome)


def _key(manifest_sha256: str, scoring: Scoring) -> str:
    """Digest of what a table is made of: the manifest and what judges it."""
    model = scoring.model or shipped()
    judge = {
        "amd": amd.__version__,
        "policy": dataclasses.asdict(scoring.policy),
        "model": [model.version, model.prior_log_odds, dict(model.card)],
        "manifest": manifest_sha256,
    }
    return hashlib.sha256(json.dumps(judge, sort_keys=True, default=str).encode()).hexdigest()[:16]


def judge_set(
    folder: Path,
    policy: Policy,
    *,
    model: Model | None = None,
    jobs: int | None = None,
    told: Callable[[Result | Failure], None] = lambda _: None,
) -> tuple[list[Judged], list[Failure]]:
    """Judge every call of a set to its end and keep all results, their events with them.

    Parameters
    ----------
    folder : Path
        With ``manifest.csv``.
    policy : Policy
        Its ``until`` is set to `Until.END`, so that greeting ends can be scored.
    model : Model, optional
        The shipped one unless given.
    jobs : int, optional
        Worker processes; as many as cores unless given.
    told : callable, optional
        Called with each result as it comes.

    Raises
    ------
    ManifestError
        If the manifest cannot be used.
    """
    calls = read_manifest(folder)
    work = partial(classify_or_fail, _reading(policy, model))
    judged: list[Judged] = []
    failures: list[Failure] = []
    outcomes = spread(work, [str(folder / call.file) for call in calls], jobs=jobs)
    for call, outcome in zip(calls, outcomes, strict=True):
        told(outcome)
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            check_times(call, outcome.duration_s)
            judged.append(Judged(call=call, result=outcome))
    return judged, failures


def summarise(judged: Iterable[Judged]) -> Summary:
    """Sum up the scores of judged calls."""
    return Tally.of(measure(one.call, one.result) for one in judged).summary()


def per_call_csv(judged: Sequence[Judged]) -> str:
    """One row a call, the columns of the manifest after our own."""
    extra = extra_columns(tuple(judged[0].call.columns) if judged else ())
    out = io.StringIO()
    writer = csv.DictWriter(out, [*COLUMNS, *extra], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(to_cells(measure(one.call, one.result)) for one in judged)
    return out.getvalue()

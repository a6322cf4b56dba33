"""Read a labeled set: a folder with ``manifest.csv`` and the recordings it names.

Columns ``file`` and ``label`` are needed. ``speech_start_s``, ``greeting_end_s``, ``beep_on_s``, ``beep_off_s``
(seconds from answer, empty where there is none) and ``origin`` (``recorded``, ``composed``, ``synthetic``) are
used where they are; other columns are kept as they are. Rows are streamed: a million of them take eight
bytes each while they are read, by which files that are named twice are found.
"""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from amd.errors import ManifestError
from amd.events import Party

TIME_COLUMNS: Final = ("speech_start_s", "greeting_end_s", "beep_on_s", "beep_off_s")
LABELS: Final = tuple(str(party) for party in Party if party is not Party.UNSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row: a recording, what answered, and when things happened.

    Parameters
    ----------
    row : int
        Line of the manifest, the header being line 1.
    file : str
        Relative to the set.
    label : Party
    times_s : dict of str to float
        The times that are known, by column.
    columns : dict of str to str
        All columns as written.
    """

    row: int
    file: str
    label: Party
    times_s: dict[str, float]
    columns: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be used, and why.

    Parameters
    ----------
    row : int
        Line of the manifest, the header being line 1.
    file : str
        As the row names it.
    reason : str
    slip : bool
        The manifest is wrong; else the recording cannot be read.
    """

    row: int
    file: str
    reason: str
    slip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a manifest is, before any of its rows is used.

    Parameters
    ----------
    columns : tuple of str
        Its header.
    n_rows : int
    sha256 : str
        Of its bytes.
    """

    columns: tuple[str, ...]
    n_rows: int
    sha256: str


def manifest_of(folder: Path) -> Path:
    """Path of a set's manifest.

    Raises
    ------
    ManifestError
        If there is none.
    """
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ManifestError(f"{path} is missing: a labeled set is a folder with a manifest.csv of file,label rows")
    return path


def take_inventory(folder: Path) -> Inventory:
    """Count the rows of a set's manifest.

    Raises
    ------
    ManifestError
        If it is missing, is not CSV, lacks a column or has no rows.
    """
    path = manifest_of(folder)
    columns, digests = _survey(path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digests:
        raise ManifestError(f"{path} has no rows")
    return Inventory(columns=tuple(columns), n_rows=len(digests), sha256=sha256)


def read_rows(folder: Path) -> Iterator[Call | BadRow]:
    """Yield the rows of ``folder/manifest.csv`` one by one, those that cannot be used among them.

    Raises
    ------
    ManifestError
        If it is missing, is not CSV or lacks a column.
    """
    path = manifest_of(folder)
    _, digests = _survey(path)
    values, counts = np.unique(np.frombuffer(digests, dtype=np.uint64), return_counts=True)
    suspects = set(values[counts > 1].tolist())
    named: dict[str, int] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = _reader(path, stream)
        for cells in reader:
            columns = {name: value or "" for name, value in cells.items() if name}
            file, row = columns["file"].strip(), reader.line_num
            try:
                call = _call(path.parent, row, columns)
            except ManifestError as error:
                yield BadRow(row=row, file=file, reason=str(error))
                continue
            if file in named:
                yield BadRow(row=row, file=file, reason=f"{file} is named before, in row {named[file]}")
                continue
            if _digest(file) in suspects:
                named[file] = row
            yield call


def read_manifest(folder: Path) -> list[Call]:
    """Read all of ``folder/manifest.csv``.

    Raises
    ------
    ManifestError
        If it is missing, lacks a column, or a row has an unknown label, a bad time, no file, or a file named
        twice; the message names the row.
    """
    path = manifest_of(folder)
    calls: list[Call] = []
    for row in read_rows(folder):
        if isinstance(row, BadRow):
            raise ManifestError(f"{path} row {row.row}: {row.reason}")
        calls.append(row)
    if not calls:
        raise ManifestError(f"{path} has no rows")
    return calls


def _survey(path: Path) -> tuple[list[str], array[int]]:
    """Columns, and a digest of each row's file; all that makes a file no manifest is found here."""
    digests = array("Q")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = _reader(path, stream)
            digests.extend(_digest((cells["file"] or "").strip()) for cells in reader)
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 text: {error}: saved by a spreadsheet? choose CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise ManifestError(f"{path} is not CSV: {error}") from error
    return list(reader.fieldnames or []), digests


def _reader(path: Path, stream: TextIO) -> csv.DictReader[str]:
    reader = csv.DictReader(stream)
    missing = [name for name in ("file", "label") if name not in (reader.fieldnames or [])]
    if missing:
        found = ", ".join(reader.fieldnames or []) or "nothing"
        raise ManifestError(f"{path}: column {' and '.join(missing)} is missing; found: {found}")
    return reader


def _digest(file: str) -> int:
    return int.from_bytes(hashlib.blake2b(file.encode(), digest_size=8).digest())


def _call(folder: Path, row: int, columns: dict[str, str]) -> Call:
    file, label = columns["file"].strip(), columns["label"].strip()
    if not file:
        raise ManifestError("no file is named")
    if label not in LABELS:
        raise ManifestError(f"label {label!r} is unknown; there are: {', '.join(LABELS)}")
    if not (folder / file).is_file():
        raise ManifestError(f"there is no file {file} in the set")
    times_s = {}
    for name in TIME_COLUMNS:
        text = columns.get(name, "").strip()
        if text:
            times_s[name] = _time_s(name, text)
    return Call(row=row, file=file, label=Party(label), times_s=times_s, columns=columns)


def _time_s(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ManifestError(f"{name}={text!r} must be seconds from answer, 0 or more")
    return value


def check_times(call: Call, duration_s: float) -> None:
    """Raise `ManifestError` if a time of the row lies beyond its recording."""
    for name, value in call.times_s.items():
        if value > duration_s + 0.05:
            slip = ": milliseconds?" if value / 1000 <= duration_s else ""
            raise ManifestError(
                f"row {call.row}: {name}={value} is beyond the recording {call.file} ({duration_s:.2f} s){slip}"
            )

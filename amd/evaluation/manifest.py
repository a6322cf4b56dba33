"""Read a labeled set: a folder with ``manifest.csv`` and the recordings it names.

Columns ``file`` and ``label`` are needed. ``speech_start_s``, ``greeting_end_s``, ``beep_on_s``, ``beep_off_s``
(seconds from answer, empty where there is none) and ``origin`` (``recorded``, ``composed``, ``synthetic``) are
used where they are; other columns are kept as they are.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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


def read_manifest(folder: Path) -> list[Call]:
    """Read ``folder/manifest.csv``.

    Raises
    ------
    ManifestError
        If it is missing, lacks a column, or a row has an unknown label, a bad time, no file, or a file named
        twice; the message names the row.
    """
    path = folder / "manifest.csv"
    if not path.is_file():
        raise ManifestError(f"{path} is missing: a labeled set is a folder with a manifest.csv of file,label rows")
    try:
        calls = _read(path)
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 text: {error}: saved by a spreadsheet? choose CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise ManifestError(f"{path} is not CSV: {error}") from error
    if not calls:
        raise ManifestError(f"{path} has no rows")
    return calls


def _read(path: Path) -> list[Call]:
    """Read all rows, each checked by itself and against those before it."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in ("file", "label") if name not in (reader.fieldnames or [])]
        if missing:
            found = ", ".join(reader.fieldnames or []) or "nothing"
            raise ManifestError(f"{path}: column {' and '.join(missing)} is missing; found: {found}")
        calls: list[Call] = []
        rows_of_files: dict[str, int] = {}
        for columns in reader:
            call = _call(path, reader.line_num, {name: value or "" for name, value in columns.items() if name})
            if call.file in rows_of_files:
                raise ManifestError(
                    f"{path} row {call.row}: {call.file} is named before, in row {rows_of_files[call.file]}"
                )
            rows_of_files[call.file] = call.row
            calls.append(call)
    return calls


def _call(path: Path, row: int, columns: dict[str, str]) -> Call:
    where = f"{path} row {row}"
    file, label = columns["file"].strip(), columns["label"].strip()
    if not file:
        raise ManifestError(f"{where}: no file is named")
    if label not in LABELS:
        raise ManifestError(f"{where}: label {label!r} is unknown; there are: {', '.join(LABELS)}")
    if not (path.parent / file).is_file():
        raise ManifestError(f"{where}: there is no file {file} in the set")
    times_s = {}
    for name in TIME_COLUMNS:
        text = columns.get(name, "").strip()
        if text:
            times_s[name] = _time_s(where, name, text)
    return Call(row=row, file=file, label=Party(label), times_s=times_s, columns=columns)


def _time_s(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ManifestError(f"{where}: {name}={text!r} must be seconds from answer, 0 or more")
    return value


def check_times(call: Call, duration_s: float) -> None:
    """Raise `ManifestError` if a time of the row lies beyond its recording."""
    for name, value in call.times_s.items():
        if value > duration_s + 0.05:
            slip = ": milliseconds?" if value / 1000 <= duration_s else ""
            raise ManifestError(
                f"row {call.row}: {name}={value} is beyond the recording {call.file} ({duration_s:.2f} s){slip}"
            )

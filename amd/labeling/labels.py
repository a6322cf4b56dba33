"""A manifest of proposed labels: who proposes, what a person made of it, and files that a crash leaves whole."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from amd.errors import ManifestError
from amd.evaluation.manifest import LABELS
from amd.events import Party
from amd.model import machine_probability
from amd.recordings import Failure, Reading, Result, classify_or_fail, recordings_in
from amd.workers import spread

COLUMNS: Final = ("file", "label", "checked", "proposed", "probability", "cause", "known_s", "duration_s")
"""``label`` is the proposal until a person corrects it; ``checked`` is ``yes`` once a person has decided."""
YES: Final = "yes"

Row = dict[str, str]


def propose(
    folder: Path,
    out: Path,
    reading: Reading,
    *,
    jobs: int | None = None,
    told: Callable[[], None] = lambda: None,
) -> list[Failure]:
    """Propose a label for every recording below a folder that the manifest does not have yet.

    Each proposal is in the manifest as soon as it is made, so a run that was interrupted goes on where it stopped.
    At the end rows are sorted: those that nobody has checked first, the most doubtful at the top.

    Parameters
    ----------
    folder : Path
        Searched all the way down.
    out : Path
        The manifest. What is there already stays as it is.
    reading : Reading
    jobs : int, optional
        Worker processes; as many as cores unless given.
    told : callable, optional
        Called for each recording that is done.

    Returns
    -------
    list of Failure
        Recordings that could not be read.

    Raises
    ------
    ManifestError
        If there are no recordings, or what is at ``out`` is no manifest of proposals.
    """
    files = recordings_in(folder)
    if not files:
        raise ManifestError(f"{folder} holds no recordings")
    rows = read_labels(out) if out.exists() else []
    write_labels(out, rows)  # whole again, if a crash had torn its last line
    there = {row["file"] for row in rows}
    names = {file: os.path.relpath(file, out.parent).replace(os.sep, "/") for file in files}
    new = [file for file in files if names[file] not in there]
    failures: list[Failure] = []
    with out.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _header(rows), lineterminator="\n", restval="")
        for file, outcome in zip(new, spread(partial(classify_or_fail, reading), new, jobs=jobs), strict=True):
            told()
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                writer.writerow(proposal(names[file], outcome))
                stream.flush()
    rows = read_labels(out)
    rows.sort(key=lambda row: (row["checked"] == YES, float(row["probability"] or 1), row["file"]))
    write_labels(out, rows)
    return failures


def proposal(file: str, result: Result) -> Row:
    """Return the row of a recording: what it was judged to be, or the likelier of person and machine."""
    party, probability = result.party, result.probability
    if party is Party.UNSURE:
        p_machine = machine_probability(result.verdict.evidence)
        party = Party.MACHINE if p_machine > 0.5 else Party.HUMAN
        probability = max(p_machine, 1 - p_machine)
    return {
        "file": file,
        "label": str(party),
        "checked": "",
        "proposed": str(party),
        "probability": f"{probability:.4f}",
        "cause": str(result.cause),
        "known_s": f"{result.known_s:.3f}",
        "duration_s": f"{result.duration_s:.3f}",
    }


def read_labels(path: Path) -> list[Row]:
    """Read a manifest of proposals; a last line that a crash tore is left out.

    Raises
    ------
    ManifestError
        If it is none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = io.StringIO(text[: text.rfind("\n") + 1], newline="")
        reader = csv.DictReader(lines, restval="")
        rows = [{name: value for name, value in row.items() if name} for row in reader]
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 text: {error}: saved by a spreadsheet? choose CSV UTF-8"
        ) from error
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise ManifestError(
            f"{path} lacks the column {missing[0]}, so `amd label` did not write it: name another file with --out"
        )
    return rows


def write_labels(path: Path, rows: Sequence[Row]) -> None:
    """Write a manifest of proposals whole, or leave what was there."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _header(rows), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, out.getvalue())


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a crash leaves the old one or the new one, never a part."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", newline="", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def _header(rows: Sequence[Row]) -> list[str]:
    """Our columns, and those that a person added."""
    return [*COLUMNS, *(name for name in (rows[0] if rows else ()) if name not in COLUMNS)]


class Labels:
    """A manifest of proposals that a person decides on, one by one, from any thread.

    The file is read again before each change: a spreadsheet may have written to it meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def rows(self) -> list[Row]:
        """All rows as they stand."""
        with self._lock:
            return read_labels(self.path)

    def decide(self, file: str, label: str) -> None:
        """Note what a person decided; it is on the disk when this returns.

        Raises
        ------
        ManifestError
            If the label or the file is unknown.
        """
        if label not in LABELS:
            raise ManifestError(f"label {label!r} is unknown; there are: {', '.join(LABELS)}")
        with self._lock:
            rows = read_labels(self.path)
            found = [row for row in rows if row["file"] == file]
            if not found:
                raise ManifestError(f"{self.path} has no row of {file}")
            for row in found:
                row.update(label=label, checked=YES)
            write_labels(self.path, rows)


def unchecked(rows: Sequence[Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """Yield the rows that no person has decided."""
    return (row for row in rows if row["checked"] != YES)

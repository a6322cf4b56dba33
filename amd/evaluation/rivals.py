"""Verdicts of other systems on the same calls: columns of the manifest, or a table of their own.

A column ``NAME_verdict`` of a manifest holds what the system NAME said, in its own names or ours
(`amd.vocabularies.NAMES`); ``NAME_known_s``, where it is there, when it said so, in seconds from answer.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.errors import ManifestError, VocabularyError
from amd.evaluation.manifest import LABELS
from amd.evaluation.measured import Measured
from amd.evaluation.summary import PARTIES, Floats, Tally
from amd.events import Party
from amd.vocabularies import NAMES, party_of

VERDICT: Final = "_verdict"
KNOWN: Final = "_known_s"
VERDICT_COLUMNS: Final = (
    "party",
    "verdict",
    "AnsweredBy",
    "answered_by",
    "AMDSTATUS",
    "amdstatus",
    "AnsweringMachineDetectionStatus",
)
"""Where a table of verdicts has them, unless told: the first of these that is there."""
NOT_JUDGED: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a system said of one call; ``known_s`` is NaN, and ``label`` None, where its table does not say."""

    party: Party
    known_s: float
    label: Party | None
    times_s: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """What another system said of the calls of a set; arrays of shape ``(n_calls,)``.

    Parameters
    ----------
    name : str
    party : ndarray of int8
        Places in `amd.evaluation.summary.PARTIES`; `NOT_JUDGED` where the manifest is empty.
    known_s : ndarray of float64
        NaN where it is not known.
    """

    name: str
    party: npt.NDArray[np.int8]
    known_s: Floats


def rivals_of(tally: Tally, names: Mapping[str, Party] = NAMES) -> list[Rival]:
    """Return the systems whose verdicts the manifest has, in its order.

    Raises
    ------
    VocabularyError
        If a verdict's name is unknown.
    """
    found = []
    for name, column in tally.columns.items():
        if name.endswith(VERDICT) and column.codes is not None:
            try:
                meaning = [PARTIES.index(party_of(text, names)) if text else NOT_JUDGED for text in column.values]
            except VocabularyError as error:
                raise VocabularyError(f"column {name}: {error}") from error
            system = name.removesuffix(VERDICT)
            times = tally.columns.get(system + KNOWN)
            no_times = np.full(tally.n_calls, np.nan)
            known_s = no_times if times is None or times.numbers is None else np.array(times.numbers)
            party = np.array(meaning, dtype=np.int8)[np.array(column.codes)]
            found.append(Rival(name=system.replace("_", " "), party=party, known_s=known_s))
    return found


def read_verdicts(path: Path, column: str | None = None, names: Mapping[str, Party] = NAMES) -> dict[str, Said]:
    """Read a table of verdicts, by file: CSV with ``file``, a verdict, and, where it has them, times and labels.

    Parameters
    ----------
    path : Path
    column : str, optional
        The column of the verdicts; the first of `VERDICT_COLUMNS` that is there unless given. The times of
        ``NAME_verdict`` are ``NAME_known_s``, of any other column ``known_s``.
    names : mapping of str to Party, optional
        What the verdicts' names mean.

    Raises
    ------
    ManifestError
        If it lacks a column, or names a file twice; the message names the row.
    VocabularyError
        If a verdict's name is unknown; the message names the row.
    """
    said: dict[str, Said] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            wanted = column or next((name for name in VERDICT_COLUMNS if name in header), None)
            if "file" not in header or wanted is None or wanted not in header:
                need = f"file and {column or ' or '.join(VERDICT_COLUMNS)}"
                raise ManifestError(f"{path} needs the columns {need}; found: {', '.join(header) or 'nothing'}")
            times = wanted.removesuffix(VERDICT) + KNOWN if wanted.endswith(VERDICT) else "known_s"
            for cells in reader:
                where = f"{path} row {reader.line_num}"
                file = (cells["file"] or "").strip()
                if file in said:
                    raise ManifestError(f"{where}: {file} is named before")
                if cells[wanted]:
                    said[file] = _said(where, cells, wanted, times, names)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text: {error}") from error
    return said


def _said(
    where: str, cells: Mapping[str, str | None], column: str, times: str, names: Mapping[str, Party]
) -> Said:
    label = (cells.get("label") or "").strip()
    if label and label not in LABELS:
        raise ManifestError(f"{where}: label {label!r} is unknown; there are: {', '.join(LABELS)}")
    try:
        party = party_of(cells[column] or "", names)
        times_s = {name: float(cells.get(name) or "nan") for name in ("speech_start_s", "greeting_end_s")}
        known_s = float(cells.get(times) or "nan")
    except VocabularyError as error:
        raise VocabularyError(f"{where}: {error}") from error
    except ValueError as error:
        raise ManifestError(f"{where}: {error}: times are in seconds") from error
    return Said(party=party, known_s=known_s, label=Party(label) if label else None, times_s=times_s)


def beside(calls: Iterable[Measured], name: str, said: Mapping[str, Said]) -> Iterator[Measured]:
    """Yield calls with what another system said of them as if the manifest had it."""
    for call in calls:
        found = said.get(call.file)
        known_s = "" if found is None or math.isnan(found.known_s) else str(found.known_s)
        more = {name + VERDICT: "" if found is None else str(found.party), name + KNOWN: known_s}
        yield dataclasses.replace(call, columns={**call.columns, **more})

"""What one judged call says for the scores: a row of the table of calls, which every summary is made from."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amd.errors import ManifestError
from amd.evaluation.manifest import Call
from amd.events import Contradiction, GreetingEnded, Party, ToneHeard, ToneKind
from amd.model import machine_probability
from amd.recordings import Result

NONE: Final = math.nan
BEEP_NEAR_S: Final = 1.0
"""A beep that is heard within this of the true one's end is timed as that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One call of a set, its verdict, and how it compares with the truth. Times in seconds, NaN where unknown.

    Parameters
    ----------
    row : int
        Line of the manifest.
    file : str
        Relative to the set.
    label, party : Party
        The truth, and the verdict.
    sub_state, cause : str
        Of the verdict; ``sub_state`` is empty where there is none.
    probability : float
        Of the party.
    machine_probability : float
        Of a machine, at the verdict, where speech was weighed.
    decided_at_s, known_s, duration_s : float
        As in `amd.recordings.Result`.
    from_speech_start_s, from_greeting_end_s : float
        From those to when the verdict was known.
    has_beep : bool
        The truth has a beep.
    beep_error_s : float
        End of the beep as heard less its true end, where the truth has one and one was heard near it.
    beep_known_s : float
        From the true end of that beep to when it was known.
    greeting_end_error_s : float
        End of a machine's greeting as told less the true one, where no beep ends it.
    contradicted : bool
        Something spoke against the final verdict later.
    columns : mapping of str to str
        The row of the manifest as written.
    """

    row: int
    file: str
    label: Party
    party: Party
    sub_state: str
    cause: str
    probability: float
    machine_probability: float
    decided_at_s: float
    known_s: float
    duration_s: float
    from_speech_start_s: float
    from_greeting_end_s: float
    has_beep: bool
    beep_error_s: float
    beep_known_s: float
    greeting_end_error_s: float
    contradicted: bool
    columns: Mapping[str, str]

    @property
    def right(self) -> bool:
        """Whether the verdict is the label."""
        return self.label is self.party


COLUMNS: Final = (
    "file",
    "label",
    "party",
    "right",
    *(
        field.name
        for field in dataclasses.fields(Measured)
        if field.name not in ("file", "label", "party", "columns")
    ),
)
_FLOATS: Final = tuple(field.name for field in dataclasses.fields(Measured) if field.type == "float")


def measure(call: Call, result: Result) -> Measured:
    """Compare a result with what its row of the manifest says."""
    times_s = call.times_s
    beep = _beep(result, times_s["beep_off_s"]) if "beep_off_s" in times_s else None
    weights = result.verdict.evidence
    return Measured(
        row=call.row,
        file=call.file,
        label=call.label,
        party=result.party,
        sub_state=str(result.sub_state or ""),
        cause=str(result.cause),
        probability=result.probability,
        machine_probability=machine_probability(weights) if weights else NONE,
        decided_at_s=result.decided_at_s,
        known_s=result.known_s,
        duration_s=result.duration_s,
        from_speech_start_s=result.known_s - times_s.get("speech_start_s", NONE),
        from_greeting_end_s=result.known_s - times_s.get("greeting_end_s", NONE),
        has_beep="beep_off_s" in times_s,
        beep_error_s=NONE if beep is None else beep.off_s - times_s["beep_off_s"],
        beep_known_s=NONE if beep is None else beep.known_s - times_s["beep_off_s"],
        greeting_end_error_s=_greeting_end_error_s(call, result),
        contradicted=any(isinstance(event, Contradiction) for event in result.events),
        columns=call.columns,
    )


def _beep(result: Result, off_s: float) -> ToneHeard | None:
    """Return the beep that was heard nearest to a true one's end, if one is near it."""
    beeps = [event for event in result.events if isinstance(event, ToneHeard) and event.kind is ToneKind.BEEP]
    near = [beep for beep in beeps if abs(beep.off_s - off_s) <= BEEP_NEAR_S]
    return min(near, key=lambda beep: abs(beep.off_s - off_s), default=None)


def _greeting_end_error_s(call: Call, result: Result) -> float:
    times_s = call.times_s
    if call.label is not Party.MACHINE or "beep_off_s" in times_s or "greeting_end_s" not in times_s:
        return NONE
    ends_s = [event.at_s for event in result.events if isinstance(event, GreetingEnded)]
    return ends_s[0] - times_s["greeting_end_s"] if ends_s else NONE


def to_cells(one: Measured) -> dict[str, str]:
    """Return a call as text by column: ours, then those of the manifest. Unknown times are empty."""
    ours = {name: _text(getattr(one, name)) for name in COLUMNS}
    return {**one.columns, **ours}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{round(value, 4):g}" if abs(value) < 1 else str(round(value, 4))
    return str(value)


def extra_columns(columns: Mapping[str, str] | tuple[str, ...]) -> list[str]:
    """Columns of a manifest that are not ours."""
    return [name for name in columns if name and name not in COLUMNS]


def read_measured(path: Path) -> Iterator[Measured]:
    """Yield the calls of a table that ``amd evaluate`` wrote.

    Raises
    ------
    ManifestError
        If it is no such table; the message names the row.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, strict=True)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ManifestError(f"{path} lacks the column {missing[0]}: it is no table of calls of `amd evaluate`")
        for cells in reader:
            try:
                yield from_cells(cells)
            except (TypeError, ValueError) as error:
                raise ManifestError(f"{path} row {reader.line_num}: {error}") from error


def from_cells(cells: Mapping[str, str]) -> Measured:
    """Return a call from its text by column."""
    floats = {name: float(cells[name]) if cells[name] else NONE for name in _FLOATS}
    return Measured(
        row=int(cells["row"]),
        file=cells["file"],
        label=Party(cells["label"]),
        party=Party(cells["party"]),
        sub_state=cells["sub_state"],
        cause=cells["cause"],
        has_beep=cells["has_beep"] == "True",
        contradicted=cells["contradicted"] == "True",
        columns={name: value for name, value in cells.items() if name not in _OURS_ONLY},
        **floats,
    )


_OURS_ONLY: Final = frozenset(COLUMNS) - {"file", "label"}

"""Scores of a set, from calls that come one by one: columns of numbers are kept, never the calls."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from amd.evaluation.manifest import TIME_COLUMNS
from amd.evaluation.measured import Measured
from amd.evaluation.scores import Confusion, Quantiles, Share, accuracy, quantiles, rate, wilson
from amd.events import Party

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BEEP_WITHIN_S: Final = 0.1
"""A beep is found when its end is placed this close to the true one."""
ROUNDING_S: Final = 1e-9
"""5.1 - 5.0 is more than 0.1 in binary."""
PARTIES: Final = tuple(Party)
KEPT: Final = (
    "probability",
    "machine_probability",
    "known_s",
    "from_speech_start_s",
    "from_greeting_end_s",
    "beep_error_s",
    "beep_known_s",
    "greeting_end_error_s",
)
VALUES_MAX: Final = 200
"""A column with more values than this, not all of them numbers, names calls and not kinds of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Scores of a set.

    Parameters
    ----------
    origins : tuple of str
        Where the calls come from, as the manifest says; ``not stated`` where it does not.
    human_from_greeting_end : Quantiles
        Seconds from the end of a person's greeting to the verdict, for people called human.
    machine_from_speech_start : Quantiles
        Seconds from a machine's first speech to the verdict, for machines called machine.
    from_speech_start : Quantiles
        The same for every call with speech.
    beeps : Share
        Beeps that were found, their end within 0.1 s.
    greeting_end_error : Quantiles
        Absolute error of a machine's greeting end, in seconds, where it ended without a beep.
    contradictions : int
        Final verdicts that were contradicted later.
    """

    n_calls: int
    origins: tuple[str, ...]
    confusion: Confusion
    accuracy: Share
    human_called_machine: Share
    machine_called_human: Share
    unsure: Share
    human_from_greeting_end: Quantiles
    machine_from_speech_start: Quantiles
    from_speech_start: Quantiles
    beeps: Share
    greeting_end_error: Quantiles
    contradictions: int


@dataclass(slots=True)
class Column:
    """What calls say in one column of the manifest.

    Parameters
    ----------
    codes : array of int or None
        Places in ``values``, a call each; None once there are more than `VALUES_MAX`.
    values : dict of str to int
    numbers : array of float or None
        NaN where empty; None once something is no number.
    """

    codes: array[int] | None = field(default_factory=lambda: array("i"))
    values: dict[str, int] = field(default_factory=dict)
    numbers: array[float] | None = field(default_factory=lambda: array("d"))

    def add(self, text: str) -> None:
        """Take what one call says."""
        if self.numbers is not None:
            number = _number(text)
            if number is None:
                self.numbers = None
            else:
                self.numbers.append(number)
        if self.codes is not None:
            if text not in self.values and len(self.values) == VALUES_MAX:
                self.codes = None
                self.values.clear()
            else:
                self.codes.append(self.values.setdefault(text, len(self.values)))


def _number(text: str) -> float | None:
    try:
        return float(text) if text.strip() else math.nan
    except ValueError:
        return None


class Tally:
    """What is kept of the calls of a set: some hundred bytes each, and the first `ERRORS_MAX` errors whole."""

    def __init__(self) -> None:
        self._label, self._party, self._has_beep, self._contradicted = (array("b") for _ in range(4))
        self._kept = {name: array("d") for name in KEPT}
        self.columns: dict[str, Column] = {}
        self.errors: list[Measured] = []
        self.n_errors = 0

    @classmethod
    def of(cls, calls: Iterable[Measured]) -> Self:
        """Take all of them."""
        tally = cls()
        for call in calls:
            tally.add(call)
        return tally

    def add(self, call: Measured) -> None:
        """Take one call."""
        self._label.append(PARTIES.index(call.label))
        self._party.append(PARTIES.index(call.party))
        self._has_beep.append(call.has_beep)
        self._contradicted.append(call.contradicted)
        for name, values in self._kept.items():
            values.append(getattr(call, name))
        if not self.columns:
            self.columns = {name: Column() for name in call.columns if name not in NO_KIND}
        for name, column in self.columns.items():
            column.add(call.columns.get(name, ""))
        if not call.right:
            self.n_errors += 1
            if self.n_errors <= ERRORS_MAX:
                self.errors.append(call)

    @property
    def n_calls(self) -> int:
        """How many there are."""
        return len(self._label)

    def times(self, name: str) -> Floats:
        """Return one of `KEPT`, shape ``(n_calls,)``; NaN where it is not known."""
        return np.array(self._kept[name], dtype=np.float64)

    def labelled(self, party: Party) -> Flags:
        """Which calls are of a party, shape ``(n_calls,)``."""
        return np.asarray(np.array(self._label) == PARTIES.index(party))

    def called(self, party: Party) -> Flags:
        """Which calls were called a party, shape ``(n_calls,)``."""
        return np.asarray(np.array(self._party) == PARTIES.index(party))

    @property
    def right(self) -> Flags:
        """Which verdicts are right, shape ``(n_calls,)``."""
        return np.asarray(np.array(self._label) == np.array(self._party))

    @property
    def confusion(self) -> Confusion:
        """How often each label got each verdict."""
        pairs = Counter(zip(self._label, self._party, strict=True))
        return Counter({(PARTIES[label], PARTIES[party]): n for (label, party), n in pairs.items()})

    @property
    def origins(self) -> tuple[str, ...]:
        """Where the calls come from."""
        origin = self.columns.get("origin")
        if origin is None or origin.codes is None:
            return ("not stated",)
        return tuple(sorted(value or "not stated" for value in origin.values))

    def summary(self) -> Summary:
        """Sum the scores up."""
        counts, right = self.confusion, self.right
        human, machine = self.labelled(Party.HUMAN), self.labelled(Party.MACHINE)
        has_beep = np.array(self._has_beep, dtype=np.bool_)
        found = has_beep & (np.abs(self.times("beep_error_s")) <= BEEP_WITHIN_S + ROUNDING_S)
        return Summary(
            n_calls=self.n_calls,
            origins=self.origins,
            confusion=counts,
            accuracy=accuracy(counts),
            human_called_machine=rate(counts, Party.HUMAN, Party.MACHINE),
            machine_called_human=rate(counts, Party.MACHINE, Party.HUMAN),
            unsure=wilson(int(self.called(Party.UNSURE).sum()), self.n_calls),
            human_from_greeting_end=_quantiles(self.times("from_greeting_end_s")[human & right]),
            machine_from_speech_start=_quantiles(self.times("from_speech_start_s")[machine & right]),
            from_speech_start=_quantiles(self.times("from_speech_start_s")),
            beeps=wilson(int(found.sum()), int(has_beep.sum())),
            greeting_end_error=_quantiles(np.abs(self.times("greeting_end_error_s"))),
            contradictions=int(np.sum(self._contradicted)),
        )


NO_KIND: Final = frozenset({"file", "label", *TIME_COLUMNS})
"""Columns of a manifest that tell calls apart, or are scored: no kinds of calls."""
ERRORS_MAX: Final = 5000
"""So many errors are kept whole, to be listed; all are counted."""


def _quantiles(values: Floats) -> Quantiles:
    known: Sequence[float] = values[~np.isnan(values)].tolist()
    return quantiles(known)

"""Two systems, or two versions of one, on the same calls: what each has right that the other has not, and when.

A call counts for the comparison when both tables name it and one of them, or both, have its label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amd.errors import ManifestError
from amd.evaluation.rivals import Said
from amd.evaluation.scores import Share, wilson
from amd.evaluation.significance import mcnemar, median_interval
from amd.evaluation.summary import PARTIES, Flags, Floats
from amd.events import Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Right and wrong of two systems on the same calls.

    Parameters
    ----------
    n_calls : int
    first, second : Share
        What each has right.
    only_first, only_second : int
        Calls that only one has right.
    p_value : float
        McNemar's exact test of no difference.
    """

    n_calls: int
    first: Share
    second: Share
    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """How much later the second system says what both say rightly.

    Parameters
    ----------
    n_calls : int
        That both have right, and of which both say when.
    first_s, second_s : float
        Median of each, in seconds from answer; NaN of no calls.
    median_s, low_s, high_s : float
        Median of the second less the first, call by call, with its 95 % bootstrap interval.
    """

    n_calls: int
    first_s: float
    second_s: float
    median_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two systems on the same calls.

    Parameters
    ----------
    n_only_first, n_only_second : int
        Calls that only one table has; they count for nothing.
    n_unlabeled : int
        Calls that both have and neither labels; nor do they.
    paired : dict of str to Paired
        All calls, those of people, those of machines, and the two errors that cost most: people not called
        machines, machines not called people.
    later : dict of str to Later
        Of people, and of machines.
    """

    n_only_first: int
    n_only_second: int
    n_unlabeled: int
    paired: dict[str, Paired]
    later: dict[str, Later]


def compare(first: Mapping[str, Said], second: Mapping[str, Said]) -> Comparison:
    """Compare two tables of verdicts by file.

    Raises
    ------
    ManifestError
        If they have no labeled call in common, or label one differently; the message names it.
    """
    both = [file for file in first if file in second]
    labels = {file: one for file in both if (one := _label(file, first[file], second[file])) is not None}
    files = list(labels)
    if not files:
        lack = "neither table labels any of them" if both else "other names of files?"
        raise ManifestError(f"the tables have {len(both)} calls in common: {lack}")
    label = np.array([PARTIES.index(labels[file]) for file in files])
    said = [np.array([PARTIES.index(table[file].party) for file in files]) for table in (first, second)]
    known_s = [np.array([table[file].known_s for file in files]) for table in (first, second)]
    is_human, is_machine = PARTIES.index(Party.HUMAN), PARTIES.index(Party.MACHINE)
    human, machine = np.asarray(label == is_human), np.asarray(label == is_machine)
    right = [party == label for party in said]
    everything = np.ones(len(files), dtype=np.bool_)
    return Comparison(
        n_only_first=len(first) - len(both),
        n_only_second=len(second) - len(both),
        n_unlabeled=len(both) - len(files),
        paired={
            "all calls": _paired(everything, *right),
            "people": _paired(human, *right),
            "machines": _paired(machine, *right),
            "people not called machines": _paired(human, *(party != is_machine for party in said)),
            "machines not called people": _paired(machine, *(party != is_human for party in said)),
        },
        later={
            "people": _later(human & right[0] & right[1], *known_s),
            "machines": _later(machine & right[0] & right[1], *known_s),
        },
    )


def _label(file: str, first: Said, second: Said) -> Party | None:
    if None not in (first.label, second.label) and first.label is not second.label:
        raise ManifestError(f"{file} is labeled {first.label} in one table and {second.label} in the other")
    return first.label or second.label


def _paired(calls: Flags, first: Flags, second: Flags) -> Paired:
    n = int(calls.sum())
    only_first, only_second = int((calls & first & ~second).sum()), int((calls & second & ~first).sum())
    return Paired(
        n_calls=n,
        first=wilson(int((calls & first).sum()), n),
        second=wilson(int((calls & second).sum()), n),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )


def _later(calls: Flags, first_s: Floats, second_s: Floats) -> Later:
    timed = calls & ~np.isnan(first_s) & ~np.isnan(second_s)
    if not timed.any():
        none = math.nan
        return Later(n_calls=0, first_s=none, second_s=none, median_s=none, low_s=none, high_s=none)
    median_s, low_s, high_s = median_interval(second_s[timed] - first_s[timed])
    return Later(
        n_calls=int(timed.sum()),
        first_s=float(np.median(first_s[timed])),
        second_s=float(np.median(second_s[timed])),
        median_s=median_s,
        low_s=low_s,
        high_s=high_s,
    )

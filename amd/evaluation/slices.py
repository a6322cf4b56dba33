"""Parts of a set, by any column of its manifest, and which of them differ by more than chance would have it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.evaluation.rivals import KNOWN, VERDICT
from amd.evaluation.scores import Share, wilson
from amd.evaluation.significance import ALPHA, holm, part_against_rest
from amd.evaluation.summary import Column, Flags, Tally
from amd.events import Party

PARTS_MAX: Final = 24
"""So many parts of a column are told apart, the largest; the rest are one."""
CALLS_MIN: Final = 5
"""Parts with fewer calls join the rest: an interval over four calls says nothing."""
NUMBERS_MIN: Final = 9
"""A column with fewer different numbers is taken by its values, one with more by its quarters."""
DAYS_MAX: Final = 31
"""More days than these are taken by month."""
NO_VALUE: Final = "not stated"
OTHERS: Final = "all others"
MEASURES: Final = ("right", "human_called_machine", "machine_called_human")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Calls with one value in one column.

    Parameters
    ----------
    name : str
    n_calls : int
    shares : dict of str to Share
        By `MEASURES`.
    differs : dict of str to float
        p-value that the share is that of all other calls, adjusted for every part and measure of the set (Holm);
        only those of `MEASURES` in which it differs at 5 %.
    """

    name: str
    n_calls: int
    shares: dict[str, Share]
    differs: dict[str, float]


def slices_of(tally: Tally) -> dict[str, list[Part]]:
    """Return the parts of a set by column; columns with one value, and those that name calls, have none."""
    human, machine = tally.labelled(Party.HUMAN), tally.labelled(Party.MACHINE)
    found = {
        "right": (tally.right, np.ones(tally.n_calls, dtype=np.bool_)),
        "human_called_machine": (human & tally.called(Party.MACHINE), human),
        "machine_called_human": (machine & tally.called(Party.HUMAN), machine),
    }
    raw = [
        (column, name, calls)
        for column, kept in tally.columns.items()
        if not column.endswith((VERDICT, KNOWN))
        for name, calls in parts_of(kept)
    ]
    counts = [
        {measure: (int((hit & calls).sum()), int((of & calls).sum())) for measure, (hit, of) in found.items()}
        for _, _, calls in raw
    ]
    everything = {measure: (int(hit.sum()), int(of.sum())) for measure, (hit, of) in found.items()}
    tests = [
        (index, measure)
        for index in range(len(raw))
        for measure in MEASURES
        if 0 < counts[index][measure][1] < everything[measure][1]  # else there is nothing to compare
    ]
    adjusted = holm([part_against_rest(*counts[index][measure], *everything[measure]) for index, measure in tests])
    p_values = dict(zip(tests, adjusted, strict=True))
    slices: dict[str, list[Part]] = {}
    for index, (column, name, calls) in enumerate(raw):
        differs = {measure: p_values.get((index, measure), 1.0) for measure in MEASURES}
        slices.setdefault(column, []).append(
            Part(
                name=name,
                n_calls=int(calls.sum()),
                shares={measure: wilson(*counts[index][measure]) for measure in MEASURES},
                differs={measure: p for measure, p in differs.items() if p < ALPHA},
            )
        )
    return slices


def parts_of(column: Column) -> Iterator[tuple[str, Flags]]:
    """Yield name and calls of each part of a column; nothing if all calls are one part."""
    if column.numbers is not None:
        numbers = np.array(column.numbers, dtype=np.float64)
        if np.unique(numbers[~np.isnan(numbers)]).size >= NUMBERS_MIN:
            yield from _quarters(numbers)
            return
    if column.codes is None:
        return
    names = [name.strip() or NO_VALUE for name in column.values]
    if all(_DAY.match(name) or name == NO_VALUE for name in names):
        length = 10 if len({name[:10] for name in names}) <= DAYS_MAX else 7
        names = [name if name == NO_VALUE else name[:length] for name in names]
    yield from _by_value(names, np.array(column.codes, dtype=np.int64))


def _quarters(numbers: npt.NDArray[np.float64]) -> Iterator[tuple[str, Flags]]:
    known = ~np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[known], [0, 0.25, 0.5, 0.75, 1]))
    for low, high in itertools.pairwise(edges):
        last = high == edges[-1]
        inside = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        yield f"{low:g} to {'' if last else 'below '}{high:g}", inside
    if not known.all():
        yield NO_VALUE, ~known


def _by_value(names: list[str], codes: npt.NDArray[np.int64]) -> Iterator[tuple[str, Flags]]:
    merged = sorted(set(names))
    places = np.array([merged.index(name) for name in names])[codes]
    sizes = np.bincount(places, minlength=len(merged))
    large = [int(place) for place in np.argsort(-sizes, kind="stable")[:PARTS_MAX] if sizes[place] >= CALLS_MIN]
    if len(merged) < 2 or not large:
        return
    for place in sorted(large, key=lambda place: merged[place]):
        yield merged[place], places == place
    rest = ~np.isin(places, large)
    if rest.any():
        yield f"{OTHERS} ({len(merged) - len(large)})", rest

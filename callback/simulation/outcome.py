"""What came of a simulated shift: its customers, who was ready when, and what the agents did."""

from __future__ import annotations

from dataclasses import dataclass

from callback.ordering import Place
from callback.simulation.line import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A customer ready to be put through: from when to when, in which place, and whether an agent ended it."""

    place: Place
    from_s: float
    to_s: float
    served: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a shift.

    Parameters
    ----------
    entries : tuple of Entry
        All customers, in order of arrival.
    stays : tuple of Stay
        In order of their end.
    talked_s, wasted_s : float
        Agents' seconds within the shift: with customers; reserved or on the phone with nobody.
    """

    entries: tuple[Entry, ...]
    stays: tuple[Stay, ...]
    talked_s: float
    wasted_s: float

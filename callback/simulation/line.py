"""The line of the simulated centre: real places and contacts of `callback.ordering`, kept in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from callback.ordering import Contact, Kind, Place
from callback.simulation.dialing import Fate
from callback.simulation.draws import Customer
from callback.states import Outcome

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The shift's first second. Any would do."""


@dataclass(slots=True, eq=False)
class Entry:
    """One customer of a run, and all that became of them. Times in seconds of the shift; None: it never was."""

    customer: Customer
    contact: Contact
    dialing: bool = False
    attempts: int = 0
    fate: Fate | None = None
    ready_s: float | None = None
    answered_s: float | None = None
    served_s: float | None = None
    left_s: float | None = None
    exhausted: bool = False
    lost_people: int = 0
    hung_up_on_hold: int = 0

    @property
    def on_phone(self) -> Outcome:
        """Who answered the last attempt, in truth; a live caller is a person."""
        return Outcome.HUMAN if self.fate is None else self.fate.found

    @property
    def booked(self) -> bool:
        """Whether they took a callback."""
        return self.contact.kind is Kind.CALLBACK


def place(priority: int, at_s: float, seq: int) -> Place:
    """Return a place in line that is taken at a second of the shift."""
    return Place(priority=priority, enqueued_at=EPOCH + timedelta(seconds=at_s), seq=seq)


class Line:
    """Entries from the head of the line to its end."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __contains__(self, entry: Entry) -> bool:
        index = bisect_left(self._places, entry.contact.place)
        return index < len(self._entries) and self._entries[index] is entry

    def join(self, entry: Entry) -> None:
        """Put an entry where its place is."""
        index = bisect_left(self._places, entry.contact.place)
        self._places.insert(index, entry.contact.place)
        self._entries.insert(index, entry)

    def leave(self, entry: Entry) -> None:
        """Take an entry out."""
        index = bisect_left(self._places, entry.contact.place)
        if index >= len(self._entries) or self._entries[index] is not entry:
            raise ValueError(f"contact {entry.contact.id!r} is not in line: served, or hung up?")
        del self._places[index], self._entries[index]

    def contacts(self, n_first: int | None = None) -> list[Contact]:
        """Return the contacts from the head on."""
        return [entry.contact for entry in self._entries[:n_first]]


def made_ready(entry: Entry, *, ready: bool) -> None:
    """Note that a callback's customer is on the line, or is no more."""
    entry.contact = replace(entry.contact, ready=ready)

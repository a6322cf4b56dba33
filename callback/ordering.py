"""The order of a line: live callers and callbacks alike stand by ``(priority, enqueued_at, seq)``.

A place is given once, when the customer joins, and is never changed: not by a retry, not by a snooze. Whoever is
ready is offered to an agent in this order, whatever they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callback.hours import in_utc


class Kind(StrEnum):
    """How a customer waits."""

    LIVE = "live"  # on the line; may hang up
    CALLBACK = "callback"  # at home: does not hang up, and may not be reached when dialled


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A place in line; the smallest comes first.

    Parameters
    ----------
    priority : int, at least 0
        0 is served first.
    enqueued_at : datetime
        When the customer joined the line, in UTC; the total wait counts from here.
    seq : int, at least 0
        Given by the store in the order of joining: it breaks ties, so that no two places are equal.

    Examples
    --------
    >>> from datetime import UTC
    >>> early = Place(priority=1, enqueued_at=datetime(2026, 1, 5, 9, tzinfo=UTC), seq=7)
    >>> urgent = Place(priority=0, enqueued_at=datetime(2026, 1, 5, 10, tzinfo=UTC), seq=8)
    >>> urgent < early
    True
    """

    priority: int
    enqueued_at: datetime
    seq: int

    def __post_init__(self) -> None:
        for name in ("priority", "seq"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name}={value!r} must be a whole number from 0: is it a name?")
        object.__setattr__(self, "enqueued_at", in_utc("enqueued_at", self.enqueued_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Someone in line, by an id that says nothing about them.

    Parameters
    ----------
    id : str
    place : Place
    kind : Kind
    ready : bool
        Can be put through to an agent now: a live caller, or a callback whose customer answered and holds.
    """

    id: str
    place: Place
    kind: Kind
    ready: bool

    def __post_init__(self) -> None:
        if self.kind is Kind.LIVE and not self.ready:
            raise ValueError(f"contact {self.id!r} is live and not ready: live callers always are; a callback?")


def line_up(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    """Return the contacts from the head of the line to its end.

    Raises
    ------
    ValueError
        If two have the same place, or the same id.
    """
    line = tuple(sorted(contacts, key=lambda contact: contact.place))
    for first, second in itertools.pairwise(line):
        if first.place == second.place:
            raise ValueError(f"contacts {first.id!r} and {second.id!r} have one place: seq must break the tie")
    if len({contact.id for contact in line}) < len(line):
        raise ValueError("two contacts have the same id: one customer twice in line?")
    return line


def next_ready(contacts: Iterable[Contact]) -> Contact | None:
    """Return whom a free agent gets: the first in line of those who are ready."""
    return min((one for one in contacts if one.ready), key=lambda contact: contact.place, default=None)


def ahead(contacts: Iterable[Contact], place: Place) -> tuple[Contact, ...]:
    """Return those ahead of a place, from the head of the line."""
    return line_up(contact for contact in contacts if contact.place < place)


def position(contacts: Iterable[Contact], place: Place) -> int:
    """Return the position of a place in line: 1 is the head."""
    return 1 + sum(contact.place < place for contact in contacts)

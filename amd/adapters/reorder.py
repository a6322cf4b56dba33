"""Put numbered items back in order, holding back only a few."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

JUMP_MAX: Final = 3000
"""A number this far ahead is no loss but a sender that starts anew (RFC 3550, A.1: ``MAX_DROPOUT``)."""


class Reorder(Generic[Item]):
    """Items in order of their numbers, each once; what never came is skipped when ``window`` others wait for it.

    The first item fixes where the count starts: one with a lower number that comes after it is late.

    Parameters
    ----------
    window : int, 0 or more
        How many items are held back at most. 0 gives items as they come, without those that are late.

    Attributes
    ----------
    n_lost, n_late : int
        Numbers that were skipped; items that came twice, or after their number was skipped.

    Examples
    --------
    >>> order = Reorder(2)
    >>> [order.push(number, number) for number in (7, 9, 8, 8, 11, 12, 13)]
    [[7], [], [8, 9], [], [], [], [11, 12, 13]]
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._next: int | None = None
        self._held: dict[int, Item] = {}
        self.n_lost = 0
        self.n_late = 0

    def push(self, number: int, item: Item) -> list[Item]:
        """Take an item; return what is in order now."""
        if self._next is None or abs(number - self._next) > JUMP_MAX:
            given = self.flush()
            self._next = number + 1
            return [*given, item]
        if number < self._next or number in self._held:
            self.n_late += 1
            return []
        self._held[number] = item
        given = self._take_run(self._next)
        if len(self._held) > self._window:
            given += self._skip()
        return given

    def flush(self) -> list[Item]:
        """Give up waiting: return all that is held, in order."""
        given: list[Item] = []
        while self._held:
            given += self._skip()
        return given

    def _skip(self) -> list[Item]:
        """Give up what is missing before the first held item."""
        first = min(self._held)
        self.n_lost += first - (first if self._next is None else self._next)
        return self._take_run(first)

    def _take_run(self, number: int) -> list[Item]:
        given = []
        while number in self._held:
            given.append(self._held.pop(number))
            number += 1
        self._next = number
        return given

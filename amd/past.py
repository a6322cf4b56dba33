"""What was heard of tones just before one: a beep stands alone, a vowel and a note have others beside them."""

from __future__ import annotations

from typing import Final, NamedTuple

from amd.audio import RATE_HZ

PEER_DB: Final = 12.0
"""A tone so much weaker is the noise between, no neighbour."""
ALONE_MAX_S: Final = 2.0
NOTES_S: Final = 6.0
NOTE_MIN_S: Final = 0.1
NOTE_CLARITY_MIN: Final = 0.75
"""Shorter and rougher ones are vowels in passing."""
PAST_TONES: Final = 16
"""As many as are kept; six seconds of speech have about as many."""


class Place(NamedTuple):
    """Where a tone lay, how loud it was, and whether it was held."""

    on: int
    off: int
    level_db: float
    is_note: bool


class Past:
    """The last tones of a call, as far as they matter to the next."""

    def __init__(self) -> None:
        self._places: tuple[Place, ...] = ()

    def add(self, on: int, off: int, *, level_db: float, clarity: float, steady: bool) -> None:
        """Keep where a tone lay."""
        is_note = steady and off - on >= NOTE_MIN_S * RATE_HZ and clarity >= NOTE_CLARITY_MIN
        self._places = (*self._places[-(PAST_TONES - 1) :], Place(on, off, level_db, is_note))

    def _peers(self, level_db: float) -> list[Place]:
        return [place for place in self._places if place.level_db >= level_db - PEER_DB]

    def alone_s(self, on: int, level_db: float) -> float:
        """How long before ``on`` the last tone ended that was about as loud; at most `ALONE_MAX_S`."""
        offs = [place.off for place in self._peers(level_db)]
        return min(ALONE_MAX_S, max(0, on - max(offs)) / RATE_HZ) if offs else ALONE_MAX_S

    def n_notes(self, on: int, level_db: float) -> int:
        """How many held notes about as loud began in the last `NOTES_S`."""
        since = on - round(NOTES_S * RATE_HZ)
        return sum(place.is_note and place.on >= since for place in self._peers(level_db))

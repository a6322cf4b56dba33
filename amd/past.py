"""What was heard of tones just before one: a beep stands alone, a vowel and a note have others beside them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.compiled import exact

PEER_DB: Final = 12.0
"""A tone so much weaker is the noise between, no neighbour."""
ALONE_MAX_S: Final = 2.0
NOTES_S: Final = 6.0
NOTE_MIN_S: Final = 0.1
NOTE_CLARITY_MIN: Final = 0.75
"""Shorter and rougher ones are vowels in passing."""
PAST_TONES: Final = 16
"""As many as are kept; six seconds of speech have about as many."""

PAST: Final = np.dtype(
    [
        ("n", np.int64),
        ("on", np.int64, PAST_TONES),
        ("off", np.int64, PAST_TONES),
        ("level_db", np.float64, PAST_TONES),
        ("is_note", np.int8, PAST_TONES),
    ],
    align=True,
)
"""The last tones of a call: where each lay, how loud it was, whether it was held; ``n`` were heard in all."""
_NOTES_SAMPLES: Final = round(NOTES_S * RATE_HZ)


class Past:
    """The last tones of a call, as far as they matter to the next."""

    def __init__(self) -> None:
        self._past: npt.NDArray[np.void] = np.zeros(1, dtype=PAST)

    def add(self, on: int, off: int, *, level_db: float, clarity: float, steady: bool) -> None:
        """Keep where a tone lay."""
        add(self._past[0], on, off, level_db, clarity, steady)

    def alone_s(self, on: int, level_db: float) -> float:
        """How long before ``on`` the last tone ended that was about as loud; at most `ALONE_MAX_S`."""
        return float(alone_s(self._past[0], on, level_db))

    def n_notes(self, on: int, level_db: float) -> int:
        """How many held notes about as loud began in the last `NOTES_S`."""
        return int(n_notes(self._past[0], on, level_db))


@exact
def add(past: Any, on: int, off: int, level_db: float, clarity: float, steady: bool) -> None:  # noqa: FBT001
    """As `Past.add`, of a record `PAST`."""
    at = past.n % PAST_TONES
    past.on[at], past.off[at], past.level_db[at] = on, off, level_db
    past.is_note[at] = steady and off - on >= NOTE_MIN_S * RATE_HZ and clarity >= NOTE_CLARITY_MIN
    past.n += 1


@exact
def alone_s(past: Any, on: int, level_db: float) -> float:
    """As `Past.alone_s`, of a record `PAST`."""
    off = -1
    for at in range(min(past.n, PAST_TONES)):
        if past.level_db[at] >= level_db - PEER_DB:
            off = max(off, past.off[at])
    return min(ALONE_MAX_S, max(0, on - off) / RATE_HZ) if off >= 0 else ALONE_MAX_S


@exact
def n_notes(past: Any, on: int, level_db: float) -> int:
    """As `Past.n_notes`, of a record `PAST`."""
    found = 0
    for at in range(min(past.n, PAST_TONES)):
        is_peer = past.level_db[at] >= level_db - PEER_DB
        found += is_peer and past.is_note[at] > 0 and past.on[at] >= on - _NOTES_SAMPLES
    return found

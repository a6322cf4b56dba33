"""The special information tone: three rising tones, one after the other, and what they say why no call was made.

Noise, a codec or a lost packet may break a tone of it in two or lay a second peak beside it: pieces within one
tone's band are joined, and of two peaks the one in the band counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.events import SubState
from amd.tones import Ended, Tone

SIT_HZ: Final = ((870.0, 1010.0), (1340.0, 1460.0), (1740.0, 1850.0))
"""Where the three tones lie: Bell, ITU-T E.180 (within 50 Hz) and the German variant together."""
SIT_TONE_S: Final = (0.2, 0.45)
"""Bell 274 and 380 ms (5 %), ITU-T E.180 330 ms (70)."""
SIT_GAP_MAX_S: Final = 0.07
"""ITU-T E.180 allows 30 ms; the window blurs an edge by as much again."""
SIT_CLARITY_MIN: Final = 0.5
"""Three tones in a row vouch for each other: over GSM in a car one alone explains but half of its power."""
PIECE_MIN_S: Final = 0.04
PIECE_WITHIN_HZ: Final = 20.0
"""Pieces of one tone have its frequency; over GSM it wavers by so much."""
WAIT_MAX_S: Final = 0.6
"""The next tone is over by then, or was none."""
GAP_MAX_SAMPLES: Final = round(SIT_GAP_MAX_S * RATE_HZ)
WAIT_MAX_SAMPLES: Final = round(WAIT_MAX_S * RATE_HZ)
LONG_S: Final = 0.327
"""Half way between Bell's short and long tone."""
BELL_THIRD_HZ: Final = 1776.7
BELL_THIRD_WITHIN_HZ: Final = 11.0
"""Half way to the 1800 Hz of the ITU-T tone."""
BELL_FIRST_HIGH_HZ: Final = 949.5
"""Half way between 913.8 and 985.2 Hz."""
BELL_SECOND_HIGH_HZ: Final = 1399.5
"""Half way between 1370.6 and 1428.5 Hz."""
BELL_SIT: Final = {
    ("SS", "LL"): SubState.SIT_INTERCEPT,
    ("LS", "HL"): SubState.SIT_VACANT_CODE,
    ("SL", "LH"): SubState.SIT_REORDER,
    ("SL", "HL"): SubState.SIT_REORDER,
    ("LL", "HH"): SubState.SIT_NO_CIRCUIT,
    ("LL", "LL"): SubState.SIT_NO_CIRCUIT,
}
"""Durations (short, long) and frequencies (low, high) of the first two tones; both keys must agree."""


class SitTracker:
    """Gather the tones of a SIT, in order; what turns out to be none is given back to be named by itself."""

    def __init__(self) -> None:
        self._parts: list[Tone] = []
        self._pieces: list[Tone] = []

    @property
    def waits(self) -> bool:
        """Whether tones are held that may begin a SIT."""
        return bool(self._parts)

    @property
    def off(self) -> int:
        """Where the last of what is held ended."""
        return self._parts[-1].off

    def is_over(self, now: int, next_on: int) -> bool:
        """Whether nothing that begins at ``next_on`` can go on with what is held."""
        return next_on - self.off > GAP_MAX_SAMPLES or now - self.off > WAIT_MAX_SAMPLES

    def take(self, tone: Tone, *, spoken: bool) -> bool:
        """Take a tone if it goes on with what is held or begins a SIT; else it is for others to name."""
        parts = self._parts
        if tone.clarity < SIT_CLARITY_MIN or (parts and tone.on - parts[-1].off > GAP_MAX_SAMPLES):
            return False
        same_hz = _hz_in(tone, len(parts) - 1) if parts else None
        next_hz = _hz_in(tone, len(parts)) if len(parts) < len(SIT_HZ) else None
        if same_hz is not None and abs(same_hz - parts[-1].freqs_hz[0]) <= PIECE_WITHIN_HZ:
            parts[-1] = replace(parts[-1], off=tone.off)
        elif next_hz is not None and (_fits(parts[-1]) if parts else _begins(tone, spoken=spoken)):
            parts.append(replace(tone, freqs_hz=(next_hz,)))
        else:
            return False
        self._pieces.append(tone)
        return True

    def complete(self) -> tuple[Tone, ...]:
        """Return the three tones once all are there, and hold nothing any more."""
        if len(self._parts) < len(SIT_HZ) or not _fits(self._parts[-1]):
            return ()
        parts = tuple(self._parts)
        self.release()
        return parts

    def release(self) -> list[Tone]:
        """Give back, as they came, the tones that were held."""
        pieces, self._pieces, self._parts = self._pieces, [], []
        return pieces


def may_begin(ended: Ended) -> npt.NDArray[np.bool_]:
    """Whether each of some tones may be a SIT's first, or a piece of it, before anyone spoke or after."""
    low_hz, high_hz = SIT_HZ[0]
    length_s = (ended.column("off") - ended.column("on")) / RATE_HZ
    found: npt.NDArray[np.bool_] = np.zeros(length_s.size, dtype=np.bool_)
    for hz in (ended.column("low_hz"), ended.column("high_hz")):
        found |= (low_hz <= hz) & (hz <= high_hz)
    found &= (length_s >= PIECE_MIN_S) & (length_s <= SIT_TONE_S[1]) & (ended.column("clarity") >= SIT_CLARITY_MIN)
    return found


def _begins(tone: Tone, *, spoken: bool) -> bool:
    """Whether a tone is as long as a first one; before anyone spoke it may be a piece that noise broke off."""
    return _length_s(tone) <= SIT_TONE_S[1] and _length_s(tone) >= (SIT_TONE_S[0] if spoken else PIECE_MIN_S)


def _fits(tone: Tone) -> bool:
    return SIT_TONE_S[0] <= _length_s(tone) <= SIT_TONE_S[1]


def _hz_in(tone: Tone, part: int) -> float | None:
    """Its frequency in the band of one of the three tones, if it has one."""
    low_hz, high_hz = SIT_HZ[part]
    return next((hz for hz in tone.freqs_hz if low_hz <= hz <= high_hz), None)


def category(triple: tuple[Tone, ...]) -> SubState:
    """Bell category when durations and frequencies agree on one, else generic."""
    first, second, third = triple
    if abs(third.freqs_hz[0] - BELL_THIRD_HZ) > BELL_THIRD_WITHIN_HZ:
        return SubState.SIT_GENERIC
    durations = "".join("L" if _length_s(tone) >= LONG_S else "S" for tone in (first, second))
    pitches = "H" if first.freqs_hz[0] >= BELL_FIRST_HIGH_HZ else "L"
    pitches += "H" if second.freqs_hz[0] >= BELL_SECOND_HIGH_HZ else "L"
    return BELL_SIT.get((durations, pitches), SubState.SIT_GENERIC)


def _length_s(tone: Tone) -> float:
    return (tone.off - tone.on) / RATE_HZ

"""Where clean speech is active, in frames of 10 ms: what a speech detector is trained and scored against."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from levels import RATE_HZ, BoolArray, FloatArray, Span, active_level_db, frame_powers
from scipy import signal

TICK: Final = 80  # samples of a 10 ms frame
RANGE_DB: Final = 32.0  # speech weaker than this against its active level is not counted
FLOOR_RANGE_DB: Final = 18.0  # what is above this counts, however noisy the clip
ABOVE_FLOOR_DB: Final = 8.0
SHORTEST_GAP: Final = 5  # frames; the closure of a stop consonant is part of the word
_BAND = signal.firwin(129, [250.0, 3500.0], pass_zero=False, fs=RATE_HZ)


def active(samples: FloatArray) -> BoolArray:
    """Say for each frame, the last one padded, whether speech is active; `samples` begin and end with speech.

    The threshold lies `RANGE_DB` under the active level in the telephone band, or above the clip's own noise.
    Gaps of less than `SHORTEST_GAP` frames count as speech.
    """
    padded = np.pad(samples, (0, -samples.size % TICK))
    heard = signal.oaconvolve(padded, _BAND, mode="full")[64 : 64 + padded.size]
    levels_db = 10.0 * np.log10(frame_powers(heard, TICK) + 1e-12)
    active_db = active_level_db(heard)
    floor_db = float(np.percentile(levels_db, 5)) + ABOVE_FLOOR_DB
    threshold_db = min(max(active_db - RANGE_DB, floor_db), active_db - FLOOR_RANGE_DB)
    speaks = levels_db > threshold_db
    for start, end in spans(~speaks):
        if end - start < SHORTEST_GAP:
            speaks[start:end] = True
    return np.asarray(speaks)


def spans(flags: BoolArray) -> list[Span]:
    """Return the runs of true frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def longest_gap_s(samples: FloatArray) -> float:
    """Return the longest silence inside speech."""
    heard = spans(active(samples))
    gaps = [start - end for (_, end), (start, _) in pairwise(heard)]
    return max(gaps, default=0) * TICK / RATE_HZ


def phrases(samples: FloatArray, least_gap_s: float) -> list[Span]:
    """Return the samples of what is said between silences of `least_gap_s`."""
    joined: list[Span] = []
    for start, end in spans(active(samples)):
        if joined and (start - joined[-1][1]) * TICK < least_gap_s * RATE_HZ:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start * TICK, min(end * TICK, samples.size)) for start, end in joined]

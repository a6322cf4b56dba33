"""Where a tone begins and ends within a frame: told by how much of it the frame holds."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.framing import FRAME_SAMPLES

Doubles = npt.NDArray[np.float64]

HALF_COVERED_DB: Final = -3.0
EDGE_MIN_DB: Final = -20.0
EDGE_MAX_DB: Final = -1.0
"""Levels against a whole frame's: half of it, almost nothing, almost all (noise moves a whole frame by less)."""


def _covered_shares() -> list[float]:
    """Power of a steady tone that fills the first ``n`` samples of a frame, as a share of a whole frame's."""
    phase = 2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
    covered = np.concatenate([[0.0], np.cumsum((0.5 - 0.5 * np.cos(phase)) ** 2)])
    shares: list[float] = (covered / covered[-1]).tolist()
    return shares


_COVERED_SHARES: Final = np.array(_covered_shares())


@exact
def edge(levels_db: Doubles, steady_db: float) -> int:
    """Of the frames at an edge, outermost first, the one about half covered: its level tells the place best.

    When none is covered in part (another tone joins without a gap), the outermost full one.
    """
    best, full = -1, -1
    for at in range(levels_db.size):
        off_db = levels_db[at] - steady_db
        if EDGE_MIN_DB <= off_db <= EDGE_MAX_DB:
            if best < 0 or abs(off_db - HALF_COVERED_DB) < abs(levels_db[best] - steady_db - HALF_COVERED_DB):
                best = at
        elif off_db > EDGE_MAX_DB and full < 0:
            full = at
    if best >= 0:
        return best
    return max(full, 0)


@exact
def covered_samples(level_db: float, steady_db: float) -> int:
    """How many samples of a frame hold a tone that starts or ends within it, from what its level lacks."""
    share = min(1.0, 10 ** ((level_db - steady_db) / 10))
    if share >= _COVERED_SHARES[FRAME_SAMPLES]:
        return FRAME_SAMPLES
    low, high = 0, FRAME_SAMPLES
    while high - low > 1:
        between = (low + high) // 2
        if _COVERED_SHARES[between] <= share:
            low = between
        else:
            high = between
    way = (share - _COVERED_SHARES[low]) / (_COVERED_SHARES[high] - _COVERED_SHARES[low])
    return int(np.rint(low + way))

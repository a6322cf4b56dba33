"""Where a tone begins and ends within a frame: told by how much of it the frame holds."""

from __future__ import annotations

from typing import Final

import numpy as np

from amd.framing import FRAME_SAMPLES

HALF_COVERED_DB: Final = -3.0
EDGE_MIN_DB: Final = -20.0
EDGE_MAX_DB: Final = -1.0
"""Levels against a whole frame's: half of it, almost nothing, almost all (noise moves a whole frame by less)."""


def edge(frames: list[tuple[int, float]], steady_db: float) -> tuple[int, float]:
    """Of the frames at an edge, outermost first, the one about half covered: its level tells the place best.

    When none is covered in part (another tone joins without a gap), the outermost full one.
    """
    partial = [frame for frame in frames if EDGE_MIN_DB <= frame[1] - steady_db <= EDGE_MAX_DB]
    if partial:
        return min(partial, key=lambda frame: abs(frame[1] - steady_db - HALF_COVERED_DB))
    return next((frame for frame in frames if frame[1] - steady_db > EDGE_MAX_DB), frames[0])


def covered_samples(level_db: float, steady_db: float) -> int:
    """How many samples of a frame hold a tone that starts or ends within it, from what its level lacks."""
    share = min(1.0, 10 ** ((level_db - steady_db) / 10))
    return round(float(np.interp(share, _COVERED_SHARES, np.arange(FRAME_SAMPLES + 1))))


def _covered_shares() -> list[float]:
    """Power of a steady tone that fills the first ``n`` samples of a frame, as a share of a whole frame's."""
    phase = 2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
    covered = np.concatenate([[0.0], np.cumsum((0.5 - 0.5 * np.cos(phase)) ** 2)])
    shares: list[float] = (covered / covered[-1]).tolist()
    return shares


_COVERED_SHARES: Final = _covered_shares()

"""What peers that find tones have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTone:
    """A tone that a peer found, and when it could know of its end."""

    on_s: float
    off_s: float
    known_s: float
    freqs_hz: tuple[float, ...]


def runs_of(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]

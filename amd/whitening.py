"""What a line's noise looks like, so that a tone above it counts by how far it stands out, not by its share.

A car or a street has its power below 500 Hz: a tone that stands 20 dB above its neighbours is a small part of all.
The shape is followed in blocks of frames, counted from answer, so it does not depend on how the stream was cut.
What is narrow is cut off before it counts: a tone, however long, does not become noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

BLOCK_FRAMES: Final = 8
"""128 ms, five frames' worth of independent noise: its mean is within 2 dB."""
NARROW_BINS: Final = 11
"""344 Hz: a tone fills 5 bins, and two that the window cannot part (350+440 Hz) 8. What is narrower is cut off, by
a minimum and then a maximum over so many bins (a morphological opening)."""
FALL: Final = 0.5
RISE: Final = 0.03
"""Shares of the way, in dB, that the shape goes down, and up, with each block: it follows a pause between two
words, and learns a tenth of a sentence in half a second."""
SILENCE_POWER: Final = 1e-11
"""Mean square below which a block is digital silence, which tells nothing of the line's noise."""
LEAST_POWER: Final = np.float32(1e-16)
"""A bin never has less, so that ratios stay finite."""


class NoiseShape:
    """Power of the noise in each bin, as known before each frame."""

    def __init__(self, first_bin: int, end_bin: int) -> None:
        self._band = slice(first_bin, end_bin)
        self._shape: Floats = np.zeros(end_bin - first_bin, dtype=np.float32)
        self._block: list[Floats] = []

    def feed(self, power: Floats) -> Floats:
        """Take the power of the next frames, shape ``(n, n_bins)``; return their noise, shape ``(n, band)``."""
        noise = np.empty((power.shape[0], self._shape.size), dtype=np.float32)
        at = 0
        while at < power.shape[0]:
            end = min(power.shape[0], at + BLOCK_FRAMES - len(self._block))
            noise[at:end] = self._shape
            self._block.extend(power[at:end, self._band].copy())
            if len(self._block) == BLOCK_FRAMES:
                self._learn(np.array(self._block))
                self._block = []
            at = end
        return noise

    def _learn(self, block: Floats) -> None:
        """Move the shape on by a whole block; the first that is not silent is the shape."""
        mean = np.mean(block, axis=0, dtype=np.float32)
        if float(np.sum(mean)) < SILENCE_POWER:
            return
        wide = ndimage.grey_opening(mean, NARROW_BINS, mode="nearest")
        wide = np.maximum(wide, LEAST_POWER)
        if not self._shape.any():
            self._shape = wide
            return
        ratio = wide / self._shape
        self._shape = self._shape * ratio ** np.where(ratio < 1, np.float32(FALL), np.float32(RISE))

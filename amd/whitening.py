"""What a line's noise looks like, so that a tone above it counts by how far it stands out, not by its share.

A car or a street has its power below 500 Hz: a tone that stands 20 dB above its neighbours is a small part of all.
The shape is followed in blocks of frames, counted from answer, so it does not depend on how the stream was cut.
What is narrow is cut off before it counts: a tone, however long, does not become noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.compiled import compiled
from amd.framing import Slots

Floats = npt.NDArray[np.float32]
Noises = npt.NDArray[np.void]

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


def noises_of(n_calls: int, n_bins: int) -> Noises:
    """Set aside what some calls need, a record a call: noise, the sum of a block so far, of how many frames."""
    kept = [("noise", np.float32, n_bins), ("total", np.float32, n_bins), ("n_summed", np.int64)]
    return np.zeros(n_calls, dtype=np.dtype(kept, align=True))


class NoiseShape:
    """Power of the noise in each bin of some calls, as known before each frame."""

    def __init__(self, first_bin: int, end_bin: int, n_calls: int = 1) -> None:
        self._first_bin = first_bin
        self.calls = noises_of(n_calls, end_bin - first_bin)

    def feed(self, power: Floats, slots: Slots | None = None) -> Floats:
        """Take the power of the next frames, shape ``(n, n_bins)``; return their noise, shape ``(n, band)``.

        ``slots`` says whose frame each is, call 0's unless given; those of one call are in order.
        """
        if slots is None:
            slots = np.zeros(power.shape[0], dtype=np.intp)
        noise = np.empty((power.shape[0], self.calls["noise"].shape[1]), dtype=np.float32)
        follow(power, self._first_bin, slots, self.calls, noise)
        return noise

    def clear(self, slot: int) -> None:
        """Forget what was heard on a call: the next one begins."""
        self.calls[slot] = np.zeros((), dtype=self.calls.dtype)


@compiled
def follow(power: Floats, first_bin: int, slots: Slots, calls: Noises, noise: Floats) -> None:
    """Hold each frame against its call's noise, and move that on with each whole block."""
    n_bins = noise.shape[1]
    half = NARROW_BINS // 2
    edged = np.empty(n_bins + 2 * half, dtype=np.float32)
    wide = np.empty(n_bins, dtype=np.float32)
    for row in range(power.shape[0]):
        call = calls[slots[row]]
        known, total = call.noise, call.total
        for at in range(n_bins):
            noise[row, at] = known[at]
            total[at] += power[row, first_bin + at]
        call.n_summed += 1
        if call.n_summed < BLOCK_FRAMES:
            continue
        call.n_summed = 0
        whole = np.float32(0)
        for at in range(n_bins):
            wide[at] = total[at] * np.float32(1 / BLOCK_FRAMES)
            whole += wide[at]
            total[at] = 0
        if whole < SILENCE_POWER:
            continue
        _extreme(wide, edged, np.float32(-1))
        _extreme(wide, edged, np.float32(1))
        for at in range(n_bins):
            now = max(wide[at], LEAST_POWER)
            old = known[at]
            if old == 0:  # the first block that is not silent is the shape
                known[at] = now
            elif now < old:
                known[at] = old * (now / old) ** np.float32(FALL)
            else:
                known[at] = old * (now / old) ** np.float32(RISE)


@compiled
def _extreme(values: Floats, edged: Floats, sign: np.float32) -> None:
    """Replace each value by the greatest near it, or the least for ``sign`` -1; the ends go on as they are."""
    n, half = values.size, NARROW_BINS // 2
    for at in range(n):
        edged[half + at] = sign * values[at]
    for at in range(half):
        edged[at] = edged[half]
        edged[half + n + at] = edged[half + n - 1]
    for at in range(n):
        values[at] = edged[at]
    for step in range(1, NARROW_BINS):
        for at in range(n):
            values[at] = max(values[at], edged[at + step])
    for at in range(n):
        values[at] *= sign

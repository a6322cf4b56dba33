"""Tones as anyone would first write them: Hann frames, the share of power in the highest peak, a minimum run."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from amd.audio import RATE_HZ
from benchmarks.peers.runs import PeerTone, runs_of

FRAME_SAMPLES: Final = 256
HOP_SAMPLES: Final = 128
FIRST_BIN: Final = 10
END_BIN: Final = 112
"""310 to 3500 Hz."""
SHARE_MIN: Final = 0.7
LEVEL_MIN_DB: Final = -50.0
RUN_MIN_FRAMES: Final = 3
DRIFT_MAX_BINS: Final = 1


def find(samples: npt.NDArray[np.floating]) -> list[PeerTone]:
    """Tones of a call of 8 kHz samples."""
    if samples.size < FRAME_SAMPLES:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)
    power = np.abs(fft.rfft(frames * window, axis=1)) ** 2
    band = power[:, FIRST_BIN:END_BIN]
    peaks = FIRST_BIN + np.argmax(band, axis=1)
    around = peaks[:, None] + np.arange(-2, 3)
    share = np.take_along_axis(power, around, axis=1).sum(axis=1) / (band.sum(axis=1) + 1e-20)
    level_db = 10 * np.log10(2 * band.sum(axis=1) / (FRAME_SAMPLES * np.sum(window**2)) + 1e-20)
    pure = (share >= SHARE_MIN) & (level_db >= LEVEL_MIN_DB)
    still = np.abs(np.diff(peaks, prepend=peaks[:1])) <= DRIFT_MAX_BINS
    tones = []
    for first, end in _split(pure, still):
        if end - first >= RUN_MIN_FRAMES:
            best = first + int(np.argmax(share[first:end]))
            bins = around[best]
            freq_hz = float(np.average(bins, weights=power[best, bins])) * RATE_HZ / FRAME_SAMPLES
            on = first * HOP_SAMPLES + HOP_SAMPLES // 2
            off = (end - 1) * HOP_SAMPLES + FRAME_SAMPLES - HOP_SAMPLES // 2
            known = min(samples.size, end * HOP_SAMPLES + FRAME_SAMPLES)
            tones.append(
                PeerTone(on_s=on / RATE_HZ, off_s=off / RATE_HZ, known_s=known / RATE_HZ, freqs_hz=(freq_hz,))
            )
    return tones


def _split(pure: npt.NDArray[np.bool_], still: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of pure frames, cut where the peak jumps."""
    pieces = []
    for first, end in runs_of(pure):
        jumps = [at for at in range(first + 1, end) if not still[at]]
        pieces += list(zip([first, *jumps], [*jumps, end], strict=True))
    return pieces

"""Levels and spectra of plain signals: what every other script here counts with.

Signals are mono float64 at 8 kHz, full scale 1.0; spans are (first, one past the last) sample.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Span = tuple[int, int]

RATE_HZ = 8000
FRAME = 160  # 20 ms, one packet
ACTIVE_RANGE_DB = 20.0
PEAK = 0.98  # below the last mu-law step


def frame_powers(samples: FloatArray, frame: int = FRAME) -> FloatArray:
    """Return the mean power of each whole frame (one frame at least, zero-padded)."""
    padded = np.pad(samples, (0, max(0, frame - samples.size)))
    return np.asarray((padded[: padded.size // frame * frame].reshape(-1, frame) ** 2).mean(axis=1))


def active_level_db(samples: FloatArray) -> float:
    """Return the level of the frames near the loud ones, in dBFS; a simple stand-in for ITU-T P.56."""
    powers = frame_powers(samples)
    floor = np.percentile(powers, 95) * 10.0 ** (-ACTIVE_RANGE_DB / 10.0)
    return float(10.0 * np.log10(powers[powers >= floor].mean() + 1e-12))


def gain_of(level_db: float) -> float:
    """Return the amplitude factor of a level in dB."""
    return float(10.0 ** (level_db / 20.0))


def unit(samples: FloatArray) -> FloatArray:
    """Scale to unit power."""
    return np.asarray(samples / np.sqrt((samples**2).mean() + 1e-20))


def limit(samples: FloatArray, limit_db: float = 0.0) -> FloatArray:
    """Clip to `limit_db` dBFS, and always below full scale."""
    peak = min(PEAK, gain_of(limit_db))
    return np.asarray(np.clip(samples, -peak, peak))


@functools.lru_cache(maxsize=64)
def _taps(freqs_hz: tuple[float, ...], gains_db: tuple[float, ...]) -> FloatArray:
    grid_hz = np.linspace(0.0, RATE_HZ / 2, 65)
    curve = 10.0 ** (np.interp(grid_hz, freqs_hz, gains_db) / 20.0)
    return np.asarray(signal.firwin2(129, grid_hz, curve, fs=RATE_HZ))


def equalise(samples: FloatArray, freqs_hz: Sequence[float], gains_db: Sequence[float]) -> FloatArray:
    """Filter with a smooth gain curve, without delay; the ends of the curve reach 0 Hz and 4 kHz."""
    full = signal.oaconvolve(samples, _taps(tuple(freqs_hz), tuple(gains_db)), mode="full")
    return np.asarray(full[64 : 64 + samples.size])

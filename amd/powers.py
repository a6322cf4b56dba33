"""Power of a frame's bins and bands, and how periodic it is; rows are worked out one by one."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.compiled import compiled, exact
from amd.framing import FRAME_SAMPLES, Slots

Floats = npt.NDArray[np.float32]

BIN_HZ: Final = RATE_HZ / FRAME_SAMPLES
FIRST_BIN: Final = 8
"""250 Hz: above mains hum and its first harmonics, and above what DC leaks into the window's main lobe."""
END_BIN: Final = 112
"""3500 Hz: the end of the telephone band."""
BAND_EDGES_BINS: Final = (8, 13, 20, 30, 44, 66, 112)
"""Six bands, 250 to 3500 Hz, of about equal width on the Bark scale."""
MEL_EDGES_BINS: Final = (3, 5, 8, 11, 14, 17, 20, 24, 28, 33, 38, 44, 50, 56, 63, 71, 80, 89, 99, 110, 122)
"""Twenty bands, 94 to 3812 Hz, of about equal width on the mel scale and two bins at least: what a voice's pitch
and a wide band's end hold is kept; a DC offset reaches bin 1 only."""
MEL_MIN_DB: Final = -160.0
"""A quiet line's noise, 40 dB down and in one band, is above it: the shape of a spectrum does not depend on the
gain."""
LEVEL_MIN_DB: Final = -120.0
"""Levels stop here, give or take the rounding of float32."""
LAG_MIN_SAMPLES: Final = 20
LAG_MAX_SAMPLES: Final = 100
"""Voices from 80 to 400 Hz: beyond lag 100 a 32 ms window holds too little of a period pair."""

WINDOW: Final = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)).astype(np.float32)
_POWER_SCALE: Final = np.float32(2.0 / (FRAME_SAMPLES * float(np.sum(WINDOW.astype(np.float64) ** 2))))
_WINDOW_LAG: Final = np.sqrt(
    (np.correlate(WINDOW, WINDOW, "full")[FRAME_SAMPLES - 1 :] / np.sum(WINDOW**2)).astype(np.float32)
)
"""Square root of the window's autocorrelation: half of Boersma's correction (1993, "Accurate short-term
analysis of the fundamental frequency"), since all of it lifts noise at long lags more than it helps voices."""
TINY: Final = np.float32(1e-20)
_TINY_SUM: Final = TINY * np.float32(FRAME_SAMPLES / 2)
"""`TINY` as a mean square: a sum over the bins is so many times an autocorrelation."""
LAGS: Final = np.arange(LAG_MIN_SAMPLES, LAG_MAX_SAMPLES + 1)
COSINES: Final = (
    np.cos(2 * np.pi * np.outer(np.arange(FIRST_BIN, END_BIN), np.append(LAGS, 0)) / FRAME_SAMPLES)
    / np.append(_WINDOW_LAG[LAGS], 1.0)
).astype(np.float32)
"""From the band's power to its autocorrelation (Wiener-Khinchin), corrected for the window; lag 0 is the last."""
LEVEL_MIN: Final = np.float32(10 ** (LEVEL_MIN_DB / 10))
_MEL_MIN: Final = np.float32(10 ** (MEL_MIN_DB / 10))
N_MEL: Final = len(MEL_EDGES_BINS) - 1
_N_BANDS: Final = len(BAND_EDGES_BINS) - 1
LEVEL, BANDS, TONE, NOISE = N_MEL, N_MEL + 1, N_MEL + 1 + _N_BANDS, N_MEL + 2 + _N_BANDS
N_LEVELS: Final = NOISE + 1
"""Columns of what is told in dB."""


@exact
def _power(real: np.float32, imag: np.float32) -> np.float32:
    """Of a bin; rounded the same wherever it stands, since a click is as strong in every bin."""
    return (real * real + imag * imag) * _POWER_SCALE


@compiled
def powers(parts: Floats, slots: Slots, recent: Floats, power: Floats, mean: Floats, levels: Floats) -> None:
    """Power of each bin and band, and the mean of three frames' by which the periodicity is told."""
    for row in range(parts.shape[0]):
        for at in range(END_BIN):
            power[row, at] = _power(parts[row, 2 * at], parts[row, 2 * at + 1])
        for band in range(N_MEL):
            total = np.float32(0)
            for at in range(MEL_EDGES_BINS[band], MEL_EDGES_BINS[band + 1]):
                total += _power(parts[row, 2 * at], parts[row, 2 * at + 1])
            levels[row, band] = max(total, _MEL_MIN)
        whole = np.float32(0)
        for band in range(_N_BANDS):
            total = np.float32(0)
            for at in range(BAND_EDGES_BINS[band], BAND_EDGES_BINS[band + 1]):
                total += power[row, at]
            whole += total
            levels[row, BANDS + band] = max(total, LEVEL_MIN)
        levels[row, LEVEL] = whole
        before = recent[slots[row]]
        for at in range(END_BIN - FIRST_BIN):
            now = power[row, FIRST_BIN + at]
            mean[row, at] = before[0, at] + before[1, at] + now
            before[0, at] = before[1, at]
            before[1, at] = now


@compiled
def periodicity(correlations: Floats, voiced: Floats) -> None:
    """The greatest normalised autocorrelation of each row, and its rate in Hz."""
    n_lags = LAGS.size
    for row in range(correlations.shape[0]):
        best = greatest(correlations[row], 0, n_lags)
        voiced[row, 0] = correlations[row, best] / max(correlations[row, n_lags], _TINY_SUM)
        voiced[row, 1] = np.float32(RATE_HZ) / np.float32(LAG_MIN_SAMPLES + best)


@compiled
def greatest(values: Floats, first: int, end: int) -> int:
    """Place of the greatest value, the first of equal ones: four maxima at a time do not wait for each other."""
    one = two = three = four = values[first]
    for at in range(first, end - 3, 4):
        one = values[at] if values[at] > one else one
        two = values[at + 1] if values[at + 1] > two else two
        three = values[at + 2] if values[at + 2] > three else three
        four = values[at + 3] if values[at + 3] > four else four
    for at in range(max(first, end - 3), end):
        one = values[at] if values[at] > one else one
    most = max(one, two, three, four)
    at = first
    while at < end - 1 and values[at] != most:
        at += 1
    return at

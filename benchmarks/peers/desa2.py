"""Tones by energy separation: DESA-2 (Maragos, Kaiser, Quatieri 1993, doi:10.1109/78.277799) and a variance limit.

The Teager energy ``x[n]^2 - x[n-1] x[n+1]`` of a sine and of its symmetric difference give its frequency at every
sample. A tone is where the running variance of that frequency stays small. DESA-2 holds up to a quarter of the
sampling rate, so the line is resampled to 16 kHz first: at 8 kHz it would be deaf above 2 kHz.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from amd.audio import RATE_HZ
from benchmarks.peers.runs import PeerTone, runs_of

UP: Final = 2
FINE_HZ: Final = UP * RATE_HZ
BAND_HZ: Final = (300.0, 3500.0)
SMOOTHING: Final = np.array([1, 6, 15, 20, 15, 6, 1]) / 64
"""Binomial, as the authors smooth their energies."""
WINDOW_S: Final = 0.03
SPREAD_MAX_HZ: Final = 60.0
"""Measured on part of the clips: no false tone at 60 Hz, a hundred an hour at 100 and a thousand at 200, where it
would find two thirds of the beeps at 15 dB."""
LEVEL_MIN_DB: Final = -50.0
LENGTH_MIN_S: Final = 0.045

Floats = npt.NDArray[np.float64]


def energy(x: Floats) -> Floats:
    """Teager energy of every sample but the first and the last."""
    return np.asarray(x[1:-1] ** 2 - x[:-2] * x[2:])


def frequency_hz(x: Floats, rate_hz: int) -> Floats:
    """Frequency around every sample but two at either end; NaN where the energies make no sense."""
    of_signal = np.convolve(energy(x)[1:-1], SMOOTHING, "same")
    of_slope = np.convolve(energy(x[2:] - x[:-2]), SMOOTHING, "same")
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = 1 - of_slope / (2 * of_signal)
        valid = (of_signal > 0) & (of_slope > 0) & (np.abs(cosine) <= 1)
        return np.where(valid, np.arccos(np.clip(cosine, -1, 1)) / 2 * rate_hz / (2 * np.pi), np.nan)


def find(samples: npt.NDArray[np.floating]) -> list[PeerTone]:
    """Tones of a call of 8 kHz samples."""
    if samples.size < RATE_HZ // 10:
        return []
    band = signal.butter(4, BAND_HZ, btype="bandpass", fs=FINE_HZ, output="sos")
    fine = np.asarray(signal.sosfilt(band, signal.resample_poly(samples.astype(np.float64), UP, 1)))
    hz = frequency_hz(fine, FINE_HZ)
    known = ~np.isnan(hz)
    filled = np.where(known, hz, 0.0)
    size = round(WINDOW_S * FINE_HZ)
    mean = ndimage.uniform_filter1d(filled, size, mode="nearest")
    variance = ndimage.uniform_filter1d(filled**2, size, mode="nearest") - mean**2
    power = ndimage.uniform_filter1d(fine[2:-2] ** 2, size, mode="nearest")
    tonal = (variance < SPREAD_MAX_HZ**2) & (power > 10 ** (LEVEL_MIN_DB / 10))
    tones = []
    for first, end in runs_of(tonal):
        # a window centred on an edge holds both sides, so that steadiness begins half a window late
        on, off = first - size // 2, end + size // 2
        if off - on >= LENGTH_MIN_S * FINE_HZ:
            freq_hz = float(np.median(hz[first:end][known[first:end]])) if known[first:end].any() else 0.0
            tones.append(
                PeerTone(
                    on_s=max(0, on) / FINE_HZ,
                    off_s=off / FINE_HZ,
                    known_s=off / FINE_HZ,
                    freqs_hz=(freq_hz,),
                )
            )
    return tones

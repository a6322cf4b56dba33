"""The tones of the telephone network: beeps, SIT, ringback, busy, fax. Unit power while a tone is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from channel import RATE_HZ, FloatArray

# (frequency Hz, duration s) of the three segments. Bell categories after their usual names: the first two
# segments are high or low and short (0.274 s) or long (0.380 s); a generic ITU-T E.180 SIT is 0.33 s each.
SIT: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "itu": ((950.0, 0.330), (1400.0, 0.330), (1800.0, 0.330)),
    "intercept": ((913.8, 0.274), (1370.6, 0.274), (1776.7, 0.380)),
    "vacant": ((985.2, 0.380), (1370.6, 0.274), (1776.7, 0.380)),
    "reorder": ((913.8, 0.274), (1428.5, 0.380), (1776.7, 0.380)),
    "no_circuit": ((985.2, 0.380), (1428.5, 0.380), (1776.7, 0.380)),
}
# frequencies in Hz, then on and off times in s, repeated
CADENCES: Final[dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "ringback_us": ((440.0, 480.0), (2.0, 4.0)),
    "ringback_uk": ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "ringback_de": ((425.0,), (1.0, 4.0)),
    "busy_us": ((480.0, 620.0), (0.5, 0.5)),
    "reorder_us": ((480.0, 620.0), (0.25, 0.25)),
    "cng": ((1100.0,), (0.5, 3.0)),
}


def _ramped(samples: FloatArray, ramp_s: float) -> FloatArray:
    size = min(int(ramp_s * RATE_HZ), samples.size // 2)
    if size:
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)
        samples[:size] *= rise
        samples[-size:] *= rise[::-1]
    return samples


def tone(freqs_hz: Sequence[float], duration_s: float, *, ramp_s: float = 0.003) -> FloatArray:
    """Return a sum of equal sines with short ramps."""
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    samples = np.zeros(times_s.size)
    for freq_hz in freqs_hz:
        samples += np.sin(2.0 * np.pi * freq_hz * times_s)
    return _ramped(samples * np.sqrt(2.0 / len(freqs_hz)), ramp_s)


def beep(freq_hz: float, duration_s: float, *, harmonic: float = 0.0, ramp_s: float = 0.005) -> FloatArray:
    """Return a record beep; `harmonic` is the amplitude of the octave against the ground tone."""
    ground = tone([freq_hz], duration_s, ramp_s=ramp_s)
    if not harmonic or 2.0 * freq_hz >= RATE_HZ / 2:
        return ground
    octave = tone([2.0 * freq_hz], duration_s, ramp_s=ramp_s)
    return np.asarray((ground + harmonic * octave) / np.sqrt(1.0 + harmonic**2))


def sit(category: str) -> FloatArray:
    """Return the three tones of a special information tone, without gaps."""
    return np.concatenate([tone([freq_hz], duration_s) for freq_hz, duration_s in SIT[category]])


def cadence(name: str, duration_s: float, *, skip_s: float = 0.0) -> FloatArray:
    """Return `duration_s` of a repeated tone out of `CADENCES`, entered `skip_s` after a cycle begins."""
    freqs_hz, times_s = CADENCES[name]
    pieces = [
        np.zeros(round(time_s * RATE_HZ)) if index % 2 else tone(freqs_hz, time_s)
        for index, time_s in enumerate(times_s)
    ]
    cycle = np.concatenate(pieces)
    start, size = round(skip_s * RATE_HZ), round(duration_s * RATE_HZ)
    return np.asarray(np.tile(cycle, (start + size) // cycle.size + 1)[start : start + size])


def answer_tone(duration_s: float) -> FloatArray:
    """Return the fax answer tone CED: 2100 Hz."""
    return tone([2100.0], duration_s, ramp_s=0.01)


def click(rng: np.random.Generator) -> FloatArray:
    """Return the click of a line being picked up: a few milliseconds of dying noise."""
    size = int(rng.uniform(0.002, 0.008) * RATE_HZ)
    return np.asarray(2.0 * rng.standard_normal(size) * np.exp(-4.0 * np.arange(size) / size))

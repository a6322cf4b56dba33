"""The tones of the telephone network: beeps, SIT, ringback, busy, fax. Unit power while a tone is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from levels import RATE_HZ, FloatArray

# (frequency Hz, duration s) of the three segments. Bell categories after their usual names: the first two
# segments are high or low and short (0.274 s) or long (0.380 s); a generic ITU-T E.180 SIT is 0.33 s each.
SIT: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "itu": ((950.0, 0.330), (1400.0, 0.330), (1800.0, 0.330)),
    "intercept": ((913.8, 0.274), (1370.6, 0.274), (1776.7, 0.380)),
    "vacant": ((985.2, 0.380), (1370.6, 0.274), (1776.7, 0.380)),
    "reorder": ((913.8, 0.274), (1428.5, 0.380), (1776.7, 0.380)),
    "no_circuit": ((985.2, 0.380), (1428.5, 0.380), (1776.7, 0.380)),
    "reorder_long": ((913.8, 0.274), (1370.6, 0.380), (1776.7, 0.380)),
    "no_circuit_long": ((913.8, 0.380), (1370.6, 0.380), (1776.7, 0.380)),
    "germany": ((900.0, 0.330), (1400.0, 0.330), (1800.0, 0.330)),
}
SIT_OF_E180: Final = ("itu", "germany")
HIGHEST_HZ: Final = 3400.0  # of a beep
# frequencies in Hz, then on and off times in s, repeated
CADENCES: Final[dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "ringback_us": ((440.0, 480.0), (2.0, 4.0)),
    "ringback_uk": ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "ringback_de": ((425.0,), (1.0, 4.0)),
    "ringback_es": ((425.0,), (1.5, 3.0)),
    "ringback_fr": ((440.0,), (1.5, 3.5)),
    "ringback_se": ((425.0,), (1.0, 5.0)),
    "ringback_au": ((413.0, 438.0), (0.4, 0.2, 0.4, 2.0)),
    "ringback_cn": ((450.0,), (1.0, 4.0)),
    "busy_us": ((480.0, 620.0), (0.5, 0.5)),
    "busy_uk": ((400.0,), (0.375, 0.375)),
    "busy_de": ((425.0,), (0.48, 0.48)),
    "busy_fr": ((440.0,), (0.5, 0.5)),
    "busy_it": ((425.0,), (0.5, 0.5)),
    "busy_es": ((425.0,), (0.2, 0.2)),
    "busy_se": ((425.0,), (0.25, 0.25)),
    "busy_ru": ((425.0,), (0.35, 0.35)),
    "busy_cn": ((450.0,), (0.35, 0.35)),
    "busy_jp": ((400.0,), (0.5, 0.5)),
    "reorder_us": ((480.0, 620.0), (0.25, 0.25)),
    "reorder_uk": ((400.0,), (0.4, 0.35, 0.225, 0.525)),
    "reorder_de": ((425.0,), (0.24, 0.24)),
    "reorder_es": ((425.0,), (0.2, 0.2, 0.2, 0.2, 0.2, 0.6)),
    "reorder_it": ((425.0,), (0.2, 0.2)),
    "reorder_br": ((425.0,), (0.25, 0.25, 0.75, 0.25)),
    "reorder_se": ((425.0,), (0.25, 0.75)),
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


def rich_beep(
    freq_hz: float, duration_s: float, harmonics: Sequence[float], *, ramp_s: float = 0.005
) -> FloatArray:
    """Return a beep with the second, third, ... harmonic at those amplitudes against the ground tone."""
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    samples, power = np.sin(2.0 * np.pi * freq_hz * times_s), 1.0
    for order, share in enumerate(harmonics, start=2):
        if order * freq_hz < HIGHEST_HZ:
            samples += share * np.sin(2.0 * np.pi * order * freq_hz * times_s)
            power += share**2
    return _ramped(samples * np.sqrt(2.0 / power), ramp_s)


def swept_beep(start_hz: float, end_hz: float, duration_s: float, *, ramp_s: float = 0.005) -> FloatArray:
    """Return a beep whose frequency glides."""
    phase = 2.0 * np.pi * np.cumsum(np.linspace(start_hz, end_hz, round(duration_s * RATE_HZ))) / RATE_HZ
    return _ramped(np.sqrt(2.0) * np.sin(phase), ramp_s)


def sit(category: str, *, gap_s: float = 0.0) -> FloatArray:
    """Return the three tones of a special information tone."""
    gap = np.zeros(round(gap_s * RATE_HZ))
    first, second, third = (tone([freq_hz], duration_s) for freq_hz, duration_s in SIT[category])
    return np.concatenate([first, gap, second, gap, third])


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


def answer_tone(duration_s: float, *, modulated: bool = False) -> FloatArray:
    """Return the fax answer tone CED: 2100 Hz; `modulated` as ANSam of ITU-T V.8, 15 Hz and a turn each 450 ms."""
    plain = tone([2100.0], duration_s, ramp_s=0.01)
    if not modulated:
        return plain
    times_s = np.arange(plain.size) / RATE_HZ
    turned = np.where(np.floor(times_s / 0.45) % 2 == 0, 1.0, -1.0)
    return np.asarray(plain * turned * (1.0 + 0.2 * np.sin(2.0 * np.pi * 15.0 * times_s)))


def click(rng: np.random.Generator) -> FloatArray:
    """Return the click of a line being picked up: a few milliseconds of dying noise."""
    size = int(rng.uniform(0.002, 0.008) * RATE_HZ)
    return np.asarray(2.0 * rng.standard_normal(size) * np.exp(-4.0 * np.arange(size) / size))

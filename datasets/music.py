"""Simple music by formula, since recorded music is rare: chords, arpeggios, a bass, a beat. Unit power."""

from __future__ import annotations

from typing import Final

import numpy as np
from levels import RATE_HZ, FloatArray, unit

SCALES: Final = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major, minor; semitones
PROGRESSIONS: Final = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (5, 3, 0, 4), (0, 0, 3, 4))  # degrees


def _note(freq_hz: float, length: int, shares: FloatArray, decay_s: float, swell_s: float) -> FloatArray:
    """Return one note of harmonics of those `shares`, that swells and dies away."""
    times_s = np.arange(length) / RATE_HZ
    orders = np.arange(1, shares.size + 1)
    heard = orders * freq_hz < 0.45 * RATE_HZ
    turns = 2.0 * np.pi * freq_hz * np.outer(orders[heard], times_s)
    shape = np.minimum(1.0, times_s / swell_s) * np.exp(-times_s / decay_s)
    end = min(length, 80)
    shape[-end:] *= np.linspace(1.0, 0.0, end)
    return np.asarray(shares[heard] @ np.sin(turns) * shape)


def tune(size: int, rng: np.random.Generator) -> FloatArray:
    """Return `size` samples of made-up music, entered at its beginning."""
    beat = round(60.0 / rng.uniform(70.0, 140.0) * RATE_HZ)
    scale = SCALES[int(rng.integers(2))]
    progression = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    root_hz = 110.0 * 2.0 ** (rng.integers(12) / 12.0)
    shares = rng.uniform(0.1, 1.0, 5) / np.arange(1, 6) ** rng.uniform(0.5, 2.0)
    decay_s, swell_s = float(rng.uniform(0.15, 1.5)), float(rng.uniform(0.004, 0.08))
    arpeggio, bass, beats = rng.random() < 0.6, rng.random() < 0.7, rng.random() < 0.5
    out = np.zeros(size + 4 * beat)

    def pitch_hz(degree: int, octave: int) -> float:
        steps = scale[degree % 7] + 12 * (degree // 7 + octave)
        return float(root_hz * 2.0 ** (steps / 12.0))

    def add(start: int, length: int, freq_hz: float, gain: float) -> None:
        note = _note(freq_hz, length, shares, decay_s, swell_s)
        end = min(out.size, start + length)
        out[start:end] += gain * note[: max(0, end - start)]

    for bar, start in enumerate(range(0, size, 4 * beat)):
        degree = progression[bar % len(progression)]
        chord = [pitch_hz(degree + step, 1) for step in (0, 2, 4)]
        if arpeggio:
            for eighth in range(8):
                add(start + eighth * beat // 2, beat, chord[int(rng.integers(3))] * 2.0, 0.5)
        else:
            for freq_hz in chord:
                add(start, 4 * beat, freq_hz, 0.4)
        if bass:
            add(start, 2 * beat, pitch_hz(degree, 0), 0.6)
            add(start + 2 * beat, 2 * beat, pitch_hz(degree, 0), 0.6)
        if beats:
            for half in range(4):
                hit = 0.3 * rng.standard_normal(400) * np.exp(-np.arange(400) / 80.0)
                out[start + half * beat : start + half * beat + 400] += hit[: out.size - start - half * beat]
    return unit(out[:size])

"""Noise made by formula: steady, lively, and what wind and mains do to a line. Unit power."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from levels import RATE_HZ, FloatArray, unit
from scipy import signal


def _coloured(size: int, power_slope: float, rng: np.random.Generator) -> FloatArray:
    spectrum = np.fft.rfft(rng.standard_normal(size))
    freqs_hz = np.maximum(np.fft.rfftfreq(size, 1.0 / RATE_HZ), 50.0)
    return np.asarray(np.fft.irfft(spectrum * freqs_hz ** (power_slope / 2.0), size))


def _envelope(size: int, freq_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return a random curve that wanders at about `freq_hz`, zero mean, unit variance."""
    knots = max(4, int(size / RATE_HZ * freq_hz * 2.0) + 3)
    curve = np.interp(np.linspace(0.0, knots - 1.0, size), np.arange(knots), rng.standard_normal(knots))
    return np.asarray(curve / (curve.std() + 1e-9))


def _swelling(size: int, freq_hz: float, range_db: float, rng: np.random.Generator) -> FloatArray:
    return np.asarray(10.0 ** (range_db * _envelope(size, freq_hz, rng) / 20.0))


def _struck(
    size: int, per_s: float, decay_s: float, strike: Callable[[int], FloatArray], rng: np.random.Generator
) -> FloatArray:
    """Return sounds that begin at random and die away: `strike` makes one of a size."""
    out = np.zeros(size)
    long = round(5.0 * decay_s * RATE_HZ)
    dying = np.exp(-np.arange(long) / (decay_s * RATE_HZ))
    for start in rng.integers(0, size, rng.poisson(per_s * size / RATE_HZ)).tolist():
        end = min(size, start + long)
        out[start:end] += (rng.uniform(0.2, 1.0) * strike(long) * dying)[: end - start]
    return out


def _white(size: int, rng: np.random.Generator) -> FloatArray:
    return np.asarray(rng.standard_normal(size))


def _pink(size: int, rng: np.random.Generator) -> FloatArray:
    return _coloured(size, -1.0, rng)


def _street(size: int, rng: np.random.Generator) -> FloatArray:
    rumble = _coloured(size, -1.5, rng)
    passing = 10.0 ** (4.0 * _envelope(size, 0.3, rng) / 20.0)
    hiss = 0.3 * rumble.std() * rng.standard_normal(size) * 10.0 ** (6.0 * _envelope(size, 0.5, rng) / 20.0)
    return np.asarray(rumble * passing + hiss)


def _babble(size: int, rng: np.random.Generator) -> FloatArray:
    """Sum talkers, each a buzz of wandering pitch and two fixed formants, gated at syllable rate."""
    return _talkers(size, 8, rng)


def _talkers(size: int, count: int, rng: np.random.Generator) -> FloatArray:
    mixed = np.zeros(size)
    for _ in range(count):
        pitch_hz = rng.uniform(90.0, 230.0) * 2.0 ** (0.15 * _envelope(size, 1.5, rng))
        pulses = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0.0)
        source = pulses - pulses.mean() + 0.03 * rng.standard_normal(size)
        voice = np.zeros(size)
        for low_hz, high_hz in ((300.0, 800.0), (1000.0, 2400.0)):
            b, a = signal.iirpeak(rng.uniform(low_hz, high_hz), 4.0, fs=RATE_HZ)
            voice += signal.lfilter(b, a, source)
        mixed += voice * np.clip(_envelope(size, 4.0, rng), 0.0, None)
    return mixed


def _car(size: int, rng: np.random.Generator) -> FloatArray:
    """Tyres and engine, and now and then an indicator that ticks."""
    turns_hz = rng.uniform(25.0, 60.0) * 2.0 ** (0.1 * _envelope(size, 0.2, rng))
    phase = 2.0 * np.pi * np.cumsum(turns_hz) / RATE_HZ
    engine = np.sum([np.sin(order * phase) / order for order in (2, 4, 6, 8, 12, 16)], axis=0)
    made = unit(_coloured(size, -2.0, rng)) * _swelling(size, 0.2, 2.0, rng) + rng.uniform(0.1, 0.8) * engine
    if rng.random() < 0.3:
        period = round(rng.uniform(0.33, 0.45) * RATE_HZ)
        tick = np.exp(-np.arange(period) / 40.0) * rng.standard_normal(period)
        made += rng.uniform(0.3, 1.0) * np.resize(tick, size)
    return np.asarray(made)


def _cafe(size: int, rng: np.random.Generator) -> FloatArray:
    """Many voices, crockery, and a machine that hisses."""
    clink = _struck(size, 1.5, 0.03, lambda n: np.sin(np.arange(n) * rng.uniform(1.2, 2.6)), rng)
    hiss = _white(size, rng) * np.clip(_envelope(size, 0.15, rng) - 0.8, 0.0, None)
    return np.asarray(unit(_talkers(size, 5, rng)) + 1.5 * clink + 0.7 * hiss + 0.3 * unit(_pink(size, rng)))


def _office(size: int, rng: np.random.Generator) -> FloatArray:
    """A fan, and keys that are typed in bursts."""
    keys = _struck(size, 7.0, 0.004, rng.standard_normal, rng)
    typing = np.clip(_envelope(size, 0.4, rng), 0.0, 1.0)
    return np.asarray(unit(_coloured(size, -1.2, rng)) + 3.0 * keys * typing)


def _wind(size: int, rng: np.random.Generator) -> FloatArray:
    """Gusts on a microphone, which overload it."""
    gusts = _coloured(size, -2.5, rng)
    gusts = gusts / gusts.std() * _swelling(size, 0.6, 7.0, rng)
    return np.asarray(np.clip(gusts, -2.0, 2.0) + 0.15 * rng.standard_normal(size) * np.abs(gusts))


def hum(freq_hz: float, size: int, rng: np.random.Generator) -> FloatArray:
    """Return mains hum, unit power: the odd harmonics are strong, as they are behind a rectifier."""
    times_s = np.arange(size) / RATE_HZ
    made = np.zeros(size)
    for order, share in ((1, 1.0), (2, 0.3), (3, 0.8), (5, 0.4), (7, 0.2)):
        made += share * np.sin(2.0 * np.pi * order * freq_hz * times_s + rng.uniform(0.0, 2.0 * np.pi))
    return unit(made)


def _hum(size: int, rng: np.random.Generator) -> FloatArray:
    return hum(float(rng.choice([50.0, 60.0])), size, rng) + 0.1 * _white(size, rng)


MADE: Final[dict[str, Callable[[int, np.random.Generator], FloatArray]]] = {
    "white": _white,
    "pink": _pink,
    "street": _street,
    "babble": _babble,
    "car": _car,
    "cafe": _cafe,
    "office": _office,
    "wind": _wind,
    "hum": _hum,
}


def noise(kind: str, size: int, rng: np.random.Generator) -> FloatArray:
    """Return noise of a kind out of `MADE`, unit power, not yet through the handset."""
    if kind not in MADE:
        raise ValueError(f"noise {kind!r} is not one of {', '.join(MADE)}")
    return unit(MADE[kind](size, rng))


def rustle(rng: np.random.Generator) -> FloatArray:
    """Return a handset that is moved or put to an ear: 0.1 to 0.5 s of rough low noise."""
    size = round(rng.uniform(0.1, 0.5) * RATE_HZ)
    rough = _coloured(size, -1.0, rng)
    made = rough * np.clip(_envelope(size, 15.0, rng), 0.0, None) * np.hanning(size)
    return unit(made)

"""A telephone line for the data scripts: handset, level, noise, codec, packet loss.

Signals are mono float64 at 8 kHz, full scale 1.0. A clean call comes in with its speech at any level
and leaves as the answering side of a line would deliver it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

FloatArray = NDArray[np.float64]
Span = tuple[int, int]

RATE_HZ = 8000
FRAME = 160  # 20 ms, one packet
ACTIVE_RANGE_DB = 20.0
PEAK = 0.98  # below the last mu-law step
NOISES = ("white", "pink", "street", "babble")
CODECS = ("ulaw", "alaw", "gsm", "alaw+gsm")
_SUBTYPES = {"ulaw": "ULAW", "alaw": "ALAW", "gsm": "GSM610"}


@dataclass(frozen=True)
class Line:
    """What one telephone line does to a call; `snr_db` is against the active speech level."""

    level_db: float = -26.0
    codec: str = "ulaw"
    noise: str = "white"
    snr_db: float = 30.0
    tilt_db: float = 0.0  # per octave
    hum_hz: float = 0.0  # 50 or 60; 0 is none
    hum_db: float = -50.0
    dc_offset: float = 0.0
    clip_db: float = 0.0  # hard limit, dBFS
    loss: float = 0.0  # share of lost packets


def draw_line(rng: np.random.Generator) -> Line:
    """Draw a line; one law for every label, so that the line does not tell who answered."""
    hum_hz = float(rng.choice([50.0, 60.0])) if rng.random() < 0.15 else 0.0
    return Line(
        level_db=float(rng.uniform(-35.0, -15.0)),
        codec=str(rng.choice(CODECS, p=[0.4, 0.25, 0.25, 0.1])),
        noise=str(rng.choice(NOISES, p=[0.3, 0.35, 0.2, 0.15])),
        snr_db=float(rng.uniform(3.0, 45.0)),
        tilt_db=float(rng.uniform(-2.0, 2.0)),
        hum_hz=hum_hz,
        hum_db=float(rng.uniform(-60.0, -42.0)),
        dc_offset=float(rng.uniform(-0.01, 0.01)) if rng.random() < 0.1 else 0.0,
        clip_db=float(rng.uniform(-12.0, -6.0)) if rng.random() < 0.05 else 0.0,
        loss=float(rng.uniform(0.0, 0.05)) if rng.random() < 0.3 else 0.0,
    )


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


def equalise(samples: FloatArray, freqs_hz: Sequence[float], gains_db: Sequence[float]) -> FloatArray:
    """Filter with a smooth gain curve, without delay; the ends of the curve reach 0 Hz and 4 kHz."""
    grid_hz = np.linspace(0.0, RATE_HZ / 2, 65)
    curve = 10.0 ** (np.interp(grid_hz, freqs_hz, gains_db) / 20.0)
    taps = signal.firwin2(129, grid_hz, curve, fs=RATE_HZ)
    full = signal.oaconvolve(samples, taps, mode="full")
    return np.asarray(full[64 : 64 + samples.size])


def handset(samples: FloatArray, tilt_db: float) -> FloatArray:
    """Pass 300 to 3400 Hz, with a tilt in dB per octave around 1 kHz."""
    band = signal.butter(3, [300.0, 3400.0], btype="bandpass", fs=RATE_HZ, output="sos")
    freqs_hz = np.geomspace(150.0, 4000.0, 16)
    tilted = equalise(samples, freqs_hz.tolist(), (tilt_db * np.log2(freqs_hz / 1000.0)).tolist())
    return np.asarray(signal.sosfilt(band, tilted))


def _coloured(size: int, power_slope: float, rng: np.random.Generator) -> FloatArray:
    spectrum = np.fft.rfft(rng.standard_normal(size))
    freqs_hz = np.maximum(np.fft.rfftfreq(size, 1.0 / RATE_HZ), 50.0)
    return np.asarray(np.fft.irfft(spectrum * freqs_hz ** (power_slope / 2.0), size))


def _envelope(size: int, freq_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return a random curve that wanders at about `freq_hz`, zero mean, unit variance."""
    knots = max(4, int(size / RATE_HZ * freq_hz * 2.0) + 3)
    curve = np.interp(np.linspace(0.0, knots - 1.0, size), np.arange(knots), rng.standard_normal(knots))
    return np.asarray(curve / (curve.std() + 1e-9))


def _street(size: int, rng: np.random.Generator) -> FloatArray:
    rumble = _coloured(size, -1.5, rng)
    passing = 10.0 ** (4.0 * _envelope(size, 0.3, rng) / 20.0)
    hiss = 0.3 * rumble.std() * rng.standard_normal(size) * 10.0 ** (6.0 * _envelope(size, 0.5, rng) / 20.0)
    return np.asarray(rumble * passing + hiss)


def _babble(size: int, rng: np.random.Generator) -> FloatArray:
    """Sum talkers, each a buzz of wandering pitch and two fixed formants, gated at syllable rate."""
    mixed = np.zeros(size)
    for _ in range(8):
        pitch_hz = rng.uniform(90.0, 230.0) * 2.0 ** (0.15 * _envelope(size, 1.5, rng))
        pulses = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0.0)
        source = pulses - pulses.mean() + 0.03 * rng.standard_normal(size)
        voice = np.zeros(size)
        for low_hz, high_hz in ((300.0, 800.0), (1000.0, 2400.0)):
            b, a = signal.iirpeak(rng.uniform(low_hz, high_hz), 4.0, fs=RATE_HZ)
            voice += signal.lfilter(b, a, source)
        mixed += voice * np.clip(_envelope(size, 4.0, rng), 0.0, None)
    return mixed


def noise(kind: str, size: int, rng: np.random.Generator) -> FloatArray:
    """Return noise of a kind out of `NOISES`, unit power, not yet through the handset."""
    if kind == "white":
        made = rng.standard_normal(size)
    elif kind == "pink":
        made = _coloured(size, -1.0, rng)
    elif kind == "street":
        made = _street(size, rng)
    elif kind == "babble":
        made = _babble(size, rng)
    else:
        raise ValueError(f"noise {kind!r} is not one of {', '.join(NOISES)}")
    return unit(made)


def unit(samples: FloatArray) -> FloatArray:
    """Scale to unit power."""
    return np.asarray(samples / np.sqrt((samples**2).mean() + 1e-20))


def hum(freq_hz: float, size: int, rng: np.random.Generator) -> FloatArray:
    """Return mains hum, unit power: the odd harmonics are strong, as they are behind a rectifier."""
    times_s = np.arange(size) / RATE_HZ
    made = np.zeros(size)
    for order, share in ((1, 1.0), (2, 0.3), (3, 0.8), (5, 0.4), (7, 0.2)):
        made += share * np.sin(2.0 * np.pi * order * freq_hz * times_s + rng.uniform(0.0, 2.0 * np.pi))
    return unit(made)


def round_trip(samples: FloatArray, codec: str) -> FloatArray:
    """Encode and decode; `alaw+gsm` is a chain, one codec after the other."""
    for name in codec.split("+"):
        if name not in _SUBTYPES:
            raise ValueError(f"codec {name!r} is not one of {', '.join(_SUBTYPES)}")
        coded = io.BytesIO()
        soundfile.write(coded, limit(samples), RATE_HZ, format="WAV", subtype=_SUBTYPES[name])
        coded.seek(0)
        decoded = np.asarray(soundfile.read(coded, dtype="float64")[0])
        samples = np.pad(decoded, (0, max(0, samples.size - decoded.size)))[: samples.size]
    return samples


def limit(samples: FloatArray, limit_db: float = 0.0) -> FloatArray:
    """Clip to `limit_db` dBFS, and always below full scale."""
    peak = min(PEAK, gain_of(limit_db))
    return np.asarray(np.clip(samples, -peak, peak))


def lose_packets(samples: FloatArray, loss: float, rng: np.random.Generator) -> FloatArray:
    """Lose 20 ms packets; the last one heard is repeated, at half the level each time."""
    out = samples.copy()
    lost = rng.random(samples.size // FRAME) < loss
    lost[:1] = False  # nothing to repeat yet
    for index in np.flatnonzero(lost):
        start = int(index) * FRAME
        out[start : start + FRAME] = 0.5 * out[start - FRAME : start]
    return out


def send(
    clean: FloatArray,
    line: Line,
    rng: np.random.Generator,
    *,
    speech: Sequence[Span] = (),
    mute: Sequence[Span] = (),
    background: FloatArray | None = None,
) -> FloatArray:
    """Send a clean call over the line.

    Parameters
    ----------
    clean
        The call without noise; where nothing is said, `line.level_db` is taken for full power of 1.
    speech
        Spans that hold the speech; their active level becomes `line.level_db`.
    mute
        Spans that come out as exact zeros, as from a switch that sends nothing yet.
    background
        Noise to use instead of `line.noise`; already cut to length.
    """
    heard = handset(clean, line.tilt_db)
    spoken = [heard[start:end] for start, end in speech]
    heard *= gain_of(line.level_db - (active_level_db(np.concatenate(spoken)) if spoken else 0.0))
    behind = noise(line.noise, clean.size, rng) if background is None else background
    heard += gain_of(line.level_db - line.snr_db) * unit(handset(behind, line.tilt_db))
    if line.hum_hz:
        heard += gain_of(line.hum_db) * hum(line.hum_hz, clean.size, rng)
    out = round_trip(limit(heard + line.dc_offset, line.clip_db), line.codec)
    out = lose_packets(out, line.loss, rng)
    for start, end in mute:
        out[start:end] = 0.0
    return out

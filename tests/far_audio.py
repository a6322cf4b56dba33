"""What the far end of a fake telephone system sounds like: a sample, then the noise of a line, 20 ms at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import soundfile
from generated import SAMPLES

from amd.audio import RATE_HZ

FRAME = RATE_HZ // 50


@cache
def _noise() -> np.ndarray:
    return np.random.default_rng(8).integers(-40, 41, 8 * RATE_HZ).astype("<i2")


@cache
def _sample(name: str) -> np.ndarray:
    samples, rate_hz = soundfile.read(SAMPLES / (name if name.endswith(".wav") else f"{name}.wav"), dtype="int16")
    assert rate_hz == RATE_HZ
    return samples.astype("<i2")


def frames(sample: str | None) -> Iterator[np.ndarray]:
    """Frames of 160 samples, without end."""
    sound = _noise()[:0] if sample is None else _sample(sample)
    noise = _noise()
    at = 0
    while True:
        frame = (
            np.resize(noise, FRAME) if at % noise.size + FRAME > noise.size else noise[at % noise.size :][:FRAME]
        )
        frame = frame.copy()
        part = sound[at : at + FRAME]
        frame[: part.size] = part
        yield frame
        at += FRAME


def mulaw(frame: np.ndarray) -> bytes:
    """ITU-T G.711 mu-law, as decoded by the table of its segments."""
    sample = np.clip(frame.astype(np.int32), -32635, 32635)
    sign = np.where(sample < 0, 0x80, 0)
    size = np.abs(sample) + 0x84
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()

"""The codecs a call may have gone through: encode and decode, with no delay left.

All but `FFMPEG` come with libsndfile: the same build of it gives the same bytes. What it decodes is as long as
what it was given, and stands where it stood. Programs outside add a delay, which is measured once.
"""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile
from levels import RATE_HZ, FloatArray, limit
from scipy import signal


@dataclass(frozen=True)
class Coding:
    """How libsndfile names a codec; `compression` from 0 to 1 sets the rate where there is one to set."""

    format: str
    subtype: str
    compression: float | None = None


SNDFILE: Final = {
    "ulaw": Coding("WAV", "ULAW"),
    "alaw": Coding("WAV", "ALAW"),
    "gsm": Coding("WAV", "GSM610"),
    "g726": Coding("AU", "G721_32"),  # G.726 at 32 kbit/s is the former G.721
    "g726_24": Coding("AU", "G723_24"),
    "opus7": Coding("OGG", "OPUS", 1.0),  # kbit/s, as measured on speech
    "opus12": Coding("OGG", "OPUS", 0.98),
    "opus20": Coding("OGG", "OPUS", 0.95),
}
FFMPEG: Final = {
    "speex8": ("libspeex", "-b:a", "8k"),
    "speex15": ("libspeex", "-b:a", "15k"),
}
SHIFT_MAX = 1600


def names(codec: str) -> list[str]:
    """Return the codecs of a chain: `alaw+gsm` is one after the other.

    Raises
    ------
    ValueError
        If one is unknown.
    """
    chain = codec.split("+")
    for name in chain:
        if name not in SNDFILE and name not in FFMPEG:
            raise ValueError(f"codec {name!r} is not one of {', '.join((*SNDFILE, *FFMPEG))}")
    return chain


def missing_encoders() -> list[str]:
    """Return the codecs of `FFMPEG` that this machine cannot run."""
    program = shutil.which("ffmpeg")
    if program is None:
        return list(FFMPEG)
    listed = subprocess.run([program, "-v", "quiet", "-encoders"], capture_output=True, check=True)
    known = listed.stdout.decode(errors="replace").split()
    return [name for name, (encoder, *_) in FFMPEG.items() if encoder not in known]


def round_trip(samples: FloatArray, codec: str) -> FloatArray:
    """Encode and decode; comes out as long as it went in, and in the same place."""
    for name in names(codec):
        if name in SNDFILE:
            decoded = _sndfile(limit(samples), SNDFILE[name])
        else:
            decoded = _ffmpeg(limit(samples), name)[_delay(name) :]
        samples = np.pad(decoded, (0, max(0, samples.size - decoded.size)))[: samples.size]
    return samples


def _sndfile(samples: FloatArray, coding: Coding) -> FloatArray:
    coded = io.BytesIO()
    how = {} if coding.compression is None else {"compression_level": coding.compression}
    soundfile.write(coded, samples, RATE_HZ, format=coding.format, subtype=coding.subtype, **how)
    coded.seek(0)
    return np.asarray(soundfile.read(coded, dtype="float64")[0])


def _ffmpeg(samples: FloatArray, name: str) -> FloatArray:
    raw = ["-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1"]
    quiet = ["ffmpeg", "-v", "error", "-threads", "1"]
    pcm = np.round(samples * 32767.0).astype("<i2").tobytes()
    encode = [*quiet, *raw, "-i", "-", "-c:a", *FFMPEG[name], "-f", "ogg", "-"]
    coded = subprocess.run(encode, input=pcm, capture_output=True, check=True).stdout
    decode = [*quiet, "-i", "-", *raw, "-"]
    decoded = subprocess.run(decode, input=coded, capture_output=True, check=True).stdout
    return np.frombuffer(decoded, "<i2") / 32768.0


@functools.cache
def _delay(name: str) -> int:
    """Measure by how many samples a codec is late, on bursts of a voice-like buzz of changing length."""
    rng = np.random.default_rng(0)
    probe = np.zeros(4 * RATE_HZ)
    for start in range(2000, probe.size - 4000, 4000):
        length = int(rng.integers(800, 2400))
        turns = np.cumsum(np.linspace(110.0, 160.0, length)) / RATE_HZ
        probe[start : start + length] = 0.3 * np.diff(np.floor(turns), prepend=0.0)
        probe[start : start + length] += 0.02 * rng.standard_normal(length)
    smoother = np.hanning(33) / np.hanning(33).sum()
    sent, heard = (np.convolve(np.abs(x), smoother, "same") for x in (probe, _ffmpeg(probe, name)))
    match = signal.correlate(heard, sent, "full", method="fft")
    return int(np.argmax(match[sent.size - 1 : sent.size - 1 + SHIFT_MAX]))

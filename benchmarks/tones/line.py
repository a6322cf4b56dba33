"""A telephone line for generated tones: noise, codec, lost packets; and something that sounds like speech."""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

from amd.audio import RATE_HZ

Floats = npt.NDArray[np.float64]

PACKET_SAMPLES: Final = 160
PEAK: Final = 0.98
SHIFT_MAX_SAMPLES: Final = 1600
SOUNDFILE_CODECS: Final = {
    "ulaw": ("WAV", "ULAW"),
    "alaw": ("WAV", "ALAW"),
    "gsm": ("WAV", "GSM610"),
    "g726": ("AU", "G721_32"),
}
"""G.726 at 32 kbit/s is the former G.721."""
FFMPEG_CODECS: Final = {
    "opus8": ("libopus", "-application", "voip", "-b:a", "8k"),
    "speex": ("libspeex", "-b:a", "8k"),
}
CODECS: Final = (*SOUNDFILE_CODECS, *FFMPEG_CODECS)


@functools.cache
def available_codecs() -> tuple[str, ...]:
    """Codecs that this machine can run."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return tuple(SOUNDFILE_CODECS)
    listed = subprocess.run([ffmpeg, "-v", "quiet", "-encoders"], capture_output=True, check=True)  # noqa: S603
    encoders = listed.stdout.decode(errors="replace").split()
    return tuple(codec for codec in CODECS if codec in SOUNDFILE_CODECS or FFMPEG_CODECS[codec][0] in encoders)


def round_trip(samples: Floats, codec: str) -> Floats:
    """Encode and decode; the codec's delay is taken out, so that truths stay where they were."""
    limited = np.clip(samples, -PEAK, PEAK)
    decoded = _soundfile(limited, codec) if codec in SOUNDFILE_CODECS else _ffmpeg(limited, codec)
    decoded = np.pad(decoded, (0, max(0, samples.size - decoded.size)))
    if codec in FFMPEG_CODECS:
        decoded = np.roll(decoded, -_delay(limited, decoded[: samples.size]))
    return np.asarray(decoded[: samples.size])


def _soundfile(samples: Floats, codec: str) -> Floats:
    kind, subtype = SOUNDFILE_CODECS[codec]
    coded = io.BytesIO()
    soundfile.write(coded, samples, RATE_HZ, format=kind, subtype=subtype)
    coded.seek(0)
    return np.asarray(soundfile.read(coded, dtype="float64")[0])


def _ffmpeg(samples: Floats, codec: str) -> Floats:
    program = shutil.which("ffmpeg") or "ffmpeg"
    raw = ["-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1"]
    encode = [program, "-v", "error", "-threads", "1", *raw, "-i", "-", "-c:a", *FFMPEG_CODECS[codec], "-f", "ogg"]
    pcm = np.round(samples * 32767).astype("<i2").tobytes()
    coded = subprocess.run([*encode, "-"], input=pcm, capture_output=True, check=True).stdout  # noqa: S603
    decode = [program, "-v", "error", "-threads", "1", "-i", "-", *raw, "-"]
    decoded = subprocess.run(decode, input=coded, capture_output=True, check=True).stdout  # noqa: S603
    return np.frombuffer(decoded, "<i2") / 32768.0


def _delay(sent: Floats, heard: Floats) -> int:
    """How many samples later it is heard; from the envelopes, since one tone fits itself at every period."""
    smoother = np.hanning(65) / np.hanning(65).sum()
    envelopes = [np.convolve(np.abs(x), smoother, "same") for x in (heard, sent)]
    slopes = [np.diff(envelope) for envelope in envelopes]
    match = signal.correlate(slopes[0], slopes[1], "full", method="fft")
    middle = slopes[1].size - 1
    return int(np.argmax(match[middle - SHIFT_MAX_SAMPLES : middle + SHIFT_MAX_SAMPLES + 1])) - SHIFT_MAX_SAMPLES


def lose_packets(samples: Floats, loss: float, rng: np.random.Generator) -> Floats:
    """Lose packets of 20 ms; the last one is played again, 6 dB down each time."""
    out = samples.copy()
    lost = np.flatnonzero(rng.random(samples.size // PACKET_SAMPLES) < loss)
    for start in (lost[lost > 0] * PACKET_SAMPLES).tolist():
        out[start : start + PACKET_SAMPLES] = 0.5 * out[start - PACKET_SAMPLES : start]
    return out


def gain_of(level_db: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10 ** (level_db / 20))


def noise(n: int, rng: np.random.Generator, *, pink: bool = False) -> Floats:
    """Noise of unit power between 300 and 3400 Hz, none outside."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    freqs_hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    if pink:
        spectrum /= np.sqrt(np.maximum(freqs_hz, 50.0))
    spectrum[(freqs_hz < 300) | (freqs_hz > 3400)] = 0
    made = np.fft.irfft(spectrum, n)
    return np.asarray(made / np.sqrt(np.mean(made**2) + 1e-20))


def speech_like(n: int, rng: np.random.Generator) -> Floats:
    """Syllables of a buzz whose pitch and formants move, with hissed consonants and short stops; unit power."""
    out = np.zeros(n)
    pitch_hz, at = rng.uniform(90, 230), 0
    while at < n:
        size = round(rng.uniform(0.1, 0.28) * RATE_HZ)
        turns = np.cumsum(pitch_hz * np.linspace(rng.uniform(0.9, 1.15), rng.uniform(0.8, 1.0), size)) / RATE_HZ
        source = np.diff(np.floor(turns), prepend=0.0) - pitch_hz / RATE_HZ + 0.02 * rng.standard_normal(size)
        voice = np.zeros(size)
        for low_hz, high_hz, share in ((300, 800, 1.0), (900, 2200, 0.6), (2300, 3000, 0.3)):
            b, a = signal.iirpeak(rng.uniform(low_hz, high_hz), 5.0, fs=RATE_HZ)
            voice += share * signal.lfilter(b, a, source)
        voice *= np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 0.5
        hiss = 0.2 * float(voice.std()) * rng.standard_normal(round(rng.uniform(0.02, 0.06) * RATE_HZ))
        for piece in (hiss, voice, np.zeros(round(rng.uniform(0.01, 0.06) * RATE_HZ))):
            end = min(n, at + piece.size)
            out[at:end] += piece[: end - at]
            at = end
    return np.asarray(out / np.sqrt(np.mean(out**2) + 1e-20))

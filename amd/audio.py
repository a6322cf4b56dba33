"""What a signal is here: 8 kHz, mono, float32, full scale 1; and how everything else becomes that.

Samples are float32 of shape ``(n_samples,)``. Bytes are decoded per ITU-T G.711 (mu-law, A-law) or as 16-bit
PCM; other rates pass a streaming resampler (libsoxr) whose output does not depend on how the input was cut.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import soxr

from amd.compiled import exact
from amd.errors import AudioError

Samples = npt.NDArray[np.float32]
Chunk = bytes | bytearray | memoryview | npt.NDArray[np.generic]

RATE_HZ: Final = 8000
FULL_SCALE_PCM16: Final = 32768.0
RATE_MIN_HZ: Final = 4000
RATE_MAX_HZ: Final = 192_000
GAP_MAX_S: Final = 3600.0
"""One gap is at most an hour: a longer one is a slip of units."""
FLOAT_PEAK_MAX: Final = 16.0
"""Float samples beyond this are not clipped audio (24 dB over full scale) but integers in a float array."""


class Encoding(StrEnum):
    """How bytes carry samples."""

    PCM16 = "pcm16"
    """Signed 16-bit, little-endian (also called slin, L16 in files)."""
    PCM16BE = "pcm16be"
    """Signed 16-bit, big-endian (L16 of RFC 3551)."""
    MULAW = "mulaw"
    """G.711 mu-law, 8 bit (PCMU)."""
    ALAW = "alaw"
    """G.711 A-law, 8 bit (PCMA)."""

    @property
    def sample_bytes(self) -> int:
        """Bytes a sample takes."""
        return 1 if self in (Encoding.MULAW, Encoding.ALAW) else 2


def _mulaw_table() -> Samples:
    """Mu-law codes to samples: complemented sign, 3-bit segment, 4-bit step (ITU-T G.711, table 2)."""
    code = ~np.arange(256) & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((2 * step + 33) << segment) - 33  # 14-bit magnitude, at most 8031
    return (np.where(code & 0x80, -magnitude, magnitude) * (4 / FULL_SCALE_PCM16)).astype(np.float32)


def _alaw_table() -> Samples:
    """A-law codes to samples: even bits inverted, sign, segment, step (ITU-T G.711, table 1)."""
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) * (8 / FULL_SCALE_PCM16)).astype(np.float32)


_TABLES: Final = {Encoding.MULAW: _mulaw_table(), Encoding.ALAW: _alaw_table()}


def decode(data: bytes, encoding: Encoding) -> Samples:
    r"""Decode whole samples.

    Parameters
    ----------
    data : bytes
        Encoded audio; a whole number of samples.
    encoding : Encoding

    Returns
    -------
    ndarray of float32, shape (n_samples,)
        Full scale is 1.

    Raises
    ------
    AudioError
        If ``data`` ends within a sample.

    Examples
    --------
    >>> [round(float(sample), 4) for sample in decode(b"\xff\x00", Encoding.MULAW)]
    [0.0, -0.9803]
    """
    if len(data) % encoding.sample_bytes:
        raise AudioError(
            f"{len(data)} bytes is not a whole number of {encoding} samples of {encoding.sample_bytes} bytes: "
            "8-bit audio decoded as 16-bit?"
        )
    table = _TABLES.get(encoding)
    if table is not None:
        samples = np.empty(len(data), dtype=np.float32)
        look_up(np.frombuffer(data, dtype=np.uint8), table, samples)
        return samples
    order = "<i2" if encoding is Encoding.PCM16 else ">i2"
    return np.frombuffer(data, dtype=order).astype(np.float32) / np.float32(FULL_SCALE_PCM16)


@exact
def look_up(codes: npt.NDArray[np.uint8], table: Samples, samples: Samples) -> None:
    """Fill samples by their codes."""
    for at in range(codes.size):
        samples[at] = table[codes[at]]


def check_rate(rate_hz: int) -> int:
    """Return ``rate_hz`` if audio of that rate can be heard as telephone audio, else raise `AudioError`."""
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, np.integer)):
        raise AudioError(f"rate_hz={rate_hz!r} must be an int, for example 8000")
    if not RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ:
        slip = "kHz instead of Hz?" if 0 < rate_hz < 1000 else "a byte rate, or a file's length?"
        raise AudioError(f"rate_hz={rate_hz} is outside {RATE_MIN_HZ} to {RATE_MAX_HZ}: {slip}")
    return int(rate_hz)


def check_samples(samples: object) -> Samples:
    """Return an array as float32 samples with full scale 1.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        float32 or float64 with full scale 1, or int16.

    Raises
    ------
    AudioError
        On any other dtype or shape, on NaN or infinite values, and on floats far beyond full scale.
    """
    if not isinstance(samples, np.ndarray):
        raise AudioError(f"audio must be bytes or a numpy array, not {type(samples).__name__}")
    if samples.ndim != 1:
        slip = "take one channel first?" if samples.ndim == 2 else "use .ravel()?"
        raise AudioError(f"audio of shape {samples.shape} must be mono, of shape (n_samples,): {slip}")
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / np.float32(FULL_SCALE_PCM16)
    if samples.dtype not in (np.float32, np.float64):
        slip = "encoded bytes? pass them as bytes" if samples.dtype == np.uint8 else "use .astype(np.float32)?"
        raise AudioError(f"audio of dtype {samples.dtype} must be float32, float64 or int16: {slip}")
    if samples.size == 0:
        return samples.astype(np.float32)
    peak = np.abs(samples).max()
    if not np.isfinite(peak):
        first = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise AudioError(f"sample {first} is {samples[first]}: audio must be finite")
    if peak > FLOAT_PEAK_MAX:
        raise AudioError(
            f"a float sample of magnitude {peak:.6g} is far beyond full scale 1: "
            "16-bit integers in a float array? divide by 32768"
        )
    return samples.astype(np.float32)


class StreamDecoder:
    """Turn a stream of encoded chunks into 8 kHz samples, whatever the cut.

    A chunk may end within a sample: its first byte is kept for the next chunk.

    Parameters
    ----------
    encoding : Encoding
        How chunks of bytes carry samples. Chunks that are arrays need no encoding.
    rate_hz : int
        Samples per second of the input, 4000 to 192000.
    """

    def __init__(self, encoding: Encoding = Encoding.PCM16, rate_hz: int = RATE_HZ) -> None:
        self._encoding = Encoding(encoding)
        self._rate_hz = check_rate(rate_hz)
        self._partial = b""
        self._resampler = (
            None
            if self._rate_hz == RATE_HZ
            else soxr.ResampleStream(self._rate_hz, RATE_HZ, 1, dtype="float32", quality="HQ")
        )

    @property
    def encoding(self) -> Encoding | None:
        """The encoding by which whole samples can be decoded by `decode` alone; None where more has to be done."""
        return self._encoding if self._resampler is None and not self._partial else None

    def feed(self, chunk: Chunk) -> Samples:
        """Decode one chunk; what comes out may lag what went in by the resampler's filter."""
        if isinstance(chunk, (bytes, bytearray, memoryview)):
            data = self._partial + bytes(chunk)
            whole = len(data) - len(data) % self._encoding.sample_bytes
            samples = decode(data[:whole], self._encoding)
            self._partial = data[whole:]
        else:
            samples = check_samples(chunk)
        return self._resample(samples)

    def gap(self, seconds: float) -> Samples:
        """Return missing time as digital silence, rounded to whole samples of the input.

        Raises
        ------
        AudioError
            If ``seconds`` is negative, not finite, or beyond an hour.
        """
        if not np.isfinite(seconds) or seconds < 0:
            raise AudioError(f"a gap of {seconds} s must be finite and not negative")
        if seconds > GAP_MAX_S:
            raise AudioError(f"a gap of {seconds} s is beyond {GAP_MAX_S:.0f} s: milliseconds?")
        return self._resample(np.zeros(round(seconds * self._rate_hz), dtype=np.float32))

    def finish(self) -> Samples:
        """Return what the resampler still holds. Half a sample at the end of the stream is dropped."""
        if self._resampler is None:
            return np.zeros(0, dtype=np.float32)
        return np.asarray(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)

    def _resample(self, samples: Samples) -> Samples:
        if self._resampler is None or samples.size == 0:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples), dtype=np.float32)

"""Files to blocks of audio: whatever libsndfile reads, and headerless mu-law, A-law and 16-bit audio."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from amd.audio import RATE_HZ, Encoding, Samples, StreamDecoder, check_rate, check_samples
from amd.errors import AudioError, RecordingError

BLOCK_S: Final = 1.0
CHANNELS_DIFFER: Final = 0.2
"""Share of the power that mixing down loses: 0 for equal channels, 0.5 when one of two is silent."""
RAW_SUFFIXES: Final[dict[str, tuple[Encoding, int]]] = {
    ".ulaw": (Encoding.MULAW, RATE_HZ),
    ".ul": (Encoding.MULAW, RATE_HZ),
    ".mulaw": (Encoding.MULAW, RATE_HZ),
    ".alaw": (Encoding.ALAW, RATE_HZ),
    ".al": (Encoding.ALAW, RATE_HZ),
    ".sln": (Encoding.PCM16, RATE_HZ),
    ".slin": (Encoding.PCM16, RATE_HZ),
    ".sln16": (Encoding.PCM16, 16_000),
}
"""Headerless files known by their name, as Asterisk and sox name them."""


UNCLOSED_BYTES: Final = 0x7FFFFFFF
"""A header that promises this much was never completed: a recorder that streams, not a file that was cut."""
HEADER_MAX_BYTES: Final = 4096
"""A file without audio is hardly longer than its header."""


@dataclass(slots=True)
class Source:
    """Blocks of one file, how to decode them, and what was noticed on the way.

    Parameters
    ----------
    blocks : generator of bytes or float32 arrays
        About a second each; close it when done before its end.
    encoding, rate_hz
        For `amd.detector.Detector`.
    duration_s : float
        Length of the whole file.
    notes : list of str
        What the user should know; complete when ``blocks`` is closed.
    """

    blocks: Generator[bytes | npt.NDArray[np.float32], None, None]
    encoding: Encoding
    rate_hz: int
    duration_s: float
    notes: list[str]


def open_source(path: Path, *, encoding: Encoding | None, rate_hz: int, channel: int | None) -> Source:
    """Open a recording.

    Parameters
    ----------
    path : Path
    encoding : Encoding or None
        The file is headerless, of this encoding; None takes its header, or its name, for it.
    rate_hz : int
        Samples per second, when ``encoding`` is given.
    channel : int or None
        Which channel of a file with a header, counted from 0; None mixes all down.

    Raises
    ------
    OSError, soundfile.SoundFileError, AudioError
        `reason` says it in the user's terms.
    """
    if not path.exists():
        raise AudioError("there is no such file")
    if path.is_dir():
        raise AudioError("is a folder, not a file")
    named = RAW_SUFFIXES.get(path.suffix.lower())
    if encoding is not None:
        named = encoding, rate_hz
    if named is not None:
        if channel not in (None, 0):
            raise AudioError(f"channel {channel} is not there: a headerless file has one, number 0")
        return _open_raw(path, *named)
    return _open_headed(path, channel)


def samples_of(path: Path) -> Samples:
    """Read a whole recording as 8 kHz float32 samples, its channels mixed down.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    try:
        source = open_source(path, encoding=None, rate_hz=RATE_HZ, channel=None)
        decoder = StreamDecoder(source.encoding, source.rate_hz)
        parts = [decoder.feed(block) for block in source.blocks]
        return np.concatenate([*parts, decoder.finish()])
    except (OSError, soundfile.SoundFileError, AudioError) as error:
        raise RecordingError(f"{path}: {reason(error)}") from error


def _open_raw(path: Path, encoding: Encoding, rate_hz: int) -> Source:
    n_bytes = path.stat().st_size
    notes = []
    if n_bytes % encoding.sample_bytes:
        notes.append("ends within a sample: the last byte is left out")
    return Source(
        blocks=_raw_blocks(path, round(BLOCK_S * rate_hz) * encoding.sample_bytes),
        encoding=encoding,
        rate_hz=check_rate(rate_hz),
        duration_s=n_bytes // encoding.sample_bytes / rate_hz,
        notes=notes,
    )


def _raw_blocks(path: Path, block_bytes: int) -> Generator[bytes, None, None]:
    with path.open("rb") as stream:
        while block := stream.read(block_bytes):
            yield block


def _open_headed(path: Path, channel: int | None) -> Source:
    if path.suffix.lower() == ".raw":
        raise AudioError("is headerless: say its encoding")
    info = soundfile.info(path, verbose=True)
    check_rate(info.samplerate)
    notes: list[str] = []
    if channel is not None and not 0 <= channel < info.channels:
        raise AudioError(f"channel {channel} is not there: the file has {info.channels}, counted from 0")
    if info.frames == 0 and path.stat().st_size > HEADER_MAX_BYTES:
        notes.append("is empty by its header, but holds more: a recorder that was stopped? say its encoding")
    if _is_cut(info.extra_info):
        notes.append("is shorter than its header says: judged by what is there")
    return Source(
        blocks=_headed_blocks(path, channel, notes),
        encoding=Encoding.PCM16,
        rate_hz=info.samplerate,
        duration_s=info.frames / info.samplerate,
        notes=notes,
    )


def _is_cut(log: str) -> bool:
    """Whether libsndfile's log of a WAV says that less audio is there than its header promises."""
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    return found is not None and int(found[2]) < int(found[1]) < UNCLOSED_BYTES


def _headed_blocks(
    path: Path, channel: int | None, notes: list[str]
) -> Generator[npt.NDArray[np.float32], None, None]:
    """Blocks of one channel; or of the mix, noting at the end when the channels were not alike."""
    lost = total = 0.0
    with soundfile.SoundFile(path) as sound:
        try:
            while (block := sound.read(round(BLOCK_S * sound.samplerate), dtype="float32", always_2d=True)).size:
                if channel is not None:
                    yield block[:, channel]
                    continue
                check_samples(block.ravel())
                mix: npt.NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
                lost += float(np.sum((block - mix[:, None]) ** 2))
                total += float(np.sum(block**2))
                yield mix
        finally:
            if lost > CHANNELS_DIFFER * total:
                notes.append("was mixed down though its channels differ: choose the called party's channel?")


def reason(error: Exception) -> str:
    """Say in the user's terms why a file cannot be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, soundfile.LibsndfileError):
        said = error.error_string.strip().rstrip(".")
        return f"not audio that libsndfile can read ({said}): headerless? say its encoding"
    return str(error)

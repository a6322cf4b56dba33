"""A recording of a call through the detector: the same path as a live one, fed from a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from amd.audio import RATE_HZ, Encoding, StreamDecoder
from amd.detector import Detector, Trace
from amd.errors import AmdError, AudioError, RecordingError
from amd.events import Cause, Event, Party, SubState, Verdict, to_dict
from amd.model import Model
from amd.policy import PRESETS, Policy, Until
from amd.sources import RAW_SUFFIXES, open_source, reason
from amd.workers import POOL_MIN_THINGS, spread

POOL_MIN_FILES: Final = POOL_MIN_THINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read recordings and how to judge them.

    Parameters
    ----------
    policy : Policy
    encoding : Encoding or None
        The files are headerless, of this encoding; None takes the file's header, or its name, for it.
    rate_hz : int
        Samples per second of headerless files that ``encoding`` tells of.
    channel : int or None
        Which channel to judge, counted from 0; None mixes them all down.
    model : Model or None
        The shipped one unless given.
    """

    policy: Policy = PRESETS["balanced"]
    encoding: Encoding | None = None
    rate_hz: int = RATE_HZ
    channel: int | None = None
    model: Model | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a recording was judged to be; the fields of one JSON line of ``amd classify``.

    Parameters
    ----------
    file : str
        As it was given.
    party, sub_state, cause, probability
        The verdict, with the sub-state as known at the end.
    decided_at_s, known_s : float
        When it was decided, and when it could be known, in seconds from answer.
    duration_s : float
        Length of the recording; the detector may have stopped before its end.
    events : tuple of Event
    verdict : Verdict
    notes : tuple of str
        What the user should know of the file: channels that differ, a cut end.
    """

    file: str
    party: Party
    sub_state: SubState | None
    cause: Cause
    probability: float
    decided_at_s: float
    known_s: float
    duration_s: float
    events: tuple[Event, ...]
    verdict: Verdict
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types, in the order documented for ``amd classify --format jsonl``."""
        return {
            "file": self.file,
            "party": str(self.party),
            "sub_state": None if self.sub_state is None else str(self.sub_state),
            "cause": str(self.cause),
            "probability": round(self.probability, 4),
            "decided_at_s": round(self.decided_at_s, 4),
            "known_s": round(self.known_s, 4),
            "duration_s": round(self.duration_s, 4),
            "events": [to_dict(event) for event in self.events],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A recording that could not be judged, and why."""

    file: str
    reason: str


def recordings_in(folder: Path, *, headerless: bool = False) -> list[str]:
    """Every recording below a folder; all its files when the user says that they are headerless."""
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} | set(RAW_SUFFIXES) | {".aif"}
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [str(file) for file in files if headerless or file.suffix.lower() in suffixes]


def classify(path: str | os.PathLike[str], reading: Reading = Reading()) -> Result:
    """Judge one recording.

    Parameters
    ----------
    path : path
        WAV, FLAC and whatever else libsndfile reads, any rate from 4 to 192 kHz, any channels; or headerless
        mu-law, A-law or 16-bit audio, by its name or by ``reading.encoding``.
    reading : Reading, optional

    Returns
    -------
    Result

    Raises
    ------
    RecordingError
        If the file is missing, is not audio, or holds what cannot be judged.
    """
    return _judge(Path(path), reading, None)


def trace(
    path: str | os.PathLike[str], reading: Reading = Reading()
) -> tuple[Result, npt.NDArray[np.float32], list[Trace]]:
    """Judge one recording to its end and keep the 8 kHz samples and the trace of every frame, for drawing."""
    reading = dataclasses.replace(reading, policy=dataclasses.replace(reading.policy, until=Until.END))
    kept = _Kept([], [])
    result = _judge(Path(path), reading, kept)
    samples = np.concatenate([np.zeros(0, dtype=np.float32), *kept.samples])
    return result, samples, kept.traces


@dataclass(slots=True)
class _Kept:
    samples: list[npt.NDArray[np.float32]]
    traces: list[Trace]


def _judge(path: Path, reading: Reading, kept: _Kept | None) -> Result:
    """Judge a recording; keep what there is to draw, if somebody wants it."""
    try:
        source = open_source(path, encoding=reading.encoding, rate_hz=reading.rate_hz, channel=reading.channel)
        detector = Detector(
            reading.policy,
            encoding=source.encoding,
            rate_hz=source.rate_hz,
            model=reading.model,
            observer=None if kept is None else kept.traces.append,
        )
        decoder = None if kept is None else StreamDecoder(source.encoding, source.rate_hz)
        events: list[Event] = []
        with closing(source.blocks) as blocks:
            for block in blocks:
                events += detector.feed(block)
                if kept is not None and decoder is not None:
                    kept.samples.append(decoder.feed(block))
                if detector.done:
                    break
        events += detector.finish()
        if kept is not None and decoder is not None:
            kept.samples.append(decoder.finish())
    except (OSError, soundfile.SoundFileError, AudioError) as error:
        raise RecordingError(f"{path}: {reason(error)}") from error
    verdict = detector.verdict
    assert verdict is not None  # noqa: S101 -- finish() always gives one
    return Result(
        file=str(path),
        party=verdict.party,
        sub_state=verdict.sub_state,
        cause=verdict.cause,
        probability=verdict.probability,
        decided_at_s=verdict.at_s,
        known_s=verdict.known_s,
        duration_s=source.duration_s,
        events=tuple(events),
        verdict=verdict,
        notes=tuple(source.notes),
    )


def classify_many(
    paths: Iterable[str], reading: Reading = Reading(), *, jobs: int | None = None
) -> Iterator[Result | Failure]:
    """Judge recordings on all cores; results come in the order of ``paths``, failures among them.

    Parameters
    ----------
    paths : iterable of str
    reading : Reading, optional
    jobs : int, optional
        Worker processes; as many as cores unless given. Few files are judged in this process.
    """
    yield from spread(partial(classify_or_fail, reading), paths, jobs=jobs)


def classify_or_fail(reading: Reading, path: str) -> Result | Failure:
    """Judge one recording; what cannot be read is a `Failure`."""
    try:
        return classify(path, reading)
    except AmdError as error:
        return Failure(file=path, reason=str(error))

"""Parts laid end to end make a call, with the times of what was laid. Files and manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from channel import Line, handset
from levels import FRAME, RATE_HZ, FloatArray, Span, active_level_db, frame_powers, gain_of, limit

COLUMNS = (
    "file",
    "label",
    "scenario",
    "voice",
    "codec",
    "noise",
    "snr_db",
    "speech_start_s",
    "greeting_end_s",
    "beep_on_s",
    "beep_off_s",
    "origin",
)
WAIT_S = 1.0  # a person who is silent this long waits for the caller
GATE_DB = 26.0
GATE_FRAME = 40  # 5 ms


def trim(clean: FloatArray) -> FloatArray:
    """Cut what is `GATE_DB` below the loudest 5 ms at both ends, as heard through a handset."""
    powers = frame_powers(handset(clean, 0.0), GATE_FRAME)
    heard = np.flatnonzero(powers > powers.max() * 10.0 ** (-GATE_DB / 10.0))
    return clean[int(heard[0]) * GATE_FRAME : (int(heard[-1]) + 1) * GATE_FRAME]


def sounding(samples: FloatArray) -> list[Span]:
    """Return where there is sound, but for gaps of up to `GATE_FRAME` samples: a cadence has pauses."""
    there = np.flatnonzero(samples)
    if not there.size:
        return []
    breaks = np.flatnonzero(np.diff(there) > GATE_FRAME)
    starts, ends = there[np.concatenate([[0], breaks + 1])], there[np.concatenate([breaks, [-1]])]
    return [(int(start), int(end) + 1) for start, end in zip(starts, ends, strict=True)]


class Call:
    """Parts of a call end to end; speech at unit active power, tones at unit power."""

    def __init__(self) -> None:
        self._parts: list[FloatArray] = []
        self.size = 0
        self.speech: list[Span] = []
        self.mute: list[Span] = []
        self.beep: Span | None = None
        self.marks: list[tuple[str, Span]] = []
        self._said: list[tuple[int, FloatArray]] = []
        self._ends = True

    def _lay(self, samples: FloatArray) -> Span:
        start, self.size = self.size, self.size + samples.size
        self._parts.append(samples)
        return start, self.size

    @property
    def clean(self) -> FloatArray:
        """The whole call so far."""
        return np.concatenate([np.zeros(0), *self._parts])

    @property
    def said(self) -> list[tuple[int, FloatArray]]:
        """The utterances, clean, each with where it begins."""
        return [(start, samples[: self.size - start]) for start, samples in self._said if start < self.size]

    @property
    def spoken(self) -> FloatArray:
        """The whole call so far without anything but the speech."""
        track = np.zeros(self.size)
        for start, samples in self.said:
            track[start : start + samples.size] = samples
        return track

    def pause(self, gap_s: float, *, digital: bool = False) -> None:
        """Lay silence; `digital` silence has no line noise on it either."""
        span = self._lay(np.zeros(round(gap_s * RATE_HZ)))
        if digital:
            self.mute.append(span)

    def say(self, samples: FloatArray, *, gain_db: float = 0.0) -> None:
        """Lay an utterance that begins and ends with speech."""
        levelled = samples * gain_of(gain_db - active_level_db(samples))
        self._said.append((self.size, levelled))
        self.speech.append(self._lay(levelled))

    def play(self, samples: FloatArray, *, gain_db: float = 0.0, beep: bool = False, mark: str = "") -> None:
        """Lay a tone, `gain_db` above the speech; a `beep` is noted as the record beep, else what it is marked."""
        span = self._lay(samples * gain_of(gain_db))
        if beep:
            self.beep = span
        elif mark:
            self.marks += [(mark, (span[0] + start, span[0] + end)) for start, end in sounding(samples)]

    def fill(self, frame: int = FRAME) -> None:
        """Lay silence until the call is whole packets."""
        self.pause((-self.size % frame) / RATE_HZ)

    def cut(self, length_s: float) -> None:
        """Drop what comes after `length_s`; a greeting or beep that is not over by then has no end."""
        size = round(length_s * RATE_HZ)
        if self.size <= size:
            return
        self._parts, self.size = [self.clean[:size]], size
        self._ends = self._ends and all(end <= size for _, end in self.speech)
        self.speech = [(start, min(end, size)) for start, end in self.speech if start < size]
        self.mute = [(start, min(end, size)) for start, end in self.mute if start < size]
        self.marks = [(name, (start, min(end, size))) for name, (start, end) in self.marks if start < size]
        if self.beep and self.beep[1] > size:
            self.beep = None

    def greeting_end(self, label: str) -> int | None:
        """Return where the greeting ends: a person's where the first wait begins, else at the last word."""
        if label == "human":
            for (_, end), (start, _) in zip(self.speech, self.speech[1:], strict=False):
                if start - end >= WAIT_S * RATE_HZ:
                    return end
        return self.speech[-1][1] if self.speech and self._ends else None

    def row(self, file: str, label: str, scenario: str, voice: str, line: Line, origin: str) -> dict[str, str]:
        """Return the manifest row of this call."""
        noise = line.noise + (f"+hum{line.hum_hz:.0f}" if line.hum_hz else "")
        beep_on, beep_off = self.beep or (None, None)
        values = (
            file,
            label,
            scenario,
            voice,
            line.codec,
            noise,
            f"{line.snr_db:.1f}" if self.speech else "",
            _seconds(self.speech[0][0] if self.speech else None),
            _seconds(self.greeting_end(label)),
            _seconds(beep_on),
            _seconds(beep_off),
            origin,
        )
        return dict(zip(COLUMNS, values, strict=True))


def _seconds(index: int | None) -> str:
    return "" if index is None else f"{index / RATE_HZ:.3f}"


def write_wav(path: Path, samples: FloatArray) -> None:
    """Write mono mu-law WAV at 8 kHz."""
    soundfile.write(path, limit(samples), RATE_HZ, subtype="ULAW")


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> None:
    """Write the rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

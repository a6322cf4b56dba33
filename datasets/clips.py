"""The clips file: which sound files there are, who speaks in them, and where the speech begins and ends."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from levels import RATE_HZ, FloatArray
from timing import SPLITS

COLUMNS: Final = (
    "path",
    "source",
    "label",
    "group",
    "kind",
    "duration_s",
    "speech_start_s",
    "speech_end_s",
    "split",
)
MOST_WEIGHT: Final = 8


class ClipsError(Exception):
    """The clips file, or what it names, does not do."""


@dataclass(frozen=True)
class Clip:
    """One row of the clips file: the part of a sound file that is speech (or noise)."""

    path: Path
    source: str
    group: str
    start: int
    stop: int
    language: str = ""

    @property
    def length_s(self) -> float:
        """How long the speech is."""
        return (self.stop - self.start) / RATE_HZ


class Clips:
    """The clips of one split, by kind and speaker.

    Parameters
    ----------
    path
        CSV with at least `COLUMNS`; the paths in it are relative to it. `language` is read where it is.
    split
        One of `SPLITS`.

    Raises
    ------
    ClipsError
        If the file is missing, lacks a column, has a row that cannot be read, has no clip of the split, or has a
        group in two splits.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.split = split
        self._by_kind: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        split_of: dict[str, str] = {}
        for number, row in _rows(path):
            where = f"{path} row {number}"
            if row["split"] not in SPLITS:
                raise ClipsError(f"{where}: split {row['split']!r} is not one of {', '.join(SPLITS)}")
            if split_of.setdefault(row["group"], row["split"]) != row["split"]:
                raise ClipsError(
                    f"{where}: group {row['group']} is in {split_of[row['group']]} and {row['split']}"
                )
            if row["split"] == split:
                kind = f"{row['label']} {row['kind']}"
                self._by_kind[kind][row["group"]].append(_clip(where, path.parent, row))
        if not self._by_kind:
            raise ClipsError(f"{path} has no clip of split {split!r}")

    def kinds(self) -> list[str]:
        """Return the kinds there are."""
        return list(self._by_kind)

    def groups(self, kind: str) -> list[str]:
        """Return who has clips of a kind."""
        return list(self._by_kind[kind]) if kind in self._by_kind else []

    def require(self, kinds: Iterable[str]) -> None:
        """Raise `ClipsError` if there is no clip of one of the kinds."""
        missing = [kind for kind in kinds if kind not in self._by_kind]
        if missing:
            raise ClipsError(f"split {self.split!r} has no clips of kind {', '.join(missing)}")

    def of(self, kind: str, group: str, least_s: float = 0.0, most_s: float = np.inf) -> list[Clip]:
        """Return the clips of one speaker, of a kind and length."""
        clips = self._by_kind[kind].get(group, []) if kind in self._by_kind else []
        return [clip for clip in clips if least_s <= clip.length_s <= most_s]

    def speaker(
        self,
        kind: str,
        rng: np.random.Generator,
        *,
        least_s: float = 0.0,
        most_s: float = np.inf,
        total_s: float = 0.0,
        count: int = 1,
        without: Collection[str] = (),
    ) -> list[Clip]:
        """Draw a speaker who has `count` clips of a length, `total_s` in all; return those, shuffled.

        One with many clips is likelier, by up to `MOST_WEIGHT`: else those with one clip would be heard most.
        """
        every = (self.of(kind, group, least_s, most_s) for group in self.groups(kind) if group not in without)
        enough = (clips for clips in every if len(clips) >= count)
        fitting = [clips for clips in enough if sum(clip.length_s for clip in clips) >= total_s]
        if not fitting:
            raise ClipsError(
                f"split {self.split!r} has no speaker with {count} {kind!r} clips of {least_s:.1f} to"
                f" {most_s:.1f} s, {total_s:.1f} s in all"
            )
        weights = np.cumsum([min(len(clips), MOST_WEIGHT) for clips in fitting])
        kept = fitting[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
        return [kept[int(index)] for index in rng.permutation(len(kept))]


def _rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    if not path.is_file():
        raise ClipsError(f"there is no clips file {path}")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ClipsError(f"{path}: column {', '.join(missing)} is missing")
        for row in reader:
            yield reader.line_num, row


def _clip(where: str, folder: Path, row: dict[str, str]) -> Clip:
    try:
        start_s = float(row["speech_start_s"] or 0.0)
        end_s = float(row["speech_end_s"] or row["duration_s"])
    except ValueError as error:
        raise ClipsError(f"{where}: {error}; times are seconds") from error
    if not 0.0 <= start_s < end_s:
        raise ClipsError(f"{where}: speech from {start_s} to {end_s} s")
    start, stop = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
    return Clip(folder / row["path"], row["source"], row["group"], start, stop, row.get("language") or "")


def read(clip: Clip) -> FloatArray:
    """Read a clip.

    Raises
    ------
    ClipsError
        If there is no such file, or it is not mono at 8 kHz.
    """
    try:
        samples, rate_hz = soundfile.read(clip.path, start=clip.start, stop=clip.stop, dtype="float64")
    except soundfile.LibsndfileError as error:
        raise ClipsError(f"{clip.path}: {error}") from error
    if rate_hz != RATE_HZ or samples.ndim != 1:
        raise ClipsError(f"{clip.path} must be mono at {RATE_HZ} Hz, not {rate_hz} Hz of shape {samples.shape}")
    if not samples.size:
        raise ClipsError(f"{clip.path} ends before {clip.start / RATE_HZ:.2f} s, where its speech should begin")
    return np.asarray(samples)

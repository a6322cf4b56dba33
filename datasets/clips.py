"""The clips file: which sound files there are, who speaks in them, and where the speech begins and ends."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from channel import RATE_HZ, FloatArray

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Clip:
    """One row of the clips file: the part of a sound file that is speech (or noise)."""

    path: Path
    source: str
    group: str
    start: int
    stop: int

    @property
    def length_s(self) -> float:
        """How long the speech is."""
        return (self.stop - self.start) / RATE_HZ


class Clips:
    """The clips of one split, by kind and speaker."""

    def __init__(self, path: Path, split: str) -> None:
        self._by_kind: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["split"] != split:
                    continue
                start_s, end_s = row["speech_start_s"] or 0.0, row["speech_end_s"] or row["duration_s"]
                start, stop = round(float(start_s) * RATE_HZ), round(float(end_s) * RATE_HZ)
                clip = Clip(path.parent / row["path"], row["source"], row["group"], start, stop)
                self._by_kind[f"{row['label']} {row['kind']}"][row["group"]].append(clip)

    def of(self, kind: str, group: str, least_s: float, most_s: float) -> list[Clip]:
        """Return the clips of one speaker, of a kind and length."""
        clips = self._by_kind[kind].get(group, [])
        return [clip for clip in clips if least_s <= clip.length_s <= most_s]

    def speaker(
        self,
        kind: str,
        rng: np.random.Generator,
        *,
        least_s: float = 0.0,
        most_s: float = np.inf,
        count: int = 1,
    ) -> list[Clip]:
        """Draw a speaker, each as likely, who has `count` clips of a length; return those, shuffled."""
        every = (self.of(kind, group, least_s, most_s) for group in self._by_kind[kind])
        fitting = [clips for clips in every if len(clips) >= count]
        kept = fitting[int(rng.integers(len(fitting)))]
        return [kept[int(index)] for index in rng.permutation(len(kept))]


def read(clip: Clip) -> FloatArray:
    """Read a clip."""
    return np.asarray(soundfile.read(clip.path, start=clip.start, stop=clip.stop, dtype="float64")[0])

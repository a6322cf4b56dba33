"""What one speaker says in a call: whole clips, and phrases cut from them, all of one voice and one colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from activity import longest_gap_s, phrases
from clips import Clip, Clips, ClipsError, read
from levels import RATE_HZ, FloatArray, equalise
from scipy import signal
from timeline import trim

T = TypeVar("T")
GAP_MAX_S: Final = 0.95  # a person who is silent longer waits; so no clip of either label has a longer gap in it
CUT_GAP_S: Final = 0.12
CUT_FROM_S: Final = 12.0  # longer clips are many phrases; reading them takes its time
TRIES: Final = 40
COLOURS: Final = 6
TEMPO_STEPS: Final = 50  # a tempo is a ratio of small whole numbers, for the resampler


@dataclass(frozen=True)
class Utterance:
    """What is said at once: it begins and ends with speech."""

    clip: Clip
    samples: FloatArray

    @property
    def length_s(self) -> float:
        """How long it lasts."""
        return self.samples.size / RATE_HZ


class Voices:
    """Draws what is said, for one call."""

    def __init__(self, clips: Clips, gains_db: list[float], tempo: float, rng: np.random.Generator) -> None:
        self.clips = clips
        self._tempo = round(TEMPO_STEPS * tempo)
        self._rng = rng
        # one curve for the call: a speaker who changes colour at every join would sound like a machine
        self._freqs_hz = np.geomspace(150.0, 4000.0, COLOURS).tolist()
        self._gains_db = gains_db

    def read(self, clip: Clip) -> Utterance:
        """Read a clip, in the tempo and the colour of this call, cut to its speech."""
        samples = read(clip)
        if self._tempo != TEMPO_STEPS:
            samples = signal.resample_poly(samples, TEMPO_STEPS, self._tempo)
        return Utterance(clip, trim(equalise(samples, self._freqs_hz, self._gains_db)))

    def _try(self, what: str, attempt: Callable[[], T | None]) -> T:
        for _ in range(TRIES):
            found = attempt()
            if found is not None:
                return found
        raise ClipsError(f"split {self.clips.split!r}: {TRIES} draws gave no {what}")

    def whole(self, kind: str, least_s: float, most_s: float) -> Utterance:
        """Draw a clip of a length, without a long gap in it."""

        def attempt() -> Utterance | None:
            clip = self.clips.speaker(kind, self._rng, least_s=least_s, most_s=most_s)[0]
            said = self.read(clip)
            fits = least_s <= said.length_s <= most_s and longest_gap_s(said.samples) <= GAP_MAX_S
            return said if fits else None

        return self._try(f"{kind!r} clip of {least_s:.1f} to {most_s:.1f} s without a gap", attempt)

    def cut(self, kind: str, least_s: float, most_s: float) -> Utterance:
        """Draw a clip at least as long, and cut phrases of a length out of it (or all of it, if that fits)."""

        def attempt() -> Utterance | None:
            clip = self.clips.speaker(kind, self._rng, least_s=least_s, most_s=CUT_FROM_S)[0]
            return self.part(self.read(clip), least_s, most_s)

        return self._try(f"phrase of {least_s:.1f} to {most_s:.1f} s in a {kind!r} clip", attempt)

    def part(self, said: Utterance, least_s: float, most_s: float) -> Utterance | None:
        """Draw some phrases on end out of what was said; None if none are of that length."""
        spans = phrases(said.samples, CUT_GAP_S)
        fitting = []
        for first, (start, last_end) in enumerate(spans):
            for _, end in spans[first:]:
                if end - start > most_s * RATE_HZ or (end != last_end and self._gap_before(spans, end)):
                    break
                if end - start >= least_s * RATE_HZ:
                    fitting.append((start, end))
        if not fitting:
            return None
        start, end = fitting[int(self._rng.integers(len(fitting)))]
        return Utterance(said.clip, trim(said.samples[start:end]))

    @staticmethod
    def _gap_before(spans: list[tuple[int, int]], end: int) -> bool:
        """Say whether a long gap lies before the phrase that ends at `end`."""
        index = next(index for index, span in enumerate(spans) if span[1] == end)
        return spans[index][0] - spans[index - 1][1] > GAP_MAX_S * RATE_HZ

    def sentences(self, kind: str, length_s: float, *, longest_s: float = 6.0, least: int = 2) -> list[Utterance]:
        """Draw different clips of one speaker until they last `length_s`, `least` of them or more."""

        def attempt() -> list[Utterance] | None:
            said: list[Utterance] = []
            for clip in self.clips.speaker(
                kind, self._rng, least_s=0.8, most_s=longest_s, total_s=length_s, count=least
            ):
                heard = self.read(clip)
                if longest_gap_s(heard.samples) <= GAP_MAX_S:
                    said.append(heard)
                if len(said) >= least and sum(one.length_s for one in said) >= length_s:
                    return said
            return None

        return self._try(f"speaker with {length_s:.1f} s of {kind!r} clips", attempt)

    def pieces(self, kind: str, count: int, least_s: float, most_s: float) -> list[Utterance]:
        """Draw a speaker, and cut phrases of a length out of `count` of the clips."""

        def attempt() -> list[Utterance] | None:
            said: list[Utterance] = []
            for clip in self.clips.speaker(kind, self._rng, least_s=least_s, most_s=CUT_FROM_S, count=count)[
                : 3 * count
            ]:
                piece = self.part(self.read(clip), least_s, most_s)
                if piece:
                    said.append(piece)
                if len(said) == count:
                    return said
            return None

        return self._try(f"{count} phrases of {least_s:.1f} to {most_s:.1f} s in {kind!r} clips", attempt)

    def word_of(self, group: str, kinds: tuple[str, ...]) -> Utterance | None:
        """Draw a word of a speaker, where there is one."""
        words = [clip for kind in kinds for clip in self.clips.of(kind, group, 0.25, 0.9)]
        return self.read(words[int(self._rng.integers(len(words)))]) if words else None

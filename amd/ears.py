"""What is worked out for many calls at once: frames, their facts, speech and the verdict's network, tick by tick.

A call is in the slot that it was given, each at its own place; what is made of it does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from amd.answer import AnswerTracker
from amd.audio import Samples
from amd.framing import Framer, Slots
from amd.networks import Network
from amd.spectrum import Floats, FrameFacts, SpectrumAnalyser
from amd.speech import Activity, Judged, SpeechTracker, facts_of

TONAL: Final = ("tone_db", "noise_db", "peak_hz", "second_hz", "peak_share", "pair_share", "clarity")
"""What `amd.tones` is given of a frame, after its level."""


class Frame(NamedTuple):
    """A frame of one call: its level and `TONAL`; the tick's frames and the network's log-odds with its last one."""

    index: int
    tonal: tuple[float, ...]
    activities: tuple[Activity, ...]
    voice_log_odds: float


class Batch:
    """What was made of the frames of some calls."""

    def __init__(
        self, index: Slots, n_frames: Slots, facts: FrameFacts, ticks: Judged, voice_log_odds: Floats
    ) -> None:
        self._index = index.tolist()
        self._firsts = np.concatenate([[0], np.cumsum(n_frames)]).tolist()
        columns = (facts.level_db, *(getattr(facts.tonal, name) for name in TONAL))
        self._tonal = list(zip(*(column.tolist() for column in columns), strict=True))
        self._ticks = ticks
        self._tick_of = {row: tick for tick, row in enumerate(ticks.rows.tolist())}
        self._voice_log_odds = voice_log_odds.tolist()

    def of(self, call: int) -> Iterator[Frame]:
        """Frames of one of the calls that were fed, by its place among them."""
        for row in range(self._firsts[call], self._firsts[call + 1]):
            tick = self._tick_of.get(row)
            if tick is None:
                yield Frame(self._index[row], self._tonal[row], (), 0.0)
            else:
                activities, log_odds = self._ticks.activities(tick), self._voice_log_odds[tick]
                yield Frame(self._index[row], self._tonal[row], activities, log_odds)


class Ears:
    """Ears for some calls; ``network`` says how much they sound like a recording."""

    def __init__(self, network: Network, n_calls: int) -> None:
        self.framer = Framer(n_calls)
        self._spectrum = SpectrumAnalyser(n_calls)
        self._speech = SpeechTracker(n_calls)
        self._answer = AnswerTracker(network, n_calls)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins in its slot."""
        self.framer.clear(slot)
        self._spectrum.clear(slot)
        self._speech.clear(slot)
        self._answer.clear(slot)

    def feed(self, samples: Samples, slots: Slots, sizes: Slots) -> Batch:
        """Take the next samples of some calls, one call's after the other's.

        Parameters
        ----------
        samples : ndarray of float32
        slots, sizes : ndarray of int, shape (n_calls,)
            The calls, each once, and how many samples each has.
        """
        before = self.framer.n_frames_of[slots]
        frames, row_slots, index = self.framer.cut(samples, slots, sizes)
        facts = self._spectrum.feed(frames, row_slots)
        ticks = self._speech.feed(facts_of(facts), row_slots)
        return Batch(index, self.framer.n_frames_of[slots] - before, facts, ticks, self._answer.feed(ticks))

    def finish(self, slot: int) -> tuple[tuple[Activity, ...], float]:
        """Judge what was heard of a call's last tick: its frames, and the network's log-odds."""
        ticks, n_frames = self._speech.end(slot)
        if n_frames == 0:
            return (), 0.0
        return ticks.activities(0, n_frames), float(self._answer.feed(ticks)[0])

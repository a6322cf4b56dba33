"""What is worked out for many calls at once: frames, their facts, speech and the verdict's network, tick by tick.

A call is in the slot that it was given, each at its own place; what is made of it does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from amd.answer import AnswerTracker
from amd.audio import Samples
from amd.callprogress import LASTING
from amd.framing import Framer, Slots
from amd.networks import Network
from amd.spectrum import Floats, SpectrumAnalyser
from amd.speech import Activity, Judged, SpeechTracker, facts_of
from amd.tones import Followed, Sounding, Tone, ToneTracker, frames_of


class Frame(NamedTuple):
    """What was made of a frame of one call.

    Parameters
    ----------
    index : int
    level_db : float
    still, pending : bool
        Whether it belongs to a tone that stands still, or may.
    begun, off : int
        First sample, and last one so far, of what may be a tone; -1 where there is none.
    ended : Tone or None
        The tone that was found to have ended.
    lasting : Sounding or None
        The tone that sounds, where it lasts.
    activities : tuple of Activity
        The frames of a tick, with its last one.
    voice_log_odds : float
        What the verdict's network says of that tick.
    """

    index: int
    level_db: float
    still: bool
    pending: bool
    begun: int
    off: int
    ended: Tone | None
    lasting: Sounding | None
    activities: tuple[Activity, ...]
    voice_log_odds: float


class Batch:
    """What was made of the frames of some calls."""

    def __init__(
        self,
        index: Slots,
        n_frames: Slots,
        level_db: Floats,
        followed: Followed,
        ticks: Judged,
        voice_log_odds: Floats,
    ) -> None:
        self._firsts = np.concatenate([[0], np.cumsum(n_frames)]).tolist()
        self._columns = [column.tolist() for column in (index, level_db, *followed[:4])]
        self._followed = followed
        self._ticks = ticks
        self._tick_of = {row: tick for tick, row in enumerate(ticks.rows.tolist())}
        self._voice_log_odds = voice_log_odds.tolist()

    def of(self, call: int) -> Iterator[Frame]:
        """Frames of one of the calls that were fed, by its place among them."""
        for row in range(self._firsts[call], self._firsts[call + 1]):
            tick = self._tick_of.get(row)
            yield Frame(
                *(column[row] for column in self._columns),
                self._followed.ended.get(row),
                self._followed.lasting.get(row),
                () if tick is None else self._ticks.activities(tick),
                0.0 if tick is None else self._voice_log_odds[tick],
            )


class Ears:
    """Ears for some calls; ``network`` says how much they sound like a recording."""

    def __init__(self, network: Network, n_calls: int) -> None:
        self.framer = Framer(n_calls)
        self._spectrum = SpectrumAnalyser(n_calls)
        self._tones = ToneTracker(n_calls, LASTING)
        self._speech = SpeechTracker(n_calls)
        self._answer = AnswerTracker(network, n_calls)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins in its slot."""
        self.framer.clear(slot)
        self._spectrum.clear(slot)
        self._tones.clear(slot)
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
        followed = self._tones.feed(frames_of(facts, index), row_slots)
        ticks = self._speech.feed(facts_of(facts), row_slots)
        n_frames = self.framer.n_frames_of[slots] - before
        return Batch(index, n_frames, facts.level_db, followed, ticks, self._answer.feed(ticks))

    def finish_tone(self, slot: int) -> Tone | None:
        """End the tone of a call that is over."""
        return self._tones.finish(int(self.framer.n_frames_of[slot]), slot)

    def finish_tick(self, slot: int) -> tuple[tuple[Activity, ...], float]:
        """Judge what was heard of a call's last tick: its frames, and the network's log-odds."""
        ticks, n_frames = self._speech.end(slot)
        if n_frames == 0:
            return (), 0.0
        return ticks.activities(0, n_frames), float(self._answer.feed(ticks)[0])

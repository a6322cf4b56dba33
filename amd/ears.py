"""What is worked out for many calls at once: frames, their facts, speech and the verdict's network, tick by tick.

A call is in the slot that it was given, each at its own place; what is made of it does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from amd.answer import AnswerTracker
from amd.audio import Samples
from amd.cadence import Run, run_of
from amd.callprogress import LASTING, are_generated
from amd.compiled import exact
from amd.framing import Framer, Slots
from amd.judging import Judge, Places, Told
from amd.networks import Network
from amd.runs import N_FACTS as N_TONAL
from amd.runs import Doubles
from amd.spectrum import LEVEL, NOISE, TONE, Floats, SpectrumAnalyser
from amd.speech import N_FACTS, N_MEL, N_PLAIN, TICK_FRAMES, Activity, Flags, Judged, SpeechTracker
from amd.tones import Followed, Sounding, Tone, ToneTracker


class Tick(NamedTuple):
    """What was made of a tick of one call; the frames themselves only where they are asked for.

    Parameters
    ----------
    started, ended : Run or None
        The run of speech that was found to have started, and ended.
    started_frame, started_tone_off, started_tone_frame : int
        A frame about when it started; where the last tone had ended by then, and the frame that told so.
    last_off : int
        Where the last speech so far ended.
    evidence : ndarray of float32, shape (len(amd.evidence.NAMES),)
    activities : tuple of Activity
        Its frames.
    """

    started: Run | None
    ended: Run | None
    started_frame: int
    started_tone_off: int
    started_tone_frame: int
    last_off: int
    evidence: Samples
    activities: tuple[Activity, ...]


class Frame(NamedTuple):
    """What was made of a frame of one call.

    Parameters
    ----------
    at : int
        Its index in the call.
    level_db : float
    still, pending : bool
        Whether it belongs to a tone that stands still, or may.
    begun : int
        First sample of what may be a tone; -1 where there is none.
    spoken : bool
        Whether anyone had spoken by then.
    tone_off, tone_frame : int
        Where the last tone had ended by then, or had sounded to; and the frame that told so.
    ended : Tone or None
        The tone that was found to have ended.
    lasting : Sounding or None
        The tone that sounds, where it lasts.
    tick : Tick or None
        With the last frame of one.
    """

    at: int
    level_db: float
    still: bool
    pending: bool
    begun: int
    spoken: bool
    tone_off: int
    tone_frame: int
    ended: Tone | None
    lasting: Sounding | None
    tick: Tick | None


class Batch:
    """What was made of the frames of some calls.

    Parameters
    ----------
    slots, index : ndarray of int, shape (n_frames,)
        Whose frame each is, and which of that call.
    firsts : ndarray of int, shape (n_calls + 1,)
        Where the frames of each call begin, and where the last ones end.
    level_db : ndarray of float32, shape (n_frames,)
    followed : Followed
    generated : ndarray of int64, shape (n_frames, 2)
        The tone that ended with a frame and is no voice, else -1.
    ticks : Judged
    told : Told
    """

    def __init__(
        self,
        slots: Slots,
        index: Slots,
        firsts: Slots,
        level_db: Floats,
        followed: Followed,
        generated: Places,
        ticks: Judged,
        told: Told,
    ) -> None:
        self.slots = slots
        self.index = index
        self.ticks = ticks
        self.told = told
        self.generated = generated
        self.followed = followed
        self.firsts = firsts
        self._columns = (index, level_db, followed.still, followed.pending, followed.begun, *told[:3])
        self._tick_of = {row: tick for tick, row in enumerate(ticks.rows.tolist())}

    def of(self, call: int) -> Iterator[Frame]:
        """Frames of one of the calls that were fed, by its place among them."""
        first, end = self.firsts[call : call + 2].tolist()
        rows = zip(*(column[first:end].tolist() for column in self._columns), strict=True)
        for row, facts in enumerate(rows, first):
            tick = self._tick_of.get(row)
            yield self._frame(row, facts, None if tick is None else _tick(self.told, self.ticks, tick))

    def some(self, rows: Sequence[int]) -> Iterator[Frame]:
        """Some frames, without the activities of their ticks."""
        columns = [column[rows].tolist() for column in self._columns]
        for row, *facts in zip(rows, *columns, strict=True):
            tick = self._tick_of.get(row)
            yield self._frame(row, facts, None if tick is None else _tick(self.told, None, tick))

    def _frame(self, row: int, facts: Iterable[Any], tick: Tick | None) -> Frame:
        return Frame._make((*facts, self.followed.ended.of(row), self.followed.lasting.get(row), tick))


def _tick(told: Told, ticks: Judged | None, at: int, n_frames: int = TICK_FRAMES) -> Tick:
    on, off, frame, tone_off, tone_frame = told.started[at].tolist()
    return Tick(
        started=run_of(on, off),
        ended=run_of(*told.ended[at].tolist()),
        started_frame=frame,
        started_tone_off=tone_off,
        started_tone_frame=tone_frame,
        last_off=int(told.last_off[at]),
        evidence=told.evidence[at],
        activities=() if ticks is None else ticks.activities(at, n_frames),
    )


@exact
def _tell(
    levels_db: Floats,
    plain: Floats,
    above_noise: Floats,
    voiced: Floats,
    index: Slots,
    heard: Floats,
    tonal: Doubles,
) -> None:
    """Tell of each frame what speech is judged by, as `amd.speech.facts_of`, and what `amd.runs.Frame` has."""
    for row in range(index.size):
        heard[row, 0], heard[row, 1], heard[row, 2] = levels_db[row, LEVEL], voiced[row, 0], voiced[row, 1]
        heard[row, 3], heard[row, 4], heard[row, 5] = plain[row, 2], plain[row, 3], plain[row, 4]
        for band in range(N_MEL):
            heard[row, N_PLAIN + band] = levels_db[row, band]
        peak = np.float64(above_noise[row, 2])
        tonal[row, 0], tonal[row, 1], tonal[row, 2] = index[row], levels_db[row, LEVEL], levels_db[row, TONE]
        tonal[row, 3], tonal[row, 4], tonal[row, 5] = above_noise[row, 4], above_noise[row, 0], above_noise[row, 1]
        tonal[row, 6] = (np.float64(above_noise[row, 3]) - peak) / max(peak, 1e-6)
        tonal[row, 7] = levels_db[row, NOISE]


class Ears:
    """Ears for some calls; ``network`` says how much they sound like a recording."""

    def __init__(self, network: Network, n_calls: int) -> None:
        self.framer = Framer(n_calls)
        self._spectrum = SpectrumAnalyser(n_calls)
        self._tones = ToneTracker(n_calls, LASTING)
        self._speech = SpeechTracker(n_calls)
        self._answer = AnswerTracker(network, n_calls)
        self.judge = Judge(n_calls)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins in its slot."""
        self.framer.clear(slot)
        self._spectrum.clear(slot)
        self._tones.clear(slot)
        self._speech.clear(slot)
        self._answer.clear(slot)
        self.judge.clear(slot)

    def feed(self, samples: Samples, slots: Slots, sizes: Slots, asks: Flags | None = None) -> Batch:
        """Take the next samples of some calls, one call's after the other's.

        Parameters
        ----------
        samples : ndarray of float32
        slots, sizes : ndarray of int, shape (n_calls,)
            The calls, each once, and how many samples each has.
        asks : ndarray of bool, optional
            Of every call, whether the verdict's network is asked any more; all are unless given.
        """
        before = self.framer.n_frames_of[slots]
        frames, row_slots, index = self.framer.cut(samples, slots, sizes)
        table = self._spectrum.analyse(frames, row_slots)
        heard, tonal = np.empty((index.size, N_FACTS), dtype=np.float32), np.empty((index.size, N_TONAL))
        _tell(*table, index, heard, tonal)
        followed = self._tones.feed(tonal, row_slots)
        generated = np.full((row_slots.size, 2), -1, dtype=np.int64)
        ended = followed.ended
        if ended.rows.size:
            is_tone = are_generated(ended)
            generated[ended.rows[is_tone]] = ended.values[is_tone, :2]
        ticks = self._speech.feed(heard, row_slots)
        sounding_off = np.where(followed.still, followed.off, -1)
        log_odds = self._answer.feed(ticks, asks)
        told = self.judge.feed(row_slots, followed.pending, sounding_off, generated, ticks, log_odds)
        firsts = np.concatenate([[0], np.cumsum(self.framer.n_frames_of[slots] - before)])
        return Batch(row_slots, index, firsts, table.levels_db[:, LEVEL], followed, generated, ticks, told)

    def finish_tone(self, slot: int) -> Tone | None:
        """End the tone of a call that is over."""
        return self._tones.finish(int(self.framer.n_frames_of[slot]), slot)

    def finish_tick(self, slot: int) -> Tick | None:
        """Judge what was heard of a call's last tick, if there was one."""
        ticks, n_frames = self._speech.end(slot)
        if n_frames == 0:
            return None
        return _tick(self.judge.end(slot, ticks, n_frames, self._answer.feed(ticks)), ticks, 0, n_frames)

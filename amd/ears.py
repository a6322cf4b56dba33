"""What is worked out for many calls at once: frames, their facts, speech and the verdict's network, tick by tick.

A call is in the slot that it was given, each at its own place; what is made of it does not depend on the others.
Nearly all is done by three compiled functions for all frames at once; numpy's logarithm and tangent lie between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from amd.answer import AnswerTracker
from amd.audio import Samples
from amd.cadence import Run, run_of
from amd.callprogress import LASTING, are_generated
from amd.compiled import exact
from amd.framing import FRAME_SAMPLES, Framer, Slots, Streams, cut, most_frames
from amd.gate import Gate, look
from amd.judging import (
    RUN_ENDED,
    RUN_STARTED,
    SPEECH_OFF,
    STARTED_FRAME,
    STARTED_TONE_OFF,
    Judge,
    Memory,
    Places,
    Told,
    follow,
    nothing_told,
    room_for,
)
from amd.networks import Network
from amd.rows import BEGUN, INDEX, LAST_FRAME, LAST_OFF, LOOKS, N_PAIRS, SLOT, TONE_OFF, TONE_ON, Flags, rows_of
from amd.rows import ENDED as ENDED_ROW
from amd.runs import N_FACTS as N_TONAL
from amd.runs import Doubles, Runs
from amd.spectrum import (
    LEVEL,
    NOISE,
    TONE,
    Floats,
    SpectrumAnalyser,
    Table,
    analyse_few,
    cosines,
    in_decibels,
    table_of,
)
from amd.speech import (
    N_FACTS,
    N_MEL,
    N_PLAIN,
    TICK_FRAMES,
    Activity,
    Records,
    SpeechTracker,
    Ticks,
    gather,
    no_ticks,
    refer,
    ticks_of,
)
from amd.tones import Ended, Sounding, Tone, ToneTracker, room_for_tones, soundings
from amd.tones import follow as follow_tones
from amd.whitening import Noises

FEW_CALLS: Final = 2
"""So many calls are heard by loops alone: libraries take longer to be called than the loops take."""


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
    n_frames : int
    places, flags : ndarray
        As `amd.rows` has them.
    levels_db : ndarray of float32, shape (n_frames, N_LEVELS)
    ended : Ended or None
        The tones that ended, if any did.
    lasting : dict of int to Sounding
        Tones that sound, where they last, by the frame.
    ticks : Ticks
    told : Told
    n_looks : int
        How many frames have to be looked at.
    """

    def __init__(
        self,
        n_frames: int,
        places: Slots,
        flags: Flags,
        levels_db: Floats,
        ended: Ended | None,
        lasting: dict[int, Sounding],
        ticks: Ticks,
        told: Told,
        n_looks: int,
    ) -> None:
        self.n_frames = n_frames
        self.n_looks = n_looks
        self.places = places
        self._flags = flags
        self._levels_db = levels_db
        self.ended = ended
        self._lasting = lasting
        self._ticks = ticks
        self._told = told

    @cached_property
    def _tick_of(self) -> dict[int, int]:
        return {row: tick for tick, row in enumerate(self._ticks.rows.tolist())}

    def looks(self) -> list[int]:
        """Frames that have to be looked at, in order; with one of a call, all of it that come after."""
        found: list[int] = []
        if not self.n_looks:
            return found
        slots, looked = self.places[SLOT, : self.n_frames].tolist(), -1
        looks = self._flags[LOOKS, : self.n_frames].tolist()
        for row, (slot, is_due) in enumerate(zip(slots, looks, strict=True)):
            if is_due or slot == looked:
                looked = slot
                found.append(row)
        return found

    def all(self) -> Iterator[Frame]:
        """All frames, with the activities of their ticks."""
        return self._frames(range(self.n_frames), self._ticks)

    def some(self, rows: Sequence[int]) -> Iterator[Frame]:
        """Some frames, without the activities of their ticks."""
        return self._frames(rows, None)

    def _frames(self, rows: Sequence[int], ticks: Ticks | None) -> Iterator[Frame]:
        tick_of, at = self._tick_of, list(rows)
        columns = zip(*self.places[[INDEX, BEGUN, LAST_OFF, LAST_FRAME]][:, at].tolist(), strict=True)
        facts = zip(*self._flags[:3, at].tolist(), self._levels_db[at, LEVEL].tolist(), strict=True)
        for row, (index, begun, off, frame), said in zip(at, columns, facts, strict=True):
            tick = tick_of.get(row)
            still, pending, spoken, level_db = said
            yield Frame(
                at=index,
                level_db=level_db,
                still=still,
                pending=pending,
                begun=begun,
                spoken=spoken,
                tone_off=off,
                tone_frame=frame,
                ended=None if self.ended is None else self.ended.of(row),
                lasting=self._lasting.get(row),
                tick=None if tick is None else _tick(self._told, ticks, tick),
            )


def _tick(told: Told, ticks: Ticks | None, at: int, n_frames: int = TICK_FRAMES) -> Tick:
    places = told.places[at].tolist()
    return Tick(
        started=run_of(*places[RUN_STARTED:STARTED_FRAME]),
        ended=run_of(*places[RUN_ENDED:SPEECH_OFF]),
        started_frame=places[STARTED_FRAME],
        started_tone_off=places[STARTED_TONE_OFF],
        started_tone_frame=places[STARTED_TONE_OFF + 1],
        last_off=places[SPEECH_OFF],
        evidence=told.evidence[at],
        activities=() if ticks is None else ticks.activities(at, n_frames),
    )


class Ears:
    """Ears for some calls; ``network`` says how much they sound like a recording.

    Parameters
    ----------
    network : Network
    n_calls : int
    gate : Gate, optional
        Says which frames have to be looked at; without one, none is said to.
    """

    def __init__(self, network: Network, n_calls: int, gate: Gate | None = None) -> None:
        self.framer = Framer(n_calls)
        self._spectrum = SpectrumAnalyser(n_calls)
        self._tones = ToneTracker(n_calls, LASTING)
        self._speech = SpeechTracker(n_calls)
        self._answer = AnswerTracker(network, n_calls)
        self._gate = gate
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
        places, flags = rows_of(most_frames(samples.size, slots.size))
        n, n_ticks, table = self._analyse(samples, slots, sizes, places)
        ticks = ticks_of(n_ticks) if n_ticks else no_ticks()
        ended, lasting, sounding = self._follow(n, table, places, flags, ticks)
        log_odds = _NONE
        if n_ticks:
            self._speech.judge(ticks)
            log_odds = self._answer.feed(ticks, asks)
        told = room_for(n_ticks) if n_ticks else nothing_told()
        n_looks = self._judge(n, places, flags, ticks, log_odds, told, len(lasting), sounding)
        if ended is not None and self._gate is not None:
            self._gate.look_at_tones(ended, places, flags)
            n_looks = int(np.count_nonzero(flags[LOOKS, :n]))
        return Batch(n, places, flags, table.levels_db, ended, lasting, ticks, told, n_looks)

    def _analyse(self, samples: Samples, slots: Slots, sizes: Slots, places: Slots) -> tuple[int, int, Table]:
        """Cut frames; return how many there are, how many ticks end with them, and their facts."""
        streams, waiting = self.framer.streams, self._speech.ticks
        frames: Samples = np.empty((places.shape[1], FRAME_SAMPLES), dtype=np.float32)
        if slots.size > FEW_CALLS:
            n = cut(samples, slots, sizes, streams, frames, places[SLOT], places[INDEX])
            n_ticks = count_ticks(n, places, waiting)
            return n, n_ticks, self._spectrum.analyse(frames[:n], places[SLOT, :n])
        table, matrix = table_of(places.shape[1]), cosines()
        state = streams, waiting, self._spectrum.recent, self._spectrum.noises
        n, n_ticks = analyse_calls(
            samples, slots, sizes, *state, matrix.whole, matrix.rest, frames, places, *table
        )
        in_decibels(table.levels_db[:n])
        return n, n_ticks, table

    def _follow(
        self, n: int, table: Table, places: Slots, flags: Flags, ticks: Ticks
    ) -> tuple[Ended | None, dict[int, Sounding], Doubles]:
        """Follow tones, and gather and refer ticks."""
        found = room_for_tones(n)
        waiting, references = self._speech.ticks, self._speech.references.calls
        runs, past, scratch, lasting_s = self._tones.state
        n_ended, n_lasting = follow_frames(
            n,
            *table,
            places,
            flags,
            runs,
            past,
            scratch,
            lasting_s,
            *found,
            waiting,
            references,
            ticks.slots,
            ticks.rows,
            ticks.turns,
            ticks.facts,
            ticks.inputs,
            ticks.levels_db,
            ticks.loud,
        )
        ended = None
        if n_ended:
            ended = Ended(places[ENDED_ROW, :n_ended], found.values[:n_ended], found.pairs_hz, places[N_PAIRS])
            is_tone = are_generated(ended)
            places[TONE_ON : TONE_OFF + 1, ended.rows[is_tone]] = ended.values[is_tone, :2].T
        lasting = soundings(places, n_lasting, found.sounding) if n_lasting else {}
        return ended, lasting, found.sounding

    def _judge(
        self,
        n: int,
        places: Slots,
        flags: Flags,
        ticks: Ticks,
        log_odds: Floats,
        told: Told,
        n_lasting: int,
        sounding: Doubles,
    ) -> int:
        """Judge what was said, and return how many frames have to be looked at."""
        gate = self._gate
        calls, curves = (_NOWHERE, _NOWHERE) if gate is None else (gate.calls, gate.curves)
        heard = ticks.rows, ticks.active, ticks.voiced, ticks.levels_db
        found: int = judge_frames(
            n, places, flags, self.judge.memory, *heard, log_odds, *told, calls, n_lasting, sounding, curves
        )
        return found

    def finish_tone(self, slot: int) -> Tone | None:
        """End the tone of a call that is over."""
        return self._tones.finish(int(self.framer.n_frames_of[slot]), slot)

    def finish_tick(self, slot: int) -> Tick | None:
        """Judge what was heard of a call's last tick, if there was one."""
        ticks, n_frames = self._speech.end(slot)
        if n_frames == 0:
            return None
        return _tick(self.judge.end(slot, ticks, n_frames, self._answer.feed(ticks)), ticks, 0, n_frames)


_NONE: Final[Floats] = np.zeros(0, dtype=np.float32)
_NOWHERE: Final[Doubles] = np.zeros((0, 2))


@exact
def count_ticks(n_frames: int, places: Slots, waiting: Records) -> int:
    """How many ticks end with the next frames of some calls."""
    n_ticks, n_since, last = 0, 0, -1
    for row in range(n_frames):
        slot = places[SLOT, row]
        n_since = n_since + 1 if slot == last else waiting[slot].n_frames + 1
        last = slot
        if n_since == TICK_FRAMES:
            n_ticks += 1
            n_since = 0
    return n_ticks


@exact
def analyse_calls(
    samples: Samples,
    slots: Slots,
    sizes: Slots,
    streams: Streams,
    waiting: Records,
    recent: Floats,
    noises: Noises,
    lags: Floats,
    last_lags: Floats,
    frames: Samples,
    places: Slots,
    levels: Floats,
    plain: Floats,
    tonal: Floats,
    voiced: Floats,
) -> tuple[int, int]:
    """Cut the next frames of a few calls and work out their facts; return how many, and how many ticks end."""
    n = cut(samples, slots, sizes, streams, frames, places[SLOT], places[INDEX])
    facts = levels[:n], plain[:n], tonal[:n], voiced[:n]
    analyse_few(frames[:n], places[SLOT, :n], recent, noises, lags, last_lags, *facts)
    return n, count_ticks(n, places, waiting)


@exact
def follow_frames(
    n: int,
    levels_db: Floats,
    plain: Floats,
    above_noise: Floats,
    voiced: Floats,
    places: Slots,
    flags: Flags,
    runs: Runs,
    past: Runs,
    scratch: Runs,
    lasting: Doubles,
    values: Doubles,
    pairs_hz: Doubles,
    sounding: Doubles,
    waiting: Records,
    references: Records,
    tick_slots: Slots,
    tick_rows: Slots,
    turns: Slots,
    tick_facts: Floats,
    inputs: Floats,
    tick_levels_db: Floats,
    loud: Flags,
) -> tuple[int, int]:
    """Follow the tones of some frames, gather ticks and refer them; return how many tones ended, and last."""
    heard, tonal = np.empty((n, N_FACTS), dtype=np.float32), np.empty((n, N_TONAL))
    _tell(n, levels_db, plain, above_noise, voiced, places, heard, tonal)
    n_ended, n_lasting = follow_tones(
        tonal, places[SLOT], runs, past, scratch, lasting, flags, places, values, pairs_hz, sounding
    )
    gather(heard, places[SLOT], n, waiting, tick_facts, tick_slots, tick_rows, turns)
    refer(tick_facts, tick_slots, references, inputs, tick_levels_db, loud)
    return n_ended, n_lasting


@exact
def _tell(
    n: int,
    levels_db: Floats,
    plain: Floats,
    above_noise: Floats,
    voiced: Floats,
    places: Slots,
    heard: Floats,
    tonal: Doubles,
) -> None:
    """Tell of each frame what speech is judged by, as `amd.speech.facts_of`, and what `amd.runs.Frame` has."""
    for row in range(n):
        places[TONE_ON, row] = places[TONE_OFF, row] = -1
        heard[row, 0], heard[row, 1], heard[row, 2] = levels_db[row, LEVEL], voiced[row, 0], voiced[row, 1]
        heard[row, 3], heard[row, 4], heard[row, 5] = plain[row, 2], plain[row, 3], plain[row, 4]
        for band in range(N_MEL):
            heard[row, N_PLAIN + band] = levels_db[row, band]
        peak = np.float64(above_noise[row, 2])
        tonal[row, 0], tonal[row, 1], tonal[row, 2] = (
            places[INDEX, row],
            levels_db[row, LEVEL],
            levels_db[row, TONE],
        )
        tonal[row, 3], tonal[row, 4], tonal[row, 5] = above_noise[row, 4], above_noise[row, 0], above_noise[row, 1]
        tonal[row, 6] = (np.float64(above_noise[row, 3]) - peak) / max(peak, 1e-6)
        tonal[row, 7] = levels_db[row, NOISE]


@exact
def judge_frames(
    n: int,
    places: Slots,
    flags: Flags,
    memory: Memory,
    ticks_at: Slots,
    active: Flags,
    voiced: Flags,
    tick_levels_db: Floats,
    log_odds: Floats,
    told: Places,
    evidence: Samples,
    calls: Doubles,
    n_lasting: int,
    sounding: Doubles,
    curves: Doubles,
) -> int:
    """Take some frames into their calls' runs of speech; return how many have to be looked at."""
    follow(n, places, flags, memory, ticks_at, active, voiced, tick_levels_db[0], log_odds, told, evidence)
    if calls.shape[0] == 0:
        return 0
    return look(n, places, flags, calls, n_lasting, sounding, ticks_at, told, evidence, curves)

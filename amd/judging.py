"""Runs of speech and evidence of some calls, tick by tick: speech as it was judged, but where a tone sounded.

Only what few frames bring is left to be done call by call; which those are, is said here too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import Samples
from amd.cadence import RUN_OFF, RUN_ON, Cells, cells_of, clear, last_off, retract, spoken, step
from amd.compiled import exact
from amd.evidence import N_ACTIVE, N_SUMS, N_VOICED, NAMES, SNR_DB, TICK_FRAMES, VOICE, Doubles, fill
from amd.framing import HOP_SAMPLES, Slots, frame_end_sample
from amd.spectrum import Floats
from amd.speech import Flags, Judged

Places = npt.NDArray[np.int64]

TONE_OFFS_KEPT: Final = 48
"""A run of speech is known 32 frames after it began at most: its first voice, its lead, and a tick."""

_FIRST_END: Final = frame_end_sample(0)


class Told(NamedTuple):
    """What the frames of some calls brought; positions are samples, -1 where there is none.

    Parameters
    ----------
    spoken : ndarray of bool, shape (n_frames,)
        Whether anyone had spoken by then.
    tone_off, tone_frame : ndarray of int64, shape (n_frames,)
        Where the last tone had ended by then, or had sounded to, and the frame that told so.
    started : ndarray of int64, shape (n_ticks, 5)
        The run of speech that was found to have started; a frame about when it did, and ``tone_off`` and
        ``tone_frame`` of that frame.
    ended : ndarray of int64, shape (n_ticks, 2)
        The run that was found to have ended.
    last_off : ndarray of int64, shape (n_ticks,)
        Where the last speech so far ended.
    evidence : ndarray of float32, shape (n_ticks, len(amd.evidence.NAMES))
    """

    spoken: Flags
    tone_off: Places
    tone_frame: Places
    started: Places
    ended: Places
    last_off: Places
    evidence: Samples


class Memory(NamedTuple):
    """What is kept of some calls, a row a call."""

    cells: Cells
    sums: Doubles
    pending: Flags
    tone_on: Places
    n_waiting: Slots
    tone_offs: Places
    tone_frames: Places
    n_frames: Slots


class Judge:
    """Follow some calls: what is speech, and what is known of it."""

    def __init__(self, n_calls: int = 1) -> None:
        self.memory = Memory(
            cells=cells_of(n_calls),
            sums=np.zeros((n_calls, N_SUMS)),
            pending=np.zeros((n_calls, TICK_FRAMES), dtype=np.bool_),
            tone_on=np.zeros((n_calls, TICK_FRAMES), dtype=np.int64),
            n_waiting=np.zeros(n_calls, dtype=np.intp),
            tone_offs=np.zeros((n_calls, TONE_OFFS_KEPT), dtype=np.int64),
            tone_frames=np.full((n_calls, TONE_OFFS_KEPT), -1, dtype=np.int64),
            n_frames=np.zeros(n_calls, dtype=np.intp),
        )

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        clear(self.memory.cells[slot])
        for array in self.memory[1:]:
            array[slot] = 0
        self.memory.tone_frames[slot] = -1

    def feed(
        self,
        slots: Slots,
        pending: Flags,
        sounding_off: Places,
        generated: Places,
        ticks: Judged,
        log_odds: Floats,
    ) -> Told:
        """Take the next frames of some calls.

        Parameters
        ----------
        slots, pending, sounding_off : ndarray of shape (n_frames,)
            Whose they are; whether a tone may have begun; where one that stands still has got to, else -1.
        generated : ndarray of int64, shape (n_frames, 2)
            The tone that ended with a frame and is no voice, else -1.
        ticks, log_odds
            What the networks made of the ticks that end with them.
        """
        told = _room_for(slots.size, ticks.slots.size)
        _follow(self.memory, slots, pending, sounding_off, generated, *_of(ticks), log_odds, told)
        return told

    def end(self, slot: int, ticks: Judged, n_frames: int, log_odds: Floats) -> Told:
        """Take the first frames of a call's last tick."""
        told = _room_for(0, ticks.slots.size)
        for tick in range(ticks.slots.size):
            active, voiced, snr_db = (ticks.active[tick], ticks.voiced[tick], ticks.snr_db[tick])
            heard = active[:n_frames], voiced[:n_frames], snr_db[:n_frames]
            _tick(self.memory, slot, *heard, log_odds[tick], tick, told)
        return told

    def last_tone(self, slot: int) -> tuple[int, int]:
        """``tone_off`` and ``tone_frame`` of a call's last frame."""
        at = (self.memory.n_frames[slot] - 1) % TONE_OFFS_KEPT
        return int(self.memory.tone_offs[slot, at]), int(self.memory.tone_frames[slot, at])

    def evidence(self, slot: int, now: int) -> Samples:
        """Evidence of a call as of sample ``now``: float32 of shape ``(len(amd.evidence.NAMES),)``."""
        vector = np.empty(len(NAMES), dtype=np.float32)
        fill(now, self.memory.cells[slot], self.memory.sums[slot], vector)
        return vector


def _of(ticks: Judged) -> tuple[Slots, Flags, Flags, Floats]:
    return ticks.rows, ticks.active, ticks.voiced, ticks.snr_db


def _room_for(n_frames: int, n_ticks: int) -> Told:
    return Told(
        spoken=np.empty(n_frames, dtype=np.bool_),
        tone_off=np.empty(n_frames, dtype=np.int64),
        tone_frame=np.empty(n_frames, dtype=np.int64),
        started=np.empty((n_ticks, 5), dtype=np.int64),
        ended=np.empty((n_ticks, 2), dtype=np.int64),
        last_off=np.empty(n_ticks, dtype=np.int64),
        evidence=np.empty((n_ticks, len(NAMES)), dtype=np.float32),
    )


@exact
def _follow(
    memory: Memory,
    slots: Slots,
    pending: Flags,
    sounding_off: Places,
    generated: Places,
    rows: Slots,
    active: Flags,
    voiced: Flags,
    snr_db: Floats,
    log_odds: Floats,
    told: Told,
) -> None:
    n_ticks = 0
    for row in range(slots.size):
        slot = slots[row]
        waiting, n_frames = memory.n_waiting[slot], memory.n_frames[slot]
        memory.pending[slot, waiting] = pending[row]
        memory.tone_on[slot, waiting] = generated[row, 0]
        memory.n_waiting[slot] = waiting + 1
        sooner, now = (n_frames - 1) % TONE_OFFS_KEPT, n_frames % TONE_OFFS_KEPT
        off = sounding_off[row] if sounding_off[row] >= 0 else generated[row, 1]
        memory.tone_offs[slot, now] = off if off >= 0 else memory.tone_offs[slot, sooner]
        memory.tone_frames[slot, now] = n_frames if off >= 0 else memory.tone_frames[slot, sooner]
        told.tone_off[row] = memory.tone_offs[slot, now]
        told.tone_frame[row] = memory.tone_frames[slot, now]
        memory.n_frames[slot] = n_frames + 1
        if n_ticks < rows.size and rows[n_ticks] == row:
            of = active[n_ticks], voiced[n_ticks], snr_db[n_ticks]
            _tick(memory, slot, *of, log_odds[n_ticks], n_ticks, told)
            n_ticks += 1
        told.spoken[row] = spoken(memory.cells[slot])


@exact
def _tick(
    memory: Memory,
    slot: int,
    active: Flags,
    voiced: Flags,
    snr_db: Floats,
    log_odds: np.float32,
    tick: int,
    told: Told,
) -> None:
    """Judge the frames of a tick; a run that starts and is taken back within it was never known."""
    cells, sums = memory.cells[slot], memory.sums[slot]
    started, ended = told.started, told.ended
    n_heard, n = memory.n_frames[slot], active.size
    sums[VOICE] = log_odds
    started[tick] = ended[tick] = -1
    for at in range(n):
        index = n_heard - n + at
        on, off = -1, -1
        if memory.tone_on[slot, at] >= 0:
            on, off = retract(cells, index, memory.tone_on[slot, at])
        if active[at]:
            sums[N_ACTIVE] += 1
            sums[N_VOICED] += voiced[at]
            sums[SNR_DB] += snr_db[at]
        starts, ended_on, ended_off = step(cells, index, active[at], voiced[at], memory.pending[slot, at])
        if on < 0:
            on, off = ended_on, ended_off
        if on >= 0 and started[tick, 0] >= 0:
            started[tick] = -1
        elif on >= 0:
            ended[tick, 0], ended[tick, 1] = on, off
        if starts:
            started[tick, 0], started[tick, 1] = cells[RUN_ON], cells[RUN_OFF]
    memory.n_waiting[slot] = 0
    now = (n_heard - 1) * HOP_SAMPLES + _FIRST_END
    if started[tick, 0] >= 0:
        n_since = max(0, (now - started[tick, 0]) // HOP_SAMPLES)
        oldest = max(0, n_heard - TONE_OFFS_KEPT)
        frame = max(oldest, n_heard - 1 - n_since)
        started[tick, 2] = frame
        started[tick, 3] = memory.tone_offs[slot, frame % TONE_OFFS_KEPT]
        started[tick, 4] = memory.tone_frames[slot, frame % TONE_OFFS_KEPT]
    told.last_off[tick] = last_off(cells)
    fill(now, cells, sums, told.evidence[tick])

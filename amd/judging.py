"""Runs of speech and evidence of some calls, tick by tick: speech as it was judged, but where a tone sounded.

Only what few frames bring is left to be done call by call; which those are, is said here too.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import Samples
from amd.cadence import N_CELLS, RUN_OFF, RUN_ON, clear, last_off, retract, spoken, step
from amd.compiled import exact
from amd.evidence import N_ACTIVE, N_SUMS, N_VOICED, NAMES, SNR_DB, TICK_FRAMES, VOICE, fill
from amd.framing import HOP_SAMPLES, Slots, frame_end_sample
from amd.rows import LAST_FRAME, LAST_OFF, OFF, PENDING, SLOT, SPOKEN, STILL, TONE_OFF, TONE_ON
from amd.spectrum import Floats
from amd.speech import Flags, Ticks

Places = npt.NDArray[np.int64]

TONE_OFFS_KEPT: Final = 48
"""A run of speech is known 32 frames after it began at most: its first voice, its lead, and a tick."""

_FIRST_END: Final = frame_end_sample(0)


N_TOLD: Final = 8
RUN_STARTED, STARTED_OFF, STARTED_FRAME, STARTED_TONE_OFF, STARTED_TONE_FRAME = range(5)
RUN_ENDED, ENDED_OFF, SPEECH_OFF = range(5, N_TOLD)
"""What is told of a tick; positions are samples, -1 where there is none.

The run of speech that was found to have started; a frame about when it did, where the last tone had ended by that
frame, and the frame that told so; the run that was found to have ended; where the last speech so far ended.
"""

MEMORY: Final = np.dtype(
    [
        ("cells", np.int64, N_CELLS),
        ("sums", np.float64, N_SUMS),
        ("tone_on", np.int64, TICK_FRAMES),
        ("tone_offs", np.int64, TONE_OFFS_KEPT),
        ("tone_frames", np.int64, TONE_OFFS_KEPT),
        ("n_waiting", np.int64),
        ("n_frames", np.int64),
        ("pending", np.int8, TICK_FRAMES),
    ],
    align=True,
)
"""What is kept of a call: its cadence, sums for its evidence, frames of a tick so far, the last tones."""
Memory = npt.NDArray[np.void]


class Told(NamedTuple):
    """What ticks of some calls brought.

    Parameters
    ----------
    places : ndarray of int64, shape (n_ticks, N_TOLD)
    evidence : ndarray of float32, shape (n_ticks, len(amd.evidence.NAMES))
    """

    places: Places
    evidence: Samples


class Judge:
    """Follow some calls: what is speech, and what is known of it."""

    def __init__(self, n_calls: int = 1) -> None:
        self.memory: Memory = np.zeros(n_calls, dtype=MEMORY)
        clear(self.memory["cells"])
        self.memory["tone_frames"] = -1

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self.memory[slot] = np.zeros((), dtype=MEMORY)
        clear(self.memory["cells"][slot])
        self.memory["tone_frames"][slot] = -1

    def end(self, slot: int, ticks: Ticks, n_frames: int, log_odds: Floats) -> Told:
        """Take the first frames of a call's last tick."""
        told = room_for(ticks.slots.size)
        for tick in range(ticks.slots.size):
            active, voiced = ticks.active[tick, :n_frames], ticks.voiced[tick, :n_frames]
            heard = active, voiced, ticks.levels_db[0, tick, :n_frames], log_odds[tick]
            tell_tick(self.memory[slot : slot + 1], *heard, told.places[tick], told.evidence[tick])
        return told

    def last_tone(self, slot: int) -> tuple[int, int]:
        """Where the last tone had ended by a call's last frame, or had sounded to, and the frame that told so."""
        at = (self.memory["n_frames"][slot] - 1) % TONE_OFFS_KEPT
        return int(self.memory["tone_offs"][slot, at]), int(self.memory["tone_frames"][slot, at])

    def evidence(self, slot: int, now: int) -> Samples:
        """Evidence of a call as of sample ``now``: float32 of shape ``(len(amd.evidence.NAMES),)``."""
        vector = np.empty(len(NAMES), dtype=np.float32)
        fill(now, self.memory["cells"][slot], self.memory["sums"][slot], vector)
        return vector


@cache
def nothing_told() -> Told:
    """What is filled where no tick is complete."""
    return room_for(0)


def room_for(n_ticks: int) -> Told:
    """Set aside what is told of some ticks, to be filled."""
    return Told(np.empty((n_ticks, N_TOLD), dtype=np.int64), np.empty((n_ticks, len(NAMES)), dtype=np.float32))


@exact
def follow(
    n_frames: int,
    places: Slots,
    flags: Flags,
    memory: Memory,
    ticks_at: Slots,
    active: Flags,
    voiced: Flags,
    snr_db: Floats,
    log_odds: Floats,
    told: Places,
    evidence: Samples,
) -> None:
    """Take the next frames of some calls, and what the networks made of the ticks that end with them.

    Parameters
    ----------
    n_frames : int
    places, flags : ndarray
        As `amd.rows` has them; what is known once speech is judged is filled.
    memory : ndarray of `MEMORY`
    ticks_at : ndarray of int
        With which of the frames each tick ends.
    active, voiced, snr_db : ndarray of shape (n_ticks, TICK_FRAMES)
    log_odds : ndarray of float32, shape (n_ticks,)
    told, evidence
        As `Told` has them; both are filled.
    """
    n_ticks = 0
    for row in range(n_frames):
        call = memory[places[SLOT, row]]
        waiting = call.n_waiting
        call.pending[waiting] = flags[PENDING, row]
        call.tone_on[waiting] = places[TONE_ON, row]
        call.n_waiting = waiting + 1
        sooner, now = (call.n_frames - 1) % TONE_OFFS_KEPT, call.n_frames % TONE_OFFS_KEPT
        off = places[OFF, row] if flags[STILL, row] else places[TONE_OFF, row]
        call.tone_offs[now] = off if off >= 0 else call.tone_offs[sooner]
        call.tone_frames[now] = call.n_frames if off >= 0 else call.tone_frames[sooner]
        places[LAST_OFF, row], places[LAST_FRAME, row] = call.tone_offs[now], call.tone_frames[now]
        call.n_frames += 1
        if n_ticks < ticks_at.size and ticks_at[n_ticks] == row:
            at = n_ticks
            _tick(call, active[at], voiced[at], snr_db[at], log_odds[at], told[at], evidence[at])
            n_ticks += 1
        flags[SPOKEN, row] = spoken(call.cells)


@exact
def tell_tick(
    memory: Memory,
    active: Flags,
    voiced: Flags,
    snr_db: Floats,
    log_odds: np.float32,
    told: Places,
    evidence: Samples,
) -> None:
    """Take a tick of the first of some calls."""
    _tick(memory[0], active, voiced, snr_db, log_odds, told, evidence)


@exact
def _tick(
    call: Any,
    active: Flags,
    voiced: Flags,
    snr_db: Floats,
    log_odds: np.float32,
    told: Places,
    evidence: Samples,
) -> None:
    """Judge the frames of a tick; a run that starts and is taken back within it was never known."""
    cells, sums = call.cells, call.sums
    n_heard, n = call.n_frames, active.size
    sums[VOICE] = log_odds
    for at in range(N_TOLD):
        told[at] = -1
    for at in range(n):
        index = n_heard - n + at
        on, off = -1, -1
        if call.tone_on[at] >= 0:
            on, off = retract(cells, index, call.tone_on[at])
        if active[at]:
            sums[N_ACTIVE] += 1
            sums[N_VOICED] += voiced[at]
            sums[SNR_DB] += snr_db[at]
        starts, ended_on, ended_off = step(cells, index, active[at], voiced[at], call.pending[at] > 0)
        if on < 0:
            on, off = ended_on, ended_off
        if on >= 0 and told[RUN_STARTED] >= 0:
            told[RUN_STARTED] = told[STARTED_OFF] = -1
        elif on >= 0:
            told[RUN_ENDED], told[ENDED_OFF] = on, off
        if starts:
            told[RUN_STARTED], told[STARTED_OFF] = cells[RUN_ON], cells[RUN_OFF]
    call.n_waiting = 0
    now = (n_heard - 1) * HOP_SAMPLES + _FIRST_END
    if told[RUN_STARTED] >= 0:
        n_since = max(0, (now - told[RUN_STARTED]) // HOP_SAMPLES)
        oldest = max(0, n_heard - TONE_OFFS_KEPT)
        frame = max(oldest, n_heard - 1 - n_since)
        told[STARTED_FRAME] = frame
        told[STARTED_TONE_OFF] = call.tone_offs[frame % TONE_OFFS_KEPT]
        told[STARTED_TONE_FRAME] = call.tone_frames[frame % TONE_OFFS_KEPT]
    told[SPEECH_OFF] = last_off(cells)
    fill(now, cells, sums, evidence)

"""Is this frame speech of the one who answered? A small recurrent network over the spectrum, asked once a tick.

What it is given does not depend on the line's gain: each band against a tracked floor and against a tracked peak,
periodicity, and how much of the frame one tone explains. It was fitted to where the clean speech of composed calls
is, so music, tones, echo and the voices of others are not speech, however loud. Digital silence is no floor:
carriers send it where there is no audio at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.compiled import compiled
from amd.framing import Slots
from amd.networks import Network, parse
from amd.spectrum import MEL_EDGES_BINS, Floats, FrameFacts

Flags = npt.NDArray[np.bool_]

SHIPPED: Final = "speech-4.npz"
TICK_FRAMES: Final = 6
"""Asked every 96 ms: the first frame of a tick is judged with the 80 ms after it in view, the last with none."""
N_MEL: Final = len(MEL_EDGES_BINS) - 1
FACTS: Final = ("level_db", "voicing", "pitch_hz", "peak_share", "pair_share", "clarity")
"""What is taken of a frame, before its mel bands."""
N_PLAIN: Final = len(FACTS)
N_FACTS: Final = N_PLAIN + N_MEL
_LEVEL, _VOICING, _PITCH = (FACTS.index(name) for name in ("level_db", "voicing", "pitch_hz"))
INPUTS: Final = (
    *(f"above_floor_{band}" for band in range(N_MEL)),
    *(f"below_peak_{band}" for band in range(N_MEL)),
    "level_below_peak",
    *("voicing", "pitch_octaves", "peak_share", "pair_share", "clarity"),
)
"""What the network is given of each frame of a tick, frame after frame."""
TICK_INPUTS: Final = tuple(f"{name}@{frame}" for frame in range(TICK_FRAMES) for name in INPUTS)
OUTPUTS: Final = tuple(f"speech_{frame}" for frame in range(TICK_FRAMES))

DIGITAL_SILENCE_DB: Final = -115.0
"""Below all that 16-bit audio can hold, 15 dB less gain included."""
SPEECH_LEVEL_MIN_DB: Final = -80.0
"""Of the tracked peak: speech at -40 dB gain on a -35 dBFS line is still heard; crosstalk on a line where nothing
is louder than that is not."""
FLOOR_RISE: Final = 0.025
FLOOR_FALL: Final = 0.4
"""Shares of the way to a tick's level that the floor goes up, and down, with each tick: it follows a louder line
within some seconds, and dips of 200 ms at once."""
PEAK_FALL: Final = 0.02
"""The same for the peak, which rises at once."""
SCALE_DB: Final = 20.0
PITCH_MIDDLE_HZ: Final = 160.0
ABOVE_FLOOR: Final = (-1.0, 3.0)
BELOW_PEAK: Final = (-4.0, 1.0)
"""In units of `SCALE_DB`: what lies beyond tells no more."""
SPEECH_LOG_ODDS_MIN: Final = 0.0
VOICING_MIN: Final = 0.36
"""White noise stays below 0.2 in 99 % of frames, pink noise below 0.5; at 15 dB SNR, 75 % of the speech frames
of real telephone calls are above 0.5."""
SNR_BANDS: Final = 6
"""As many bands, the strongest, make a frame's level above the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What one frame is: ``active`` (speech), ``voiced`` (active and periodic), and how far above the floor."""

    active: bool
    voiced: bool
    log_odds: float
    snr_db: float
    floor_db: float


REFERENCE: Final = np.dtype(
    [("floor_db", np.float32, N_MEL), ("peak_db", np.float32), ("known", np.bool_)], align=True
)
"""Floor and peak of a call; neither is known before there was more than digital silence."""
TICK: Final = np.dtype([("facts", np.float32, (TICK_FRAMES, N_FACTS)), ("n_frames", np.int64)], align=True)
"""What is kept of a call's frames until a tick is whole."""
Records = npt.NDArray[np.void]


class References:
    """Floor and peak of some calls, by which their levels are told; the gain of the line is in both."""

    def __init__(self, n_calls: int) -> None:
        self.calls: Records = np.zeros(n_calls, dtype=REFERENCE)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self.calls[slot] = np.zeros((), dtype=REFERENCE)

    def step(self, facts: Floats, slots: Slots | None = None) -> Floats:
        """Follow one tick of some calls and return what the network is given of it.

        Parameters
        ----------
        facts : ndarray of float32, shape (n, TICK_FRAMES, N_FACTS)
            As `facts_of` gives them.
        slots : ndarray of int, shape (n,), optional
            The calls, each once; all of them unless given.

        Returns
        -------
        ndarray of float32, shape (n, TICK_FRAMES * len(INPUTS))
        """
        n = facts.shape[0]
        if slots is None:
            slots = np.arange(n)
        inputs = np.empty((n, TICK_FRAMES, len(INPUTS)), dtype=np.float32)
        levels, loud = np.empty((2, n, TICK_FRAMES), dtype=np.float32), np.empty(n, dtype=np.bool_)
        refer(facts, slots, self.calls, inputs, levels, loud)
        return inputs.reshape(n, -1)


@compiled
def refer(facts: Floats, slots: Slots, calls: Records, inputs: Floats, levels_db: Floats, loud: Flags) -> None:
    """Move floor and peak on with some ticks, those of a call in order, and tell levels by them."""
    for row in range(slots.size):
        call = calls[slots[row]]
        _follow(facts[row], call)
        _tell(facts[row], call.floor_db, call.peak_db, inputs[row])
        _stand_out(facts[row], call.floor_db, levels_db[0, row], levels_db[1, row])
        loud[row] = call.peak_db >= SPEECH_LEVEL_MIN_DB


@compiled
def _follow(facts: Floats, call: Any) -> None:
    """Move floor and peak on by what is not digital silence, the first of it is both."""
    mean_db = np.zeros(N_MEL, dtype=np.float32)
    floor_db, n_live, loudest_db = call.floor_db, 0, np.float32(-np.inf)
    for frame in range(TICK_FRAMES):
        loudest_db = max(loudest_db, facts[frame, _LEVEL])
        if facts[frame, _LEVEL] > DIGITAL_SILENCE_DB:
            n_live += 1
            for band in range(N_MEL):
                mean_db[band] += facts[frame, N_PLAIN + band]
    if n_live > 0:
        for band in range(N_MEL):
            way_db = mean_db[band] / np.float32(n_live) - floor_db[band]
            share = np.float32(FLOOR_RISE) if way_db > 0 else np.float32(FLOOR_FALL)
            floor_db[band] += share * way_db if call.known else way_db
        fallen_db = call.peak_db + np.float32(PEAK_FALL) * (loudest_db - call.peak_db)
        call.peak_db = max(loudest_db, fallen_db) if call.known else loudest_db
        call.known = True


@compiled
def _tell(facts: Floats, floor_db: Floats, peak_db: np.float32, inputs: Floats) -> None:
    """Tell a tick's levels by floor and peak, as the network is given them."""
    scale = np.float32(1 / SCALE_DB)
    for frame in range(TICK_FRAMES):
        for band in range(N_MEL):
            level_db = facts[frame, N_PLAIN + band]
            above, below = (level_db - floor_db[band]) * scale, (level_db - peak_db) * scale
            inputs[frame, band] = min(max(above, np.float32(ABOVE_FLOOR[0])), np.float32(ABOVE_FLOOR[1]))
            inputs[frame, N_MEL + band] = min(max(below, np.float32(BELOW_PEAK[0])), np.float32(BELOW_PEAK[1]))
        level = (facts[frame, _LEVEL] - peak_db) * scale
        inputs[frame, 2 * N_MEL] = min(max(level, np.float32(BELOW_PEAK[0])), np.float32(BELOW_PEAK[1]))
        inputs[frame, 2 * N_MEL + 1] = facts[frame, _VOICING]
        inputs[frame, 2 * N_MEL + 2] = np.log2(facts[frame, _PITCH] / np.float32(PITCH_MIDDLE_HZ))
        for at in range(_PITCH + 1, N_PLAIN):
            inputs[frame, 2 * N_MEL + 2 + at - _PITCH] = facts[frame, at]


@compiled
def _stand_out(facts: Floats, floors_db: Floats, snr_db: Floats, floor_db: Floats) -> None:
    """Fill how far each frame of a tick is above the floor, and the floor; in digital silence its own level."""
    strongest_db = np.empty(SNR_BANDS, dtype=np.float32)
    highest_db = floors_db[0]
    for band in range(1, N_MEL):
        highest_db = max(highest_db, floors_db[band])
    for frame in range(TICK_FRAMES):
        level_db = facts[frame, _LEVEL]
        silent = level_db <= DIGITAL_SILENCE_DB
        for at in range(SNR_BANDS):
            strongest_db[at] = -np.inf
        for band in range(N_MEL):
            above_db, at = facts[frame, N_PLAIN + band] - floors_db[band], SNR_BANDS - 1
            if above_db <= strongest_db[at]:
                continue
            while at > 0 and strongest_db[at - 1] < above_db:
                strongest_db[at] = strongest_db[at - 1]
                at -= 1
            strongest_db[at] = above_db
        total_db = np.float32(0)
        for at in range(SNR_BANDS):
            total_db += strongest_db[at]
        snr_db[frame] = np.float32(0) if silent else total_db / np.float32(SNR_BANDS)
        floor_db[frame] = level_db if silent else highest_db


def facts_of(facts: FrameFacts) -> Floats:
    """Take what is needed of each frame: float32 of shape ``(n, N_FACTS)``."""
    columns = [getattr(facts, name)[:, None] for name in FACTS]
    return np.concatenate([*columns, facts.mel_db], axis=1)


class Ticks(NamedTuple):
    """Ticks of some calls, those of one call in order; each array has a row a tick.

    Parameters
    ----------
    slots : ndarray of int, shape (n,)
        Whose tick each is.
    rows : ndarray of int, shape (n,)
        Which of the frames that were fed completed it.
    turns : ndarray of int, shape (n,)
        How many ticks of the same call are before it.
    facts : ndarray of float32, shape (n, TICK_FRAMES, N_FACTS)
    inputs : ndarray of float32, shape (n, TICK_FRAMES, len(INPUTS))
        What the network is given.
    levels_db : ndarray of float32, shape (2, n, TICK_FRAMES)
        How far each frame is above the floor; and the floor, in digital silence the frame's own level.
    loud : ndarray of bool, shape (n,)
        Whether anything on the line was loud enough for speech.
    log_odds : ndarray of float32, shape (n, TICK_FRAMES)
        Of speech, as the network says.
    active, voiced : ndarray of bool, shape (n, TICK_FRAMES)
        Whether each frame is speech, and periodic as voices are.
    """

    slots: Slots
    rows: Slots
    turns: Slots
    facts: Floats
    inputs: Floats
    levels_db: Floats
    loud: Flags
    log_odds: Floats
    active: Flags
    voiced: Flags

    def activities(self, tick: int, n_frames: int = TICK_FRAMES) -> tuple[Activity, ...]:
        """What the first frames of one tick are."""
        columns = (self.active, self.voiced, self.log_odds, *self.levels_db)
        rows = zip(*(column[tick, :n_frames].tolist() for column in columns), strict=True)
        return tuple(
            Activity(active=active, voiced=voiced, log_odds=log_odds, snr_db=snr_db, floor_db=floor_db)
            for active, voiced, log_odds, snr_db, floor_db in rows
        )


def ticks_of(n: int) -> Ticks:
    """Set aside some ticks, to be filled."""
    slots, rows, turns = np.zeros((3, n), dtype=np.intp)
    active, voiced = np.empty((2, n, TICK_FRAMES), dtype=np.bool_)
    return Ticks(
        slots=slots,
        rows=rows,
        turns=turns,
        facts=np.empty((n, TICK_FRAMES, N_FACTS), dtype=np.float32),
        inputs=np.empty((n, TICK_FRAMES, len(INPUTS)), dtype=np.float32),
        levels_db=np.empty((2, n, TICK_FRAMES), dtype=np.float32),
        loud=np.empty(n, dtype=np.bool_),
        log_odds=np.empty((n, TICK_FRAMES), dtype=np.float32),
        active=active,
        voiced=voiced,
    )


@cache
def no_ticks() -> Ticks:
    """What is filled where no tick is complete."""
    return ticks_of(0)


class SpeechTracker:
    """Judge the frames of some calls, in order; the answers come once a tick."""

    def __init__(self, n_calls: int = 1) -> None:
        self.references = References(n_calls)
        self.ticks: Records = np.zeros(n_calls, dtype=TICK)
        self._state = shipped().start(n_calls)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self.references.clear(slot)
        self.ticks["n_frames"][slot] = 0
        self._state[slot] = 0

    def step(self, facts: Floats) -> tuple[Activity, ...]:
        """Take the first call's next frame, shape ``(N_FACTS,)``; return a tick's frames with its last one."""
        slots = np.zeros(1, dtype=np.intp)
        ticks = ticks_of(int(self.ticks["n_frames"][0]) // (TICK_FRAMES - 1))
        gather(facts[None], slots, 1, self.ticks, ticks.facts, ticks.slots, ticks.rows, ticks.turns)
        self._refer(ticks)
        return self.judge(ticks).activities(0) if ticks.slots.size else ()

    def finish(self) -> tuple[Activity, ...]:
        """Judge what was heard of the first call's last tick, as if its last frame had gone on."""
        ticks, n_frames = self.end(0)
        return ticks.activities(0, n_frames) if n_frames else ()

    def end(self, slot: int) -> tuple[Ticks, int]:
        """The same for one call: its last tick, if there was one, and how many frames were heard of it."""
        n_frames = int(self.ticks["n_frames"][slot])
        self.ticks["n_frames"][slot] = 0
        ticks = ticks_of(int(n_frames > 0))
        if n_frames:
            ticks.slots[0] = slot
            ticks.facts[0] = self.ticks["facts"][slot]
            ticks.facts[0, n_frames:] = ticks.facts[0, n_frames - 1]
            self._refer(ticks)
            self.judge(ticks)
        return ticks, n_frames

    def _refer(self, ticks: Ticks) -> None:
        refer(ticks.facts, ticks.slots, self.references.calls, ticks.inputs, ticks.levels_db, ticks.loud)

    def judge(self, ticks: Ticks) -> Ticks:
        """Judge ticks by the network, turn by turn: the calls' first ones, then their second ones."""
        network, inputs = shipped(), ticks.inputs.reshape(ticks.slots.size, -1)
        for now in in_turns(ticks.turns):
            calls = ticks.slots[now]
            ticks.log_odds[now], self._state[calls] = network.step(inputs[now], self._state[calls])
        activities(ticks.facts, ticks.loud, ticks.log_odds, ticks.active, ticks.voiced)
        return ticks


def in_turns(turns: Slots) -> Iterator[Slots | slice]:
    """Indices of the first ticks of all calls, then of their second ones, and so on."""
    if turns.size == 1:
        yield slice(None)
        return
    for turn in range(int(turns.max(initial=-1)) + 1):
        yield np.flatnonzero(turns == turn)


@compiled
def gather(
    facts: Floats, slots: Slots, n: int, calls: Records, ticks: Floats, of: Slots, rows: Slots, turns: Slots
) -> int:
    """Fill the calls' ticks with ``n`` frames; copy out those that are whole, and say whose how-manieth it is."""
    n_ticks = 0
    for row in range(n):
        slot = slots[row]
        call = calls[slot]
        for fact in range(N_FACTS):
            call.facts[call.n_frames, fact] = facts[row, fact]
        call.n_frames += 1
        if call.n_frames < TICK_FRAMES:
            continue
        call.n_frames = 0
        for frame in range(TICK_FRAMES):
            for fact in range(N_FACTS):
                ticks[n_ticks, frame, fact] = call.facts[frame, fact]
        of[n_ticks], rows[n_ticks] = slot, row
        goes_on = n_ticks > 0 and of[n_ticks - 1] == slot  # a call's frames are together
        turns[n_ticks] = turns[n_ticks - 1] + 1 if goes_on else 0
        n_ticks += 1
    return n_ticks


@compiled
def activities(facts: Floats, loud: Flags, log_odds: Floats, active: Flags, voiced: Flags) -> None:
    """Say of each frame of some ticks whether it is speech, and whether it is voiced."""
    for row in range(loud.size):
        for frame in range(TICK_FRAMES):
            silent = facts[row, frame, _LEVEL] <= DIGITAL_SILENCE_DB
            speaks = not silent and loud[row] and log_odds[row, frame] >= SPEECH_LOG_ODDS_MIN
            active[row, frame] = speaks
            voiced[row, frame] = speaks and facts[row, frame, _VOICING] >= VOICING_MIN


@cache
def shipped() -> Network:
    """Return the network that comes with this version."""
    data = resources.files("amd.models").joinpath(SHIPPED).read_bytes()
    return parse(data, inputs=TICK_INPUTS, outputs=OUTPUTS)

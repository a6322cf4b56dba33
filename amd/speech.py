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
from typing import Final, NamedTuple

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


class References:
    """Floor and peak of some calls, by which their levels are told; the gain of the line is in both."""

    def __init__(self, n_calls: int) -> None:
        self.floor_db: Floats = np.zeros((n_calls, N_MEL), dtype=np.float32)
        self.peak_db: Floats = np.zeros(n_calls, dtype=np.float32)
        self._known = np.zeros(n_calls, dtype=np.bool_)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self._known[slot] = False
        self.floor_db[slot] = self.peak_db[slot] = 0

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
        if slots is None:
            slots = np.arange(facts.shape[0])
        inputs = np.empty((facts.shape[0], TICK_FRAMES, len(INPUTS)), dtype=np.float32)
        _refer(facts, slots, self.floor_db, self.peak_db, self._known, inputs)
        return inputs.reshape(facts.shape[0], -1)


@compiled
def _refer(facts: Floats, slots: Slots, floors_db: Floats, peaks_db: Floats, known: Flags, inputs: Floats) -> None:
    """Move floor and peak on by what is not digital silence, the first of it is both; tell levels by them."""
    mean_db = np.empty(N_MEL, dtype=np.float32)
    scale = np.float32(1 / SCALE_DB)
    for row in range(facts.shape[0]):
        slot, n_live, loudest_db = slots[row], 0, np.float32(-np.inf)
        floor_db = floors_db[slot]
        for band in range(N_MEL):
            mean_db[band] = 0
        for frame in range(TICK_FRAMES):
            loudest_db = max(loudest_db, facts[row, frame, _LEVEL])
            if facts[row, frame, _LEVEL] > DIGITAL_SILENCE_DB:
                n_live += 1
                for band in range(N_MEL):
                    mean_db[band] += facts[row, frame, N_PLAIN + band]
        if n_live > 0:
            for band in range(N_MEL):
                way_db = mean_db[band] / np.float32(n_live) - floor_db[band]
                share = np.float32(FLOOR_RISE) if way_db > 0 else np.float32(FLOOR_FALL)
                floor_db[band] += share * way_db if known[slot] else way_db
            fallen_db = peaks_db[slot] + np.float32(PEAK_FALL) * (loudest_db - peaks_db[slot])
            peaks_db[slot] = max(loudest_db, fallen_db) if known[slot] else loudest_db
            known[slot] = True
        peak_db = peaks_db[slot]
        for frame in range(TICK_FRAMES):
            for band in range(N_MEL):
                level_db = facts[row, frame, N_PLAIN + band]
                above, below = (level_db - floor_db[band]) * scale, (level_db - peak_db) * scale
                inputs[row, frame, band] = min(max(above, np.float32(ABOVE_FLOOR[0])), np.float32(ABOVE_FLOOR[1]))
                inputs[row, frame, N_MEL + band] = min(
                    max(below, np.float32(BELOW_PEAK[0])), np.float32(BELOW_PEAK[1])
                )
            level = (facts[row, frame, _LEVEL] - peak_db) * scale
            inputs[row, frame, 2 * N_MEL] = min(max(level, np.float32(BELOW_PEAK[0])), np.float32(BELOW_PEAK[1]))
            inputs[row, frame, 2 * N_MEL + 1] = facts[row, frame, _VOICING]
            inputs[row, frame, 2 * N_MEL + 2] = np.log2(facts[row, frame, _PITCH] / np.float32(PITCH_MIDDLE_HZ))
            for at in range(_PITCH + 1, N_PLAIN):
                inputs[row, frame, 2 * N_MEL + 2 + at - _PITCH] = facts[row, frame, at]


def facts_of(facts: FrameFacts) -> Floats:
    """Take what is needed of each frame: float32 of shape ``(n, N_FACTS)``."""
    columns = [getattr(facts, name)[:, None] for name in FACTS]
    return np.concatenate([*columns, facts.mel_db], axis=1)


class Judged(NamedTuple):
    """Ticks of some calls, those of one call in order; each array has a row a tick.

    Parameters
    ----------
    slots : ndarray of int, shape (n,)
        Whose tick each is.
    rows : ndarray of int, shape (n,)
        Which of the frames that were fed completed it.
    turns : ndarray of int, shape (n,)
        How many ticks of the same call are before it.
    log_odds, snr_db : ndarray of float32, shape (n, TICK_FRAMES)
        Of speech, and how far above the floor; of each frame.
    active, voiced : ndarray of bool, shape (n, TICK_FRAMES)
    floor_db : ndarray of float32, shape (n, TICK_FRAMES)
        The floor; in digital silence the frame's own level.
    inputs : ndarray of float32, shape (n, len(TICK_INPUTS))
        What the network was given.
    """

    slots: Slots
    rows: Slots
    turns: Slots
    log_odds: Floats
    snr_db: Floats
    active: Flags
    voiced: Flags
    floor_db: Floats
    inputs: Floats

    def activities(self, tick: int, n_frames: int = TICK_FRAMES) -> tuple[Activity, ...]:
        """What the first frames of one tick are."""
        columns = (self.active, self.voiced, self.log_odds, self.snr_db, self.floor_db)
        rows = zip(*(column[tick, :n_frames].tolist() for column in columns), strict=True)
        return tuple(
            Activity(active=active, voiced=voiced, log_odds=log_odds, snr_db=snr_db, floor_db=floor_db)
            for active, voiced, log_odds, snr_db, floor_db in rows
        )


class SpeechTracker:
    """Judge the frames of some calls, in order; the answers come once a tick."""

    def __init__(self, n_calls: int = 1) -> None:
        self._references = References(n_calls)
        self._state = shipped().start(n_calls)
        self._tick: Floats = np.zeros((n_calls, TICK_FRAMES, N_FACTS), dtype=np.float32)
        self._n_frames = np.zeros(n_calls, dtype=np.intp)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self._references.clear(slot)
        self._state[slot] = 0
        self._n_frames[slot] = 0

    def step(self, facts: Floats) -> tuple[Activity, ...]:
        """Take the first call's next frame, shape ``(N_FACTS,)``; return a tick's frames with its last one."""
        judged = self.feed(facts[None], np.zeros(1, dtype=np.intp))
        return judged.activities(0) if judged.slots.size else ()

    def feed(self, facts: Floats, slots: Slots) -> Judged:
        """Take the next frames of some calls, shape ``(n, N_FACTS)``; return the ticks that they complete."""
        n_most = facts.shape[0]
        ticks = np.empty((n_most, TICK_FRAMES, N_FACTS), dtype=np.float32)
        rows, turns = np.empty(n_most, dtype=np.intp), np.empty(n_most, dtype=np.intp)
        n_ticks = _gather(facts, slots, self._tick, self._n_frames, ticks, rows, turns)
        if n_ticks == 0:
            return no_ticks()
        ticks, rows, turns = ticks[:n_ticks], rows[:n_ticks], turns[:n_ticks]
        return self._judge(ticks, slots[rows], rows, turns)

    def finish(self) -> tuple[Activity, ...]:
        """Judge what was heard of the first call's last tick, as if its last frame had gone on."""
        judged, n_frames = self.end(0)
        return judged.activities(0, n_frames) if n_frames else ()

    def end(self, slot: int) -> tuple[Judged, int]:
        """The same for one call: its last tick, if there was one, and how many frames were heard of it."""
        n_frames = int(self._n_frames[slot])
        self._n_frames[slot] = 0
        tick = self._tick[slot : slot + (n_frames > 0)].copy()
        tick[:, n_frames:] = tick[:, max(0, n_frames - 1), None]
        zeros = np.zeros(tick.shape[0], dtype=np.intp)
        return self._judge(tick, zeros + slot, zeros, zeros), n_frames

    def _judge(self, ticks: Floats, slots: Slots, rows: Slots, turns: Slots) -> Judged:
        """Judge ticks, turn by turn: the calls' first ones, then their second ones."""
        n_ticks = slots.size
        network = shipped()
        shape = (n_ticks, TICK_FRAMES)
        log_odds, snr_db = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
        active, voiced = np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.bool_)
        floor_db = np.empty(shape, dtype=np.float32)
        inputs = np.empty((n_ticks, len(TICK_INPUTS)), dtype=np.float32)
        for now in in_turns(turns):
            calls = slots[now]
            inputs[now] = self._references.step(ticks[now], calls)
            said, self._state[calls] = network.step(inputs[now], self._state[calls])
            log_odds[now] = said
            floors = self._references.floor_db, self._references.peak_db
            _activities(ticks, now, slots, log_odds, *floors, snr_db, active, voiced, floor_db)
        return Judged(slots, rows, turns, log_odds, snr_db, active, voiced, floor_db, inputs)


@cache
def no_ticks() -> Judged:
    """What is judged where no tick is complete."""
    none, flags = np.zeros(0, dtype=np.intp), np.zeros((0, TICK_FRAMES), dtype=np.bool_)
    values = np.zeros((0, TICK_FRAMES), dtype=np.float32)
    inputs = np.zeros((0, len(TICK_INPUTS)), dtype=np.float32)
    return Judged(none, none, none, values, values, flags, flags, values, inputs)


def in_turns(turns: Slots) -> Iterator[Slots]:
    """Indices of the first ticks of all calls, then of their second ones, and so on."""
    for turn in range(int(turns.max(initial=-1)) + 1):
        yield np.flatnonzero(turns == turn)


@compiled
def _gather(
    facts: Floats, slots: Slots, tick: Floats, n_frames: Slots, ticks: Floats, rows: Slots, turns: Slots
) -> int:
    """Fill the calls' ticks frame by frame; copy out those that are whole, and say whose how-manieth it is."""
    n_ticks = 0
    for row in range(facts.shape[0]):
        slot = slots[row]
        for fact in range(N_FACTS):
            tick[slot, n_frames[slot], fact] = facts[row, fact]
        n_frames[slot] += 1
        if n_frames[slot] < TICK_FRAMES:
            continue
        n_frames[slot] = 0
        for frame in range(TICK_FRAMES):
            for fact in range(N_FACTS):
                ticks[n_ticks, frame, fact] = tick[slot, frame, fact]
        rows[n_ticks] = row
        goes_on = n_ticks > 0 and slots[rows[n_ticks - 1]] == slot  # a call's frames are together
        turns[n_ticks] = turns[n_ticks - 1] + 1 if goes_on else 0
        n_ticks += 1
    return n_ticks


@compiled
def _activities(
    ticks: Floats,
    now: Slots,
    slots: Slots,
    log_odds: Floats,
    floors_db: Floats,
    peaks_db: Floats,
    snr_db: Floats,
    active: Flags,
    voiced: Flags,
    floor_db: Floats,
) -> None:
    """Say of each frame of some ticks whether it is speech, is voiced, and how far above the floor."""
    strongest_db = np.empty(SNR_BANDS, dtype=np.float32)
    for row in now:
        slot = slots[row]
        loud = peaks_db[slot] >= SPEECH_LEVEL_MIN_DB
        highest_db = floors_db[slot, 0]
        for band in range(1, N_MEL):
            highest_db = max(highest_db, floors_db[slot, band])
        for frame in range(TICK_FRAMES):
            level_db = ticks[row, frame, _LEVEL]
            silent = level_db <= DIGITAL_SILENCE_DB
            for at in range(SNR_BANDS):
                strongest_db[at] = -np.inf
            for band in range(N_MEL):
                above_db, at = ticks[row, frame, N_PLAIN + band] - floors_db[slot, band], SNR_BANDS - 1
                if above_db <= strongest_db[at]:
                    continue
                while at > 0 and strongest_db[at - 1] < above_db:
                    strongest_db[at] = strongest_db[at - 1]
                    at -= 1
                strongest_db[at] = above_db
            total_db = np.float32(0)
            for at in range(SNR_BANDS):
                total_db += strongest_db[at]
            snr_db[row, frame] = np.float32(0) if silent else total_db / np.float32(SNR_BANDS)
            floor_db[row, frame] = level_db if silent else highest_db
            speaks = not silent and loud and log_odds[row, frame] >= SPEECH_LOG_ODDS_MIN
            active[row, frame] = speaks
            voiced[row, frame] = speaks and ticks[row, frame, _VOICING] >= VOICING_MIN


@cache
def shipped() -> Network:
    """Return the network that comes with this version."""
    data = resources.files("amd.models").joinpath(SHIPPED).read_bytes()
    return parse(data, inputs=TICK_INPUTS, outputs=OUTPUTS)

"""Tones: runs of frames whose power one generated tone can explain, wherever it goes at a tone's pace.

Nearly every tone is found, and many vowels with it. Each comes with measurements of how steady it is, how pure,
and how far it stands out, by which `amd.beeps` and `amd.callprogress` tell them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from amd.audio import RATE_HZ
from amd.compiled import exact
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES, Slots, frame_known_sample
from amd.measuring import MEASURED, core_of, deviation_db, edges, measured
from amd.past import Past
from amd.runs import (
    CLARITY,
    KEEP_FRAMES,
    LEAST_FRAMES,
    N_FACTS,
    PEAK,
    RATIO,
    SECOND,
    TONE,
    Doubles,
    Flags,
    RunState,
    copy_run,
    step,
)
from amd.spectrum import FrameFacts

TOLD_AT_ONCE: Final = 32
"""Runs that are handed on together, at most."""
PAIR_RATIO_MIN: Final = 0.05
"""13 dB: ITU-T Q.24 allows the tones of a key 8 dB of twist, and noise and a codec add to it."""
PAIRS_KEPT: Final = 12
"""As many frames as the longest key of 200 ms has."""


class Sounding(NamedTuple):
    """A tone that still sounds, as far as it is known: first sample, last one so far, frequency, how steady."""

    on: int
    off: int
    freq_hz: float
    clarity: float
    spread_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A tone, from sample ``on`` to before sample ``off``. What is measured is taken from its whole frames.

    Parameters
    ----------
    on, off : int
    known : int
        How many samples had been heard when its end was known.
    freqs_hz : tuple of float
        One frequency (in the middle of a sweep), or two in rising order.
    steady : bool
        Few of its frames are away from where the tone was going.
    n_frames : int
        How many frames it is measured by, at most `ToneTracker.KEEP_FRAMES`.
    level_db : float
        Median level, in dB of full scale.
    clarity, clarity_min : float
        Median and least share of the power that it explains.
    spread_db : float
        Standard deviation of its level.
    sweep_hz_s : float
        How fast the (lower) frequency moves.
    wander_hz, wander_max_hz : float
        How far it is from a straight sweep: median (as a standard deviation) and root mean square.
    second_db : float
        Level of the second peak against the first.
    second_wander_hz : float
        How far the higher frequency of two is from its median, as a standard deviation; 0 of one.
    attack_frames, release_frames : int
        Frames at its edges that hold it in part: one or two when it is switched, more when a voice swells.
    gaps : float
        Share of its frames that were spoilt.
    rise_db, fall_db : float
        How much louder it is than the loudest of the frames just before it and of those known after it.
    rise_near_db, fall_near_db : float
        The same for the frame next to it, and for the quietest one after.
    share_db : float
        Median of its share of a frame's power.
    over_noise_db : float
        How much louder it is than the line's noise that was heard so far.
    alone_s : float
        How long before it the last tone ended that was about as loud, voices included; at most 2 s.
    n_notes : int
        How many held tones about as loud began in the six seconds before it.
    pairs_hz : tuple of pairs of float
        The two peaks of its first frames, in rising order; the second is 0 where there is but one.
    """

    on: int
    off: int
    known: int
    freqs_hz: tuple[float, ...]
    steady: bool
    n_frames: int
    level_db: float
    clarity: float
    clarity_min: float
    spread_db: float
    sweep_hz_s: float
    wander_hz: float
    wander_max_hz: float
    second_db: float
    second_wander_hz: float
    attack_frames: int
    release_frames: int
    gaps: float
    rise_db: float
    fall_db: float
    rise_near_db: float
    fall_near_db: float
    share_db: float
    over_noise_db: float
    alone_s: float
    n_notes: int
    pairs_hz: tuple[tuple[float, float], ...]


class Followed(NamedTuple):
    """What became known with each of some frames; arrays of shape ``(n,)``.

    Parameters
    ----------
    still : ndarray of bool
        Whether the frame belongs to a tone that has stood still for `STEADY_FRAMES`.
    pending : ndarray of bool
        Whether a tone may have begun that is not known to be one yet: two frames agreed.
    begun, off : ndarray of int
        First sample of what may be a tone, and the end of its last frame so far; -1 where there is none.
    ended, lasting : dict of int to Tone, and to Sounding
        The tone that was found to have ended with a frame; and the steady one that sounds, where it has lasted as
        long as the tracker was told to look for.
    """

    still: Flags
    pending: Flags
    begun: Slots
    off: Slots
    ended: dict[int, Tone]
    lasting: dict[int, Sounding]


class ToneTracker:
    """Follow the tones of some calls, one frame at a time and in order.

    Memory is bounded: frames of a tone beyond `KEEP_FRAMES` only move its end.

    Parameters
    ----------
    n_calls : int
    lasting : sequence of (float, float, float)
        From which Hz to which, and from how many seconds on, a tone that still sounds is told.
    """

    KEEP_FRAMES: Final = KEEP_FRAMES

    def __init__(self, n_calls: int = 1, lasting: Sequence[tuple[float, float, float]] = ()) -> None:
        self._state = RunState.of(n_calls)
        self._lasting = np.array(lasting, dtype=np.float64).reshape(-1, 3)
        self._past = [Past() for _ in range(n_calls)]

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self._state.clear(slot)
        self._past[slot] = Past()

    def feed(self, frames: Doubles, slots: Slots) -> Followed:
        """Take the next frames of some calls, rows as `amd.runs.Frame` has them; those of one call in order."""
        n = frames.shape[0]
        followed = Followed(
            still=np.empty(n, dtype=np.bool_),
            pending=np.empty(n, dtype=np.bool_),
            begun=np.empty(n, dtype=np.intp),
            off=np.empty(n, dtype=np.intp),
            ended={},
            lasting={},
        )
        places = followed.still, followed.pending, followed.begun, followed.off
        n_most = min(n, TOLD_AT_ONCE) + 1  # a frame may end one run and be told of another
        told_runs = RunState.of(n_most)
        rows, is_ended = np.empty(n_most, dtype=np.intp), np.empty(n_most, dtype=np.bool_)
        at = 0
        while at < n:
            at, n_told = _follow(frames, slots, at, self._state, told_runs, self._lasting, rows, is_ended, *places)
            for told, row in enumerate(rows[:n_told].tolist()):
                if is_ended[told]:
                    known = frame_known_sample(int(frames[row, 0]))
                    followed.ended[row] = self._measure(told_runs, told, known, self._past[slots[row]])
                else:
                    followed.lasting[row] = _sounding(told_runs, told)
        return followed

    def step(
        self,
        index: int,
        *,
        level_db: float,
        tone_db: float,
        noise_db: float,
        peak_hz: float,
        second_hz: float,
        peak_share: float,
        pair_share: float,
        clarity: float,
    ) -> Tone | None:
        """Take the facts of the next frame of the first call; return the tone that ended with it, if one did."""
        ratio = (pair_share - peak_share) / max(peak_share, 1e-6)
        row = (index, level_db, tone_db, clarity, peak_hz, second_hz, ratio, noise_db)
        return self.feed(np.array([row], dtype=np.float64), np.zeros(1, dtype=np.intp)).ended.get(0)

    @staticmethod
    def _measure(runs: RunState, at: int, known: int, past: Past) -> Tone:
        tone = _tone(runs, at, known, past)
        past.add(tone.on, tone.off, level_db=tone.level_db, clarity=tone.clarity, steady=tone.steady)
        return tone

    @property
    def tonal(self) -> bool:
        """Whether the first call's last frame belongs to a tone that has stood still for `STEADY_FRAMES`."""
        return bool(self._state.still[0])

    @property
    def pending(self) -> bool:
        """Whether a tone may have begun there that is not known to be one yet: two frames agreed."""
        return bool(self._state.pending[0])

    def sounding(self) -> Sounding | None:
        """Return the first call's steady tone that still sounds, as far as it is known."""
        return _sounding(self._state, 0) if self.tonal else None

    def finish(self, n_frames: int, slot: int = 0) -> Tone | None:
        """End the tone of a call that still sounds after so many frames: the call is over."""
        tone = None
        if self._state.n[slot] >= LEAST_FRAMES:
            tone = self._measure(self._state, slot, frame_known_sample(n_frames - 1), self._past[slot])
        self._state.clear(slot)
        return tone


def frames_of(facts: FrameFacts, index: Slots) -> Doubles:
    """Take what is followed of each frame: float64, rows as `amd.runs.Frame` has them."""
    tonal = facts.tonal
    frames = np.empty((index.size, N_FACTS), dtype=np.float64)
    columns = (facts.level_db, tonal.tone_db, tonal.clarity, tonal.peak_hz, tonal.second_hz, tonal.pair_share)
    frames[:, 0] = index
    for at, column in enumerate((*columns, tonal.noise_db), 1):
        frames[:, at] = column
    ratio = frames[:, RATIO]
    ratio -= tonal.peak_share
    ratio /= np.maximum(tonal.peak_share.astype(np.float64), 1e-6)
    return frames


@exact
def _follow(
    frames: Doubles,
    slots: Slots,
    at: int,
    state: RunState,
    told: RunState,
    lasting: Doubles,
    rows: Slots,
    is_ended: Flags,
    still: Flags,
    pending: Flags,
    begun: Slots,
    off: Slots,
) -> tuple[int, int]:
    """Take frames from ``at`` on until ``told`` may be full; return where that was, and how many were told."""
    n_told = 0
    while at < frames.shape[0] and n_told + 2 <= rows.size:
        slot = slots[at]
        if step(state, slot, frames[at], told, n_told):
            rows[n_told], is_ended[n_told] = at, True
            n_told += 1
        sounds = state.n[slot] > 0
        still[at], pending[at] = state.still[slot], state.pending[slot]
        begun[at] = int(state.frames[slot, 0, 0]) * HOP_SAMPLES if sounds else -1
        off[at] = state.last[slot] * HOP_SAMPLES + FRAME_SAMPLES if sounds else -1
        if still[at]:
            length_s = (off[at] - begun[at] + FRAME_SAMPLES) / RATE_HZ  # an edge may lie in the frame before
            for row in range(lasting.shape[0]):
                low_hz, high_hz, least_s = lasting[row]
                if low_hz <= state.middles[slot, PEAK] <= high_hz and length_s >= least_s:
                    copy_run(state, slot, told, n_told)
                    rows[n_told], is_ended[n_told] = at, False
                    n_told += 1
                    break
        at += 1
    return at, n_told


def _sounding(state: RunState, slot: int) -> Sounding:
    on, _ = edges(state, slot)
    off = frame_known_sample(int(state.last[slot]))
    middles = state.middles[slot]
    return Sounding(on, off, float(middles[PEAK]), float(middles[CLARITY]), deviation_db(state, slot))


def _tone(state: RunState, slot: int, known: int, past: Past) -> Tone:
    """Measure a run that has ended."""
    found = dict(zip(MEASURED, measured(state, slot, known).tolist(), strict=True))
    on, off, level_db = int(found["on"]), int(found["off"]), float(state.middles[slot, TONE])
    return Tone(
        on=on,
        off=off,
        known=known,
        freqs_hz=(found["low_hz"], found["high_hz"]) if found["high_hz"] else (found["low_hz"],),
        steady=bool(state.steady[slot]),
        n_frames=int(found["n_frames"]),
        level_db=level_db,
        sweep_hz_s=found["sweep_hz"] * RATE_HZ / HOP_SAMPLES,
        second_db=10 * math.log10(max(found["second"], 1e-6)),
        attack_frames=int(found["attack_frames"]),
        release_frames=int(found["release_frames"]),
        over_noise_db=level_db - found["noise_db"],
        alone_s=past.alone_s(on, level_db),
        n_notes=past.n_notes(on, level_db),
        pairs_hz=_pairs_hz(state, slot, on, off),
        **{name: found[name] for name in _AS_MEASURED},
    )


_AS_MEASURED: Final = (
    *("clarity", "clarity_min", "spread_db", "wander_hz", "wander_max_hz", "second_wander_hz", "gaps"),
    *("rise_db", "fall_db", "rise_near_db", "fall_near_db", "share_db"),
)


def _pairs_hz(state: RunState, slot: int, on: int, off: int) -> tuple[tuple[float, float], ...]:
    """The two peaks of a tone's first whole frames, in rising order; the second is 0 where there is but one."""
    frames = state.frames[slot, : state.n_kept[slot]]
    core = frames[core_of(frames, float(state.middles[slot, TONE]), on, off)[:PAIRS_KEPT]]
    return tuple(
        (min(peak_hz, second_hz), max(peak_hz, second_hz) if ratio >= PAIR_RATIO_MIN else 0.0)
        for peak_hz, second_hz, ratio in core[:, [PEAK, SECOND, RATIO]].tolist()
    )

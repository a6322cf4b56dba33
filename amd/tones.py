"""Tones: runs of frames whose power one generated tone can explain, wherever it goes at a tone's pace.

Nearly every tone is found, and many vowels with it. Each comes with measurements of how steady it is, how pure,
and how far it stands out, by which `amd.beeps` and `amd.callprogress` tell them apart.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.compiled import exact
from amd.edges import EDGE_MIN_DB, covered_samples, edge
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES, Slots, frame_known_sample
from amd.past import Past
from amd.runs import (
    CONTEXT_FRAMES,
    DROP_DB,
    KEEP_FRAMES,
    LEAST_FRAMES,
    N_FACTS,
    PACE_MAX_HZ,
    PACE_MAX_SHARE,
    PEAK,
    SECOND_MIN,
    Doubles,
    Flags,
    Frame,
    Run,
    RunState,
    copy_run,
    step,
)
from amd.spectrum import LEVEL_MIN_DB, FrameFacts

TOLD_AT_ONCE: Final = 32
"""Runs that are handed on together, at most."""
FULL_DB: Final = 1.5
"""Frames within this of the median level hold all of the tone."""
EDGE_MARGIN_SAMPLES: Final = 8
"""How exactly an edge is known: a frame that begins 1 ms before it still counts as whole."""
PAIR_WANDER_MAX_HZ: Final = 12.0
"""Both tones of a pair stay in place, at the median; a vowel's second harmonic does not."""

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
        flags, places = np.empty((2, n), dtype=np.bool_), np.empty((2, n), dtype=np.intp)
        followed = Followed(*flags, *places, {}, {})
        n_most = min(n, TOLD_AT_ONCE) + 1  # a frame may end one run and be told of another
        told_runs = RunState.of(n_most)
        rows, is_ended = np.empty(n_most, dtype=np.intp), np.empty(n_most, dtype=np.bool_)
        at = 0
        while at < n:
            at, n_told = _follow(
                frames, slots, at, self._state, told_runs, self._lasting, rows, is_ended, *followed[:4]
            )
            for told, row in enumerate(rows[:n_told].tolist()):
                run = told_runs.run(told)
                if is_ended[told]:
                    known = frame_known_sample(int(frames[row, 0]))
                    followed.ended[row] = self._measure(run, known, self._past[slots[row]])
                else:
                    followed.lasting[row] = _sounding(run)
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

    def _measure(self, run: Run, known: int, past: Past) -> Tone:
        tone = _tone(run, known, past)
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
        run = self._state.run(0)
        return None if run is None or not self.tonal else _sounding(run)

    def finish(self, n_frames: int, slot: int = 0) -> Tone | None:
        """End the tone of a call that still sounds after so many frames: the call is over."""
        run = self._state.run(slot)
        self._state.clear(slot)
        if run is None or run.n < LEAST_FRAMES:
            return None
        return self._measure(run, frame_known_sample(n_frames - 1), self._past[slot])


def frames_of(facts: FrameFacts, index: Slots) -> Doubles:
    """Take what is followed of each frame: float64, rows as `amd.runs.Frame` has them."""
    tonal = facts.tonal
    frames = np.empty((index.size, N_FACTS), dtype=np.float64)
    columns = (
        (index, facts.level_db, tonal.tone_db, tonal.clarity, tonal.peak_hz, tonal.second_hz),
        (tonal.pair_share, tonal.noise_db),
    )
    for at, column in enumerate(itertools.chain(*columns)):
        frames[:, at] = column
    ratio = frames[:, N_FACTS - 2]
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


def _sounding(run: Run) -> Sounding:
    on, _ = _edges(run, run.median_db)
    hz = statistics.median(f.peak_hz for f in run.frames)
    clarity = statistics.median(f.clarity for f in run.frames)
    spread_db = _deviation(np.array([f.tone_db for f in run.frames]))
    return Sounding(on, frame_known_sample(run.last), hz, clarity, spread_db)


def _edges(run: Run, level_db: float) -> tuple[int, int]:
    """Where it begins and ends, from the frames that it covers in part.

    What led to it, far weaker, is no part of it: a voice that fades, noise that a codec made tonal.
    """
    frames = [(f.at, f.tone_db) for f in run.frames]
    led = itertools.takewhile(lambda frame: frame[1] < level_db - DROP_DB, frames)
    n_led = len(list(led))
    on_frame, on_db = edge([(run.first - 1, run.lead_db), *frames][n_led : n_led + 3], level_db)
    ends = [(run.last + 1, run.tail_db)]
    if run.n == len(frames):
        ends += frames[-1:-3:-1]
    else:
        ends.append((run.last, level_db))
    off_frame, off_db = edge(ends, level_db)
    on = max(0, frame_known_sample(on_frame) - covered_samples(on_db, level_db))
    return on, frame_known_sample(off_frame) - FRAME_SAMPLES + covered_samples(off_db, level_db)


def _tone(run: Run, known: int, past: Past) -> Tone:
    """Measure a run that has ended."""
    level_db = run.median_db
    on, off = _edges(run, level_db)
    off = max(on + 1, min(known, off))
    core = [
        f for f in run.frames if _start(f) >= on - EDGE_MARGIN_SAMPLES and _end(f) <= off + EDGE_MARGIN_SAMPLES
    ]
    core = core or [f for f in run.frames if f.tone_db >= level_db - FULL_DB]
    lows = np.array([min(f.peak_hz, f.second_hz) for f in core])
    highs = np.array([max(f.peak_hz, f.second_hz) for f in core])
    second = statistics.median(f.second_ratio for f in core)
    is_pair = second > SECOND_MIN and max(_deviation(lows), _deviation(highs)) <= PAIR_WANDER_MAX_HZ
    hz = lows if is_pair else _course(core)
    sweep_hz, rests_hz = _fit([f.at for f in core], hz)
    before_db = [f.level_db for f in (*run.before, *run.frames) if _end(f) <= on + EDGE_MARGIN_SAMPLES]
    after_db = [f.level_db for f in run.after if _start(f) >= off - EDGE_MARGIN_SAMPLES]
    levels_db = [f.tone_db for f in run.frames]
    n_spanned = run.frames[-1].at - run.first + 1
    return Tone(
        on=on,
        off=off,
        known=known,
        freqs_hz=(float(np.median(lows)), float(np.median(highs))) if is_pair else (float(np.median(hz)),),
        steady=run.steady,
        n_frames=len(core),
        level_db=level_db,
        clarity=statistics.median(f.clarity for f in core),
        clarity_min=min(f.clarity for f in core),
        spread_db=_spread([f.tone_db for f in core]),
        sweep_hz_s=sweep_hz * 8000 / HOP_SAMPLES,
        wander_hz=_deviation(rests_hz),
        wander_max_hz=float(np.sqrt(np.mean(rests_hz**2))),
        second_db=10 * math.log10(max(second, 1e-6)),
        second_wander_hz=_deviation(highs) if is_pair else 0.0,
        attack_frames=_n_partial([run.lead_db, *levels_db], level_db),
        release_frames=_n_partial([run.tail_db, *(levels_db[::-1] if run.n == len(levels_db) else ())], level_db),
        gaps=1 - len(run.frames) / n_spanned,
        rise_db=level_db - max(before_db[-CONTEXT_FRAMES:], default=LEVEL_MIN_DB),
        fall_db=level_db - max(after_db, default=LEVEL_MIN_DB),
        rise_near_db=level_db - (before_db[-1] if before_db else LEVEL_MIN_DB),
        fall_near_db=level_db - min(after_db, default=LEVEL_MIN_DB),
        share_db=statistics.median(f.tone_db - f.level_db for f in core),
        over_noise_db=level_db - statistics.median(f.noise_db for f in core),
        alone_s=past.alone_s(on, level_db),
        n_notes=past.n_notes(on, level_db),
        pairs_hz=tuple(
            (min(f.peak_hz, f.second_hz), max(f.peak_hz, f.second_hz) if f.second_ratio >= PAIR_RATIO_MIN else 0.0)
            for f in core[:PAIRS_KEPT]
        ),
    )


def _course(frames: Sequence[Frame]) -> npt.NDArray[np.float64]:
    """Where one tone went, in Hz: its peak in each frame, be it the second where another tone's is stronger."""
    home_hz = statistics.median_low(f.peak_hz for f in frames)
    pace_hz = max(PACE_MAX_HZ, PACE_MAX_SHARE * home_hz)
    return np.array(
        [
            f.second_hz
            if f.second_ratio > SECOND_MIN and abs(f.second_hz - home_hz) <= pace_hz < abs(f.peak_hz - home_hz)
            else f.peak_hz
            for f in frames
        ]
    )


def _n_partial(levels_db: Sequence[float], level_db: float) -> int:
    """How many frames, outermost first, hold something of a tone before one holds all of it."""
    n = 0
    for db in levels_db:
        if db >= level_db - FULL_DB:
            break
        n += db >= level_db + EDGE_MIN_DB
    return n


def _spread(levels_db: Sequence[float]) -> float:
    """Standard deviation."""
    mean_db = sum(levels_db) / max(1, len(levels_db))
    return math.sqrt(sum((db - mean_db) ** 2 for db in levels_db) / max(1, len(levels_db)))


def _start(frame: Frame) -> int:
    return frame_known_sample(frame.at) - FRAME_SAMPLES


def _end(frame: Frame) -> int:
    return frame_known_sample(frame.at)


def _deviation(values: npt.NDArray[np.float64]) -> float:
    """Median distance from the median, as a standard deviation: a spoilt frame does not move it."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _fit(index: Sequence[int], hz: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Slope of a straight line in Hz a frame (Theil 1950: the median of all pairs), and what it leaves."""
    at = np.asarray(index, dtype=np.float64)
    if at.size < LEAST_FRAMES:
        return 0.0, hz - np.median(hz)
    one, other = np.triu_indices(at.size, 1)
    slope = float(np.median((hz[other] - hz[one]) / (at[other] - at[one])))
    rests = hz - slope * at
    return slope, rests - np.median(rests)

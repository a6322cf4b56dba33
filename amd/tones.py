"""Tones: runs of frames whose power one generated tone can explain, wherever it goes at a tone's pace.

Nearly every tone is found, and many vowels with it. Each comes with measurements of how steady it is, how pure,
and how far it stands out, by which `amd.beeps` and `amd.callprogress` tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from amd.audio import RATE_HZ
from amd.compiled import exact
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES, Slots, frame_known_sample
from amd.measuring import MEASURED, N_MEASURED, PAIRS_KEPT, deviation_db, edges, measure
from amd.past import PAST
from amd.rows import BEGUN, ENDED, LASTING, N_PAIRS, OFF, PENDING, STILL, Flags, rows_of
from amd.runs import (
    AT,
    CLARITY,
    KEEP_FRAMES,
    LEAST_FRAMES,
    PEAK,
    RATIO,
    RUN,
    Doubles,
    Runs,
    clear,
    runs_of,
    step,
)


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


_NAMES: Final = {name: at for at, name in enumerate(MEASURED)}
_WHOLE: Final = {"on", "off", "known", "n_frames", "attack_frames", "release_frames", "n_notes"}
_AS_MEASURED: Final = tuple(name for name in MEASURED if name not in ("low_hz", "high_hz", "steady"))


class Ended:
    """Tones that were found to have ended, as they were measured; one becomes a `Tone` when it is asked for.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        With which of the frames that were fed each ended, in order.
    values : ndarray of float64, shape (n, len(MEASURED))
    pairs_hz : ndarray of float64, shape (n, PAIRS_KEPT, 2)
    n_pairs : ndarray of int, shape (n,)
    """

    __slots__ = ("_at", "_n_pairs", "_pairs_hz", "rows", "values")

    def __init__(self, rows: Slots, values: Doubles, pairs_hz: Doubles, n_pairs: Slots) -> None:
        self.rows = rows
        self.values = values
        self._pairs_hz = pairs_hz
        self._n_pairs = n_pairs
        self._at = {row: at for at, row in enumerate(rows.tolist())}

    def column(self, name: str) -> Doubles:
        """One measurement of each tone."""
        return self.values[:, _NAMES[name]]

    def most_pairs_near(self, lows_hz: Sequence[float], highs_hz: Sequence[float], within: float) -> Flags:
        """Whether half of a tone's pairs at least have their peaks near one of each, by a share of it."""
        n = self.rows.size
        near = np.ones(n, dtype=np.bool_)
        for side, some_hz in enumerate((lows_hz, highs_hz)):
            hz = self._pairs_hz[:n, :, side]
            fits = np.zeros(hz.shape, dtype=np.bool_)
            for nominal_hz in some_hz:
                fits |= np.abs(hz - nominal_hz) <= within * nominal_hz
            near &= 2 * np.count_nonzero(fits, axis=1) >= self._n_pairs[:n]
        return near

    def of(self, row: int) -> Tone | None:
        """The tone that ended with a frame, if one did."""
        at = self._at.get(row)
        return None if at is None else self.tone(at)

    def tone(self, at: int) -> Tone:
        """One of the tones, by its place among them."""
        found = dict(zip(MEASURED, self.values[at].tolist(), strict=True))
        low_hz, high_hz = found["low_hz"], found["high_hz"]
        pairs_hz = self._pairs_hz[at, : self._n_pairs[at]].tolist()
        return Tone(
            freqs_hz=(low_hz, high_hz) if high_hz else (low_hz,),
            steady=bool(found["steady"]),
            pairs_hz=tuple((low, high) for low, high in pairs_hz),
            **{name: int(found[name]) if name in _WHOLE else found[name] for name in _AS_MEASURED},
        )


class Found(NamedTuple):
    """What `follow` fills beside places and flags: ended tones as `Ended` has them, and tones that sound."""

    values: Doubles
    pairs_hz: Doubles
    sounding: Doubles


def room_for_tones(n: int) -> Found:
    """Set aside what may be found with some frames."""
    return Found(np.empty((n, N_MEASURED)), np.empty((n, PAIRS_KEPT, 2)), np.empty((n, len(Sounding._fields))))


def soundings(places: Slots, n: int, sounding: Doubles) -> dict[int, Sounding]:
    """The steady tones that sound, where they have lasted as long as was to be told, by their frames."""
    rows = zip(places[LASTING, :n].tolist(), sounding[:n].tolist(), strict=True)
    return {row: Sounding(int(on), int(off), *rest) for row, (on, off, *rest) in rows}


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
        self._runs = runs_of(n_calls)
        self._past = np.zeros(n_calls, dtype=PAST)
        self._lasting = np.array(lasting, dtype=np.float64).reshape(-1, 3)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        clear(self._runs, slot)
        self._past["n"][slot] = 0

    @property
    def state(self) -> tuple[Runs, Runs, Runs, Doubles]:
        """What `follow` is given of it: the third is room for a run that has ended."""
        return self._runs, self._past, np.empty(1, dtype=RUN), self._lasting

    def feed(self, frames: Doubles, slots: Slots) -> Ended:
        """Take the next frames of some calls, rows as `amd.runs.Frame` has them; those of one call in order."""
        n = frames.shape[0]
        places, flags = rows_of(n)
        found = room_for_tones(n)
        n_ended, _ = follow(frames, slots, *self.state, flags, places, *found)
        return Ended(places[ENDED, :n_ended], found.values[:n_ended], found.pairs_hz, places[N_PAIRS])

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
        facts = np.array([row], dtype=np.float32).astype(np.float64)
        facts[0, RATIO] = ratio
        return self.feed(facts, np.zeros(1, dtype=np.intp)).of(0)

    @property
    def tonal(self) -> bool:
        """Whether the first call's last frame belongs to a tone that has stood still for `STEADY_FRAMES`."""
        return bool(self._runs["still"][0])

    @property
    def pending(self) -> bool:
        """Whether a tone may have begun there that is not known to be one yet: two frames agreed."""
        return bool(self._runs["pending"][0])

    def sounding(self) -> Sounding | None:
        """Return the first call's steady tone that still sounds, as far as it is known."""
        if not self.tonal:
            return None
        found = np.empty(len(Sounding._fields))
        _sound(self._runs[0], found)
        on, off, *rest = found.tolist()
        return Sounding(int(on), int(off), *rest)

    def finish(self, n_frames: int, slot: int = 0) -> Tone | None:
        """End the tone of a call that still sounds after so many frames: the call is over."""
        tone = None
        if self._runs["n"][slot] >= LEAST_FRAMES:
            values, pairs_hz = np.empty((1, N_MEASURED)), np.empty((1, PAIRS_KEPT, 2))
            known = frame_known_sample(n_frames - 1)
            n_pairs = measure(self._runs[slot], self._past[slot], known, values[0], pairs_hz[0])
            tone = Ended(np.zeros(1, dtype=np.intp), values, pairs_hz, np.array([n_pairs])).tone(0)
        clear(self._runs, slot)
        return tone


@exact
def follow(
    frames: Doubles,
    slots: Slots,
    runs: Runs,
    past: Runs,
    scratch: Runs,
    lasting: Doubles,
    flags: Flags,
    places: Slots,
    values: Doubles,
    pairs_hz: Doubles,
    sounding: Doubles,
) -> tuple[int, int]:
    """Take frames, in order; return how many tones ended with them, and how often one was told to last."""
    n_ended, n_lasting = 0, 0
    for at in range(frames.shape[0]):
        slot = slots[at]
        run = runs[slot]
        if step(run, frames[at], scratch, 0):
            known = int(frames[at, AT]) * HOP_SAMPLES + FRAME_SAMPLES
            places[ENDED, n_ended] = at
            places[N_PAIRS, n_ended] = measure(scratch[0], past[slot], known, values[n_ended], pairs_hz[n_ended])
            n_ended += 1
        flags[STILL, at], flags[PENDING, at] = run.still, run.pending
        places[BEGUN, at], places[OFF, at] = -1, -1
        if run.n > 0:
            places[BEGUN, at] = int(run.frames[0, AT]) * HOP_SAMPLES
            places[OFF, at] = run.last * HOP_SAMPLES + FRAME_SAMPLES
        if run.still:
            length_s = (
                places[OFF, at] - places[BEGUN, at] + FRAME_SAMPLES
            ) / RATE_HZ  # an edge may lie in the frame before
            for row in range(lasting.shape[0]):
                low_hz, high_hz, least_s = lasting[row]
                if low_hz <= run.middles[PEAK] <= high_hz and length_s >= least_s:
                    _sound(run, sounding[n_lasting])
                    places[LASTING, n_lasting] = at
                    n_lasting += 1
                    break
    return n_ended, n_lasting


@exact
def _sound(run: Any, found: Doubles) -> None:
    """Tell of a tone that sounds what `Sounding` has."""
    on, _ = edges(run)
    found[0], found[1] = on, run.last * HOP_SAMPLES + FRAME_SAMPLES
    found[2], found[3], found[4] = run.middles[PEAK], run.middles[CLARITY], deviation_db(run)

"""Steady tones: runs of frames whose power lies in one or two peaks that stay where they are."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.framing import FRAME_SAMPLES, frame_known_sample
from amd.spectrum import LEVEL_MIN_DB

SINGLE_SHARE_MIN: Final = 0.6
"""A tone 2 dB above all else in the band together; most vowels spread over several harmonics."""
PAIR_SHARE_MIN: Final = 0.8
"""Two tones together: a vowel may put as much into two harmonics, but does not hold them still."""
TONE_LEVEL_MIN_DB: Final = -80.0
"""As for speech: a tone at -40 dB gain is still heard."""
DRIFT_MAX_HZ: Final = 8.0
"""A tone's peak moves less than 4 Hz between frames at 10 dB SNR; a spoken vowel's harmonics often move more."""
BEATING_DRIFT_MAX_HZ: Final = 54.0
"""Two tones closer than the window resolves (ringback 400+450 Hz) look like one that wanders between them."""
BEATING_MAX_HZ: Final = 500.0
"""Ringback lies below."""
FULL_DB: Final = 3.0
"""A frame that holds less than half of the tone's power is an edge: its peak may lie beside the tone."""
EDGE_FRAMES: Final = 3
"""As many frames may hold a tone in part at its start: two overlap its onset, noise spoils one."""
STEADY_FRAMES: Final = 4
"""64 ms of standing still make a tone; what came before was taken for voice and has to be taken back."""
BEATING_FRAMES: Final = 12
"""What wanders as two close tones do needs 192 ms: longer than a vowel with one strong low harmonic."""
RECENT_FRAMES: Final = 4
"""A frame goes on with a tone when it agrees with two of its last four frames: one may be spoilt."""
BRIDGE_FRAMES: Final = 2
"""A click, a lost packet or a phase reversal spoils at most two overlapping frames."""
DROP_DB: Final = 9.0
"""A frame this far below the run is no longer the tone: the level tells its end before the shape does."""
HALF_COVERED_DB: Final = -3.0
EDGE_MIN_DB: Final = -20.0
EDGE_MAX_DB: Final = -1.0
"""Levels against a whole frame's: half of it, almost nothing, almost all (noise moves a whole frame by less)."""
FADE_DB: Final = 6.0
"""Frames this far below a tone's median level are its fading in and out, not its unsteadiness."""
CLEAR_FRAMES: Final = 2
"""A frame two hops from the tone's last frame holds nothing of it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A steady tone, from sample ``on`` to before sample ``off``.

    Parameters
    ----------
    freqs_hz : tuple of float
        One frequency, or two in rising order.
    level_db : float
        Median level of its whole frames, in dB of full scale.
    spread_db : float
        Standard deviation of that level over the whole frames, its fading in and out left out.
    wander_hz : float
        Standard deviation of the (lower) frequency over the whole frames.
    rise_db, fall_db : float
        How much louder it is than everything just before and just after it.
    known : int
        How many samples had been heard when its end was known.
    """

    on: int
    off: int
    freqs_hz: tuple[float, ...]
    level_db: float
    spread_db: float
    wander_hz: float
    rise_db: float
    fall_db: float
    known: int


@dataclass(slots=True)
class _Run:
    """A tone that goes on, from its first frame to the last one that fitted."""

    first: int
    last: int
    before_db: float
    lead_db: float
    freqs: list[tuple[float, ...]]
    levels_db: list[float]
    full_freqs: tuple[float, ...]
    full_db: float
    tail_db: float = LEVEL_MIN_DB
    n_astray: int = 0

    def compare(self, freqs: tuple[float, ...], tone_db: float, peak_hz: float) -> None:
        """Count the frames that are not where the first full one was; edges shift a peak, and do not count."""
        if tone_db > self.full_db + FULL_DB and len(self.freqs) < EDGE_FRAMES:
            self.full_freqs, self.full_db, self.n_astray = freqs, tone_db, 0
        elif not _near(peak_hz, self.full_freqs, DRIFT_MAX_HZ):
            self.n_astray += EDGE_FRAMES if tone_db >= self.full_db - FULL_DB else 1

    @property
    def wandered(self) -> bool:
        """Whether it moves, as a voice does, or two tones that beat."""
        return self.n_astray >= EDGE_FRAMES

    @property
    def steady(self) -> bool:
        """Whether it stood still long enough; two tones that beat wander about one place, a voice leaves it."""
        if not self.wandered:
            return len(self.freqs) >= STEADY_FRAMES
        if len(self.freqs) < BEATING_FRAMES:
            return False
        half = len(self.freqs) // 2
        sooner, later = self.freqs[:half], self.freqs[half:]
        drift_hz = statistics.fmean(f[0] for f in later) - statistics.fmean(f[0] for f in sooner)
        return abs(drift_hz) <= DRIFT_MAX_HZ


class ToneTracker:
    """Follow the tones of one call, one frame at a time and in order.

    Memory is bounded: frames of a tone beyond `KEEP_FRAMES` only move its end.
    """

    KEEP_FRAMES: Final = 64

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._previous_hz = 0.0
        self._previous_db = LEVEL_MIN_DB
        self._levels_db = (LEVEL_MIN_DB, LEVEL_MIN_DB)

    def step(
        self,
        index: int,
        *,
        level_db: float,
        peak_hz: float,
        second_hz: float,
        peak_share: float,
        pair_share: float,
    ) -> tuple[bool, Tone | None]:
        """Take the facts of the next frame.

        Returns
        -------
        tonal : bool
            The frame belongs to a tone that has stood still for `STEADY_FRAMES`.
        ended : Tone or None
            A tone that was found to have ended.
        """
        single = peak_share >= SINGLE_SHARE_MIN
        pure = level_db >= TONE_LEVEL_MIN_DB and (single or pair_share >= PAIR_SHARE_MIN)
        freqs = (peak_hz,) if single else (min(peak_hz, second_hz), max(peak_hz, second_hz))
        tone_db = level_db + 10 * math.log10(max(peak_share if single else pair_share, 1e-6))
        run, ended = self._run, None
        if run is not None:
            recent = run.freqs[-RECENT_FRAMES:]
            near = sum(_near(peak_hz, freqs_before) for freqs_before in recent) >= min(2, len(recent))
            near = near and (run.full_freqs[0] > BEATING_MAX_HZ or _near(peak_hz, run.full_freqs))
            if pure and near and index - run.last <= BRIDGE_FRAMES + 1:
                run.last = index
                run.compare(freqs, tone_db, peak_hz)
                if len(run.levels_db) < self.KEEP_FRAMES:
                    run.freqs.append(freqs)
                    run.levels_db.append(tone_db)
            else:
                if index == run.last + 1:
                    run.tail_db = tone_db if near else LEVEL_MIN_DB
                fell = run.tail_db < _steady_db(run) - DROP_DB and index - run.last >= CLEAR_FRAMES
                if not run.steady:
                    self._run = None
                elif fell or index - run.last > BRIDGE_FRAMES:
                    ended = _tone(run, frame_known_sample(index), after_db=level_db)
                    self._run = None
        if self._run is None and pure:
            lead_db = self._previous_db if _near(self._previous_hz, freqs) else LEVEL_MIN_DB
            self._run = _Run(index, index, self._levels_db[0], lead_db, [freqs], [tone_db], freqs, tone_db)
        self._previous_hz, self._previous_db = peak_hz, tone_db
        self._levels_db = (self._levels_db[1], level_db)
        return self._run is not None and self._run.steady, ended

    def sounding(self, index: int) -> Tone | None:
        """Return the tone that still sounds in frame ``index``, as far as it is known."""
        run = self._run
        if run is None or not run.steady:
            return None
        return _tone(run, frame_known_sample(index), after_db=LEVEL_MIN_DB)

    def finish(self, index: int) -> Tone | None:
        """End the tone that still sounds: frame ``index`` would be next, but the call is over."""
        run, self._run = self._run, None
        return _tone(run, frame_known_sample(index - 1), after_db=LEVEL_MIN_DB) if run and run.steady else None

    @property
    def pending(self) -> bool:
        """Whether a tone may have begun that is not known to be one yet: two frames agreed."""
        return self._run is not None and len(self._run.freqs) > 1


def _near(hz: float, freqs: tuple[float, ...], low_drift_hz: float = BEATING_DRIFT_MAX_HZ) -> bool:
    """Whether a peak is where a tone's peak was in the frame before."""
    return any(abs(hz - f) <= (low_drift_hz if f < BEATING_MAX_HZ else DRIFT_MAX_HZ) for f in freqs)


def _steady_db(run: _Run) -> float:
    return statistics.median(run.levels_db)


def _tone(run: _Run, known: int, *, after_db: float) -> Tone:
    """What a run of frames says of its tone; the edges come from the frames that the tone covers in part."""
    pairs = [pair for pair in run.freqs if len(pair) > 1]
    freqs = pairs if len(pairs) > len(run.freqs) / 2 else [pair[:1] for pair in run.freqs if len(pair) == 1]
    freqs_hz = tuple(statistics.median(values) for values in zip(*freqs, strict=True))
    level_db = _steady_db(run)
    on_frame, on_db = _edge([(run.first - 1, run.lead_db), *enumerate(run.levels_db[:2], run.first)], level_db)
    ends = [(run.last + 1, run.tail_db)]
    if run.last - run.first < len(run.levels_db):
        ends += [(run.last, run.levels_db[-1]), (run.last - 1, run.levels_db[-2])]
    off_frame, off_db = _edge(ends, level_db)
    core = [db for db in run.levels_db[1:-1] if db >= level_db - FADE_DB] or [level_db]
    return Tone(
        on=max(0, frame_known_sample(on_frame) - covered_samples(on_db, level_db)),
        off=min(known, frame_known_sample(off_frame) - FRAME_SAMPLES + covered_samples(off_db, level_db)),
        freqs_hz=freqs_hz,
        level_db=level_db,
        spread_db=statistics.pstdev(core),
        wander_hz=statistics.pstdev(_full(run, level_db) or [0.0]),
        rise_db=level_db - run.before_db,
        fall_db=level_db - after_db,
        known=known,
    )


def _full(run: _Run, level_db: float) -> list[float]:
    """(Lower) frequency in the frames at full level."""
    pairs = zip(run.freqs, run.levels_db, strict=True)
    return [freqs[0] for freqs, db in pairs if db >= level_db - FULL_DB / 2]


def _edge(frames: list[tuple[int, float]], steady_db: float) -> tuple[int, float]:
    """Of the frames at an edge, outermost first, the one about half covered: its level tells the place best.

    When none is covered in part (another tone joins without a gap), the outermost full one.
    """
    partial = [frame for frame in frames if EDGE_MIN_DB <= frame[1] - steady_db <= EDGE_MAX_DB]
    if partial:
        return min(partial, key=lambda frame: abs(frame[1] - steady_db - HALF_COVERED_DB))
    return next((frame for frame in frames if frame[1] - steady_db > EDGE_MAX_DB), frames[0])


def covered_samples(level_db: float, steady_db: float) -> int:
    """How many samples of a frame hold a tone that starts or ends within it, from what its level lacks."""
    share = min(1.0, 10 ** ((level_db - steady_db) / 10))
    return round(float(np.interp(share, _COVERED_SHARES, np.arange(FRAME_SAMPLES + 1))))


def _covered_shares() -> list[float]:
    """Power of a steady tone that fills the first ``n`` samples of a frame, as a share of a whole frame's."""
    phase = 2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
    covered = np.concatenate([[0.0], np.cumsum((0.5 - 0.5 * np.cos(phase)) ** 2)])
    shares: list[float] = (covered / covered[-1]).tolist()
    return shares


_COVERED_SHARES: Final = _covered_shares()

"""Tones: runs of frames whose power one generated tone can explain, wherever it goes at a tone's pace.

Nearly every tone is found, and many vowels with it. Each comes with measurements of how steady it is, how pure,
and how far it stands out, by which `amd.beeps` and `amd.callprogress` tell them apart.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.framing import FRAME_SAMPLES, HOP_SAMPLES, frame_known_sample
from amd.spectrum import LEVEL_MIN_DB

CLARITY_START: Final = 0.55
CLARITY_KEEP: Final = 0.45
"""Share of the power that a tone has to explain, to begin and to go on. At 10 dB SNR over six codecs, 98 % of
the frames of generated tones have more than 0.6; those of GSM above 2.5 kHz have the least."""
TONE_LEVEL_MIN_DB: Final = -80.0
"""As for speech: a tone at -40 dB gain is still heard."""
SECOND_MIN: Final = 0.1
"""A second peak with so much of the first one's power may be a tone of its own: dual tones differ by less."""
PACE_MAX_HZ: Final = 12.0
PACE_MAX_SHARE: Final = 0.05
"""From one frame to the next: a beep swept by 20 % within 70 ms moves by 4.6 %."""
BEATING_MAX_HZ: Final = 500.0
BEATING_PACE_HZ: Final = 96.0
"""Two tones closer than the window resolves (dial tone 350+440 Hz) look like one that wanders between them."""
DRIFT_MAX_HZ: Final = 8.0
"""A tone's peak is within 4 Hz of where it was, or was going, at 10 dB SNR; a vowel's often is not."""
DRIFT_EVERY: Final = 4
"""One frame in so many may be astray: an edge, a spoilt one."""
STEADY_FRAMES: Final = 4
"""64 ms of standing still make a tone; what came before was taken for voice and has to be taken back."""
LASTING_FRAMES: Final = 12
LASTING_DRIFT_MAX_HZ: Final = 25.0
LASTING_CLARITY_MIN: Final = 0.85
"""What wanders about one place, as two close tones do, or one over GSM, needs 192 ms: longer than most vowels
whose power lies in one harmonic, and those drift."""
STILL_CLARITY_MIN: Final = 0.7
STILL_FRAMES: Final = 8
"""What has not come to rest by then is taken for voice while it sounds; a sweep is taken back at its end."""
BEATING_MIN_HZ: Final = 340.0
BEATING_FRAMES: Final = 16
"""Two tones that beat may take so long, within the 20 frames in which speech is confirmed."""
LEAST_FRAMES: Final = 3
"""A tone of 60 ms lies in three frames at least; fewer are not looked at."""
BRIDGE_FRAMES: Final = 3
"""A lost packet, a click or a phase reversal spoils at most three overlapping frames."""
DROP_DB: Final = 9.0
"""A frame this far below the run is no longer the tone: the level tells its end before the shape does."""
EDGE_FRAMES: Final = 2
"""Frames that hold a tone in part at its start."""
CLEAR_FRAMES: Final = 2
"""A frame two hops from the tone's last frame holds nothing of it any more."""
FULL_DB: Final = 1.5
"""Frames within this of the median level hold all of the tone."""
CONTEXT_FRAMES: Final = 3
"""48 ms before a tone tell whether it stands out."""
HALF_COVERED_DB: Final = -3.0
EDGE_MIN_DB: Final = -20.0
EDGE_MAX_DB: Final = -1.0
"""Levels against a whole frame's: half of it, almost nothing, almost all (noise moves a whole frame by less)."""
EDGE_MARGIN_SAMPLES: Final = 8
"""How exactly an edge is known: a frame that begins 1 ms before it still counts as whole."""
PAIR_WANDER_MAX_HZ: Final = 12.0
"""Both tones of a pair stay in place, at the median; a vowel's second harmonic does not."""


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
    attack_frames, release_frames : int
        Frames at its edges that hold it in part: one or two when it is switched, more when a voice swells.
    gaps : float
        Share of its frames that were spoilt.
    rise_db, fall_db : float
        How much louder it is than the loudest of the frames just before it and of those known after it.
    rise_near_db, fall_near_db : float
        The same for the frame next to it, and for the quietest one after.
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
    attack_frames: int
    release_frames: int
    gaps: float
    rise_db: float
    fall_db: float
    rise_near_db: float
    fall_near_db: float


class _Frame(NamedTuple):
    at: int
    level_db: float
    tone_db: float
    clarity: float
    peak_hz: float
    second_hz: float
    second_ratio: float


@dataclass(slots=True)
class _Run:
    """A tone that goes on: its frames, as far as they are kept, and what was heard before."""

    frames: list[_Frame]
    before: tuple[_Frame, ...]
    lead_db: float
    last: int
    n: int = 1
    n_astray: int = 0
    n_pairs: int = 0
    tail_db: float = LEVEL_MIN_DB
    after: list[_Frame] = field(default_factory=list)

    @property
    def first(self) -> int:
        return self.frames[0].at

    @property
    def steady(self) -> bool:
        """Whether it stood still long enough; two tones that beat wander about one place, a voice leaves it."""
        n_kept = len(self.frames)
        if self.n_astray * DRIFT_EVERY <= n_kept:
            return n_kept >= STEADY_FRAMES
        return self.lasts

    @property
    def lasts(self) -> bool:
        """Whether it has wandered about one place for long, and kept pure."""
        n_kept = len(self.frames)
        if n_kept < LASTING_FRAMES:
            return False
        half = n_kept // 2
        sooner, later = self.frames[:half], self.frames[half:]
        drift_hz = statistics.fmean(f.peak_hz for f in later) - statistics.fmean(f.peak_hz for f in sooner)
        return abs(drift_hz) <= LASTING_DRIFT_MAX_HZ and self.clarity >= LASTING_CLARITY_MIN

    @property
    def clarity(self) -> float:
        """Median share of the power that it explains."""
        return statistics.median(f.clarity for f in self.frames)

    @property
    def still(self) -> bool:
        """Whether it is no voice, as far as can be told while it sounds: pure, and in one place."""
        if not self.steady or self.clarity < STILL_CLARITY_MIN:
            return False
        peaks_hz = [f.peak_hz for f in self.frames]
        middle_hz = statistics.median(peaks_hz)
        n_off = sum(abs(hz - middle_hz) > DRIFT_MAX_HZ for hz in peaks_hz)
        return n_off * DRIFT_EVERY <= len(peaks_hz) or self.lasts

    @property
    def pending(self) -> bool:
        """Whether it may be a tone, too short to be known as one: nothing was astray, or it may beat."""
        n_kept = len(self.frames)
        if self.n < 2:
            return False
        is_pure = self.clarity >= LASTING_CLARITY_MIN
        may_beat = is_pure and BEATING_MIN_HZ <= statistics.median(f.peak_hz for f in self.frames) < BEATING_MAX_HZ
        recent_hz = [f.peak_hz for f in self.frames[-STEADY_FRAMES:]]
        rests = is_pure and max(recent_hz) - min(recent_hz) <= DRIFT_MAX_HZ
        if n_kept >= (BEATING_FRAMES if may_beat or rests else STILL_FRAMES):
            return self.still
        return is_pure or self.n_astray * DRIFT_EVERY <= max(n_kept, DRIFT_EVERY)  # an edge may be astray

    @property
    def is_dual(self) -> bool:
        """Whether most of its frames have a second peak: then either may be the stronger one."""
        return self.n_pairs * 2 >= len(self.frames)

    @property
    def median_db(self) -> float:
        return statistics.median(f.tone_db for f in self.frames)

    def fits(self, frame: _Frame) -> bool:
        """Whether a frame goes on with one of the last two: one may be spoilt."""
        if frame.clarity < CLARITY_KEEP or frame.level_db < TONE_LEVEL_MIN_DB:
            return False
        if frame.at - self.last > BRIDGE_FRAMES + 1:
            return False
        if not any(_goes_on(before, frame, dual=self.is_dual) for before in self.frames[-2:]):
            return False
        return self.n < LEAST_FRAMES or frame.tone_db >= self.median_db - DROP_DB

    def take(self, frame: _Frame, keep_frames: int) -> None:
        """Add a frame that fits."""
        before = self.frames[-1]
        due_hz = [before.peak_hz, before.second_hz]
        if len(self.frames) > 1:
            due_hz.append(2 * before.peak_hz - self.frames[-2].peak_hz)
        astray = min(abs(frame.peak_hz - hz) for hz in due_hz) > DRIFT_MAX_HZ
        self.last = frame.at
        self.n += 1
        if self.n <= keep_frames:
            self.frames.append(frame)
            self.n_astray += astray
            self.n_pairs += frame.second_ratio > SECOND_MIN


class ToneTracker:
    """Follow the tones of one call, one frame at a time and in order.

    Memory is bounded: frames of a tone beyond `KEEP_FRAMES` only move its end.
    """

    KEEP_FRAMES: Final = 64

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._recent: tuple[_Frame, ...] = ()

    def step(
        self,
        index: int,
        *,
        level_db: float,
        peak_hz: float,
        second_hz: float,
        peak_share: float,
        pair_share: float,
        clarity: float,
    ) -> Tone | None:
        """Take the facts of the next frame; return the tone that was found to have ended, if one was."""
        frame = _Frame(
            index,
            level_db,
            level_db + 10 * math.log10(max(clarity, 1e-6)),
            clarity,
            peak_hz,
            second_hz,
            (pair_share - peak_share) / max(peak_share, 1e-6),
        )
        ended = None
        run = self._run
        if run is not None:
            if run.fits(frame):
                run.take(frame, self.KEEP_FRAMES)
                run.after.clear()
            else:
                ended = self._maybe_end(run, frame)
        if self._run is None and clarity >= CLARITY_START and level_db >= TONE_LEVEL_MIN_DB:
            dual = frame.second_ratio > SECOND_MIN
            leads = self._recent and _goes_on(frame, self._recent[-1], dual=dual)
            lead_db = self._recent[-1].tone_db if leads else LEVEL_MIN_DB
            self._run = _Run([frame], self._recent, lead_db, index, n_pairs=int(dual))
        self._recent = (*self._recent[-(CONTEXT_FRAMES + 1) :], frame)
        return ended

    def _maybe_end(self, run: _Run, frame: _Frame) -> Tone | None:
        """Look at a frame that does not go on with the run: is the run over?"""
        if run.n == 1:  # one frame is no tone: what comes now may be
            self._run = None
            return None
        if frame.at == run.last + 1:
            goes_on = _goes_on(run.frames[-1], frame, dual=run.is_dual)
            run.tail_db = frame.tone_db if goes_on else LEVEL_MIN_DB
        run.after.append(frame)
        fell = run.tail_db < run.median_db - DROP_DB and frame.at - run.last >= CLEAR_FRAMES
        if not fell and frame.at - run.last <= BRIDGE_FRAMES:
            return None
        self._run = None
        return _tone(run, frame_known_sample(frame.at)) if run.n >= LEAST_FRAMES else None

    @property
    def tonal(self) -> bool:
        """Whether the last frame belongs to a tone that has stood still for `STEADY_FRAMES`."""
        return self._run is not None and self._run.still

    @property
    def begun(self) -> int | None:
        """First sample of what may be a tone, if there is such a thing just now."""
        return None if self._run is None else frame_known_sample(self._run.first) - FRAME_SAMPLES

    @property
    def pending(self) -> bool:
        """Whether a tone may have begun that is not known to be one yet: two frames agreed."""
        return self._run is not None and self._run.pending

    def sounding(self) -> Sounding | None:
        """Return the steady tone that still sounds, as far as it is known."""
        run = self._run
        if run is None or not run.still:
            return None
        on, _ = _edges(run, run.median_db)
        hz = statistics.median(f.peak_hz for f in run.frames)
        clarity = statistics.median(f.clarity for f in run.frames)
        spread_db = _spread([f.tone_db for f in run.frames[EDGE_FRAMES:]])
        return Sounding(on, frame_known_sample(run.last), hz, clarity, spread_db)

    def finish(self, n_frames: int) -> Tone | None:
        """End the tone that still sounds after so many frames: the call is over."""
        run, self._run = self._run, None
        return _tone(run, frame_known_sample(n_frames - 1)) if run and run.n >= LEAST_FRAMES else None


def _goes_on(before: _Frame, frame: _Frame, *, dual: bool) -> bool:
    """Whether a peak of one frame is near one of the other, at most a tone's pace away.

    The second peaks count where there are two tones, but not where one tone follows another.
    """
    later = [frame.peak_hz, frame.second_hz] if dual and frame.second_ratio > SECOND_MIN else [frame.peak_hz]
    sooner = [before.peak_hz, before.second_hz] if dual and before.second_ratio > SECOND_MIN else [before.peak_hz]
    return any(
        abs(hz - old_hz)
        <= (BEATING_PACE_HZ if old_hz < BEATING_MAX_HZ else max(PACE_MAX_HZ, PACE_MAX_SHARE * old_hz))
        for hz in later
        for old_hz in sooner
    )


def _edges(run: _Run, level_db: float) -> tuple[int, int]:
    """Where it begins and ends, from the frames that it covers in part."""
    frames = [(f.at, f.tone_db) for f in run.frames]
    on_frame, on_db = _edge([(run.first - 1, run.lead_db), *frames[:2]], level_db)
    ends = [(run.last + 1, run.tail_db)]
    if run.n == len(frames):
        ends += frames[-1:-3:-1]
    else:
        ends.append((run.last, level_db))
    off_frame, off_db = _edge(ends, level_db)
    on = max(0, frame_known_sample(on_frame) - covered_samples(on_db, level_db))
    return on, frame_known_sample(off_frame) - FRAME_SAMPLES + covered_samples(off_db, level_db)


def _tone(run: _Run, known: int) -> Tone:
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
    hz = lows if is_pair else np.array([f.peak_hz for f in core])
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
        attack_frames=_n_partial([run.lead_db, *levels_db], level_db),
        release_frames=_n_partial([run.tail_db, *(levels_db[::-1] if run.n == len(levels_db) else ())], level_db),
        gaps=1 - len(run.frames) / n_spanned,
        rise_db=level_db - max(before_db[-CONTEXT_FRAMES:], default=LEVEL_MIN_DB),
        fall_db=level_db - max(after_db, default=LEVEL_MIN_DB),
        rise_near_db=level_db - (before_db[-1] if before_db else LEVEL_MIN_DB),
        fall_near_db=level_db - min(after_db, default=LEVEL_MIN_DB),
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


def _start(frame: _Frame) -> int:
    return frame_known_sample(frame.at) - FRAME_SAMPLES


def _end(frame: _Frame) -> int:
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

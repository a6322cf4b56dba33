"""Runs of frames that one generated tone could explain: which frames go on with it, whether it stands still."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Final, NamedTuple

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

HOME_FRAMES: Final = 6
HOME_LEAST: Final = 4
"""A run with a second peak has stood still when four of its last six frames agree. In noise there is nearly
always a second peak, and where two tones meet it would lead from one to the next."""
BURST_DB: Final = 9.0
BURST_CLARITY: Final = 0.15
"""A frame so much louder and purer than the run is a tone of its own, which began in noise or behind a voice."""


class Frame(NamedTuple):
    """What is kept of a frame: its index, levels, how much of it one tone explains, its two peaks, the noise."""

    at: int
    level_db: float
    tone_db: float
    clarity: float
    peak_hz: float
    second_hz: float
    second_ratio: float
    noise_db: float


@dataclass(slots=True)
class Run:
    """A tone that goes on: its frames, as far as they are kept, and what was heard before."""

    frames: list[Frame]
    before: tuple[Frame, ...]
    lead_db: float
    last: int
    n: int = 1
    n_astray: int = 0
    n_pairs: int = 0
    tail_db: float = LEVEL_MIN_DB
    after: list[Frame] = field(default_factory=list)

    @property
    def first(self) -> int:
        """Index of its first frame."""
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
        drift_hz = min(  # a spoilt frame is far off; of two tones that beat, now one is the peak and now the other
            abs(middle([f.peak_hz for f in later]) - middle([f.peak_hz for f in sooner]))
            for middle in (statistics.fmean, statistics.median, _midrange)
        )
        return drift_hz <= LASTING_DRIFT_MAX_HZ and self.clarity >= LASTING_CLARITY_MIN

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
        """Level of the tone."""
        return statistics.median(f.tone_db for f in self.frames)

    def fits(self, frame: Frame) -> bool:
        """Whether a frame goes on with one of the last two: one may be spoilt."""
        if frame.clarity < CLARITY_KEEP or frame.level_db < TONE_LEVEL_MIN_DB:
            return False
        if frame.at - self.last > BRIDGE_FRAMES + 1:
            return False
        if not any(goes_on(before, frame, dual=self.is_dual) for before in self.frames[-2:]):
            return False
        if self.n < LEAST_FRAMES:
            return True
        if self.is_dual and self._leaves(frame):
            return False
        rise_db = frame.tone_db - self.median_db
        return rise_db >= -DROP_DB and not (rise_db > BURST_DB and frame.clarity - self.clarity > BURST_CLARITY)

    def _leaves(self, frame: Frame) -> bool:
        """Whether the run stood still and a frame is elsewhere: the next tone, not the other one of a pair."""
        recent = self.frames[-HOME_FRAMES:]
        if self.n > len(self.frames) or len(recent) < HOME_FRAMES:
            return False
        homes_hz = [
            home_hz
            for peaks_hz in zip(*((f.peak_hz, f.second_hz) for f in recent), strict=True)
            if sum(abs(hz - (home_hz := statistics.median(peaks_hz))) <= PACE_MAX_HZ for hz in peaks_hz)
            >= HOME_LEAST
        ]
        if not homes_hz or homes_hz[0] < BEATING_MAX_HZ:
            return False
        return all(abs(frame.peak_hz - hz) > PACE_MAX_SHARE * hz for hz in homes_hz)

    def take(self, frame: Frame, keep_frames: int) -> None:
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


def _midrange(values_hz: list[float]) -> float:
    """Half way between the highest and the lowest but a tenth of either."""
    n_off = len(values_hz) // 10
    ordered = sorted(values_hz)
    return (ordered[n_off] + ordered[-1 - n_off]) / 2


def goes_on(before: Frame, frame: Frame, *, dual: bool) -> bool:
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

"""All that is heard on one call, frame by frame: runs of speech, tones with their meaning, evidence when asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amd.audio import Samples
from amd.cadence import Cadence, Run
from amd.callprogress import CallProgress, Heard, is_generated
from amd.evidence import TICK_FRAMES, EvidenceTaker
from amd.framing import Framer, frame_end_sample, frame_known_sample
from amd.spectrum import SpectrumAnalyser
from amd.speech import Activity, SpeechTracker
from amd.tones import ToneTracker

TONE_PAST_SAMPLES: Final = 1600
"""While a tone sounds, and 200 ms on, what it means comes first: its silence is not a person who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one frame brought.

    Parameters
    ----------
    now, known : int
        Where the frame stops counting, and how many samples had been heard when it was complete.
    started, ended : Run or None
        The run of speech that was found to have started, or ended, with it.
    tones : tuple of Heard
        The tones that were recognised with it.
    tick : bool
        Whether evidence is due.
    level_db : float
        Its level, in dB of full scale.
    activity : Activity
        Whether it is speech.
    tonal : bool
        Whether it is part of a tone.
    """

    now: int
    known: int
    started: Run | None
    ended: Run | None
    tones: tuple[Heard, ...]
    tick: bool
    level_db: float
    activity: Activity
    tonal: bool


class Hearing:
    """Listen to the samples of one call, cut anyhow."""

    def __init__(self) -> None:
        self.cadence = Cadence()
        self.tone_off = 0
        self._framer = Framer()
        self._spectrum = SpectrumAnalyser()
        self._speech = SpeechTracker()
        self._tones = ToneTracker()
        self._progress = CallProgress()
        self._evidence = EvidenceTaker()

    @property
    def n_samples(self) -> int:
        """Samples heard so far."""
        return self._framer.n_samples

    @property
    def n_frames(self) -> int:
        """Whole frames heard so far."""
        return self._framer.n_frames

    @property
    def spoken(self) -> bool:
        """Whether anyone has spoken so far."""
        return self.cadence.first_on is not None

    def tone_is_near(self, now: int) -> bool:
        """Whether a tone sounds at sample ``now``, or did just before."""
        return self.tone_off > 0 and now - self.tone_off < TONE_PAST_SAMPLES

    def evidence(self, now: int) -> Samples:
        """Evidence as of sample ``now``: float32 of shape ``(len(amd.evidence.NAMES),)``."""
        return self._evidence.vector(now, self.cadence)

    def feed(self, samples: Samples) -> Iterator[Moment]:
        """Take samples; what each completed frame brought comes out in order, worked out as it is asked for."""
        first = self._framer.n_frames
        frames = self._framer.feed(samples)
        if frames.shape[0] == 0:
            return
        facts = self._spectrum.feed(frames)
        rows = zip(
            facts.level_db.tolist(),
            facts.bands_db.tolist(),
            facts.voicing.tolist(),
            facts.peak_hz.tolist(),
            facts.second_hz.tolist(),
            facts.peak_share.tolist(),
            facts.pair_share.tolist(),
            facts.clarity.tolist(),
            strict=True,
        )
        for index, row in enumerate(rows, first):
            yield self._step(index, *row)

    def finish(self) -> tuple[Run | None, tuple[Heard, ...]]:
        """End the call: the run that was still open, and the tones that were, or waited for what would follow."""
        tone = self._tones.finish(self.n_frames)
        if tone is not None and is_generated(tone):
            self.cadence.retract(self.n_frames - 1, tone.on)
        heard = self._progress.finish(self.n_samples, ended=tone, spoken=self.spoken)
        return self.cadence.close(), tuple(heard)

    def _step(
        self,
        index: int,
        level_db: float,
        bands_db: list[float],
        voicing: float,
        peak_hz: float,
        second_hz: float,
        peak_share: float,
        pair_share: float,
        clarity: float,
    ) -> Moment:
        """Take one frame through every floor."""
        known = frame_known_sample(index)
        ended_tone = self._tones.step(
            index,
            level_db=level_db,
            peak_hz=peak_hz,
            second_hz=second_hz,
            peak_share=peak_share,
            pair_share=pair_share,
            clarity=clarity,
        )
        sounding = self._tones.sounding()
        tonal = sounding is not None
        activity = self._speech.step(level_db, bands_db, voicing, tonal=tonal)
        gone = None
        if ended_tone is not None and is_generated(ended_tone):
            gone = self.cadence.retract(index, ended_tone.on)
            self.tone_off = ended_tone.off
        if sounding is not None:
            self.tone_off = sounding.off
        pending = self._tones.pending
        self._evidence.step(active=activity.active, voiced=activity.voiced, snr_db=activity.snr_db)
        started, ended_run = self.cadence.step(index, active=activity.active, voiced=activity.voiced, hold=pending)
        heard = self._progress.step(
            now=known,
            ended=ended_tone,
            begun=self._tones.begun,
            sounding=sounding,
            pending=pending,
            spoken=self.spoken,
        )
        self.tone_off = max(self.tone_off, *(tone.off for tone in heard)) if heard else self.tone_off
        return Moment(
            now=frame_end_sample(index),
            known=known,
            started=self.cadence.run if started else None,
            ended=ended_run or gone,
            tones=tuple(heard),
            tick=index % TICK_FRAMES == TICK_FRAMES - 1,
            level_db=level_db,
            activity=activity,
            tonal=tonal,
        )

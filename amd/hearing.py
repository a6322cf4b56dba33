"""All that is heard on one call, frame by frame: runs of speech, tones with their meaning, evidence when asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.audio import Samples
from amd.cadence import Cadence, Run
from amd.callprogress import CallProgress, Heard, is_generated
from amd.evidence import EvidenceTaker
from amd.ears import Ears, Frame
from amd.framing import HOP_SAMPLES, frame_end_sample, frame_known_sample
from amd.networks import Network
from amd.speech import Activity

TONE_PAST_SAMPLES: Final = 1600
"""While a tone sounds, and 200 ms on, what it means comes first: its silence is not a person who waits."""
TONE_OFFS_KEPT: Final = 48
"""A run of speech is known 32 frames after it began at most: its first voice, its lead, and a tick."""

BLOCK_SAMPLES: Final = 32_768
"""What is worked out at once of a long chunk: 256 frames stay in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A frame that was judged: where it stops counting, its level, whether it is speech, and part of a tone."""

    now: int
    level_db: float
    activity: Activity
    tonal: bool


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
    judged : tuple of Judged
        The frames that were judged with it: those of a tick, with its last one.
    """

    now: int
    known: int
    started: Run | None
    ended: Run | None
    tones: tuple[Heard, ...]
    judged: tuple[Judged, ...]

    @property
    def tick(self) -> bool:
        """Whether evidence is due: speech is known up to this frame."""
        return bool(self.judged)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is kept of a frame until it is judged: ``tone_on`` is where a tone began that ended with it."""

    index: int
    level_db: float
    tonal: bool
    pending: bool
    tone_on: int | None


class Hearing:
    """Listen to the samples of one call, cut anyhow; ``network`` says how much it sounds like a recording.

    The ears may be shared with other calls, each in its own ``slot``: who shares them feeds them, and gives what
    they made of it to `take`.
    """

    def __init__(self, network: Network, *, ears: Ears | None = None, slot: int = 0) -> None:
        self.cadence = Cadence()
        self.tone_off = 0
        self.n_heard = 0
        self._ears = ears or Ears(network, 1)
        self._slot = slot
        self._progress = CallProgress()
        self._evidence = EvidenceTaker()
        self._waiting: list[_Waiting] = []
        self._tone_offs: deque[int] = deque(maxlen=TONE_OFFS_KEPT)

    @property
    def n_samples(self) -> int:
        """Samples heard so far."""
        return int(self._ears.framer.n_samples_of[self._slot])

    @property
    def n_frames(self) -> int:
        """Whole frames heard so far."""
        return int(self._ears.framer.n_frames_of[self._slot])

    @property
    def spoken(self) -> bool:
        """Whether anyone has spoken so far."""
        return self.cadence.first_on is not None

    def tone_is_near(self, now: int) -> bool:
        """Whether a tone sounds at sample ``now``, or did just before."""
        return self.tone_off > 0 and now - self.tone_off < TONE_PAST_SAMPLES

    def tone_off_by(self, sample: int) -> int:
        """Where the last tone before a recent sample ended: a vowel of what is said since may sound like one."""
        n_since = max(0, (frame_end_sample(self.n_heard - 1) - sample) // HOP_SAMPLES)
        return self._tone_offs[max(0, len(self._tone_offs) - 1 - n_since)]

    def evidence(self, now: int) -> Samples:
        """Evidence as of sample ``now``: float32 of shape ``(len(amd.evidence.NAMES),)``."""
        return self._evidence.vector(now, self.cadence)

    def feed(self, samples: Samples) -> Iterator[Moment]:
        """Take samples; what each completed frame brought comes out in order, worked out as it is asked for."""
        slots = np.array([self._slot])
        for at in range(0, samples.size, BLOCK_SAMPLES):
            block = samples[at : at + BLOCK_SAMPLES]
            yield from self.take(self._ears.feed(block, slots, np.array([block.size])).of(0))

    def take(self, frames: Iterable[Frame]) -> Iterator[Moment]:
        """Take what the ears made of the next frames, one after the other, as it is asked for."""
        return map(self._step, frames)

    def finish(self) -> Moment:
        """End the call: the last frames, the run that was still open, the tones that were or waited for others."""
        started, ended, judged = self._judge(*self._ears.finish_tick(self._slot))
        tone = self._ears.finish_tone(self._slot)
        if tone is not None and is_generated(tone):
            ended = self.cadence.retract(self.n_frames - 1, tone.on) or ended
        heard = self._progress.finish(self.n_samples, ended=tone, spoken=self.spoken)
        return Moment(
            now=self.n_samples,
            known=self.n_samples,
            started=started,
            ended=self.cadence.close() or ended,
            tones=tuple(heard),
            judged=judged,
        )

    def _step(self, frame: Frame) -> Moment:
        """Take one frame through every floor."""
        index, ended_tone = frame.index, frame.ended
        known = frame_known_sample(index)
        tone_on = None
        if ended_tone is not None and is_generated(ended_tone):
            tone_on = ended_tone.on
            self.tone_off = ended_tone.off
        if frame.still:
            self.tone_off = frame.off
        self._waiting.append(_Waiting(index, frame.level_db, frame.still, frame.pending, tone_on))
        started, ended_run, judged = self._judge(frame.activities, frame.voice_log_odds)
        heard = self._progress.step(
            now=known,
            ended=ended_tone,
            begun=frame.begun if frame.begun >= 0 else None,
            sounding=frame.lasting,
            pending=frame.pending or frame.still,
            spoken=self.spoken,
        )
        self.tone_off = max(self.tone_off, *(tone.off for tone in heard)) if heard else self.tone_off
        self._tone_offs.append(self.tone_off)
        self.n_heard = index + 1
        return Moment(
            now=frame_end_sample(index),
            known=known,
            started=started,
            ended=ended_run,
            tones=tuple(heard),
            judged=judged,
        )

    def _judge(
        self, activities: tuple[Activity, ...], voice_log_odds: float
    ) -> tuple[Run | None, Run | None, tuple[Judged, ...]]:
        """Follow the frames that are judged now, each with what was known of tones when it was heard.

        A run that starts and is taken back within one tick was never known.
        """
        started_run = ended_run = None
        judged = []
        if activities:
            self._evidence.listen(voice_log_odds)
        for frame, activity in zip(self._waiting[: len(activities)], activities, strict=True):
            gone = None if frame.tone_on is None else self.cadence.retract(frame.index, frame.tone_on)
            self._evidence.step(active=activity.active, voiced=activity.voiced, snr_db=activity.snr_db)
            started, ended = self.cadence.step(
                frame.index, active=activity.active, voiced=activity.voiced, hold=frame.pending
            )
            over = gone or ended
            if over is not None and started_run is not None:
                started_run = None
            elif over is not None:
                ended_run = over
            started_run = self.cadence.run if started else started_run
            now = frame_end_sample(frame.index)
            judged.append(Judged(now=now, level_db=frame.level_db, activity=activity, tonal=frame.tonal))
        del self._waiting[: len(activities)]
        return started_run, ended_run, tuple(judged)

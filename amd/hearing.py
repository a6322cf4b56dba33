"""All that is heard on one call, frame by frame: runs of speech, tones with their meaning, evidence when asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from amd.audio import Samples
from amd.cadence import Cadence, Run
from amd.callprogress import CallProgress, Heard, Waits, is_generated
from amd.ears import Batch, Ears, Frame, Tick
from amd.framing import frame_end_sample, frame_known_sample
from amd.networks import Network
from amd.speech import Activity, Flags

TONE_PAST_SAMPLES: Final = 1600
"""While a tone sounds, and 200 ms on, what it means comes first: its silence is not a person who waits."""
HEARD_KEPT: Final = 4
"""Of the tones that were recognised, so many may matter to a run of speech that began before the last one."""
BLOCK_SAMPLES: Final = 4096
"""What is worked out at once of a long chunk: half a second, so that little is looked at after a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A frame that was judged: where it stops counting, its level, whether it is speech, and part of a tone."""

    now: int
    level_db: float
    activity: Activity
    tonal: bool


class Moment(NamedTuple):
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
        Whether evidence is due: speech is known up to this frame.
    judged : tuple of Judged
        The frames that were judged with it: those of a tick, with its last one.
    """

    now: int
    known: int
    started: Run | None
    ended: Run | None
    tones: tuple[Heard, ...]
    tick: bool
    judged: tuple[Judged, ...]


def blocks(samples: Samples) -> Iterator[Samples]:
    """Cut a long chunk; a short one is one block."""
    if samples.size <= BLOCK_SAMPLES:
        yield samples
        return
    for at in range(0, samples.size, BLOCK_SAMPLES):
        yield samples[at : at + BLOCK_SAMPLES]


class Hearing:
    """Listen to the samples of one call, cut anyhow; ``network`` says how much it sounds like a recording.

    The ears may be shared with other calls, each in its own ``slot``: who shares them feeds them, and gives what
    they made of it to `take`.
    """

    def __init__(self, network: Network, *, ears: Ears | None = None, slot: int = 0) -> None:
        self._ears = ears or Ears(network, 1)
        self._slot = slot
        self._slots = np.array([slot])
        self.cadence = Cadence(self._ears.judge.memory["cells"][slot])
        self.spoken = False
        self.tone_off = 0
        self.last_off = 0
        self.n_heard = 0
        self._over = False
        self._tick: Tick | None = None
        self._progress = CallProgress()
        self._waiting: list[tuple[int, float, bool]] = []
        self._heard_offs: tuple[tuple[int, int], ...] = ()

    @property
    def n_samples(self) -> int:
        """Samples heard so far."""
        return int(self._ears.framer.n_samples_of[self._slot])

    @property
    def n_frames(self) -> int:
        """Whole frames heard so far."""
        return int(self._ears.framer.n_frames_of[self._slot])

    @property
    def waits(self) -> Waits:
        """What its tones wait for."""
        return self._progress.waits

    def tone_is_near(self, now: int) -> bool:
        """Whether a tone sounds at sample ``now``, or did just before."""
        return self.tone_off > 0 and now - self.tone_off < TONE_PAST_SAMPLES

    def tone_off_at_start(self) -> int:
        """Where the last tone ended before the run that has just started: its own vowels may sound like one."""
        tick = self._tick
        if tick is None:
            return 0
        return self._tone_off_by(tick.started_frame, tick.started_tone_off, tick.started_tone_frame)

    def _tone_off_by(self, frame: int, tone_off: int, tone_frame: int) -> int:
        """Where the last tone had ended by a frame: the tracker's of ``tone_frame``, or one recognised since."""
        for at, off in self._heard_offs:
            if tone_frame <= at <= frame and off > tone_off:
                tone_off = off
        return tone_off

    def evidence(self, now: int) -> Samples:
        """Evidence as of sample ``now``: float32 of shape ``(len(amd.evidence.NAMES),)``."""
        if self._over or self._tick is None:
            return self._ears.judge.evidence(self._slot, now)
        return self._tick.evidence

    def feed(self, samples: Samples) -> Iterator[Moment]:
        """Take samples; what each completed frame brought comes out in order, worked out as it is asked for."""
        for block in blocks(samples):
            yield from self.take(self._ears.feed(block, self._slots, np.array([block.size])).all())

    def hear(self, block: Samples, asks: Flags) -> Batch:
        """Take a block; what was made of its frames, of which some may have to be looked at."""
        return self._ears.feed(block, self._slots, np.array([block.size]), asks)

    def take(self, frames: Iterable[Frame]) -> Iterator[Moment]:
        """Take what the ears made of the next frames, one after the other, as it is asked for."""
        return map(self._step, frames)

    def finish(self) -> Moment:
        """End the call: the last frames, the run that was still open, the tones that were or waited for others."""
        tick = self._ears.finish_tick(self._slot)
        judged = self._judged(tick)
        tone = self._ears.finish_tone(self._slot)
        started = None if tick is None else tick.started
        ended = None if tick is None else tick.ended
        if tone is not None and is_generated(tone):
            ended = self.cadence.retract(self.n_frames - 1, tone.on) or ended
        self._over, self._tick = True, tick
        if self.n_frames:
            self.tone_off = self._tone_off_by(self.n_frames - 1, *self._ears.judge.last_tone(self._slot))
        self.spoken = self.cadence.first_on is not None
        heard = self._progress.finish(self.n_samples, ended=tone, spoken=self.spoken)
        ended = self.cadence.close() or ended
        self.last_off = self.cadence.last_off
        return Moment(
            now=self.n_samples,
            known=self.n_samples,
            started=started,
            ended=ended,
            tones=tuple(heard),
            tick=tick is not None,
            judged=judged,
        )

    def _step(self, frame: Frame) -> Moment:
        """Take one frame through every floor."""
        known, tick = frame_known_sample(frame.at), frame.tick
        self._tick, self.spoken, self.n_heard = tick, frame.spoken, frame.at + 1
        self.tone_off = self._tone_off_by(frame.at, frame.tone_off, frame.tone_frame)
        self._waiting.append((frame.at, frame.level_db, frame.still))
        if tick is not None:
            self.last_off = tick.last_off
        heard = self._progress.step(
            now=known,
            ended=frame.ended,
            begun=frame.begun if frame.begun >= 0 else None,
            sounding=frame.lasting,
            pending=frame.pending or frame.still,
            spoken=self.spoken,
        )
        if heard:
            self.tone_off = max(self.tone_off, *(tone.off for tone in heard))
            self._heard_offs = (*self._heard_offs[1 - HEARD_KEPT :], (frame.at, self.tone_off))
        return Moment(
            now=frame_end_sample(frame.at),
            known=known,
            started=None if tick is None else tick.started,
            ended=None if tick is None else tick.ended,
            tones=tuple(heard),
            tick=tick is not None,
            judged=self._judged(tick),
        )

    def _judged(self, tick: Tick | None) -> tuple[Judged, ...]:
        """The frames of a tick, where they were asked for."""
        if tick is None:
            return ()
        waiting, self._waiting = self._waiting, []
        return tuple(
            Judged(now=frame_end_sample(index), level_db=level_db, activity=activity, tonal=tonal)
            for (index, level_db, tonal), activity in zip(waiting, tick.activities, strict=False)
        )

"""Runs of speech and the pauses between them.

A run starts when enough of its last frames were periodic, and is dated back to where that began; it ends when
nothing spoke for a quarter second, and is dated back to the last frame that did. Noise that is never periodic
makes no run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amd.framing import HOP_SAMPLES, frame_end_sample, frame_start_sample

CONFIRM_WINDOW_FRAMES: Final = 20
CONFIRM_VOICED_FRAMES: Final = 6
"""96 ms of voice within 320 ms: the shortest "hi" has twice that, a click or a cough rarely any."""
LEAD_FRAMES: Final = 6
"""Up to 96 ms of unvoiced onset (an s, an h, an f) belong to the word whose voice follows."""
TAIL_FRAMES: Final = 10
"""Up to 160 ms of unvoiced end (an s, a t) belong to the word; longer noise is not its end."""
HANG_FRAMES: Final = 15
"""240 ms: pauses shorter than that are stop consonants and word gaps within a phrase."""
_WINDOW_MASK: Final = (1 << CONFIRM_WINDOW_FRAMES) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of speech, from sample ``on`` to before sample ``off``, which moves on while the run is open."""

    on: int
    off: int


class Cadence:
    """Runs of one call, from the activity of its frames, one at a time and in order."""

    def __init__(self) -> None:
        self.first_on: int | None = None
        self.n_runs = 0
        self.longest_pause_samples = 0
        self.run: Run | None = None
        self._last_off = 0
        self._closed_samples = 0
        self._voiced_mask = 0
        self._active_since = 0
        self._last_active = -1
        self._last_voiced = -1

    def step(self, index: int, *, active: bool, voiced: bool, hold: bool) -> tuple[bool, Run | None]:
        """Take the next frame; ``hold`` puts off the start of a run, while what sounds may be a tone.

        Returns
        -------
        started : bool
            A run was confirmed with this frame; it is `run`.
        ended : Run or None
            The run that was found to have ended.
        """
        self._voiced_mask = (self._voiced_mask << 1 | voiced) & _WINDOW_MASK
        if active:
            if index - self._last_active > 1:
                self._active_since = index
            self._last_active = index
        if voiced:
            self._last_voiced = index
        if self.run is None:
            return not hold and self._maybe_start(index), None
        if active and index - self._last_voiced <= TAIL_FRAMES:
            self.run = Run(on=self.run.on, off=frame_end_sample(index))
        elif frame_end_sample(index) - self.run.off > HANG_FRAMES * HOP_SAMPLES:
            return False, self.close()
        return False, None

    @property
    def speech_samples(self) -> int:
        """Time within runs so far, pauses between them not counted."""
        return self._closed_samples + (self.run.off - self.run.on if self.run else 0)

    @property
    def last_off(self) -> int:
        """Where the last speech so far ended; 0 before any speech."""
        return self.run.off if self.run else self._last_off

    def close(self) -> Run | None:
        """End the open run, if there is one, where its last speech was."""
        ended = self.run
        if ended is not None:
            self._closed_samples += ended.off - ended.on
            self._last_off = ended.off
            self._voiced_mask = 0
            self.run = None
        return ended

    def retract(self, index: int, since: int) -> Run | None:
        """Take back what was counted as speech from sample ``since`` to frame ``index``: it was a tone.

        Returns
        -------
        Run or None
            The run of which nothing is left, if there was one: of no length, and not counted any more.
        """
        n_frames = (frame_end_sample(index) - since) // HOP_SAMPLES + 1
        self._voiced_mask &= ~((1 << n_frames) - 1)
        if self.run is None or self.run.off <= since:
            return None
        if self.run.on < since - LEAD_FRAMES * HOP_SAMPLES:
            self.run = Run(on=self.run.on, off=max(self.run.on, since))
            return None
        gone, self.run = Run(on=self.run.on, off=self.run.on), None
        self.n_runs -= 1
        if self.n_runs == 0:
            self.first_on = None
        return gone

    def _maybe_start(self, index: int) -> bool:
        if self._voiced_mask.bit_count() < CONFIRM_VOICED_FRAMES:
            return False
        onset = first_voiced = index - self._voiced_mask.bit_length() + 1
        if self._active_since < first_voiced:
            onset = max(self._active_since, first_voiced - LEAD_FRAMES)
        on = max(frame_start_sample(onset), self._last_off)
        if self.first_on is None:
            self.first_on = on
        else:
            self.longest_pause_samples = max(self.longest_pause_samples, on - self._last_off)
        self.n_runs += 1
        self.run = Run(on=on, off=frame_end_sample(index))
        return True

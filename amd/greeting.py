"""Where a machine's greeting ends: with the last beep of several, with silence, or with neither in time."""

from __future__ import annotations

import math
from typing import Final

from amd.audio import RATE_HZ
from amd.callprogress import BEEP_MAX_S
from amd.events import Deadline, EndedBy, GreetingEnded, SubState
from amd.policy import DOUBLE_BEEP_WAIT_S, Policy

QUIET_SAMPLES: Final = round(DOUBLE_BEEP_WAIT_S * RATE_HZ)
"""After so much no other beep follows."""
LONGEST_BEEP_SAMPLES: Final = round(BEEP_MAX_S * RATE_HZ)
_SUB_STATES: Final[dict[EndedBy, SubState]] = {
    EndedBy.BEEP: SubState.ENDED_BEEP,
    EndedBy.SILENCE: SubState.ENDED_SILENCE,
    EndedBy.OTHER: SubState.ENDED_OTHER,
}


class Greeting:
    """Follow one machine's greeting to its end, which is reported once.

    A beep ends it, but where is known only when no other beep follows. Until then `by` says so already, and
    `ended` is None.
    """

    def __init__(self, policy: Policy) -> None:
        self.ended: GreetingEnded | None = None
        self._silence_samples = round(policy.greeting_end_silence_s * RATE_HZ)
        self._max_s = policy.greeting_max_s
        self._beep_off: int | None = None

    @property
    def by(self) -> EndedBy | None:
        """What ended it; None while it goes on."""
        if self.ended is not None:
            return self.ended.by
        return EndedBy.BEEP if self.awaits_beep else None

    @property
    def sub_state(self) -> SubState | None:
        """The same as a machine's sub-state."""
        return None if self.by is None else _SUB_STATES[self.by]

    @property
    def beep_off(self) -> float:
        """Where the beep ended that another may follow; infinite where none is awaited."""
        return self._beep_off if self._beep_off is not None and self.awaits_beep else math.inf

    @property
    def awaits_beep(self) -> bool:
        """Whether a beep was heard, and another may follow it."""
        return self.ended is None and self._beep_off is not None

    def hear_beep(self, off: int) -> None:
        """Take the end of a beep: the first, or one more."""
        self._beep_off = off

    def follow_beep(self, now: int, known: int, *, tone_off: int) -> tuple[GreetingEnded, ...]:
        """Look, at every frame, whether another beep may still follow the last one.

        While a tone sounds it may become that beep, unless it outlasts any.
        """
        if self._beep_off is None or not self.awaits_beep:
            return ()
        quiet = now - max(self._beep_off, tone_off) >= QUIET_SAMPLES
        if quiet or now - self._beep_off >= QUIET_SAMPLES + LONGEST_BEEP_SAMPLES:
            return (self._end(EndedBy.BEEP, at=self._beep_off, known=known),)
        return ()

    def follow_silence(
        self, now: int, known: int, *, answered: int, spoke_off: int, tone_off: int
    ) -> tuple[Deadline | GreetingEnded, ...]:
        """Look whether silence, or the longest wait, has ended it.

        Parameters
        ----------
        now, known : int
            Where the last frame stops counting, and how many samples had been heard when it was complete.
        answered : int
            From where the longest wait counts.
        spoke_off, tone_off : int
            Where the last speech, and the last tone, ended.
        """
        if self.ended is not None:
            return ()
        overdue = now - answered >= self._max_s * RATE_HZ
        if self._beep_off is not None:
            return (self._end(EndedBy.BEEP, at=self._beep_off, known=known),) if overdue else ()
        if now - max(spoke_off, tone_off) >= self._silence_samples:
            return (self._end(EndedBy.SILENCE, at=spoke_off, known=known),)
        if not overdue:
            return ()
        known_s = known / RATE_HZ
        deadline = Deadline(at_s=known_s, known_s=known_s, what="greeting_end", limit_s=self._max_s)
        return (deadline, self._end(EndedBy.OTHER, at=known, known=known))

    def finish(self, heard: int) -> tuple[GreetingEnded, ...]:
        """Take the end of the call, after ``heard`` samples."""
        if self.ended is not None:
            return ()
        if self._beep_off is not None:
            return (self._end(EndedBy.BEEP, at=self._beep_off, known=heard),)
        return (self._end(EndedBy.OTHER, at=heard, known=heard),)

    def _end(self, by: EndedBy, *, at: int, known: int) -> GreetingEnded:
        self.ended = GreetingEnded(at_s=at / RATE_HZ, known_s=known / RATE_HZ, by=by)
        return self.ended

"""Whether it still rings, and from where the waits count: the start of the audio, or the end of ringback."""

from __future__ import annotations

from amd.audio import RATE_HZ
from amd.callprogress import Heard
from amd.policy import still_rings


class Ringing:
    """Follow the ringback of one call, up to the first speech: who speaks has answered.

    Parameters
    ----------
    early_media : bool
        The audio started before the answer: without ringback, the first speech is the answer.
    """

    def __init__(self, *, early_media: bool) -> None:
        self.rang = False
        self._early_media = early_media
        self._last_off = 0
        self._spoke_on: int | None = None

    def hear(self, ring: Heard) -> None:
        """Take a ringback that was recognised: it may have ended just before a speech that is known by now."""
        if self._spoke_on is None:
            self.rang = True
            self._last_off = ring.off
        elif ring.on < self._spoke_on:
            self._last_off = max(self._last_off, min(ring.off, self._spoke_on))

    def answer(self, spoke_on: int, tone_off: int) -> None:
        """Take the first speech, and the end of the last tone by then: after a ring it is one more of them."""
        if self._spoke_on is None:
            self._spoke_on = spoke_on
            self._last_off = min(spoke_on, self._last_off_by(tone_off))

    def goes_on(self, now: int, tone_off: int) -> bool:
        """Whether it may still ring at sample ``now``: it rang, nobody spoke, and no pause is too long."""
        return self._spoke_on is None and still_rings((now - tone_off) / RATE_HZ, rang=self.rang)

    def answered(self, tone_off: int) -> int:
        """Sample from which the waits count, as far as is known."""
        if self._spoke_on is not None and self._last_off == 0 and self._early_media:
            return self._spoke_on
        return self._last_off if self._spoke_on is not None else self._last_off_by(tone_off)

    def _last_off_by(self, tone_off: int) -> int:
        return max(self._last_off, tone_off) if self.rang else 0

"""The time of a call while its far end may send nothing: what is missing becomes silence, after an allowance.

Discontinuous transmission, a dialplan that waits, a stalled network: no audio comes, and a detector that counts
in samples would wait for ever. This clock says how much silence is due. Nothing that was given is ever taken back:
audio whose place was filled meanwhile is dropped where the wire tells its place, and follows where it does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from amd.audio import RATE_HZ
from amd.errors import AudioError

STEP_S: Final = 0.02
"""Silence is due in whole steps, so that a sender whose clock runs slow makes one gap in minutes, not many."""
PACKET_MAX_S: Final = 1.0
"""A packet is awaited no longer than this, however long one was."""
RESYNC_S: Final = 5.0
"""Times of the wire this far off are no gap and no lateness, but a sender that counts anew."""
FILL_MAX_S: Final = 60.0
"""A longer stall was ours: a process that was stopped. The call goes on where it stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How late audio may come before it is missing.

    Parameters
    ----------
    jitter_s : float, 0 to 2 s
        How late a packet may be.
    packet_s : float, 0 to 1 s
        How long a packet is, until a longer one came: its audio comes when its last sample was spoken.
    slack_s : float, 0 to 0.1 s
        Times of the wire this near to the end of what came before are that end: not every sender's time is exact.
    """

    jitter_s: float
    packet_s: float = 0.02
    slack_s: float = 0.0

    def __post_init__(self) -> None:
        for name, limit_s in (("jitter_s", 2.0), ("packet_s", PACKET_MAX_S), ("slack_s", 0.1)):
            value = getattr(self, name)
            if not 0 <= value <= limit_s:
                raise AudioError(f"{name}={value} is outside 0 to {limit_s} s: milliseconds?")


class Place(NamedTuple):
    """Where audio belongs: after so many samples of silence, without so many of its first."""

    gap_samples: int
    skip_samples: int


HERE: Final = Place(gap_samples=0, skip_samples=0)
"""Nearly all audio: it follows what came before it."""


class Clock:
    """Place audio on the time of one call, and say what silence is due.

    The far end's time is the wall's less the least delay seen: audio that comes early, from a buffer or a file,
    moves it forward. Silence is due only when someone looked and nothing had come (`tick`): audio that waited to
    be read while we were busy is no gap.

    Parameters
    ----------
    timing : Timing
    now_s : float
        When the call began, of any clock that does not go back.
    rate_hz : int
        Of the samples counted.

    Examples
    --------
    >>> clock = Clock(Timing(jitter_s=0.1), now_s=0.0)
    >>> clock.tick(0.1), clock.tick(1.0), clock.take(160, None, 1.02)
    (0, 7040, Place(gap_samples=960, skip_samples=0))
    """

    def __init__(self, timing: Timing, *, now_s: float, rate_hz: int = RATE_HZ) -> None:
        self._jitter_s = timing.jitter_s
        self._packet_s = timing.packet_s
        self._slack_s = timing.slack_s
        self._rate_hz = rate_hz
        self._now_s = now_s
        self._zero_s = now_s
        self._given = 0
        self._offset: int | None = None
        self._filled = False
        self._paused = False

    @property
    def allowance_s(self) -> float:
        """Delay that the clock adds to silence: so long it is awaited. Audio that comes in time has none."""
        return self._jitter_s + self._packet_s

    @property
    def given_s(self) -> float:
        """Seconds of the call so far."""
        return self._given / self._rate_hz

    def arrival_s(self, at_s: float) -> float:
        """When the far end's second ``at_s`` would have come, had it come as early as the earliest did."""
        return self._zero_s + at_s

    def tick(self, now_s: float, most_s: float = FILL_MAX_S) -> int:
        """Return the samples of silence that are due, now that nothing waits to be read.

        However often it is asked, the total is the same.

        Parameters
        ----------
        now_s : float
        most_s : float
            Give no more at once; the rest is due the next time.
        """
        self._advance(now_s)
        if self._paused:
            return 0
        steps = math.floor((self._now_s - self._zero_s - self.allowance_s) / STEP_S + 1e-9)
        n = round(steps * STEP_S * self._rate_hz) - self._given
        if n <= 0:
            return 0
        most = round(FILL_MAX_S * self._rate_hz)
        if n > most:
            self._zero_s += (n - most) / self._rate_hz
            n = most
        n = min(n, round(most_s * self._rate_hz))
        self._given += n
        self._filled = True
        return n

    def take(self, n_samples: int, at_sample: int | None, now_s: float, n_packets: int = 1) -> Place:
        """Place audio that came; it asks for no silence but up to its own time, once `tick` found some due.

        Parameters
        ----------
        n_samples : int
        at_sample : int or None
            Its place by the wire, from any origin; None if the wire has no time.
        now_s : float
        n_packets : int
            So many packets of one length that came together: the same as one after the other.
        """
        if now_s != self._now_s:
            self._advance(now_s)
        long_s = n_samples / self._rate_hz / n_packets
        if at_sample is not None:
            ahead = self._ahead(at_sample)
        elif self._filled:
            behind_s = self._now_s - self._zero_s - long_s - self.given_s
            ahead = max(0, round(behind_s * self._rate_hz))
        else:
            ahead = 0
        place = HERE
        if ahead != 0:
            place = Place(max(0, ahead), min(n_samples, max(0, -ahead)))
            n_samples += place.gap_samples - place.skip_samples
        self._given += n_samples
        self._filled = False
        if long_s > self._packet_s:
            self._packet_s = min(PACKET_MAX_S, long_s)
        zero_s = self._now_s - self._given / self._rate_hz
        if zero_s < self._zero_s:
            self._zero_s = zero_s
        return place

    def restart(self) -> None:
        """The wire counts anew: what comes next belongs where the call stands."""
        self._offset = None

    def pause(self, now_s: float) -> None:
        """The far end holds its audio back on purpose: no silence is due."""
        self._advance(now_s)
        self._paused = True

    def resume(self, now_s: float) -> None:
        """The far end sends again: the pause took no time of the call."""
        self._advance(now_s)
        self._paused = False
        self.restart()

    def change_rate(self, rate_hz: int) -> None:
        """Count in samples of another rate from now on."""
        self._given = round(self._given * rate_hz / self._rate_hz)
        self._rate_hz = rate_hz
        self.restart()

    def _advance(self, now_s: float) -> None:
        if not math.isfinite(now_s):
            raise AudioError(f"now_s={now_s} must be finite")
        if now_s > self._now_s:
            if self._paused:
                self._zero_s += now_s - self._now_s
            self._now_s = now_s

    def _ahead(self, at_sample: int) -> int:
        """How far beyond what was given a place on the wire is; negative when it is late."""
        if self._offset is None:
            self._offset = self._given - at_sample
        ahead = at_sample + self._offset - self._given
        if abs(ahead) > RESYNC_S * self._rate_hz:
            self._offset = self._given - at_sample
            return 0
        return 0 if abs(ahead) <= self._slack_s * self._rate_hz else ahead

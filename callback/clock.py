"""Time as the runner sees it: the wall's, for what is written down, and a monotonic one, for all that is awaited.

One object tells both, so that tests and demonstrations can let an hour pass in a minute, and several processes can
agree on what time it is.
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta

from callback.hours import in_utc


class Clock:
    """A clock that may run fast.

    Parameters
    ----------
    start : datetime or None
        What it shows at ``since``; now, by default.
    speed : float, 1 to 1000
        Its seconds in a real one.
    since : float or None
        The real time, in seconds since 1970, at which it showed ``start``: given the same three, clocks of several
        processes agree.

    Examples
    --------
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> clock = Clock(start=noon, speed=60.0)
    >>> noon <= clock.now() < noon + timedelta(minutes=10)
    True
    """

    def __init__(self, *, start: datetime | None = None, speed: float = 1.0, since: float | None = None) -> None:
        if not (math.isfinite(speed) and 1 <= speed <= 1000):
            raise ValueError(f"speed={speed} must be from 1 to 1000: a share of real time?")
        real = time.time()
        self.speed = speed
        self._wall = in_utc("start", start or datetime.now(UTC))
        self._monotonic_s = time.monotonic() - (0.0 if since is None else real - since)

    def now(self) -> datetime:
        """Return the time of day. It never goes back, whatever the computer's own clock is set to."""
        return self._wall + timedelta(seconds=self.s())

    def s(self) -> float:
        """Return its seconds since it started; it only ever goes on."""
        return (time.monotonic() - self._monotonic_s) * self.speed

    def real_s(self, seconds: float) -> float:
        """Return how long so many of its seconds really last."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait so many of its seconds."""
        await asyncio.sleep(self.real_s(seconds))

"""How much one client may ask: a bucket of tokens for each, filled at a steady rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

CLIENTS_MAX: Final = 10_000
"""So many are remembered; who asked longest ago is forgotten first, and by then their bucket is full again."""


class Buckets:
    """A token bucket for each client.

    Parameters
    ----------
    rate_per_s : float
        Requests a second that a client may keep up.
    burst : int
        Requests at once after a pause.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take a token; return 0, or after how many seconds there will be one.

        Examples
        --------
        >>> now = [0.0]
        >>> buckets = Buckets(2.0, 1, lambda: now[0])
        >>> buckets.take("a"), buckets.take("a"), buckets.take("b")
        (0.0, 0.5, 0.0)
        >>> now[0] = 0.5
        >>> buckets.take("a")
        0.0
        """
        now = self._clock()
        left, at = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate_per_s)
        taken = left >= 1
        self._left[client] = (left - taken, now)
        if len(self._left) > CLIENTS_MAX:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate_per_s

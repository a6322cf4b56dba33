"""What a runner measures, for Prometheus (extra ``service``).

Labels hold queues, outcomes and causes; never a number.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from callback.errors import MissingExtraError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

WAITS_S: Final = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
VERDICTS_S: Final = (0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 30)
HOLDS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300)


class Meter:
    """What a runner tells of its work. This one measures nothing."""

    def attempted(self, queue: str) -> None:
        """A call was placed."""

    def ended(self, queue: str, outcome: str) -> None:
        """A call is over."""

    def judged(self, queue: str, outcome: str, cause: str, verdict_s: float | None) -> None:
        """Screening decided; ``verdict_s`` after the answer, where it rests on audio."""

    def offered(self, queue: str, *, reached_at: datetime | None, offered_at: datetime) -> None:
        """An agent is asked: from here on they are reserved, and a person should be there already."""

    def connected(self, queue: str, *, wait_s: float, hold_s: float, overtaken: int) -> None:
        """Customer and agent talk.

        Parameters
        ----------
        queue : str
        wait_s, hold_s : float, s
            Since the customer joined the line, and since they answered.
        overtaken : int
            Callbacks whose place is ahead, and who could have had the agent.
        """

    def calls(self, n: int) -> None:
        """Set how many calls the runner holds."""

    def trouble(self, kind: str) -> None:
        """Something went wrong: ``dialer_down``, ``in_doubt``, ``lost_lease``, ``store``."""


class Metrics(Meter):
    """The figures of one runner.

    Parameters
    ----------
    registry : prometheus_client.CollectorRegistry, optional
        The process's own, unless given.

    Raises
    ------
    MissingExtraError
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            import prometheus_client as prometheus  # noqa: PLC0415 -- an extra
        except ModuleNotFoundError:
            raise MissingExtraError(
                "metrics need prometheus_client: pip install 'amd-callback[service]'"
            ) from None
        more: dict[str, Any] = {} if registry is None else {"registry": registry}
        counter, histogram = prometheus.Counter, prometheus.Histogram
        self._attempts = counter("callback_attempts", "Calls placed", ["queue"], **more)
        self._outcomes = counter("callback_outcomes", "Calls that are over", ["queue", "outcome"], **more)
        self._verdicts = counter("callback_verdicts", "Calls screened", ["queue", "outcome", "cause"], **more)
        self._verdict_s = histogram(
            "callback_verdict_seconds", "From answer to verdict", ["queue", "outcome"], buckets=VERDICTS_S, **more
        )
        self._wait_s = histogram(
            "callback_wait_seconds", "From joining the line to an agent", ["queue"], buckets=WAITS_S, **more
        )
        self._hold_s = histogram(
            "callback_hold_seconds", "From a person's answer to an agent", ["queue"], buckets=HOLDS_S, **more
        )
        self._overtaken = counter(
            "callback_overtaken", "Callbacks ahead in line when a later one got its agent", ["queue"], **more
        )
        self._reserved_s = counter(
            "callback_agent_reserved_before_person_seconds",
            "Agents' time between being asked and a person on the line",
            ["queue"],
            **more,
        )
        self._offers = counter("callback_offers", "Agents asked", ["queue"], **more)
        self._calls = prometheus.Gauge("callback_calls", "Calls that the runner holds", **more)
        self._trouble = counter("callback_trouble", "What went wrong", ["kind"], **more)

    def attempted(self, queue: str) -> None:
        """A call was placed."""
        self._attempts.labels(queue).inc()

    def ended(self, queue: str, outcome: str) -> None:
        """A call is over."""
        self._outcomes.labels(queue, outcome).inc()

    def judged(self, queue: str, outcome: str, cause: str, verdict_s: float | None) -> None:
        """Screening decided."""
        self._verdicts.labels(queue, outcome, cause).inc()
        if verdict_s is not None:
            self._verdict_s.labels(queue, outcome).observe(verdict_s)

    def offered(self, queue: str, *, reached_at: datetime | None, offered_at: datetime) -> None:
        """An agent is asked. Asked before a person was there, they are reserved from then to the person."""
        self._offers.labels(queue).inc()
        early_s = 0.0 if reached_at is None else max(0.0, (reached_at - offered_at).total_seconds())
        self._reserved_s.labels(queue).inc(early_s)

    def connected(self, queue: str, *, wait_s: float, hold_s: float, overtaken: int) -> None:
        """Customer and agent talk."""
        self._wait_s.labels(queue).observe(wait_s)
        self._hold_s.labels(queue).observe(hold_s)
        self._overtaken.labels(queue).inc(overtaken)

    def calls(self, n: int) -> None:
        """Set how many calls the runner holds."""
        self._calls.set(n)

    def trouble(self, kind: str) -> None:
        """Something went wrong."""
        self._trouble.labels(kind).inc()

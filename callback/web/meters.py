"""What Prometheus is told: requests as they come, and the store as it stands when asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callback.commands import COMMANDS
from callback.states import State
from callback.store import Store

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNMATCHED: Final = "unmatched"
METHODS: Final = frozenset({"GET", "POST"})


class Meters:
    """Counts of one service; a runner in the same process may register its own beside them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "callback_http_request_seconds",
            "From a request to the end of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.notices = Counter(
            "callback_notices_total",
            "Notices to webhooks, by what became of a try: delivered, failed, dead (given up).",
            ("result",),
            registry=self.registry,
        )
        self.unmasked = Counter(
            "callback_numbers_shown_total", "Numbers that the page has shown in full.", registry=self.registry
        )
        for result in ("delivered", "failed", "dead"):
            self.notices.labels(result)

    def request(self, scope: Mapping[str, Any], status: int, took_s: float) -> None:
        """Count a request, by the pattern of its path: the path itself may hold anything."""
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if route != UNMATCHED and scope["method"] in METHODS else UNMATCHED
        self._requests.labels(method, route, str(status)).observe(took_s)

    def text(self, gauges: Iterable[Metric]) -> bytes:
        """Return all of it, and the gauges, in Prometheus' text format."""
        standing = CollectorRegistry()
        standing.register(_Once(list(gauges)))
        return generate_latest(self.registry) + generate_latest(standing)


class _Once(Collector):
    """Gauges that were read already."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def gauges(store: Store, now: datetime) -> Iterator[Metric]:
    """Read the gauges of a store, in one transaction."""
    standing = GaugeMetricFamily("callback_open", "Callbacks that have not ended.", labels=("queue", "state"))
    oldest = GaugeMetricFamily(
        "callback_oldest_seconds",
        "Since the customer joined who has been in line longest, and has no agent yet.",
        labels=("queue",),
    )
    backlog = GaugeMetricFamily("callback_outbox", "Commands that are not done.", labels=("type",))
    with store.reading() as reads:
        for queue in reads.queues():
            found = reads.by_state(queue)
            for state, one in found.items():
                standing.add_metric((queue, state.value), one.count)
            joined = [one.oldest_at for state, one in found.items() if state is not State.CONNECTED]
            waited = max((now - at).total_seconds() for at in joined) if joined else 0.0
            oldest.add_metric((queue,), max(0.0, waited))
        for kind, command in COMMANDS.items():
            if command.durable:
                backlog.add_metric((kind,), reads.backlog(kind))
    yield from (standing, oldest, backlog)

"""How a server fares, for Prometheus, and whether it is alive and ready: on a port of its own.

They are served from threads of their own, so that a loop that is stuck is told as stuck. No label has what a peer
could choose: systems, parties, causes and reasons are few and ours. Needs the extra ``adapters``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from amd.adapters.server import Server
from amd.adapters.session import Line
from amd.adapters.systems import SYSTEMS
from amd.errors import PolicyError

STUCK_S: Final = 5.0
"""A server that has not looked at its sockets for so long is not alive."""
REQUEST_MAX_S: Final = 5.0
LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 5.0)
TURN_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """What is counted; `tell` is a sink of the server's lines, the rest is its `amd.adapters.session.Watch`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        keeps: Any = {"registry": self.registry}
        self._verdicts = Counter(
            "amd_verdicts", "Verdicts told, early ones too", ("system", "party", "cause", "final"), **keeps
        )
        self._ended = Counter("amd_calls_ended", "Calls that ended, and why", ("system", "reason"), **keeps)
        self._refusals = Counter("amd_refusals", "Calls turned away, and why", ("system", "reason"), **keeps)
        self._faults = Counter("amd_faults", "What peers sent against their protocol", ("system",), **keeps)
        self._latency = Histogram(
            "amd_verdict_latency_seconds",
            "From the audio that decided to the verdict",
            buckets=LATENCY_BUCKETS_S,
            **keeps,
        )
        turns: Any = {"buckets": TURN_BUCKETS_S, **keeps}
        self._turns = Histogram("amd_bank_turn_seconds", "A turn of the bank, all calls", **turns)
        self._reads = Histogram("amd_read_seconds", "One pass over all sockets", **turns)
        self._lag = Histogram("amd_loop_lag_seconds", "How late the event loop came to a tick", **turns)
        self._calls = Gauge("amd_calls_in_flight", "Calls in flight", ("system",), **keeps)
        self._calls_max = Gauge("amd_calls_max", "Calls that are taken at once", **keeps)
        self._lost = Gauge("amd_lines_lost", "Lines that nobody read in time", **keeps)
        self._deliveries = Gauge(
            "amd_deliveries", "Webhooks and channel variables, by what came of them", ("what", "result"), **keeps
        )

    def tell(self, line: Line) -> None:
        """Count a line."""
        kind, system = line["type"], line.get("system")
        if kind == "verdict":
            self._verdicts.labels(system, line["party"], line["cause"], str(line["final"]).lower()).inc()
        elif kind == "ended":
            self._ended.labels(system, line["reason"]).inc()
        elif kind == "refused":
            self._refusals.labels(system, line["reason"]).inc()
        elif kind == "fault":
            self._faults.labels(system).inc()

    def judged(self, late_s: float) -> None:
        """A verdict was told so long after its audio came."""
        self._latency.observe(max(0.0, late_s))

    def turned(self, took_s: float) -> None:
        """The bank took so long for a turn."""
        self._turns.observe(took_s)

    def ticked(self, late_s: float, took_s: float) -> None:
        """A tick came so late, and reading took so long."""
        self._lag.observe(max(0.0, late_s))
        self._reads.observe(took_s)

    def watch_deliveries(self, counts: Mapping[tuple[str, str], Callable[[], int]]) -> None:
        """Show how many there were so far, by what and result."""
        for (what, result), count in counts.items():
            self._deliveries.labels(what, result).set_function(count)

    @contextlib.contextmanager
    def serve(self, server: Server, host: str, port: int, *, lost: Callable[[], int]) -> Iterator[int]:
        """Serve ``/metrics``, ``/healthz`` and ``/readyz``; gives the port.

        Parameters
        ----------
        server : Server
        host, port
        lost : callable
            How many lines were lost so far.

        Raises
        ------
        PolicyError
            If nothing can listen there.
        """
        for name in SYSTEMS:
            self._calls.labels(name).set_function(partial(server.in_flight.__getitem__, name))
        self._calls_max.set(server.limits.calls_max)
        self._lost.set_function(lost)
        pages = {"/metrics": self._page, "/healthz": lambda _: _alive(server), "/readyz": lambda _: _ready(server)}
        try:
            serving = _Serving(host, port, pages)
        except OSError as error:
            raise PolicyError(f"metrics on {host}, port {port}: {error.strerror or error}") from None
        thread = threading.Thread(target=serving.serve_forever, name="amd-metrics", daemon=True)
        thread.start()
        try:
            yield serving.server_port
        finally:
            serving.shutdown()
            serving.server_close()
            thread.join()

    def _page(self, accept: str) -> Page:
        encode, kind = choose_encoder(accept)
        return HTTPStatus.OK, kind, encode(self.registry)


Page = tuple[HTTPStatus, str, bytes]
PLAIN: Final = "text/plain; charset=utf-8"


def _alive(server: Server) -> Page:
    """Whether its loop goes on: for who restarts it."""
    ticked_s = server.ticked_s
    if ticked_s is not None and time.monotonic() - ticked_s > STUCK_S:
        return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, b"stuck\n"
    return HTTPStatus.OK, PLAIN, b"alive\n"


def _ready(server: Server) -> Page:
    """Whether it takes a further call: for who sends calls."""
    if server.is_ready:
        return HTTPStatus.OK, PLAIN, b"ready\n"
    return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, b"not listening yet, stopping, or full\n"


class _Serving(ThreadingHTTPServer):
    """An HTTP server of a few pages."""

    daemon_threads = True

    def __init__(self, host: str, port: int, pages: dict[str, Callable[[str], Page]]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self.pages = pages
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_MAX_S
    server: _Serving

    def do_GET(self) -> None:
        """Answer."""
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND, f"one of {', '.join(self.server.pages)}")
            return
        status, kind, body = page(self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Requests are not told."""

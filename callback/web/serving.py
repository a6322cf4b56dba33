"""A service, put together from what the command line said, and run until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import random
import socket
import sys
from typing import Final

import uvicorn
from fastapi import FastAPI

from callback.notices import Notices
from callback.service import CallbackService
from callback.store import Store
from callback.web.app import Companion, create_app
from callback.web.command import LOOPBACK, ServeError
from callback.web.desk import Desk
from callback.web.keys import Keys
from callback.web.settings import Settings, read_settings

GRACE_S: Final = 5
"""Requests that are being answered when the service stops have so long to end."""
KEEP_ALIVE_S: Final = 10
CONNECTIONS_MAX: Final = 500
PORT_MAX: Final = 65_535


class Server(uvicorn.Server):
    """Lets go of the browsers that look at the page before it waits for requests to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.streams.close()
        await super().shutdown(sockets)


def application(store: Store, settings: Settings, keys: Keys | None, *, host: str, runner: str) -> FastAPI:
    """Return the application as `callback serve` runs it."""
    service = CallbackService(store, settings.rules.rules())
    companions: list[Companion] = []
    if runner == "simulated":
        from callback.web.simulated import simulated_desk  # noqa: PLC0415 -- the detector is slow to load

        desk, beside = simulated_desk(service, settings)
        companions.append(beside)
    else:
        desk = Desk(service, settings)
    notices = Notices(
        desk.service,
        settings.targets(),
        now=desk.now,
        count=lambda result: desk.meters.notices.labels(result).inc(),
        rng=random.SystemRandom(),
        run=desk.run,
    )
    companions.append(notices)
    hosts = None if host not in LOOPBACK and not settings.hosts else (*LOOPBACK, host, *settings.hosts)
    return create_app(desk, keys, companions=companions, hosts=hosts)


def serve(options: argparse.Namespace, store: Store, keys: Keys | None) -> int:
    """Serve until a signal says to stop."""
    settings = read_settings(options.settings) if options.settings else Settings()
    app = application(store, settings, keys, host=options.host, runner=options.runner)
    listening = _listen(options.host, options.port)
    host, port = listening.getsockname()[:2]
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx2", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    address = f"[{host}]" if ":" in host else host
    asked = "a key is asked for" if keys else "no key is asked for"
    print(f"callback: serving on http://{address}:{port}, {asked}", file=sys.stderr, flush=True)  # noqa: T201
    config = uvicorn.Config(
        app,
        http="h11",
        log_config=None,
        access_log=False,  # a path may hold what a client should not have put there
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=CONNECTIONS_MAX,
    )
    with listening:
        Server(config).run(sockets=[listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= PORT_MAX:
        raise ServeError(f"--port {port} must be from 0 to {PORT_MAX}: a digit too many?")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {host} port {port}: {error.strerror}; is another service there?"
        ) from None

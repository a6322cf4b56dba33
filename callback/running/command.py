"""`callback run`: place the calls."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callback.errors import CallbackError, MissingExtraError

if TYPE_CHECKING:
    from callback.running.settings import RunSettings
    from callback.store import Store


class RunError(CallbackError):
    """A runner that cannot go on."""


def add_parser(commands: Any, database: Callable[[argparse.ArgumentParser], None], opened: Any) -> None:
    """Add the command.

    Parameters
    ----------
    commands : subparsers
    database : callable
        Adds the option that names the store.
    opened : callable
        Returns a context manager of the store that the options name.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="place the calls: dial, screen, hold, put through",
        description="Run the callbacks of some queues: claim those whose turn it is, dial them, find out who "
        "answered, let people hold, ask agents, put them through. Several may run on one store. SIGTERM or "
        "Ctrl-C: no new calls, those that are on are finished; a second time: they are left to others.",
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="TOML: docs/runner.md")
    database(parser)
    parser.set_defaults(run=_run, opened=opened)


def _run(options: argparse.Namespace) -> int:
    try:
        from callback.running.settings import read_run_settings  # noqa: PLC0415 -- needs an extra
    except ImportError as error:
        raise MissingExtraError(
            f"`callback run` needs {error.name}: pip install 'amd-callback[callback,dialers,service]'"
        ) from None
    settings = read_run_settings(options.settings)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with options.opened(options) as store:
        asyncio.run(_serve(store, settings))
    return 0


async def _serve(store: Store, settings: RunSettings) -> None:
    from callback.clock import Clock  # noqa: PLC0415
    from callback.metrics import Meter, Metrics  # noqa: PLC0415
    from callback.runner import Runner  # noqa: PLC0415
    from callback.running.kinds import AGENTS, DIALERS, made  # noqa: PLC0415
    from callback.screening import KnownGreetings  # noqa: PLC0415
    from callback.service import CallbackService  # noqa: PLC0415

    clock, service = Clock(), CallbackService(store, settings.rules.rules())
    dialer = made(DIALERS, settings.dialer, "dialer", os.environ, clock)
    agents = made(AGENTS, settings.agents, "agents", os.environ, clock, tuple(settings.queues))
    runner = Runner(
        service,
        dialer,
        agents,
        settings.campaigns(),
        clock=clock,
        notify=None,
        meter=Meter() if settings.metrics_port is None else Metrics(),
        recognise=KnownGreetings(service, clock.now),
        calls_max=settings.calls_max,
    )
    if settings.metrics_port is not None:
        _show_metrics(settings.metrics_port)
    asked = _stop_signals()
    beside = await _begin(agents)
    try:
        await runner.start()
        _say(f"running {', '.join(settings.queues)} by {dialer.name}")
        while runner.healthy and not asked.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), 1.0)
        if not asked.is_set():
            raise RunError("a loop of the runner died: see the log")
        _say("stopping: calls that are on are finished")
        await _drain(runner, settings.drain_s, asked)
    finally:
        await runner.stop()
        await _end(agents, beside)


async def _drain(runner: Any, grace_s: float, asked: asyncio.Event) -> None:
    """Let calls end, unless asked a second time."""
    asked.clear()
    draining, again = asyncio.ensure_future(runner.drain(grace_s)), asyncio.ensure_future(asked.wait())
    await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, again):
        task.cancel()
    await asyncio.gather(draining, again, return_exceptions=True)


async def _begin(agents: Any) -> asyncio.Task[None] | None:
    """Start the agents, by whichever of ``start`` and ``run`` they have."""
    if hasattr(agents, "start"):
        await agents.start()
    return asyncio.ensure_future(agents.run()) if hasattr(agents, "run") else None


async def _end(agents: Any, beside: asyncio.Task[None] | None) -> None:
    if beside is not None:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
    if hasattr(agents, "stop"):
        await agents.stop()


def _stop_signals() -> asyncio.Event:
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    return asked


def _show_metrics(port: int) -> None:
    from prometheus_client import start_http_server  # noqa: PLC0415

    try:
        start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        raise RunError(f"metrics_port={port} cannot be used ({error.strerror}): another runner's?") from None


def _say(text: str) -> None:
    print(f"callback: {text}", file=sys.stderr, flush=True)  # noqa: T201 -- stderr is for people

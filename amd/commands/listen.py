"""``amd listen``: judge calls that a telephone system sends, while they go on."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from amd.adapters.access import Access, check_exposure, tls_of, tokens_in
from amd.adapters.rtp_server import RtpListener, bind
from amd.adapters.rtp_settings import LOOPBACK as LOOPBACK_NETWORKS
from amd.adapters.rtp_settings import RtpSettings
from amd.adapters.server import Line, Listener, Server
from amd.adapters.systems import SYSTEMS
from amd.commands.deliveries import Deliveries
from amd.commands.lines import Lines
from amd.commands.listen_settings import PREFIX, Settings, add_options, settings_of
from amd.commands.terminal import OK, say
from amd.errors import AmdError, MissingExtraError, PolicyError
from amd.model import Model, load, shipped
from amd.policy import Policy, preset

if TYPE_CHECKING:
    from amd.adapters.metrics import Metrics

FILES_SPARE: Final = 1024
"""Open files beside those of calls."""
EXTRA: Final = 'the extra adapters: pip install "amd-callback[adapters]"'
EPILOG: Final = f"""examples:
  amd listen --audiosocket 9092                     AudioSocket of an Asterisk on this machine
  amd listen --websocket 9093 --metrics 9094        /twilio, /asterisk, ... behind a proxy on this machine
  amd listen --websocket 0.0.0.0:443 --tls-certificate cert.pem --tls-key key.pem --tokens tokens.txt
  amd listen --audiosocket 10.1.0.5:9092 --allow 10.1.0.0/16
  amd listen --audiosocket 9092 --ami 5038 --asterisk-user amd --asterisk-secret ami.txt
  amd listen --websocket 9093 --webhook https://dialer.example.org/amd --webhook-secret hook.txt
  amd listen --config listen.toml                   [listen] with the same names: audiosocket = 9092

A flag counts before the environment ({PREFIX}AUDIOSOCKET=9092), that before the file, that before the default.
SIGHUP reads file and environment's files again: policy, tokens, certificate, networks and limits, for calls that
begin later. SIGTERM or Ctrl-C stops it: no more calls, and those in flight go on for the grace."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    paths = ", ".join(f"/{name}" for name, system in SYSTEMS.items() if system.websocket)
    parser = commands.add_parser(
        "listen",
        help="judge calls that a telephone system sends",
        description="Accept calls over AudioSocket and media websockets, and write what is known of each as JSON "
        f"lines to stdout, as it comes. Paths of websockets: {paths}.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Listen until told to stop."""
    settings = settings_of(options, os.environ)
    if settings.audiosocket is None and settings.websocket is None and settings.rtp is None:
        raise PolicyError("nothing to listen on: give --audiosocket, --websocket or --rtp")
    asyncio.run(_listen(options, settings))
    return OK


def _access_of(settings: Settings) -> Access:
    """Who may connect; refuses what would let in anyone."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise PolicyError("TLS needs both --tls-certificate and --tls-key: one of them is missing")
    lacks = {
        "websocket": [
            *(["--tls-certificate"] if settings.tls_certificate is None else []),
            *(["--tokens"] if settings.tokens is None else []),
        ],
        "audiosocket": [] if settings.allow else ["--allow"],
        "rtp": [] if settings.allow else ["--allow"],
        "metrics": ["what they never have, a lock"],
    }
    for name, missing in lacks.items():
        address = getattr(settings, name)
        if address is not None:
            check_exposure(f"--{name}", address[0], missing=missing, unprotected=settings.unprotected)
    tls = None
    if settings.tls_certificate is not None and settings.tls_key is not None:
        tls = tls_of(settings.tls_certificate, settings.tls_key)
    tokens = tokens_in(settings.tokens) if settings.tokens is not None else ()
    return Access(tokens=tokens, networks=settings.allow, tls=tls)


def _policy_of(settings: Settings, model: Model) -> Policy:
    return dataclasses.replace(preset(settings.policy, model), early_media=settings.early_media)


def _allow_files(n_calls: int) -> None:
    """Raise this process's own limit of open files to what so many calls need."""
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_calls + FILES_SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < wanted:
            say(f"amd: {most} open files are fewer than {n_calls} calls need: raise `ulimit -n`")


def _metrics_of(settings: Settings) -> Metrics | None:
    if settings.metrics is None:
        return None
    try:
        from amd.adapters.metrics import Metrics  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise MissingExtraError(f"metrics need {EXTRA}") from error
    return Metrics()


async def _listen(options: argparse.Namespace, settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    access = _access_of(settings)
    metrics = _metrics_of(settings)
    model = load(settings.model) if settings.model else shipped()
    policy = _policy_of(settings, model)
    _allow_files(settings.calls)
    lines = Lines(lambda: loop.call_soon_threadsafe(stopped.set))
    tells: list[Callable[[Line], None]] = [lines.tell]
    if metrics is not None:
        tells.append(metrics.tell)

    def tell(line: Line) -> None:
        for one in tells:
            one(line)

    server = Server(tell, policy=policy, model=model, limits=settings.limits, access=access, watch=metrics)
    deliveries = Deliveries(settings, server, lines.tell)
    tells.append(deliveries.send)
    if metrics is not None:
        metrics.watch_deliveries(deliveries.counts())
    _on_signals(loop, stopped, lambda: _reload(server, options, settings, model))
    with contextlib.ExitStack() as ends:
        ends.callback(lines.close)
        if metrics is not None and settings.metrics is not None:
            port = ends.enter_context(metrics.serve(server, *settings.metrics, lost=lambda: lines.n_lost))
            say(f"amd: metrics on {settings.metrics[0]}:{port}")
        await deliveries.start()
        await _open(server, settings)
        gc.collect()
        gc.freeze()  # what is here now stays: a collection looks at calls alone
        await _until(stopped, server)
        say(f"amd: stopping, {len(server.sessions)} calls in flight")
        await server.stop()
        await deliveries.stop()
    if lines.n_lost:
        say(f"amd: {lines.n_lost} lines were lost: whoever reads stdout did not keep up")


async def _open(server: Server, settings: Settings) -> None:
    """Listen."""
    if settings.audiosocket is not None:
        host, port = settings.audiosocket
        say(f"amd: AudioSocket on {host}:{await server.listen_audiosocket(host, port)}")
    if settings.websocket is not None:
        host, port = settings.websocket
        try:
            from amd.adapters.websocket import listen_websocket  # noqa: PLC0415 -- an extra
        except ImportError as error:
            raise MissingExtraError(f"websockets need {EXTRA}") from error
        say(f"amd: websockets on {host}:{await listen_websocket(server, host, port)}")
    if settings.rtp is not None:
        host, port = settings.rtp
        allowed = tuple(map(str, settings.allow)) or LOOPBACK_NETWORKS
        listener = RtpListener(server, server.tell, settings=RtpSettings(allowed=allowed))
        bound = listener.start(bind(host, port))
        server.add(Listener(close=listener.close, wait_closed=listener.wait_closed))
        say(f"amd: RTP on {host}:{bound}")


async def _until(stopped: asyncio.Event, server: Server) -> None:
    """Wait until it is told to stop; raise what no call can outlive."""
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(stopped.wait()), asyncio.create_task(server.failed())]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()


def _on_signals(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event, reload: Callable[[], None]) -> None:
    with contextlib.suppress(NotImplementedError):  # no such handlers on Windows: Ctrl-C interrupts
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, reload)


def _reload(server: Server, options: argparse.Namespace, settings: Settings, model: Model) -> None:
    """Take what can be taken while calls go on, for calls that begin later; what is wrong changes nothing."""
    try:
        new = settings_of(options, os.environ)
        access, policy = _access_of(new), _policy_of(new, model)
    except AmdError as error:
        say(f"amd: not reloaded: {error}")
        return
    server.access, server.policy, server.limits = access, policy, new.limits
    waits = settings.changes_that_wait(new)
    say(f"amd: reloaded{f', but for {chr(44).join(waits)}: that needs a restart' if waits else ''}")

"""``amd listen``: judge calls that a telephone system sends, while they go on."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import signal
from collections.abc import Callable

from amd.adapters.server import Limits, Line, Server
from amd.adapters.systems import SYSTEMS
from amd.commands.terminal import OK, add_policy_options, model_of, policy_of, positive, say
from amd.errors import MissingExtraError, PolicyError

PORT_MAX = 65_535
LOOPBACK = "127.0.0.1"
Address = tuple[str, int]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    limits = Limits()
    paths = ", ".join(f"/{name}" for name, system in SYSTEMS.items() if system.websocket)
    parser = commands.add_parser(
        "listen",
        help="judge calls that a telephone system sends",
        description="Accept calls over AudioSocket and media websockets, and write what is known of each as JSON "
        f"lines to stdout, as it comes. Paths of websockets: {paths}. It has neither TLS nor passwords: it "
        "listens on this machine, and a proxy before it brings both. Stop it with Ctrl-C or SIGTERM: calls in "
        "flight go on for the grace.",
    )
    parser.add_argument("--audiosocket", type=_address, metavar="[HOST:]PORT", help="of Asterisk's AudioSocket")
    parser.add_argument(
        "--websocket", type=_address, metavar="[HOST:]PORT", help="of media websockets (needs the extra: adapters)"
    )
    parser.add_argument(
        "--beyond-loopback", action="store_true", help="listen on other addresses too, unencrypted and for anyone"
    )
    parser.add_argument("--calls", type=positive, default=limits.calls_max, metavar="N", help="at once")
    parser.add_argument("--idle", type=float, default=limits.idle_max_s, metavar="SECONDS", help="of a peer")
    parser.add_argument("--longest", type=float, default=limits.call_max_s, metavar="SECONDS", help="call")
    parser.add_argument(
        "--grace", type=float, default=limits.grace_s, metavar="SECONDS", help="when it is stopped"
    )
    add_policy_options(parser)
    parser.set_defaults(run=run)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} must be a port from 0 to {PORT_MAX}, or host:port")
    return host.strip("[]") or LOOPBACK, int(port)


def run(options: argparse.Namespace) -> int:
    """Listen until told to stop."""
    addresses = [address for address in (options.audiosocket, options.websocket) if address is not None]
    if not addresses:
        raise PolicyError("nothing to listen on: give --audiosocket, --websocket or both")
    for host, _ in addresses:
        if not options.beyond_loopback and not _is_loopback(host):
            raise PolicyError(
                f"{host} is not this machine: without TLS and passwords, --beyond-loopback must be meant"
            )
    limits = Limits(
        calls_max=options.calls, idle_max_s=options.idle, call_max_s=options.longest, grace_s=options.grace
    )
    model = model_of(options)
    policy = policy_of(options, model)
    asyncio.run(_listen(options, lambda tell: Server(tell, policy=policy, model=model, limits=limits)))
    return OK


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


async def _listen(options: argparse.Namespace, make: Callable[[Callable[[Line], None]], Server]) -> None:
    stopped = asyncio.Event()

    def write(line: Line) -> None:
        try:
            print(json.dumps(line), flush=True)  # noqa: T201 -- the result
        except BrokenPipeError:  # nobody reads any more: there is nothing to listen for
            stopped.set()

    server = make(write)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # no such handlers on Windows: Ctrl-C interrupts
            loop.add_signal_handler(number, stopped.set)
    if options.audiosocket is not None:
        host, port = options.audiosocket
        say(f"amd: AudioSocket on {host}:{await server.listen_audiosocket(host, port)}")
    if options.websocket is not None:
        host, port = options.websocket
        try:
            from amd.adapters.websocket import listen_websocket  # noqa: PLC0415 -- an extra
        except ImportError as error:
            raise MissingExtraError(
                'websockets need the extra adapters: pip install "amd-callback[adapters]"'
            ) from error
        say(f"amd: websockets on {host}:{await listen_websocket(server, host, port)}")
    await stopped.wait()
    say(f"amd: stopping, {len(server.sessions)} calls in flight")
    await server.stop()

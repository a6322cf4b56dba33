"""Media websockets for `amd.adapters.server`: the path names the system. Needs the extra ``adapters``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from amd.adapters import l16
from amd.adapters.l16 import MIXES, L16Decoder
from amd.adapters.media import MESSAGE_MAX_BYTES
from amd.adapters.server import CLOSE_MAX_S, Listener, Server, Session
from amd.adapters.systems import SYSTEMS, System, system_of
from amd.audio import RATE_HZ, check_rate
from amd.errors import AudioError, WireError

SUBPROTOCOLS: Final = ("media", "audio.jambonz.org", "audio.drachtio.org")
"""Asked for by Asterisk (websocket_client.conf), jambonz and mod_audio_fork; who asks for none gets none."""
OPEN_MAX_S: Final = 10.0
QUEUE_MESSAGES: Final = 64
"""Messages that wait to be read, per connection: a second of 20 ms each; beyond it, TCP holds the peer back."""


def system_at(path: str) -> System:
    """Return the system of a path: ``/twilio``, or ``/freeswitch?rate=16000&mix=stereo``.

    Raises
    ------
    WireError
        If it names no system with websockets, or a rate or mix that there is not.

    Examples
    --------
    >>> system_at("/twilio").name
    'twilio'
    """
    url = urlsplit(path)
    system = system_of(url.path.strip("/"))
    if not system.websocket:
        raise WireError(f"system {system.name!r} has no websocket")
    if system is not SYSTEMS["freeswitch"]:
        return system
    query = parse_qs(url.query)
    rate, mix = query.get("rate", [str(RATE_HZ)])[0], query.get("mix", ["mono"])[0]
    if mix not in MIXES or not rate.isdecimal():
        raise WireError(f"rate must be a number, and mix one of {', '.join(MIXES)}")
    try:
        rate_hz = check_rate(int(rate[:9]))
    except AudioError as error:
        raise WireError(str(error)) from None
    return System(
        name=system.name,
        make=lambda: L16Decoder(l16.FREESWITCH, rate_hz=rate_hz, mix=mix),
        timing=system.timing,
    )


async def listen_websocket(server: Server, host: str, port: int) -> int:
    """Accept media websockets; returns the port (any free one for 0)."""

    def check(connection: ServerConnection, request: Request) -> Response | None:
        try:
            system_at(request.path)
        except WireError as error:
            return connection.respond(HTTPStatus.NOT_FOUND, f"{error}\n")
        if server.is_full:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no room for a further call\n")
        return None

    listening = await serve(
        lambda connection: _handle(server, connection),
        host,
        port,
        process_request=check,
        select_subprotocol=_subprotocol,
        compression=None,
        open_timeout=OPEN_MAX_S,
        close_timeout=CLOSE_MAX_S,
        max_size=MESSAGE_MAX_BYTES,
        max_queue=QUEUE_MESSAGES,
    )
    server.add(
        Listener(
            close=lambda: listening.close(close_connections=False),
            wait_closed=listening.wait_closed,
        )
    )
    bound: int = next(iter(listening.sockets)).getsockname()[1]
    return bound


def _subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((one for one in offered if one in SUBPROTOCOLS), None)


async def _handle(server: Server, connection: ServerConnection) -> None:
    """Follow one connection to its end."""
    request = connection.request
    if request is None:
        return
    closing: set[asyncio.Task[None]] = set()

    def close(reason: str) -> None:
        closing.add(asyncio.create_task(connection.close(1008 if reason == "fault" else 1000, reason)))

    session = server.open(system_at(request.path), close)
    if session is None:
        await connection.close(1013, "full")
        return
    try:
        await _follow(session, connection)
    except ConnectionClosed:
        session.end("closed")
    finally:
        session.end("closed")
        await asyncio.gather(*closing)


async def _follow(session: Session, connection: ServerConnection) -> None:
    async for message in connection:
        for reply in session.feed(message):
            await connection.send(reply)
        if session.call.stopped:
            session.end("hangup")
            return

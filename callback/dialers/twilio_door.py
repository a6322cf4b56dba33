"""Where Twilio tells of calls and sends their audio: one small HTTP server of this worker (extra ``dialers``).

Every request must carry Twilio's signature of its public address. What stands before this server (a proxy with
TLS) passes paths on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from callback.dialers.hearing import Stream, read_websocket
from callback.dialers.twilio_signature import HEADER, is_signed

BODY_MAX_BYTES: Final = 64 * 1024
CLOSE_MAX_S: Final = 1.0
_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioDoor:
    """Where Twilio finds this worker.

    Parameters
    ----------
    url : str
        Its public address, ``https`` but for tests; each worker has its own: ``"https://calls.example.org/w1"``.
    host, port
        Where it listens; port 0 takes any free one, and is put into ``url``.
    """

    url: str
    host: str = "127.0.0.1"
    port: int = 8089

    def __post_init__(self) -> None:
        if _URL.fullmatch(self.url) is None:
            raise ValueError(f"url={self.url!r} must be like https://calls.example.org/w1: a query, or no scheme?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Twilio tells: its kind and dial by the path, and its form."""

    kind: str
    dial_id: str
    name: str
    form: Mapping[str, str] = field(repr=False)


class TwilioServer:
    """Take what Twilio sends.

    Parameters
    ----------
    door : TwilioDoor
    token : str
        The account's, for signatures.
    take : callable
        Given what was told; returns TwiML, or an empty text.
    stream : callable
        Given a dial id, its stream, if one is awaited.
    """

    def __init__(
        self,
        door: TwilioDoor,
        token: str,
        take: Callable[[Told], Awaitable[str]],
        stream: Callable[[str], Stream | None],
    ) -> None:
        self._door = door
        self._token = token
        self._take = take
        self._stream = stream
        self._open: set[Stream] = set()
        self._runner: web.AppRunner | None = None
        self.url = door.url.rstrip("/")

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=BODY_MAX_BYTES)
        path = urlsplit(self.url).path
        app.router.add_post(path + "/{kind}/{dial_id}/{name}", self._on_post)
        app.router.add_get(path + "/media/{dial_id}/{name}", self._on_media)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_MAX_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._door.host, self._door.port).start()
        if self._door.port == 0:
            parts = urlsplit(self.url)
            self.url = parts._replace(netloc=f"{parts.netloc}:{self._runner.addresses[0][1]}").geturl()

    async def stop(self) -> None:
        """Listen no more."""
        for stream in self._open:
            stream.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def address(self, kind: str, dial_id: str, name: str) -> str:
        """Return where Twilio is to tell something."""
        return f"{self.url}/{kind}/{dial_id}/{name}"

    def media_address(self, dial_id: str, name: str) -> str:
        """Return where Twilio is to send audio."""
        return "ws" + self.address("media", dial_id, name).removeprefix("http")

    def _asked(self, request: web.Request, kind: str) -> str:
        """Return the address that was asked, as Twilio was given it."""
        info = request.match_info
        query = f"?{request.query_string}" if request.query_string else ""
        if kind == "media":
            return self.media_address(info["dial_id"], info["name"]) + query
        return self.address(kind, info["dial_id"], info["name"]) + query

    async def _on_post(self, request: web.Request) -> web.Response:
        info = request.match_info
        body = await request.read()
        is_form = request.content_type == "application/x-www-form-urlencoded"
        form = [(name, str(value)) for name, value in (await request.post()).items()] if is_form else []
        url = self._asked(request, info["kind"])
        if not is_signed(self._token, url, request.headers.get(HEADER, ""), form=form, body=body):
            raise web.HTTPForbidden(text="not signed by Twilio\n")
        twiml = await self._take(
            Told(kind=info["kind"], dial_id=info["dial_id"], name=info["name"], form=dict(form))
        )
        if not twiml:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.Response(text=twiml, content_type="text/xml")

    async def _on_media(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, timeout=CLOSE_MAX_S)
        if not socket.can_prepare(request).ok:
            raise web.HTTPBadRequest
        if not is_signed(self._token, self._asked(request, "media"), request.headers.get(HEADER, "")):
            raise web.HTTPForbidden(text="not signed by Twilio\n")
        stream = self._stream(request.match_info["dial_id"])
        if stream is None or stream.joined.is_set():
            raise web.HTTPNotFound
        self._open.add(stream)
        try:
            await socket.prepare(request)
            await read_websocket(socket, stream)
        finally:
            self._open.discard(stream)
            stream.end()
        return socket

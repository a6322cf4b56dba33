"""Where FreeSWITCH sends the audio of calls: a websocket of this worker. Needs the extra ``dialers``.

mod_audio_stream and mod_audio_fork connect to the address that their command names. Its path holds a secret made
for that one stream: it tells the calls apart, and keeps others out.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from callback.dialers.hearing import Stream, read_websocket

CLOSE_MAX_S: Final = 1.0
SUBPROTOCOLS: Final = ("audio.drachtio.org",)
"""Asked for by mod_audio_fork; who asks for none gets none."""
COMMANDS: Final = ("uuid_audio_stream", "uuid_audio_fork")
_URL: Final = re.compile(r"wss?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._/-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EslMedia:
    """How audio comes from FreeSWITCH.

    Parameters
    ----------
    url : str
        Where FreeSWITCH finds this worker, without the secret: ``"ws://10.0.0.7:8090"``.
    host, port
        Where this worker listens for it; port 0 takes any free one, and is put behind ``url``.
    command : str
        ``"uuid_audio_stream"`` (mod_audio_stream) or ``"uuid_audio_fork"`` (mod_audio_fork).
    wait_max_s : float, s
        So long after the command the connection must be there.
    """

    url: str = "ws://127.0.0.1"
    host: str = "127.0.0.1"
    port: int = 0
    command: str = COMMANDS[0]
    wait_max_s: float = 3.0

    def __post_init__(self) -> None:
        if _URL.fullmatch(self.url) is None:
            raise ValueError(f"url={self.url!r} must be like ws://10.0.0.7:8090: http, or a query?")
        if self.command not in COMMANDS:
            raise ValueError(f"command={self.command!r} is none of {', '.join(COMMANDS)}")


class EslListener:
    """Takes the audio of calls as FreeSWITCH sends it."""

    def __init__(self, settings: EslMedia) -> None:
        self._settings = settings
        self._streams: dict[str, Stream] = {}
        self._joined: set[Stream] = set()
        self._runner: web.AppRunner | None = None
        self._base = settings.url.rstrip("/")

    async def start(self) -> None:
        """Listen."""
        settings = self._settings
        app = web.Application()
        app.router.add_get("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_MAX_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, settings.host, settings.port).start()
        if settings.port == 0:
            self._base = f"{self._base}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more, and end what was heard."""
        for stream in [*self._streams.values(), *self._joined]:
            stream.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def expect(self) -> tuple[str, Stream]:
        """Return where a stream that is now asked for is to be sent, and the stream."""
        secret = secrets.token_hex(16)
        stream = self._streams[secret] = Stream()
        return f"{self._base}/{secret}", stream

    def forget(self, url: str) -> None:
        """Let in nobody at this address any more; a stream that nobody sent is over."""
        stream = self._streams.pop(_secret(url), None)
        if stream is not None and not stream.joined.is_set():
            stream.end()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=SUBPROTOCOLS, compress=False, timeout=CLOSE_MAX_S)
        secret = _secret(request.path)
        if secret not in self._streams or not socket.can_prepare(request).ok:
            raise web.HTTPNotFound
        stream = self._streams.pop(secret)  # each lets in once
        self._joined.add(stream)
        try:
            await socket.prepare(request)
            await read_websocket(socket, stream)
        finally:
            self._joined.discard(stream)
            stream.end()
        return socket


def _secret(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]

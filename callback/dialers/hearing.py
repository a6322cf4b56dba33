"""Audio that a telephone system sends over a websocket, held until somebody hears it (extra ``dialers``)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSMsgType, web

HELD_MAX: Final = 1500
"""Messages that are held until they are read: 30 s at 20 ms each. Beyond it, TCP holds the sender back."""


class Stream:
    """The messages of one call, in order, from the first on; each is read once."""

    def __init__(self) -> None:
        self._held: deque[bytes | str] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.joined = asyncio.Event()
        self.over = False

    async def put(self, message: bytes | str) -> None:
        """Take a message; waits while too many are held."""
        while len(self._held) >= HELD_MAX and not self.over:
            self._room.clear()
            await self._room.wait()
        if not self.over:
            self._held.append(message)
            self._news.set()

    def end(self) -> None:
        """Nothing comes any more; what is held can still be read."""
        self.over = True
        self._news.set()
        self._room.set()

    async def messages(self) -> AsyncIterator[bytes | str]:
        """Give the messages; ends with the audio."""
        while True:
            while self._held:
                self._room.set()
                yield self._held.popleft()
            if self.over:
                return
            self._news.clear()
            await self._news.wait()


async def read_websocket(socket: web.WebSocketResponse, stream: Stream) -> None:
    """Take what comes over a websocket, to its end."""
    stream.joined.set()
    async for message in socket:
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            await stream.put(message.data)
        if stream.over:
            return

"""An HTTP server on loopback that does as it is told: answers, fails, hangs, closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


HANG, CLOSE, GARBAGE, TRICKLE, HUGE = "hang", "close", "garbage", "trickle", "huge"


class HttpPeer:
    """Each request takes the next action: a status, ``(status, headers)``, a way to misbehave; then ``after``."""

    def __init__(self, actions: Iterable[object] = (), *, after: object = 200, tls=None) -> None:
        self.actions = list(actions)
        self.after = after
        self.tls = tls
        self.requests: list[Request] = []
        self.got = asyncio.Condition()
        self.free = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> HttpPeer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.free.set()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0)  # transports that were closed let go of their sockets in the loop's next turn

    async def wait_for(self, n: int) -> None:
        async with asyncio.timeout(20), self.got:
            await self.got.wait_for(lambda: len(self.requests) >= n)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    await writer.drain()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.splitlines()
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        action = self.actions.pop(0) if self.actions else self.after
        async with self.got:
            self.requests.append(Request(method, path, headers, body))
            self.got.notify_all()
        return await self._act(action, writer)

    async def _act(self, action: object, writer: asyncio.StreamWriter) -> bool:
        if action == HANG:
            await self.free.wait()
        if action in (HANG, CLOSE):
            return False
        if action == GARBAGE:
            writer.write(b"\x00\xff not HTTP\r\n\r\n")
            return False
        if action == TRICKLE:  # a header, and then a byte now and then for ever
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not self.free.is_set():
                writer.write(b".")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.free.wait(), 0.02)
            return False
        status, headers = action if isinstance(action, tuple) else (200 if action == HUGE else action, {})
        answer = b"." * 1_000_000 if action == HUGE else b"" if status == 204 else b"ok"
        length = f"content-length: {len(answer)}\r\n" if answer else ""
        writer.write(f"HTTP/1.1 {status} Status\r\n{length}".encode())
        writer.write("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode())
        writer.write(b"\r\n" + answer)
        await writer.drain()
        return True

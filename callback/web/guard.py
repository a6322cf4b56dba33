"""What every request passes: whom it is for, how big and slow it may be, headers, how long it took, and faults."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callback.web.meters import Meters
from callback.web.problems import Problem, internal
from callback.web.settings import Limits

logger: Final = logging.getLogger("callback.web")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with less, browsers say of our own forms that they come from nowhere
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "interest-cohort=()",
}
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
STATIC: Final = "/static/"


class Guard:
    """Wraps an application.

    Parameters
    ----------
    app : ASGIApp
    limits : Limits
    meters : Meters
    hosts : iterable of str or None
        The names it answers to; None: any. Another site can make a browser ask this one by a name of its own (DNS
        rebinding): a service that asks for no key must not answer to that.
    """

    def __init__(self, app: ASGIApp, limits: Limits, meters: Meters, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._limits = limits
        self._meters = meters
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                kept = scope["path"].startswith(STATIC)
                headers.setdefault("Cache-Control", "max-age=300" if kept else "no-store")
            await send(message)

        try:
            await self._answer(scope, receive, sending)
        except Problem as problem:
            await self._late(problem, status, scope, receive, sending)
        except Exception as error:  # noqa: BLE001 -- told to the log without its text, which may be anyone's number
            logger.error("a request failed: %s", where(error))  # noqa: TRY400
            await self._late(internal(), status, scope, receive, sending)
        finally:
            self._meters.request(scope, status, time.monotonic() - started)

    @staticmethod
    async def _late(problem: Problem, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        if not status:  # else the answer has begun, and breaks off
            await problem.response()(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._limits.body_max_bytes:
            raise self._too_big()
        await self._app(scope, self._bounded(receive), send)

    def _check_host(self, host: str) -> None:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._hosts is not None and name.strip("[]").lower() not in self._hosts:
            raise Problem(
                421, "unknown-host", "this service does not answer to that host: is it missing in hosts?"
            )

    def _bounded(self, receive: Receive) -> Receive:
        """Return a reader of the body that stops where it is too big or too slow."""
        read, ended, deadline = 0, False, time.monotonic() + self._limits.body_max_s

        async def bounded() -> Message:
            nonlocal read, ended
            if ended:  # what is left to hear is that the client went away
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, "too-slow", f"no body within {self._limits.body_max_s} s") from None
            read += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if read > self._limits.body_max_bytes:
                raise self._too_big()
            return message

        return bounded

    def _too_big(self) -> Problem:
        most = self._limits.body_max_bytes
        return Problem(413, "too-big", f"a body of more than {most} bytes: is this a booking?")


def where(error: BaseException) -> str:
    """Name an error and the line it came from, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return type(error).__name__ + (f" in {last.name}, line {last.lineno}" if last else "")

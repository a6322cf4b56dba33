"""The link to Asterisk's REST interface: questions over HTTP, what happens over one websocket that is kept up.

Paths, codes and events as Asterisk's documentation has them (Asterisk REST Interface). What names a customer
travels in bodies, never in an address: addresses end up in other people's logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from callback.dialing import DialerDown, DialInDoubt

Event = Mapping[str, Any]
"""What Asterisk tells: an event with its ``type``."""

HEARTBEAT_S: Final = 10.0
"""A websocket that does not answer a ping in half of this is lost."""
KEEP_ALIVE_S: Final = 5.0
"""Idle connections are let go before Asterisk does (``session_keep_alive`` of http.conf: 15 s), so that no call is
in doubt only because it was placed on one that had just been closed."""
CONNECTIONS: Final = 16
"""At once; Asterisk takes 100 of all its clients together (``session_limit`` of http.conf)."""
BACK_OFF_S: Final = 0.1
"""The first wait before the link is tried again; doubled up to `AriAccess.back_off_max_s`, and drawn from its half
on."""

NOT_FOUND: Final = 404
CONFLICT: Final = 409

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AriAccess:
    """Where Asterisk is, and who we are there.

    Parameters
    ----------
    url : str
        ``"http://asterisk.example:8088/ari"``, or https.
    app : str
        Stasis application; each worker has its own, for the newest websocket takes an application's events away
        from every other. Letters, digits, ``-``, ``_``.
    user, password : str
        A user of ari.conf that is not ``read_only``.
    reply_max_s : float, s
    back_off_max_s : float, s
        Longest wait between two tries to reach Asterisk again.
    """

    url: str
    app: str
    user: str
    password: str = field(repr=False)
    reply_max_s: float = 5.0
    back_off_max_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url={self.url!r} must begin with http:// or https://: the websocket's?")
        if not self.app.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"app={self.app!r} must be letters, digits, - and _: empty, or a path?")
        for name in ("reply_max_s", "back_off_max_s"):
            value = getattr(self, name)
            if not 0 < value <= 600:
                raise ValueError(f"{name}={value} must be above 0 and at most 600 s: milliseconds?")


@dataclass(frozen=True, slots=True)
class Reply:
    """What Asterisk answered: a status of HTTP, and the body if there was one."""

    status: int
    body: Any = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status < 300


class AriLink:
    """Ask Asterisk, and hear from it.

    Parameters
    ----------
    access : AriAccess
    hear : callable
        Given every event, as it comes.
    back : callable or None
        Awaited each time the websocket is up, the first time included: finds out what happened without us.
    """

    def __init__(
        self, access: AriAccess, hear: Callable[[Event], None], back: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.access = access
        self._hear = hear
        self._back = back
        self._session: aiohttp.ClientSession | None = None
        self._follower: asyncio.Task[None] | None = None
        self._awaited: dict[tuple[str, str], set[asyncio.Future[Event]]] = {}
        self._replaced = False
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        """Whether what happens is told; Asterisk gives no channel to an application that does not listen."""

    @property
    def app(self) -> str:
        """Our Stasis application."""
        return self.access.app

    async def start(self) -> None:
        """Reach Asterisk; raise `DialerDown` if it cannot be reached now."""
        secret = f"{self.access.user}:{self.access.password}".encode()
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {b64encode(secret).decode()}"},
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self.access.reply_max_s),
        )
        try:
            first = await self._connect()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self.stop()
            raise DialerDown(f"Asterisk cannot be reached: {_why(error)}") from None
        self.up.set()
        self._follower = asyncio.create_task(self._follow(first))

    async def stop(self) -> None:
        """Let go. A second time does nothing."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.wait([follower])
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(self, method: str, *path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Ask what may be asked twice, and is when the reply was lost; raise `DialerDown` if it is lost again."""
        try:
            return await self._request(method, path, query, None)
        except DialInDoubt:
            try:
                return await self._request(method, path, query, None)
            except DialInDoubt as error:
                raise DialerDown(str(error)) from None

    async def ask_once(
        self, *path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Reply:
        """Ask for what may be done only once; `DialerDown`: it was not, `DialInDoubt`: it may have been."""
        return await self._request("POST", path, query, body)

    @contextlib.contextmanager
    def awaiting(self, *events: tuple[str, str]) -> Iterator[asyncio.Future[Event]]:
        """Give a future for the first of some events, each by its type and the id of what it is about."""
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        for event in events:
            self._awaited.setdefault(event, set()).add(future)
        try:
            yield future
        finally:
            for event in events:
                waiting = self._awaited[event]
                waiting.discard(future)
                if not waiting:
                    del self._awaited[event]
            future.cancel()

    async def _request(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> Reply:
        if self._session is None:
            raise DialerDown("the dialer was not started, or was stopped")
        url = "/".join([self.access.url.rstrip("/"), *(quote(part, safe="") for part in path)])
        try:
            async with self._session.request(method, url, params=query, json=body) as response:
                if response.status in (401, 403):
                    raise DialerDown(
                        f"Asterisk answers {response.status}: is user {self.access.user!r} in ari.conf?"
                    )
                text = await response.text()
                is_json = response.content_type == "application/json" and text
                return Reply(response.status, await response.json() if is_json else None)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise DialerDown(f"Asterisk cannot be reached: {_why(error)}") from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise DialInDoubt(f"Asterisk's reply was lost: {_why(error)}") from None

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            raise DialerDown("the dialer was not started, or was stopped")
        async with asyncio.timeout(self.access.reply_max_s):
            return await self._session.ws_connect(
                f"{self.access.url.rstrip('/')}/events",
                params={"app": self.app, "subscribeAll": "false"},
                heartbeat=HEARTBEAT_S,
            )

    async def _follow(self, first: aiohttp.ClientWebSocketResponse) -> None:
        """Keep the websocket up until we are stopped, or another takes our application."""
        socket: aiohttp.ClientWebSocketResponse | None = first
        wait_s = BACK_OFF_S
        while not self._replaced:
            why = "closed"
            try:
                socket = socket or await self._connect()
                wait_s = BACK_OFF_S
                await self._read(socket)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                why = _why(error)
            logger.warning("ari: link lost: %s", why)
            socket = None
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 -- spreads workers, no secret
            wait_s = min(2 * wait_s, self.access.back_off_max_s)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.up.set()
        self.down.clear()
        catching_up = asyncio.create_task(self._catch_up())
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take_text(message.data)
        finally:
            self.up.clear()
            self.down.set()
            catching_up.cancel()
            await asyncio.wait([catching_up])
            await socket.close()

    async def _catch_up(self) -> None:
        try:
            if self._back is not None:
                await self._back()
        except DialerDown as error:  # lost again: the next time it is up, all is asked again
            logger.warning("ari: what happened meanwhile is not known yet: %s", error)

    def _take_text(self, text: str) -> None:
        try:
            self._take(json.loads(text))
        except Exception as error:  # noqa: BLE001 -- one event that we cannot read must not end all others
            logger.error("ari: an event was not understood: %s", _why(error))  # noqa: TRY400 -- it holds numbers

    def _take(self, event: Event) -> None:
        kind = event["type"]
        if kind == "ApplicationReplaced":
            self._replaced = True
            logger.error("ari: another worker took application %s: each needs its own", self.app)
            return
        for about in ("channel", "playback"):
            for future in tuple(self._awaited.get((kind, event.get(about, {}).get("id", "")), ())):
                if not future.done():
                    future.set_result(event)
        self._hear(event)


def _why(error: BaseException) -> str:
    """What went wrong, without addresses: only what kind of thing it is."""
    return type(error).__name__

"""One connection to FreeSWITCH's event socket, which comes back by itself.

Replies have no ids: they come in the order of the commands. So a reply that does not come in time ends the
connection, and what was sent on it is in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from callback.dialers.esl_wire import EslFault, Event, Framer, Message, command, read_event
from callback.dialing import DialerDown, DialInDoubt

CONNECT_MAX_S: Final = 5.0
REPLY_MAX_S: Final = 10.0
"""``api`` commands run on the switch while the connection waits; those that are used here take milliseconds."""
WAIT_MAX_S: Final = 5.0
"""A command that comes while the connection is lost waits as long for the next one."""
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
QUIET_MAX_S: Final = 15.0
"""A connection on which nothing came for as long is lost: a third of it without news asks for a sign of life."""
READ_BYTES: Final = 64 * 1024
logger: Final = logging.getLogger("callback")


class ReplyLost(DialInDoubt):
    """A command was sent, and the connection ended before its reply came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the event socket listens, and its password."""

    host: str = "127.0.0.1"
    port: int = 8021
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        command(f"auth {self.password}")


class _Connection:
    """A connection, from its first byte to its last."""

    def __init__(
        self, writer: asyncio.StreamWriter, on_event: Callable[[Event], None], on_close: Callable[[], None]
    ) -> None:
        self._writer = writer
        self._on_event = on_event
        self._on_close = on_close
        self._asked: deque[asyncio.Future[Message]] = deque()
        self._framer = Framer()
        self.greeted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.closed = False

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take what comes until the end."""
        try:
            while True:
                async with asyncio.timeout(QUIET_MAX_S):
                    data = await reader.read(READ_BYTES)
                if not data:
                    return
                for message in self._framer.feed(data):
                    self._take(message)
        except TimeoutError:
            logger.warning("event socket: nothing came for %s s", QUIET_MAX_S)
        except (OSError, EslFault) as error:
            logger.warning("event socket: %s", error)
        finally:
            self.close()

    def _take(self, message: Message) -> None:
        if message.kind in ("command/reply", "api/response"):
            if not self._asked:
                raise EslFault(f"a {message.kind} came to no command")
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result(message)
        elif message.kind == "text/event-plain":
            self._on_event(read_event(message.body))
        elif message.kind in ("auth/request", "text/rude-rejection") and not self.greeted.done():
            self.greeted.set_result(message)

    def send(self, data: bytes) -> asyncio.Future[Message]:
        """Send a command; its reply comes."""
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked.append(reply)
        self._writer.write(data)
        return reply

    async def request(self, text: str, headers: Mapping[str, str] | None = None) -> Message:
        """Send a command, and return its reply."""
        data = command(text, headers)
        if self.closed:
            raise DialerDown("the event socket of FreeSWITCH is not connected")
        reply = self.send(data)
        try:
            async with asyncio.timeout(REPLY_MAX_S):
                return await asyncio.shield(reply)
        except TimeoutError:
            self.close()
            raise ReplyLost(f"FreeSWITCH did not answer in {REPLY_MAX_S:.0f} s") from None

    def close(self) -> None:
        """End it; whoever waits for a reply is told that it is lost."""
        if not self.closed:
            self.closed = True
            self._on_close()
        self._writer.close()
        waiting = [self.greeted, *self._asked]
        self._asked.clear()
        for reply in waiting:
            if not reply.done():
                reply.set_exception(ReplyLost("the connection to FreeSWITCH ended before the reply"))
                reply.exception()  # seen: whoever waited may be gone


class Link:
    """Keep connected.

    Parameters
    ----------
    address : Address
    events : tuple of str
        Names of events to be told of.
    on_event : callable
    on_up : callable
        Awaited on each new connection, before anything else is asked on it, with the way to ask.
    """

    def __init__(
        self,
        address: Address,
        events: tuple[str, ...],
        on_event: Callable[[Event], None],
        on_up: Callable[[Callable[[str], Awaitable[Message]]], Awaitable[None]],
    ) -> None:
        self._address = address
        self._events = events
        self._on_event = on_event
        self._on_up = on_up
        self._connection: _Connection | None = None
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; from then on stay connected.

        Raises
        ------
        DialerDown
            If it cannot be reached now, or the password is wrong.
        """
        reading = await self._connect()
        self._keeper = asyncio.create_task(self._keep(reading))

    async def stop(self) -> None:
        """Let go."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()

    async def request(self, text: str, headers: Mapping[str, str] | None = None) -> Message:
        """Send a command once, and return its reply; waits for a lost connection to come back first.

        Raises
        ------
        DialerDown
            If nothing was sent.
        ReplyLost
            If it was sent, and no reply came.
        """
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                await self._up.wait()
        except TimeoutError:
            raise DialerDown("the event socket of FreeSWITCH is not connected") from None
        if self._connection is None:
            raise DialerDown("the event socket of FreeSWITCH was never connected: start() first?")
        return await self._connection.request(text, headers)

    async def ask(self, text: str, headers: Mapping[str, str] | None = None) -> Message:
        """Send a command that may be sent twice, and return its reply.

        Raises
        ------
        DialerDown
        """
        try:
            return await self.request(text, headers)
        except ReplyLost:
            pass
        try:
            return await self.request(text, headers)
        except ReplyLost as error:
            raise DialerDown(str(error)) from None

    async def _keep(self, reading: asyncio.Task[None]) -> None:
        while True:
            await self._watch(reading)
            delay_s = BACKOFF_MIN_S
            while True:
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret: workers spread
                delay_s = min(2 * delay_s, BACKOFF_MAX_S)
                with contextlib.suppress(DialerDown, ReplyLost):
                    reading = await self._connect()
                    break

    async def _watch(self, reading: asyncio.Task[None]) -> None:
        """Wait for the end of a connection, with a sign of life now and then."""
        try:
            while not (await asyncio.wait([reading], timeout=QUIET_MAX_S / 3))[0]:
                with contextlib.suppress(DialerDown, ReplyLost):
                    await self.request("api uptime")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _connect(self) -> asyncio.Task[None]:
        address = self._address
        try:
            async with asyncio.timeout(CONNECT_MAX_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
        except (OSError, TimeoutError) as error:
            raise DialerDown(f"FreeSWITCH at {address.host}:{address.port} cannot be reached: {error}") from None
        connection = _Connection(writer, self._on_event, self._up.clear)
        reading = asyncio.create_task(connection.read(reader))
        try:
            async with asyncio.timeout(CONNECT_MAX_S):
                await self._enter(connection)
        except BaseException as error:
            connection.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if isinstance(error, (TimeoutError, ReplyLost)):
                raise DialerDown(f"{address.host}:{address.port} does not greet as FreeSWITCH does") from None
            raise
        self._connection = connection
        self._up.set()
        return reading

    async def _enter(self, connection: _Connection) -> None:
        if (await connection.greeted).kind != "auth/request":
            raise DialerDown("FreeSWITCH refuses this address: apply-inbound-acl in event_socket.conf.xml?")
        if not (await connection.request(f"auth {self._address.password}")).answer.startswith("+OK"):
            raise DialerDown("FreeSWITCH refuses the password of the event socket")

        async def ask(text: str) -> Message:
            return await connection.request(text)

        await self._on_up(ask)
        if not (await ask(f"event plain {' '.join(self._events)}")).answer.startswith("+OK"):
            raise DialerDown("FreeSWITCH does not tell of events")

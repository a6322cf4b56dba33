"""A small client of Asterisk's manager interface (AMI): actions, their replies, lists, and events.

The wire: a line that greets, then blocks of ``Key: Value`` lines, each ended by an empty line. A reply carries the
``ActionID`` of its action, and so does every event of a list, up to the one with ``EventList: Complete``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from callback.dialing import DialerDown

Block = Mapping[str, str]
"""A reply or an event, by its keys."""

GREETING: Final = b"Asterisk Call Manager/"
BACK_OFF_S: Final = 0.1
BLOCK_MAX_BYTES: Final = 1 << 16
PING_S: Final = 20.0
"""So often a silent link is asked whether it still is one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiAccess:
    """Where the manager interface is, and who we are there.

    Parameters
    ----------
    host : str
    port : int
    user, secret : str
        A user of manager.conf with ``read = agent`` and ``write = agent``.
    tls : ssl.SSLContext or None
        Without it the secret is sent in the clear: then only over a network that is ours.
    reply_max_s, back_off_max_s : float, s
    """

    host: str
    user: str
    secret: str = field(repr=False)
    port: int = 5038
    tls: ssl.SSLContext | None = None
    reply_max_s: float = 5.0
    back_off_max_s: float = 10.0


@dataclass(slots=True)
class _Action:
    """One that waits for its reply, or the end of its list."""

    done: asyncio.Future[tuple[Block, list[Block]]]
    is_list: bool
    reply: Block | None = None
    items: list[Block] = field(default_factory=list)


class AmiRefused(DialerDown):
    """Asterisk would not do it; the message says why, in its words."""


class Ami:
    """Ask Asterisk's manager, and hear from it; a lost connection is made again.

    Parameters
    ----------
    access : AmiAccess
    hear : callable
        Given every event that is not part of a list.
    """

    def __init__(self, access: AmiAccess, hear: Callable[[Block], None]) -> None:
        self.access = access
        self._hear = hear
        self._ids = itertools.count(1)
        self._waiting: dict[str, _Action] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reach Asterisk; raise `DialerDown` if it cannot be reached, or does not let us in."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._follower = asyncio.create_task(self._follow(ready))
        try:
            await ready
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go. A second time does nothing."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.wait([follower])

    async def act(self, action: str, **fields: str) -> Block:
        """Do something; raise `AmiRefused` if Asterisk will not, `DialerDown` if it cannot be reached."""
        return (await self._send(self._writer, action, fields, is_list=False))[0]

    async def ask_list(self, action: str, **fields: str) -> list[Block]:
        """Return the events of a list, without the one that ends it; raises as `act`."""
        return (await self._send(self._writer, action, fields, is_list=True))[1]

    async def _send(
        self, writer: asyncio.StreamWriter | None, action: str, fields: Mapping[str, str], *, is_list: bool
    ) -> tuple[Block, list[Block]]:
        if writer is None:
            raise DialerDown("Asterisk's manager cannot be reached")
        number = str(next(self._ids))
        lines = [f"{key}: {value}" for key, value in {"Action": action, "ActionID": number, **fields}.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError(f"a value of {action} has a line break: it would be read as another key")
        waiting = _Action(asyncio.get_running_loop().create_future(), is_list)
        self._waiting[number] = waiting
        try:
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            async with asyncio.timeout(self.access.reply_max_s):
                return await waiting.done
        except (OSError, TimeoutError):
            raise DialerDown(f"Asterisk's manager did not answer to {action}") from None
        finally:
            del self._waiting[number]

    async def _follow(self, ready: asyncio.Future[None]) -> None:
        wait_s = BACK_OFF_S
        while True:
            try:
                await self._live(ready)
                wait_s = BACK_OFF_S
            except AmiRefused as error:
                logger.error("ami: not let in: %s", error)  # noqa: TRY400 -- no traceback for a refusal
                _fail(ready, error)
            except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                logger.warning("ami: link lost: %s", type(error).__name__)
                _fail(ready, DialerDown(f"Asterisk's manager cannot be reached: {type(error).__name__}"))
            await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 -- spreads workers, no secret
            wait_s = min(2 * wait_s, self.access.back_off_max_s)

    async def _live(self, ready: asyncio.Future[None]) -> None:
        """Connect, log in, and read until the connection ends."""
        access = self.access
        async with asyncio.timeout(access.reply_max_s):
            reader, writer = await asyncio.open_connection(
                access.host, access.port, ssl=access.tls, limit=BLOCK_MAX_BYTES
            )
        reading: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(access.reply_max_s):
                greeting = await reader.readline()
            if not greeting.startswith(GREETING):
                raise ValueError("this is not Asterisk's manager: another port?")
            reading = asyncio.create_task(self._read(reader))
            login = {"Username": access.user, "Secret": access.secret, "Events": "agent"}
            await self._send(writer, "Login", login, is_list=False)
            self._writer = writer
            if not ready.done():
                ready.set_result(None)
            while not reading.done():
                await asyncio.wait([reading], timeout=PING_S)
                if not reading.done():
                    await self.act("Ping")
            await reading
        except DialerDown as error:
            if isinstance(error, AmiRefused):
                raise
            raise TimeoutError from None
        finally:
            self._writer = None
            if reading is not None:
                reading.cancel()
                await asyncio.wait([reading])
            for waiting in tuple(self._waiting.values()):
                _fail(waiting.done, DialerDown("the connection to Asterisk's manager was lost"))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            text = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
            pairs = (line.partition(":") for line in text.split("\r\n") if ":" in line)
            self._take({key.strip(): value.strip() for key, _, value in pairs})

    def _take(self, block: Block) -> None:
        waiting = self._waiting.get(block.get("ActionID", ""))
        if waiting is None:
            self._hear_one(block)
        elif waiting.done.done():
            return
        elif block.get("Response") == "Error":
            _fail(waiting.done, AmiRefused(block.get("Message", "no reason given")))
        elif "Response" in block and not waiting.is_list:
            waiting.done.set_result((block, []))
        elif "Response" in block:
            waiting.reply = block
        elif block.get("EventList") == "Complete" and waiting.reply is not None:
            waiting.done.set_result((waiting.reply, waiting.items))
        else:
            waiting.items.append(block)

    def _hear_one(self, block: Block) -> None:
        try:
            if "Event" in block:
                self._hear(block)
        except (KeyError, ValueError) as error:  # one event that we cannot read must not end all others
            logger.warning("ami: %s was not understood: %s", block["Event"], type(error).__name__)


def _fail(future: asyncio.Future[None] | asyncio.Future[tuple[Block, list[Block]]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)

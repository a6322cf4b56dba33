"""The customer alone, as 16-bit audio over AudioSocket: a snoop, bridged with an external channel.

Three things are made in Asterisk for each call that is heard, all of our application: a snoop (``spy=in``: what
comes from the customer, nothing of what is played to them), an external channel that Asterisk connects to us over
TCP, and a mixing bridge with these two. The customer's own channel is in no bridge meanwhile: prompts and music
are played to it, and it can be bridged with an agent without being taken out of anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from callback.dialers.ari_link import NOT_FOUND, AriLink, Event, Reply
from callback.dialing import DialerDown, Media, NoMedia, NoSuchCall

OPEN_MAX_S: Final = 3.0
"""What is not laid out by then is not waited for: the customer has said hello to nobody."""
OPEN_TRIES: Final = 3
HELLO_BYTES: Final = 19
"""The first frame of AudioSocket: its kind (1), a length of 16, and the UUID."""
READ_BYTES: Final = 4096

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAddress:
    """Where Asterisk reaches this worker over TCP.

    Parameters
    ----------
    listen_host : str
        Address that is listened on.
    host : str
        The name or address that Asterisk is told.
    port : int
        0: any free one.
    """

    listen_host: str = "127.0.0.1"
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True)
class _Socket:
    hello: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class _Layout:
    """What was made in Asterisk to hear one call."""

    snoop: str
    outside: str
    bridge: str


class AriMedia:
    """Hear calls; use between ``start`` and ``stop``."""

    def __init__(self, link: AriLink, address: MediaAddress) -> None:
        self._link = link
        self._address = address
        self._server: asyncio.Server | None = None
        self._port = 0
        self._expected: dict[uuid.UUID, asyncio.Future[_Socket]] = {}
        self._layouts: dict[str, set[_Layout]] = {}
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen for Asterisk."""
        self._server = await asyncio.start_server(self._greet, self._address.listen_host, self._address.port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; what was heard ends."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in tuple(self._writers):
                writer.close()
            await server.wait_closed()

    async def open(self, dial_id: str) -> Media:
        """Lay it out, and return what is heard; raise `NoSuchCall` or `NoMedia` if that cannot be.

        While the link is lost nothing can be laid out: it is waited for, and then tried again.
        """
        for _ in range(OPEN_TRIES):
            try:
                async with asyncio.timeout(OPEN_MAX_S):
                    await self._link.up.wait()
                return await self._open_once(dial_id)
            except (DialerDown, TimeoutError):
                logger.warning("ari: dial %s cannot be heard: the link is lost", dial_id)
        raise NoMedia(f"dial {dial_id}: no audio, for the link to Asterisk is lost")

    async def _open_once(self, dial_id: str) -> Media:
        name = f"{dial_id}.{uuid.uuid4().hex[:8]}"
        layout = _Layout(snoop=f"{name}.snoop", outside=f"{name}.outside", bridge=f"{name}.hear")
        key = uuid.uuid4()
        self._expected[key] = asyncio.get_running_loop().create_future()
        self._layouts.setdefault(dial_id, set()).add(layout)
        try:
            async with asyncio.timeout(OPEN_MAX_S):
                await self._lay_out(dial_id, layout, key)
                socket = await self._expected[key]
        except BaseException as error:
            connected = self._expected[key]
            if connected.done() and not connected.cancelled():
                self._drop(connected.result().writer)
            await asyncio.shield(self._take_down(dial_id, layout))
            if isinstance(error, TimeoutError):
                raise NoMedia(
                    f"dial {dial_id}: no audio came within {OPEN_MAX_S} s: can Asterisk reach "
                    f"{self._address.host}, port {self._port}, and is chan_audiosocket loaded?"
                ) from None
            raise
        finally:
            del self._expected[key]
        return Media(system="audiosocket", messages=self._messages(dial_id, layout, socket))

    async def close(self, dial_id: str) -> None:
        """Take down all that was laid out to hear a call; what is heard ends."""
        for layout in tuple(self._layouts.get(dial_id, ())):
            await self._take_down(dial_id, layout)

    async def sweep(self) -> None:
        """Take down bridges that an earlier life of this worker left."""
        reply = await self._link.ask("GET", "bridges")
        ours = {layout.bridge for layouts in self._layouts.values() for layout in layouts}
        for bridge in reply.body or ():
            if bridge.get("name") == f"{self._link.app}.hear" and bridge["id"] not in ours:
                await self._link.ask("DELETE", "bridges", bridge["id"])

    async def _lay_out(self, dial_id: str, layout: _Layout, key: uuid.UUID) -> None:
        app = self._link.app
        outside = {
            "app": app,
            "external_host": f"{self._address.host}:{self._port}",
            "encapsulation": "audiosocket",
            "transport": "tcp",
            "connection_type": "client",
            "format": "slin",
            "direction": "both",
            "data": str(key),
            "channelId": layout.outside,
        }
        snoop = {"spy": "in", "whisper": "none", "app": app}
        bridge = {"type": "mixing", "name": f"{app}.hear"}
        with (
            self._link.awaiting(("StasisStart", layout.snoop)) as snooping,
            self._link.awaiting(("StasisStart", layout.outside)) as connected,
        ):
            made = await asyncio.gather(
                self._link.ask("POST", "channels", dial_id, "snoop", layout.snoop, query=snoop),
                self._link.ask("POST", "channels", "externalMedia", query=outside),
                self._link.ask("POST", "bridges", layout.bridge, query=bridge),
            )
            _check(dial_id, *made)
            await self._both(snooping, connected)
        both = {"channel": f"{layout.snoop},{layout.outside}"}
        joined = await self._link.ask("POST", "bridges", layout.bridge, "addChannel", query=both)
        if not joined.ok:
            raise NoMedia(f"dial {dial_id}: Asterisk answers {joined.status} to its audio: did the call just end?")

    async def _both(self, snooping: asyncio.Future[Event], connected: asyncio.Future[Event]) -> None:
        """Wait until both channels are ours; raise `DialerDown` if the link is lost: that is then never told."""
        lost: asyncio.Future[Any] = asyncio.ensure_future(self._link.down.wait())
        try:
            for channel in (snooping, connected):
                first: list[asyncio.Future[Any]] = [channel, lost]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if lost.done():
                    raise DialerDown("the link to Asterisk is lost")
        finally:
            lost.cancel()

    async def _take_down(self, dial_id: str, layout: _Layout) -> None:
        layouts = self._layouts.get(dial_id, set())
        if layout not in layouts:
            return
        layouts.discard(layout)
        if not layouts:
            del self._layouts[dial_id]
        for kind, name in (("channels", layout.outside), ("channels", layout.snoop), ("bridges", layout.bridge)):
            with contextlib.suppress(DialerDown):  # what stays is ended by our closed socket, or the call's end
                await self._link.ask("DELETE", kind, name)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection of Asterisk's, which says first which one it is."""
        self._writers.add(writer)
        try:
            async with asyncio.timeout(OPEN_MAX_S):
                hello = await reader.readexactly(HELLO_BYTES)
            expected = self._expected.get(uuid.UUID(bytes=hello[3:]))
        except (TimeoutError, OSError, EOFError):
            expected = None
        if expected is None or expected.done():
            self._drop(writer)
            return
        expected.set_result(_Socket(hello, reader, writer))

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()

    async def _messages(self, dial_id: str, layout: _Layout, socket: _Socket) -> AsyncIterator[bytes]:
        try:
            yield socket.hello
            with contextlib.suppress(OSError):  # Asterisk tells a hangup by closing, not always gently
                while data := await socket.reader.read(READ_BYTES):
                    yield data
        finally:
            self._drop(socket.writer)
            await self._take_down(dial_id, layout)


def _check(dial_id: str, snoop: Reply, outside: Reply, bridge: Reply) -> None:
    """Raise what it means that one of the three was not made."""
    if snoop.status == NOT_FOUND:
        raise NoSuchCall(f"dial {dial_id}: the call is over, or was never placed")
    for name, reply in (("snoop", snoop), ("externalMedia", outside), ("bridge", bridge)):
        if not reply.ok:
            raise NoMedia(
                f"dial {dial_id}: Asterisk answers {reply.status} to {name}: is its module loaded "
                "(res_stasis_snoop, chan_audiosocket), and can it reach this worker?"
            )

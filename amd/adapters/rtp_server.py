"""RTP over UDP into a server's calls: one socket for all calls, told apart by where they come from.

For ARI's ``externalMedia`` (``encapsulation=rtp``, ``transport=udp``): Asterisk sends every such channel from
a port of its own. UDP has no connections, so a call begins with two packets in a row from an address that is
allowed, and ends when none came for a while. `amd.adapters.rtp_ports` gives every call a port instead, and its id.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from amd.adapters.media import MediaEvent, check_whole
from amd.adapters.rtp import (
    DATAGRAM_MAX_BYTES,
    HEADER_BYTES,
    PAYLOAD_TYPES,
    Packet,
    RtpDecoder,
    is_rtcp,
    parse_packet,
)
from amd.adapters.rtp_settings import RtpSettings, Types
from amd.adapters.systems import SYSTEMS, System
from amd.errors import WireError

Line = dict[str, Any]
Key = tuple[str | int, ...]
BATCH: Final = 64
"""Datagrams that are read in one turn of the loop: then others have theirs."""
BUFFER_BYTES: Final = 4_194_304
"""Of the socket, if the system grants it: 20 ms packets of 2,000 calls for half a second."""
REAP_S: Final = 1.0
READ_PASSES: Final = 5
"""Turns of the loop in which what waits is read before anyone is called idle: the loop may have been held up."""
HOSTS_MAX: Final = 4096
"""Hosts of which it is remembered whether they are allowed."""


class Session(Protocol):
    """What is used of `amd.adapters.server.Session`."""

    def feed(self, data: bytes | str) -> list[str]:
        """Take a datagram."""
        ...

    def end(self, reason: str) -> None:
        """Judge the call on what there was."""
        ...


class Opener(Protocol):
    """What is used of `amd.adapters.server.Server`."""

    def open(self, system: System, close: Callable[[str], None]) -> Session | None:
        """Begin a call; None when there is no room for it."""
        ...


class _Lenient(RtpDecoder):
    """A datagram that is no RTP ends no call: anyone can send one."""

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        try:
            return super().feed(data)
        except WireError:
            return ()


@dataclass(slots=True, eq=False)
class _Stream:
    """What comes from one place; ``session`` is None once it ended, or was refused."""

    session: Session | None
    source: int
    seen_s: float
    tokens: float


def bind(host: str, port: int) -> socket.socket:
    """Return a UDP socket that does not block."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        sock.setblocking(False)  # noqa: FBT003 -- the standard library's
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class RtpListener:
    """Take RTP from one socket, between `start` and `wait_closed`.

    Parameters
    ----------
    server : Opener
        Whose calls these are.
    tell : callable
        Given a line ``rtp_ignored`` a second at most, with what was ignored since the last and why.
    settings : RtpSettings, optional
    call_id : str or None
        Of the only call that this socket takes; None: any number of calls, named by their SSRC.
    ended : callable, optional
        Told when that only call ended, or did not begin in time.

    Attributes
    ----------
    call_id : str or None
    n_calls : int
        Calls that began.
    n_ignored : Counter of str
        Datagrams that were not taken, by reason: ``stranger``, ``malformed``, ``payload type``, ``too fast``,
        ``ended``, ``full``, ``too many sources``, ``stopping``.
    """

    def __init__(
        self,
        server: Opener,
        tell: Callable[[Line], None],
        *,
        settings: RtpSettings | None = None,
        call_id: str | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._server = server
        self._tell = tell
        self._settings = settings = settings or RtpSettings()
        self._types: Types = {**PAYLOAD_TYPES, **(settings.payload_types or {})}
        types = settings.payload_types
        self._system = replace(SYSTEMS["rtp"], make=lambda: _Lenient(types, call_id=call_id))
        self._ended = ended
        self.call_id = call_id
        self.n_calls = 0
        self._networks = [ipaddress.ip_network(network) for network in settings.allowed]
        self._is_allowed = functools.lru_cache(maxsize=HOSTS_MAX)(self._look_up)
        self._streams: dict[Key, _Stream] = {}
        self._candidates: OrderedDict[Key, tuple[Packet, bytes]] = OrderedDict()
        self._closing = False
        self._told: Counter[str] = Counter()
        self._socket: socket.socket | None = None
        self._reaper: asyncio.Task[None] | None = None
        self.n_ignored: Counter[str] = Counter()

    def start(self, sock: socket.socket) -> int:
        """Read from a socket of `bind`; returns its port."""
        loop = asyncio.get_running_loop()
        self._socket = sock
        self._began_s = loop.time()
        loop.add_reader(sock, self._read, sock)
        self._reaper = asyncio.create_task(self._reap())
        port: int = sock.getsockname()[1]
        return port

    def close(self) -> None:
        """Begin no more calls; those in flight go on."""
        self._closing = True

    async def wait_closed(self) -> None:
        """Close the socket; calls that are still in flight end."""
        self._closing = True
        for stream in list(self._streams.values()):
            if stream.session is not None:
                stream.session.end("closed")
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.gather(self._reaper, return_exceptions=True)
            self._tell_ignored()

    def _look_up(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)

    def _read(self, sock: socket.socket) -> None:
        now_s = asyncio.get_running_loop().time()
        for _ in range(BATCH):
            try:
                data, address = sock.recvfrom(DATAGRAM_MAX_BYTES + 1)
            except OSError:  # none is left, or the system reports that one of ours was refused
                return
            self._take(data, address[0], address[1], now_s)

    def _take(self, data: bytes, host: str, port: int, now_s: float) -> None:
        source = int.from_bytes(data[8:HEADER_BYTES], "big")
        key: Key = (host, port, source) if self._settings.by_source else (host, port)
        stream = self._streams.get(key)
        if stream is None or (stream.session is None and stream.source != source):
            self._consider(key, data, host, now_s)
            return
        waited_s, stream.seen_s = now_s - stream.seen_s, now_s
        if stream.session is None:
            self.n_ignored["ended"] += 1
            return
        most = self._settings.packets_max_s
        stream.tokens = min(float(most), stream.tokens + waited_s * most)
        if stream.tokens < 1:
            self.n_ignored["too fast"] += 1
            return
        stream.tokens -= 1
        stream.session.feed(data)

    def _consider(self, key: Key, data: bytes, host: str, now_s: float) -> None:
        """Begin a call with the second of two packets in a row."""
        reason, packet = self._check(data, host)
        if packet is None:
            if reason:
                self.n_ignored[reason] += 1
            return
        before = self._candidates.pop(key, None)
        if before is None or before[0].source != packet.source or packet.number != (before[0].number + 1) % 65_536:
            self._candidates[key] = packet, data
            if len(self._candidates) > self._settings.sources_max:
                self._candidates.popitem(last=False)
                self.n_ignored["too many sources"] += 1
            return
        session = self._server.open(self._system, lambda _: self._note_end(key))
        self._streams[key] = _Stream(session, packet.source, now_s, float(self._settings.packets_max_s))
        if session is None:
            self.n_ignored["full"] += 2
            return
        self.n_calls += 1
        for one in (before[1], data):
            session.feed(one)

    def _check(self, data: bytes, host: str) -> tuple[str, Packet | None]:
        """Return why a datagram of an unknown place begins no call (empty: it is RTCP), or its packet."""
        if not self._is_allowed(host) or (self._ended is not None and self._streams):
            return "stranger", None
        if self._closing:
            return "stopping", None
        if is_rtcp(data):
            return "", None
        try:
            packet = parse_packet(data)
            known = self._types.get(packet.payload_type)
            if known is None:
                return "payload type", None
            check_whole(packet.payload, known[0])
        except WireError:
            return "malformed", None
        return "", packet

    def _note_end(self, key: Key) -> None:
        self._streams[key].session = None
        if self._ended is not None:
            self._ended()

    async def _reap(self) -> None:
        """End what is idle, forget what ended, tell what was ignored."""
        settings = self._settings
        while True:
            await asyncio.sleep(min(REAP_S, settings.idle_max_s / 4, settings.forget_s / 4))
            for _ in range(READ_PASSES):
                await asyncio.sleep(0)
            now_s = asyncio.get_running_loop().time()
            for key, stream in list(self._streams.items()):
                silent_s = now_s - stream.seen_s
                if stream.session is not None and silent_s > settings.idle_max_s:
                    stream.session.end("idle")
                elif stream.session is None and silent_s > settings.forget_s:
                    del self._streams[key]
            self._candidates.clear()
            if self._ended is not None and not self._streams and now_s - self._began_s > settings.idle_max_s:
                self._ended()
            self._tell_ignored()

    def _tell_ignored(self) -> None:
        new = self.n_ignored - self._told
        if new:
            self._told = self.n_ignored.copy()
            self._tell({"type": "rtp_ignored", "reasons": dict(sorted(new.items()))})

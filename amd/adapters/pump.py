"""Sockets read on a tick, all that are ready at once, rather than one by one as packets come.

A thousand calls send 50,000 packets a second. An event loop that is woken for each spends more on waking than on
reading; one that looks every 20 to 40 ms reads a packet or two of every call that has any, in one pass.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from amd.errors import PolicyError

READ_MAX_BYTES: Final = 16_384
"""Of one peer in one pass: 40 ms of 16-bit audio at 192 kHz; whoever sends faster waits in its own socket."""
WRITE_MAX_BYTES: Final = 65_536
"""What is kept for a peer that does not read; beyond it, it is closed."""
OPEN_MAX_S: Final = 10.0
"""A peer has so long to say who it is."""
ACCEPTS_MAX: Final = 256
"""Connections accepted in one pass."""
BACKLOG: Final = 1024
NOT_NOW: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
NEVER_S: Final = math.inf


class Watched(Protocol):
    """What a pump looks after."""

    def ready(self) -> None:
        """Something may be done with its socket."""
        ...

    def broke(self, error: Exception) -> None:
        """``ready`` raised what it must not: a fault of ours, which must hurt nobody else."""
        ...


class Peer:
    """One connection that is read on the pump's ticks; a subclass says what becomes of what comes.

    Parameters
    ----------
    pump : Pump
    connection : socket
        Accepted; not blocking. One with TLS shakes hands as it is read.
    """

    def __init__(self, pump: Pump, connection: socket.socket) -> None:
        self.pump = pump
        self._connection = connection
        self._unsent = bytearray()
        self._is_closing = False
        self.is_gone = False
        self.deadline_s = NEVER_S
        pump.add(connection, self)

    def received(self, data: bytes) -> None:
        """Bytes came."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection ended, whoever ended it; called once."""

    def broke(self, error: Exception) -> None:  # noqa: ARG002 -- a subclass tells it
        """End a connection that we cannot go on with."""
        self.drop()

    def is_behind(self) -> bool:
        """Whether more must not be read yet."""
        return False

    def ready(self) -> None:
        """Read and write what can be."""
        if self._unsent:
            self._send()
        if self.is_gone or self.is_behind():
            return
        data = self._read()
        if data:
            if not self._is_closing:
                self.received(data)
        elif data is not None:
            self.drop()

    def write(self, data: bytes) -> None:
        """Send; what does not fit is kept for the next tick."""
        if self.is_gone:
            return
        self._unsent += data
        self._send()
        if len(self._unsent) > WRITE_MAX_BYTES:
            self.drop()

    def close(self, until_s: float) -> None:
        """Send what is left, and end: the peer is read on, heard no more, until it closes or its time is up."""
        if self.is_gone or self._is_closing:
            return
        self._is_closing = True
        self.deadline_s = until_s
        if not self._unsent:
            self._end_sending()

    def drop(self) -> None:
        """End at once."""
        if self.is_gone:
            return
        self.is_gone = True
        self.pump.remove(self._connection)
        self._connection.close()
        self.lost()

    def _read(self) -> bytes | None:
        """What came; None when nothing did, no bytes when the peer closed or broke."""
        data = b""
        try:
            data = more = self._connection.recv(READ_MAX_BYTES)
            if isinstance(self._connection, ssl.SSLSocket):  # a record at a time; what is left of one wakes nobody
                while more and (len(data) < READ_MAX_BYTES or self._connection.pending()):
                    more = self._connection.recv(READ_MAX_BYTES)
                    data += more
        except NOT_NOW:
            return data or None
        except (OSError, ValueError):
            pass
        return data

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except NOT_NOW:
            pass
        except (OSError, ValueError):
            self.drop()
            return
        self.pump.watch(self._connection, writes=bool(self._unsent))
        if self._is_closing and not self._unsent:
            self._end_sending()

    def _end_sending(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)


class Acceptor:
    """A socket that listens.

    Parameters
    ----------
    pump : Pump
    listening : socket
    accepted : callable
        Given each connection, not blocking, and the host of its peer.
    refused : callable
        Told that the system gives no more connections.
    """

    def __init__(
        self,
        pump: Pump,
        listening: socket.socket,
        accepted: Callable[[socket.socket, str], None],
        refused: Callable[[], None],
    ) -> None:
        self._pump = pump
        self._listening = listening
        self._accepted = accepted
        self._refused = refused
        listening.settimeout(0)
        pump.add(listening, self)

    @property
    def port(self) -> int:
        """Where it listens."""
        bound: int = self._listening.getsockname()[1]
        return bound

    def ready(self) -> None:
        """Accept who waits."""
        for _ in range(ACCEPTS_MAX):
            try:
                connection, address = self._listening.accept()
            except NOT_NOW:
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no more files: those who wait are accepted when others have gone
                self._refused()
                return
            connection.settimeout(0)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(connection, address[0])

    def broke(self, error: Exception) -> None:  # noqa: ARG002 -- the connection is gone with what was tried
        """Accepting failed: one connection less."""
        self._refused()

    def close(self) -> None:
        """Accept no more."""
        if self._listening.fileno() >= 0:
            self._pump.remove(self._listening)
            self._listening.close()


class Pump:
    """The sockets of a server."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.peers: set[Peer] = set()

    def add(self, connection: socket.socket, watched: Watched) -> None:
        """Look after a socket."""
        self._selector.register(connection, selectors.EVENT_READ, watched)
        if isinstance(watched, Peer):
            self.peers.add(watched)

    def watch(self, connection: socket.socket, *, writes: bool) -> None:
        """Say whether there is something to write, too."""
        key = self._selector.get_key(connection)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        if key.events != events:
            self._selector.modify(connection, events, key.data)

    def remove(self, connection: socket.socket) -> None:
        """Look after a socket no more."""
        self.peers.discard(self._selector.unregister(connection).data)

    def read(self) -> None:
        """Take what came on all sockets."""
        for key, _ in self._selector.select(0):
            try:
                key.data.ready()
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is one call's, and told
                key.data.broke(error)

    def expire(self, now_s: float) -> None:
        """End peers whose time to open or close is up."""
        for peer in [peer for peer in self.peers if peer.deadline_s < now_s]:
            peer.drop()

    def close(self) -> None:
        """End all."""
        for peer in list(self.peers):
            peer.drop()
        self._selector.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    PolicyError
        If nothing can listen there.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise PolicyError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}: another server there, or a name of "
            "another machine?"
        ) from None

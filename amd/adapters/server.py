"""Many calls in one process: AudioSocket over TCP and media websockets, verdicts out as plain dictionaries.

One loop reads all sockets on a tick (`amd.adapters.pump`), one thread judges all calls in one bank
(`amd.adapters.sharing`). Every call has an end: its own, an idle peer's, its longest time, or the server's. A peer
that sends what its protocol does not allow is named and closed; no other call notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from amd.adapters.access import Access
from amd.adapters.audiosocket import HANGUP_FRAME
from amd.adapters.pump import Acceptor, Peer, Pump, listen
from amd.adapters.session import Limits, Line, Session, Unwatched, Watch
from amd.adapters.sharing import Bench
from amd.adapters.systems import SYSTEMS, System
from amd.model import Model
from amd.policy import PRESETS, Policy

__all__ = ["CLOSE_MAX_S", "AudioSocketPeer", "Limits", "Line", "Listener", "Server", "Session"]

TICK_S: Final = 0.02
TICK_MAX_S: Final = 0.04
"""Between the two, so that reading takes half of the time at most: a packet of 20 ms, or two, in one pass."""
LOOK_S: Final = 0.05
"""How often silence that is due, and limits, are looked at."""
READ_PASSES: Final = 5
"""Turns of the loop before a tick, in which adapters with sockets of their own read what has come: it waited for
us, and is no gap."""
CLOSE_MAX_S: Final = 5.0
"""Peers that do not close with us by then are left."""
HANGUP_MAX_S: Final = 1.0
"""The same, where the protocol has no closing of its own: so long what they still send is taken."""
HANDSHAKES_MAX: Final = 256
"""Connections that are no call yet, beside the calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What accepts connections: how to stop that, and how to await the end of those it accepted."""

    close: Callable[[], None]
    wait_closed: Callable[[], Awaitable[None]]


class Server:
    """Judge calls that come over the network.

    Parameters
    ----------
    tell : callable
        Given one plain dictionary an event, as it comes.
    policy, model
        As for `amd.Detector`. ``policy`` may be replaced at any time, for calls that begin later.
    limits : Limits
        May be replaced too, but for the number of calls.
    access : Access
        May be replaced too.
    watch : Watch, optional
        Told how the server fares.
    """

    def __init__(
        self,
        tell: Callable[[Line], None],
        *,
        policy: Policy = PRESETS["balanced"],
        model: Model | None = None,
        limits: Limits | None = None,
        access: Access | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.tell = tell
        self.policy = policy
        self.limits = limits or Limits()
        self.access = access or Access()
        self.watch = watch or Unwatched()
        self.bench = Bench(policy, model=model, capacity=self.limits.calls_max, took=self.watch.turned)
        self.pump = Pump()
        self.sessions: set[Session] = set()
        self.in_flight: Counter[str] = Counter(dict.fromkeys(SYSTEMS, 0))
        self.ticked_s: float | None = None
        self._reading_s: float | None = None
        self._calls_max = self.limits.calls_max
        self._n_calls = 0
        self._n_ending = 0
        self._stopping = False
        self._ended = asyncio.Event()
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def now_s(self) -> float:
        """The loop's own clock; what is read in one pass has come by its beginning."""
        return self._reading_s or asyncio.get_running_loop().time()

    @property
    def is_full(self) -> bool:
        """Whether a further call is turned away."""
        return self._stopping or len(self.sessions) + self._n_ending >= self._calls_max

    @property
    def is_ready(self) -> bool:
        """Whether it listens, and takes a further call."""
        return bool(self._listeners) and not self.is_full

    def open(self, system: System, close: Callable[[str], None]) -> Session | None:
        """Begin a call; None when there is no room for it."""
        if self.is_full:
            self.refuse(system.name)
            return None
        self._n_calls += 1
        session = Session(self, system, self._n_calls, close)
        self.sessions.add(session)
        self.in_flight[system.name] += 1
        return session

    def refuse(self, system: str, reason: str | None = None) -> None:
        """Tell of a call that was turned away; for want of room unless there is another reason."""
        room = "stopping" if self._stopping else "full"
        self.tell({"type": "refused", "system": system, "reason": reason or room})

    def release(self, number: int) -> None:
        """Give a call back to its system; one that has ended: nothing."""
        for session in self.sessions:
            if session.number == number:
                session.let_go()
                return

    def noticed_end(self, session: Session) -> None:
        """A call ended; what was heard last is still to be judged."""
        self.sessions.discard(session)
        self._n_ending += 1

    def noticed_last(self, session: Session) -> None:
        """The last of a call was told."""
        self._n_ending -= 1
        self.in_flight[session.system.name] -= 1
        self._ended.set()

    async def listen_audiosocket(self, host: str, port: int) -> int:
        """Accept AudioSocket; returns the port (any free one for 0)."""
        return self.accept(host, port, "audiosocket", self._accept_audiosocket)

    def accept(self, host: str, port: int, system: str, accepted: Callable[[socket.socket, str], None]) -> int:
        """Listen for connections that are read on the server's tick.

        Parameters
        ----------
        host, port
        system : str
            For the line that tells of one turned away.
        accepted : callable
            Given each connection and the host of its peer.

        Returns
        -------
        int
            The port.
        """

        def check(connection: socket.socket, peer_host: str) -> None:
            if len(self.pump.peers) >= self._calls_max + HANDSHAKES_MAX:
                self.refuse(system, "full")
                connection.close()
            else:
                accepted(connection, peer_host)

        acceptor = Acceptor(
            self.pump, listen(host, port), check, lambda: self.refuse(system, "no more connections")
        )
        self.add(Listener(close=acceptor.close, wait_closed=self._peers_gone))
        return acceptor.port

    def _accept_audiosocket(self, connection: socket.socket, host: str) -> None:
        if not self.access.admits(host):
            self.refuse("audiosocket", "network")
            connection.close()
            return
        AudioSocketPeer(self, connection)

    def add(self, listener: Listener) -> None:
        """Keep a listener, to close it when the server stops; the first one starts the clock."""
        self._listeners.append(listener)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self.bench.work())]

    async def failed(self) -> None:
        """Wait for a fault of ours that no call can outlive, and raise it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Take no more calls, let those in flight go on for the grace, then end them."""
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        await self._until_ended(self.limits.grace_s)
        for session in list(self.sessions):
            session.end("server stopped")
        self.bench.begin_turn()
        await self._until_ended(CLOSE_MAX_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_MAX_S):
                await asyncio.gather(*(listener.wait_closed() for listener in self._listeners))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.pump.close()

    async def _until_ended(self, limit_s: float) -> None:
        """Wait until no call is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self.sessions or self._n_ending:
                    self._ended.clear()
                    await self._ended.wait()

    async def _peers_gone(self) -> None:
        while self.pump.peers:
            await asyncio.sleep(TICK_S)

    async def _tick(self) -> None:
        """Read what came, let the bank have it, and let time pass on every call."""
        due_s = looked_s = self.now_s()
        while True:
            await asyncio.sleep(max(0.0, due_s - self.now_s()))
            for _ in range(READ_PASSES):
                await asyncio.sleep(0)
            begun_s = self.now_s()
            looks = begun_s - looked_s >= LOOK_S
            if looks:
                looked_s = begun_s
            self.read(begun_s, looks=looks)
            self.bench.begin_turn()
            self.ticked_s = self.now_s()
            self.watch.ticked(begun_s - due_s, self.ticked_s - begun_s)
            due_s = begun_s + min(TICK_MAX_S, max(TICK_S, 2 * (self.ticked_s - begun_s)))

    def read(self, now_s: float, *, looks: bool) -> None:
        """Read what came on all sockets, and let time pass on every call if it is time to look at it."""
        self._reading_s = now_s
        self.pump.read()
        if looks:
            for session in list(self.sessions):
                session.tick(now_s)
            self.pump.expire(now_s)
        self._reading_s = None


class AudioSocketPeer(Peer):
    """One AudioSocket connection."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        super().__init__(server.pump, connection)
        self._server = server
        self._session = server.open(SYSTEMS["audiosocket"], lambda _: self._hang_up())
        if self._session is None:
            self._hang_up()
        else:
            self._session.let_go = self._let_go

    def _let_go(self) -> None:
        """Hang up on the wire: Asterisk's dialplan goes on after AudioSocket."""
        self.write(HANGUP_FRAME)
        if self._session is not None:
            self._session.end("released")

    def _hang_up(self) -> None:
        self.close(self._server.now_s() + HANGUP_MAX_S)

    def is_behind(self) -> bool:
        """Whether its audio waits for the bank."""
        return self._session is not None and self._session.is_ahead

    def received(self, data: bytes) -> None:
        """Bytes came."""
        session = self._session
        if session is not None:
            session.feed(data)
            if session.call.stopped:
                session.end("hangup")

    def lost(self) -> None:
        """The connection ended."""
        if self._session is not None:
            self._session.end("closed")

    def broke(self, error: Exception) -> None:
        """Tell a fault of ours, which ends this call alone."""
        if self._session is not None:
            self._session.tell_own_fault(error)
        self.drop()

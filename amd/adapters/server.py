"""Many calls in one process: AudioSocket over TCP and media websockets, verdicts out as plain dictionaries.

One loop, no threads. Every call has an end: its own, an idle peer's, its longest time, or the server's. A peer
that sends what its protocol does not allow is named and closed; no other call notices.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from amd.adapters.call import Call, Told
from amd.adapters.media import Dtmf, PeerFault, Reply, Started, Stopped
from amd.adapters.systems import SYSTEMS, System
from amd.errors import PolicyError, WireError
from amd.events import Event, Verdict, to_dict
from amd.model import Model
from amd.policy import PRESETS, Policy
from amd.vocabularies import TwilioMode, asterisk, twilio

Line = dict[str, Any]
"""What is told: one JSON object."""

TICK_S: Final = 0.05
READ_PASSES: Final = 5
"""Turns of the loop before a tick, in which what has come is read and fed: it waited for us, and is no gap.
A socket is read in one, and a websocket's message is at its call after three more."""
CLOSE_MAX_S: Final = 5.0
"""Peers that do not close with us by then are left."""
FAULTS_MAX: Final = 10
"""Messages that a peer may get wrong before it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server takes on.

    Parameters
    ----------
    calls_max : int
        At once; a further one is turned away.
    idle_max_s : float
        A peer that sends nothing for so long is closed, its call judged on what there was.
    call_max_s : float
        So is one that has gone on for so long.
    grace_s : float
        How long a server that stops lets calls in flight go on.
    """

    calls_max: int = 200
    idle_max_s: float = 60.0
    call_max_s: float = 600.0
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        if self.calls_max < 1:
            raise PolicyError(f"calls_max={self.calls_max} must be 1 or more")
        for name in ("idle_max_s", "call_max_s", "grace_s"):
            value = getattr(self, name)
            if not 0 <= value <= 86_400:
                raise PolicyError(f"{name}={value} is outside 0 to 86400 s: milliseconds?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What accepts connections: how to stop that, and how to await the end of those it accepted."""

    close: Callable[[], None]
    wait_closed: Callable[[], Awaitable[None]]


class Session:
    """One connection and its call; ``close`` ends the connection."""

    def __init__(self, server: Server, system: System, number: int, close: Callable[[str], None]) -> None:
        self._server = server
        self.system = system
        self.number = number
        self.close = close
        self.began_s = self.fed_s = server.now_s()
        self.call = Call(
            system.make(),
            timing=system.timing,
            now_s=self.began_s,
            policy=server.policy,
            model=server.model,
        )
        self.n_faults = 0

    def feed(self, data: bytes | str) -> list[str]:
        """Take what came; return what must be sent back."""
        self.fed_s = self._server.now_s()
        try:
            return self.tell(self.call.feed(data, self.fed_s))
        except WireError as error:
            self._tell_fault(error)
            if not self.system.websocket or self.n_faults >= FAULTS_MAX:
                self.end("fault")
            return []

    def tick(self) -> None:
        """Let time pass."""
        now_s, limits = self._server.now_s(), self._server.limits
        self.tell(self.call.tick(now_s))
        if now_s - self.fed_s > limits.idle_max_s:
            self.end("idle")
        elif now_s - self.began_s > limits.call_max_s:
            self.end("too long")

    def end(self, reason: str) -> None:
        """Judge the call on what there was, and close its connection. A second time does nothing."""
        if self not in self._server.sessions:
            return
        self._server.sessions.discard(self)
        try:
            told = self.call.finish(self._server.now_s())
        except WireError as error:
            if self.n_faults == 0:
                self._tell_fault(error)
            told = self.call.give_up()
        self.tell(told)
        self._server.tell({**self._head(), "type": "ended", "reason": reason})
        self._server.noticed_end()
        self.close(reason)

    def tell(self, told: tuple[Told, ...]) -> list[str]:
        """Tell events; return replies."""
        replies = []
        for event in told:
            if isinstance(event, Reply):
                replies.append(event.text)
            elif isinstance(event, Event):
                self._server.tell({**self._head(), **to_dict(event), **_names(event)})
            elif isinstance(event, (Started, Stopped, PeerFault)):
                fields = {name: value for name, value in asdict(event).items() if name != "fields"}
                self._server.tell({**self._head(), "type": event.type, **fields})
            elif isinstance(event, Dtmf):  # that there was a key, not which
                self._server.tell({**self._head(), "type": event.type})
        return replies

    def _tell_fault(self, error: WireError) -> None:
        self.n_faults += 1
        self._server.tell({**self._head(), "type": "fault", "reason": str(error)})

    def _head(self) -> Line:
        return {"call": self.number, "system": self.system.name, "call_id": self.call.call_id}


def _names(event: Event) -> Line:
    """A verdict in the names of others."""
    if not isinstance(event, Verdict):
        return {}
    result = asterisk(event)
    return {
        "AnsweredBy": twilio(event, TwilioMode.ENABLE),
        "AMDSTATUS": result.amdstatus,
        "AMDCAUSE": result.amdcause,
    }


class Server:
    """Judge calls that come over the network.

    Parameters
    ----------
    tell : callable
        Given one plain dictionary an event, as it comes.
    policy, model
        As for `amd.Detector`.
    limits : Limits
    """

    def __init__(
        self,
        tell: Callable[[Line], None],
        *,
        policy: Policy = PRESETS["balanced"],
        model: Model | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.tell = tell
        self.policy = policy
        self.model = model
        self.limits = limits or Limits()
        self.sessions: set[Session] = set()
        self._n_calls = 0
        self._stopping = False
        self._ended = asyncio.Event()
        self._listeners: list[Listener] = []
        self._ticker: asyncio.Task[None] | None = None

    def now_s(self) -> float:
        """The loop's own clock."""
        return asyncio.get_running_loop().time()

    @property
    def is_full(self) -> bool:
        """Whether a further call is turned away."""
        return self._stopping or len(self.sessions) >= self.limits.calls_max

    def open(self, system: System, close: Callable[[str], None]) -> Session | None:
        """Begin a call; None when there is no room for it."""
        if self.is_full:
            self.tell(
                {"type": "refused", "system": system.name, "reason": "stopping" if self._stopping else "full"}
            )
            return None
        self._n_calls += 1
        session = Session(self, system, self._n_calls, close)
        self.sessions.add(session)
        return session

    def noticed_end(self) -> None:
        """A call ended."""
        self._ended.set()

    async def listen_audiosocket(self, host: str, port: int) -> int:
        """Accept AudioSocket; returns the port (any free one for 0)."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: AudioSocketProtocol(self), host, port)
        self.add(Listener(close=listener.close, wait_closed=listener.wait_closed))
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    def add(self, listener: Listener) -> None:
        """Keep a listener, to close it when the server stops; the first one starts the clock."""
        self._listeners.append(listener)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Take no more calls, let those in flight go on for the grace, then end them."""
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.grace_s):
                while self.sessions:
                    self._ended.clear()
                    await self._ended.wait()
        for session in list(self.sessions):
            session.end("server stopped")
        if self._ticker is not None:
            self._ticker.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_MAX_S):
                await asyncio.gather(*(listener.wait_closed() for listener in self._listeners))

    async def _tick(self) -> None:
        """Let time pass on every call, once what waited was read."""
        while True:
            await asyncio.sleep(TICK_S)
            for _ in range(READ_PASSES):
                await asyncio.sleep(0)
            for session in list(self.sessions):
                session.tick()


class AudioSocketProtocol(asyncio.Protocol):
    """One AudioSocket connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A call comes."""
        self._session = self._server.open(SYSTEMS["audiosocket"], lambda _: transport.close())
        if self._session is None:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes come."""
        if self._session is not None:
            self._session.feed(data)
            if self._session.call.stopped:
                self._session.end("hangup")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- however it ended, it is over
        """The connection ended."""
        if self._session is not None:
            self._session.end("closed")

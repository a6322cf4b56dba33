"""One connection and its call, as a server carries it: what is told of it, its limits, its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from amd.adapters.call import Call, Told
from amd.adapters.media import Dtmf, MediaEvent, PeerFault, Reply, Started, Stopped
from amd.adapters.sharing import Seat
from amd.adapters.systems import System
from amd.errors import PolicyError, WireError
from amd.events import Event, Verdict, to_dict
from amd.vocabularies import TwilioMode, asterisk, twilio

if TYPE_CHECKING:
    from amd.adapters.server import Server

Line = dict[str, Any]
"""What is told: one JSON object."""

GAP_MAX_S: Final = 1.0
"""Silence that one call is given at once: when the whole process was stopped, all calls miss time together."""
FAULTS_MAX: Final = 10
"""Messages that a peer may get wrong before it is closed."""
AHEAD_MAX: Final = 16_000
"""A peer is not read on while so many bytes of its audio wait for the bank; its own socket holds it back."""
WAITING_MAX: Final = 1_000_000
"""A minute of 16-bit audio that waits for the bank is more than time can have brought."""


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


class Watch(Protocol):
    """Who is told how the server fares (`amd.adapters.metrics`)."""

    def judged(self, late_s: float) -> None:
        """A verdict was told so long after its audio came."""
        ...

    def turned(self, took_s: float) -> None:
        """The bank took so long for a turn."""
        ...

    def ticked(self, late_s: float, took_s: float) -> None:
        """A tick came so late, and reading took so long."""
        ...


class Unwatched:
    """Nobody is told."""

    def judged(self, late_s: float) -> None:
        """Pass over it."""

    def turned(self, took_s: float) -> None:
        """Pass over it."""

    def ticked(self, late_s: float, took_s: float) -> None:
        """Pass over it."""


class Session:
    """One connection and its call; ``close`` ends the connection."""

    def __init__(self, server: Server, system: System, number: int, close: Callable[[str], None]) -> None:
        self._server = server
        self._limits = server.limits
        self.system = system
        self.number = number
        self.close = close
        self.began_s = self.fed_s = server.now_s()
        self.seat = Seat(server.bench, server.policy, self._hear)
        self.call = Call(system.make(), timing=system.timing, now_s=self.began_s, judge=self.seat)
        self.n_faults = 0
        self.let_go: Callable[[], None] = lambda: self.end("released")
        """Give the call back to its system, now that all is said: its dialplan goes on."""
        self._reason: str | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether its peer sent more than the bank has taken yet."""
        return self.seat.n_waiting > AHEAD_MAX

    def feed(self, data: bytes | str) -> list[str]:
        """Take what came; return what must be sent back. What the bank makes of it is told later."""
        self.fed_s = self._server.now_s()
        if self.seat.n_waiting > WAITING_MAX:
            self._tell_fault(WireError("more audio than time can have brought: sent again and again?"))
            self.end("fault")
            return []
        try:
            return self.tell(self.call.feed(data, self.fed_s))
        except WireError as error:
            self._tell_fault(error)
            if not self.system.websocket or self.n_faults >= FAULTS_MAX:
                self.end("fault")
            return []

    def tick(self, now_s: float) -> None:
        """Let time pass, now that nothing waits to be read."""
        if not self.seat.n_waiting:
            self.tell(self.call.tick(now_s, GAP_MAX_S))
        if now_s - self.fed_s > self._limits.idle_max_s:
            self.end("idle")
        elif now_s - self.began_s > self._limits.call_max_s:
            self.end("too long")

    def end(self, reason: str) -> None:
        """Judge the call on what there was, then close its connection. A second time does nothing."""
        if self._reason is not None:
            return
        self._reason = reason
        self._server.noticed_end(self)
        try:
            told = self.call.finish(self._server.now_s())
        except WireError as error:
            if self.n_faults == 0:
                self._tell_fault(error)
            told = self.call.give_up()
        self.tell(told)
        self.seat.afterwards(self._conclude)

    def tell(self, told: tuple[Told, ...]) -> list[str]:
        """Tell events of the system, in their place among those of the audio; return replies."""
        replies = []
        for event in told:
            if isinstance(event, Reply):
                replies.append(event.text)
            elif isinstance(event, Started):  # of all that is told, the first
                self._server.tell(self._line(event))
            elif isinstance(event, (Stopped, PeerFault)):
                self._say(self._line(event))
            elif isinstance(event, Dtmf):  # that there was a key, not which
                self._say({**self._head(), "type": event.type})
        return replies

    def tell_own_fault(self, error: Exception) -> None:
        """Tell that it is we who cannot go on with this call."""
        self._say({**self._head(), "type": "fault", "reason": f"a fault of ours: {type(error).__name__}"})

    def _hear(self, events: list[Event]) -> None:
        """Tell what the bank made of the audio."""
        for event in events:
            self._server.tell({**self._head(), **to_dict(event), **_names(event)})
            if isinstance(event, Verdict):
                self._server.watch.judged(self._server.now_s() - self.call.arrival_s(event.known_s))

    def _conclude(self) -> None:
        self._server.tell({**self._head(), "type": "ended", "reason": self._reason})
        self._server.noticed_last(self)
        self.close(self._reason or "closed")

    def _tell_fault(self, error: WireError) -> None:
        self.n_faults += 1
        self._say({**self._head(), "type": "fault", "reason": str(error)})

    def _say(self, line: Line) -> None:
        self.seat.afterwards(partial(self._server.tell, line))

    def _line(self, event: MediaEvent) -> Line:
        fields = {name: value for name, value in asdict(event).items() if name != "fields"}
        return {**self._head(), "type": event.type, **fields}

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

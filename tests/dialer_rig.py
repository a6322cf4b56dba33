"""What every fake telephone system can be told to do, so that one suite tries every dialer.

A rig is a dialer, the fake that it talks to over real sockets on loopback, and the far end: what happens when a
number is dialled. The scenarios (`test_dialers.py`) know nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from callback.dialing import Dialer
from callback.states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that the far end does. ``after_s`` is in fake seconds: 10 to a real one, or more."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rings(Step):
    """It rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails(Step):
    """It is not answered; the rig takes the code that its system has for this outcome."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers(Step):
    """It is answered; this sample of ``datasets/samples`` is heard (None: silence), then line noise."""

    sample: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presses(Step):
    """A key."""

    key: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HangsUp(Step):
    """Who answered hangs up."""


class Mischief(StrEnum):
    """What goes wrong between dialer and telephone system, for the next call of a number."""

    LOSE_REQUEST = "lose_request"  # the connection breaks before the call is placed
    LOSE_REPLY = "lose_reply"  # the call is placed, and the reply is lost
    REJECT = "reject"  # the telephone system will not place it (SIP 503, HTTP 500): our network's failure
    DUPLICATE = "duplicate"  # everything is told twice
    SHUFFLE = "shuffle"  # what is told comes in another order
    LATE = "late"  # the end is told first, what came before it later
    DISCONNECT = "disconnect"  # the connection breaks while the call is on, and comes back
    NO_MEDIA = "no_media"  # the call is answered and no audio ever comes


class Rig(Protocol):
    """A dialer and the fake it talks to."""

    dialer: Dialer
    speed: float
    """Fake seconds in a real one; the runner's clock goes as fast."""
    fakes: frozenset[Mischief]
    """What this telephone system can do wrong; scenarios that need another are skipped, with the reason."""

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        """Say what the next call to a number comes to. Without it, it rings until it is hung up."""

    def placed(self, number: str) -> int:
        """How many calls to this number the telephone system placed, ever."""

    def on(self, number: str) -> bool:
        """Whether a call to it is on."""

    def bridged(self, number: str) -> bool:
        """Whether the last call to it was bridged with an agent."""

    def played(self, number: str) -> tuple[str, ...]:
        """Prompts that were played to the last call to it, by their names."""

    def another(self) -> Dialer:
        """Return a second dialer on the same telephone system, as another worker would have it."""

    async def start(self) -> None:
        """Start the fake; the dialer is started by who uses it."""

    async def stop(self) -> None:
        """Stop the fake."""

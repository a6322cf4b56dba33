"""What a transition asks the world to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to be done about one call, or to be told about one callback.

    A ``durable`` one goes through the outbox: it is done at least once, so doing it twice must not matter. The
    others are for the holder of the lease, who does each once or not at all; when they are lost with the holder,
    the lease runs out and the call is looked up. Those of one callback that are ``in_order`` go out one after
    another.
    """

    type: ClassVar[str]
    durable: ClassVar[bool] = False
    in_order: ClassVar[bool] = False
    callback_id: str
    dial_id: str | None


class Originate(Command):
    """Place the call. At most once: nothing repeats it."""

    __slots__ = ()
    type: ClassVar[str] = "originate"


class Screen(Command):
    """Find out what answered."""

    __slots__ = ()
    type: ClassVar[str] = "screen"


class Hold(Command):
    """Tell the customer that an agent comes, and let them wait."""

    __slots__ = ()
    type: ClassVar[str] = "hold"


class Offer(Command):
    """Ask the agent to take the call."""

    __slots__ = ()
    type: ClassVar[str] = "offer"


class Bridge(Command):
    """Let customer and agent talk."""

    __slots__ = ()
    type: ClassVar[str] = "bridge"


class HangUp(Command):
    """End the call, whatever it is doing."""

    __slots__ = ()
    type: ClassVar[str] = "hang_up"
    durable: ClassVar[bool] = True


class LookUp(Command):
    """Ask the dialer what became of the call, and report it."""

    __slots__ = ()
    type: ClassVar[str] = "look_up"
    durable: ClassVar[bool] = True


class Tell(Command):
    """Let those who want to know (a webhook) know where the callback stands."""

    __slots__ = ()
    type: ClassVar[str] = "tell"
    durable: ClassVar[bool] = True
    in_order: ClassVar[bool] = True


COMMANDS: Final[dict[str, type[Command]]] = {
    kind.type: kind for kind in (Originate, Screen, Hold, Offer, Bridge, HangUp, LookUp, Tell)
}

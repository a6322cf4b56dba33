"""What a dialer is: it places calls and says what becomes of them. Who answered is not its business.

One protocol for every telephone system (`callback.dialers`). Calls are named by their dial id, which is written
down before the call is placed, so that any worker can ask for any call: hang it up, look it up, bridge it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from callback.errors import CallbackError
from callback.hours import in_utc
from callback.states import Outcome


class DialingError(CallbackError):
    """Something that a dialer could not do."""


class DialInDoubt(DialingError):  # noqa: N818 -- names what is so, as those of `callback.errors`
    """The reply was lost: the call may be on or not. Look it up by its id; never place it again."""


class DialRefused(DialingError):  # noqa: N818 -- names what is so, as those of `callback.errors`
    """A dial id that was placed before, or looked up and given up: no call is placed."""


class NoSuchCall(DialingError):  # noqa: N818 -- names what is so, as those of `callback.errors`
    """The call is over, or was never placed: there is nothing to play to, bridge or hear."""


class NoMedia(DialingError):  # noqa: N818 -- names what is so, as those of `callback.errors`
    """The call is on, and its audio cannot be had (any more) by this worker."""


class DialerDown(DialingError):  # noqa: N818 -- names what is so, as those of `callback.errors`
    """The telephone system cannot be reached, and nothing was done."""


class Prompt(StrEnum):
    """What can be played to who answered; each dialer knows the recording, or the text, of each."""

    PRESS_ONE = "press_one"  # "press 1 to be put through"
    HOLD = "hold"  # an agent comes: goes on until the call is bridged
    MESSAGE = "message"  # left on a voicemail, after its greeting


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """A call to place.

    Parameters
    ----------
    dial_id : str
        Names it for ever; ASCII letters, digits, ``-``.
    number : str
        E.164.
    queue : str
        For whom it is: a dialer may show another caller id, or play other prompts, for each.
    ring_max_s : float, s
        Not answered by then, it is hung up and told as no answer.
    """

    dial_id: str
    number: str = field(repr=False)
    queue: str
    ring_max_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What became of a call.

    Parameters
    ----------
    source_id : str
        Unique among all that happens, and the same when the same thing is told again.
    dial_id : str
    at : datetime
        By the telephone system's clock where it says one.
    """

    type: ClassVar[str]
    source_id: str
    dial_id: str
    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", in_utc("at", self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing(Update):
    """It rings at the customer's."""

    type: ClassVar[str] = "ringing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Update):
    """Somebody or something answered."""

    type: ClassVar[str] = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed(Update):
    """Who answered pressed a key, one of ``0-9*#A-D``."""

    type: ClassVar[str] = "key_pressed"
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Update):
    """The call is over, and this is all that will become of it.

    Parameters
    ----------
    failed : Outcome or None
        Why it was not answered (`callback.causes`). None: it was, and what answered is for screening to say.
    talked : bool
        It was bridged with an agent. True however late, and whichever worker bridged it.
    cause : str
        In the telephone system's own words: ``"Q.850 17"``, ``"SIP 486"``.
    """

    type: ClassVar[str] = "ended"
    failed: Outcome | None
    talked: bool = False
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A call that was looked up goes on.

    Parameters
    ----------
    answered : bool
    bridged : bool or None
        Whether it was bridged with an agent; None if the telephone system cannot say. A worker that died between
        an agent's word and the bridge leaves a customer on hold who is thought to be talking: False helps them.
    """

    answered: bool
    bridged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The audio of who answered, as it comes off the wire.

    Parameters
    ----------
    system : str
        What is sent, by its name among the systems of `amd.adapters`: ``"audiosocket"`` or ``"twilio"``, say.
    messages : async iterator of bytes or str
        As they came, from the first on. Ends with the audio.
    """

    system: str
    messages: AsyncIterator[bytes | str]


class Dialer(Protocol):
    """A telephone system that places calls.

    Every method may raise `DialerDown`. A dialer that lost its telephone system tries to reach it again by itself;
    what was told meanwhile is told late, or found by ``look_up``.
    """

    @property
    def name(self) -> str:
        """Its kind: ``"simulated"``, ``"ari"``, ``"esl"``, ``"twilio"``."""

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Reach the telephone system. ``tell`` is given what becomes of calls, in any order, maybe twice."""

    async def stop(self) -> None:
        """Let go of the telephone system. Calls go on; another worker may take them over."""

    async def originate(self, placing: Placing) -> None:
        """Place a call, once. A call that the telephone system would not place is told as `Ended`, as any other.

        Raises
        ------
        DialInDoubt
        DialRefused
        """

    async def media(self, dial_id: str) -> Media:
        """Hear who answered.

        Raises
        ------
        NoSuchCall
        NoMedia
        """

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt; returns when it was played, for `Prompt.HOLD` when it began.

        Raises
        ------
        NoSuchCall
        """

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let the customer and an agent's ``leg`` (`callback.agents.Accepted`) talk. Whatever plays ends.

        Raises
        ------
        NoSuchCall
        """

    async def hang_up(self, dial_id: str) -> None:
        """End the call, whatever it is doing. One that is not known is not placed any more, either."""

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call.

        A call that the telephone system knows nothing of has ended with `callback.states.Outcome.NETWORK`, and its
        dial id is refused from now on.
        """

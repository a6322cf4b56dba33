"""What dialers and screening report of a call. Each has the id that its source gave it, and counts once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from callback.hours import in_utc
from callback.states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something that a source says of a call.

    Parameters
    ----------
    source_id : str
        Unique among all reports of all sources: the same one again changes nothing.
    dial_id : str
        The call, by the id that its claim gave it.
    at : datetime
        When it happened, by the source's clock.
    cause : str
        Why the source says so, in its own words (a SIP code, a cause of `amd`); kept with the attempt.
    evidence : str or None
        JSON; no audio, no transcript, no number.
    """

    type: ClassVar[str]
    source_id: str
    dial_id: str
    at: datetime
    cause: str = ""
    evidence: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", in_utc("at", self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Report):
    """Somebody or something answered."""

    type: ClassVar[str] = "call_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFound(Report):
    """A person is on the line: heard, or a key was pressed."""

    type: ClassVar[str] = "person_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIsUp(Report):
    """The answer to `callback.commands.LookUp`: the call goes on.

    Parameters
    ----------
    bridged : bool or None
        Whether customer and agent were put through. None: the dialer cannot say, and they are taken to talk where
        they were to be.
    """

    type: ClassVar[str] = "call_is_up"
    bridged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Report):
    """The call is over, or was never placed, and this is all that will become of it.

    Parameters
    ----------
    outcome : Outcome
        What it came to as a whole. A call that the dialer knows nothing of is ``network``.
    talked : bool
        Customer and agent were put through.
    not_before : datetime or None
        The customer asked on the phone to be called later.
    """

    type: ClassVar[str] = "call_ended"
    outcome: Outcome
    talked: bool = False
    not_before: datetime | None = None

"""What can happen to a callback: the events that its log is made of.

An event holds what was decided, down to the times: when the next attempt may start, until when a lease runs. So
the log can be replayed without the policy, the calling hours or the clock of the day it was written. No event
holds a number or a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from callback.states import Booking, Outcome, Reason, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to one callback."""

    type: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked(Event):
    """The first event of every log."""

    type: ClassVar[str] = "booked"
    booking: Booking
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Event):
    """The window opened."""

    type: ClassVar[str] = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowClosed(Event):
    """Nobody dialled within the window; the next one is ``window``."""

    type: ClassVar[str] = "window_closed"
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescheduled(Event):
    """The customer asked for another time, or for later."""

    type: ClassVar[str] = "rescheduled"
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(Event):
    """No attempt may start any more."""

    type: ClassVar[str] = "deadline_passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    """A worker took it to dial, and holds it until ``wake_at``. Written down before the call is placed."""

    type: ClassVar[str] = "claimed"
    dial_id: str
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """Somebody or something answered."""

    type: ClassVar[str] = "answered"
    dial_id: str
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanFound(Event):
    """A person is on the line: by their voice, or by a key that was pressed."""

    type: ClassVar[str] = "human_found"
    dial_id: str
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered(Event):
    """An agent was asked to take the call."""

    type: ClassVar[str] = "offered"
    agent: str
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMissed(Event):
    """The agent did not take it; the customer waits on, in the same place."""

    type: ClassVar[str] = "offer_missed"
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """Customer and agent talk."""

    type: ClassVar[str] = "connected"
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Event):
    """The talk is over."""

    type: ClassVar[str] = "completed"
    dial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """The call is over without a talk; the next attempt may start within ``window``."""

    type: ClassVar[str] = "attempt_failed"
    dial_id: str
    outcome: Outcome
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptsSpent(Event):
    """The call is over without a talk, and it was the last attempt."""

    type: ClassVar[str] = "attempts_spent"
    dial_id: str
    outcome: Outcome
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTooLate(Event):
    """The call is over without a talk, and the deadline leaves no time for another attempt."""

    type: ClassVar[str] = "retry_too_late"
    dial_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberUnusable(Event):
    """The call showed that this number cannot, or must not, be called."""

    type: ClassVar[str] = "number_unusable"
    dial_id: str
    outcome: Outcome
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRenewed(Event):
    """Whoever holds the callback is still at it."""

    type: ClassVar[str] = "lease_renewed"
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost(Event):
    """Nobody was heard of until the lease ended: ask what became of the call, and again at ``wake_at``."""

    type: ClassVar[str] = "lease_lost"
    wake_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """The customer, or the contact centre for them, wants no callback any more."""

    type: ClassVar[str] = "cancelled"
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(Event):
    """The customer got through another way."""

    type: ClassVar[str] = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOver(Event):
    """The call that a cancelled callback still had is over."""

    type: ClassVar[str] = "dial_over"
    dial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased(Event):
    """Number and name were erased."""

    type: ClassVar[str] = "erased"


EVENTS: Final[tuple[type[Event], ...]] = (
    Due,
    WindowClosed,
    Rescheduled,
    DeadlinePassed,
    Claimed,
    Answered,
    HumanFound,
    Offered,
    OfferMissed,
    Connected,
    Completed,
    AttemptFailed,
    AttemptsSpent,
    RetryTooLate,
    NumberUnusable,
    LeaseRenewed,
    LeaseLost,
    Cancelled,
    Superseded,
    DialOver,
    Erased,
)
"""All that can happen to a callback once it is booked."""

"""The vocabulary of a callback: its states, what came of each attempt, and the record that moves through them.

A callback is one customer's place in line. Every time here is a timezone-aware UTC `datetime`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a callback stands."""

    WAITING = "waiting"  # in line, and may be dialled now
    DEFERRED = "deferred"  # in line, but not to be dialled before its window opens: backoff, quiet hours, snooze
    DIALING = "dialing"  # its dial is written down; the call may be ringing
    DETECTING = "detecting"  # answered: who or what it is, is being found out
    REJOINED = "rejoined"  # a person is on the line and waits for an agent, in the original place
    OFFERED = "offered"  # an agent has been asked to take it
    CONNECTED = "connected"  # customer and agent are talking
    RECONCILING = "reconciling"  # whoever dialled is gone, and it is not known what became of the call
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # the customer got through another way
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    UNDELIVERABLE = "undeliverable"


TERMINAL: Final = frozenset(
    {
        State.COMPLETED,
        State.CANCELLED,
        State.SUPERSEDED,
        State.EXHAUSTED,
        State.EXPIRED,
        State.UNDELIVERABLE,
    }
)
"""Nothing leads out of these."""

IN_CALL: Final = frozenset(
    {State.DIALING, State.DETECTING, State.REJOINED, State.OFFERED, State.CONNECTED, State.RECONCILING}
)
"""These have a dial, and somebody holds a lease on it."""


class Reason(StrEnum):
    """Why a callback ended."""

    CONNECTED = "connected"  # the customer spoke with an agent
    BY_CUSTOMER = "by_customer"
    BY_STAFF = "by_staff"
    CALLED_IN = "called_in"  # the customer called, and needs no callback any more
    ATTEMPTS_SPENT = "attempts_spent"
    REFUSALS_SPENT = "refusals_spent"  # the customer declined the call as often as is asked
    FAILURES_SPENT = "failures_spent"  # our own network failed as often as is put up with
    DEADLINE = "deadline"
    BAD_NUMBER = "bad_number"
    SUPPRESSED = "suppressed"


class Outcome(StrEnum):
    """What one attempt to reach the customer came to."""

    HUMAN = "human"  # a person answered, or a key was pressed when asked
    MACHINE = "machine"  # voicemail or an announcement answered
    FAX = "fax"
    UNSURE = "unsure"  # answered, asked to press a key, and nobody did: counts as a machine
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NETWORK = "network"  # our own network or carrier failed: never burns a customer's attempt
    BAD_NUMBER = "bad_number"  # no such number: undeliverable
    REFUSED = "refused"  # the call was declined: at most one more attempt
    SUPPRESSED = "suppressed"  # the customer's network says never again (SIP 607, 608)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When the next attempt may start: from ``opens_at`` on, and before ``closes_at``."""

    opens_at: datetime
    closes_at: datetime

    def __post_init__(self) -> None:
        if not self.opens_at < self.closes_at:
            raise ValueError(f"opens_at={self.opens_at} must be before closes_at={self.closes_at}: swapped?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom to call. This is all that is personal about a callback; it is erased without touching the rest."""

    number: str = field(repr=False)
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What was agreed when the callback was booked. No transition makes another one: the place never changes.

    Parameters
    ----------
    id : str
        Names the callback everywhere; holds nothing personal.
    queue : str
    priority : int
        Smaller comes first.
    enqueued_at : datetime
        When the customer joined the line, which may be long before the booking.
    seq : int
        Order of booking within the queue; decides between equal times.
    deadline_at : datetime
        No attempt starts from here on.
    zones : tuple of str
        Time zones that the customer may be in, by their IANA names: calling hours are theirs.
    attempts_max, failures_max : int, 1 or more
        How many attempts may fail on the customer's side, and how many on ours.
    """

    id: str
    queue: str
    priority: int
    enqueued_at: datetime
    seq: int
    deadline_at: datetime
    zones: tuple[str, ...]
    attempts_max: int
    failures_max: int

    @property
    def key(self) -> tuple[int, datetime, int]:
        """The place in line: a smaller one comes first."""
        return (self.priority, self.enqueued_at, self.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the attempts so far came to. ``machine_at`` is when a machine was last found to answer."""

    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    last_outcome: Outcome | None = None
    last_at: datetime | None = None
    machine_at: datetime | None = None

    def plus(self, outcome: Outcome, at: datetime) -> Tally:
        """Return the tally with one attempt more: one of ours if the network failed, else the customer's."""
        ours = outcome is Outcome.NETWORK
        machine = outcome is Outcome.MACHINE or outcome is Outcome.UNSURE
        return Tally(
            attempts=self.attempts + (not ours),
            failures=self.failures + ours,
            refusals=self.refusals + (outcome is Outcome.REFUSED),
            last_outcome=outcome,
            last_at=at,
            machine_at=at if machine else self.machine_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One call to the customer, from before it is placed until it is known to be over."""

    id: str
    started_at: datetime
    reached_at: datetime | None = None
    """When a person was found on the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A callback as it stands. Only `callback.transitions.step` makes the next one.

    Parameters
    ----------
    booking : Booking
    person : Person or None
        None once it was erased.
    state : State
    window : Window or None
        When the next attempt may start; None while a call is on, and in the end.
    wake_at : datetime or None
        When somebody must look at it again if nothing happens until then: a timer, or the end of a lease. None
        only in the end, when no call is left to wait for.
    tally : Tally
    dial : Dial or None
        The live one. It outlives a cancelled callback until it is known to be over.
    fence : int
        Grows with every claim and every lease that was lost: who holds a smaller one has lost the callback.
    reason : Reason or None
        Why it ended.
    changed_at : datetime
    version : int
        How many events led here.
    """

    booking: Booking
    person: Person | None
    state: State
    window: Window | None
    wake_at: datetime | None
    tally: Tally
    dial: Dial | None
    fence: int
    reason: Reason | None
    changed_at: datetime
    version: int

    @property
    def id(self) -> str:
        """The booking's."""
        return self.booking.id

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self.state in TERMINAL

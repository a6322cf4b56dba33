"""The table of transitions, and the one function that moves a callback.

``TABLE[state][event type]`` says where an event leads and what it asks for; a pair that is not there is illegal.
The diagram and the table in the documents and the CHECK of the schema are made from it (`callback.diagrams`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from callback import events as ev
from callback.changes import CHANGES, check_window, commanded, moved
from callback.commands import Bridge, Command, HangUp, Hold, LookUp, Offer, Originate, Screen, Tell
from callback.errors import IllegalTransition
from callback.states import Callback, Person, State, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where an event leads, and what is to be done then."""

    to: State
    commands: tuple[type[Command], ...] = ()


def _to(state: State, *commands: type[Command]) -> Move:
    return Move(to=state, commands=commands)


_GIVEN_UP: Final[dict[type[ev.Event], Move]] = {  # while a call may be on: a cancel while it rings hangs up
    ev.Cancelled: _to(State.CANCELLED, HangUp, Tell),
    ev.Superseded: _to(State.SUPERSEDED, HangUp, Tell),
}
_FAILED: Final[dict[type[ev.Event], Move]] = {  # the call is over, without a talk
    ev.AttemptFailed: _to(State.DEFERRED, Tell),
    ev.AttemptsSpent: _to(State.EXHAUSTED, Tell),
    ev.RetryTooLate: _to(State.EXPIRED, Tell),
    ev.NumberUnusable: _to(State.UNDELIVERABLE, Tell),
}
_LOST: Final[dict[type[ev.Event], Move]] = {ev.LeaseLost: _to(State.RECONCILING, LookUp)}

TABLE: Final[dict[State, dict[type[ev.Event], Move]]] = {
    State.DEFERRED: {
        ev.Due: _to(State.WAITING),
        ev.WindowClosed: _to(State.DEFERRED, Tell),  # nobody looked while it was open
        ev.Rescheduled: _to(State.DEFERRED, Tell),
        ev.DeadlinePassed: _to(State.EXPIRED, Tell),
        ev.Cancelled: _to(State.CANCELLED, Tell),
        ev.Superseded: _to(State.SUPERSEDED, Tell),
    },
    State.WAITING: {
        ev.Claimed: _to(State.DIALING, Originate),
        ev.WindowClosed: _to(State.DEFERRED, Tell),
        ev.Rescheduled: _to(State.DEFERRED, Tell),
        ev.DeadlinePassed: _to(State.EXPIRED, Tell),
        ev.Cancelled: _to(State.CANCELLED, Tell),
        ev.Superseded: _to(State.SUPERSEDED, Tell),
    },
    State.DIALING: {
        ev.Answered: _to(State.DETECTING, Screen),
        ev.HumanFound: _to(State.REJOINED, Hold),  # the dialer screens, or its events came out of order
        ev.LeaseRenewed: _to(State.DIALING),
        **_FAILED,
        **_GIVEN_UP,
        **_LOST,
    },
    State.DETECTING: {
        ev.HumanFound: _to(State.REJOINED, Hold),
        ev.LeaseRenewed: _to(State.DETECTING),
        **_FAILED,
        **_GIVEN_UP,
        **_LOST,
    },
    State.REJOINED: {
        ev.Offered: _to(State.OFFERED, Offer),
        ev.LeaseRenewed: _to(State.REJOINED),
        **_FAILED,
        **_GIVEN_UP,
        **_LOST,
    },
    State.OFFERED: {
        ev.OfferMissed: _to(State.REJOINED),
        ev.Connected: _to(State.CONNECTED, Bridge, Tell),
        ev.Completed: _to(State.COMPLETED, Tell),  # talked, and the event that said so came late
        ev.LeaseRenewed: _to(State.OFFERED),
        **_FAILED,
        **_GIVEN_UP,
        **_LOST,
    },
    State.CONNECTED: {
        ev.Completed: _to(State.COMPLETED, Tell),
        ev.LeaseRenewed: _to(State.CONNECTED),
        ev.LeaseLost: _to(State.CONNECTED, LookUp),  # they may well be talking
        ev.OfferMissed: _to(State.REJOINED),  # the agent was gone before they were put through
        ev.AttemptFailed: _to(State.DEFERRED, Tell),  # the customer was
        ev.AttemptsSpent: _to(State.EXHAUSTED, Tell),
        ev.RetryTooLate: _to(State.EXPIRED, Tell),
    },
    State.RECONCILING: {
        ev.Answered: _to(State.DETECTING, Screen),
        ev.HumanFound: _to(State.REJOINED, Hold),
        ev.Completed: _to(State.COMPLETED, Tell),
        # Given up for over, perhaps without a word from the dialer: hang up what may be left of it.
        **{event: _to(move.to, HangUp, *move.commands) for event, move in _FAILED.items()},
        **_GIVEN_UP,
        **_LOST,
    },
    State.COMPLETED: {ev.Erased: _to(State.COMPLETED)},
    State.CANCELLED: {
        ev.DialOver: _to(State.CANCELLED),
        ev.LeaseLost: _to(State.CANCELLED, HangUp, LookUp),
        ev.Erased: _to(State.CANCELLED),
    },
    State.SUPERSEDED: {
        ev.DialOver: _to(State.SUPERSEDED),
        ev.LeaseLost: _to(State.SUPERSEDED, HangUp, LookUp),
        ev.Erased: _to(State.SUPERSEDED),
    },
    State.EXHAUSTED: {ev.Erased: _to(State.EXHAUSTED)},
    State.EXPIRED: {ev.Erased: _to(State.EXPIRED)},
    State.UNDELIVERABLE: {ev.Erased: _to(State.UNDELIVERABLE)},
}


def step(callback: Callback, event: ev.Event, now: datetime) -> tuple[Callback, tuple[Command, ...]]:
    """Move a callback.

    Parameters
    ----------
    callback : Callback
        As it stands; it is left as it is.
    event : Event
    now : datetime
        When the event happened. A clock that went back counts as one that stood still: ``changed_at`` never does.

    Returns
    -------
    Callback
        As it stands then.
    tuple of Command
        What is to be done about it.

    Raises
    ------
    IllegalTransition
        The event cannot happen in this state, or not with what it carries; the message says what can.
    """
    kind = type(event)
    move = TABLE[callback.state].get(kind)
    if move is None:
        raise IllegalTransition(refusal(callback.state, kind))
    at = now if now > callback.changed_at else callback.changed_at
    after = moved(callback, move.to, at)
    CHANGES[kind](after, event)
    return after, commanded(move.commands, callback, after)


def book(event: ev.Booked, person: Person, now: datetime) -> Callback:
    """Return a new callback: deferred until its window opens, which may be at once."""
    check_window(event.window, event.booking)
    return Callback(
        booking=event.booking,
        person=person,
        state=State.DEFERRED,
        window=event.window,
        wake_at=event.window.opens_at,
        tally=Tally(),
        dial=None,
        fence=0,
        reason=None,
        changed_at=now,
        version=1,
    )


def replay(log: Iterable[tuple[ev.Event, datetime]], person: Person | None) -> Callback:
    """Rebuild a callback from its log and from the person, of whom the log holds nothing.

    Raises
    ------
    IllegalTransition
        The log does not start with ``booked``, or breaks off the table: it is not the log of a callback.
    """
    entries = iter(log)
    first, at = next(entries, (None, None))
    if not isinstance(first, ev.Booked) or at is None:
        raise IllegalTransition(f"a log starts with 'booked', not {_name(first)}: was its start cut off?")
    callback = book(first, person or _NOBODY, at)
    for event, then in entries:
        callback, _ = step(callback, event, then)
    return callback


_NOBODY: Final = Person(number="")
"""Stands in for a person whom the log will erase."""


def refusal(state: State, event: type[ev.Event]) -> str:
    """Say why an event is illegal, and what would be legal."""
    legal = ", ".join(sorted(kind.type for kind in TABLE[state]))
    return f"{event.type!r} cannot happen in state {str(state)!r}; legal here: {legal}"


def _name(event: ev.Event | None) -> str:
    return repr(getattr(event, "type", None))

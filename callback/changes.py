"""What each event changes in a callback beside its state, and what an event must carry to be legal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from callback import events as ev
from callback.commands import Command
from callback.errors import IllegalTransition, StaleFence
from callback.states import Booking, Callback, Dial, Outcome, Reason, State, Window

# A frozen dataclass is made by its constructor at three times the cost of this, and a transition may take 2 µs.
# What is set here are new objects that nobody else has seen yet.
_Setter = Callable[[Any, Any], None]


def _setters(kind: type) -> dict[str, _Setter]:
    return {field.name: vars(kind)[field.name].__set__ for field in fields(kind)}


_SET: Final = _setters(Callback)
_set_booking = _SET["booking"]
_set_person = _SET["person"]
_set_state = _SET["state"]
_set_window = _SET["window"]
_set_wake_at = _SET["wake_at"]
_set_tally = _SET["tally"]
_set_dial = _SET["dial"]
_set_fence = _SET["fence"]
_set_reason = _SET["reason"]
_set_changed_at = _SET["changed_at"]
_set_version = _SET["version"]
_set_dial_id, _set_started_at, _set_reached_at = _setters(Dial).values()
_set_callback_id, _set_command_dial_id = _setters(Command).values()
_new = object.__new__

NUMBER_FAULTS: Final = frozenset({Outcome.BAD_NUMBER, Outcome.SUPPRESSED})
"""After these no further attempt is of use, or allowed."""


def moved(callback: Callback, state: State, at: datetime) -> Callback:
    """Return a copy in another state, one version on."""
    after = _new(Callback)
    _set_booking(after, callback.booking)
    _set_person(after, callback.person)
    _set_state(after, state)
    _set_window(after, callback.window)
    _set_wake_at(after, callback.wake_at)
    _set_tally(after, callback.tally)
    _set_dial(after, callback.dial)
    _set_fence(after, callback.fence)
    _set_reason(after, callback.reason)
    _set_changed_at(after, at)
    _set_version(after, callback.version + 1)
    return after


def commanded(kinds: tuple[type[Command], ...], callback: Callback, after: Callback) -> tuple[Command, ...]:
    """Return the commands of a move, for the call that is live after it, or was before."""
    if not kinds:
        return ()
    dial = after.dial or callback.dial
    dial_id = None if dial is None else dial.id
    commands = []
    for kind in kinds:
        command = _new(kind)
        _set_callback_id(command, callback.booking.id)
        _set_command_dial_id(command, dial_id)
        commands.append(command)
    return tuple(commands)


def _dial(dial_id: str, started_at: datetime, reached_at: datetime | None) -> Dial:
    dial = _new(Dial)
    _set_dial_id(dial, dial_id)
    _set_started_at(dial, started_at)
    _set_reached_at(dial, reached_at)
    return dial


def check_window(window: Window, booking: Booking) -> None:
    """Raise IllegalTransition for a window that reaches past the deadline."""
    if window.closes_at > booking.deadline_at:
        raise IllegalTransition(
            f"a window until {window.closes_at} reaches past the deadline {booking.deadline_at}: no attempt may "
            "start after it"
        )


def _check_dial(callback: Callback, dial_id: str) -> Dial:
    dial = callback.dial
    if dial is None or dial.id != dial_id:
        live = "none" if dial is None else dial.id
        raise StaleFence(
            f"dial {dial_id!r} is not the live one of callback {callback.id!r} ({live}): a late event?"
        )
    return dial


def _due(after: Callback, _event: ev.Due) -> None:
    window = after.window
    if window is None or after.changed_at < window.opens_at:
        raise IllegalTransition(f"due at {after.changed_at} is before the window {window} opens: a clock ahead?")
    _set_wake_at(after, window.closes_at)


def _deferred(after: Callback, event: ev.WindowClosed | ev.Rescheduled) -> None:
    check_window(event.window, after.booking)
    _set_window(after, event.window)
    _set_wake_at(after, event.window.opens_at)


def _claimed(after: Callback, event: ev.Claimed) -> None:
    window, at = after.window, after.changed_at
    if window is None or not window.opens_at <= at < window.closes_at:
        raise IllegalTransition(f"a dial at {at} is outside of the window {window}: no dial outside calling hours")
    _set_dial(after, _dial(event.dial_id, at, None))
    _set_window(after, None)
    _set_wake_at(after, event.wake_at)
    _set_fence(after, after.fence + 1)


def _answered(after: Callback, event: ev.Answered) -> None:
    _check_dial(after, event.dial_id)
    _set_wake_at(after, event.wake_at)


def _human_found(after: Callback, event: ev.HumanFound) -> None:
    dial = _check_dial(after, event.dial_id)
    if dial.reached_at is None:
        _set_dial(after, _dial(dial.id, dial.started_at, after.changed_at))
    _set_wake_at(after, event.wake_at)


def _held(after: Callback, event: ev.Offered | ev.OfferMissed | ev.Connected | ev.LeaseRenewed) -> None:
    _set_wake_at(after, event.wake_at)


def _lease_lost(after: Callback, event: ev.LeaseLost) -> None:
    if after.dial is None:
        raise IllegalTransition("no call is left to ask for: its dial is over")
    _set_wake_at(after, event.wake_at)
    _set_fence(after, after.fence + 1)


def _finished(after: Callback, reason: Reason) -> None:
    """End it. A dial that is still live keeps its timer, until it is known to be over."""
    _set_reason(after, reason)
    _set_window(after, None)
    if after.dial is None:
        _set_wake_at(after, None)


def _counted(after: Callback, dial_id: str, outcome: Outcome) -> None:
    _check_dial(after, dial_id)
    _set_dial(after, None)
    _set_tally(after, after.tally.plus(outcome, after.changed_at))


def _failed(after: Callback, event: ev.AttemptFailed) -> None:
    _counted(after, event.dial_id, event.outcome)
    tally, booking = after.tally, after.booking
    if (
        tally.attempts >= booking.attempts_max
        or tally.failures >= booking.failures_max
        or event.outcome in NUMBER_FAULTS
    ):
        raise IllegalTransition(
            f"no attempt may follow {str(event.outcome)!r} after {tally.attempts} of {booking.attempts_max} "
            f"attempts and {tally.failures} of {booking.failures_max} failures of ours; use 'attempts_spent' or "
            "'number_unusable'"
        )
    check_window(event.window, booking)
    _set_window(after, event.window)
    _set_wake_at(after, event.window.opens_at)


def _spent(after: Callback, event: ev.AttemptsSpent | ev.NumberUnusable) -> None:
    _counted(after, event.dial_id, event.outcome)
    _finished(after, event.reason)


def _too_late(after: Callback, event: ev.RetryTooLate) -> None:
    _counted(after, event.dial_id, event.outcome)
    _finished(after, Reason.DEADLINE)


def _completed(after: Callback, event: ev.Completed) -> None:
    _counted(after, event.dial_id, Outcome.HUMAN)
    _finished(after, Reason.CONNECTED)


def _deadline_passed(after: Callback, _event: ev.DeadlinePassed) -> None:
    _finished(after, Reason.DEADLINE)


def _cancelled(after: Callback, event: ev.Cancelled) -> None:
    _finished(after, event.reason)


def _superseded(after: Callback, _event: ev.Superseded) -> None:
    _finished(after, Reason.CALLED_IN)


def _dial_over(after: Callback, event: ev.DialOver) -> None:
    _check_dial(after, event.dial_id)
    _set_dial(after, None)
    _set_wake_at(after, None)


def _erased(after: Callback, _event: ev.Erased) -> None:
    if after.dial is not None:
        raise IllegalTransition(f"callback {after.id!r} has a live call: erase when it is over")
    if after.person is None:
        raise IllegalTransition(f"callback {after.id!r} has been erased already")
    _set_person(after, None)


CHANGES: Final[dict[type[ev.Event], Callable[[Callback, Any], None]]] = {
    ev.Due: _due,
    ev.WindowClosed: _deferred,
    ev.Rescheduled: _deferred,
    ev.DeadlinePassed: _deadline_passed,
    ev.Claimed: _claimed,
    ev.Answered: _answered,
    ev.HumanFound: _human_found,
    ev.Offered: _held,
    ev.OfferMissed: _held,
    ev.Connected: _held,
    ev.Completed: _completed,
    ev.AttemptFailed: _failed,
    ev.AttemptsSpent: _spent,
    ev.RetryTooLate: _too_late,
    ev.NumberUnusable: _spent,
    ev.LeaseRenewed: _held,
    ev.LeaseLost: _lease_lost,
    ev.Cancelled: _cancelled,
    ev.Superseded: _superseded,
    ev.DialOver: _dial_over,
    ev.Erased: _erased,
}
"""Each gets the copy that `moved` made, in its new state, and sets what else the event changes."""

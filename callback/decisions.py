"""From what was reported, or was not, to the event that goes into the log, with the schedule's answer in it.

A transition needs no schedule, and the log needs none to be replayed: rules change, and what was decided by
yesterday's rules must still give yesterday's row (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from callback import events as ev
from callback.changes import NUMBER_FAULTS
from callback.planning import Rules, next_window
from callback.reports import CallAnswered, CallEnded, CallIsUp, PersonFound, Report
from callback.retries import Attempt
from callback.states import IN_CALL, Callback, Outcome, Reason, State, Window
from callback.transitions import TABLE


def lease(rules: Rules, now: datetime) -> datetime:
    """Return until when somebody may be silent about a callback."""
    return now + timedelta(seconds=rules.lease_s)


def on_report(
    rules: Rules, callback: Callback, attempts: Sequence[Attempt], report: Report, now: datetime
) -> ev.Event | None:
    """Return what a report means for a callback; None when it comes too late to mean anything.

    Parameters
    ----------
    rules : Rules
    callback : Callback
    attempts : sequence of Attempt
        Those of the callback that have ended.
    report : Report
    now : datetime
    """
    dial = callback.dial
    if dial is None or dial.id != report.dial_id:
        return None
    event = _meant(rules, callback, attempts, report, now)
    return event if type(event) in TABLE[callback.state] else None


def _meant(
    rules: Rules, callback: Callback, attempts: Sequence[Attempt], report: Report, now: datetime
) -> ev.Event | None:
    wake_at = lease(rules, now)
    match report:
        case CallAnswered():
            return ev.Answered(dial_id=report.dial_id, wake_at=wake_at)
        case PersonFound():
            return ev.HumanFound(dial_id=report.dial_id, wake_at=wake_at)
        case CallIsUp():
            return _still_up(callback, report, wake_at)
        case CallEnded():
            return _ended(rules, callback, attempts, report, now)
    return None


def _still_up(callback: Callback, report: CallIsUp, wake_at: datetime) -> ev.Event | None:
    """A call that was looked up goes on: take it from where it was."""
    dial = callback.dial
    if dial is not None and callback.state is State.RECONCILING:
        if dial.reached_at is None:
            return ev.Answered(dial_id=dial.id, wake_at=wake_at)
        return ev.HumanFound(dial_id=dial.id, wake_at=wake_at)
    if callback.state is not State.CONNECTED:
        return None
    return ev.OfferMissed(wake_at=wake_at) if report.bridged is False else ev.LeaseRenewed(wake_at=wake_at)


def _ended(
    rules: Rules, callback: Callback, attempts: Sequence[Attempt], report: CallEnded, now: datetime
) -> ev.Event:
    if callback.ended:
        return ev.DialOver(dial_id=report.dial_id)
    connected = callback.state is State.CONNECTED
    talked = report.talked and (connected or callback.state in {State.OFFERED, State.RECONCILING})
    # A person who was to be put through and was not is owed a call. A call of which the dialer knows nothing any
    # more is taken for a talk: who has spoken with an agent is not called again.
    if talked or (connected and report.outcome is not Outcome.HUMAN):
        return ev.Completed(dial_id=report.dial_id)
    at = min(report.at, now)
    return failed(rules, callback, attempts, report.outcome, at, now=now, not_before=report.not_before)


def failed(
    rules: Rules,
    callback: Callback,
    attempts: Sequence[Attempt],
    outcome: Outcome,
    at: datetime,
    *,
    now: datetime,
    not_before: datetime | None = None,
) -> ev.Event:
    """Return what follows an attempt that ended without a talk: another attempt, or the end.

    Parameters
    ----------
    rules : Rules
    callback : Callback
    attempts : sequence of Attempt
        Those before this one.
    outcome : Outcome
    at : datetime
        When the call ended: gaps count from here, however late it is heard of.
    now : datetime
    not_before : datetime or None
    """
    dial = callback.dial
    if dial is None:
        raise ValueError(f"callback {callback.id!r} has no call that could have failed")
    ended_at = max(at, callback.changed_at)
    # Who answered and heard no agent is owed a call, whoever hung up: the law counts it as abandoned.
    attempt = Attempt(
        started_at=dial.started_at, ended_at=ended_at, outcome=outcome, dropped=outcome is Outcome.HUMAN
    )
    planned = next_window(rules, callback.booking, [*attempts, attempt], max(ended_at, now), not_before=not_before)
    if outcome in NUMBER_FAULTS:
        reason = Reason.BAD_NUMBER if outcome is Outcome.BAD_NUMBER else Reason.SUPPRESSED
        return ev.NumberUnusable(dial_id=dial.id, outcome=outcome, reason=reason)
    if isinstance(planned, Window):
        return ev.AttemptFailed(dial_id=dial.id, outcome=outcome, window=planned)
    if planned is Reason.DEADLINE:
        return ev.RetryTooLate(dial_id=dial.id, outcome=outcome)
    return ev.AttemptsSpent(dial_id=dial.id, outcome=outcome, reason=planned)


def on_wake(rules: Rules, callback: Callback, attempts: Sequence[Attempt], now: datetime) -> ev.Event:
    """Return what it means that a timer or a lease ran out."""
    dial = callback.dial
    if dial is not None:
        if now - dial.started_at > timedelta(seconds=rules.call_max_s):
            return _given_up(rules, callback, attempts, now)
        return ev.LeaseLost(wake_at=now + timedelta(seconds=rules.look_up_s))
    if now >= callback.booking.deadline_at:
        return ev.DeadlinePassed()
    if callback.window is not None and now < callback.window.closes_at:
        return ev.Due()
    planned = next_window(rules, callback.booking, attempts, now)
    if not isinstance(planned, Window):
        return ev.DeadlinePassed()
    return ev.WindowClosed(window=planned)


def _given_up(rules: Rules, callback: Callback, attempts: Sequence[Attempt], now: datetime) -> ev.Event:
    """Nobody can tell what became of a call, and no call lasts so long."""
    if callback.ended and callback.dial is not None:
        return ev.DialOver(dial_id=callback.dial.id)
    if callback.state is State.CONNECTED and callback.dial is not None:
        return ev.Completed(dial_id=callback.dial.id)
    if callback.state in IN_CALL:
        return failed(rules, callback, attempts, Outcome.NETWORK, now, now=now)
    raise ValueError(f"callback {callback.id!r} has a call in state {str(callback.state)!r}")

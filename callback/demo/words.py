"""What happened, in words, from the log and the attempts: what the demonstration prints."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from callback import events as ev
from callback.states import Callback, Outcome, Reason, State
from callback.store.reads import Attempt

OUTCOMES: Final = {
    Outcome.HUMAN: "a person, and the call was lost",
    Outcome.MACHINE: "voicemail",
    Outcome.FAX: "fax",
    Outcome.UNSURE: "nobody pressed a key: counts as voicemail",
    Outcome.BUSY: "busy",
    Outcome.NO_ANSWER: "no answer",
    Outcome.NETWORK: "our own trouble",
    Outcome.BAD_NUMBER: "no such number",
    Outcome.REFUSED: "declined",
    Outcome.SUPPRESSED: "never again",
}
MARKS: Final = {
    Outcome.HUMAN: "person",
    Outcome.MACHINE: "voicemail",
    Outcome.FAX: "fax",
    Outcome.UNSURE: "unsure",
    Outcome.BUSY: "busy",
    Outcome.NO_ANSWER: "no answer",
    Outcome.NETWORK: "ours",
    Outcome.BAD_NUMBER: "bad number",
    Outcome.REFUSED: "declined",
    Outcome.SUPPRESSED: "never again",
}
STATES: Final = {
    State.WAITING: "waiting to be dialled",
    State.DEFERRED: "tried again later",
    State.DIALING: "ringing",
    State.DETECTING: "who answered?",
    State.REJOINED: "on the line, waits for an agent",
    State.OFFERED: "an agent is asked",
    State.CONNECTED: "talking",
    State.RECONCILING: "looking up a lost call",
    State.COMPLETED: "served",
    State.CANCELLED: "cancelled",
    State.SUPERSEDED: "called in",
    State.EXHAUSTED: "not reached",
    State.EXPIRED: "too late",
    State.UNDELIVERABLE: "cannot be called",
}
ENDS: Final = {
    Reason.CONNECTED: "spoke with an agent",
    Reason.ATTEMPTS_SPENT: "not reached in three attempts",
    Reason.BAD_NUMBER: "the number does not exist",
}


def clock(seconds: float) -> str:
    """Return a length of time as minutes and seconds.

    Examples
    --------
    >>> clock(125.4), clock(-3)
    ('2:05', '0:00')
    """
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def heard(attempt: Attempt) -> str:
    """Return how a call was judged, and how soon."""
    if not attempt.cause:
        return ""
    if attempt.cause == "pressed":
        return " (pressed 1 when asked)"
    cause = attempt.cause.replace("_", " ")
    evidence = json.loads(attempt.evidence) if attempt.evidence else {}
    known_s = evidence.get("known_s", evidence.get("recognised_s"))
    return f" ({cause}, known after {known_s:.1f} s)" if known_s is not None else f" ({cause})"


def line_of(event: ev.Event, at_joined: timedelta, callback: Callback, attempts: list[Attempt]) -> str | None:
    """Return an event in words; None for one that nobody would miss."""
    match event:
        case ev.Booked():
            return "asks to be called back: the place counts from when they joined the line"
        case ev.Claimed():
            return "is dialled: no agent is reserved"
        case ev.HumanFound():
            call = _call(attempts, event.dial_id)
            return f"a person answers{heard(call) if call else ''}: back in line, in the old place"
        case ev.Offered():
            return f"first in line: {event.agent} is asked"
        case ev.Connected():
            return f"talks with an agent, {clock(at_joined.total_seconds())} after joining the line"
        case ev.AttemptFailed():
            call = _call(attempts, event.dial_id)
            again = (
                clock((event.window.opens_at - (call.ended_at or call.started_at)).total_seconds())
                if call
                else "?"
            )
            return f"{OUTCOMES[event.outcome]}{heard(call) if call else ''}: again in {again}, same place"
        case ev.LeaseLost():
            return "the worker that dialled is gone: the call is looked up, not dialled again"
        case ev.Completed() | ev.AttemptsSpent() | ev.NumberUnusable():
            reason = callback.reason
            return f"over: {ENDS.get(reason, str(reason)) if reason else 'ended'}"
    return None


def _call(attempts: list[Attempt], dial_id: str) -> Attempt | None:
    return next((one for one in attempts if one.dial_id == dial_id), None)

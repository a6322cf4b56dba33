"""The tables as queries name them (what they are is in ``versions/``), and a callback as a row."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from callback.log import from_us, to_us
from callback.states import Booking, Callback, Dial, Outcome, Person, Reason, State, Tally, Window

PLACE: Final = ("priority", "enqueued_at_us", "seq")
FIXED: Final = ("id", "queue", *PLACE, "deadline_at_us", "zones", "attempts_max", "failures_max")
"""Never written again after the booking: this is how a place cannot be lost (I1)."""
MOVING: Final = (
    "number",
    "name",
    "state",
    "opens_at_us",
    "closes_at_us",
    "wake_at_us",
    "attempts",
    "failures",
    "refusals",
    "last_outcome",
    "last_at_us",
    "machine_at_us",
    "dial_id",
    "dial_started_at_us",
    "dial_reached_at_us",
    "fence",
    "reason",
    "changed_at_us",
    "version",
)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


queues: Final = _table("queues", "name", "last_seq")
callbacks: Final = _table("callbacks", *FIXED, *MOVING)
events: Final = _table("events", "callback_id", "version", "at_us", "from_state", "type", "to_state", "data")
attempts: Final = _table(
    "attempts",
    "dial_id",
    "callback_id",
    "number",
    "opens_at_us",
    "closes_at_us",
    "started_at_us",
    "reached_at_us",
    "ended_at_us",
    "outcome",
    "cause",
    "evidence",
)
requests: Final = _table("requests", "request_key", "callback_id")
inbox: Final = _table("inbox", "source_id", "callback_id", "dial_id", "type", "received_at_us", "result", "times")
outbox: Final = _table(
    "outbox", "callback_id", "version", "place", "type", "dial_id", "due_at_us", "tries", "done_at_us"
)
told: Final = _table(
    "told", "callback_id", "p10_s", "p50_s", "p90_s", "mean_s", "n_ahead", "agents", "handling_s", "grown"
)
suppressed: Final = _table("suppressed", "number", "since_us")
greetings: Final = _table("greetings", "dial_id", "callback_id", "number", "kept_at_us", "fingerprint")


def _us(at: datetime | None) -> int | None:
    return None if at is None else to_us(at)


def at_or_none(at_us: int | None) -> datetime | None:
    """Return the instant, in UTC, if there is one."""
    return None if at_us is None else from_us(at_us)


def fixed(booking: Booking) -> dict[str, Any]:
    """Return the columns that a booking fills once."""
    return {
        "id": booking.id,
        "queue": booking.queue,
        "priority": booking.priority,
        "enqueued_at_us": to_us(booking.enqueued_at),
        "seq": booking.seq,
        "deadline_at_us": to_us(booking.deadline_at),
        "zones": ",".join(booking.zones),
        "attempts_max": booking.attempts_max,
        "failures_max": booking.failures_max,
    }


def moving(callback: Callback) -> dict[str, Any]:
    """Return the columns that transitions change."""
    person, window, tally, dial = callback.person, callback.window, callback.tally, callback.dial
    return {
        "number": person and person.number,
        "name": person and person.name,
        "state": callback.state.value,
        "opens_at_us": window and to_us(window.opens_at),
        "closes_at_us": window and to_us(window.closes_at),
        "wake_at_us": _us(callback.wake_at),
        "attempts": tally.attempts,
        "failures": tally.failures,
        "refusals": tally.refusals,
        "last_outcome": tally.last_outcome and tally.last_outcome.value,
        "last_at_us": _us(tally.last_at),
        "machine_at_us": _us(tally.machine_at),
        "dial_id": dial and dial.id,
        "dial_started_at_us": dial and to_us(dial.started_at),
        "dial_reached_at_us": dial and _us(dial.reached_at),
        "fence": callback.fence,
        "reason": callback.reason and callback.reason.value,
        "changed_at_us": to_us(callback.changed_at),
        "version": callback.version,
    }


COLUMNS: Final = [callbacks.c[name] for name in (*FIXED, *MOVING)]


def callback_of(row: Any) -> Callback:
    """Return the callback of a row of `COLUMNS`."""
    (id_, queue, priority, enqueued, seq, deadline, zones, attempts_max, failures_max, *rest) = row
    (number, name, state, opens, closes, wake, n_attempts, n_failures, n_refusals, outcome, *rest) = rest
    (last, machine, dial_id, started, reached, fence, reason, changed, version) = rest
    booking = Booking(
        id=id_,
        queue=queue,
        priority=priority,
        enqueued_at=from_us(enqueued),
        seq=seq,
        deadline_at=from_us(deadline),
        zones=tuple(zones.split(",")) if zones else (),
        attempts_max=attempts_max,
        failures_max=failures_max,
    )
    tally = Tally(
        attempts=n_attempts,
        failures=n_failures,
        refusals=n_refusals,
        last_outcome=outcome and Outcome(outcome),
        last_at=at_or_none(last),
        machine_at=at_or_none(machine),
    )
    return Callback(
        booking=booking,
        person=None if number is None else Person(number=number, name=name or ""),
        state=State(state),
        window=None if opens is None else Window(opens_at=from_us(opens), closes_at=from_us(closes)),
        wake_at=at_or_none(wake),
        tally=tally,
        dial=dial_id and Dial(id=dial_id, started_at=from_us(started), reached_at=at_or_none(reached)),
        fence=fence,
        reason=reason and Reason(reason),
        changed_at=from_us(changed),
        version=version,
    )

"""What can be read of the store, each by one statement that an index serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.diagrams import open_check
from callback.errors import UnknownCallback
from callback.events import Event
from callback.log import decode, from_us, to_us
from callback.states import TERMINAL, Booking, Callback, Outcome, State
from callback.store.greetings import GreetingReads
from callback.store.tables import (
    COLUMNS,
    PLACE,
    at_or_none,
    attempts,
    callback_of,
    callbacks,
    events,
    outbox,
    queues,
    requests,
    suppressed,
)

# Partial indexes serve a statement only where it has their condition in so many words: bound values hide it.
_OPEN: Final = sa.text(open_check())
IN_LINE: Final = sorted(state.value for state in State if state not in TERMINAL and state is not State.CONNECTED)
_waiting: Final = sa.literal(State.WAITING.value)
_rejoined: Final = sa.literal(State.REJOINED.value)
_ENDED: Final = sa.text(f"NOT ({open_check()})")
_HAS_DIAL: Final = sa.text("dial_id IS NOT NULL")
_HAS_WAKE: Final = sa.text("wake_at_us IS NOT NULL")
_IN_ORDER: Final = [callbacks.c[name] for name in PLACE]
_SELECT: Final = sa.select(*COLUMNS)
_NUMBER_IS_FREE: Final = ~sa.exists(
    sa.select(sa.literal_column("1"))
    .select_from(attempts)
    .where(attempts.c.number == callbacks.c.number, attempts.c.ended_at_us.is_(None))
)

BY_ID: Final = _SELECT.where(callbacks.c.id == sa.bindparam("id"))
OF_DIAL: Final = sa.select(attempts.c.callback_id).where(attempts.c.dial_id == sa.bindparam("dial_id"))
HEAD: Final = (
    _SELECT.where(
        callbacks.c.queue == sa.bindparam("queue"),
        callbacks.c.state == _waiting,
        callbacks.c.opens_at_us <= sa.bindparam("now_us"),
        callbacks.c.closes_at_us > sa.bindparam("now_us"),
        _NUMBER_IS_FREE,
    )
    .order_by(*_IN_ORDER)
    .limit(sa.bindparam("limit"))
)
"""Who is dialled next. A number that is being called for another queue is passed over, and keeps its place."""
READY: Final = (
    _SELECT.where(callbacks.c.queue == sa.bindparam("queue"), callbacks.c.state == _rejoined)
    .order_by(*_IN_ORDER)
    .limit(1)
)
DUE: Final = (
    _SELECT.where(
        callbacks.c.queue == sa.bindparam("queue"), _HAS_WAKE, callbacks.c.wake_at_us <= sa.bindparam("now_us")
    )
    .order_by(callbacks.c.wake_at_us)
    .limit(sa.bindparam("limit"))
)
OPEN_OF_NUMBER: Final = _SELECT.where(callbacks.c.number == sa.bindparam("number"), _OPEN).order_by(callbacks.c.id)
ENDED_OF_NUMBER: Final = _SELECT.where(callbacks.c.number == sa.bindparam("number"), _ENDED)
ENDED_BEFORE: Final = (
    _SELECT.where(
        callbacks.c.number.is_not(None),
        _ENDED,
        callbacks.c.dial_id.is_(None),
        callbacks.c.changed_at_us < sa.bindparam("before_us"),
    )
    .order_by(callbacks.c.id)
    .limit(sa.bindparam("limit"))
)
AHEAD: Final = (
    sa.select(sa.func.count())
    .select_from(callbacks)
    .where(
        callbacks.c.queue == sa.bindparam("queue"),
        callbacks.c.state.in_(IN_LINE),
        sa.tuple_(*_IN_ORDER) < sa.tuple_(*(sa.bindparam(name) for name in PLACE)),
    )
)
LINE_AHEAD: Final = (
    sa.select(*[callbacks.c[name] for name in ("id", *PLACE, "state", "opens_at_us")])
    .where(
        callbacks.c.queue == sa.bindparam("queue"),
        callbacks.c.state.in_(IN_LINE),
        sa.tuple_(*_IN_ORDER) < sa.tuple_(*(sa.bindparam(name) for name in PLACE)),
    )
    .order_by(*_IN_ORDER)
)
"""Sorted after it was found: the index has each state apart."""
IN_FLIGHT: Final = (
    sa.select(sa.func.count())
    .select_from(callbacks)
    .where(
        callbacks.c.queue == sa.bindparam("queue"),
        _HAS_DIAL,
        _OPEN,
        sa.text("state <> 'connected'"),
    )
)
STANDING: Final = (
    sa.select(callbacks.c.state, sa.func.count())
    .where(callbacks.c.queue == sa.bindparam("queue"), _OPEN)
    .group_by(callbacks.c.state)
)
PAGE: Final = (
    _SELECT.where(callbacks.c.id > sa.bindparam("after")).order_by(callbacks.c.id).limit(sa.bindparam("limit"))
)
PAGE_ROWS: Final = 500
_LOCKING: Final = {  # made once: a statement that is made anew is compiled anew
    statement: statement.with_for_update()
    for statement in (BY_ID, HEAD, READY, DUE, OPEN_OF_NUMBER, ENDED_OF_NUMBER, ENDED_BEFORE, PAGE)
}
_OF_REQUEST: Final = sa.select(requests.c.callback_id).where(requests.c.request_key == sa.bindparam("key"))
_SUPPRESSED: Final = sa.select(suppressed.c.number).where(suppressed.c.number == sa.bindparam("number"))
_QUEUES: Final = sa.select(queues.c.name).order_by(queues.c.name)
_LOG: Final = (
    sa.select(events.c.type, events.c.data, events.c.at_us)
    .where(events.c.callback_id == sa.bindparam("id"))
    .order_by(events.c.version)
)
_ATTEMPTS: Final = (
    sa.select(attempts)
    .where(attempts.c.callback_id == sa.bindparam("id"))
    .order_by(attempts.c.started_at_us, attempts.c.dial_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to the customer, as it was written down."""

    dial_id: str
    started_at: datetime
    reached_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome | None
    cause: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """A place in line, and when it may be dialled."""

    id: str
    key: tuple[int, datetime, int]
    state: State
    opens_at: datetime | None


class Reads(GreetingReads):
    """Reading within one transaction."""

    locks: ClassVar[bool] = False
    """Whether what is read is kept from changing until the transaction ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _rows(self, statement: sa.Select[Any], **values: Any) -> list[Callback]:
        chosen = _LOCKING[statement] if self.locks else statement
        return [callback_of(row) for row in self._connection.execute(chosen, values)]

    def get(self, callback_id: str) -> Callback:
        """Return a callback.

        Raises
        ------
        UnknownCallback
            If none has this id.
        """
        found = self._rows(BY_ID, id=callback_id)
        if not found:
            raise UnknownCallback(f"no callback has the id {callback_id!r}: another database, or a dial's id?")
        return found[0]

    def of_dial(self, dial_id: str) -> Callback:
        """Return the callback that a dial was made for."""
        callback_id = self._connection.execute(OF_DIAL, {"dial_id": dial_id}).scalar()
        if callback_id is None:
            raise UnknownCallback(f"no dial has the id {dial_id!r}: a call that this queue did not place?")
        return self.get(callback_id)

    def head(self, queue: str, now: datetime, limit: int) -> list[Callback]:
        """Return who may be dialled now, from the head of the line."""
        return self._rows(HEAD, queue=queue, now_us=to_us(now), limit=limit)

    def ready(self, queue: str) -> Callback | None:
        """Return the first in line of those who are on the phone and wait for an agent."""
        found = self._rows(READY, queue=queue)
        return found[0] if found else None

    def due(self, queue: str, now: datetime, limit: int) -> list[Callback]:
        """Return whose timer or lease ran out."""
        return self._rows(DUE, queue=queue, now_us=to_us(now), limit=limit)

    def open_of(self, number: str) -> list[Callback]:
        """Return the open callbacks of a number, in whatever queue."""
        return self._rows(OPEN_OF_NUMBER, number=number)

    def ended_of(self, number: str) -> list[Callback]:
        """Return the callbacks of a number that ended and were not erased."""
        return self._rows(ENDED_OF_NUMBER, number=number)

    def ended_before(self, before: datetime, limit: int) -> list[Callback]:
        """Return callbacks that ended before a time and were not erased."""
        return self._rows(ENDED_BEFORE, before_us=to_us(before), limit=limit)

    def of_request(self, key: str) -> Callback | None:
        """Return the callback that was booked with an idempotency key."""
        callback_id = self._connection.execute(_OF_REQUEST, {"key": key}).scalar()
        return None if callback_id is None else self.get(callback_id)

    def ahead(self, booking: Booking) -> int:
        """Return how many callbacks of the queue stand before a place and have no agent yet."""
        return int(self._connection.execute(AHEAD, _place(booking)).scalar() or 0)

    def line_ahead(self, booking: Booking) -> list[InLine]:
        """Return the callbacks before a place that have no agent yet, from the head of the line."""
        rows = self._connection.execute(LINE_AHEAD, _place(booking))
        return [
            InLine(
                id=id_,
                key=(priority, from_us(joined), seq),
                state=State(state),
                opens_at=at_or_none(opens),
            )
            for id_, priority, joined, seq, state, opens in rows
        ]

    def in_flight(self, queue: str) -> int:
        """Return how many calls of the queue may end in a customer who needs an agent."""
        return int(self._connection.execute(IN_FLIGHT, {"queue": queue}).scalar() or 0)

    def standing(self, queue: str) -> dict[State, int]:
        """Return how many open callbacks of a queue are in each state; none is not mentioned."""
        rows = self._connection.execute(STANDING, {"queue": queue})
        return {State(state): int(count) for state, count in rows}

    def queues(self) -> list[str]:
        """Return the names of all queues that ever had a callback."""
        return list(self._connection.execute(_QUEUES).scalars())

    def is_suppressed(self, number: str) -> bool:
        """Whether a number must never be called again."""
        return self._connection.execute(_SUPPRESSED, {"number": number}).scalar() is not None

    def log(self, callback_id: str) -> list[tuple[Event, datetime]]:
        """Return the events of a callback and when each happened, from the first on."""
        rows = self._connection.execute(_LOG, {"id": callback_id})
        return [(decode(name, data), from_us(at)) for name, data, at in rows]

    def attempts(self, callback_id: str) -> list[Attempt]:
        """Return the calls that were placed for a callback, from the first on."""
        return [
            Attempt(
                dial_id=row["dial_id"],
                started_at=from_us(row["started_at_us"]),
                reached_at=at_or_none(row["reached_at_us"]),
                ended_at=at_or_none(row["ended_at_us"]),
                outcome=row["outcome"] and Outcome(row["outcome"]),
                cause=row["cause"],
                evidence=row["evidence"],
            )
            for row in self._connection.execute(_ATTEMPTS, {"id": callback_id}).mappings()
        ]

    def all(self) -> Iterator[Callback]:
        """Yield every callback, some hundred at a time."""
        after = ""
        while page := self._rows(PAGE, after=after, limit=PAGE_ROWS):
            yield from page
            after = page[-1].id

    def outbox_size(self) -> int:
        """Return how many commands are still to be done."""
        query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.done_at_us.is_(None))
        return int(self._connection.execute(query).scalar() or 0)


def _place(booking: Booking) -> dict[str, Any]:
    place = {"priority": booking.priority, "enqueued_at_us": to_us(booking.enqueued_at), "seq": booking.seq}
    return {"queue": booking.queue, **place}

"""What a page and a meter ask of all callbacks of a queue: a part of the line, and counts.

A line of thousands costs no more than the part that is looked at: each state has its stretch of the index, in
order, and of each no more rows are read than are shown. What has ended is looked at from midnight on, never whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.diagrams import open_check
from callback.log import from_us, to_us
from callback.states import TERMINAL, Callback, Outcome, Reason, State
from callback.store.reads import IN_LINE
from callback.store.tables import COLUMNS, PLACE, attempts, callback_of, callbacks, outbox

_QUEUE: Final = callbacks.c.queue == sa.bindparam("queue")
_IN_ORDER: Final = [callbacks.c[name] for name in PLACE]
_AFTER: Final = sa.tuple_(*_IN_ORDER) > sa.tuple_(*(sa.bindparam(name) for name in PLACE))
_OPEN_STATES: Final = sorted(state.value for state in State if state not in TERMINAL)
_ENDED: Final = sa.text(f"NOT ({open_check()})")
_HEAD_KEY: Final = {"priority": -1, "enqueued_at_us": 0, "seq": 0}


def _stretch(state: str) -> sa.Select[Any]:
    """Return the first places of a state after some place, as a part of the line."""
    rows = (
        sa.select(*COLUMNS)
        .where(_QUEUE, callbacks.c.state == sa.literal(state), _AFTER)
        .order_by(*_IN_ORDER)
        .limit(sa.bindparam("limit"))
        .subquery()
    )
    return sa.select(*rows.c)


_stretches: Final = sa.union_all(*map(_stretch, IN_LINE)).subquery()
PART: Final = (
    sa.select(*_stretches.c).order_by(*[_stretches.c[name] for name in PLACE]).limit(sa.bindparam("limit"))
)
"""The places in line after one. Sorted after it was found, and then it is at most eight times what is shown."""
COUNTS: Final = (
    sa.select(callbacks.c.state, sa.func.count(), sa.func.min(callbacks.c.enqueued_at_us))
    .where(_QUEUE, callbacks.c.state.in_(_OPEN_STATES))
    .group_by(callbacks.c.state)
)
_HAS_PERSON: Final = callbacks.c.number.is_not(None)  # erasing changes a callback that ended long ago
ENDS: Final = (
    sa.select(callbacks.c.reason, sa.func.count())
    .where(_QUEUE, _ENDED, callbacks.c.changed_at_us >= sa.bindparam("since_us"), _HAS_PERSON)
    .group_by(callbacks.c.reason)
)
LAST_ENDED: Final = (
    sa.select(*COLUMNS)
    .where(_QUEUE, _ENDED, callbacks.c.changed_at_us >= sa.bindparam("since_us"), _HAS_PERSON)
    .order_by(callbacks.c.changed_at_us.desc())
    .limit(sa.bindparam("limit"))
)
CALLS_OF: Final = (
    sa.select(*[attempts.c[name] for name in ("callback_id", "started_at_us", "outcome", "cause")])
    .where(attempts.c.callback_id.in_(sa.bindparam("ids", expanding=True)), attempts.c.ended_at_us.is_not(None))
    .order_by(attempts.c.started_at_us)
)
BACKLOG: Final = (
    sa.select(sa.func.count())
    .select_from(outbox)
    .where(sa.text("done_at_us IS NULL"), outbox.c.type == sa.bindparam("kind"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many callbacks of a queue stand in a state, and when the first of them joined the line."""

    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCall:
    """What the last call to a customer came to; ``cause`` in the words of who decided."""

    outcome: Outcome | None
    cause: str | None


class Overview:
    """Reading many callbacks at once."""

    _connection: Connection

    def part(self, queue: str, *, after: tuple[int, datetime, int] | None, limit: int) -> list[Callback]:
        """Return the callbacks in line after a place (`callback.states.Booking.key`), from the head when None."""
        key = dict(_HEAD_KEY)
        if after is not None:
            key = {"priority": after[0], "enqueued_at_us": to_us(after[1]), "seq": after[2]}
        rows = self._connection.execute(PART, {"queue": queue, "limit": limit, **key})
        return [callback_of(row) for row in rows]

    def by_state(self, queue: str) -> dict[State, Standing]:
        """Return how many open callbacks of a queue stand in each state that has any."""
        rows = self._connection.execute(COUNTS, {"queue": queue})
        return {State(state): Standing(count=count, oldest_at=from_us(oldest)) for state, count, oldest in rows}

    def ends(self, queue: str, since: datetime) -> dict[Reason, int]:
        """Return how many callbacks of a queue have ended since a time, by reason; not those that were erased."""
        rows = self._connection.execute(ENDS, {"queue": queue, "since_us": to_us(since)})
        return {Reason(reason): count for reason, count in rows}

    def last_ended(self, queue: str, since: datetime, limit: int) -> list[Callback]:
        """Return those that ended last, the latest first; not those that were erased."""
        values = {"queue": queue, "since_us": to_us(since), "limit": limit}
        return [callback_of(row) for row in self._connection.execute(LAST_ENDED, values)]

    def last_calls(self, ids: Sequence[str]) -> Mapping[str, LastCall]:
        """Return what the last call of each callback that had any came to."""
        rows = self._connection.execute(CALLS_OF, {"ids": list(ids)}) if ids else ()
        return {
            callback_id: LastCall(outcome=outcome and Outcome(outcome), cause=cause)
            for callback_id, _, outcome, cause in rows
        }

    def backlog(self, kind: str) -> int:
        """Return how many commands of a type are still to be done."""
        return int(self._connection.execute(BACKLOG, {"kind": kind}).scalar() or 0)

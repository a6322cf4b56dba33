"""What can be written: a transition with all that belongs to it, what came in, what is to go out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import sqlalchemy as sa

from callback.commands import Command, HangUp, LookUp
from callback.diagrams import START
from callback.errors import StaleVersion
from callback.events import Erased, Event
from callback.log import encode, to_us
from callback.states import Callback, State
from callback.store.greetings import FORGET, GreetingWrites
from callback.store.outbox import Outbox
from callback.store.reads import Reads
from callback.store.tables import (
    MOVING,
    attempts,
    callbacks,
    events,
    fixed,
    inbox,
    moving,
    outbox,
    queues,
    requests,
    suppressed,
)

_UPDATE: Final = (
    sa.update(callbacks)
    .where(callbacks.c.id == sa.bindparam("which"), callbacks.c.version == sa.bindparam("read_version"))
    .values({name: sa.bindparam(name) for name in MOVING})
)
_REACHED: Final = (
    sa.update(attempts)
    .where(attempts.c.dial_id == sa.bindparam("which"))
    .values(reached_at_us=sa.bindparam("reached"))
)
_ENDED: Final = (
    sa.update(attempts)
    .where(attempts.c.dial_id == sa.bindparam("which"))
    .values(ended_at_us=sa.bindparam("ended"), outcome=sa.bindparam("result"))
)
_NOTED: Final = (
    sa.update(attempts)
    .where(attempts.c.dial_id == sa.bindparam("which"))
    .values(cause=sa.bindparam("why"), evidence=sa.bindparam("how"))
)
_AGAIN: Final = (
    sa.update(inbox)
    .where(inbox.c.source_id == sa.bindparam("which"))
    .values(times=inbox.c.times + 1, received_at_us=sa.bindparam("received"))
)
_ADD_CALLBACK: Final = sa.insert(callbacks)
_ADD_EVENT: Final = sa.insert(events)
_ADD_ATTEMPT: Final = sa.insert(attempts)
_ADD_REQUEST: Final = sa.insert(requests)
_ADD_REPORT: Final = sa.insert(inbox)
_ADD_COMMAND: Final = sa.insert(outbox)
_ADD_SUPPRESSED: Final = sa.insert(suppressed)
_ONCE: Final = frozenset({HangUp.type, LookUp.type})
_SUPERSEDED: Final = (
    sa.update(outbox)
    .where(
        outbox.c.callback_id == sa.bindparam("which"),
        outbox.c.type == sa.bindparam("kind"),
        outbox.c.dial_id == sa.bindparam("dial"),
        sa.text("done_at_us IS NULL"),
    )
    .values(done_at_us=sa.bindparam("done"))
)
"""A call is to be looked up once, however often its lease was lost while nobody could: else the outbox would grow
for as long as a telephone system is away."""
_FORGOTTEN: Final = (
    sa.update(attempts).where(attempts.c.callback_id == sa.bindparam("which")).values(number=None),
    sa.delete(requests).where(requests.c.callback_id == sa.bindparam("which")),
    FORGET,
)
_LOCK: Final = sa.select(queues.c.last_seq).where(queues.c.name == sa.bindparam("queue")).with_for_update()
_NEXT_SEQ: Final = sa.text(
    "INSERT INTO queues (name, last_seq) VALUES (:queue, 1) "
    "ON CONFLICT (name) DO UPDATE SET last_seq = queues.last_seq + 1 RETURNING last_seq"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Why an attempt came out as it did: a cause, and evidence as JSON without audio, transcript or number."""

    cause: str
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One transition, to be written as one."""

    before: Callback
    event: Event
    after: Callback
    commands: tuple[Command, ...]
    note: Note | None = None


class Writes(GreetingWrites, Reads, Outbox):
    """Writing within one transaction; what it reads stays as it is until the transaction ends."""

    locks: ClassVar[bool] = True

    def lock(self, queue: str) -> None:
        """Wait until nobody else claims in this queue, and keep them waiting until the transaction ends."""
        if self._connection.dialect.name != "sqlite":  # there, BEGIN IMMEDIATE has done so
            self._connection.execute(_LOCK, {"queue": queue})

    def next_seq(self, queue: str) -> int:
        """Give out the next place of a queue; also locks it."""
        return int(self._connection.execute(_NEXT_SEQ, {"queue": queue}).scalar_one())

    def add(self, callback: Callback, event: Event, *, request_key: str | None = None) -> None:
        """Write a new callback and its first event."""
        row = {**fixed(callback.booking), **moving(callback)}
        self._connection.execute(_ADD_CALLBACK, row)
        self._log([(START, event, callback)])
        if request_key is not None:
            row = {"request_key": request_key, "callback_id": callback.id}
            self._connection.execute(_ADD_REQUEST, row)

    def save(self, changes: Sequence[Change]) -> None:
        """Write transitions of different callbacks.

        Raises
        ------
        StaleVersion
            If one of the callbacks changed since it was read; the transaction must not be committed then.
        """
        rows = [
            {"which": change.after.id, "read_version": change.before.version, **moving(change.after)}
            for change in changes
        ]
        if not rows:
            return
        written = self._connection.execute(_UPDATE, rows).rowcount
        if written != len(rows):
            raise StaleVersion(f"{len(rows) - written} of {len(rows)} callbacks changed since they were read")
        self._log([(change.before.state.value, change.event, change.after) for change in changes])
        self._attempts(changes)
        self._commands(changes)
        erased = [{"which": change.after.id} for change in changes if isinstance(change.event, Erased)]
        for statement in _FORGOTTEN if erased else ():
            self._connection.execute(statement, erased)

    def _log(self, entries: Iterable[tuple[str, Event, Callback]]) -> None:
        rows = [
            {
                "callback_id": after.id,
                "version": after.version,
                "at_us": to_us(after.changed_at),
                "from_state": state,
                "type": event.type,
                "to_state": after.state.value,
                "data": encode(event),
            }
            for state, event, after in entries
        ]
        self._connection.execute(_ADD_EVENT, rows)

    def _attempts(self, changes: Iterable[Change]) -> None:
        begun: list[dict[str, Any]] = []
        reached: list[dict[str, Any]] = []
        ended: list[dict[str, Any]] = []
        noted: list[dict[str, Any]] = []
        for change in changes:
            before, after = change.before.dial, change.after.dial
            if after is not None and before is None:
                begun.append(_begun(change))
            elif before is not None and after is None:
                counted = change.after.tally is not change.before.tally
                outcome = change.after.tally.last_outcome if counted else None
                result = None if outcome is None else outcome.value
                ended.append({"which": before.id, "ended": to_us(change.after.changed_at), "result": result})
            elif before is not None and after is not None and after.reached_at is not before.reached_at:
                reached.append({"which": after.id, "reached": to_us(change.after.changed_at)})
            if change.note is not None and before is not None:
                noted.append({"which": before.id, "why": change.note.cause, "how": change.note.evidence})
        for statement, rows in (
            (_ADD_ATTEMPT, begun),
            (_REACHED, reached),
            (_ENDED, ended),
            (_NOTED, noted),
        ):
            if rows:
                self._connection.execute(statement, rows)

    def _commands(self, changes: Iterable[Change]) -> None:
        rows = [
            {
                "callback_id": change.after.id,
                "version": change.after.version,
                "place": place,
                "type": command.type,
                "dial_id": command.dial_id,
                "due_at_us": to_us(change.after.changed_at),
                "tries": 0,
                "done_at_us": None,
            }
            for change in changes
            for place, command in enumerate(change.commands)
            if command.durable
        ]
        again = [
            {"which": row["callback_id"], "kind": row["type"], "dial": row["dial_id"], "done": row["due_at_us"]}
            for row in rows
            if row["type"] in _ONCE
        ]
        if again:
            self._connection.execute(_SUPERSEDED, again)
        if rows:
            self._connection.execute(_ADD_COMMAND, rows)

    def seen(self, source_id: str, now: datetime) -> bool:
        """Whether an event came before; if so, that it came again is written down."""
        values = {"which": source_id, "received": to_us(now)}
        return self._connection.execute(_AGAIN, values).rowcount > 0

    def received(
        self, source_id: str, *, callback_id: str, dial_id: str, kind: str, now: datetime, result: str
    ) -> None:
        """Write down an event that came in, and whether it changed anything."""
        row: dict[str, str | int] = {"source_id": source_id, "callback_id": callback_id}
        row |= {"dial_id": dial_id, "type": kind}
        row |= {"received_at_us": to_us(now), "result": result, "times": 1}
        self._connection.execute(_ADD_REPORT, row)

    def suppress(self, number: str, now: datetime) -> None:
        """Never call a number again."""
        if not self.is_suppressed(number):
            self._connection.execute(_ADD_SUPPRESSED, {"number": number, "since_us": to_us(now)})


def _begun(change: Change) -> dict[str, Any]:
    before, dial = change.before, change.after.dial
    if dial is None or before.window is None or before.person is None or before.state is not State.WAITING:
        raise StaleVersion(f"callback {before.id!r} was not waiting when it was dialled")
    return {
        "dial_id": dial.id,
        "callback_id": before.id,
        "number": before.person.number,
        "opens_at_us": to_us(before.window.opens_at),
        "closes_at_us": to_us(before.window.closes_at),
        "started_at_us": to_us(dial.started_at),
        "reached_at_us": None,
        "ended_at_us": None,
        "outcome": None,
        "cause": None,
        "evidence": None,
    }

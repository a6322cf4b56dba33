"""The outbox: commands that are done at least once, each kind by whoever takes that kind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.commands import COMMANDS, Command
from callback.log import to_us
from callback.store.tables import callbacks, outbox

_KEY: Final = (
    outbox.c.callback_id == sa.bindparam("which"),
    outbox.c.version == sa.bindparam("at_version"),
    outbox.c.place == sa.bindparam("at_place"),
)
_earlier: Final = outbox.alias("earlier")
_NONE_BEFORE: Final = ~sa.exists(
    sa.select(sa.literal_column("1"))
    .select_from(_earlier)
    .where(
        _earlier.c.callback_id == outbox.c.callback_id,
        _earlier.c.type == outbox.c.type,
        _earlier.c.done_at_us.is_(None),
        sa.tuple_(_earlier.c.version, _earlier.c.place) < sa.tuple_(outbox.c.version, outbox.c.place),
    )
)
TAKE: Final = (
    sa.select(outbox)
    .where(
        sa.text("outbox.done_at_us IS NULL"),
        outbox.c.type == sa.bindparam("kind"),
        outbox.c.due_at_us <= sa.bindparam("now_us"),
    )
    .order_by(outbox.c.due_at_us)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True, of=outbox)
)
"""Of one kind, in whatever order: this is no line."""
TAKE_IN_ORDER: Final = TAKE.where(_NONE_BEFORE)
"""Those of one callback one after another: the next when the one before it is done."""
_OF_QUEUES: Final = outbox.c.callback_id.in_(
    sa.select(callbacks.c.id).where(callbacks.c.queue.in_(sa.bindparam("queues", expanding=True)))
)
_STATEMENTS: Final = {  # by whether in order, and whether of some queues only; made once
    (False, False): TAKE,
    (False, True): TAKE.where(_OF_QUEUES),
    (True, False): TAKE_IN_ORDER,
    (True, True): TAKE_IN_ORDER.where(_OF_QUEUES),
}
_TAKEN: Final = sa.update(outbox).where(*_KEY).values(due_at_us=sa.bindparam("again"), tries=outbox.c.tries + 1)
_LATER: Final = sa.update(outbox).where(*_KEY).values(due_at_us=sa.bindparam("again"))
_DONE: Final = sa.update(outbox).where(*_KEY).values(done_at_us=sa.bindparam("done"))
DURABLE: Final = tuple(name for name, kind in COMMANDS.items() if kind.durable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A command of the outbox; ``key`` says which when it is done."""

    key: tuple[str, int, int]
    command: Command
    tries: int


class Outbox:
    """What a transaction does with the outbox; adding to it is part of saving a transition."""

    _connection: Connection

    def take(
        self,
        now: datetime,
        *,
        limit: int,
        again_after: timedelta,
        types: Collection[str] = DURABLE,
        queues: Collection[str] | None = None,
    ) -> list[Errand]:
        """Take commands to do, of some queues; those not `done` come again later, to whoever asks then."""
        rows: list[Any] = []
        for kind in types:
            values: dict[str, Any] = {"now_us": to_us(now), "limit": limit - len(rows), "kind": kind}
            if queues is not None:
                values["queues"] = list(queues)
            statement = _STATEMENTS[COMMANDS[kind].in_order, queues is not None]
            if limit > len(rows):
                rows += self._connection.execute(statement, values).mappings().all()
        again = {"again": to_us(now + again_after)}
        if rows:
            self._connection.execute(_TAKEN, [{**_key(row), **again} for row in rows])
        return [
            Errand(
                key=(row["callback_id"], row["version"], row["place"]),
                command=COMMANDS[row["type"]](callback_id=row["callback_id"], dial_id=row["dial_id"]),
                tries=row["tries"] + 1,
            )
            for row in sorted(rows, key=lambda row: row["due_at_us"])
        ]

    def later(self, errand: Errand, at: datetime) -> None:
        """Let a command that was taken come again at a time of its own."""
        self._connection.execute(_LATER, {**_values(errand), "again": to_us(at)})

    def done(self, errand: Errand, now: datetime) -> None:
        """Write down that a command was done."""
        self._connection.execute(_DONE, {**_values(errand), "done": to_us(now)})


def _key(row: Any) -> dict[str, Any]:
    return {"which": row["callback_id"], "at_version": row["version"], "at_place": row["place"]}


def _values(errand: Errand) -> dict[str, Any]:
    callback_id, version, place = errand.key
    return {"which": callback_id, "at_version": version, "at_place": place}

"""One transition as one transaction, done again when another transaction was faster."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from callback import events as ev
from callback.commands import Command
from callback.decisions import on_wake
from callback.errors import StaleVersion, StoreBusy
from callback.planning import Rules
from callback.retries import Attempt
from callback.states import Callback, Outcome, Person
from callback.store import Change, Note, Reads, Store, Transaction
from callback.transitions import step

T = TypeVar("T")
logger: Final = logging.getLogger("callback")

TRIES: Final = 8
"""A transaction that lost a race is done again so often: each time another one has got its work done."""
NOBODY: Final = Person(number="")


class Result(StrEnum):
    """What became of a report."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # it came before
    LATE = "late"  # the callback has moved on


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A callback as it stands after a call, and what is to be done at once by whoever called."""

    callback: Callback
    commands: tuple[Command, ...] = ()
    result: Result = Result.APPLIED


class Transacting:
    """What all parts of the service stand on.

    Parameters
    ----------
    store : Store
        Migrated to the version of this program.
    rules : Rules or None
        The defaults, if None.
    new_id : callable
        Makes the id of a booking; 64 random bits by default.

    Raises
    ------
    SchemaError
        If the store has another version.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules | None = None,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        store.check()
        self.store = store
        self.rules = rules or Rules()
        self._new_id = new_id

    def _transact(self, work: Callable[[Transaction], T]) -> T:
        """Do some work as one transaction, as often as it takes to win a race.

        Raises
        ------
        StaleVersion, StoreBusy
            It lost `TRIES` times in a row.
        """
        for _ in range(TRIES - 1):
            try:
                with self.store.transaction() as transaction:
                    return work(transaction)
            except (StaleVersion, StoreBusy) as error:
                logger.info("a transaction is done again: %s", error)
        with self.store.transaction() as transaction:
            return work(transaction)

    def _apply(self, callback_id: str, event: ev.Event, now: datetime) -> Done:
        """Apply an event to a callback, whatever it stands at."""
        return self._transact(lambda transaction: save(transaction, transaction.get(callback_id), event, now))


def save(
    transaction: Transaction, callback: Callback, event: ev.Event, now: datetime, note: Note | None = None
) -> Done:
    """Step and write."""
    after, commands = step(callback, event, now)
    transaction.save([Change(before=callback, event=event, after=after, commands=commands, note=note)])
    return Done(callback=after, commands=tuple(command for command in commands if not command.durable))


def woken(rules: Rules, transaction: Transaction, found: list[Callback], now: datetime) -> None:
    """Apply to callbacks whose timer or lease ran out what that means."""
    changes = []
    for callback in found:
        event = on_wake(rules, callback, past(transaction, callback), max(now, callback.changed_at))
        after, commands = step(callback, event, now)
        changes.append(Change(before=callback, event=event, after=after, commands=commands))
    transaction.save(changes)


def past(reads: Reads, callback: Callback) -> list[Attempt]:
    """Return the attempts of a callback that have ended, as the schedule wants them."""
    if not callback.tally.attempts and not callback.tally.failures:
        return []
    return [
        Attempt(
            started_at=one.started_at,
            ended_at=one.ended_at,
            outcome=one.outcome,
            dropped=one.outcome is Outcome.HUMAN,
        )
        for one in reads.attempts(callback.id)
        if one.ended_at is not None and one.outcome is not None
    ]

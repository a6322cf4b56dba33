"""The callback queue of a contact centre, whole.

Every method takes the time: nothing here reads a clock. Nothing here places a call either: what is to be done is
returned (`Done.commands`), or waits in the outbox. Each method is one transaction, unless it says otherwise.
"""

from __future__ import annotations

from datetime import datetime

from callback import events as ev
from callback.bookings import Bookings
from callback.errors import IllegalTransition
from callback.numbers import mask
from callback.transacting import save
from callback.work import WAKE_ROWS, Work

__all__ = ["CallbackService"]


class CallbackService(Bookings, Work):
    """Callbacks: booked, kept in line, dialled, screened, offered, connected; and forgotten when it is time.

    Examples
    --------
    One callback from booking to connection is in docs/callback.md, which the tests run.
    """

    def erase(self, number: str, *, now: datetime) -> int:
        """Erase number and name from the callbacks of a number that have ended; return how many.

        What happened stays, and can be replayed: the log holds nothing personal. A number that must never be
        called again is kept in that list.

        Raises
        ------
        IllegalTransition
            One of its callbacks has not ended, or its call is not over: cancel it first.
        """
        e164 = self._number(number).e164
        with self.store.reading() as reads:
            still = reads.open_of(e164)
            found = reads.ended_of(e164)
        if still:
            raise IllegalTransition(
                f"number {mask(e164)} has the open callback {still[0].id!r}: cancel it before it is erased"
            )
        for callback in found:
            self._apply(callback.id, ev.Erased(), now)
        return len(found)

    def erase_ended(self, *, before: datetime, now: datetime) -> int:
        """Erase number and name from all callbacks that ended before a time; return how many."""
        total = 0
        while True:
            with self.store.transaction() as transaction:
                found = transaction.ended_before(before, WAKE_ROWS)
                for callback in found:
                    save(transaction, callback, ev.Erased(), now)
            total += len(found)
            if len(found) < WAKE_ROWS:
                return total

"""What workers ask of the queue: whom to dial, whom to offer, and what to make of what they heard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from callback import events as ev
from callback.decisions import lease, on_report
from callback.errors import StaleFence
from callback.ordering import Place
from callback.reports import Report
from callback.states import Callback, Outcome
from callback.store import DURABLE, Change, Errand, Note, Transaction
from callback.transacting import Done, Result, Transacting, logger, past, save, woken
from callback.transitions import step

WAKE_ROWS: Final = 500
"""Timers that one transaction looks at: it is over in well under a second."""
FINGERPRINT_MAX: Final = 65_536
"""Bytes of one greeting: twelve seconds have some 20,000."""
ERRAND_AGAIN_S: Final = 30.0
"""A command that was taken and not done goes to another worker after this."""


class Work(Transacting):
    """The workers' side of the service."""

    def claim_due(
        self, now: datetime, *, queue: str, limit: int = 1, in_flight_max: int | None = None
    ) -> list[Done]:
        """Take the next callbacks of a queue to dial, from the head of the line.

        Their dials are written down when this returns: place each call once, by its ``originate`` command, or not
        at all. Whoever holds the lease (``callback.fence``) renews it while at work.

        Parameters
        ----------
        now : datetime
        queue : str
        limit : int
            At most so many.
        in_flight_max : int or None
            At most so many calls on at once in this queue, those of other workers counted
            (`callback.pacing.dials_allowed`); None paces nothing.
        """
        work = partial(self._claim, now=now, queue=queue, limit=limit, in_flight_max=in_flight_max)
        while (claimed := self._transact(work)) is None:
            pass
        return claimed

    def _claim(
        self, transaction: Transaction, *, now: datetime, queue: str, limit: int, in_flight_max: int | None
    ) -> list[Done] | None:
        """Claim, once every timer of the queue was looked at; None when that takes more transactions."""
        transaction.lock(queue)
        due = transaction.due(queue, now, WAKE_ROWS)
        woken(self.rules, transaction, due, now)
        if len(due) == WAKE_ROWS:
            return None
        room = limit if in_flight_max is None else min(limit, in_flight_max - transaction.in_flight(queue))
        changes = [self._claimed(one, now) for one in transaction.head(queue, now, room)] if room > 0 else []
        transaction.save(changes)
        return [Done(callback=change.after, commands=change.commands) for change in changes]

    def _claimed(self, callback: Callback, now: datetime) -> Change:
        dial_id = f"{callback.id}-{callback.fence + 1}"
        event = ev.Claimed(dial_id=dial_id, wake_at=lease(self.rules, now))
        after, commands = step(callback, event, now)
        return Change(before=callback, event=event, after=after, commands=commands)

    def wake(self, now: datetime) -> int:
        """Look at every timer and lease that ran out, in all queues; return how many there were.

        A worker does this every second or so. `claim_due` does it for its queue.
        """
        with self.store.reading() as reads:
            names = reads.queues()
        woken_up = 0
        for queue in names:
            while count := self._wake(queue, now):
                woken_up += count
        return woken_up

    def _wake(self, queue: str, now: datetime) -> int:
        with self.store.reading() as reads:
            if not reads.due(queue, now, 1):
                return 0

        def write(transaction: Transaction) -> int:
            transaction.lock(queue)
            found = transaction.due(queue, now, WAKE_ROWS)
            woken(self.rules, transaction, found, now)
            return len(found)

        return self._transact(write)

    def report(self, report: Report, *, now: datetime) -> Done:
        """Take in what a dialer or screening says of a call: once, in whatever order reports come.

        Raises
        ------
        UnknownCallback
            No claim gave out this dial id.
        """

        def write(transaction: Transaction) -> Done:
            callback = transaction.of_dial(report.dial_id)
            if transaction.seen(report.source_id, now):
                logger.info("report %s came again", report.source_id)
                return Done(callback=callback, result=Result.DUPLICATE)
            then = max(now, callback.changed_at)
            event = on_report(self.rules, callback, past(transaction, callback), report, then)
            result = Result.APPLIED if event is not None else Result.LATE
            transaction.received(
                report.source_id,
                callback_id=callback.id,
                dial_id=report.dial_id,
                kind=report.type,
                now=now,
                result=result.value,
            )
            if event is None:
                logger.info("report %s of dial %s came too late", report.type, report.dial_id)
                return Done(callback=callback, result=Result.LATE)
            note = Note(cause=report.cause, evidence=report.evidence) if report.cause else None
            if isinstance(event, ev.NumberUnusable) and event.outcome is Outcome.SUPPRESSED and callback.person:
                transaction.suppress(callback.person.number, now)
            return save(transaction, callback, event, min(report.at, then), note)

        return self._transact(write)

    def offer_next(self, *, queue: str, agent: str, now: datetime, live_head: Place | None = None) -> Done | None:
        """Offer the first in line of those who wait on the phone to a free agent.

        Parameters
        ----------
        queue : str
        agent : str
            An id, not a name: it is kept in the log.
        now : datetime
        live_head : Place or None
            The place of the first live caller. If it is before the callbacks', the agent is theirs, and this
            returns None.
        """

        def write(transaction: Transaction) -> Done | None:
            transaction.lock(queue)
            first = transaction.ready(queue)
            if first is None or (live_head is not None and _key(live_head) < first.booking.key):
                return None
            return save(transaction, first, ev.Offered(agent=agent, wake_at=lease(self.rules, now)), now)

        return self._transact(write)

    def offer_missed(self, callback_id: str, *, fence: int, now: datetime) -> Done:
        """The agent did not take it: back to the front of the line."""
        return self._held(callback_id, fence, now, lambda until: ev.OfferMissed(wake_at=until))

    def connected(self, callback_id: str, *, fence: int, now: datetime) -> Done:
        """The agent took it: let them talk."""
        return self._held(callback_id, fence, now, lambda until: ev.Connected(wake_at=until))

    def renew(self, callback_id: str, *, fence: int, now: datetime) -> Done:
        """Say that the worker who holds this fence is still at it.

        Raises
        ------
        StaleFence
            It is not: others have taken over. Drop the call, and place none.
        """
        return self._held(callback_id, fence, now, lambda until: ev.LeaseRenewed(wake_at=until))

    def _held(self, callback_id: str, fence: int, now: datetime, event: Callable[[datetime], ev.Event]) -> Done:
        def write(transaction: Transaction) -> Done:
            callback = transaction.get(callback_id)
            if callback.fence != fence:
                logger.info("fence %d of callback %s is stale", fence, callback_id)
                raise StaleFence(
                    f"fence={fence} of callback {callback_id!r} is stale, it is at {callback.fence}: the lease "
                    "ran out and others have taken over"
                )
            return save(transaction, callback, event(lease(self.rules, now)), now)

        return self._transact(write)

    def greetings(self, callback_id: str) -> list[bytes]:
        """Return the fingerprints of the greetings that machines played at the number of a callback."""
        with self.store.reading() as reads:
            person = reads.get(callback_id).person
            return [] if person is None else reads.greetings_of(person.number)

    def keep_greeting(self, dial_id: str, fingerprint: bytes, *, now: datetime) -> bool:
        """Keep the fingerprint of the greeting that a call met; say whether it was kept: once a call.

        Parameters
        ----------
        dial_id : str
        fingerprint : bytes, at most `FINGERPRINT_MAX`
            Hashes; never audio. It is erased with the callback.
        now : datetime
        """
        if not 0 < len(fingerprint) <= FINGERPRINT_MAX:
            raise ValueError(f"fingerprint of {len(fingerprint)} bytes, need 1 to {FINGERPRINT_MAX}: audio?")
        return self._transact(
            lambda transaction: transaction.keep_greeting(transaction.of_dial(dial_id), dial_id, fingerprint, now)
        )

    def errands(
        self,
        now: datetime,
        *,
        limit: int = 100,
        types: Collection[str] = DURABLE,
        queues: Collection[str] | None = None,
        again_s: float = ERRAND_AGAIN_S,
    ) -> list[Errand]:
        """Take commands of the outbox to do. One that is not `done` comes again, so each is done at least once.

        What is to be told of one callback comes in its order: the next when the one before it is done.

        Parameters
        ----------
        now : datetime
        limit : int
        types : collection of str
            Only these: who hangs up need not be who sends notices.
        queues : collection of str or None
            Of these queues only: another queue's calls may be another telephone system's, which alone can tell of
            them. None takes all.
        again_s : float, s
            What was taken and not done by then goes to another worker.
        """
        again_after = timedelta(seconds=again_s)
        return self._transact(
            lambda transaction: transaction.take(
                now, limit=limit, again_after=again_after, types=types, queues=queues
            )
        )

    def later(self, errand: Errand, *, at: datetime) -> None:
        """Let a command that was taken, and could not be done, come again at this time."""
        self._transact(lambda transaction: transaction.later(errand, at))

    def done(self, errand: Errand, *, now: datetime) -> None:
        """Say that a command of the outbox was done."""
        self._transact(lambda transaction: transaction.done(errand, now))


def _key(place: Place) -> tuple[int, datetime, int]:
    return (place.priority, place.enqueued_at, place.seq)

"""What customers ask of the queue: a place, another time, none any more, and how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from callback import events as ev
from callback.errors import AlreadyBooked, BookingRefused, IllegalTransition
from callback.estimate import Service, Told, tell
from callback.hours import HoursError, in_utc
from callback.numbers import Number, NumberRefused, parse_number
from callback.ordering import Contact, Kind, Place, ahead
from callback.planning import next_window, times_of
from callback.retries import ScheduleError
from callback.schedule import reschedule, snooze
from callback.states import Booking, Callback, Person, Reason, State, Window
from callback.store import InLine, Reads, Transaction
from callback.transacting import Done, Transacting, logger, past, save, woken
from callback.transitions import TABLE, book, refusal


class Bookings(Transacting):
    """The customer's side of the service."""

    def book(
        self,
        number: str,
        *,
        queue: str,
        now: datetime,
        name: str = "",
        priority: int = 0,
        enqueued_at: datetime | None = None,
        deadline_at: datetime | None = None,
        zones: tuple[str, ...] = (),
        not_before: datetime | None = None,
        request_key: str | None = None,
    ) -> Callback:
        """Give a customer a place in line. When this returns, the place is on disk.

        Parameters
        ----------
        number : str
            As people write it.
        queue : str
        now : datetime
        name : str
            How to greet the customer.
        priority : int, 0 or more
            0 is served first.
        enqueued_at : datetime or None
            When the customer joined the line, if that was before now: the place counts from here.
        deadline_at : datetime or None
            The first instant that is too late for a call. Default ``rules.open_s`` after ``now``.
        zones : tuple of str
            Where the customer is, if known; else all zones in which the number may be.
        not_before : datetime or None
            The customer wants no call before this.
        request_key : str or None
            The same key again returns the callback that was booked with it, and books nothing.

        Raises
        ------
        BookingRefused
            The number cannot be called, or not before the deadline; the message says why.
        AlreadyBooked
            The number has an open callback in this queue, whose place it keeps.
        """
        parsed = self._number(number)
        person = Person(number=parsed.e164, name=name)
        try:
            now, joined = in_utc("now", now), in_utc("enqueued_at", enqueued_at or now)
            deadline = in_utc("deadline_at", deadline_at or now + timedelta(seconds=self.rules.open_s))
        except HoursError as error:
            raise BookingRefused(str(error)) from None
        if joined > now:
            raise BookingRefused(f"enqueued_at={joined} is after now={now}: nobody can have joined yet; swapped?")
        if priority < 0 or not queue:
            raise BookingRefused(f"priority={priority} must be 0 or more, and queue={queue!r} must have a name")

        def write(transaction: Transaction) -> Callback:
            if request_key is not None and (earlier := transaction.of_request(request_key)) is not None:
                return _same_request(earlier, person, queue)
            seq = transaction.next_seq(queue)
            _check_free(transaction, person.number, queue)
            booking = Booking(
                id=self._new_id(),
                queue=queue,
                priority=priority,
                enqueued_at=joined,
                seq=seq,
                deadline_at=deadline,
                zones=zones or parsed.zones,
                attempts_max=self.rules.retries.customer_attempts_max,
                failures_max=self.rules.failures_max,
            )
            event = ev.Booked(booking=booking, window=self._first_window(booking, now, not_before))
            callback = book(event, person, now)
            transaction.add(callback, event, request_key=request_key)
            if event.window.opens_at <= now:
                woken(self.rules, transaction, [callback], now)
                return transaction.get(callback.id)
            return callback

        return self._transact(write)

    def _number(self, text: str) -> Number:
        try:
            return parse_number(text, region=self.rules.region, allowed_regions=self.rules.allowed_regions)
        except NumberRefused as error:
            raise BookingRefused(str(error)) from None

    def _first_window(self, booking: Booking, now: datetime, not_before: datetime | None) -> Window:
        try:
            window = next_window(self.rules, booking, [], now, not_before=not_before)
        except (HoursError, ScheduleError) as error:
            raise BookingRefused(str(error)) from None
        if not isinstance(window, Window):
            raise BookingRefused(
                f"no call is allowed in {', '.join(booking.zones)} before the deadline {booking.deadline_at}: "
                "outside of calling hours? Give more time"
            )
        return window

    def cancel(self, callback_id: str, *, now: datetime, reason: Reason = Reason.BY_CUSTOMER) -> Done:
        """End a callback; a call that rings or is on is hung up, by way of the outbox.

        Raises
        ------
        IllegalTransition
            It has ended, or customer and agent are talking.
        """
        return self._apply(callback_id, ev.Cancelled(reason=reason), now)

    def reschedule(
        self, callback_id: str, *, now: datetime, wall: datetime | None = None, wait_s: float | None = None
    ) -> Done:
        """Call later: at a time on the customer's clock, or so many seconds from now. The place in line stays.

        Raises
        ------
        IllegalTransition
            It has ended, or a call is on: what the customer says on the phone comes with the end of the call
            (`callback.reports.CallEnded.not_before`).
        BookingRefused
            The time is past, or outside the hours, or too late; the message names the next that would do.
        """
        if (wall is None) == (wait_s is None):
            raise TypeError("reschedule needs one of wall and wait_s")

        def write(transaction: Transaction) -> Done:
            callback = transaction.get(callback_id)
            if ev.Rescheduled not in TABLE[callback.state]:
                raise IllegalTransition(refusal(callback.state, ev.Rescheduled))
            times, deadline = times_of(self.rules, callback.booking.zones), callback.booking.deadline_at
            then = max(now, callback.changed_at)
            try:
                at = (
                    reschedule(then, wall, times=times, deadline=deadline)
                    if wall is not None
                    else snooze(self.rules.retries, then, wait_s or 0.0, times=times, deadline=deadline)
                )
            except (ScheduleError, HoursError) as error:
                raise BookingRefused(str(error)) from None
            before = past(transaction, callback)
            window = next_window(self.rules, callback.booking, before, then, not_before=at)
            if not isinstance(window, Window):
                raise BookingRefused(f"no call is possible then ({window}): an earlier time?")
            return save(transaction, callback, ev.Rescheduled(window=window), now)

        return self._transact(write)

    def customer_called_in(self, number: str, *, now: datetime, queue: str | None = None) -> list[Callback]:
        """End the open callbacks of a customer who got through another way; return them.

        One whose customer is talking with an agent is left as it is.
        """
        e164 = self._number(number).e164
        with self.store.reading() as reads:
            found = [one.id for one in reads.open_of(e164) if queue in {None, one.booking.queue}]
        ended = []
        for callback_id in found:
            try:
                ended.append(self._apply(callback_id, ev.Superseded(), now).callback)
            except IllegalTransition as error:
                logger.info("callback %s stays though its customer called in: %s", callback_id, error)
        return ended

    def get(self, callback_id: str) -> Callback:
        """Return a callback as it stands."""
        with self.store.reading() as reads:
            return reads.get(callback_id)

    def position(self, callback_id: str) -> int:
        """Return the position in line among the callbacks of the queue: 1 is the head, 0 is out of the line."""
        with self.store.reading() as reads:
            callback = reads.get(callback_id)
            if callback.ended or callback.state is State.CONNECTED:
                return 0
            return 1 + reads.ahead(callback.booking)

    def estimate(
        self,
        callback_id: str,
        service: Service,
        *,
        now: datetime,
        live: Sequence[Contact] = (),
        told: Told | None = None,
    ) -> Told:
        """Return how long the customer will wait for an agent, as a range.

        Parameters
        ----------
        callback_id : str
        service : Service
            How fast the line moves.
        now : datetime
        live : sequence of Contact
            The live callers of the queue; they stand in the same line.
        told : Told or None
            What this customer was told last: it is not taken back merely because time passed.
        """
        with self.store.reading() as reads:
            booking = reads.get(callback_id).booking
            line = reads.line_ahead(booking)
        due = [_contact(one) for one in line if one.state is not State.DEFERRED]
        back_s = [
            max(0.0, (one.opens_at - now).total_seconds())
            for one in line
            if one.state is State.DEFERRED and one.opens_at is not None
        ]
        return tell(told, ahead([*live, *due], _place(*booking.key)), service, back_s=back_s)


def _place(priority: int, enqueued_at: datetime, seq: int) -> Place:
    return Place(priority=priority, enqueued_at=enqueued_at, seq=seq)


def _contact(one: InLine) -> Contact:
    holds = one.state in {State.REJOINED, State.OFFERED}
    return Contact(id=one.id, place=_place(*one.key), kind=Kind.CALLBACK, ready=holds)


def _same_request(earlier: Callback, person: Person, queue: str) -> Callback:
    if earlier.booking.queue != queue or earlier.person not in {None, person}:
        raise BookingRefused(
            f"this request_key has booked callback {earlier.id!r} for another number, name or queue: a key is for "
            "one booking only"
        )
    return earlier


def _check_free(reads: Reads, number: str, queue: str) -> None:
    if reads.is_suppressed(number):
        raise BookingRefused("the network of this number asked never to be called again (SIP 607 or 608)")
    for other in reads.open_of(number):
        if other.booking.queue == queue:
            raise AlreadyBooked(
                f"this number has the open callback {other.id!r} in queue {queue!r}, and keeps its place",
                callback_id=other.id,
            )

"""The queue at work, on SQLite and PostgreSQL alike: every test runs on both."""

import itertools
import logging
import math
import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from callback_calls import NOON, RULES, answered, at, book, claim, ended, number, person, rejoined, tell

from callback.commands import Bridge, HangUp, Hold, LookUp, Offer, Originate, Screen
from callback.errors import AlreadyBooked, BookingRefused, IllegalTransition, StaleFence, UnknownCallback
from callback.estimate import Service
from callback.ordering import Contact, Kind, Place
from callback.planning import RulesError
from callback.regulation import UK_OFCOM
from callback.reports import CallIsUp
from callback.retries import RetryPolicy
from callback.service import CallbackService
from callback.states import Outcome, Reason, State
from callback.store import Store
from callback.transacting import Result
from callback.transitions import replay


def replayed(service, callback_id):
    with service.store.reading() as reads:
        return replay(reads.log(callback_id), reads.get(callback_id).person)


def errands(service, second):
    return [errand.command for errand in service.errands(at(second))]


# ---- booking


def test_a_booking_is_on_disk_when_it_returns(service, database):
    booked = book(service, 1, name="the bakery")
    assert booked.state is State.WAITING
    other = Store(database)
    assert CallbackService(other, RULES).get(booked.id) == booked == replayed(service, booked.id)
    other.close()


def test_out_of_hours_a_place_is_taken_at_once_and_the_call_comes_in_the_morning(service):
    late_s = 10 * 3600  # 22:00 in New York
    booked = book(service, 1, second=late_s)
    assert booked.state is State.DEFERRED
    assert booked.booking.enqueued_at == at(late_s)
    assert booked.wake_at == datetime.fromisoformat("2026-01-06T08:00:00-05:00")
    assert claim(service, late_s + 60) == []
    (dialing,) = claim(service, 20 * 3600)
    assert dialing.id == booked.id


def test_the_window_closes_with_the_customers_day(service):
    booked = book(service, 1)
    assert booked.window.closes_at == datetime.fromisoformat("2026-01-05T21:00:00-05:00")
    evening_s = 9 * 3600 + 1
    assert claim(service, evening_s) == []
    again = service.get(booked.id)
    assert again.state is State.DEFERRED
    assert again.window.opens_at == datetime.fromisoformat("2026-01-06T08:00:00-05:00")
    assert again.booking == booked.booking


def test_a_second_booking_keeps_the_first_place(service):
    booked = book(service, 1)
    with pytest.raises(AlreadyBooked, match="keeps its place") as raised:
        book(service, 1, second=60)
    assert raised.value.callback_id == booked.id
    assert "2025550101" not in str(raised.value)
    assert book(service, 1, second=60, queue="service").booking.queue == "service"


def test_the_same_request_twice_books_once(service):
    first = book(service, 1, request_key="r-1")
    assert book(service, 1, second=5, request_key="r-1") == first
    with pytest.raises(BookingRefused, match=r"has booked callback .* for another number"):
        book(service, 2, second=6, request_key="r-1")
    assert book(service, 2, second=7, request_key="r-2").booking.seq == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("911", "emergency"),
        ("+1 900 555 0100", "premium|not_in_plan"),
        ("hello", "not_a_number"),
        ("+1 202 555 01", "wrong_length"),
    ],
)
def test_a_number_that_cannot_be_called_is_refused_with_the_reason_and_without_the_number(service, text, message):
    with pytest.raises(BookingRefused, match=message) as raised:
        service.book(text, queue="sales", now=NOON)
    assert text not in str(raised.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"enqueued_at": at(5)}, r"after now=.*swapped\?"),
        ({"priority": -1}, "priority=-1 must be 0 or more"),
        ({"queue": ""}, "must have a name"),
        ({"deadline_at": at(0)}, "no call is allowed in America/New_York before the deadline"),
        ({"enqueued_at": datetime(2026, 1, 5, 17)}, "no time zone"),
        ({"zones": ("Mars/Olympus",)}, "zone 'Mars/Olympus' is unknown"),
    ],
)
def test_a_booking_that_cannot_be_kept_is_refused(service, more, message):
    with pytest.raises(BookingRefused, match=message):
        service.book(number(1), **{"queue": "sales", "now": NOON, **more})


def test_rules_out_of_range_name_the_slip():
    with pytest.raises(
        RulesError, match=r"lease_s=60000.0 is not within 5.0 and 3600.0 s: minutes or milliseconds\?"
    ):
        replace(RULES, lease_s=60_000.0)


# ---- the line


def test_the_line_is_by_priority_then_time_of_joining_then_order_of_booking(service):
    late = book(service, 1)
    early = book(service, 2, enqueued_at=at(-300))
    urgent = book(service, 3, priority=0, enqueued_at=at(-1))
    slow = book(service, 4, priority=5, enqueued_at=at(-900))
    same = book(service, 5, enqueued_at=late.booking.enqueued_at)
    line = [early, urgent, late, same, slow]
    assert [service.position(one.id) for one in line] == [1, 2, 3, 4, 5]
    assert [one.id for one in claim(service, 1, limit=9)] == [one.id for one in line]


def test_a_retry_keeps_its_place_before_those_who_came_later(service):
    first = book(service, 1)
    later = [book(service, index, second=index) for index in (2, 3)]
    (dialing,) = claim(service, 10)
    retried = tell(service, ended(dialing.dial.id, 30, Outcome.BUSY)).callback
    assert retried.state is State.DEFERRED
    assert retried.booking == first.booking
    assert service.position(first.id) == 1
    (second,) = claim(service, 40)
    assert second.id == later[0].id
    (again,) = claim(service, 30 + 121)
    assert again.id == first.id
    assert service.position(later[1].id) == 3


def test_position_counts_those_ahead_and_is_zero_out_of_the_line(service):
    booked = [book(service, index) for index in range(3)]
    service.cancel(booked[0].id, now=at(1))
    assert [service.position(one.id) for one in booked] == [0, 1, 2]
    with pytest.raises(UnknownCallback, match="no callback has the id 'x'"):
        service.position("x")


def test_the_estimate_counts_live_callers_and_callbacks_ahead_and_is_not_taken_back(service):
    booked = [book(service, index) for index in range(4)]
    crew = Service(agents=2, handling_s=180.0, reach=1.0)
    place = Place(priority=0, enqueued_at=at(-60), seq=0)
    live = [Contact(id="live-1", place=place, kind=Kind.LIVE, ready=True)]
    alone = service.estimate(booked[0].id, crew, now=at(0))
    last = service.estimate(booked[3].id, crew, now=at(0))
    behind = service.estimate(booked[3].id, replace(crew, patience_s=math.inf), now=at(0), live=live)
    assert (alone.n_ahead, last.n_ahead, behind.n_ahead) == (0, 3, 4)
    assert alone.wait.p90_s < last.wait.p90_s < behind.wait.p90_s
    assert last.wait.mean_s == pytest.approx(4 * 90.0)
    again = service.estimate(booked[3].id, replace(crew, handling_s=190.0), now=at(9), told=last)
    assert again.wait == last.wait
    service.reschedule(booked[0].id, now=at(10), wait_s=3 * 3600.0)
    assert service.estimate(booked[3].id, crew, now=at(10)).wait.mean_s < 3.5 * 90.0


def test_claims_never_pass_what_may_be_in_flight(service):
    for index in range(6):
        book(service, index)
    assert len(claim(service, 1, limit=9, in_flight_max=2)) == 2
    assert claim(service, 2, limit=9, in_flight_max=2) == []
    (third, *_) = claim(service, 3, limit=9, in_flight_max=3)
    tell(service, ended(third.dial.id, 5))
    assert len(claim(service, 6, limit=9, in_flight_max=3)) == 1


def test_one_number_in_two_queues_is_dialled_once_at_a_time(service):
    book(service, 1, queue="sales")
    book(service, 1, queue="service")
    (dialing,) = claim(service, 1, queue="sales")
    other = book(service, 2, second=2, queue="service")
    assert [one.id for one in claim(service, 3, queue="service", limit=5)] == [other.id]
    tell(service, ended(dialing.dial.id, 20))
    assert len(claim(service, 21, queue="service", limit=5)) == 1


def test_ready_customers_are_offered_in_line_order_whoever_answered_first(service):
    first, second = (book(service, index) for index in (1, 2))
    dials = {one.id: one.dial.id for one in claim(service, 1, limit=2)}
    tell(service, person(dials[second.id], 5))
    tell(service, person(dials[first.id], 6))
    live_head = Place(priority=0, enqueued_at=at(-5), seq=0)
    assert service.offer_next(queue="sales", agent="a-1", now=at(7), live_head=live_head) is None
    offers = [service.offer_next(queue="sales", agent="a-1", now=at(8)) for _ in range(3)]
    assert [offer and offer.callback.id for offer in offers] == [first.id, second.id, None]
    assert [kind(callback_id=first.id, dial_id=dials[first.id]) for kind in (Offer,)] == list(offers[0].commands)


# ---- one call


def test_one_callback_from_booking_to_connection(service):
    booked = book(service, 1)
    (done,) = service.claim_due(at(2), queue="sales")
    dial_id = done.callback.dial.id
    ids = {"callback_id": booked.id, "dial_id": dial_id}
    assert done.commands == (Originate(**ids),)
    assert tell(service, answered(dial_id, 10)).commands == (Screen(**ids),)
    assert tell(service, person(dial_id, 12, cause="greeting_then_silence")).commands == (Hold(**ids),)
    offered = service.offer_next(queue="sales", agent="a-1", now=at(13)).callback
    missed = service.offer_missed(booked.id, fence=offered.fence, now=at(20))
    assert missed.callback.state is State.REJOINED
    service.offer_next(queue="sales", agent="a-2", now=at(21))
    assert service.connected(booked.id, fence=offered.fence, now=at(25)).commands == (Bridge(**ids),)
    over = tell(service, ended(dial_id, 200, Outcome.HUMAN, talked=True)).callback
    assert (over.state, over.reason, over.dial, over.wake_at) == (State.COMPLETED, Reason.CONNECTED, None, None)
    assert over == replayed(service, booked.id)
    with service.store.reading() as reads:
        (attempt,) = reads.attempts(booked.id)
    assert (attempt.outcome, attempt.cause) == (Outcome.HUMAN, "greeting_then_silence")
    assert (attempt.started_at, attempt.reached_at, attempt.ended_at) == (at(2), at(12), at(200))


def test_no_agent_is_offered_before_a_person_was_found(service):
    book(service, 1)
    (dialing,) = claim(service, 1)
    assert service.offer_next(queue="sales", agent="a-1", now=at(2)) is None
    tell(service, answered(dialing.dial.id, 3))
    assert service.offer_next(queue="sales", agent="a-1", now=at(4)) is None
    with pytest.raises(IllegalTransition, match="'connected' cannot happen in state 'detecting'"):
        service.connected(dialing.id, fence=dialing.fence, now=at(5))


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "gap_s"),
    [
        (Outcome.BUSY, State.DEFERRED, None, 120),
        (Outcome.NO_ANSWER, State.DEFERRED, None, 900),
        (Outcome.MACHINE, State.DEFERRED, None, 7200),
        (Outcome.NETWORK, State.DEFERRED, None, 30),
        (Outcome.HUMAN, State.DEFERRED, None, 300),
        (Outcome.REFUSED, State.DEFERRED, None, 3600),
        (Outcome.BAD_NUMBER, State.UNDELIVERABLE, Reason.BAD_NUMBER, None),
        (Outcome.SUPPRESSED, State.UNDELIVERABLE, Reason.SUPPRESSED, None),
    ],
)
def test_what_follows_an_outcome(service, outcome, state, reason, gap_s):
    book(service, 1)
    (dialing,) = claim(service, 0)
    over = tell(service, ended(dialing.dial.id, 20, outcome)).callback
    assert (over.state, over.reason, over.dial) == (state, reason, None)
    assert over == replayed(service, over.id)
    if gap_s is not None:
        assert over.window.opens_at == at(20 + gap_s)


def test_a_number_that_must_never_be_called_again_is_not_booked_again(service):
    book(service, 1)
    (dialing,) = claim(service, 0)
    tell(service, ended(dialing.dial.id, 20, Outcome.SUPPRESSED, cause="SIP 607"))
    service.erase(number(1), now=at(30))
    with pytest.raises(BookingRefused, match="never to be called again"):
        book(service, 1, second=40)


def attempts_until_the_end(service, outcomes):
    """Book, and fail with one outcome after the other whenever a dial is due; return the callback at its end."""
    callback, second = book(service, 1, deadline_at=at(30 * 86_400)), 0
    for outcome in outcomes:
        second = max(second, int((callback.wake_at - NOON).total_seconds())) if callback.window else second
        if callback.state is State.WAITING:
            second = int((callback.window.opens_at - NOON).total_seconds())
        (dialing,) = claim(service, second)
        callback = tell(service, ended(dialing.dial.id, second + 10, outcome)).callback
        second += 10
    return callback


def test_a_customers_attempts_are_spent_after_three(service):
    over = attempts_until_the_end(service, [Outcome.NO_ANSWER, Outcome.MACHINE, Outcome.BUSY])
    assert (over.state, over.reason, over.tally.attempts) == (State.EXHAUSTED, Reason.ATTEMPTS_SPENT, 3)


def test_a_carriers_failure_burns_no_customers_attempt_and_has_a_cap_of_its_own(service):
    few = CallbackService(service.store, replace(RULES, retries=RetryPolicy(network_failures_max=3)))
    over = attempts_until_the_end(few, [Outcome.NETWORK, Outcome.BUSY, *[Outcome.NETWORK] * 3])
    assert (over.tally.attempts, over.tally.failures) == (1, 4)
    assert (over.state, over.reason) == (State.EXHAUSTED, Reason.FAILURES_SPENT)


def test_who_declines_twice_is_left_alone(service):
    over = attempts_until_the_end(service, [Outcome.REFUSED, Outcome.REFUSED])
    assert (over.state, over.reason) == (State.EXHAUSTED, Reason.REFUSALS_SPENT)


def test_in_britain_a_day_passes_after_a_machine(service):
    british = CallbackService(service.store, replace(RULES, regulation=UK_OFCOM))
    booked = british.book("+44 20 7946 0101", queue="uk", now=NOON, deadline_at=at(3 * 86_400))
    (dialing,) = claim(british, 0, queue="uk")
    again = tell(british, ended(dialing.dial.id, 20, Outcome.MACHINE)).callback
    assert again.id == booked.id
    assert again.window.opens_at >= at(20 + 86_400)


def test_rules_that_changed_since_the_booking_change_neither_caps_nor_the_past(service):
    first = book(service, 1)
    (dialing,) = claim(service, 0)
    tell(service, ended(dialing.dial.id, 20, Outcome.BUSY))
    generous = CallbackService(service.store, replace(RULES, retries=RetryPolicy(customer_attempts_max=9)))
    for second in (1000, 9000):
        (dialing,) = claim(generous, second)
        over = tell(generous, ended(dialing.dial.id, second + 10, Outcome.BUSY)).callback
    assert (over.state, over.tally.attempts) == (State.EXHAUSTED, 3)
    assert replayed(generous, first.id) == over


def test_no_attempt_is_planned_past_the_deadline_and_none_starts_after_it(service):
    booked = book(service, 1, deadline_at=at(600))
    (dialing,) = claim(service, 0)
    late = tell(service, ended(dialing.dial.id, 20, Outcome.NO_ANSWER)).callback
    assert (late.state, late.reason) == (State.EXPIRED, Reason.DEADLINE)
    other = book(service, 2, second=30, deadline_at=at(600))
    assert claim(service, 600) == []
    assert service.get(other.id).state is State.EXPIRED
    assert booked.id != other.id


def test_what_is_dialled_before_the_deadline_finishes_after_it(service):
    callback = rejoined(service, 1, 0, deadline_at=at(20))
    service.offer_next(queue="sales", agent="a-1", now=at(30))
    assert service.connected(callback.id, fence=callback.fence, now=at(31)).callback.state is State.CONNECTED


# ---- the customer changes their mind


def test_a_cancel_while_it_rings_hangs_up_and_the_number_is_free_when_that_is_known(service):
    booked = book(service, 1)
    (dialing,) = claim(service, 0)
    cancelled = service.cancel(booked.id, now=at(3)).callback
    assert (cancelled.state, cancelled.reason) == (State.CANCELLED, Reason.BY_CUSTOMER)
    assert HangUp(callback_id=booked.id, dial_id=dialing.dial.id) in errands(service, 4)
    book(service, 1, second=5)
    assert claim(service, 6) == []
    over = tell(service, ended(dialing.dial.id, 8)).callback
    assert (over.state, over.dial, over.wake_at) == (State.CANCELLED, None, None)
    assert len(claim(service, 9)) == 1


def test_a_hang_up_that_is_never_confirmed_is_asked_for_again_and_not_for_ever(service):
    booked = book(service, 1)
    claim(service, 0)
    service.cancel(booked.id, now=at(3))
    service.errands(at(4))
    service.wake(at(100))
    kinds = {type(command) for command in errands(service, 101)}
    assert {HangUp, LookUp} <= kinds
    service.wake(at(4 * 3600 + 1))
    assert service.get(booked.id).dial is None


def test_a_customer_who_calls_in_is_superseded_in_every_queue_but_not_while_talking(service):
    talking = rejoined(service, 1, 0, queue="service")
    service.offer_next(queue="service", agent="a-1", now=at(20))
    service.connected(talking.id, fence=talking.fence, now=at(21))
    waiting = book(service, 1, second=22)
    (over,) = service.customer_called_in(number(1), now=at(30))
    assert (over.id, over.state, over.reason) == (waiting.id, State.SUPERSEDED, Reason.CALLED_IN)
    assert service.get(talking.id).state is State.CONNECTED
    assert service.customer_called_in(number(1), now=at(31)) == []


def test_later_keeps_the_place(service):
    first, second = book(service, 1), book(service, 2)
    later = service.reschedule(first.id, now=at(5), wait_s=1800.0).callback
    assert later.state is State.DEFERRED
    assert later.window.opens_at == at(1805)
    assert (service.position(first.id), service.position(second.id)) == (1, 2)
    wished = service.reschedule(first.id, now=at(6), wall=datetime(2026, 1, 6, 9, 30)).callback
    assert wished.window.opens_at == datetime.fromisoformat("2026-01-06T09:30:00-05:00")
    with pytest.raises(BookingRefused, match=r"outside the hours; the next that would do is 2026-01-06 08:00"):
        service.reschedule(first.id, now=at(7), wall=datetime(2026, 1, 6, 5))
    with pytest.raises(TypeError, match="one of wall and wait_s"):
        service.reschedule(first.id, now=at(8))


def test_what_has_ended_stays_ended(service):
    booked = book(service, 1)
    service.cancel(booked.id, now=at(1))
    for attempt in (
        lambda: service.cancel(booked.id, now=at(2)),
        lambda: service.reschedule(booked.id, now=at(2), wait_s=600.0),
    ):
        with pytest.raises(IllegalTransition, match="cannot happen in state 'cancelled'; legal here: "):
            attempt()
    assert claim(service, 3) == []


# ---- workers that die, clocks that jump, events out of order


def test_a_lost_worker_is_found_out_and_its_call_is_looked_up_not_dialled_again(service):
    booked = book(service, 1)
    (dialing,) = claim(service, 0)
    assert service.wake(at(59)) == 0
    assert service.wake(at(60)) == 1
    lost = service.get(booked.id)
    assert (lost.state, lost.fence) == (State.RECONCILING, dialing.fence + 1)
    assert LookUp(callback_id=booked.id, dial_id=dialing.dial.id) in errands(service, 61)
    assert claim(service, 70) == []
    with pytest.raises(StaleFence, match=r"fence=1 .* is stale, it is at \d"):
        service.renew(booked.id, fence=dialing.fence, now=at(71))
    again = tell(service, ended(dialing.dial.id, 72, Outcome.NETWORK)).callback
    assert (again.state, again.tally.attempts) == (State.DEFERRED, 0)


@pytest.mark.parametrize("reached", [False, True])
def test_a_call_that_is_still_up_goes_on_from_where_it_was(service, reached):
    callback = rejoined(service, 1, 0) if reached else book(service, 1)
    if not reached:
        (callback,) = claim(service, 0)
        tell(service, answered(callback.dial.id, 5))
    service.wake(at(100))
    up = CallIsUp(source_id="up", dial_id=callback.dial.id, at=at(101))
    back = tell(service, up).callback
    assert back.state is (State.REJOINED if reached else State.DETECTING)


def test_a_call_that_nobody_can_look_up_is_to_be_looked_up_once(service):
    booked = book(service, 1)
    (dialing,) = claim(service, 0)
    for second in range(100, 400, 20):
        service.wake(at(second))
    assert service.get(booked.id).state is State.RECONCILING
    with service.store.reading() as reads:
        assert reads.log(booked.id)[-1][0].type == "lease_lost"
    found = [one for one in errands(service, 500) if isinstance(one, LookUp)]
    assert found == [LookUp(callback_id=booked.id, dial_id=dialing.dial.id)]


def test_a_talk_whose_worker_is_lost_goes_on(service):
    callback = rejoined(service, 1, 0)
    service.offer_next(queue="sales", agent="a-1", now=at(10))
    service.connected(callback.id, fence=callback.fence, now=at(11))
    service.wake(at(200))
    assert service.get(callback.id).state is State.CONNECTED
    assert LookUp(callback_id=callback.id, dial_id=callback.dial.id) in errands(service, 201)
    over = tell(service, ended(callback.dial.id, 300, Outcome.HUMAN, talked=True)).callback
    assert over.state is State.COMPLETED


def connecting(service):
    callback = rejoined(service, 1, 0)
    service.offer_next(queue="sales", agent="a-1", now=at(10))
    return service.connected(callback.id, fence=callback.fence, now=at(11)).callback


def test_a_talk_that_never_came_about_leaves_the_customer_their_call(service):
    callback = connecting(service)
    gone = tell(service, ended(callback.dial.id, 12, Outcome.HUMAN)).callback
    assert (gone.state, gone.booking.key) == (State.DEFERRED, callback.booking.key)
    assert gone.tally.last_outcome is Outcome.HUMAN


def test_a_call_that_is_known_no_more_was_a_talk(service):
    callback = connecting(service)
    assert tell(service, ended(callback.dial.id, 12, Outcome.NETWORK)).callback.state is State.COMPLETED


@pytest.mark.parametrize(
    ("bridged", "state"), [(False, State.REJOINED), (True, State.CONNECTED), (None, State.CONNECTED)]
)
def test_who_was_to_be_put_through_and_was_not_is_at_the_front_of_the_line_again(service, bridged, state):
    callback = connecting(service)
    up = CallIsUp(source_id="up", dial_id=callback.dial.id, at=at(12), bridged=bridged)
    assert tell(service, up).callback.state is state


def test_a_lease_that_is_renewed_is_not_lost(service):
    callback = rejoined(service, 1, 0)
    for second in range(50, 500, 50):
        assert service.renew(callback.id, fence=callback.fence, now=at(second)).callback.state is State.REJOINED
        assert service.wake(at(second + 1)) == 0


def test_a_call_that_nobody_can_tell_of_is_given_up_in_the_end(service):
    booked = book(service, 1)
    claim(service, 0)
    for second in range(60, 4 * 3600 + 1200, 600):
        service.wake(at(second))
    over = service.get(booked.id)
    assert over.state is not State.RECONCILING
    assert (over.tally.failures, over.tally.attempts, over.dial) == (1, 0, None)


def test_clocks_that_jump_lose_no_place_and_dial_nobody_twice(service):
    booked = book(service, 1)
    (dialing,) = claim(service, 0)
    back = tell(service, answered(dialing.dial.id, -3600), -3600).callback
    assert back.changed_at == dialing.changed_at
    service.wake(at(3600))
    assert claim(service, 3600) == claim(service, -7200) == []
    assert service.get(booked.id).state is State.RECONCILING
    over = tell(service, ended(dialing.dial.id, -60, Outcome.BUSY), 3700).callback
    assert over.state is State.DEFERRED
    assert over.booking == booked.booking
    assert over == replayed(service, booked.id)


def final(callback):
    """What counts in the end, whichever way it came."""
    return (callback.state, callback.reason, callback.window, callback.tally, callback.dial)


@pytest.mark.parametrize("outcome", [Outcome.HUMAN, Outcome.MACHINE, Outcome.BUSY, Outcome.BAD_NUMBER])
def test_duplicated_late_and_shuffled_reports_end_in_the_same_state(service, outcome):
    rng = random.Random(11)
    ends = set()
    for index in range(12):
        book(service, index, queue=f"q{index}")
        (dialing,) = claim(service, 0, queue=f"q{index}")
        dial_id = dialing.dial.id
        reports = [answered(dial_id, 5), person(dial_id, 7), ended(dial_id, 30, outcome)]
        order = [*reports, *rng.choices(reports, k=4)]
        if index:
            rng.shuffle(order)
        results = [tell(service, report, 40 + place).result for place, report in enumerate(order)]
        assert results.count(Result.DUPLICATE) == 4
        assert results[order.index(reports[2])] is Result.APPLIED
        ends.add(final(service.get(dialing.id)))
        assert replayed(service, dialing.id) == service.get(dialing.id)
    (end,) = ends
    assert end[1] is (Reason.BAD_NUMBER if outcome is Outcome.BAD_NUMBER else None)


def test_a_talk_is_known_though_the_news_of_it_comes_last(service):
    ends = set()
    for index, late in enumerate(itertools.chain([False, True])):
        callback = rejoined(service, index, 0, queue=f"q{index}")
        service.offer_next(queue=f"q{index}", agent="a-1", now=at(10))
        if not late:
            service.connected(callback.id, fence=callback.fence, now=at(11))
        tell(service, ended(callback.dial.id, 90, Outcome.HUMAN, talked=True))
        if late:
            with pytest.raises(IllegalTransition, match="cannot happen in state 'completed'"):
                service.connected(callback.id, fence=callback.fence, now=at(91))
        ends.add(final(service.get(callback.id)))
    assert len(ends) == 1


def test_a_report_of_a_call_that_is_over_changes_nothing_and_is_written_down(service, caplog):
    booked = book(service, 1)
    (dialing,) = claim(service, 0)
    tell(service, ended(dialing.dial.id, 10, Outcome.BUSY))
    before = service.get(booked.id)
    with caplog.at_level(logging.INFO, logger="callback"):
        assert tell(service, person(dialing.dial.id, 11)).result is Result.LATE
    assert service.get(booked.id) == before
    assert "came too late" in caplog.text
    assert "5550101" not in caplog.text
    with pytest.raises(UnknownCallback, match=r"no dial has the id 'nobody-1'.*did not place\?"):
        tell(service, person("nobody-1", 12))


# ---- the outbox


def test_a_command_of_the_outbox_comes_until_it_is_done(service):
    booked = book(service, 1)
    claim(service, 0)
    service.cancel(booked.id, now=at(1))
    first = service.errands(at(2))
    assert [errand.tries for errand in first] == [1, 1]
    assert service.errands(at(3)) == []
    service.done(first[0], now=at(4))
    (again,) = service.errands(at(40))
    assert (again.key, again.tries) == (first[1].key, 2)
    service.done(again, now=at(41))
    assert service.errands(at(4000)) == []


# ---- forgetting


def test_personal_data_is_erased_and_the_log_still_gives_the_row(service):
    booked = book(service, 1, name="the bakery", request_key="r-1")
    (dialing,) = claim(service, 0)
    with pytest.raises(IllegalTransition, match=r"number \*+01 has the open callback .*: cancel it") as raised:
        service.erase(number(1), now=at(1))
    assert "555" not in str(raised.value)
    service.cancel(booked.id, now=at(2))
    with pytest.raises(IllegalTransition, match="has a live call: erase when it is over"):
        service.erase(number(1), now=at(3))
    tell(service, ended(dialing.dial.id, 4))
    assert service.erase(number(1), now=at(5)) == 1
    erased = service.get(booked.id)
    assert erased.person is None
    assert replayed(service, booked.id) == erased
    assert service.erase(number(1), now=at(6)) == 0
    assert book(service, 1, second=7).booking.seq == 2


def test_what_ended_long_ago_is_forgotten_and_nothing_else(service):
    old, recent, opened = (book(service, index) for index in range(3))
    service.cancel(old.id, now=at(10))
    service.cancel(recent.id, now=at(1000))
    assert service.erase_ended(before=at(500), now=at(2000)) == 1
    people = [service.get(one.id).person is None for one in (old, recent, opened)]
    assert people == [True, False, False]
    assert service.erase_ended(before=at(500), now=at(2001)) == 0


def test_a_year_of_waiting_is_counted_from_the_original_time(service):
    booked = book(service, 1, enqueued_at=NOON - timedelta(seconds=90))
    (dialing,) = claim(service, 0)
    again = tell(service, ended(dialing.dial.id, 10, Outcome.BUSY)).callback
    assert again.booking.enqueued_at == booked.booking.enqueued_at == at(-90)

"""A queue at noon in New York, numbers kept for fiction, and calls that go as they are told to."""

import itertools
from datetime import UTC, datetime, timedelta

from callback.planning import Rules
from callback.reports import CallAnswered, CallEnded, PersonFound
from callback.states import Outcome

NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
RULES = Rules(region="US")
SOURCE = (f"report-{number}" for number in itertools.count())


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def number(index):
    return f"+1202555{100 + index:04d}"


def book(service, index, *, second=0, queue="sales", **more):
    return service.book(number(index), queue=queue, now=at(second), **more)


def claim(service, second, *, queue="sales", **more):
    return [done.callback for done in service.claim_due(at(second), queue=queue, **more)]


def answered(dial_id, second, **more):
    return CallAnswered(source_id=next(SOURCE), dial_id=dial_id, at=at(second), **more)


def person(dial_id, second, **more):
    return PersonFound(source_id=next(SOURCE), dial_id=dial_id, at=at(second), **more)


def ended(dial_id, second, outcome=Outcome.NO_ANSWER, **more):
    return CallEnded(source_id=next(SOURCE), dial_id=dial_id, at=at(second), outcome=outcome, **more)


def tell(service, report, second=None):
    return service.report(report, now=report.at if second is None else at(second))


def rejoined(service, index, second, **more):
    """Book, dial, and have a person answer; returns the callback."""
    booked = book(service, index, second=second, **more)
    (dialing,) = claim(service, second, queue=booked.booking.queue)
    assert dialing.id == booked.id
    tell(service, answered(dialing.dial.id, second + 5))
    return tell(service, person(dialing.dial.id, second + 7)).callback

"""One callback and all that happened to it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from callback.service import CallbackService
from callback.states import State
from callback.web.wording import REASONS, STATES, clock, masked, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to the customer."""

    at: str
    took: str
    outcome: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the page of one callback shows. Number and name are masked unless asked for in full."""

    id: str
    queue: str
    state: str
    state_words: str
    reason: str
    number: str
    name: str
    erased: bool
    place: int | None
    joined: str
    waited: str
    next: str
    deadline: str
    attempts: str
    calls: tuple[Call, ...]
    events: tuple[tuple[str, str], ...]


def history(service: CallbackService, callback_id: str, *, now: datetime, zone: ZoneInfo, whole: bool) -> History:
    """Read a callback; ``whole``: with number and name in full."""
    with service.store.reading() as reads:
        one = reads.get(callback_id)
        log = reads.log(callback_id)
        attempts = reads.attempts(callback_id)
        in_line = not one.ended and one.state is not State.CONNECTED
        place = 1 + reads.ahead(one.booking) if in_line else None
    person, booking, tally, window = one.person, one.booking, one.tally, one.window
    until = one.changed_at if one.ended else now
    return History(
        id=one.id,
        queue=booking.queue,
        state=one.state.value,
        state_words=STATES.get(one.state, one.state.value),
        reason=REASONS[one.reason] if one.reason else "",
        number=person.number if person and whole else masked(person.number if person else None),
        name=person.name if person and whole else "",
        erased=person is None,
        place=place,
        joined=clock(booking.enqueued_at, now, zone),
        waited=span(until - booking.enqueued_at),
        next=clock(window.opens_at, now, zone) if window else "",
        deadline=clock(booking.deadline_at, now, zone),
        attempts=f"{tally.attempts} of {booking.attempts_max}",
        calls=tuple(
            Call(
                at=clock(call.started_at, now, zone),
                took=f"{(call.ended_at - call.started_at).total_seconds():.0f} s" if call.ended_at else "on",
                outcome=call.outcome.value.replace("_", " ") if call.outcome else "",
                cause=(call.cause or "").replace("_", " "),
            )
            for call in attempts
        ),
        events=tuple((clock(at, now, zone), event.type.replace("_", " ")) for event, at in log),
    )

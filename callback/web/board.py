"""The line as a supervisor sees it: one part of it, read in one transaction, in words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from callback.estimate import estimate_wait
from callback.log import from_us, to_us
from callback.ordering import Contact, Kind, Place, ahead
from callback.pacing import LEAD_S, dials_allowed
from callback.service import CallbackService
from callback.states import Callback, Reason, State
from callback.store import InLine
from callback.store.overview import LastCall, Standing
from callback.web.desk import Staffed
from callback.web.wording import GOOD, REASONS, STATES, clock, last_words, masked, span, wait_words

ROWS: Final = 50
ENDED_ROWS: Final = 8
CALLING: Final = (State.DIALING, State.DETECTING, State.RECONCILING)
HOLDING: Final = (State.REJOINED, State.OFFERED)
Key = tuple[int, datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place in line."""

    id: str
    place: int
    state: str
    state_words: str
    number: str
    priority: int
    joined: str
    waited: str
    estimate: str
    attempts: str
    last: str
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One that ended."""

    id: str
    reason: str
    reason_words: str
    good: bool
    at: str
    waited: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How dials are held to what agents can take. None: nobody says who is there."""

    ringing: int
    holding: int
    talking: int
    agents: int | None = None
    free: int | None = None
    more: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What the page shows of one queue."""

    queue: str
    in_line: int
    oldest: str
    counts: tuple[tuple[str, str, int], ...]
    rows: tuple[Row, ...]
    first: int
    next_after: str | None
    outcomes: tuple[tuple[str, bool, int], ...]
    outcomes_most: int
    ended: tuple[Ended, ...]
    pacing: Pacing
    clock: str
    zone: str


def key_text(key: Key) -> str:
    """Write a place as it stands in an address."""
    return f"{key[0]}~{to_us(key[1])}~{key[2]}"


def key_of(text: str) -> Key:
    """Read it again; ValueError or OverflowError if it is none."""
    priority, at_us, seq = text.split("~")
    return int(priority), from_us(int(at_us)), int(seq)


def board(
    service: CallbackService,
    queue: str,
    *,
    after: Key | None,
    now: datetime,
    zone: ZoneInfo,
    staffed: Staffed | None,
    estimates: Mapping[str, str],
) -> Board:
    """Read what the page shows.

    Parameters
    ----------
    service : CallbackService
    queue : str
    after : tuple or None
        The place before the first row that is shown.
    now : datetime
    zone : ZoneInfo
        Of the clock, and of midnight.
    staffed : Staffed or None
    estimates : mapping
        By id, in words (`estimates_of`).
    """
    here = now.astimezone(zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    with service.store.reading() as reads:
        found = reads.part(queue, after=after, limit=ROWS + 1)
        before = reads.ahead(found[0].booking) if found else 0
        standing = reads.by_state(queue)
        ends = reads.ends(queue, midnight)
        last = reads.last_ended(queue, midnight, ENDED_ROWS)
        calls = reads.last_calls([one.id for one in found])
    shown = found[:ROWS]
    in_line = sum(one.count for state, one in standing.items() if state is not State.CONNECTED)
    oldest = [one.oldest_at for state, one in standing.items() if state is not State.CONNECTED]
    return Board(
        queue=queue,
        in_line=in_line,
        oldest=span(now - min(oldest)) if oldest else "–",
        counts=tuple((state.value, words, _count(standing, state)) for state, words in STATES.items()),
        rows=tuple(
            _row(one, before + index, calls.get(one.id), estimates.get(one.id, ""), now, zone)
            for index, one in enumerate(shown, start=1)
        ),
        first=before + 1,
        next_after=key_text(shown[-1].booking.key) if len(found) > ROWS else None,
        outcomes=tuple(
            (words, reason in GOOD, ends[reason]) for reason, words in REASONS.items() if reason in ends
        ),
        outcomes_most=max(ends.values(), default=1),
        ended=tuple(_ended(one, zone) for one in last),
        pacing=_pacing(standing, staffed),
        clock=f"{here:%H:%M}",
        zone=zone.key,
    )


def _count(standing: Mapping[State, Standing], *states: State) -> int:
    return sum(standing[state].count for state in states if state in standing)


def _row(one: Callback, place: int, call: LastCall | None, estimate: str, now: datetime, zone: ZoneInfo) -> Row:
    tally, window = one.tally, one.window
    later = one.state is State.DEFERRED and window is not None
    return Row(
        id=one.id,
        place=place,
        state=one.state.value,
        state_words=STATES[one.state],
        number=masked(one.person.number if one.person else None),
        priority=one.booking.priority,
        joined=clock(one.booking.enqueued_at, now, zone),
        waited=span(now - one.booking.enqueued_at),
        estimate=estimate,
        attempts=f"{tally.attempts} of {one.booking.attempts_max}" if tally.attempts else "",
        last=last_words(call),
        next=f"from {clock(window.opens_at, now, zone)}" if later and window else "",
    )


def _ended(one: Callback, zone: ZoneInfo) -> Ended:
    reason = one.reason or Reason.DEADLINE
    return Ended(
        id=one.id,
        reason=reason.value,
        reason_words=REASONS[reason],
        good=reason in GOOD,
        at=f"{one.changed_at.astimezone(zone):%H:%M}",
        waited=span(one.changed_at - one.booking.enqueued_at),
        attempts=one.tally.attempts,
    )


def _pacing(standing: Mapping[State, Standing], staffed: Staffed | None) -> Pacing:
    ringing, holding, talking = (_count(standing, *states) for states in (CALLING, HOLDING, (State.CONNECTED,)))
    if staffed is None:
        return Pacing(ringing=ringing, holding=holding, talking=talking)
    service = staffed.service
    more = dials_allowed(
        free_agents=service.free_agents,
        busy_agents=service.agents - service.free_agents,
        handling_s=service.handling_s,
        lead=LEAD_S,
        ready=len(staffed.live) + holding,
        in_flight=ringing,
        reach=service.reach,
    )
    return Pacing(
        ringing=ringing,
        holding=holding,
        talking=talking,
        agents=service.agents,
        free=service.free_agents if staffed.seen else None,
        more=more,
    )


def estimates_of(
    service: CallbackService,
    queue: str,
    *,
    after: Key | None,
    now: datetime,
    zone: ZoneInfo,
    staffed: Staffed | None,
) -> dict[str, str]:
    """Return the wait of each row that is shown, in words; nothing when nobody says who is there.

    The line is read and sorted once, up to the last row. It is not what customers were told: that never grows
    without a reason.
    """
    if staffed is None:
        return {}
    with service.store.reading() as reads:
        shown = reads.part(queue, after=after, limit=ROWS)
        line = reads.line_ahead(shown[-1].booking) if shown else []
    if not shown:
        return {}
    line = [*line, _standing_of(shown[-1])]
    last = _place(shown[-1].booking.key)
    due = [_contact(one) for one in line[:-1] if one.state is not State.DEFERRED]
    contacts = ahead([*staffed.live, *due], last)
    back = [(one.key, _due_s(one, now)) for one in line if one.state is State.DEFERRED]
    words = {}
    for one in shown:
        key = one.booking.key
        n_ahead = bisect_left(contacts, _place(key), key=lambda contact: contact.place)
        n_back = bisect_left(back, key, key=lambda other: other[0])
        wait = estimate_wait(contacts[:n_ahead], staffed.service, back_s=[due_s for _, due_s in back[:n_back]])
        opens = clock(one.window.opens_at, now, zone) if one.window and one.window.opens_at > now else ""
        words[one.id] = wait_words(wait, _due_s(_standing_of(one), now), opens)
    return words


def _standing_of(one: Callback) -> InLine:
    opens_at = one.window.opens_at if one.window else None
    return InLine(id=one.id, key=one.booking.key, state=one.state, opens_at=opens_at)


def _due_s(one: InLine, now: datetime) -> float:
    return max(0.0, (one.opens_at - now).total_seconds()) if one.opens_at is not None else 0.0


def _place(key: Key) -> Place:
    return Place(priority=key[0], enqueued_at=key[1], seq=key[2])


def _contact(one: InLine) -> Contact:
    holds = one.state in HOLDING
    return Contact(id=one.id, place=_place(one.key), kind=Kind.CALLBACK, ready=holds)

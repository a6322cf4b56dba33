"""The rules of a queue, and what they say of the next attempt: its window, or why there is none.

`callback.schedule` says when an attempt may start. Until when it may is said here, so that a callback which waits
for its turn is never dialled after hours: the window is written down with it, and the schema checks every dial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Final

from callback.errors import CallbackError
from callback.hours import Calendar, instant_of, wall_clock
from callback.regulation import US_TCPA, Regulation
from callback.retries import Attempt, RetryPolicy, StopReason
from callback.schedule import CallTimes, Due, Stop, next_attempt
from callback.states import Booking, Reason, Window

REASONS: Final[dict[StopReason, Reason]] = {
    StopReason.REACHED: Reason.ATTEMPTS_SPENT,
    StopReason.ATTEMPTS_USED: Reason.ATTEMPTS_SPENT,
    StopReason.REFUSED: Reason.REFUSALS_SPENT,
    StopReason.NETWORK_FAILED: Reason.FAILURES_SPENT,
    StopReason.NO_TIME_LEFT: Reason.DEADLINE,
    StopReason.BAD_NUMBER: Reason.BAD_NUMBER,
    StopReason.SUPPRESSED: Reason.SUPPRESSED,
}


class RulesError(CallbackError, ValueError):
    """Rules whose fields are out of range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the callbacks of a queue are treated. Times are in seconds.

    Parameters
    ----------
    retries : RetryPolicy
        How often and how soon a customer is tried again.
    regulation : Regulation
        What the law asks.
    also : tuple of Calendar
        Hours of the contact centre, and any others that bind.
    region : str or None
        Country in which a number without ``+`` is read.
    allowed_regions : frozenset of str or None
        Countries that are called; None calls all.
    open_s : float, 60 s to 30 days
        A callback ends unserved so long after it was booked, unless the booking names a deadline. Default two
        days: longer than a night and a holiday, shorter than a customer's memory.
    lease_s : float, 5 to 3600 s
        Who works on a callback says so at least this often; else others take it for lost. Default 60 s: above the
        time that a call rings.
    look_up_s : float, 1 to 600 s
        What became of a lost call is asked again after this.
    call_max_s : float, 600 s to one day
        A call that no dialer can tell anything of is over after this. No call lasts four hours, the default; until
        then the number is not dialled again.
    """

    retries: RetryPolicy = field(default_factory=RetryPolicy)
    regulation: Regulation = US_TCPA
    also: tuple[Calendar, ...] = ()
    region: str | None = None
    allowed_regions: frozenset[str] | None = None
    open_s: float = field(default=2 * 86_400.0, metadata={"low": 60.0, "high": 30 * 86_400.0})
    lease_s: float = field(default=60.0, metadata={"low": 5.0, "high": 3600.0})
    look_up_s: float = field(default=15.0, metadata={"low": 1.0, "high": 600.0})
    call_max_s: float = field(default=4 * 3600.0, metadata={"low": 600.0, "high": 86_400.0})

    def __post_init__(self) -> None:
        for entry in fields(self):
            if "low" not in entry.metadata:
                continue
            value, low, high = getattr(self, entry.name), entry.metadata["low"], entry.metadata["high"]
            if not low <= value <= high:
                raise RulesError(
                    f"{entry.name}={value} is not within {low} and {high} s: minutes or milliseconds?"
                )

    @property
    def failures_max(self) -> int:
        """How many failures of our own network end a callback: one more than the schedule lets pass."""
        return self.retries.network_failures_max + 1


def next_window(
    rules: Rules,
    booking: Booking,
    attempts: Sequence[Attempt],
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> Window | Reason:
    """Return the window of the next attempt, or why no attempt follows.

    Parameters
    ----------
    rules : Rules
    booking : Booking
    attempts : sequence of Attempt
        All that have ended, in order.
    now : datetime
        The window opens no earlier.
    not_before : datetime or None
        What the customer asked for.
    """
    times = times_of(rules, booking.zones)
    retries = replace(  # what was promised at booking holds, whatever the rules are today
        rules.retries,
        customer_attempts_max=booking.attempts_max,
        network_failures_max=booking.failures_max - 1,
    )
    planned = next_attempt(
        retries, attempts, now, times=times, deadline=booking.deadline_at, not_before=not_before
    )
    match planned:
        case Due(at=at):
            return Window(opens_at=at, closes_at=closing(times.calendars, at, booking.deadline_at))
        case Stop(reason=reason):
            return REASONS[reason]


def times_of(rules: Rules, zones: tuple[str, ...]) -> CallTimes:
    """Return when a customer in some zones may be called."""
    return CallTimes(regulation=rules.regulation, zones=zones, also=rules.also)


def closing(calendars: Sequence[Calendar], at: datetime, deadline: datetime) -> datetime:
    """Return until when an attempt may start: the first closing after ``at`` of any calendar, or the deadline.

    Examples
    --------
    >>> from datetime import UTC
    >>> from callback.hours import Hours
    >>> day = Calendar(hours=Hours.daily("08:00-21:00"), zones=("America/New_York",))
    >>> noon = datetime(2026, 1, 5, 17, tzinfo=UTC)
    >>> closing([day], noon, noon + timedelta(days=2)).isoformat()
    '2026-01-06T02:00:00+00:00'
    """
    ends = [deadline]
    for calendar in calendars:
        for zone in calendar.zones:
            wall = wall_clock(at, zone)
            midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
            closes = [midnight + timedelta(minutes=one.closes_min) for one in calendar.hours.on(wall.date())]
            close = min(close for close in closes if close > wall)
            end = instant_of(close, zone)
            # In an hour that comes twice `instant_of` gives the first time; this may be the second.
            ends.append(end if end > at else at + (close - wall))
    return min(ends)

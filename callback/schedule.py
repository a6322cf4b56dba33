"""When the next attempt may start, or why there will be none.

The retry policy says how long to wait, the law and the hours of every zone say when it is allowed, the deadline
ends it. All of these bind. Another time of day after a voicemail is a wish: it gives way when it cannot be had
before the deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from callback.hours import DAY_MIN, Calendar, in_utc, instant_of, is_open, next_open, wall_clock
from callback.regulation import Regulation
from callback.retries import (
    MACHINES,
    Attempt,
    RetryPolicy,
    ScheduleError,
    StopReason,
    check,
    check_order,
    stop_reason,
    waits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """When one customer may be called.

    Parameters
    ----------
    regulation : Regulation
    zones : tuple of str
        Every zone in which the number may be; the first is taken for the customer's own clock.
    also : tuple of Calendar
        Further hours that bind: the centre's, a state's, the customer's wishes.
    live_agent : bool
        An agent is free and waits for the answer at each attempt. False by default: this queue offers no agent
        before a person answered, so the law's waits after a machine apply.
    """

    regulation: Regulation
    zones: tuple[str, ...]
    also: tuple[Calendar, ...] = ()
    live_agent: bool = False

    @property
    def calendars(self) -> tuple[Calendar, ...]:
        """All hours that bind."""
        return (Calendar(hours=self.regulation.hours, zones=self.zones), *self.also)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The next attempt may start at ``at``; with ``live_agent`` only if an agent is guaranteed to be there."""

    at: datetime
    live_agent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """No attempt follows."""

    reason: StopReason


def next_attempt(
    policy: RetryPolicy,
    attempts: Sequence[Attempt],
    now: datetime,
    *,
    times: CallTimes,
    deadline: datetime,
    not_before: datetime | None = None,
) -> Due | Stop:
    """Decide when the next attempt may start, or why there is none.

    Parameters
    ----------
    policy : RetryPolicy
    attempts : sequence of Attempt
        All that have ended, in order; none at booking.
    now : datetime
        Nothing starts before it.
    times : CallTimes
    deadline : datetime
        The first instant that is too late to start.
    not_before : datetime or None
        What a snooze or a reschedule asked for.

    Examples
    --------
    >>> from datetime import UTC
    >>> from callback.regulation import US_TCPA
    >>> from callback.states import Outcome
    >>> times = CallTimes(regulation=US_TCPA, zones=("America/New_York",))
    >>> noon = datetime(2026, 1, 5, 17, tzinfo=UTC)
    >>> busy = Attempt(started_at=noon, ended_at=noon, outcome=Outcome.BUSY)
    >>> tomorrow = noon + timedelta(days=1)
    >>> next_attempt(RetryPolicy(), [busy], noon, times=times, deadline=tomorrow).at.isoformat()
    '2026-01-05T17:02:00+00:00'
    >>> next_attempt(RetryPolicy(), [busy, busy, busy], noon, times=times, deadline=tomorrow)
    Stop(reason=<StopReason.ATTEMPTS_USED: 'attempts_used'>)
    """
    now, deadline = in_utc("now", now), in_utc("deadline", deadline)
    check_order(attempts, now)
    if reason := stop_reason(policy, attempts):
        return Stop(reason=reason)
    earliest = max([now, *waits(policy, attempts)])
    if not_before is not None:
        earliest = max(earliest, in_utc("not_before", not_before))
    lawful = max([earliest, *_lawful(times.regulation, attempts)])
    at = _open_at(policy, attempts, earliest if times.live_agent else lawful, times, deadline)
    if at is None:
        return Stop(reason=StopReason.NO_TIME_LEFT)
    return Due(at=at, live_agent=at < lawful)


def _lawful(rules: Regulation, attempts: Sequence[Attempt]) -> list[datetime]:
    """Return until when the law waits unless a live agent is guaranteed."""
    waits = []
    for attempt in attempts:
        if attempt.outcome in MACHINES:
            waits.append(attempt.ended_at + timedelta(seconds=rules.machine_repeat_s))
        if attempt.dropped:
            waits.append(attempt.ended_at + timedelta(seconds=rules.abandoned_repeat_s))
    return waits


def _open_at(
    policy: RetryPolicy, attempts: Sequence[Attempt], earliest: datetime, times: CallTimes, deadline: datetime
) -> datetime | None:
    """Return the first allowed instant, at another time of day than the machines if that can be had."""
    calendars = times.calendars
    first = next_open(calendars, earliest, until=deadline)
    at = first
    met = [attempt.started_at for attempt in attempts if attempt.outcome in MACHINES]
    if not attempts or attempts[-1].outcome not in MACHINES:
        met = []
    for _ in range(2 * len(met) + 1):
        if at is None:
            return first
        short_s = max((_short_s(policy, at, before, times.zones[0]) for before in met), default=0.0)
        if short_s <= 0:
            return at
        at = next_open(calendars, at + timedelta(seconds=short_s), until=deadline)
    return first


def _short_s(policy: RetryPolicy, at: datetime, before: datetime, zone: str) -> float:
    """Return how much later it must be for the time of day to be far enough from an earlier one."""
    day_s = 60.0 * DAY_MIN
    ahead_s = (_time_of_day_s(at, zone) - _time_of_day_s(before, zone)) % day_s
    apart_s = policy.time_of_day_apart_s
    if ahead_s > day_s - apart_s:
        return day_s - ahead_s + apart_s
    return apart_s - ahead_s if ahead_s < apart_s else 0.0


def _time_of_day_s(instant: datetime, zone: str) -> float:
    wall = wall_clock(instant, zone)
    return (wall - wall.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()


def snooze(policy: RetryPolicy, now: datetime, wait_s: float, *, times: CallTimes, deadline: datetime) -> datetime:
    """Return the ``not_before`` of a customer who asks to be called later; their place in line stays.

    Raises
    ------
    ScheduleError
        If the wait is out of range, or nothing is allowed between it and the deadline.
    """
    check("wait_s", wait_s, policy.snooze_min_s, policy.snooze_max_s)
    return _allowed(in_utc("now", now) + timedelta(seconds=wait_s), times, deadline)


def reschedule(now: datetime, wall: datetime, *, times: CallTimes, deadline: datetime) -> datetime:
    """Return the ``not_before`` of a customer who names a time on their own clock; their place in line stays.

    Parameters
    ----------
    now : datetime
    wall : datetime
        Without a zone: as the clock of ``times.zones[0]`` shows it.
    times : CallTimes
    deadline : datetime

    Raises
    ------
    ScheduleError
        If it is past, not before the deadline, or outside the hours; the message names the next that would do.

    Examples
    --------
    >>> from datetime import UTC
    >>> from callback.regulation import UK_OFCOM
    >>> times = CallTimes(regulation=UK_OFCOM, zones=("Europe/London",))
    >>> now = datetime(2026, 7, 1, 9, tzinfo=UTC)
    >>> reschedule(now, datetime(2026, 7, 1, 17, 30), times=times, deadline=now + timedelta(days=2)).isoformat()
    '2026-07-01T16:30:00+00:00'
    """
    at = instant_of(wall, times.zones[0])
    if at < in_utc("now", now):
        raise ScheduleError(f"wall={wall.isoformat()} is past in {times.zones[0]}: another zone, or another day?")
    nearest = _allowed(at, times, deadline)
    if not is_open(times.calendars, at):
        shown = wall_clock(nearest, times.zones[0]).isoformat(" ", "minutes")
        raise ScheduleError(f"wall={wall.isoformat()} is outside the hours; the next that would do is {shown}")
    return at


def _allowed(at: datetime, times: CallTimes, deadline: datetime) -> datetime:
    nearest = next_open(times.calendars, at, until=deadline)
    if nearest is None:
        raise ScheduleError(
            f"nothing is allowed from {at.isoformat()} to the deadline {in_utc('deadline', deadline).isoformat()}"
            ": ask for an earlier time"
        )
    return nearest

"""When a customer may be called: hours of the day by weekday, as the customer's clock shows them.

Hours are wall-clock times, instants are UTC, and a zone leads from one to the other. Between two changes of its
offset a zone's clock is plain arithmetic, so the search walks from one change to the next: a time that is skipped
in spring is never met, and a time that comes twice in autumn counts both times.

All of it is exact for whatever `zoneinfo` knows (RFC 8536 data, PEP 615).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MIN: Final = 24 * 60
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SEARCH_MAX: Final = timedelta(days=62)
"""No opening is looked for beyond this. Assumption: hours that stay closed for two months are a mistake."""
_STRIDE: Final = timedelta(days=1)
"""The offset is compared at both ends of this: no zone changes it twice within a day and ends where it began."""


class HoursError(ValueError):
    """Hours, a zone or an instant that cannot be what the caller means."""


def in_utc(name: str, instant: datetime) -> datetime:
    """Return the instant in UTC; ``name`` is what an error calls it.

    Raises
    ------
    HoursError
        If it has no zone.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise HoursError(f"{name}={instant.isoformat()} has no time zone, need UTC: datetime.now(UTC)?")
    return instant.astimezone(UTC)


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name.

    Raises
    ------
    HoursError
        If `zoneinfo` knows none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HoursError(
            f"zone {name!r} is unknown, need a name like 'Europe/London': an abbreviation, or no tzdata installed?"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """Open from ``opens_min`` up to, not including, ``closes_min``: minutes since midnight on the wall clock."""

    opens_min: int
    closes_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens_min < self.closes_min <= DAY_MIN:
            raise HoursError(
                f"a window from {self.opens_min} to {self.closes_min} min is not within one day of {DAY_MIN} min, "
                "opening before it closes: over midnight? Make it two windows"
            )

    def __str__(self) -> str:
        return f"{_clock(self.opens_min)}-{_clock(self.closes_min)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def windows(text: str) -> tuple[Window, ...]:
    """Read ``"08:00-12:00, 13:00-21:00"``; an empty text is a closed day.

    Examples
    --------
    >>> [str(window) for window in windows("08:00-12:00, 13:00-24:00")]
    ['08:00-12:00', '13:00-24:00']
    """
    found = tuple(_window(part.strip()) for part in text.split(",") if part.strip())
    for earlier, later in itertools.pairwise(found):
        if later.opens_min < earlier.closes_min:
            raise HoursError(f"windows {earlier} and {later} are not apart and in order")
    return found


def _window(part: str) -> Window:
    try:
        opens, closes = (_minutes(end) for end in part.split("-"))
    except ValueError as error:
        raise HoursError(f"window {part!r} is not like '08:00-21:00': am and pm?") from error
    return Window(opens_min=opens, closes_min=closes)


def _minutes(text: str) -> int:
    hours, minutes = text.strip().split(":")
    if not (len(hours) == len(minutes) == 2 and int(minutes) < 60):
        raise ValueError(text)
    return 60 * int(hours) + int(minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours of a week, Monday first, and the days on which there are none.

    Parameters
    ----------
    week : tuple of 7 tuples of Window
        Apart and in order within each day; at least one in the week.
    holidays : frozenset of date
        Closed all day, by the date on the wall clock.
    """

    week: tuple[tuple[Window, ...], ...]
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if len(self.week) != len(DAYS) or not any(self.week):
            raise HoursError(
                f"week has {len(self.week)} days, {sum(map(bool, self.week))} of them open; need 7, one open"
            )

    @classmethod
    def daily(cls, text: str, *, holidays: Iterable[date] = ()) -> Hours:
        """Return the same windows every day."""
        return cls(week=(windows(text),) * len(DAYS), holidays=frozenset(holidays))

    @classmethod
    def weekly(cls, *, holidays: Iterable[date] = (), **days: str) -> Hours:
        """Return the windows of each weekday by its English name; days left out are closed.

        Examples
        --------
        >>> hours = Hours.weekly(monday="09:00-17:00", saturday="10:00-12:00")
        >>> [len(day) for day in hours.week]
        [1, 0, 0, 0, 0, 1, 0]
        """
        if unknown := days.keys() - set(DAYS):
            raise TypeError(f"days {sorted(unknown)} are unknown; there are: {', '.join(DAYS)}")
        return cls(week=tuple(windows(days.get(day, "")) for day in DAYS), holidays=frozenset(holidays))

    def on(self, day: date) -> tuple[Window, ...]:
        """Return the windows of a date."""
        return () if day in self.holidays else self.week[day.weekday()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Hours in some zones: open at an instant only when the clock of every zone shows an open time.

    A number that may be in several zones is called only when all of them allow it.
    """

    hours: Hours
    zones: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.zones:
            raise HoursError("zones is empty, need at least one: a number whose zone is not known? Ask for it")
        for name in self.zones:
            zone_of(name)


def is_open(calendars: Sequence[Calendar], instant: datetime) -> bool:
    """Whether every calendar is open at an instant; with no calendar it is always open."""
    moment = in_utc("instant", instant)
    walls = ((calendar.hours, wall_clock(moment, name)) for calendar in calendars for name in calendar.zones)
    return all(_opening(hours, wall) == wall for hours, wall in walls)


def wall_clock(instant: datetime, zone: str) -> datetime:
    """Return what the clock of a zone shows at an instant, as a time without a zone."""
    return instant.astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)


def next_open(
    calendars: Sequence[Calendar], instant: datetime, *, until: datetime | None = None
) -> datetime | None:
    """Return the first instant, not before the one given, at which every calendar is open.

    Parameters
    ----------
    calendars : sequence of Calendar
        None at all is always open.
    instant : datetime
        With a zone.
    until : datetime or None
        The first instant that is too late; at most `SEARCH_MAX` after ``instant``, which is the default.

    Returns
    -------
    datetime or None
        In UTC; None when there is no such instant before ``until``.

    Examples
    --------
    Half past eight in New York is half past five in Los Angeles; both are open from eight there:

    >>> both = Calendar(hours=Hours.daily("08:00-21:00"), zones=("America/New_York", "America/Los_Angeles"))
    >>> next_open([both], datetime(2026, 1, 5, 13, 30, tzinfo=UTC)).isoformat()
    '2026-01-05T16:00:00+00:00'

    On 8 March 2026 clocks in New York went from 02:00 to 03:00, so the hour between came a day later:

    >>> night = Calendar(hours=Hours.daily("02:00-03:00"), zones=("America/New_York",))
    >>> next_open([night], datetime(2026, 3, 8, 5, tzinfo=UTC)).isoformat()
    '2026-03-09T06:00:00+00:00'
    """
    moment = in_utc("instant", instant)
    limit = moment + SEARCH_MAX
    if until is not None:
        limit = min(limit, in_utc("until", until))
    pairs = [(calendar.hours, zone_of(name)) for calendar in calendars for name in calendar.zones]
    settled = 0
    while moment < limit:
        if settled >= len(pairs):
            return moment
        hours, zone = pairs[0]
        opening = _next_in_zone(hours, zone, moment, limit)
        if opening is None:
            return None
        settled = settled + 1 if opening == moment else 1
        moment = opening
        pairs = [*pairs[1:], pairs[0]]
    return None


def _next_in_zone(hours: Hours, zone: tzinfo, moment: datetime, limit: datetime) -> datetime | None:
    for start, end, offset in _spans(zone, moment, limit):
        opening = _opening(hours, (start + offset).replace(tzinfo=None))
        if opening is not None and (at := opening.replace(tzinfo=UTC) - offset) < end:
            return at
    return None


def _spans(zone: tzinfo, moment: datetime, limit: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Cut the time up to ``limit`` into spans, of a day at most, in which the offset stays the same."""
    while moment < limit:
        offset, end = _offset(zone, moment), min(moment + _STRIDE, limit)
        if _offset(zone, end) != offset:
            end = _change(zone, moment, end)
        yield moment, end, offset
        moment = end


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    if offset is None:
        raise HoursError(f"zone {zone} has no offset at {moment.isoformat()}")
    return offset


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """Return the first second with the offset of ``high``: zones change on whole seconds."""
    before, low, high = _offset(zone, low), low.replace(microsecond=0), high.replace(microsecond=0)
    while (gap_s := int((high - low).total_seconds())) > 1:
        middle = low + timedelta(seconds=gap_s // 2)
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _opening(hours: Hours, wall: datetime) -> datetime | None:
    """Return the first open wall-clock time from ``wall`` to the end of the next day, if no clock changes."""
    today = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    for midnight in (today, today + _STRIDE):
        for window in hours.on(midnight.date()):
            if wall < midnight + timedelta(minutes=window.closes_min):
                return max(wall, midnight + timedelta(minutes=window.opens_min))
    return None


def instant_of(wall: datetime, zone: str) -> datetime:
    """Return the UTC instant at which a zone's clock shows ``wall``, a time without a zone.

    A time that the clock skips becomes the instant of the change, the first one after it; of a time that comes
    twice it is the first.

    Examples
    --------
    >>> instant_of(datetime(2026, 3, 8, 2, 30), "America/New_York").isoformat()
    '2026-03-08T07:00:00+00:00'
    >>> instant_of(datetime(2026, 11, 1, 1, 30), "America/New_York").isoformat()
    '2026-11-01T05:30:00+00:00'
    """
    if wall.tzinfo is not None:
        raise HoursError(f"wall={wall.isoformat()} has a time zone, need a wall-clock time: an instant?")
    clock = zone_of(zone)
    moment = wall.replace(tzinfo=clock, fold=0).astimezone(UTC)
    if moment.astimezone(clock).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return moment
    return _change(clock, moment - _STRIDE, moment)

"""Calling hours: never a moment outside them, whatever the zone and whatever its clock does that day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callback.hours import (
    SEARCH_MAX,
    Calendar,
    Hours,
    HoursError,
    Window,
    in_utc,
    instant_of,
    is_open,
    next_open,
    wall_clock,
    windows,
)

# Changes by an hour, by half an hour, by a day that was skipped, at midnight, and none at all.
ZONES = (
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
ALL_ZONES = sorted(name for name in available_timezones() if "/" in name)
zones = st.sampled_from(ALL_ZONES)
instants = st.datetimes(datetime(2005, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))


@st.composite
def near_changes(draw):
    """An instant within two days of a change of the zone's offset, in UTC, and the zone."""
    zone = draw(st.sampled_from([name for name in ZONES if name not in {"Asia/Kathmandu", "UTC"}]))
    day = datetime(draw(st.integers(2008, 2012)), 1, 1, tzinfo=UTC)
    clock = ZoneInfo(zone)
    changes = [
        day + timedelta(days=n)
        for n in range(366)
        if (day + timedelta(days=n)).astimezone(clock).utcoffset()
        != (day + timedelta(days=n + 1)).astimezone(clock).utcoffset()
    ]
    if not changes:
        return day, zone
    return draw(st.sampled_from(changes)) + timedelta(seconds=draw(st.integers(-86400, 2 * 86400))), zone


@st.composite
def hours(draw):
    week = (*(tuple(draw(day_windows())) for _ in range(6)), windows("00:10-23:50"))
    return Hours(week=week)


@st.composite
def day_windows(draw):
    edges = sorted(draw(st.sets(st.integers(0, 24 * 12), max_size=4)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [Window(opens_min=5 * opens, closes_min=5 * closes) for opens, closes in pairs]


def shows_open(calendar, instant):
    """What the clocks show, looked up in the plainest way there is."""
    for zone in calendar.zones:
        wall = instant.astimezone(ZoneInfo(zone))
        minute = 60 * wall.hour + wall.minute
        open_now = any(window.opens_min <= minute < window.closes_min for window in calendar.hours.on(wall.date()))
        if not open_now:
            return False
    return True


@given(hours(), st.lists(zones, min_size=1, max_size=3, unique=True), instants)
@example(Hours.daily("08:00-21:00"), ["Pacific/Apia"], datetime(2011, 12, 30, 3, tzinfo=UTC))
def test_next_open_is_open_in_every_zone_and_nothing_before_it_is(week, names, instant):
    calendar = Calendar(hours=week, zones=tuple(names))
    found = next_open([calendar], instant)
    assert is_open([calendar], instant) == shows_open(calendar, instant)
    if found is None:
        found = instant + timedelta(days=8)
    else:
        assert found >= instant
        assert found.tzinfo is UTC
        assert shows_open(calendar, found)
    steps = (found - instant) / 400
    assert not any(shows_open(calendar, instant + steps * n) for n in range(400) if steps)


@given(near_changes(), hours())
def test_around_a_change_of_the_clock_every_minute_agrees(near, week):
    instant, zone = near
    instant = instant.replace(second=0, microsecond=0)
    calendar = Calendar(hours=week, zones=(zone,))
    found = next_open([calendar], instant)
    minute = instant
    while not shows_open(calendar, minute):
        minute += timedelta(minutes=1)
    assert found == minute


def test_an_opening_that_the_clock_skips_comes_when_the_skip_ends():
    shop = Calendar(hours=Hours.daily("02:30-05:00"), zones=("America/New_York",))
    found = next_open([shop], datetime(2026, 3, 8, 6, tzinfo=UTC))
    assert found == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert wall_clock(found, "America/New_York") == datetime(2026, 3, 8, 3)


def test_a_window_that_the_clock_skips_whole_does_not_open_that_day():
    shop = Calendar(hours=Hours.daily("02:00-03:00"), zones=("America/New_York",))
    found = next_open([shop], datetime(2026, 3, 8, 6, tzinfo=UTC))
    assert wall_clock(found, "America/New_York") == datetime(2026, 3, 9, 2)


def test_an_hour_that_comes_twice_is_open_twice():
    shop = Calendar(hours=Hours.daily("01:00-02:00"), zones=("America/New_York",))
    midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)
    open_min = sum(is_open([shop], midnight + timedelta(minutes=n)) for n in range(6 * 60))
    assert open_min == 120


def test_a_window_that_closed_opens_again_when_the_clock_goes_back():
    shop = Calendar(hours=Hours.daily("01:00-01:30"), zones=("America/New_York",))
    found = next_open([shop], datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
    assert found == datetime(2026, 11, 1, 6, tzinfo=UTC)


def test_a_day_that_a_country_skipped_has_no_hours():
    friday = Calendar(hours=Hours.weekly(friday="08:00-21:00"), zones=("Pacific/Apia",))
    # Samoa had no Friday, 30 December 2011.
    found = next_open([friday], datetime(2011, 12, 29, 12, tzinfo=UTC))
    assert wall_clock(found, "Pacific/Apia") == datetime(2012, 1, 6, 8)


def test_holidays_are_closed_by_the_local_date():
    shop = Calendar(hours=Hours.daily("00:00-24:00", holidays=[date(2026, 12, 25)]), zones=("Asia/Tokyo",))
    assert is_open([shop], datetime(2026, 12, 24, 14, 59, tzinfo=UTC))
    assert not is_open([shop], datetime(2026, 12, 24, 15, tzinfo=UTC))
    found = next_open([shop], datetime(2026, 12, 24, 15, tzinfo=UTC))
    assert found == datetime(2026, 12, 25, 15, tzinfo=UTC)


def test_zones_without_a_common_hour_have_no_opening():
    apart = Calendar(hours=Hours.daily("09:00-10:00"), zones=("Europe/London", "Asia/Tokyo"))
    assert next_open([apart], datetime(2026, 1, 5, tzinfo=UTC)) is None


def test_the_limit_is_the_first_instant_too_late():
    shop = Calendar(hours=Hours.daily("08:00-21:00"), zones=("UTC",))
    opens = datetime(2026, 1, 5, 8, tzinfo=UTC)
    night = opens - timedelta(hours=4)
    assert next_open([shop], night, until=opens) is None
    assert next_open([shop], night, until=opens + timedelta(microseconds=1)) == opens
    assert next_open([shop], night, until=opens - timedelta(days=9)) is None


def test_a_search_ends():
    dates = [date(2026, 1, 1) + timedelta(days=n) for n in range(SEARCH_MAX.days + 3)]
    shut = Calendar(hours=Hours.daily("08:00-21:00", holidays=dates), zones=("UTC",))
    assert next_open([shut], datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_without_a_calendar_it_is_always_open():
    now = datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert is_open([], now)
    assert next_open([], now) == now


@given(near_changes())
def test_a_wall_time_leads_to_an_instant_that_shows_it_or_to_the_end_of_the_skip(near):
    instant, zone = near
    clock = ZoneInfo(zone)
    wall = (instant + timedelta(hours=1)).astimezone(clock).replace(tzinfo=None, fold=0)
    for shifted in (wall, wall + timedelta(hours=1), wall - timedelta(hours=1)):
        found = instant_of(shifted, zone)
        shown = wall_clock(found, zone)
        if shown != shifted:
            before = wall_clock(found - timedelta(seconds=1), zone)
            assert before < shifted < shown
        else:
            earlier = [found - timedelta(minutes=minutes) for minutes in (30, 60)]
            assert all(wall_clock(one, zone) != shifted for one in earlier)


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("8-21", "am and pm"),
        ("21:00-08:00", "over midnight"),
        ("08:00-25:00", "within one day"),
        ("x", "am and pm"),
    ],
)
def test_windows_that_are_none_are_refused(text, slip):
    with pytest.raises(HoursError, match=slip):
        windows(text)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(HoursError, match="apart"):
        windows("08:00-12:00, 11:00-13:00")
    with pytest.raises(HoursError, match="one open"):
        Hours.weekly()
    with pytest.raises(TypeError, match="mon"):
        Hours.weekly(mon="08:00-21:00")
    with pytest.raises(HoursError, match="abbreviation"):
        Calendar(hours=Hours.daily("08:00-21:00"), zones=("BST",))
    with pytest.raises(HoursError, match="Ask for it"):
        Calendar(hours=Hours.daily("08:00-21:00"), zones=())
    with pytest.raises(HoursError, match="no time zone"):
        in_utc("now", datetime(2026, 1, 5))
    with pytest.raises(HoursError, match="an instant"):
        instant_of(datetime(2026, 1, 5, tzinfo=UTC), "UTC")


@given(instants, zones)
def test_an_instant_is_the_same_in_any_zone(instant, zone):
    assert in_utc("now", instant.astimezone(ZoneInfo(zone))) == instant
    assert in_utc("now", instant.astimezone(ZoneInfo(zone))).tzinfo is UTC

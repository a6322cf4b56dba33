"""When the next attempt may start: within every cap, hour and law, for whatever comes of the attempts."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callback.hours import Calendar, Hours, is_open, wall_clock
from callback.regulation import PRESETS, UK_OFCOM, US_TCPA, RegulationError, abandoned_share, regulation
from callback.retries import GAPS_S, MACHINES, Attempt, RetryPolicy, ScheduleError, StopReason
from callback.schedule import CallTimes, Due, Stop, next_attempt, reschedule, snooze
from callback.states import Outcome

NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)  # a Monday, 12:00 in New York
WEEK = timedelta(days=7)
US = CallTimes(regulation=US_TCPA, zones=("America/New_York",))
UK = CallTimes(regulation=UK_OFCOM, zones=("Europe/London",))
RETRIED = (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.MACHINE, Outcome.FAX, Outcome.UNSURE)


def ended(outcome, at=NOON, **fields):
    return Attempt(started_at=at - timedelta(seconds=30), ended_at=at, outcome=outcome, **fields)


def following(attempts, now=NOON, *, policy=None, times=US, deadline=None, **wishes):
    policy = policy or RetryPolicy()
    return next_attempt(policy, attempts, now, times=times, deadline=deadline or now + WEEK, **wishes)


def walk(data, policy, times, deadline, now):
    """Attempt as told until there is none, with outcomes as drawn; yield each history with what follows it."""
    attempts = []
    while True:
        step = next_attempt(policy, attempts, now, times=times, deadline=deadline)
        yield attempts, now, step
        if isinstance(step, Stop):
            return
        outcome = data.draw(st.sampled_from(Outcome))
        dropped = outcome is Outcome.HUMAN and data.draw(st.booleans())
        started = step.at + timedelta(seconds=data.draw(st.integers(0, 3600)))
        now = started + timedelta(seconds=data.draw(st.integers(0, 120)))
        attempts = [*attempts, Attempt(started_at=started, ended_at=now, outcome=outcome, dropped=dropped)]


policies = st.builds(
    RetryPolicy,
    customer_attempts_max=st.integers(1, 5),
    network_failures_max=st.integers(0, 4),
    refused_more_max=st.integers(0, 1),
    backoff=st.floats(1, 4),
    time_of_day_apart_s=st.floats(0, 6 * 3600),
)
times_of_calls = st.builds(
    CallTimes,
    regulation=st.sampled_from(list(PRESETS.values())),
    zones=st.lists(
        st.sampled_from(["America/New_York", "America/Los_Angeles", "Europe/London", "Pacific/Honolulu"]),
        min_size=1,
        max_size=3,
        unique=True,
    ).map(tuple),
    live_agent=st.booleans(),
)
starts = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))


@given(st.data(), policies, times_of_calls, starts, st.integers(1, 14))
def test_attempts_stay_within_caps_hours_and_deadline_whatever_comes_of_them(data, policy, times, start, days):
    deadline = start + timedelta(days=days)
    for attempts, now, step in walk(data, policy, times, deadline, start):
        outcomes = [attempt.outcome for attempt in attempts]
        assert len(outcomes) - outcomes.count(Outcome.NETWORK) <= policy.customer_attempts_max
        assert outcomes.count(Outcome.NETWORK) <= policy.network_failures_max + 1
        assert not set(outcomes[:-1]) & {Outcome.BAD_NUMBER, Outcome.SUPPRESSED}
        customers = [outcome for outcome in outcomes if outcome is not Outcome.NETWORK]
        if Outcome.REFUSED in customers:
            assert len(customers) - 1 - customers.index(Outcome.REFUSED) <= policy.refused_more_max
        if isinstance(step, Due):
            assert now <= step.at < deadline
            assert is_open(times.calendars, step.at)
            assert times.live_agent or not step.live_agent


@given(st.data(), policies, times_of_calls, starts)
def test_the_gap_after_the_last_attempt_is_kept(data, policy, times, start):
    for attempts, _, step in walk(data, policy, times, start + timedelta(days=30), start):
        if attempts and isinstance(step, Due):
            last = attempts[-1]
            assert step.at - last.ended_at >= timedelta(seconds=policy.gaps_s[last.outcome])


@given(st.data(), policies, starts, st.sampled_from(["Europe/London", "Europe/Dublin"]))
def test_after_a_machine_british_numbers_rest_for_a_day_unless_an_agent_is_there(data, policy, start, zone):
    for live_agent in (False, True):
        times = CallTimes(regulation=UK_OFCOM, zones=(zone,), live_agent=live_agent)
        for attempts, _, step in walk(data, policy, times, start + timedelta(days=30), start):
            rests = [attempt.ended_at + timedelta(hours=24) for attempt in attempts if attempt.outcome in MACHINES]
            rests += [attempt.ended_at + timedelta(hours=72) for attempt in attempts if attempt.dropped]
            if isinstance(step, Due):
                early = any(step.at < rest for rest in rests)
                assert step.live_agent == early
                assert live_agent or not early


@given(st.lists(st.sampled_from(RETRIED), max_size=2), st.integers(0, 8), st.data())
def test_failures_of_our_network_never_use_a_customers_attempt(outcomes, n_failures, data):
    mixed = data.draw(st.permutations([*outcomes, *[Outcome.NETWORK] * n_failures]))
    now = NOON + len(mixed) * timedelta(minutes=1)
    attempts = [ended(outcome, NOON + index * timedelta(minutes=1)) for index, outcome in enumerate(mixed)]
    assert isinstance(following(attempts, now), Due)
    third = [*attempts, ended(Outcome.BUSY, now + timedelta(minutes=1))]
    last = following(third, now + timedelta(minutes=1))
    assert isinstance(last, Stop) == (len(outcomes) == 2)


@given(st.sampled_from(Outcome), st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)))
def test_a_longer_deadline_never_takes_an_attempt_away(outcome, now):
    attempts = [ended(outcome, now)]
    short = following(attempts, now, deadline=now + timedelta(days=1))
    long = following(attempts, now, deadline=now + timedelta(days=3))
    assert isinstance(long, Due) or isinstance(short, Stop)


def test_busy_comes_sooner_than_no_answer_and_voicemail_later_still():
    waits = [
        following([ended(outcome)]).at - NOON for outcome in (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.MACHINE)
    ]
    assert waits == [timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2)]


def test_the_same_outcome_again_waits_longer():
    first = following([ended(Outcome.BUSY)]).at - NOON
    twice = following([ended(Outcome.BUSY, NOON - timedelta(minutes=5)), ended(Outcome.BUSY)]).at - NOON
    assert twice == 2 * first
    other = following([ended(Outcome.NO_ANSWER, NOON - timedelta(minutes=5)), ended(Outcome.BUSY)]).at - NOON
    assert other == first


def test_failures_of_our_network_back_off_until_it_carries_a_call():
    failures = [ended(Outcome.NETWORK, NOON + timedelta(minutes=n)) for n in range(3)]
    now = failures[-1].ended_at
    assert following(failures, now).at - now == timedelta(seconds=120)
    carried = [*failures, ended(Outcome.BUSY, now + timedelta(minutes=1))]
    again = [*carried, ended(Outcome.NETWORK, now + timedelta(minutes=9))]
    assert following(again, again[-1].ended_at).at - again[-1].ended_at == timedelta(seconds=30)


def test_after_a_failure_the_wait_for_the_customer_still_holds():
    machine = ended(Outcome.MACHINE)
    failure = ended(Outcome.NETWORK, NOON + timedelta(minutes=1))
    assert following([machine, failure], failure.ended_at).at == NOON + timedelta(hours=2)


def test_voicemail_is_tried_at_another_time_of_day():
    # Two hours after 20:30 it is closed, and at 8:00 it was a machine before: so from 10:00 on.
    morning = ended(Outcome.MACHINE, datetime(2026, 1, 5, 13, 0, 30, tzinfo=UTC))
    evening = ended(Outcome.MACHINE, datetime(2026, 1, 6, 1, 30, tzinfo=UTC))
    found = following([morning, evening], evening.ended_at).at
    assert wall_clock(found, "America/New_York") == datetime(2026, 1, 6, 10)
    later = ended(Outcome.MACHINE, datetime(2026, 1, 5, 14, 30, 30, tzinfo=UTC))
    found = following([later, evening], evening.ended_at).at
    assert wall_clock(found, "America/New_York") == datetime(2026, 1, 6, 11, 30)
    busy = [morning, ended(Outcome.BUSY, evening.ended_at)]
    assert following(busy, evening.ended_at).at == evening.ended_at + timedelta(minutes=2)


def test_another_time_of_day_gives_way_where_there_is_none():
    morning = ended(Outcome.MACHINE, datetime(2026, 1, 5, 13, 0, 30, tzinfo=UTC))
    hour = Calendar(hours=Hours.daily("08:00-09:00"), zones=("America/New_York",))
    times = dataclasses.replace(US, also=(hour,))
    found = following([morning], morning.ended_at, times=times).at
    assert wall_clock(found, "America/New_York") == datetime(2026, 1, 6, 8)


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([Outcome.HUMAN], StopReason.REACHED),
        ([Outcome.BAD_NUMBER], StopReason.BAD_NUMBER),
        ([Outcome.BUSY, Outcome.SUPPRESSED], StopReason.SUPPRESSED),
        ([Outcome.REFUSED, Outcome.REFUSED], StopReason.REFUSED),
        ([Outcome.REFUSED, Outcome.NETWORK, Outcome.BUSY], StopReason.REFUSED),
        ([Outcome.BUSY] * 3, StopReason.ATTEMPTS_USED),
        ([Outcome.NETWORK] * 11, StopReason.NETWORK_FAILED),
    ],
)
def test_it_ends_with_the_reason(outcomes, reason):
    attempts = [ended(outcome, NOON + index * timedelta(minutes=1)) for index, outcome in enumerate(outcomes)]
    assert following(attempts, attempts[-1].ended_at) == Stop(reason=reason)
    assert isinstance(following(attempts[:-1], NOON + timedelta(hours=1)), Due)


def test_nobody_is_called_after_the_deadline():
    night = datetime(2026, 1, 6, 3, tzinfo=UTC)  # 22:00 in New York
    opens = datetime(2026, 1, 6, 13, tzinfo=UTC)
    assert following([], night, deadline=opens) == Stop(reason=StopReason.NO_TIME_LEFT)
    assert following([], night, deadline=opens + timedelta(seconds=1)).at == opens
    assert following([], night, deadline=night) == Stop(reason=StopReason.NO_TIME_LEFT)


def test_a_customer_whom_we_dropped_is_called_again_soon():
    dropped = ended(Outcome.HUMAN, dropped=True)
    assert following([dropped]).at == NOON + timedelta(minutes=5)
    assert following([dropped], times=UK, deadline=NOON + 2 * WEEK).at == datetime(2026, 1, 8, 17, tzinfo=UTC)


def test_a_number_in_two_zones_is_called_when_both_allow_it():
    times = dataclasses.replace(US, zones=("America/New_York", "America/Los_Angeles"))
    morning = datetime(2026, 1, 5, 13, tzinfo=UTC)  # 8:00 in New York
    assert following([], morning, times=times).at == datetime(2026, 1, 5, 16, tzinfo=UTC)


@given(st.integers(60, 72 * 3600), starts)
def test_a_snooze_waits_as_long_as_asked_and_until_it_is_allowed(wait_s, now):
    until = snooze(RetryPolicy(), now, wait_s, times=US, deadline=now + WEEK)
    assert until >= now + timedelta(seconds=wait_s)
    assert is_open(US.calendars, until)
    assert following([], now, not_before=until).at == until


def test_a_wish_that_cannot_be_kept_is_refused_with_what_could():
    with pytest.raises(ScheduleError, match="wait_s=5 is outside 60"):
        snooze(RetryPolicy(), NOON, 5, times=US, deadline=NOON + WEEK)
    with pytest.raises(ScheduleError, match="milliseconds"):
        snooze(RetryPolicy(), NOON, 3_600_000, times=US, deadline=NOON + WEEK)
    with pytest.raises(ScheduleError, match="ask for an earlier"):
        snooze(RetryPolicy(), NOON, 7200, times=US, deadline=NOON + timedelta(hours=1))
    with pytest.raises(ScheduleError, match="is past in America/New_York"):
        reschedule(NOON, datetime(2026, 1, 5, 11, 59), times=US, deadline=NOON + WEEK)
    with pytest.raises(ScheduleError, match="would do is 2026-01-06 08:00"):
        reschedule(NOON, datetime(2026, 1, 5, 22), times=US, deadline=NOON + WEEK)


@given(starts, st.integers(1, 6 * 24 * 60))
def test_a_customer_gets_the_time_they_named_on_their_own_clock(now, after_min):
    assume(is_open(US.calendars, now + timedelta(minutes=after_min)))
    wall = wall_clock(now + timedelta(minutes=after_min), "America/New_York")
    found = reschedule(now, wall, times=US, deadline=now + WEEK)
    assert wall_clock(found, "America/New_York") == wall


def test_histories_and_policies_that_cannot_be_are_refused():
    with pytest.raises(ScheduleError, match="swapped"):
        Attempt(started_at=NOON, ended_at=NOON - timedelta(1), outcome=Outcome.BUSY)
    with pytest.raises(ScheduleError, match="dropped needs a person"):
        ended(Outcome.BUSY, dropped=True)
    with pytest.raises(ScheduleError, match="out of order"):
        following([ended(Outcome.BUSY), ended(Outcome.BUSY, NOON - timedelta(minutes=1))])
    with pytest.raises(ScheduleError, match="is a clock behind"):
        following([ended(Outcome.BUSY, NOON + timedelta(minutes=1))])
    with pytest.raises(ScheduleError, match="customer_attempts_max=0"):
        RetryPolicy(customer_attempts_max=0)
    with pytest.raises(ScheduleError, match="milliseconds"):
        RetryPolicy(gaps_s={**GAPS_S, Outcome.BUSY: 120_000.0})
    with pytest.raises(ScheduleError, match="no gap after: busy"):
        RetryPolicy(gaps_s={outcome: gap_s for outcome, gap_s in GAPS_S.items() if outcome is not Outcome.BUSY})


def test_presets_say_where_they_come_from():
    for name, preset in PRESETS.items():
        assert regulation(name) is preset
        assert preset.sources
        opens = {(window.opens_min, window.closes_min) for day in preset.hours.week for window in day}
        assert opens == {(8 * 60, 21 * 60)}
    with pytest.raises(RegulationError, match="us_tcpa, uk_ofcom"):
        regulation("mars")
    with pytest.raises(RegulationError, match="percentage"):
        dataclasses.replace(US_TCPA, abandoned_share_max=3)


@given(*[st.integers(0, 1000)] * 3, st.floats(0, 1))
def test_the_share_of_abandoned_calls_is_one_and_counts_false_machines_where_the_law_does(
    connected, abandoned, machines, false_share
):
    counts = {"connected": connected, "abandoned": abandoned, "machine_verdicts": machines}
    us, uk = (abandoned_share(rules, **counts, false_machine_share=false_share) for rules in (US_TCPA, UK_OFCOM))
    assert math.isnan(us) == (connected + abandoned == 0)
    if not math.isnan(us):
        assert 0 <= us <= uk <= 1

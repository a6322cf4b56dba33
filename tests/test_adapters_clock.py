"""The clock: missing time is filled after its allowance, whoever asks how often, and what was given stays."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd.adapters.clock import FILL_MAX_S, STEP_S, Clock, Place, Timing
from amd.errors import AudioError

FRAME_S = 0.02
JITTER_S = 0.1
TIMING = Timing(jitter_s=JITTER_S)
NONE = Place(gap_samples=0, skip_samples=0)


def frame_at(k, delay_s=0.0):
    """When the k-th frame of 20 ms comes: at its end, and so much later."""
    return (k + 1) * FRAME_S + delay_s


@given(st.lists(st.floats(0, JITTER_S), min_size=1, max_size=80), st.booleans())
def test_audio_within_the_allowance_makes_no_gap(delays, timed):
    clock = Clock(TIMING, now_s=0.0)
    now_s = 0.0
    for k, delay_s in enumerate(delays):
        now_s = max(now_s, frame_at(k, delay_s))
        assert clock.tick(now_s) == 0
        assert clock.take(160, 160 * k if timed else None, now_s) == NONE
    assert clock.given_s == pytest.approx(len(delays) * FRAME_S)


MOMENTS = st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=30)


@given(MOMENTS, st.lists(st.floats(0, 60), max_size=30), st.booleans())
def test_ticks_in_between_change_nothing(steps, extra_ticks, timed):
    """Each step is a wait and whether audio comes at its end."""
    placed = []
    for ticks in ([], sorted(extra_ticks)):
        clock = Clock(TIMING, now_s=0.0)
        now_s, total, left, places = 0.0, 0, list(ticks), []
        for k, (wait_s, comes) in enumerate(steps):
            now_s += wait_s
            while left and left[0] <= now_s:
                total += clock.tick(left.pop(0))
            total += clock.tick(now_s)
            if comes:
                place = clock.take(160, 4000 * k if timed else None, now_s)
                total += place.gap_samples
                places.append((total, place.skip_samples))
                total += 160 - place.skip_samples
        placed.append((places, total + clock.tick(now_s + 1)))
    assert placed[0] == placed[1]


@given(MOMENTS)
def test_the_call_is_never_further_behind_than_the_allowance_and_a_step(steps):
    clock = Clock(TIMING, now_s=0.0)
    now_s = 0.0
    for wait_s, comes in steps:
        now_s += wait_s
        if comes:
            clock.take(160, None, now_s)
        clock.tick(now_s)
        assert clock.given_s >= now_s - clock.allowance_s - STEP_S - 1e-6


@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.integers(0, 2000), st.one_of(st.none(), st.integers(-(10**6), 10**6))),
        max_size=40,
    )
)
def test_what_was_given_is_never_taken_back(steps):
    clock = Clock(TIMING, now_s=5.0)
    now_s, total = 5.0, 0
    for wait_s, n_samples, at_sample in steps:
        now_s += wait_s
        total += clock.tick(now_s)
        place = clock.take(n_samples, at_sample, now_s)
        assert place.gap_samples >= 0
        assert 0 <= place.skip_samples <= n_samples
        total += place.gap_samples + n_samples - place.skip_samples
        assert clock.given_s == pytest.approx(total / 8000)


def test_nothing_is_due_before_the_allowance_and_all_but_it_after():
    clock = Clock(TIMING, now_s=100.0)
    assert clock.allowance_s == pytest.approx(JITTER_S + FRAME_S)
    assert clock.tick(100.0 + clock.allowance_s) == 0
    assert clock.tick(110.0 + clock.allowance_s) == 80_000


def test_audio_after_a_silence_stands_at_its_own_time():
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, None, 0.02)
    clock.tick(3.0)
    clock.take(160, None, 3.02)
    assert clock.given_s == pytest.approx(3.02)


def test_audio_that_waited_while_we_were_busy_is_no_gap():
    clock = Clock(TIMING, now_s=0.0)
    for k in range(10):
        clock.take(160, None, frame_at(k))
    assert all(clock.take(160, None, frame_at(59)) == NONE for _ in range(50))
    assert clock.tick(frame_at(59)) == 0


def test_lost_packets_leave_exactly_their_gap_though_none_ticked():
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, 5000, 0.02)
    assert clock.take(160, 5000 + 160 * 5, 0.12) == Place(gap_samples=640, skip_samples=0)


def test_late_audio_whose_place_was_filled_is_dropped_where_the_wire_tells_its_place():
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, 0, 0.02)
    assert clock.tick(1.12) == 7840  # up to 1.0 s
    assert clock.take(160, 160, 1.12) == Place(gap_samples=0, skip_samples=160)
    assert clock.take(1600, 7200, 1.12) == Place(gap_samples=0, skip_samples=800)
    assert clock.given_s == pytest.approx(1.1)


def test_late_audio_follows_where_the_wire_has_no_time():
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, None, 0.02)
    filled = clock.tick(1.0)
    places = [clock.take(160, None, 1.0) for _ in range(49)]
    assert all(place.skip_samples == 0 for place in places)
    assert clock.given_s >= 50 * FRAME_S + filled / 8000


def test_times_rounded_to_milliseconds_are_no_gaps():
    clock = Clock(Timing(jitter_s=JITTER_S, slack_s=0.04), now_s=0.0)
    for k in range(200):
        at_ms = 20 * k + (7 * k) % 5
        assert clock.take(160, at_ms * 8, frame_at(k)) == NONE


@pytest.mark.parametrize("jump", [10**9, -(10**9)])
def test_a_time_far_off_is_a_new_origin(jump):
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, 0, 0.02)
    assert clock.take(160, jump, 0.04) == NONE
    assert clock.take(160, jump + 160, 0.06) == NONE
    clock.restart()
    assert clock.take(160, 7, 0.08) == NONE


def test_longer_packets_are_awaited_longer():
    clock = Clock(Timing(jitter_s=JITTER_S, packet_s=0.2), now_s=0.0)
    for k in range(20):
        now_s = (k + 1) * 0.5
        assert (clock.tick(now_s) == 0) == (k > 0)
        clock.take(4000, None, now_s)
    assert clock.allowance_s == pytest.approx(JITTER_S + 0.5)


def test_audio_faster_than_time_is_taken_as_it_comes():
    clock = Clock(TIMING, now_s=0.0)
    assert all(clock.take(160, None, 0.0) == NONE for _ in range(500))
    assert clock.given_s == pytest.approx(10.0)
    assert clock.tick(0.1) == 0


def test_a_pause_takes_no_time():
    clock = Clock(TIMING, now_s=0.0)
    clock.take(160, None, 0.02)
    clock.pause(0.02)
    assert clock.tick(50.0) == 0
    clock.resume(60.0)
    assert clock.tick(60.1) == 0
    assert clock.tick(61.12) == 8000


def test_a_stall_of_ours_is_no_silence_of_theirs():
    clock = Clock(TIMING, now_s=0.0)
    assert clock.tick(86_400.0) == FILL_MAX_S * 8000
    assert clock.tick(86_400.0) == 0
    assert clock.tick(86_401.0) == 8000


def test_time_that_goes_back_stands_still():
    clock = Clock(TIMING, now_s=10.0)
    clock.tick(12.0)
    given_s = clock.given_s
    assert clock.tick(3.0) == 0
    assert clock.given_s == given_s


def test_another_rate_keeps_the_time():
    clock = Clock(TIMING, now_s=0.0)
    for k in range(50):
        clock.take(160, None, frame_at(k))
    clock.change_rate(44_100)
    assert clock.given_s == pytest.approx(1.0)
    assert clock.tick(2.5) > 0
    assert clock.given_s <= 2.5 - JITTER_S


@pytest.mark.parametrize("now_s", [math.nan, math.inf])
def test_a_time_that_is_none_is_refused(now_s):
    with pytest.raises(AudioError, match="finite"):
        Clock(TIMING, now_s=0.0).tick(now_s)


@pytest.mark.parametrize(
    "fields", [{"jitter_s": 100}, {"jitter_s": -0.1}, {"jitter_s": math.nan}, {"jitter_s": 0.1, "packet_s": 20}]
)
def test_a_timing_in_milliseconds_is_refused(fields):
    with pytest.raises(AudioError, match="milliseconds"):
        Timing(**fields)

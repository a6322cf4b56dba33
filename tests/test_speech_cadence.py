"""Runs of speech are where the voice is, whatever the gain, the offset, the hum and the noise."""

from itertools import pairwise

import generated as gen
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd.cadence import Cadence
from amd.framing import frame_known_sample, frame_start_sample
from amd.hearing import Hearing
from amd.speech import ACTIVE_SNR_DB, VOICED_SNR_DB, VOICING_MIN, SpeechTracker

SPEECH_DB = -25.0
NOISE_DB = SPEECH_DB - 15
BURSTS_S = ((1.0, 1.6), (2.6, 3.6), (4.6, 4.95))


def call_with_bursts(seed, *, bursts_s=BURSTS_S, seconds=6.5, pitch_hz=120.0, noise_db=NOISE_DB):
    rng = np.random.default_rng(seed)
    voices = [(on_s, gen.voice(rng, off_s - on_s, SPEECH_DB, pitch_hz)) for on_s, off_s in bursts_s]
    return gen.placed(seconds, voices) + gen.noise(rng, seconds, noise_db)


def runs_s(samples):
    return [(run.on / 8000, run.off / 8000) for run in gen.listen(samples).runs]


def assert_runs(samples, bursts_s=BURSTS_S):
    found = runs_s(samples)
    assert len(found) == len(bursts_s), found
    np.testing.assert_allclose(found, bursts_s, atol=0.06)


@pytest.mark.parametrize("pitch_hz", [95.0, 120.0, 170.0, 230.0])
@pytest.mark.parametrize("seed", range(3))
def test_runs_begin_and_end_within_60_ms_of_the_voice_at_15_db_snr(seed, pitch_hz):
    assert_runs(call_with_bursts(seed, pitch_hz=pitch_hz))


@pytest.mark.parametrize("gain_db", [0.0, -10.0, -20.0, -30.0, -40.0])
def test_runs_do_not_depend_on_the_gain(gain_db):
    assert_runs(call_with_bursts(11) * 10 ** (gain_db / 20))


@pytest.mark.parametrize("gain_db", [0.0, -30.0])
@pytest.mark.parametrize("offset", [gen.DC_300, -gen.DC_300])
def test_runs_do_not_depend_on_a_dc_offset(offset, gain_db):
    assert_runs(call_with_bursts(12) * 10 ** (gain_db / 20) + offset)


@pytest.mark.parametrize("freq_hz", [50.0, 60.0])
def test_runs_do_not_depend_on_mains_hum(freq_hz):
    assert_runs(call_with_bursts(13) + gen.hum(6.5, -35, freq_hz))


@pytest.mark.parametrize("pitch_hz", [95.0, 120.0, 230.0])
def test_runs_are_found_in_digital_silence(pitch_hz):
    rng = np.random.default_rng(14)
    voices = [(on_s, gen.words(rng, off_s - on_s, SPEECH_DB, pitch_hz)) for on_s, off_s in BURSTS_S]
    assert_runs(gen.placed(6.5, voices))


@pytest.mark.parametrize("rise_s", [0.005, 0.02, 0.04])
@pytest.mark.parametrize("pitch_hz", [85.0, 95.0, 120.0, 200.0])
def test_one_word_out_of_digital_silence_is_heard_however_fast_it_starts(pitch_hz, rise_s):
    # Lines with discontinuous transmission cut the start of a word off: it comes out of nothing, loud at once.
    for seed in range(5):
        word = gen.faded(gen.voice(np.random.default_rng(seed), 0.4, SPEECH_DB, pitch_hz), rise_s, 0.06)
        found = runs_s(gen.placed(3.0, [(1.0, word)]))
        assert len(found) == 1
        assert found[0][0] == pytest.approx(1.0, abs=0.06)
        assert found[0][1] == pytest.approx(1.4, abs=0.1)  # its last 60 ms fade


@pytest.mark.parametrize("pitch_hz", [120.0, 200.0])
def test_a_call_that_starts_within_a_word_starts_with_a_run(pitch_hz):
    rng = np.random.default_rng(15)
    voices = [(0.0, gen.words(rng, 0.75, SPEECH_DB, pitch_hz)), (1.6, gen.words(rng, 0.75, SPEECH_DB, pitch_hz))]
    assert_runs(gen.placed(4.0, voices) + gen.noise(rng, 4.0, NOISE_DB), ((0.0, 0.75), (1.6, 2.35)))


@pytest.mark.parametrize("level_db", [-70.0, -40.0, -20.0])
def test_white_noise_is_no_speech(level_db):
    assert runs_s(gen.noise(np.random.default_rng(16), 30.0, level_db)) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("before_db", [-200.0, -60.0])
def test_noise_that_starts_or_grows_is_no_speech(before_db, seed):
    rng = np.random.default_rng(seed)
    steps = [gen.noise(rng, 3.0, level_db) for level_db in (before_db, -35, before_db, -25, before_db)]
    assert runs_s(np.concatenate(steps)) == []


def test_digital_silence_with_offset_and_hum_is_no_speech():
    assert runs_s(gen.silence(10.0)) == []
    assert runs_s(gen.silence(10.0) + gen.DC_300) == []
    assert runs_s(gen.hum(10.0, -30)) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_pause_of_150_ms_is_within_a_run_and_one_of_600_ms_ends_it(seed):
    within = call_with_bursts(seed, bursts_s=((1.0, 1.6), (1.75, 2.4)), seconds=4.0)
    assert_runs(within, ((1.0, 2.4),))
    between = ((1.0, 1.6), (2.2, 2.8))
    assert_runs(call_with_bursts(seed, bursts_s=between, seconds=4.0), between)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_is_told_only_after_it_began_and_its_end_only_after_it_ended(seed):
    listened = gen.listen(call_with_bursts(seed))
    assert any(moment.started for moment in listened.moments)
    for moment in listened.moments:
        for run in (moment.started, moment.ended):
            assert run is None or run.on < run.off <= moment.known


def test_speech_is_known_within_a_third_of_a_second_and_its_end_within_half_a_second():
    listened = gen.listen(call_with_bursts(17))
    starts = [(moment.started.on, moment.known) for moment in listened.moments if moment.started]
    ends = [(moment.ended.off, moment.known) for moment in listened.moments if moment.ended]
    assert len(starts) == len(ends) == len(BURSTS_S)
    assert max(known - on for on, known in starts) < 0.33 * 8000
    assert max(known - off for off, known in ends) < 0.5 * 8000


def test_what_a_call_is_remembered_by_does_not_grow_in_ten_minutes():
    rng = np.random.default_rng(18)
    parts = [call_with_bursts(19), gen.noise(rng, 3.5, -30), gen.tone([1000.0], 5.0), gen.silence(5.0)]
    minute = gen.float32(np.concatenate(parts * 3))
    hearing, sizes = Hearing(), []
    for _ in range(10):
        for piece in np.array_split(minute, 100):
            for _moment in hearing.feed(piece):
                pass
            sizes.append(gen.state_size(hearing))
    assert hearing.cadence.n_runs >= 90
    assert max(sizes) < 2000
    assert max(sizes[500:]) <= max(sizes[:500])


def test_digital_silence_leaves_the_noise_floor_as_it_was():
    def after(frames):
        tracker = SpeechTracker()
        for _ in range(frames):
            tracker.step(-50.0, [-58.0] * 6, 0.1, tonal=False)
        for _ in range(200):
            assert not tracker.step(-120.0, [-120.0] * 6, 0.0, tonal=False).active
        return tracker.step(-50.0, [-58.0] * 6, 0.1, tonal=False)

    activity = after(100)
    assert not activity.active
    assert activity.snr_db == pytest.approx(0.0, abs=0.1)


def test_a_steady_tone_is_no_noise_floor():
    tracker = SpeechTracker()
    for _ in range(100):
        tracker.step(-50.0, [-58.0] * 6, 0.1, tonal=False)
    for _ in range(300):
        tracker.step(-20.0, [-20.0, *[-58.0] * 5], 0.9, tonal=True)
    after = tracker.step(-25.0, [-30.0] * 6, 0.8, tonal=False)
    assert after.voiced
    assert after.floor_db == pytest.approx(-58.0, abs=0.1)
    assert after.snr_db == pytest.approx(28.0, abs=0.5)


@pytest.mark.parametrize(
    ("above_db", "voicing", "active", "voiced"),
    [
        (VOICED_SNR_DB + 0.1, VOICING_MIN + 0.01, True, True),
        (VOICED_SNR_DB + 0.1, VOICING_MIN - 0.01, False, False),
        (VOICED_SNR_DB - 0.1, 0.99, False, False),
        (ACTIVE_SNR_DB + 0.1, 0.0, True, False),
        (ACTIVE_SNR_DB - 0.1, 0.0, False, False),
    ],
)
def test_a_periodic_frame_needs_less_level_above_the_floor_than_another(above_db, voicing, active, voiced):
    tracker = SpeechTracker()
    for _ in range(100):
        tracker.step(-50.0, [-58.0] * 6, 0.1, tonal=False)
    found = tracker.step(-50.0 + above_db, [-58.0 + above_db] * 6, voicing, tonal=False)
    assert (found.active, found.voiced) == (active, voiced)


def test_a_noise_that_goes_on_becomes_the_floor_within_two_seconds():
    tracker = SpeechTracker()
    loud = (-40.0, [-48.0] * 6, 0.1)
    for _ in range(100):
        tracker.step(-60.0, [-68.0] * 6, 0.1, tonal=False)
    assert tracker.step(*loud, tonal=False).snr_db > 5
    for _ in range(125):
        activity = tracker.step(*loud, tonal=False)
    assert not activity.active
    assert activity.snr_db == pytest.approx(0.0, abs=0.1)


FRAMES = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=400)


@given(frames=FRAMES)
def test_runs_never_overlap_and_their_sums_agree_whatever_the_frames_are(frames):
    cadence, runs = Cadence(), []
    for index, (active, periodic, hold) in enumerate(frames):
        _, ended = cadence.step(index, active=active, voiced=active and periodic, hold=hold)
        runs += [ended] if ended else []
        known = frame_known_sample(index)
        assert cadence.last_off <= known
        assert 0 <= cadence.speech_samples <= known
    last = cadence.close()
    runs += [last] if last else []
    assert len(runs) == cadence.n_runs
    assert all(run.on < run.off for run in runs)
    assert all(later.on >= sooner.off for sooner, later in pairwise(runs))
    assert cadence.speech_samples == sum(run.off - run.on for run in runs)
    assert cadence.first_on == (runs[0].on if runs else None)
    assert cadence.longest_pause_samples == max(
        (later.on - sooner.off for sooner, later in pairwise(runs)), default=0
    )


@given(n_voiced=st.integers(0, 12))
def test_96_ms_of_voice_start_a_run_and_less_does_not(n_voiced):
    cadence = Cadence()
    for index in range(40):
        voiced = 10 <= index < 10 + n_voiced
        cadence.step(index, active=voiced, voiced=voiced, hold=False)
    assert cadence.n_runs == (1 if n_voiced >= 6 else 0)
    if cadence.n_runs:
        assert cadence.first_on == frame_start_sample(10)


def test_what_turns_out_to_be_a_tone_is_taken_back_from_the_run():
    cadence = Cadence()
    for index in range(60):
        cadence.step(index, active=True, voiced=True, hold=False)
    cadence.retract(59, frame_start_sample(40))
    assert cadence.last_off == frame_start_sample(40)
    assert cadence.speech_samples == frame_start_sample(40) - frame_start_sample(0)
    for index in range(60, 100):
        cadence.step(index, active=False, voiced=False, hold=False)
    assert cadence.run is None
    assert cadence.last_off == frame_start_sample(40)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("end_hz", [700.0, 1500.0])
def test_dark_noise_that_starts_is_no_speech(end_hz, seed):
    # Cars and wind: noise of little bandwidth correlates with itself for longer than white noise does.
    rng = np.random.default_rng(seed)
    dark = gen.dark_noise(rng, 4.0, -30, end_hz)
    assert runs_s(gen.placed(8.0, [(3.0, dark)]) + gen.noise(rng, 8.0, -65)) == []

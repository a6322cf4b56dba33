"""Facts of a frame are what they say, and do not depend on how many frames came at once."""

import dataclasses
import operator

import generated as gen
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd.framing import Framer
from amd.spectrum import BAND_EDGES_BINS, BIN_HZ, LEVEL_MIN_DB, FrameFacts, SpectrumAnalyser, TonalFacts
from amd.speech import VOICING_MIN

NAMES = [
    *(field.name for field in dataclasses.fields(FrameFacts) if field.name != "tonal"),
    *(f"tonal.{field.name}" for field in dataclasses.fields(TonalFacts)),
]
value = {name: operator.attrgetter(name) for name in NAMES}


def mixed_call(seed):
    rng = np.random.default_rng(seed)
    return gen.placed(
        2.0,
        [
            (0.3, gen.voice(rng, 0.5, -25)),
            (0.9, gen.tone([1000.0, 1700.0], 0.3)),
            (1.2, gen.noise(rng, 0.6, -50)),  # and digital silence before and after
        ],
    )


@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 125), max_size=20))
def test_facts_are_equal_whatever_the_batch_size(seed, cuts):
    frames = Framer().feed(gen.float32(mixed_call(seed)))
    whole, analyser = SpectrumAnalyser().feed(frames), SpectrumAnalyser()
    pieces = [analyser.feed(piece) for piece in gen.cut(frames, cuts)]
    for name in NAMES:
        batched = np.concatenate([value[name](piece) for piece in pieces])
        np.testing.assert_array_equal(batched, value[name](whole), err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_facts_are_equal_one_frame_at_a_time(seed):
    frames = Framer().feed(gen.float32(mixed_call(seed)))
    whole, analyser = SpectrumAnalyser().feed(frames), SpectrumAnalyser()
    for index in range(len(frames)):
        facts = analyser.feed(frames[index : index + 1])
        for name in NAMES:
            np.testing.assert_array_equal(value[name](facts)[0], value[name](whole)[index], err_msg=name)


@pytest.mark.parametrize("freq_hz", [350.0, 1000.0, 1234.5, 3300.0])
@pytest.mark.parametrize("level_db", [0.0, -20.0, -60.0])
def test_the_level_of_a_sine_is_its_mean_square(freq_hz, level_db):
    sine = gen.tone([freq_hz], 1.0, level_db - 10 * np.log10(2))  # amplitude: level_db of full scale
    np.testing.assert_allclose(gen.facts_of(sine).level_db, level_db - 3.01, atol=0.1)


def test_the_level_of_a_square_wave_is_what_its_harmonics_in_the_band_have():
    period = 20  # 400 Hz; its harmonics to 2800 Hz lie in the band, the one at 3600 Hz does not
    wave = np.where(np.arange(8000) % period < period // 2, 1.0, -1.0)
    series = np.abs(np.fft.rfft(wave[:period]) / period) ** 2
    inside = 2 * np.sum(series[[1, 3, 5, 7]])
    assert 0.9 < inside < 1.0
    np.testing.assert_allclose(gen.facts_of(wave).level_db, 10 * np.log10(inside), atol=0.05)


@pytest.mark.parametrize("level_db", [-10.0, -50.0])
def test_white_noise_has_the_share_of_its_power_that_lies_from_250_to_3500_hz(level_db):
    facts = gen.facts_of(gen.noise(np.random.default_rng(5), 30.0, level_db))
    mean_db = 10 * np.log10(np.mean(10 ** (facts.level_db.astype(float) / 10)))
    assert mean_db == pytest.approx(level_db + 10 * np.log10(3250 / 4000), abs=0.15)


def test_the_bands_add_up_to_the_level_and_each_holds_its_share_of_white_noise():
    facts = gen.facts_of(gen.noise(np.random.default_rng(6), 60.0, -30.0))
    powers = 10 ** (facts.bands_db.astype(float) / 10)
    np.testing.assert_allclose(10 * np.log10(powers.sum(axis=1)), facts.level_db, atol=1e-3)
    shares = powers.mean(axis=0) / powers.mean(axis=0).sum()
    np.testing.assert_allclose(shares, np.diff(BAND_EDGES_BINS) * BIN_HZ / 3250, rtol=0.03)


@pytest.mark.parametrize(("freq_hz", "band"), [(300, 0), (500, 1), (800, 2), (1150, 3), (1700, 4), (2800, 5)])
def test_a_tone_fills_the_band_it_lies_in(freq_hz, band):
    bands = gen.facts_of(gen.tone([float(freq_hz)], 0.5)).bands_db
    np.testing.assert_allclose(bands[:, band], -20, atol=0.1)
    others = np.delete(bands, band, axis=1)
    assert others.max() < -20 - 20


def test_digital_silence_has_the_least_level_and_no_fact_is_nan():
    facts = gen.facts_of(gen.silence(0.5))
    np.testing.assert_allclose(facts.level_db, LEVEL_MIN_DB, atol=1e-3)
    for name in NAMES:
        assert np.isfinite(value[name](facts)).all(), name
    assert (facts.voicing < VOICING_MIN).all()
    assert (facts.peak_share == 0).all()


@given(freq_hz=st.floats(350, 3400), phase=st.floats(0, 6.28))
def test_the_peak_of_a_clean_tone_is_within_1_hz(freq_hz, phase):
    facts = gen.facts_of(gen.tone([freq_hz], 0.1, phase=phase))
    np.testing.assert_allclose(facts.peak_hz, freq_hz, atol=1.0)
    assert (facts.peak_share > 0.98).all()


@given(low_hz=st.floats(400, 1600), apart_hz=st.floats(250, 1700), louder_db=st.sampled_from([-3.0, 3.0]))
def test_two_tones_are_two_peaks_the_louder_one_first(low_hz, apart_hz, louder_db):
    high_hz = low_hz + apart_hz
    facts = gen.facts_of(gen.tone([low_hz], 0.1, -20) + gen.tone([high_hz], 0.1, -20 + louder_db))
    first_hz, second_hz = (high_hz, low_hz) if louder_db > 0 else (low_hz, high_hz)
    np.testing.assert_allclose(facts.peak_hz, first_hz, atol=2.0)
    np.testing.assert_allclose(facts.second_hz, second_hz, atol=2.0)
    np.testing.assert_allclose(facts.peak_share, 2 / 3, atol=0.03)
    assert (facts.pair_share > 0.98).all()


@pytest.mark.parametrize(
    "piece",
    [
        gen.tone([1000.0], 0.1),
        gen.tone([697.0, 1209.0], 0.1),
        gen.tone([440.0, 480.0], 0.1),
        gen.harmonics((400.0, 800.0, 1200.0, 1600.0), 0.7, 0.1),
        gen.harmonics((1100.0, 2200.0, 3300.0), 0.7, 0.1),
        gen.swept(900.0, 1150.0, 0.05),
        gen.tone([1000.0], 0.1) * (1 + 0.8 * np.sin(2 * np.pi * 25 * gen.times_s(0.1))),
    ],
    ids=["one", "two", "beating", "low harmonics", "high harmonics", "swept", "pulsing"],
)
def test_one_generated_tone_explains_nearly_all_of_itself(piece):
    facts = gen.facts_of(piece)
    assert (facts.clarity > 0.95).all()


@given(seed=st.integers(0, 50))
def test_clarity_is_a_share_and_at_least_that_of_both_peaks(seed):
    facts = gen.facts_of(mixed_call(seed))
    assert (facts.clarity >= facts.pair_share - 1e-5).all()
    assert (facts.clarity <= 1 + 1e-4).all()
    assert (facts.clarity >= 0).all()


def test_noise_and_vowels_are_less_clear_than_a_tone():
    rng = np.random.default_rng(11)
    assert np.median(gen.facts_of(gen.noise(rng, 10.0, -30.0)).clarity) < 0.25
    for pitch_hz in (95.0, 120.0, 170.0):
        assert np.median(gen.facts_of(gen.voice(rng, 2.0, -20.0, pitch_hz)).clarity) < 0.75


@pytest.mark.parametrize("level_db", [0.0, -30.0, -70.0])
def test_99_percent_of_the_frames_of_white_noise_are_not_voiced(level_db):
    facts = gen.facts_of(gen.noise(np.random.default_rng(7), 60.0, level_db))
    assert np.mean(facts.voicing < VOICING_MIN) >= 0.99


@pytest.mark.parametrize("pitch_hz", [100.0, 120.0, 200.0, 320.0])
def test_pulses_at_the_pitch_of_a_voice_are_voiced_at_that_pitch(pitch_hz):
    train = gen.pulses(np.full(8000, pitch_hz))
    facts = gen.facts_of(train)
    steady = slice(2, None)  # the first two are averaged with what came before the call: nothing
    assert (facts.voicing[steady] > VOICING_MIN).all()
    # A lag of one or two periods: both repeat. Lags are whole samples.
    periods = 8000 / facts.pitch_hz[steady] / (8000 / pitch_hz)
    np.testing.assert_allclose(periods, np.round(periods), atol=0.05)


def test_voiced_frames_in_noise_15_db_down_stay_voiced():
    rng = np.random.default_rng(8)
    facts = gen.facts_of(gen.voice(rng, 2.0, -25) + gen.noise(rng, 2.0, -40))
    assert np.mean(facts.voicing > VOICING_MIN) > 0.95


@pytest.mark.parametrize("offset", [0.01, gen.DC_300, -0.01])
def test_a_dc_offset_moves_no_level(offset):
    assert gen.facts_of(gen.silence(0.5) + offset).level_db.max() < -95
    rng = np.random.default_rng(9)
    quiet = gen.noise(rng, 1.0, -60)
    np.testing.assert_allclose(gen.facts_of(quiet + offset).level_db, gen.facts_of(quiet).level_db, atol=0.1)


@pytest.mark.parametrize("freq_hz", [50.0, 60.0])
def test_mains_hum_moves_no_level(freq_hz):
    quiet = gen.noise(np.random.default_rng(10), 1.0, -55)
    humming = quiet + gen.hum(1.0, -35, freq_hz)  # 20 dB above all else
    np.testing.assert_allclose(gen.facts_of(humming).level_db, gen.facts_of(quiet).level_db, atol=0.1)


def in_a_car(seed, tone_db, seconds=3.0):
    """A tone of 1000 Hz from second 1.5 on, and noise of -10 dB below 500 Hz."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * 8000)))
    freqs_hz = np.fft.rfftfreq(round(seconds * 8000), 1 / 8000)
    rumble = np.fft.irfft(spectrum / np.maximum(freqs_hz, 100) ** 2)
    samples = rumble / rumble.std() * 10 ** (-10 / 20)
    return gen.placed(seconds, [(1.5, gen.tone([1000.0], 0.5, tone_db))]) + samples


@pytest.mark.parametrize("seed", range(5))
def test_a_tone_above_a_car_s_noise_is_clear_though_it_is_a_small_part_of_all(seed):
    facts = gen.facts_of(in_a_car(seed, -35.0))
    inside = slice(round(1.55 * 62.5), round(1.9 * 62.5))
    assert np.mean(np.abs(facts.tonal.peak_hz[inside] - 1000) < 10) > 0.9
    assert np.mean(np.abs(facts.peak_hz[inside] - 1000) < 10) < 0.5
    assert np.median(facts.tonal.clarity[inside]) > 0.6
    np.testing.assert_allclose(np.median(facts.tonal.tone_db[inside]), -35.0, atol=2)


def test_a_tone_does_not_become_noise_however_long_it_sounds():
    samples = gen.tone([1000.0], 60.0, -20.0) + gen.noise(np.random.default_rng(3), 60.0, -40.0)
    facts = gen.facts_of(samples)
    assert np.all(facts.tonal.clarity > 0.95)
    assert np.all(facts.tonal.noise_db < -35)


def test_where_nothing_was_heard_before_the_facts_for_tones_are_the_plain_ones():
    facts = gen.facts_of(gen.tone([1000.0, 1700.0], 0.128, -20.0))
    np.testing.assert_allclose(facts.tonal.peak_hz, facts.peak_hz)
    np.testing.assert_allclose(facts.tonal.clarity, facts.clarity, rtol=1e-5)


def test_where_less_is_left_than_the_noise_would_leave_nothing_is_clear():
    rng = np.random.default_rng(6)
    word, after = gen.noise(rng, 0.128, -20.0), gen.noise(rng, 0.1, -45.0)
    facts = gen.facts_of(np.concatenate([word, after]))
    assert (facts.tonal.clarity[9:12] < 0.5).all()  # of what the word would leave


def test_digital_silence_teaches_nothing_about_the_noise():
    noise = gen.noise(np.random.default_rng(5), 1.0, -40.0)
    late = gen.facts_of(np.concatenate([gen.silence(2.0), noise]))
    assert np.median(late.tonal.noise_db[-20:]) == pytest.approx(-45, abs=4)  # of the quieter bins

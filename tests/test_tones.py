"""A tone is found where it is, at its frequency, soon after its end; noise is no tone."""

import itertools
import math

import generated as gen
import numpy as np
import pytest

from amd.edges import covered_samples
from amd.tones import Tone, ToneTracker
from benchmarks.tones import line

LEVEL_DB = -20.0
NOISE_DB = LEVEL_DB - 15
EDGE_SAMPLES = 200  # 25 ms


def in_noise(seed, start_s, piece, *, after_s=0.5, noise_db=NOISE_DB):
    seconds = start_s + piece.size / 8000 + after_s
    return gen.placed(seconds, [(start_s, piece)]) + gen.noise(np.random.default_rng(seed), seconds, noise_db)


def assert_in_place(found, start_s, seconds):
    assert len(found) == 1, found
    (tone,) = found
    on, off = round(start_s * 8000), round((start_s + seconds) * 8000)
    assert abs(tone.on - on) <= EDGE_SAMPLES
    assert abs(tone.off - off) <= EDGE_SAMPLES
    assert tone.off <= tone.known <= off + 0.08 * 8000
    return tone


def near(samples, start_s, seconds):
    """All that is like a tone where the tone is; it may be too short or too rough to have stood still."""
    on, off = round(start_s * 8000), round((start_s + seconds) * 8000)
    return [tone for tone in gen.runs_of(samples) if tone.on < off and tone.off > on]


def assert_found(found, start_s, seconds, freqs_hz):
    tone = assert_in_place(found, start_s, seconds)
    assert len(tone.freqs_hz) == len(freqs_hz)
    np.testing.assert_allclose(tone.freqs_hz, freqs_hz, atol=8)
    return tone


FREQS_HZ = (350, 440, 660, 746, 825, 879, 1000, 1004, 1336, 1400, 2000, 2600, 3000, 3400)
LENGTHS_S = (0.07, 0.1, 0.15, 0.23, 0.34, 0.75, 1.5)


@pytest.mark.parametrize("seconds", LENGTHS_S)
@pytest.mark.parametrize("freq_hz", FREQS_HZ)
def test_a_tone_at_15_db_snr_is_found_in_its_place_and_known_within_80_ms_of_its_end(freq_hz, seconds):
    rng = np.random.default_rng([freq_hz, round(seconds * 1000)])
    for seed in range(3):
        start_s = 0.5 + rng.uniform(0, 0.016)  # anywhere within a hop
        start_s = round(start_s * 8000) / 8000
        piece = gen.tone([float(freq_hz)], seconds, LEVEL_DB, phase=rng.uniform(0, 6.28))
        tone = assert_found(gen.tones_of(in_noise(seed, start_s, piece)), start_s, seconds, [freq_hz])
        assert tone.level_db == pytest.approx(LEVEL_DB, abs=1.5)


@pytest.mark.parametrize("seed", range(60))
def test_a_tone_of_any_frequency_length_and_level_is_found(seed):
    rng = np.random.default_rng([7, seed])
    freq_hz, seconds, level_db = rng.uniform(350, 3400), rng.uniform(0.07, 1.5), rng.uniform(-55, -6)
    start_s = round(rng.uniform(0.4, 0.6) * 8000) / 8000
    seconds = round(seconds * 8000) / 8000
    samples = in_noise(seed, start_s, gen.tone([freq_hz], seconds, level_db), noise_db=level_db - 15)
    assert_found(gen.tones_of(samples), start_s, seconds, [freq_hz])


@pytest.mark.parametrize(("low_hz", "high_hz"), [(350, 500), (500, 1000), (1000, 3400)])
@pytest.mark.parametrize("seconds", [0.07, 0.1, 0.15])
def test_short_tones_are_found_in_every_part_of_the_band(low_hz, high_hz, seconds):
    rng, missed = np.random.default_rng([low_hz, round(1000 * seconds)]), []
    for seed in range(50):
        freq_hz = rng.uniform(low_hz, high_hz)
        piece = gen.tone([freq_hz], seconds, LEVEL_DB, phase=rng.uniform(0, 6.28))
        start = 4000 + rng.integers(128)
        found = gen.runs_of(in_noise(seed, start / 8000, piece))
        off = start + piece.size
        if not any(max(abs(tone.on - start), abs(tone.off - off)) <= EDGE_SAMPLES for tone in found):
            missed.append(round(freq_hz))
    assert missed == []


@pytest.mark.parametrize("freq_hz", [400.0, 1000.0, 2100.0])
def test_a_tone_in_digital_silence_is_found_in_its_place(freq_hz):
    samples = gen.placed(1.5, [(0.5, gen.tone([freq_hz], 0.3, LEVEL_DB))])
    tone = assert_found(gen.tones_of(samples), 0.5, 0.3, [freq_hz])
    assert tone.rise_db > 50
    assert tone.fall_db > 50
    assert tone.spread_db < 0.1
    assert tone.wander_hz < 2


@pytest.mark.parametrize("fade_s", [0.005, 0.02])
def test_a_tone_that_fades_in_and_out_is_found(fade_s):
    piece = gen.faded(gen.tone([1000.0], 0.3, LEVEL_DB), fade_s, fade_s)
    assert_found(gen.tones_of(in_noise(1, 0.5, piece)), 0.5, 0.3, [1000])


DTMF = list(itertools.product((697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)))


@pytest.mark.parametrize("freqs_hz", [(480.0, 620.0), *DTMF])
@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_two_tones_at_once_are_one_tone_of_two_frequencies(freqs_hz, seconds):
    samples = in_noise(round(sum(freqs_hz)), 0.5, gen.tone(freqs_hz, seconds, LEVEL_DB))
    assert_found(gen.tones_of(samples), 0.5, seconds, freqs_hz)


@pytest.mark.parametrize("freqs_hz", [(1000.0, 1400.0), (1428.5, 1776.7), (2000.0, 600.0)])
def test_two_tones_one_after_the_other_are_two_that_meet_where_they_do(freqs_hz):
    misplaced = []
    for lead in range(4000, 4128, 4):  # every place within a hop
        samples = in_noise(lead, lead / 8000, np.concatenate([gen.tone([freq_hz], 0.3) for freq_hz in freqs_hz]))
        first, second = gen.tones_of(samples)
        assert first.freqs_hz[0] == pytest.approx(freqs_hz[0], abs=8)
        assert second.freqs_hz[0] == pytest.approx(freqs_hz[1], abs=8)
        for name, edge, place in (
            ("first on", first.on, lead),
            ("first off", first.off, lead + 2400),
            ("second on", second.on, lead + 2400),
            ("second off", second.off, lead + 4800),
        ):
            if abs(edge - place) > EDGE_SAMPLES:
                misplaced.append((lead - 4000, name, edge - place))
    assert misplaced == []


@pytest.mark.parametrize("gap_s", [0.1, 0.3])
def test_a_gap_of_100_ms_parts_a_double_beep(gap_s):
    beep = gen.tone([1000.0], 0.2)
    samples = in_noise(4, 0.5, np.concatenate([beep, gen.silence(gap_s), beep]))
    assert len(gen.tones_of(samples)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_a_click_or_a_lost_packet_does_not_end_a_tone(seed):
    piece = gen.tone([1000.0], 0.8, LEVEL_DB)
    piece[3000:3012] += 0.5 * np.random.default_rng(seed).standard_normal(12)
    assert_found(gen.tones_of(in_noise(seed, 0.5, piece)), 0.5, 0.8, [1000])
    piece = gen.tone([1000.0], 0.8, LEVEL_DB)
    piece[3000 + 30 * seed :][:80] = 0  # 10 ms
    assert_found(gen.tones_of(in_noise(seed, 0.5, piece)), 0.5, 0.8, [1000])


@pytest.mark.parametrize("level_db", [-60.0, -30.0])
def test_white_noise_is_no_tone(level_db):
    assert gen.tones_of(gen.noise(np.random.default_rng(5), 120.0, level_db)) == []


def test_silence_offset_and_hum_are_no_tone():
    assert gen.tones_of(gen.silence(5.0)) == []
    assert gen.tones_of(gen.silence(5.0) + gen.DC_300) == []


@pytest.mark.parametrize("ratio", [0.8, 0.9, 0.97, 1.03, 1.1, 1.2])
@pytest.mark.parametrize("seconds", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("freq_hz", [500.0, 1000.0, 2500.0])
def test_a_sweep_is_one_tone_that_moves_as_fast_as_it_does(freq_hz, seconds, ratio):
    samples = in_noise(9, 0.5, gen.swept(freq_hz, freq_hz * ratio, seconds))
    tone = assert_in_place(near(samples, 0.5, seconds), 0.5, seconds)
    assert tone.freqs_hz[0] == pytest.approx(freq_hz * (1 + ratio) / 2, rel=0.02)
    pace_hz_s = freq_hz * (ratio - 1) / seconds
    assert tone.sweep_hz_s == pytest.approx(pace_hz_s, abs=max(0.2 * abs(pace_hz_s), 12 / seconds))


@pytest.mark.parametrize("freqs_hz", [(450.0, 900.0, 1350.0), (800.0, 1600.0, 2400.0), (1100.0, 2200.0, 3300.0)])
@pytest.mark.parametrize("overtones", [0.2, 0.7])
@pytest.mark.parametrize("seconds", [0.08, 0.4])
def test_a_tone_with_harmonics_is_one_tone(freqs_hz, overtones, seconds):
    samples = in_noise(10, 0.5, gen.harmonics(freqs_hz, overtones, seconds))
    tone = assert_in_place(gen.tones_of(samples), 0.5, seconds)
    assert tone.freqs_hz[0] == pytest.approx(freqs_hz[0], abs=8)
    assert tone.clarity > 0.9


@pytest.mark.parametrize("codec", line.SOUNDFILE_CODECS)
@pytest.mark.parametrize("freq_hz", [425.0, 1000.0, 1850.0, 3100.0])
@pytest.mark.parametrize("seconds", [0.08, 0.5])
def test_a_tone_over_a_telephone_codec_is_found_in_its_place(freq_hz, seconds, codec):
    samples = line.round_trip(in_noise(11, 0.5, gen.tone([freq_hz], seconds), noise_db=LEVEL_DB - 20), codec)
    tone = assert_in_place(near(samples, 0.5, seconds), 0.5, seconds)
    assert tone.freqs_hz[0] == pytest.approx(freq_hz, abs=20 if codec == "gsm" else 8)


@pytest.mark.parametrize("replayed", [0.5, 0.0])
@pytest.mark.parametrize("at_s", [0.1, 0.16, 0.2])
@pytest.mark.parametrize("freq_hz", [440.0, 1012.0, 2600.0])
def test_a_lost_packet_does_not_end_a_tone(freq_hz, at_s, replayed):
    piece, lost = gen.tone([freq_hz], 0.4), gen.size(at_s)
    piece[lost : lost + 160] = replayed * piece[lost - 160 : lost]
    assert_found(gen.tones_of(in_noise(12, 0.5, piece)), 0.5, 0.4, [freq_hz])


@pytest.mark.parametrize("seed", range(4))
def test_a_tone_between_words_is_found_in_its_place(seed):
    rng = np.random.default_rng([13, seed])
    said, answered = (line.gain_of(LEVEL_DB - 3) * line.speech_like(8000, rng) for _ in range(2))
    piece = gen.tone([rng.uniform(900, 2500)], 0.3)
    samples = np.concatenate([said, gen.silence(0.1), piece, gen.silence(0.1), answered])
    samples = samples + gen.noise(rng, samples.size / 8000, NOISE_DB)
    assert_in_place(near(samples, 1.1, 0.3), 1.1, 0.3)


@pytest.mark.parametrize("name", ["rise_db", "fall_db"])
@pytest.mark.parametrize("over_db", [10.0, 20.0, 30.0])
def test_how_far_a_tone_stands_out_is_measured_on_either_side(name, over_db):
    piece = gen.tone([1000.0], 0.3)
    loud, quiet = (gen.noise(np.random.default_rng(14), 0.5, LEVEL_DB - db) for db in (over_db, 40.0))
    sides = [loud, piece, quiet] if name == "rise_db" else [quiet, piece, loud]
    (tone,) = gen.tones_of(np.concatenate(sides))
    assert getattr(tone, name) == pytest.approx(over_db, abs=3)
    assert {"rise_db": tone.fall_db, "fall_db": tone.rise_db}[name] == pytest.approx(40, abs=3)
    assert tone.rise_near_db >= tone.rise_db
    assert tone.fall_near_db >= tone.fall_db


def test_a_steady_tone_measures_as_one_and_a_vowel_does_not():
    (tone,) = gen.tones_of(in_noise(15, 0.5, gen.tone([1000.0], 0.4)))
    assert tone.clarity_min > 0.9
    assert tone.gaps == 0
    assert max(tone.wander_hz, tone.wander_max_hz) < 5
    assert tone.second_db < -15
    vowel = gen.voice(np.random.default_rng(7), 3.0, LEVEL_DB, 120.0)
    for other in gen.runs_of(in_noise(7, 0.5, vowel)):
        assert other.share_db < tone.share_db
        assert other.wander_max_hz > tone.wander_max_hz or other.spread_db > tone.spread_db


def steady_facts(**changes):
    peaks = {"peak_hz": 1000.0, "second_hz": 2000.0, "peak_share": 0.99, "pair_share": 0.995}
    facts = {"level_db": -20.0, "noise_db": -60.0, "clarity": 0.99, **peaks, **changes}
    return {"tone_db": facts["level_db"] + 10 * math.log10(max(facts["clarity"], 1e-6)), **facts}


SILENCE = steady_facts(level_db=-120.0, peak_share=0.0, pair_share=0.0, clarity=0.0)


def test_a_tone_that_lasts_an_hour_takes_no_more_memory_than_one_of_seconds():
    tracker, sizes, n_frames = ToneTracker(), [], 3600 * 8000 // 128
    for index in range(n_frames):
        assert tracker.step(index, **steady_facts()) is None
        if index % 1000 == 999:
            sizes.append(gen.state_size(tracker))
    assert tracker.tonal
    assert set(sizes) == {gen.state_size(ToneTracker())}
    assert sizes[0] < 800
    (tone,) = filter(None, [tracker.step(n_frames + i, **SILENCE) for i in range(4)])
    assert tone.on <= 256
    assert tone.off == pytest.approx(n_frames * 128 + 128, abs=EDGE_SAMPLES)
    assert tone.n_frames <= ToneTracker.KEEP_FRAMES


@pytest.mark.parametrize("facts", [SILENCE, steady_facts(clarity=0.3), steady_facts(level_db=-120.0)])
def test_an_hour_without_a_tone_takes_no_more_memory_than_seconds(facts):
    tracker, sizes = ToneTracker(), []
    for index in range(3600 * 8000 // 128 // 10):
        assert tracker.step(index, **facts) is None
        if index % 1000 == 999:
            sizes.append(gen.state_size(tracker))
    assert set(sizes) == {gen.state_size(ToneTracker())}  # what is set aside for a tone that may come, no more
    assert sizes[0] < 800


def test_a_tone_is_sounding_from_its_fourth_frame_to_its_end():
    tracker = ToneTracker()
    for index in range(20):
        assert tracker.step(index, **steady_facts()) is None
        assert tracker.tonal == (index >= 3)
        assert tracker.pending == (index >= 1)
        sounding = tracker.sounding()
        assert (sounding is not None) == tracker.tonal
        assert sounding is None or (sounding.freq_hz == 1000.0 and sounding.off <= 256 + 128 * index)
    ended = [tracker.step(index, **steady_facts(level_db=-90.0)) for index in range(20, 24)]
    assert [tone.freqs_hz for tone in ended if tone is not None] == [(1000.0,)]
    assert not tracker.tonal
    assert not tracker.pending
    assert tracker.sounding() is None
    assert tracker.finish(24) is None


def test_a_tone_that_the_end_of_the_call_cuts_off_is_found():
    tracker = ToneTracker()
    assert tracker.finish(0) is None
    for index in range(20):
        tracker.step(index, **steady_facts())
    tone = tracker.finish(20)
    assert (tone.off, tone.known) == (256 + 128 * 19, 256 + 128 * 19)
    assert tone.steady
    assert tracker.finish(20) is None
    for index in range(2):
        tracker.step(index, **steady_facts())
    assert tracker.finish(2) is None  # two frames hold no tone of 60 ms


@pytest.mark.parametrize(("by_hz", "is_tone"), [(1.0, True), (7.0, True), (20.0, False), (40.0, False)])
def test_a_peak_that_jumps_to_and_fro_stands_still_up_to_8_hz(by_hz, is_tone):
    tracker, tonal = ToneTracker(), []
    for i in range(60):
        tracker.step(i, **steady_facts(peak_hz=1000.0 + by_hz * (i % 2)))
        tonal.append(tracker.tonal)
    assert all(tonal[3:8]) == any(tonal[:8]) == is_tone


@pytest.mark.parametrize("weak", [{"level_db": -80.5}, {"clarity": 0.54}])
def test_what_is_too_quiet_or_too_mixed_is_no_tone(weak):
    tracker = ToneTracker()
    for i in range(30):
        assert tracker.step(i, **steady_facts(**weak)) is None
        assert not tracker.tonal
    assert tracker.finish(30) is None


@pytest.mark.parametrize("under_db", [12.0, 18.0])
def test_what_led_to_a_tone_far_weaker_is_no_part_of_it(under_db):
    before = gen.tone([1000.0], 0.16, LEVEL_DB - under_db)
    samples = in_noise(2, 0.5, np.concatenate([before, gen.tone([1000.0], 0.3, LEVEL_DB)]), noise_db=-60)
    tone = assert_in_place(gen.tones_of(samples), 0.66, 0.3)
    assert tone.spread_db < 0.5
    assert tone.rise_db == pytest.approx(under_db, abs=1)


def test_where_another_peak_is_now_and_then_stronger_a_tone_keeps_its_place():
    tracker = ToneTracker()
    for index in range(20):
        peaks = {"peak_hz": 1318.0, "second_hz": 700.0 + 30 * index}
        if index % 3 == 2:
            peaks = {"peak_hz": 2114.0, "second_hz": 1319.0}
        tracker.step(index, **steady_facts(**peaks, peak_share=0.5, pair_share=0.8, clarity=0.8))
    tone = tracker.finish(20)
    assert tone.freqs_hz == (1318.0,)
    assert tone.wander_max_hz < 1


@pytest.mark.parametrize(("moved_hz", "stays"), [(0.0, True), (40.0, False)])
def test_two_tones_that_beat_stay_whichever_of_them_is_the_peak_more_often(moved_hz, stays):
    tracker = ToneTracker()
    for index in range(60):
        is_low = index % 5 < 3 if index < 30 else index % 5 < 1
        tracker.step(index, **steady_facts(peak_hz=(351.0 if is_low else 439.0) + moved_hz * (index >= 30)))
    assert tracker.finish(60).steady == stays


@pytest.mark.parametrize("covered", range(0, 257, 16))
def test_the_level_of_a_frame_says_how_much_of_it_a_tone_fills(covered):
    window = np.hanning(257)[:256]
    share = np.sum(window[:covered] ** 2) / np.sum(window**2)
    level_db = LEVEL_DB + 10 * np.log10(max(share, 1e-30))
    found = covered_samples(level_db, LEVEL_DB)
    power_found = np.sum(window[:found] ** 2) / np.sum(window**2)
    assert power_found == pytest.approx(share, abs=0.01)


def test_a_frame_as_loud_as_the_tone_is_full():
    assert covered_samples(LEVEL_DB + 1, LEVEL_DB) == covered_samples(LEVEL_DB, LEVEL_DB) == 256
    assert covered_samples(LEVEL_DB - 100, LEVEL_DB) < 16


def test_a_tone_cannot_be_changed_by_who_receives_it():
    (tone,) = gen.tones_of(in_noise(8, 0.5, gen.tone([1000.0], 0.3)))
    assert isinstance(tone, Tone)
    with pytest.raises(AttributeError):
        tone.on = 0

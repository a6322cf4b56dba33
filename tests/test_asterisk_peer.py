"""Asterisk's rules as their documentation states them, and the weaknesses that were measured on the real one.

Levels are exact here: a frame of the constant 256/32768 is voice, one of 255/32768 is silence.
"""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from generated import DC_300, float32, noise, placed, silence, voice, words
from hypothesis import given
from hypothesis import strategies as st

from amd import Party
from benchmarks.peers.asterisk import PeerVerdict, judge

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
RATE_HZ = 8000
VOICE = 3000 / 32768
VOICE_DB = -20.0


def steps(*seconds, first=0.0, second=VOICE):
    """Silence and voice by turns, for so many seconds each; they begin with silence."""
    pieces = [np.full(round(s * RATE_HZ), second if turn % 2 else first) for turn, s in enumerate(seconds)]
    return float32(np.concatenate([np.zeros(0), *pieces]))


def is_verdict(found, party, cause, known_s):
    return found == PeerVerdict(party=party, cause=cause, known_s=pytest.approx(known_s, abs=1e-9))


def hello(seed, start_s=0.5, level_db=VOICE_DB):
    """A hello of 400 ms, then five seconds of silence."""
    return placed(6.0, [(start_s, voice(np.random.default_rng(seed), 0.4, level_db))])


@pytest.mark.parametrize("start_s", [0.0, 0.2, 1.0, 2.4])
def test_a_hello_of_400_ms_is_a_human_after_800_ms_of_silence(start_s):
    assert is_verdict(judge(steps(start_s, 0.4, 2.0)), Party.HUMAN, "HUMAN", start_s + 0.4 + 0.8)


@pytest.mark.parametrize("seed", range(5))
def test_a_spoken_hello_is_a_human_after_800_ms_of_silence(seed):
    found = judge(float32(hello(seed)))
    assert (found.party, found.cause) == (Party.HUMAN, "HUMAN")
    assert found.known_s == pytest.approx(0.5 + 0.4 + 0.8, abs=0.02)


def test_780_ms_of_silence_are_not_enough_for_a_human():
    assert judge(steps(0.2, 0.4, 0.78)).cause == "HANGUP"
    assert judge(steps(0.2, 0.4, 0.80)).cause == "HUMAN"
    assert is_verdict(judge(steps(0.2, 0.4, 0.78, 0.4, 2.0)), Party.HUMAN, "HUMAN", 0.2 + 0.4 + 0.78 + 0.4 + 0.8)


def test_three_seconds_of_silence_are_a_machine_at_2500_ms():
    assert is_verdict(judge(steps(3.0)), Party.MACHINE, "INITIALSILENCE", 2.5)


@pytest.mark.parametrize("start_s", [2.5, 2.6, 4.0])
def test_a_person_who_first_speaks_after_2500_ms_is_a_machine(start_s):
    assert is_verdict(judge(float32(hello(1, start_s=start_s))), Party.MACHINE, "INITIALSILENCE", 2.5)


def test_a_person_who_speaks_just_before_2500_ms_is_a_human():
    assert is_verdict(judge(steps(2.38, 0.4, 2.0)), Party.HUMAN, "HUMAN", 2.38 + 0.4 + 0.8)


@pytest.mark.parametrize("start_s", [0.0, 0.2, 1.0])
def test_1600_ms_of_voice_are_a_long_greeting_after_1500_ms(start_s):
    assert is_verdict(judge(steps(start_s, 1.6, 2.0)), Party.MACHINE, "LONGGREETING", start_s + 1.5)


def test_1480_ms_of_voice_are_no_long_greeting():
    assert is_verdict(judge(steps(0.2, 1.48, 2.0)), Party.HUMAN, "HUMAN", 0.2 + 1.48 + 0.8)


def test_voice_of_a_long_greeting_counts_over_its_pauses():
    assert is_verdict(judge(steps(0.2, 0.8, 0.5, 0.8, 2.0)), Party.MACHINE, "LONGGREETING", 0.2 + 0.8 + 0.5 + 0.7)


def test_three_words_are_a_machine_100_ms_into_the_third():
    assert is_verdict(judge(steps(0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 2.0)), Party.MACHINE, "MAXWORDS", 1.2 + 0.1)


def test_two_words_are_a_human():
    assert is_verdict(judge(steps(0.2, 0.3, 0.2, 0.3, 2.0)), Party.HUMAN, "HUMAN", 1.0 + 0.8)


def test_a_word_that_starts_with_the_call_does_not_count():
    three, four = (0.0, 0.3, 0.2, 0.3, 0.2, 0.3), (0.2, 0.3)
    assert is_verdict(judge(steps(*three, 2.0)), Party.HUMAN, "HUMAN", sum(three) + 0.8)
    assert is_verdict(judge(steps(*three, *four, 2.0)), Party.MACHINE, "MAXWORDS", sum(three) + 0.2 + 0.1)


def test_less_than_50_ms_of_silence_do_not_part_words():
    apart, joined = (0.2, 0.3, 0.06, 0.3, 0.06, 0.3), (0.2, 0.3, 0.04, 0.3, 0.04, 0.3)
    assert judge(steps(*apart, 2.0)).cause == "MAXWORDS"
    assert judge(steps(*joined, 2.0)).cause == "HUMAN"


def test_less_than_100_ms_of_voice_are_no_word():
    assert judge(steps(0.2, 0.08, 3.0)).cause == "INITIALSILENCE"
    assert is_verdict(judge(steps(0.2, 0.10, 3.0)), Party.HUMAN, "HUMAN", 0.2 + 0.1 + 0.8)


def test_hello_this_is_john_speaking_is_a_machine():
    said = [(0.5, 0.4), (1.2, 0.3), (1.6, 0.3), (2.0, 0.4)]
    rng = np.random.default_rng(3)
    call = placed(6.0, [(start_s, voice(rng, seconds, VOICE_DB)) for start_s, seconds in said])
    found = judge(float32(call))
    assert (found.party, found.cause) == (Party.MACHINE, "MAXWORDS")
    assert found.known_s == pytest.approx(1.6 + 0.1, abs=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_a_hello_over_white_noise_at_minus_40_dbfs_is_a_machine(seed):
    rng = np.random.default_rng(seed)
    background = noise(rng, 6.0, -40.0)
    assert np.mean(np.abs(background)) * 32768 > 256  # 327.68 * sqrt(2 / pi) = 261.4: voice, as a rule
    assert judge(float32(hello(seed))).party is Party.HUMAN
    assert judge(float32(hello(seed) + background)).party is Party.MACHINE


@pytest.mark.parametrize("seed", range(3))
def test_a_hello_over_noise_well_below_the_silence_level_is_a_human(seed):
    background = noise(np.random.default_rng(seed), 6.0, -46.0)
    assert judge(float32(hello(seed) + background)).party is Party.HUMAN


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_hello_on_a_line_with_a_dc_offset_of_300_is_a_machine(sign):
    assert is_verdict(judge(float32(silence(3.0) + sign * DC_300)), Party.MACHINE, "LONGGREETING", 1.5)
    assert judge(float32(hello(2) + sign * DC_300)).party is Party.MACHINE


@pytest.mark.parametrize("seed", range(3))
def test_a_hello_24_db_lower_is_initial_silence(seed):
    loud = hello(seed, level_db=-18.0)
    assert judge(float32(loud)).party is Party.HUMAN
    found = judge(float32(loud * 10 ** (-24 / 20)))
    assert is_verdict(found, Party.MACHINE, "INITIALSILENCE", 2.5)


def test_the_silence_level_is_a_mean_magnitude_of_256():
    assert is_verdict(judge(steps(0.2, 1.6, second=256 / 32768)), Party.MACHINE, "LONGGREETING", 1.7)
    assert judge(steps(0.2, 1.6, second=255 / 32768)).cause == "HANGUP"
    assert judge(steps(0.2, 1.6, second=-256 / 32768)).cause == "LONGGREETING"


def test_what_is_not_decided_by_five_seconds_is_unsure_and_too_long():
    undecided = (2.4, 0.7, 0.7, 0.7)
    assert is_verdict(judge(steps(*undecided, 2.0)), Party.UNSURE, "TOOLONG", 5.0)


def test_a_call_that_ends_undecided_is_a_hangup_at_its_end():
    assert is_verdict(judge(steps(1.0)), Party.UNSURE, "HANGUP", 1.0)
    assert is_verdict(judge(steps()), Party.UNSURE, "HANGUP", 0.0)
    assert is_verdict(judge(float32(silence(0.01))), Party.UNSURE, "HANGUP", 0.01)


def test_a_voicemail_that_talks_on_is_a_machine():
    call = placed(8.0, [(0.4, words(np.random.default_rng(5), 6.0, VOICE_DB))])
    assert judge(float32(call)).party is Party.MACHINE


@given(st.lists(st.floats(0.02, 1.2), min_size=1, max_size=14))
def test_a_verdict_rests_on_nothing_after_it_and_comes_within_five_seconds(seconds):
    call = steps(*seconds)
    found = judge(call)
    assert found.known_s <= 5.0
    heard = round(found.known_s * RATE_HZ)
    if found.cause != "HANGUP":
        assert judge(call[:heard]) == found
        assert judge(call[: heard - 160]).cause == "HANGUP"
        assert judge(np.concatenate([call[:heard], steps(0.0, 3.0)])) == found


def test_the_samples_with_speech_from_2600_ms_on_are_taken_for_machines():
    """Ringback is voice to these rules, and a late speaker is initial silence: both are people."""
    for file, cause in (("human-09.wav", "INITIALSILENCE"), ("human-10.wav", "LONGGREETING")):
        samples, _ = soundfile.read(SAMPLES / file, dtype="float32")
        assert (judge(samples).party, judge(samples).cause) == (Party.MACHINE, cause)

"""A replayed policy says what the detector says: the same party, at the same sample, for the same cause."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from generated import SAMPLES, float32, placed, tone, voice, words
from hypothesis import given
from hypothesis import strategies as st

from amd import Party
from amd.errors import PolicyError
from amd.evaluation.manifest import read_manifest
from amd.events import Cause, Weight
from amd.evidence import NAMES
from amd.model import Model, machine_probability
from amd.policy import PRESETS, Policy, decide_on_silence, decide_on_speech, force
from amd.recordings import Reading, classify
from amd.training import listening
from amd.training.replay import PARTIES, Said, Stack, decide, of_probabilities, record, weighed

HASTY = Policy(
    human_probability_min=0.6,
    machine_probability_min=0.999,
    human_gap_min_s=0.3,
    verdict_max_s=1.5,
    forced_probability_min=0.8,
    silence_early_s=2.0,
    silence_max_s=3.0,
    ringback_max_s=2.0,
)
POLICIES = {**{name: PRESETS[name] for name in ("balanced", "protect_humans", "fast")}, "hasty": HASTY}


@pytest.fixture(scope="module")
def heard():
    return record(SAMPLES, 1)


def detected(path, policy):
    result = classify(path, Reading(policy=dataclasses.replace(policy, watch_s=0.0)))
    return Said(result.party, result.known_s, result.cause)


@pytest.mark.parametrize("name", POLICIES)
def test_it_says_what_the_detector_says(heard, name):
    decided = Stack(heard).decide(POLICIES[name])
    for index, one in enumerate(heard):
        assert decided.said(index) == detected(SAMPLES / one.call.file, POLICIES[name]), one.call.file


def test_one_call_is_decided_as_it_is_among_others(heard):
    decided = Stack(heard).decide(HASTY)
    assert [decide(one, HASTY) for one in heard] == [decided.said(index) for index in range(len(heard))]


def test_calls_come_in_the_order_of_the_manifest(heard):
    assert [one.call.file for one in heard] == [call.file for call in read_manifest(SAMPLES)]
    assert [one.call.file for one in record(SAMPLES, 1, n_calls=2)] == [one.call.file for one in heard[:2]]


def written(tmp_path: Path, samples) -> Path:
    soundfile.write(tmp_path / "call.wav", float32(samples), 8000, subtype="PCM_16")
    return tmp_path / "call.wav"


def awkward():
    """Calls on which tones, silence, the end of the audio and early media decide."""
    rng = np.random.default_rng(5)
    beep, ring = tone([1000.0], 0.4), tone([440.0, 480.0], 2.0)
    yield "empty", np.zeros(0), False
    yield "silent", np.zeros(4 * 8000), False
    yield "beep alone", placed(6.0, [(1.0, beep)]), False
    yield "two beeps of a tune", placed(6.0, [(1.0, beep), (2.5, tone([700.0], 0.4))]), False
    yield "greeting, beep", placed(6.0, [(0.3, words(rng, 2.0, -20.0)), (2.6, beep)]), False
    yield "a word, and it ends", placed(1.0, [(0.3, voice(rng, 0.5, -20.0))]), False
    yield "fax", placed(4.0, [(0.5, tone([2100.0], 3.0))]), False
    yield "it rings on", placed(9.0, [(0.5, ring), (6.5, ring)]), False
    yield "it rings on early", placed(9.0, [(0.5, ring), (6.5, ring)]), True
    yield "it rings, then hello", placed(9.0, [(0.5, ring), (3.1, voice(rng, 0.5, -20.0))]), True
    yield "hello and a tone", placed(6.0, [(0.3, voice(rng, 0.5, -20.0)), (1.3, tone([425.0], 3.0))]), False


@pytest.mark.parametrize(
    ("samples", "early"), [case[1:] for case in awkward()], ids=[case[0] for case in awkward()]
)
@pytest.mark.parametrize("name", ["balanced", "hasty"])
def test_it_says_what_the_detector_says_of_tones_and_silence(tmp_path, samples, early, name):
    path, policy = written(tmp_path, samples), dataclasses.replace(POLICIES[name], early_media=early)
    one = listening.hear(path, early_media=early)
    assert decide(one, policy) == detected(path, policy)


def stepped(p_machine, gaps_s, policy):
    """The rules of `amd.policy`, one tick after the other."""
    recorded = of_probabilities(p_machine, gaps_s=gaps_s)
    for p, vector, known_s in zip(p_machine, recorded.evidence, recorded.known_s, strict=True):
        found = decide_on_speech(policy, vector, of(p))
        if found is not None and found.final:
            return Said(found.party, known_s, found.cause)
    last = force(policy, of(p_machine[-1]), cause=Cause.AUDIO_ENDED)
    return Said(last.party, float(recorded.known_s[-1]), last.cause)


def of(p):
    return (Weight(name="prior", value=1.0, log_odds=log_odds(p)),)


def log_odds(p):
    return float(2 * np.arctanh(2 * p - 1))


@given(
    st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0.0, 2.5)), min_size=1, max_size=40),
    st.floats(0.5, 1.0),
    st.floats(0.5, 1.0),
    st.floats(0.5, 1.0),
    st.floats(0.3, 1.8),
    st.floats(1.0, 3.0),
)
def test_ticks_of_any_kind_are_decided_as_the_policy_does(ticks, human, machine, forced, gap_s, longest_s):
    policy = Policy(
        human_probability_min=human,
        machine_probability_min=machine,
        forced_probability_min=forced,
        human_gap_min_s=gap_s,
        verdict_max_s=longest_s,
    )
    p_machine = [machine_probability(of(p)) for p, _ in ticks]  # as the detector would have it, to the last bit
    gaps_s = [gap for _, gap in ticks]
    again = [machine_probability(of(p)) for p in p_machine]
    assert decide(of_probabilities(again, gaps_s=gaps_s), policy) == stepped(p_machine, gaps_s, policy)


@pytest.mark.parametrize("rang", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_silence_is_decided_as_the_policy_does(rang, early):
    policy = dataclasses.replace(HASTY, early_media=early)
    quiet = of_probabilities([0.5], gaps_s=[0.0])
    for time_s, silent_s in itertools.product(np.arange(0.1, 8.0, 0.3), repeat=2):
        if silent_s > time_s:
            continue
        one = dataclasses.replace(
            quiet,
            early_media=early,
            machine_probability=np.array([np.nan]),
            time_s=np.array([time_s]),
            silent_s=np.array([silent_s]),
            rang=np.array([rang]),
            end=Said(Party.FAX, 99.0, Cause.AUDIO_ENDED),  # so that the end cannot be taken for the tick
            end_probability=float("nan"),
        )
        found = decide_on_silence(policy, time_s, silent_s, rang=rang)
        final = found is not None and found.final
        expected = (found.party, found.cause) if final else (Party.FAX, Cause.AUDIO_ENDED)
        said = decide(one, policy)
        assert (said.party, said.cause) == expected, (time_s, silent_s)


def test_another_model_weighs_the_same_evidence(heard):
    spoken = next(one for one in heard if one.end is None)
    sure = Model(version="always", prior_log_odds=9.0, curves=())
    again = weighed(spoken, sure)
    assert np.nanmin(again.machine_probability) == np.nanmax(again.machine_probability) > 0.99
    assert np.array_equal(np.isnan(again.machine_probability), np.isnan(spoken.machine_probability))
    assert decide(again, Policy()).party is Party.MACHINE


def test_what_is_recorded_is_the_evidence_of_the_detector(heard):
    for one in heard:
        unspoken = np.isnan(one.machine_probability)
        assert np.all(np.diff(one.known_s) > 0)
        assert np.isnan(one.evidence[unspoken][:, NAMES.index("gap_s")]).all()
        assert not np.isnan(one.evidence[~unspoken]).any()


def test_calls_heard_otherwise_are_refused(heard):
    with pytest.raises(PolicyError, match="heard with early_media=False"):
        decide(heard[0], dataclasses.replace(Policy(), early_media=True))
    with pytest.raises(ValueError, match="stack them apart"):
        Stack([heard[0], dataclasses.replace(heard[1], early_media=True)])
    with pytest.raises(ValueError, match="one call at least"):
        Stack([])


def test_parties_have_places():
    decided = Stack([of_probabilities([0.001], gaps_s=[1.0])]).decide(Policy())
    assert decided.are(Party.HUMAN).tolist() == [True]
    assert PARTIES[decided.party[0]] is Party.HUMAN


def test_what_is_sure_at_the_deadline_is_not_forced():
    policy = Policy(verdict_max_s=1.0, human_gap_min_s=0.5)
    quiet = [0.0] * 10
    assert decide(of_probabilities([0.7] * 10 + [0.99], gaps_s=[*quiet, 0.0]), policy).cause is Cause.LONG_GREETING
    assert decide(of_probabilities([0.7] * 10 + [0.80], gaps_s=[*quiet, 0.0]), policy).cause is Cause.DEADLINE

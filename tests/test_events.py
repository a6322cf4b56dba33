"""The vocabulary: what can be said about a call, and what it looks like as JSON."""

import dataclasses
import inspect
import itertools
import json

import pytest

from amd import events
from amd.events import (
    SUB_STATES,
    Cause,
    Contradiction,
    Deadline,
    EndedBy,
    Event,
    GreetingEnded,
    Party,
    SpeechEnded,
    SpeechStarted,
    SubState,
    ToneHeard,
    ToneKind,
    Verdict,
    Weight,
    to_dict,
)

MACHINE = {"greeting", "ended_beep", "ended_silence", "ended_other"}
SIT = {"sit_intercept", "sit_vacant_code", "sit_reorder", "sit_no_circuit", "sit_generic"}
LEGAL = {"machine": MACHINE, "network": SIT | {"busy", "reorder", "ringback", "dial_tone"}}

WEIGHT = Weight(name="speech_s", value=1.23456789, log_odds=0.5)
EXAMPLES = (
    SpeechStarted(at_s=0.5, known_s=0.6),
    SpeechEnded(at_s=1.5, known_s=1.8, on_s=0.5),
    ToneHeard(at_s=2.5, known_s=2.55, kind=ToneKind.BEEP, on_s=2.0, off_s=2.5, freqs_hz=(1000.04321987,)),
    Verdict(
        at_s=2.5,
        known_s=2.6,
        party=Party.MACHINE,
        sub_state=SubState.GREETING,
        cause=Cause.LONG_GREETING,
        probability=0.93,
        final=True,
        evidence=(WEIGHT,),
    ),
    GreetingEnded(at_s=2.5, known_s=2.55, by=EndedBy.BEEP),
    Contradiction(
        at_s=9.0, known_s=9.0, decided=Party.HUMAN, suggested=Party.MACHINE, cause=Cause.BEEP, probability=0.99
    ),
    Deadline(at_s=7.0, known_s=7.0, what="verdict", limit_s=7.0),
)


def verdict(**changes):
    facts = {"party": Party.HUMAN, "sub_state": None, "cause": Cause.DEADLINE, "probability": 0.7, "final": True}
    return Verdict(at_s=1.0, known_s=1.0, **{**facts, **changes})


@pytest.mark.parametrize(("party", "sub_state"), list(itertools.product(Party, [None, *SubState])))
def test_a_sub_state_belongs_to_its_party_and_to_no_other(party, sub_state):
    if sub_state is None or sub_state.value in LEGAL.get(party.value, set()):
        assert verdict(party=party, sub_state=sub_state).sub_state is sub_state
    else:
        with pytest.raises(ValueError, match=rf"sub_state <.*{sub_state.value}.*legal: "):
            verdict(party=party, sub_state=sub_state)


def test_the_error_of_an_illegal_sub_state_lists_the_legal_ones():
    with pytest.raises(ValueError, match=r"legal: ended_beep, ended_other, ended_silence, greeting$"):
        verdict(party=Party.MACHINE, sub_state=SubState.BUSY)
    with pytest.raises(ValueError, match=r"legal: none$"):
        verdict(party=Party.HUMAN, sub_state=SubState.BUSY)


def test_every_party_has_its_sub_states_and_every_sub_state_one_party():
    assert set(SUB_STATES) == set(Party)
    owners = [state for states in SUB_STATES.values() for state in states]
    assert sorted(owners) == sorted(SubState)


@pytest.mark.parametrize("probability", [-0.01, 1.01, 93.0, float("nan")])
def test_a_probability_is_within_0_and_1(probability):
    with pytest.raises(ValueError, match=r"probability=.* is not within 0 and 1: a percentage\?"):
        verdict(probability=probability)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_0_and_1_are_probabilities(probability):
    assert verdict(probability=probability).probability == probability


def test_there_is_an_example_of_every_event_and_their_types_differ():
    classes = {thing for thing in vars(events).values() if inspect.isclass(thing) and issubclass(thing, Event)}
    assert {type(event) for event in EXAMPLES} == classes - {Event}
    types = [event.type for event in EXAMPLES]
    assert len(set(types)) == len(types)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_every_event_is_plain_json_and_keeps_all_it_says(event):
    plain = to_dict(event)
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again == plain
    assert next(iter(plain)) == "type"
    assert plain["at_s"] == event.at_s
    assert plain["known_s"] == event.known_s
    renamed = {"kind"} if isinstance(event, ToneHeard) else set()
    assert {field.name for field in dataclasses.fields(event)} - renamed <= set(plain)
    if not isinstance(event, ToneHeard):
        assert plain["type"] == event.type


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_no_event_can_be_changed(event):
    for field in dataclasses.fields(event):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, field.name, None)
    with pytest.raises((AttributeError, TypeError)):
        event.note = "added"
    assert hash(event) == hash(dataclasses.replace(event))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_an_event_takes_its_fields_by_name_only(event):
    with pytest.raises(TypeError):
        type(event)(0.5, 0.6)


@pytest.mark.parametrize("kind", list(ToneKind))
def test_a_tone_is_named_by_its_kind_and_says_where_and_at_what_frequency(kind):
    event = ToneHeard(at_s=2.5, known_s=2.55, kind=kind, on_s=2.0, off_s=2.5, freqs_hz=(480.0, 620.0))
    assert to_dict(event) == {
        "type": kind.value,
        "at_s": 2.5,
        "known_s": 2.55,
        "on_s": 2.0,
        "off_s": 2.5,
        "freq_hz": 480.0,
        "freqs_hz": [480.0, 620.0],
    }


def test_a_verdict_carries_its_evidence_with_names():
    plain = to_dict(EXAMPLES[3])
    assert plain["evidence"] == [{"name": "speech_s", "value": 1.2346, "log_odds": 0.5}]
    assert (plain["party"], plain["sub_state"], plain["cause"]) == ("machine", "greeting", "long_greeting")
    assert plain["final"] is True
    assert to_dict(verdict())["sub_state"] is None


def test_tones_that_decide_have_a_cause_of_their_name():
    decides_under_another_name, decides_nothing = {"fax_cng", "fax_ced"}, {"dtmf"}
    deciding = {kind.value for kind in ToneKind} - decides_under_another_name - decides_nothing
    assert deciding <= {cause.value for cause in Cause}
    assert decides_nothing.isdisjoint(cause.value for cause in Cause)

"""Every threshold has a range, a unit and a side: just below it one thing is decided, just above another."""

import dataclasses
import inspect
import math
import re

import numpy as np
import pytest

from amd.callprogress import Heard
from amd.errors import PolicyError
from amd.events import SUB_STATES, Cause, Party, SubState, ToneKind, Weight
from amd.evidence import NAMES
from amd.policy import (
    DOUBLE_BEEP_GAP_S,
    DOUBLE_BEEP_WAIT_S,
    PRESETS,
    RING_GAP_MAX_S,
    TONE_DECISIONS,
    Policy,
    Until,
    decide_on_silence,
    decide_on_speech,
    decide_on_tone,
    force,
    preset,
)

FIELDS = {field.name: field for field in dataclasses.fields(Policy)}
NUMBERS = [name for name in FIELDS if name not in ("until", "early_media")]
SECONDS = [name for name in NUMBERS if name.endswith("_s")]
PROBABILITIES = [name for name in NUMBERS if "probability" in name]


def documented():
    """Name to (kind, rest of the line) of each parameter in the docstring."""
    lines = re.findall(
        r"^ {4}(\w+(?:, \w+)*) : (.+)$", inspect.getdoc(Policy).replace("\n", "\n    "), re.MULTILINE
    )
    return {name: line for names, line in lines for name in names.split(", ")}


def test_every_field_is_documented_and_nothing_else():
    assert set(documented()) == set(FIELDS)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_documented_range_and_unit_are_the_enforced_ones(name):
    low, high, unit = re.fullmatch(r"float(?: or None)?, ([\d.]+) to ([\d.]+)( s)?", documented()[name]).groups()
    meta = FIELDS[name].metadata
    assert (float(low), float(high)) == (meta["low"], meta["high"])
    assert (unit == " s") == (meta["unit"] == "s") == name.endswith("_s")


def test_numbers_are_seconds_or_probabilities_by_name():
    assert set(SECONDS) | set(PROBABILITIES) == set(NUMBERS)
    assert not set(SECONDS) & set(PROBABILITIES)


# Values of other fields that let each field go to either end of its range.
LOOSE = {
    "silence_early_s": 1.0,
    "silence_max_s": 60.0,
    "early_gap_min_s": 0.0,
    "human_gap_min_s": 10.0,
    "gap_max_s": 10.0,
}
BESIDE = {
    "early_probability_min": {"human_probability_min": 1.0, "machine_probability_min": 1.0},
    "gap_max_s": {"human_gap_min_s": 0.0},
}
"""What else must be out of the way for a field to reach both its ends."""


@pytest.mark.parametrize("name", NUMBERS)
def test_both_ends_of_a_range_are_legal_and_just_beyond_is_an_error_that_names_it(name):
    low, high = FIELDS[name].metadata["low"], FIELDS[name].metadata["high"]
    beside = BESIDE.get(name, {})
    for value in (low, high):
        assert getattr(Policy(**{**LOOSE, **beside, name: value}), name) == value
    for value in (low - 1e-6, high + 1e-6, -1.0, math.nextafter(high, math.inf)):
        with pytest.raises(PolicyError, match=rf"^{name}=.* is outside {low} to {high} "):
            Policy(**{**LOOSE, name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", [1.0]])
def test_what_is_no_number_is_an_error_that_names_the_field(name, value):
    with pytest.raises(PolicyError, match=rf"^{name}=.* must be a number from "):
        Policy(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_none_is_legal_for_the_early_verdict_alone(name):
    if name == "early_probability_min":
        assert Policy(early_probability_min=None).early_probability_min is None
    else:
        with pytest.raises(PolicyError, match=name):
            Policy(**{name: None})


@pytest.mark.parametrize("name", SECONDS)
def test_thousands_of_seconds_are_taken_for_milliseconds(name):
    with pytest.raises(PolicyError, match=r"milliseconds\?$"):
        Policy(**{name: 1200})


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_probability_of_90_is_taken_for_a_percentage(name):
    with pytest.raises(PolicyError, match=r"percentage\?$"):
        Policy(**{name: 90})


def test_an_int_is_a_number():
    assert Policy(watch_s=3).watch_s == 3


@pytest.mark.parametrize("value", ["end", None, 1])
def test_until_must_be_an_until(value):
    with pytest.raises(PolicyError, match=r"until=.* must be an amd\.Until"):
        Policy(until=value)


@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_early_media_is_true_or_false(value):
    with pytest.raises(PolicyError, match=rf"early_media={value!r} must be True or False"):
        Policy(early_media=value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"silence_early_s": 8.1, "silence_max_s": 8.0}, r"silence_early_s=8.1 must not exceed silence_max_s=8.0"),
        (
            {"early_gap_min_s": 0.9, "human_gap_min_s": 0.8},
            r"early_gap_min_s=0.9 must not exceed human_gap_min_s=0.8",
        ),
        ({"human_gap_min_s": 2.0}, r"human_gap_min_s=2.0 must not exceed gap_max_s=1.8"),
        ({"early_probability_min": 0.91}, r"early_probability_min=0.91 must not exceed"),
        (
            {"early_probability_min": 0.8, "human_probability_min": 0.9, "machine_probability_min": 0.79},
            r"early_prob",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_an_error_that_names_them(changes, message):
    with pytest.raises(PolicyError, match=message):
        Policy(**changes)


def test_fields_may_be_equal_where_one_must_not_exceed_the_other():
    Policy(
        silence_early_s=8.0,
        silence_max_s=8.0,
        early_gap_min_s=0.8,
        human_gap_min_s=0.8,
        early_probability_min=0.7,
        human_probability_min=0.7,
    )


def test_replace_checks_as_well_and_nothing_can_be_set():
    with pytest.raises(PolicyError):
        dataclasses.replace(Policy(), verdict_max_s=7000.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().verdict_max_s = 3.0
    with pytest.raises(TypeError):
        Policy(verdict_max=3.0)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_found_by_name(name):
    found = preset(name)
    assert found is PRESETS[name]
    assert dataclasses.replace(found) == found  # checked again


def test_presets_are_what_they_are_named_for():
    balanced, careful = preset("balanced"), preset("protect_humans")
    assert balanced == Policy()
    assert careful.machine_probability_min > balanced.machine_probability_min
    assert careful.forced_probability_min > balanced.forced_probability_min
    assert preset("fast").early_probability_min is not None
    assert preset("fast").verdict_max_s < balanced.verdict_max_s
    assert preset("leave_message").until is Until.END
    assert all(found.machine_probability_min > found.human_probability_min for found in PRESETS.values())


def test_an_unknown_preset_is_an_error_that_lists_the_known_ones():
    with pytest.raises(PolicyError, match=r"'careful' is unknown; there are: balanced, protect_humans, fast"):
        preset("careful")


def weights_for(p_machine):
    return (Weight(name="prior", value=1.0, log_odds=math.log(p_machine / (1 - p_machine))),)


def evidence(gap_s=0.0, since_onset_s=2.0):
    values = {"gap_s": gap_s, "since_onset_s": since_onset_s}
    return np.array([values.get(name, math.nan) for name in NAMES], np.float32)


def decided(policy, p_machine, **times):
    return decide_on_speech(policy, evidence(**times), weights_for(p_machine))


def test_a_machine_is_decided_at_its_probability_whatever_the_gap():
    policy = Policy(machine_probability_min=0.9)
    assert decided(policy, 0.8999) is None
    for gap_s in (0.0, 5.0):
        found = decided(policy, 0.9001, gap_s=gap_s)
        assert (found.party, found.cause, found.sub_state) == (
            Party.MACHINE,
            Cause.LONG_GREETING,
            SubState.GREETING,
        )
        assert found.final
        assert found.probability == pytest.approx(0.9001)
        assert found.weights == weights_for(0.9001)


def test_a_human_is_decided_at_their_probability_and_gap_and_neither_alone():
    policy = Policy(human_probability_min=0.7, human_gap_min_s=1.0)
    assert decided(policy, 0.3001, gap_s=1.001) is None
    assert decided(policy, 0.2999, gap_s=0.999) is None
    assert decided(policy, 0.0001, gap_s=0.999) is None
    found = decided(policy, 0.2999, gap_s=1.001)
    assert (found.party, found.cause, found.sub_state) == (Party.HUMAN, Cause.GREETING_THEN_SILENCE, None)
    assert found.final
    assert found.probability == pytest.approx(0.7001)


@pytest.mark.parametrize(("p_machine", "party"), [(0.6501, Party.MACHINE), (0.6499, Party.HUMAN)])
def test_the_verdict_waits_no_longer_than_the_gap_allows_and_in_doubt_it_is_human(p_machine, party):
    policy = Policy(gap_max_s=1.9, forced_probability_min=0.65)
    assert decided(policy, p_machine, gap_s=1.899) is None
    found = decided(policy, p_machine, gap_s=1.901)
    assert (found.party, found.final, found.deadline_s) == (party, True, None)
    assert found.probability == pytest.approx(p_machine if party is Party.MACHINE else 1 - p_machine)


@pytest.mark.parametrize(
    ("p_machine", "party"),
    [(0.6501, Party.MACHINE), (0.6499, Party.UNSURE), (0.3501, Party.UNSURE), (0.3499, Party.HUMAN)],
)
def test_the_deadline_forces_the_likelier_party_or_none(p_machine, party):
    policy = Policy(verdict_max_s=7.0, forced_probability_min=0.65)
    assert decided(policy, p_machine, since_onset_s=6.999) is None
    found = decided(policy, p_machine, since_onset_s=7.001)
    assert (found.party, found.cause, found.final) == (party, Cause.DEADLINE, True)
    assert (found.deadline_s, found.deadline) == (7.0, "verdict")
    assert found.probability == pytest.approx(0.5 if party is Party.UNSURE else max(p_machine, 1 - p_machine))


def test_what_is_sure_at_the_deadline_is_decided_for_its_own_cause():
    found = decided(Policy(verdict_max_s=7.0), 0.99, since_onset_s=8.0)
    assert (found.cause, found.deadline_s) == (Cause.LONG_GREETING, None)


def test_an_early_verdict_is_provisional_and_needs_its_probability_and_for_a_human_its_gap():
    policy = Policy(early_probability_min=0.6, early_gap_min_s=0.3)
    assert decided(policy, 0.5999) is None
    assert decided(policy, 0.4001, gap_s=0.5) is None
    assert decided(policy, 0.3999, gap_s=0.299) is None
    machine, human = decided(policy, 0.6001), decided(policy, 0.3999, gap_s=0.301)
    assert (machine.party, machine.final) == (Party.MACHINE, False)
    assert (human.party, human.final) == (Party.HUMAN, False)
    assert decided(dataclasses.replace(policy, early_probability_min=None), 0.6001) is None


def silent(policy, time_s, silent_s, *, rang=False):
    return decide_on_silence(policy, time_s, silent_s, rang=rang)


def test_silence_is_provisional_then_final():
    policy = Policy(silence_early_s=5.0, silence_max_s=10.0)
    assert silent(policy, 4.999, 4.999) is None
    assert silent(policy, 9.0, 4.999) is None  # a tone sounded until 4 s ago
    early, final = silent(policy, 5.0, 5.0), silent(policy, 10.0, 10.0)
    assert (early.party, early.cause, early.final) == (Party.SILENCE, Cause.NO_SPEECH, False)
    assert (final.party, final.cause, final.final) == (Party.SILENCE, Cause.NO_SPEECH, True)
    assert not silent(policy, 9.999, 9.999).final


def test_ringback_that_goes_on_to_its_limit_is_the_network():
    policy = Policy(ringback_max_s=45.0)
    assert silent(policy, 44.999, 1.0, rang=True) is None
    found = silent(policy, 45.0, 1.0, rang=True)
    assert (found.party, found.sub_state, found.cause) == (Party.NETWORK, SubState.RINGBACK, Cause.RINGBACK)
    assert (found.final, found.deadline_s) == (True, 45.0)
    assert silent(policy, 20.0, 10.0, rang=True).party is Party.SILENCE  # it rang, then nothing did


def test_the_pause_between_two_rings_is_no_silence_and_a_longer_one_ends_the_ringing():
    policy = Policy(silence_early_s=1.0, silence_max_s=2.0, ringback_max_s=30.0)
    assert silent(policy, 20.0, 5.999, rang=True) is None
    assert silent(policy, 30.0, 5.999, rang=True).sub_state is SubState.RINGBACK
    assert silent(policy, 20.0, 6.0, rang=True).party is Party.SILENCE
    patient = Policy(silence_early_s=20.0, silence_max_s=20.0, ringback_max_s=30.0)
    assert silent(patient, 30.0, 6.0, rang=True) is None  # it rang until 24 s: somebody may have answered
    assert silent(patient, 44.0, 20.0, rang=True).party is Party.SILENCE


def test_in_early_media_silence_before_any_ring_waits_as_long_as_ringing_would():
    policy = Policy(silence_early_s=5.0, silence_max_s=10.0, ringback_max_s=45.0, early_media=True)
    assert silent(policy, 44.999, 44.999) is None
    found = silent(policy, 45.0, 45.0)
    assert (found.party, found.cause, found.final) == (Party.SILENCE, Cause.NO_SPEECH, True)
    assert silent(policy, 45.0, 1.0).party is Party.UNSURE
    assert not silent(policy, 30.0, 7.0, rang=True).final  # it rang, and stopped: as without early media
    assert silent(policy, 30.0, 10.0, rang=True).final


def test_the_waits_for_silence_and_for_beeps_outlast_what_they_wait_for():
    assert RING_GAP_MAX_S >= 1.1 * 5.0  # Sweden
    assert DOUBLE_BEEP_GAP_S < DOUBLE_BEEP_WAIT_S < FIELDS["greeting_end_silence_s"].metadata["low"]


def test_a_tone_without_a_meaning_that_never_ends_is_unsure_at_the_limit():
    policy = Policy(ringback_max_s=45.0)
    assert silent(policy, 44.999, 0.0) is None
    found = silent(policy, 45.0, 0.0)
    assert (found.party, found.sub_state, found.cause) == (Party.UNSURE, None, Cause.DEADLINE)
    assert (found.final, found.deadline_s) == (True, 45.0)


@pytest.mark.parametrize("changes", [{"ringback_max_s": 3.0}, {"silence_max_s": 60.0}], ids=str)
def test_a_call_with_no_sound_at_all_is_silence_whatever_the_limit_on_ringing_is(changes):
    policy = Policy(**changes)
    verdicts = [silent(policy, time_s, time_s) for time_s in np.arange(0, 61, 0.5)]
    final = next(found for found in verdicts if found is not None and found.final)
    assert (final.party, final.cause) == (Party.SILENCE, Cause.NO_SPEECH)


def heard(kind, sub_state=None):
    return Heard(kind=kind, on=0, off=8000, known=8200, freqs_hz=(1000.0,), sub_state=sub_state)


@pytest.mark.parametrize(
    ("kind", "party", "sub_state"),
    [
        (ToneKind.BEEP, Party.MACHINE, SubState.ENDED_BEEP),
        (ToneKind.BUSY, Party.NETWORK, SubState.BUSY),
        (ToneKind.REORDER, Party.NETWORK, SubState.REORDER),
        (ToneKind.FAX_CNG, Party.FAX, None),
        (ToneKind.FAX_CED, Party.FAX, None),
    ],
)
def test_a_tone_decides_for_who_makes_it(kind, party, sub_state):
    found = decide_on_tone(heard(kind))
    assert (found.party, found.sub_state, found.final) == (party, sub_state, True)
    assert found.cause.value in {kind.value, "fax_tone"}


@pytest.mark.parametrize("sub_state", [state for state in SubState if state.startswith("sit_")])
def test_a_sit_decides_for_the_network_with_its_category(sub_state):
    found = decide_on_tone(heard(ToneKind.SIT, sub_state))
    assert (found.party, found.sub_state, found.cause) == (Party.NETWORK, sub_state, Cause.SIT)


def test_ringback_alone_decides_nothing_and_every_other_tone_does():
    assert decide_on_tone(heard(ToneKind.RINGBACK)) is None
    assert set(TONE_DECISIONS) == set(ToneKind) - {ToneKind.RINGBACK, ToneKind.DTMF}


def test_a_tone_never_gives_a_sub_state_that_its_party_does_not_have():
    for party, _, sub_state in TONE_DECISIONS.values():
        assert sub_state is None or sub_state in SUB_STATES[party]


@pytest.mark.parametrize("p_machine", [0.5, 0.51, 0.49])
def test_the_end_of_the_audio_with_little_evidence_is_unsure(p_machine):
    found = force(Policy(forced_probability_min=0.65), weights_for(p_machine), cause=Cause.AUDIO_ENDED)
    assert (found.party, found.cause, found.final, found.sub_state) == (
        Party.UNSURE,
        Cause.AUDIO_ENDED,
        True,
        None,
    )
    assert found.weights == weights_for(p_machine)

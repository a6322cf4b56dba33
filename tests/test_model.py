"""A model is data: checked when it is read, and each piece of evidence says what it adds."""

import json
import math
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd.errors import ModelError
from amd.events import Weight
from amd.evidence import DOCS, NAMES
from amd.model import FORMAT, SHIPPED, Curve, Model, machine_probability, parse, shipped
from amd.models import checksum


def content(**changes):
    curve = {"name": "speech_s", "at": [0.0, 2.0, 4.0], "log_odds": [-1.0, 1.0, 2.0]}
    made = {"format": FORMAT, "version": "test-1", "prior_log_odds": -0.5, "curves": [curve], **changes}
    return {name: value for name, value in made.items() if value is not None}


def text_of(made):
    return json.dumps({**made, "sha256": checksum(made)})


def evidence(**values):
    return np.array([values.get(name, math.nan) for name in NAMES], np.float32)


def shipped_text():
    return resources.files("amd.models").joinpath(SHIPPED).read_text(encoding="utf-8")


def test_a_model_that_was_written_whole_is_read():
    model = parse(text_of(content()))
    assert model.version == "test-1"
    assert model.prior_log_odds == -0.5
    assert model.curves == (Curve(name="speech_s", at=(0.0, 2.0, 4.0), log_odds=(-1.0, 1.0, 2.0)),)


@pytest.mark.parametrize("text", ["", "not json", "{", "\x80\x03pickle", shipped_text()[:-40]])
def test_what_is_not_json_is_a_model_error(text):
    with pytest.raises(ModelError, match="not JSON"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["[]", "null", "3", '"amd additive model 1"', "{}", text_of(content(format="amd tree model 9"))]
)
def test_another_format_is_a_model_error_that_names_what_is_needed(text):
    with pytest.raises(ModelError, match=rf"format is .*need '{FORMAT}': another version's file\?"):
        parse(text)


@pytest.mark.parametrize(
    ("change", "to"),
    [('"prior_log_odds": -0.21', '"prior_log_odds": -0.2'), ("answer-1", "answer-2"), ("-10.0", "-11.0")],
)
def test_a_file_that_was_edited_is_a_model_error(change, to):
    edited = shipped_text().replace(change, to)
    assert edited != shipped_text()
    with pytest.raises(ModelError, match=r"checksum does not fit its content: edited by hand, or cut short\?"):
        parse(edited)


def test_a_file_without_a_checksum_is_a_model_error():
    with pytest.raises(ModelError, match="checksum"):
        parse(json.dumps(content()))


def test_the_checksum_does_not_depend_on_layout_but_on_every_value():
    made = content()
    assert checksum(made) == checksum(dict(reversed(made.items())))
    assert checksum(made) == checksum({**made, "sha256": "anything"})
    assert checksum(made) != checksum(content(prior_log_odds=-0.50001))
    assert parse(json.dumps({**made, "sha256": checksum(made)}, indent=7)) == parse(text_of(made))


def test_evidence_that_this_version_does_not_take_is_a_model_error_that_names_it():
    curve = {"name": "speech_ms", "at": [0.0, 1.0], "log_odds": [0.0, 1.0]}
    with pytest.raises(ModelError, match=r"needs evidence 'speech_ms', this version takes \['time_s'"):
        parse(text_of(content(curves=[curve])))


@pytest.mark.parametrize(
    "changes",
    [
        {"curves": None},
        {"version": None},
        {"prior_log_odds": None},
        {"prior_log_odds": "much"},
        {"curves": [{"name": "speech_s", "at": [0.0, 1.0]}]},
        {"curves": [{"at": [0.0, 1.0], "log_odds": [0.0, 1.0]}]},
        {"curves": [{"name": "speech_s", "at": [0.0, 1.0], "log_odds": [0.0]}]},
        {"curves": [{"name": "speech_s", "at": [], "log_odds": []}]},
        {"curves": [{"name": "speech_s", "at": [1.0, 0.0], "log_odds": [0.0, 1.0]}]},
    ],
    ids=str,
)
def test_a_whole_file_that_is_no_such_model_is_a_model_error(changes):
    with pytest.raises(ModelError):
        parse(text_of(content(**changes)))


def test_weights_are_read_off_the_curves_and_the_prior_comes_first():
    weights = parse(text_of(content())).weigh(evidence(speech_s=1.0))
    assert weights == (
        Weight(name="prior", value=1.0, log_odds=-0.5),
        Weight(name="speech_s", value=1.0, log_odds=0.0),
    )


@pytest.mark.parametrize(
    ("value", "log_odds"), [(-5.0, -1.0), (0.0, -1.0), (0.5, -0.5), (3.0, 1.5), (4.0, 2.0), (99.0, 2.0)]
)
def test_a_curve_is_linear_between_its_points_and_constant_beyond(value, log_odds):
    assert parse(text_of(content())).weigh(evidence(speech_s=value))[1].log_odds == pytest.approx(log_odds)


@pytest.mark.parametrize("name", NAMES)
def test_each_curve_takes_the_evidence_of_its_own_name(name):
    model = Model(
        version="t", prior_log_odds=0.0, curves=(Curve(name=name, at=(0.0, 10.0), log_odds=(0.0, 10.0)),)
    )
    values = evidence(**{other: float(place) for place, other in enumerate(NAMES)})
    assert model.weigh(values)[1] == Weight(
        name=name, value=float(NAMES.index(name)), log_odds=pytest.approx(NAMES.index(name))
    )


def test_evidence_that_is_not_known_adds_nothing():
    weights = shipped().weigh(evidence())
    assert [weight.name for weight in weights] == ["prior"]
    assert machine_probability(weights) == pytest.approx(1 / (1 + math.exp(-shipped().prior_log_odds)))


@given(speech_s=st.floats(0, 20, width=32), gap_s=st.floats(0, 20, width=32))
def test_the_log_odds_of_the_probability_are_the_sum_of_the_weights(speech_s, gap_s):
    weights = shipped().weigh(evidence(speech_s=speech_s, gap_s=gap_s))
    probability = machine_probability(weights)
    assert 0 < probability < 1
    assert math.log(probability / (1 - probability)) == pytest.approx(sum(w.log_odds for w in weights), abs=1e-9)


@given(log_odds=st.floats(allow_nan=False, allow_infinity=False))
def test_any_log_odds_give_a_probability(log_odds):
    probability = machine_probability((Weight(name="prior", value=1.0, log_odds=log_odds),))
    assert 0 <= probability <= 1
    assert (probability >= 0.5) == (log_odds >= -1e-12)


def test_the_shipped_model_is_read_and_takes_only_known_evidence():
    model = shipped()
    assert model is shipped()
    assert SHIPPED.endswith(".json")
    assert {curve.name for curve in model.curves} <= set(NAMES)
    for curve in model.curves:
        assert len(curve.at) == len(curve.log_odds)
        assert list(curve.at) == sorted(set(curve.at))


@given(low=st.floats(0, 20, width=32), high=st.floats(0, 20, width=32), other=st.floats(0, 10, width=32))
def test_more_speech_never_speaks_for_a_human_and_a_longer_gap_never_for_a_machine(low, high, other):
    low, high = sorted((low, high))

    def probability(**values):
        return machine_probability(shipped().weigh(evidence(**values)))

    assert probability(speech_s=low, gap_s=other) <= probability(speech_s=high, gap_s=other)
    assert probability(speech_s=other, gap_s=low) >= probability(speech_s=other, gap_s=high)


def test_the_network_s_opinion_carries_the_probability_and_the_rest_is_only_told():
    def probability(**values):
        return machine_probability(shipped().weigh(evidence(**values)))

    assert probability(voice_log_odds=-4.0) < 0.05
    assert probability(voice_log_odds=4.0) > 0.95
    told = {weight.name: weight.log_odds for weight in shipped().weigh(evidence(speech_s=6.0, gap_s=1.0))}
    assert told["speech_s"] == told["gap_s"] == 0.0


def test_every_piece_of_evidence_is_explained():
    assert tuple(DOCS) == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert all(DOCS.values())

"""A model is data: checked when it is read, and each piece of evidence says what it adds."""

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd import networks
from amd.answer import OUTPUTS
from amd.errors import ModelError
from amd.events import Weight
from amd.evidence import DOCS, NAMES
from amd.model import Curve, Model, load, machine_probability, parse, save, shipped
from amd.policy import PRESETS
from amd.speech import TICK_INPUTS

CURVE = Curve(name="speech_s", at=(0.0, 2.0, 4.0), log_odds=(-1.0, 1.0, 2.0))


def of_curves(*curves, **changes):
    made = {
        "prior_log_odds": -0.5,
        "policies": {"balanced": {"human_gap_min_s": 0.9}},
        "card": {"calls": 3},
    }
    return Model(network=shipped().network, curves=curves or (CURVE,), **{**made, **changes})


def written(model, tmp_path):
    save(model, tmp_path / "model.npz")
    return (tmp_path / "model.npz").read_bytes()


def with_more(tmp_path, **changes):
    """A file whose checksum is right and whose other content is changed; None leaves a part out."""
    data = networks.parse(written(of_curves(), tmp_path), inputs=TICK_INPUTS, outputs=OUTPUTS)
    more = {name: value for name, value in {**data.more, **changes}.items() if value is not None}
    networks.save(dataclasses.replace(data, more=more), tmp_path / "changed.npz")
    return (tmp_path / "changed.npz").read_bytes()


def evidence(**values):
    return np.array([values.get(name, math.nan) for name in NAMES], np.float32)


def test_a_model_that_was_written_is_read_whole(tmp_path):
    made = of_curves()
    read = parse(written(made, tmp_path))
    assert (read.prior_log_odds, read.curves, read.policies) == (-0.5, (CURVE,), made.policies)
    assert read.card == {"calls": 3}
    assert read.version == shipped().version
    assert all(np.array_equal(read.network.arrays[name], array) for name, array in made.network.arrays.items())
    assert written(read, tmp_path) == written(made, tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x80\x03pickle"])
def test_what_is_no_model_is_a_model_error(data):
    with pytest.raises(ModelError, match="cannot be read"):
        parse(data)


def test_a_file_cut_short_is_a_model_error_that_names_it(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(written(of_curves(), tmp_path)[:-40])
    with pytest.raises(ModelError, match=r"mine\.npz: .*cannot be read"):
        load(path)


def test_a_file_that_is_not_there_is_a_model_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.npz: No such file"):
        load(tmp_path / "gone.npz")


def test_a_network_without_a_calibration_is_no_model(tmp_path):
    networks.save(shipped().network, tmp_path / "network.npz")
    with pytest.raises(ModelError, match="lacks 'prior_log_odds': a network without its calibration"):
        parse((tmp_path / "network.npz").read_bytes())


def test_a_calibration_that_was_changed_is_found_out(tmp_path):
    data = written(of_curves(), tmp_path)
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays["meta"]))
    meta["more"]["prior_log_odds"] = -0.4
    out = io.BytesIO()
    np.savez(out, **{**arrays, "meta": np.array(json.dumps(meta))})
    with pytest.raises(ModelError, match="checksum does not fit"):
        parse(out.getvalue())


def test_evidence_that_this_version_does_not_take_is_a_model_error_that_names_it(tmp_path):
    curve = {"name": "speech_ms", "at": [0.0, 1.0], "log_odds": [0.0, 1.0]}
    with pytest.raises(ModelError, match=r"needs evidence 'speech_ms', this version takes \['time_s'"):
        parse(with_more(tmp_path, curves=[curve]))


@pytest.mark.parametrize(
    "changes",
    [
        {"curves": None},
        {"policies": None},
        {"card": None},
        {"prior_log_odds": None},
        {"prior_log_odds": "much"},
        {"prior_log_odds": True},
        {"prior_log_odds": math.nan},
        {"policies": {"balanced": 3}},
        {"policies": {"balanced": {"human_gap_min_s": "soon"}}},
        {"curves": [{"name": "speech_s", "at": [0.0, 1.0]}]},
        {"curves": [{"at": [0.0, 1.0], "log_odds": [0.0, 1.0]}]},
        {"curves": [{"name": "speech_s", "at": [0.0, 1.0], "log_odds": [0.0]}]},
        {"curves": [{"name": "speech_s", "at": [], "log_odds": []}]},
        {"curves": [{"name": "speech_s", "at": [1.0, 0.0], "log_odds": [0.0, 1.0]}]},
        {"curves": [{"name": "speech_s", "at": [0.0, math.inf], "log_odds": [0.0, 1.0]}]},
    ],
    ids=str,
)
def test_a_whole_file_that_is_no_such_model_is_a_model_error(tmp_path, changes):
    with pytest.raises(ModelError):
        parse(with_more(tmp_path, **changes))


def test_weights_are_read_off_the_curves_and_the_prior_comes_first():
    weights = of_curves().weigh(evidence(speech_s=1.0))
    assert weights == (
        Weight(name="prior", value=1.0, log_odds=-0.5),
        Weight(name="speech_s", value=1.0, log_odds=0.0),
    )


@pytest.mark.parametrize(
    ("value", "log_odds"), [(-5.0, -1.0), (0.0, -1.0), (0.5, -0.5), (3.0, 1.5), (4.0, 2.0), (99.0, 2.0)]
)
def test_a_curve_is_linear_between_its_points_and_constant_beyond(value, log_odds):
    assert of_curves().weigh(evidence(speech_s=value))[1].log_odds == pytest.approx(log_odds)


@pytest.mark.parametrize("name", NAMES)
def test_each_curve_takes_the_evidence_of_its_own_name(name):
    model = of_curves(Curve(name=name, at=(0.0, 10.0), log_odds=(0.0, 10.0)))
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
    for name, fields in model.policies.items():  # what was chosen for it is what the presets say
        assert fields == {key: getattr(PRESETS[name], key) for key in fields}
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


def test_the_network_s_opinion_carries_the_probability():
    def probability(**values):
        return machine_probability(shipped().weigh(evidence(gap_s=0.5, since_onset_s=2.0, **values)))

    assert probability(voice_log_odds=-4.0) < 0.1
    assert probability(voice_log_odds=4.0) > 0.9
    certain = [probability(voice_log_odds=value) for value in np.linspace(-8, 8, 33)]
    assert certain == sorted(certain)


def test_every_piece_of_evidence_is_explained():
    assert tuple(DOCS) == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert all(DOCS.values())

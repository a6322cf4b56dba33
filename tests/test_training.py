"""From labeled calls to a model: truth, folds, calibration, cost, stopping rule; with torch, the fit itself."""

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd import Party
from amd.cli import main
from amd.errors import ManifestError, PolicyError
from amd.evaluation.manifest import Call, read_manifest
from amd.evidence import NAMES
from amd.model import load, machine_probability, shipped
from amd.policy import PRESETS, Policy, preset
from amd.recordings import Reading, classify
from amd.speech import TICK_FRAMES
from amd.training import calibration
from amd.training.answer import RUNG_EVERY, hear
from amd.training.calls import AFTER, WITHIN, ringback
from amd.training.cost import COSTS, NEVER_S, Cost
from amd.training.fitting import deal, said_by
from amd.training.listening import record
from amd.training.replay import PARTIES, Stack, of_probabilities
from amd.training.rule import GRID, choose
from amd.training.truth import read_truth

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"


def named(label, **times_s):
    return Call(row=2, file="call.wav", label=Party(label), times_s=times_s, columns={})


# --- what is heard


def test_one_call_in_so_many_is_heard_again_after_rings_that_move_its_truth(tmp_path):
    names = [f"human-0{n}.wav" for n in range(1, RUNG_EVERY + 2)]
    folder = a_set(tmp_path, [{"file": name, "label": "human"} for name in names])
    plain, rung = hear(folder), hear(folder, rung=True)
    assert (len(plain), len(rung)) == (len(names), 2)
    for before, after in zip(plain[::RUNG_EVERY], rung, strict=True):
        longer = after.inputs.shape[0] - before.inputs.shape[0]
        assert longer > 0
        assert abs(int(after.speech.sum()) - int(before.speech.sum())) <= TICK_FRAMES
        shifts = [np.argmax(after.phase == phase) - np.argmax(before.phase == phase) for phase in (WITHIN, AFTER)]
        assert all(abs(shift - longer) <= 1 for shift in shifts)
        assert after.weight.sum() == pytest.approx(before.weight.sum(), abs=3.0)


def test_most_answers_cut_a_ring_that_sounds_and_the_others_come_after_one():
    leads = [ringback(np.random.default_rng(seed)) for seed in range(200)]
    loud = [np.sqrt(np.mean(lead[-160:] ** 2)) > 0.0125 for lead in leads]
    assert 0.55 < np.mean(loud) < 0.85  # half by law, and a third of the others


# --- truth


def a_set(folder, rows, *, columns=("file", "label")):
    for row in rows:
        shutil.copy(SAMPLES / row["file"], folder / row["file"])
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def sample(name):
    return next(call for call in read_manifest(SAMPLES) if call.file == name)


@pytest.mark.parametrize("name", ["human-01.wav", "machine-04.wav", "human-06.wav"])
def test_of_a_set_without_truth_the_ear_tells_where_speech_and_greeting_end(tmp_path, name):
    call = sample(name)
    folder = a_set(tmp_path, [{"file": name, "label": str(call.label)}])
    (truth,) = read_truth(folder)
    assert truth["speech"][0][0] == pytest.approx(call.times_s["speech_start_s"], abs=0.15)
    assert truth["greeting_end_s"] == pytest.approx(call.times_s["greeting_end_s"], abs=0.2)
    assert (truth["label"], truth["group"], truth["beep"]) == (str(call.label), f"{folder / name}", [])


def test_what_the_manifest_knows_goes_before_the_ear(tmp_path):
    row = {
        "file": "machine-01.wav",
        "label": "machine",
        "group": "ann",
        "greeting_end_s": "2.5",
        "beep_on_s": "3.0",
        "beep_off_s": "3.4",
    }
    (truth,) = read_truth(a_set(tmp_path, [row], columns=tuple(row)))
    assert (truth["greeting_end_s"], truth["beep"], truth["group"]) == (2.5, [[3.0, 3.4]], "ann")


def test_a_person_s_greeting_ends_where_they_first_wait(tmp_path):
    name = "human-03.wav"  # says hello twice
    (truth,) = read_truth(a_set(tmp_path, [{"file": name, "label": "human"}]))
    gaps_s = [later[0] - sooner[1] for sooner, later in zip(truth["speech"], truth["speech"][1:], strict=False)]
    waits = [end for (_, end), gap_s in zip(truth["speech"], gaps_s, strict=False) if gap_s >= 1.0]
    assert truth["greeting_end_s"] == (waits[0] if waits else truth["speech"][-1][1])


def test_truth_that_was_composed_goes_before_the_ear(tmp_path):
    folder = a_set(tmp_path, [{"file": "human-01.wav", "label": "human"}])
    told = {"file": "human-01.wav", "label": "human", "speech": [[1.0, 2.0]], "greeting_end_s": 2.0, "beep": []}
    (folder / "truth.jsonl").write_text(json.dumps(told) + "\n", encoding="utf-8")
    assert read_truth(folder) == [{**told, "group": f"{folder / 'human-01.wav'}"}]


def test_calls_that_share_a_speaker_are_in_one_group(tmp_path):
    names = [f"human-0{place}.wav" for place in range(1, 6)]
    groups = ["ann;bob", "cy", "bob;dee", "", "ann"]
    rows = [{"file": name, "label": "human", "group": group} for name, group in zip(names, groups, strict=True)]
    folder = a_set(tmp_path, rows, columns=("file", "label", "group"))
    found = [truth["group"] for truth in read_truth(folder)]
    assert found[0] == found[2] == found[4] != found[1]
    assert found[3] == f"{folder / 'human-04.wav'}"


def test_files_of_one_name_in_two_sets_are_not_one_speaker(tmp_path):
    groups = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        folder = a_set(tmp_path / name, [{"file": "machine-01.wav", "label": "machine"}])
        groups += [truth["group"] for truth in read_truth(folder)]
    assert len(set(groups)) == 2


# --- folds


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60), st.integers(2, 5))
def test_all_calls_of_a_speaker_are_in_one_fold_and_folds_are_alike_in_size(groups, n_folds):
    folds = deal(groups, n_folds)
    assert len({(group, fold) for group, fold in zip(groups, folds, strict=True)}) == len(set(groups))
    sizes = [folds.count(fold) for fold in range(n_folds)]
    assert max(sizes) - min(sizes) <= max(groups.count(group) for group in groups)


def test_folds_do_not_depend_on_the_order_of_calls():
    groups = list("aababcdcde")
    by_group = dict(zip(groups, deal(groups, 3), strict=True))
    assert dict(zip(groups[::-1], deal(groups[::-1], 3), strict=True)) == by_group


# --- calibration


def ticks(rng, n, slope, shift):
    """Ticks whose true log-odds are a line through what the network says."""
    evidence = np.zeros((n, len(NAMES)))
    said = rng.normal(0, 3, n)
    evidence[:, NAMES.index("voice_log_odds")] = said
    evidence[:, NAMES.index("gap_s")] = rng.uniform(0, 2, n)
    evidence[:, NAMES.index("since_onset_s")] = rng.uniform(0, 7, n)
    return evidence, rng.random(n) < 1 / (1 + np.exp(-(slope * said + shift)))


def test_a_network_that_is_too_sure_is_made_right():
    evidence, machine = ticks(np.random.default_rng(1), 20_000, 0.4, -1.0)
    prior, curves = calibration.calibrate(evidence, machine)
    model = dataclasses.replace(shipped(), prior_log_odds=prior, curves=curves)
    fresh, truth = ticks(np.random.default_rng(2), 5_000, 0.4, -1.0)
    said = np.array([machine_probability(model.weigh(row.astype(np.float32))) for row in fresh])
    assert calibration.calibration_error(said, truth) < 0.02
    raw = 1 / (1 + np.exp(-fresh[:, NAMES.index("voice_log_odds")]))
    assert calibration.calibration_error(raw, truth) > 0.1


def test_a_curve_without_ticks_at_its_end_follows_its_neighbours():
    evidence, machine = ticks(np.random.default_rng(3), 5_000, 1.0, 0.0)
    near = np.abs(evidence[:, NAMES.index("voice_log_odds")]) < 3
    _, curves = calibration.calibrate(evidence[near], machine[near])
    voice = next(curve for curve in curves if curve.name == "voice_log_odds")
    assert list(voice.log_odds) == sorted(voice.log_odds)
    assert voice.log_odds[0] < -5 < 5 < voice.log_odds[-1]


def test_the_calibration_error_of_what_is_always_right_is_what_it_lacked_in_trust():
    assert calibration.calibration_error(np.full(50, 0.7), np.ones(50, dtype=bool)) == pytest.approx(0.3)
    assert calibration.calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0


# --- cost and rule


def said(parties, known_s):
    calls = [of_probabilities([0.5], gaps_s=[0.0]) for _ in parties]
    decided = Stack(calls).decide(Policy())
    codes = np.array([PARTIES.index(Party(party)) for party in parties], dtype=np.int8)
    return dataclasses.replace(decided, party=codes, known_s=np.array(known_s, dtype=float))


@pytest.mark.parametrize(
    ("label", "party", "cost"),
    [
        ("human", "human", 0.3),
        ("machine", "machine", 0.1),
        ("human", "machine", 10.0),
        ("human", "silence", 10.0),
        ("human", "unsure", 1.5),
        ("machine", "human", 3.0),
        ("machine", "silence", 1.0),
        ("fax", "fax", 0.0),
        ("fax", "human", 1.0),
    ],
)
def test_each_outcome_costs_what_it_is_said_to(label, party, cost):
    call = named(label, speech_start_s=1.0, greeting_end_s=2.0)
    patient = Cost(human_median_max_s=NEVER_S)  # what one call costs, not what the median of a set does
    assert patient.mean([call], said([party], [3.0])) == pytest.approx(cost)


def test_a_verdict_before_the_end_of_a_greeting_earns_nothing():
    assert Cost().mean([named("human", greeting_end_s=5.0)], said(["human"], [3.0])) == 0.0


def test_times_that_are_not_known_cost_nothing():
    assert Cost().mean([named("human"), named("machine")], said(["human", "machine"], [3.0, 3.0])) == 0.0


def calls_of(rng, n=120):
    """People who stop and machines that go on after a pause of 0.7 s; the network tells a little."""
    made = []
    for place in range(n):
        machine = place % 2 == 0
        gaps_s = [0.0] * 10 + [0.1 * k for k in range(1, 8)]
        gaps_s += [0.0] * 20 if machine else [0.8 + 0.1 * k for k in range(20)]
        p = np.clip(rng.normal(0.7 if machine else 0.3, 0.2, len(gaps_s)), 0.01, 0.99)
        p[17:] = np.where(machine, 0.995, p[17:] * 0.3)
        call = named("machine" if machine else "human", speech_start_s=0.0, greeting_end_s=1.0)
        made.append(of_probabilities(p.tolist(), gaps_s=gaps_s, call=call))
    return made


def test_the_rule_that_is_chosen_costs_no_more_than_any_on_the_grid():
    calls = calls_of(np.random.default_rng(4))
    cost = Cost()
    fields, least = choose(calls, Policy(), cost)
    rows = [call.call for call in calls]
    assert cost.mean(rows, Stack(calls).decide(Policy())) > least
    for name, values in GRID.items():
        for value in values:
            policy = dataclasses.replace(Policy(), **{**fields, name: value})
            assert cost.mean(rows, Stack(calls).decide(policy)) >= least - 1e-9


def test_who_fears_to_lose_people_asks_more_of_a_machine():
    calls = calls_of(np.random.default_rng(5))
    careless, _ = choose(calls, Policy(), Cost(human_lost=0.2))
    careful, _ = choose(calls, Policy(), Cost(human_lost=500.0))
    assert careful["machine_probability_min"] > careless["machine_probability_min"]


def test_a_rule_cannot_be_chosen_without_labels():
    with pytest.raises(ManifestError, match="have no labels"):
        choose([of_probabilities([0.5], gaps_s=[0.0])], Policy(), Cost())


def test_every_cost_belongs_to_a_preset():
    assert set(COSTS) <= set(PRESETS)


def test_another_network_s_answers_take_the_place_of_the_first_s():
    one = record(SAMPLES, 1, n_calls=1)[0]
    answers = np.linspace(-3, 3, one.n_ticks).astype(np.float32)
    place = NAMES.index("voice_log_odds")
    heard = said_by(one, answers)
    spoken = ~np.isnan(one.evidence[:, place])
    assert np.array_equal(heard.evidence[spoken, place], answers[spoken])
    assert np.all(np.isnan(heard.evidence[~spoken, place]))
    assert heard.end_evidence[place] == answers[-1]
    others = [column for column in range(len(NAMES)) if column != place]
    assert np.array_equal(heard.evidence[:, others], one.evidence[:, others], equal_nan=True)


# --- a model's own rule


def test_a_model_brings_its_own_stopping_rule():
    mine = dataclasses.replace(shipped(), policies={"balanced": {"human_gap_min_s": 1.1}})
    assert preset("balanced", mine) == dataclasses.replace(PRESETS["balanced"], human_gap_min_s=1.1)
    assert preset("fast", mine) is PRESETS["fast"]


def test_a_model_s_rule_that_no_policy_has_is_an_error_that_names_it():
    with pytest.raises(PolicyError, match=r"sets \['patience_s'\], which no policy of this version has"):
        preset("balanced", dataclasses.replace(shipped(), policies={"balanced": {"patience_s": 1.0}}))


# --- the fit itself


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    pytest.importorskip("torch", reason="fitting needs the extra: train")
    out = tmp_path_factory.mktemp("model") / "mine.npz"
    args = ["--epochs", "2", "--folds", "2", "--units", "8", "--jobs", "1", "--name", "tiny"]
    assert main(["train", str(SAMPLES), "--out", str(out), *args]) == 0
    return out


def test_a_trained_model_is_used_by_the_same_commands(trained, capsys, tmp_path):
    model = load(trained)
    assert (model.version, model.network.n_units) == ("tiny", 8)
    assert set(model.policies) == set(COSTS)
    assert model.card["people"] == 12
    assert model.card["machines"] == 10
    args = ["evaluate", str(SAMPLES), "--model", str(trained), "--out", str(tmp_path / "calls.csv")]
    assert main(args) == 0
    assert "model tiny" in capsys.readouterr().out
    file = SAMPLES / "human-01.wav"
    verdict = classify(file, Reading(model=model, policy=preset("balanced", model))).verdict
    weight = next(weight for weight in verdict.evidence if weight.name == "voice_log_odds")
    assert math.isfinite(weight.log_odds)


def test_the_same_calls_and_seed_give_the_same_model(trained, tmp_path):
    args = ["--epochs", "2", "--folds", "2", "--units", "8", "--jobs", "1", "--name", "tiny"]
    assert main(["train", str(SAMPLES), "--out", str(tmp_path / "again.npz"), *args]) == 0
    first, again = load(trained), load(tmp_path / "again.npz")
    assert all(
        np.array_equal(first.network.arrays[name], again.network.arrays[name]) for name in first.network.arrays
    )
    assert (first.policies, first.curves) == (again.policies, again.curves)


def test_a_fit_goes_on_from_a_model(trained, tmp_path):
    args = ["--epochs", "1", "--held-out", str(SAMPLES), "--start", str(trained), "--jobs", "1", "--name", "more"]
    folder = a_set(tmp_path, [{"file": call.file, "label": str(call.label)} for call in read_manifest(SAMPLES)])
    assert main(["train", str(folder), "--out", str(tmp_path / "more.npz"), *args]) == 0
    before, after = load(trained).network, load(tmp_path / "more.npz")
    assert (after.version, after.card["from"], after.network.n_units) == ("more", "tiny", 8)
    moved = max(float(np.abs(after.network.arrays[name] - array).max()) for name, array in before.arrays.items())
    assert 0 < moved < 0.05
    assert after.network.recipe.endswith(before.recipe)


def test_the_network_in_numpy_says_what_the_fitted_one_said():
    torch = pytest.importorskip("torch", reason="fitting needs the extra: train")
    from amd.speech import TICK_INPUTS
    from amd.training.layers import Layers

    rng = np.random.default_rng(6)
    heard = rng.normal(0.3, 0.8, (3, 200, len(TICK_INPUTS))).astype(np.float32)
    layers = Layers(n_dense=16, n_units=24, n_outputs=5, seed=1, inputs=heard[0])
    with torch.no_grad():
        theirs = layers(torch.from_numpy(heard))[:, :, :2].numpy()
    network = layers.network(inputs=TICK_INPUTS, outputs=("one", "other"), version="t", recipe="")
    state = network.start(3)
    for tick in range(heard.shape[1]):
        ours, state = network.step(heard[:, tick], state)
        np.testing.assert_allclose(ours, theirs[:, tick], atol=2e-5)


def test_a_speaker_on_both_sides_is_an_error(capsys, tmp_path):
    pytest.importorskip("torch", reason="fitting needs the extra: train")
    out = str(tmp_path / "m.npz")
    assert main(["train", str(SAMPLES), "--held-out", str(SAMPLES), "--out", out]) == 1
    assert "speakers are in the sets and in those held out" in capsys.readouterr().err


def test_too_few_speakers_are_an_error_that_says_what_counts_as_one(tmp_path, capsys):
    pytest.importorskip("torch", reason="fitting needs the extra: train")
    folder = a_set(tmp_path, [{"file": "human-01.wav", "label": "human"}])
    assert main(["train", str(folder), "--out", str(tmp_path / "m.npz")]) == 1
    assert "1 speakers of people in the sets, need 2: without a column `group`" in capsys.readouterr().err


def test_one_fold_is_an_error(tmp_path, capsys):
    assert main(["train", str(SAMPLES), "--folds", "1", "--out", str(tmp_path / "m.npz")]) == 1
    assert "--folds 1 leaves nothing" in capsys.readouterr().err


def test_a_rule_under_which_half_of_the_people_wait_too_long_is_dearer_than_any_error():
    calls, known_s = [named("human", greeting_end_s=1.0)] * 3, [1.5, 2.5, 2.6]
    late = Cost(human_median_max_s=1.0).mean(calls, said(["human"] * 3, known_s))
    in_time = Cost(human_median_max_s=1.5).mean(calls, said(["human"] * 3, known_s))
    assert in_time < 1 < 10 < late


def test_a_rule_is_not_quick_because_it_calls_the_late_ones_machines():
    calls, known_s = [named("human", greeting_end_s=1.0)] * 5, [1.5, 1.6, 1.7, 2.5, 2.6]
    parties = ["human", "human", "machine", "machine", "machine"]
    assert Cost().mean(calls, said(parties, known_s)) > 100
    assert Cost().mean(calls, said(["human"] * 3 + ["machine"] * 2, known_s)) < 10

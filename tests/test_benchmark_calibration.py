"""Probabilities against how often they were right: by hand, by chance, and of a set."""

import json
from pathlib import Path

import numpy as np
import pytest

from amd.evaluation.manifest import Call
from amd.events import Party
from amd.training.replay import of_probabilities
from benchmarks import calibration, tables
from benchmarks.calibration import Said

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"


def call(label, **columns):
    return Call(row=2, file="a.wav", label=Party(label), times_s={}, columns=columns)


def said(label, party, probability, **columns):
    return Said(call=call(label, **columns), party=Party(party), probability=probability)


def test_an_error_is_how_far_what_was_said_is_from_what_was_right():
    found = calibration.reliability([said("human", "human", 0.95)] * 6 + [said("machine", "human", 0.95)] * 4)
    assert (found["n"], found["said"], found["right"]) == (10, 0.95, 0.6)
    assert found["error"] == pytest.approx(0.35)
    assert found["by_chance"] < found["by_chance_p95"] < found["error"]


def test_probabilities_that_are_right_have_the_error_of_chance():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.6, 1.0, 4000)
    rows = [
        said("human" if right else "machine", "human", one)
        for one, right in zip(p, rng.random(4000) < p, strict=True)
    ]
    found = calibration.reliability(rows)
    assert found["error"] <= found["by_chance_p95"]
    assert calibration.by_chance(p[:100])[0] > 2 * calibration.by_chance(p)[0]


def test_parts_are_by_noise_and_by_whether_the_label_is_one_that_speech_can_tell():
    rows = [
        said("human", "human", 0.9, noise="wind", snr_db="4.0"),
        said("fax", "human", 0.8, noise="wind+hum50", snr_db="12.0"),
        said("machine", "machine", 0.97, noise="", snr_db=""),
    ]
    assert {name: one["n"] for name, one in calibration.parts(rows, "noise").items()} == {"wind": 2, "none": 1}
    assert {name: one["n"] for name, one in calibration.parts(rows, "answered").items()} == {
        "person or machine": 2,
        calibration.OTHERS: 1,
    }
    assert calibration.parts(rows, "")[calibration.ALL]["right"] == round(2 / 3, 4)


def test_only_verdicts_with_a_probability_of_speech_count():
    sure = of_probabilities([0.4, 0.1, 0.1], gaps_s=[0.0, 0.0, 0.9], call=call("human"))
    torn = of_probabilities([0.5, 0.5, 0.5], gaps_s=[0.0, 0.0, 0.1], call=call("human"))
    (only,) = calibration.verdicts([sure, torn])
    assert (only.party, only.probability, only.right) == (Party.HUMAN, pytest.approx(0.9), True)


def test_a_set_is_heard_and_told(tmp_path, capsys):
    calibration.run([SAMPLES], jobs=1, out=tmp_path / "out.json")
    data = json.loads((tmp_path / "out.json").read_text())
    total = data["parts"][""][calibration.ALL]["n"]
    assert total > 10
    assert all(sum(one["n"] for one in by_name.values()) == total for by_name in data["parts"].values())
    assert "by chance" in capsys.readouterr().out


def test_the_table_has_a_row_for_every_part():
    rows = [said("human", "human", 0.9, noise="wind"), said("machine", "human", 0.7, noise="")]
    parts = {part: calibration.parts(rows, part) for part in ("", "noise")}
    lines = tables.calibration({"parts": parts}).splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == ["all", "noise none", "noise wind"]
    assert "| 80.0 % | 50.0 % |" in lines[2]

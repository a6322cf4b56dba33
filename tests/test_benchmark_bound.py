"""What a perfect ear is told: the truth of a call, tick by tick, and nothing of what is still to come."""

import dataclasses
import json

import numpy as np
import pytest

from amd.evaluation.manifest import Call
from amd.events import Cause, Party
from amd.evidence import NAMES
from amd.policy import PRESETS
from amd.training.replay import decide
from benchmarks import bound


def truth_of(label, **changes):
    made = {
        "file": "a.wav",
        "label": label,
        "group": "a",
        "length_s": 8.0,
        "speech": [[1.0, 1.5], [2.0, 2.4]],
        "greeting_end_s": 2.4,
    }
    return {**made, **{sound: [] for sound in bound.SOUNDS[1:]}, **changes}


def call_of(truth):
    return Call(row=2, file=truth["file"], label=Party(truth["label"]), times_s={}, columns={})


def evidence_of(truth, name):
    recorded = bound._recorded(call_of(truth), truth)
    return recorded.known_s, recorded.evidence[:, NAMES.index(name)]


def test_the_silence_is_that_since_the_last_speech_so_far():
    known_s, gap_s = evidence_of(truth_of("human"), "gap_s")
    assert np.isnan(gap_s[known_s <= 1.0]).all()
    for at_s, expected_s in ((1.3, 0.0), (1.9, 0.4), (2.2, 0.0), (3.4, 1.0)):
        tick = int(np.argmin(np.abs(known_s - at_s)))
        assert gap_s[tick] == pytest.approx(max(0.0, expected_s + known_s[tick] - at_s), abs=0.05)


def test_waits_count_from_the_first_speech():
    known_s, since_s = evidence_of(truth_of("human"), "since_onset_s")
    spoken = ~np.isnan(since_s)
    np.testing.assert_allclose(since_s[spoken], known_s[spoken] - 1.0, atol=1e-5)


def test_a_beep_decides_when_it_is_known():
    truth = truth_of("machine", beep=[[3.0, 3.2]])
    recorded = bound._recorded(call_of(truth), truth)
    patient = dataclasses.replace(PRESETS["balanced"], human_gap_min_s=1.5)
    said = decide(recorded, patient)
    assert (said.party, said.cause) == (Party.MACHINE, Cause.BEEP)
    assert said.known_s == pytest.approx(3.2 + bound.BEEP_KNOWN_S)


def test_a_call_on_which_nobody_speaks_is_silent():
    truth = truth_of("human", speech=[], greeting_end_s=None)
    assert decide(bound._recorded(call_of(truth), truth), PRESETS["balanced"]).party is Party.SILENCE


def test_each_sound_has_a_column_of_its_own_and_what_comes_later_is_not_in_it():
    truth = truth_of("machine", beep=[[3.0, 3.2]])
    heard = bound._heard(truth)
    frames = heard.inputs.reshape(-1, len(bound.SOUNDS)).astype(float)
    frame_s = bound.TICK_S / bound.TICK_FRAMES
    said_s = {sound: float(frames[:, place].sum()) * frame_s for place, sound in enumerate(bound.SOUNDS)}
    assert said_s == pytest.approx({"speech": 0.9, "beep": 0.2, "ring": 0, "music": 0, "own_voice": 0}, abs=0.04)
    cut = bound._heard({**truth, "speech": truth["speech"][:1], "beep": []})
    n_same = int(2.0 / bound.TICK_S) - 1
    np.testing.assert_array_equal(heard.inputs[:n_same], cut.inputs[:n_same])


def test_it_runs_and_tells_what_it_found(tmp_path, capsys):
    pytest.importorskip("torch", reason="fitting needs the extra: train")
    folder = tmp_path / "set"
    folder.mkdir()
    rows, truths = ["file,label,group,greeting_end_s,speech_start_s"], []
    rng = np.random.default_rng(4)
    for index in range(40):
        label = ("human", "machine")[index % 2]
        length_s = float(rng.uniform(0.5, 1.2) if label == "human" else rng.uniform(4.0, 5.0))
        truth = truth_of(label, speech=[[0.5, 0.5 + length_s]], greeting_end_s=0.5 + length_s, group=f"g{index}")
        truths.append({**truth, "file": f"{index}.wav"})
        (folder / f"{index}.wav").touch()  # never opened: what is true is all that is heard
        rows.append(f"{index}.wav,{label},g{index},{0.5 + length_s:.3f},0.5")
    (folder / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "truth.jsonl").write_text("\n".join(map(json.dumps, truths)), encoding="utf-8")
    bound.run([folder], [folder], out=tmp_path / "bound.json", n_epochs=1)
    found = json.loads((tmp_path / "bound.json").read_text(encoding="utf-8"))
    assert set(found["systems"]) == {"balanced", "protect_humans", "fast"} | {
        f"machine at {least:g}" for least in bound.SOONER
    }
    assert "40 composed calls" in capsys.readouterr().out

"""What the benchmarks time and write: audio that was heard, peers by their own limits, verdicts that compare."""

import csv
import json

import numpy as np
import pytest
from generated import float32, placed, voice
from labeled_sets import many_samples

from amd import Party
from amd.evaluation.comparing import compare
from amd.evaluation.rivals import read_verdicts
from benchmarks import __main__ as command_line
from benchmarks import accuracy, speed, tables
from benchmarks.peers.asterisk import ASTERISK, FREESWITCH, judge


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return many_samples(tmp_path_factory.mktemp("sets") / "few", 4)


def test_speed_tells_a_ratio_and_calls_a_core_of_every_system(few, tmp_path, capsys):
    out = tmp_path / "speed.json"
    speed.run(few, out=out, rounds=1)
    data = json.loads(out.read_text())
    assert {"amd, whole call", "amd, packets of 20 ms", "Asterisk's rules"} <= set(data["ratios"])
    assert set(data["ratios"]) == set(data["calls_a_core"])
    assert speed.YARDSTICK not in data["ratios"]
    assert data["ratios"]["amd, packets of 20 ms"] > data["ratios"]["Asterisk's rules"]
    assert data["audio_s"] == pytest.approx(sum(accuracy_durations(few)), abs=0.1)
    assert str(few.parent) not in out.read_text()
    assert "amd, whole call" in capsys.readouterr().out


def accuracy_durations(folder):
    import soundfile

    return [soundfile.info(path).duration for path in folder.glob("*.wav")]


def test_a_detector_that_is_done_is_timed_by_what_it_heard():
    rng = np.random.default_rng(2)
    call = float32(placed(30.0, [(0.5, voice(rng, 0.5, -20.0))]))
    heard_s = speed.stream(call, packet_samples=speed.PACKET_SAMPLES)
    assert 2.0 < heard_s < 20.0
    assert speed.best_s(lambda: 4.0, 3) < 1e-3


def test_the_tables_round_as_the_figures_are_written():
    share = {"count": 9, "of": 10, "share": 0.9, "low": 0.5958, "high": 0.9821}
    nobody = {"count": 0, "of": 0, "share": None, "low": None, "high": None}
    times = {"n": 3, "p50": 1.0, "p90": 2.346}
    figures = {
        **dict.fromkeys(("right", "human_called_machine", "unsure"), share),
        "machine_called_human": nobody,
        "human_after_greeting_end_s": times,
        "machine_after_first_speech_s": {"n": 0, "p50": None, "p90": None},
    }
    made = tables.accuracy({"systems": {"one": figures, "the same": figures}}).splitlines()
    share_cell = "90.0 % (59.6-98.2)"
    assert made[2:] == [f"| one | {share_cell} | {share_cell} | none | {share_cell} | 1.00, 2.35 s | none |"]


# -- the word count of another switch


def test_freeswitch_waits_for_more_voice_pauses_and_silence_as_its_defaults_say():
    rng = np.random.default_rng(4)
    hello = float32(placed(6.0, [(0.5, voice(rng, 0.5, -20.0))]))
    ours, theirs = judge(hello), judge(hello, FREESWITCH)
    assert (ours.party, theirs.party) == (Party.HUMAN, Party.HUMAN)
    assert theirs.known_s - ours.known_s == pytest.approx(0.2, abs=0.021)
    long = float32(placed(8.0, [(0.4, voice(rng, 3.0, -20.0))]))
    assert judge(long, FREESWITCH).cause == judge(long).cause == "LONGGREETING"
    assert judge(long, FREESWITCH).known_s < judge(long).known_s
    silence = np.zeros(6 * 8000, dtype=np.float32)
    assert (judge(silence).party, judge(silence, FREESWITCH).party) == (Party.MACHINE, Party.UNSURE)
    assert judge(silence, FREESWITCH).known_s == pytest.approx(4.5, abs=0.02)


def test_three_short_words_are_a_machine_to_one_and_none_to_the_other():
    rng = np.random.default_rng(6)
    short = [(0.5 + 0.3 * n, voice(rng, 0.14, -20.0)) for n in range(4)]
    call = float32(placed(6.0, short))
    assert judge(call, ASTERISK).cause == "MAXWORDS"
    assert judge(call, FREESWITCH).party is Party.HUMAN


# -- verdicts as tables


def test_every_system_s_verdicts_are_written_as_tables_that_compare(few, tmp_path, capsys):
    out = tmp_path / "verdicts"
    accuracy.run([few], peers="asterisk,freeswitch", jobs=1, verdicts=out)
    capsys.readouterr()
    names = {path.name for path in out.iterdir()}
    assert {"amd-balanced.csv", "asterisks-rules.csv", "freeswitch-style-word-count.csv"} <= names
    with (out / "amd-balanced.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [f"call-{n:05d}.wav" for n in range(4)]
    found = compare(read_verdicts(out / "amd-balanced.csv"), read_verdicts(out / "asterisks-rules.csv"))
    assert found.paired["all calls"].n_calls == 4
    with pytest.raises(SystemExit, match="of one set"):
        accuracy.run([few, tmp_path], verdicts=out)


def test_all_writes_the_figures_of_each_benchmark(few, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(command_line.tones, "run", lambda **given: asked.append(given))
    monkeypatch.setattr(command_line.scale, "run", asked.append)  # tested by itself: tests/test_speed.py
    argv = ["benchmarks", "all", str(few), "--peers", "none", "--out", str(tmp_path), "--jobs", "1", "--seed", "9"]
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr(speed, "SAMPLES", few)
    command_line.main()
    capsys.readouterr()
    assert json.loads((tmp_path / "accuracy-few.json").read_text())["sets"][0]["calls"] == 4
    assert json.loads((tmp_path / "speed.json").read_text())["set"] == "few"
    tones = {"seed": 9, "out": tmp_path / "tones.json", "quick": False, "clips": None}
    assert asked == [tones, tmp_path / "scale.json"]

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tones
from benchmarks.peers import desa2, fft_peak
from benchmarks.tones import judge, line, report, signals, suite

TRIAL = suite.Trial(
    family="beep",
    kind="single",
    expected="beep",
    codec="ulaw",
    snr_db=20.0,
    loss=0.0,
    level_db=-20.0,
    background="noise",
    spans_s=((1.0, 1.4),),
    freqs_hz=(1000.0,),
    samples=np.zeros(16000),
)


def reported(on_s, off_s, kind="beep", freqs_hz=(1002.0,)):
    return judge.Report(kind=kind, on_s=on_s, off_s=off_s, known_s=off_s + 0.05, freqs_hz=freqs_hz)


def judged(monkeypatch, *reports, trial=TRIAL, state=""):
    monkeypatch.setattr(judge, "hear", lambda *_: (list(reports), state))
    return judge.judge(trial, "amd")


def beep_in_silence(hz, length_s=0.4):
    quiet = np.zeros(4000)
    return np.concatenate([quiet, 0.3 * signals.tone([hz], length_s), quiet])


@pytest.mark.parametrize("hz", [350, 440, 1000, 1999, 2600, 3400])
def test_desa2_gives_the_frequency_of_a_clean_sine(hz):
    sine = np.sin(2 * np.pi * hz * np.arange(4000) / desa2.FINE_HZ + 0.3)
    inner = desa2.frequency_hz(sine, desa2.FINE_HZ)[10:-10]
    assert inner == pytest.approx(np.full(inner.size, hz), rel=0.01)


@pytest.mark.parametrize("peer", [desa2, fft_peak])
@pytest.mark.parametrize("hz", [500.0, 1000.0, 2700.0])
def test_peers_find_an_obvious_beep_where_it_is(peer, hz):
    (found,) = peer.find(beep_in_silence(hz))
    assert (found.on_s, found.off_s) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.9, abs=0.02))
    assert found.freqs_hz[0] == pytest.approx(hz, rel=0.01)
    assert found.known_s >= found.off_s - 1e-9 or found.known_s >= 0.9


@pytest.mark.parametrize("peer", [desa2, fft_peak])
def test_peers_find_nothing_in_noise(peer):
    assert peer.find(0.1 * line.noise(40000, np.random.default_rng(3))) == []


@pytest.mark.parametrize("family", ["beep", "signal"])
def test_one_task_is_the_same_every_time(family):
    task = suite.Task(family=family, codec="alaw", repeat=0, seed=4)
    once, again = suite.trials(task), suite.trials(task)
    other = suite.trials(dataclasses.replace(task, seed=5))
    assert len(once) == len(again) == len(other)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(once, again, strict=True))
    assert not any(np.array_equal(a.samples, b.samples) for a, b in zip(once, other, strict=True))


def test_every_beep_lies_where_its_truth_says():
    task = suite.Task(family="beep", codec="ulaw", repeat=0, seed=4)
    for trial in suite.trials(task):
        if trial.snr_db is None and trial.loss == 0:
            power = trial.samples**2
            inside = np.zeros(power.size, bool)
            for on_s, off_s in trial.spans_s:
                assert 0.069 <= off_s - on_s <= 1.501
                inside[round(on_s * 8000) : round(off_s * 8000)] = True
            margin = round(trial.spans_s[0][0] * 8000) - 400
            level_db = 10 * np.log10(power[inside].mean())
            assert level_db == pytest.approx(trial.level_db, abs=1.5)
            assert 10 * np.log10(power[margin:][~inside[margin:]].mean() + 1e-12) < level_db - 15


@pytest.mark.parametrize("name", signals.SITS)
def test_a_sit_is_as_long_as_its_tones(name):
    _, _, lengths_s = signals.SITS[name]
    assert signals.sit(name).size == pytest.approx(8000 * sum(lengths_s), abs=2)


@pytest.mark.parametrize("codec", line.SOUNDFILE_CODECS)
def test_codecs_keep_a_tone_in_its_place(codec):
    sent = beep_in_silence(1000.0)
    heard = line.round_trip(sent, codec)
    assert heard.size == sent.size
    assert np.corrcoef(sent, heard)[0, 1] > 0.9


def test_a_lost_packet_is_the_last_one_at_half_its_level():
    samples = np.random.default_rng(1).standard_normal(1600)
    heard = line.lose_packets(samples, 1.0, np.random.default_rng(2))
    assert heard[160:320] == pytest.approx(0.5 * samples[:160])
    assert heard[320:480] == pytest.approx(0.25 * samples[:160])


def test_a_hit_has_its_errors(monkeypatch):
    outcome = judged(monkeypatch, reported(1.01, 1.38))
    assert (outcome.hit, outcome.n_other) == (True, 0)
    assert outcome.onset_s == pytest.approx(0.01)
    assert outcome.offset_s == pytest.approx(-0.02)
    assert outcome.delay_s == pytest.approx(0.03)
    assert outcome.freq_hz == pytest.approx(2.0)


def test_a_beep_elsewhere_is_a_miss_and_a_false_one(monkeypatch):
    outcome = judged(monkeypatch, reported(0.2, 0.4))
    assert (outcome.hit, outcome.n_other, outcome.onset_s) == (False, 1, None)


def test_another_kind_is_no_beep(monkeypatch):
    outcome = judged(monkeypatch, reported(1.0, 1.4, kind="ringback"))
    assert (outcome.hit, outcome.n_other, outcome.said) == (False, 0, "ringback")


def test_the_last_beep_of_a_double_counts(monkeypatch):
    double = dataclasses.replace(TRIAL, kind="double", spans_s=((0.5, 0.7), (1.0, 1.4)))
    assert not judged(monkeypatch, reported(0.5, 0.7), trial=double).hit
    outcome = judged(monkeypatch, reported(0.5, 1.4), trial=double)
    assert (outcome.hit, outcome.onset_s, outcome.freq_hz) == (True, 0.0, None)


def test_a_sit_counts_only_with_its_category(monkeypatch):
    sit = dataclasses.replace(TRIAL, family="sit", kind="intercept", expected="sit_intercept")
    assert judged(monkeypatch, reported(1.0, 1.9, kind="sit"), trial=sit, state="sit_intercept").hit
    assert not judged(monkeypatch, reported(1.0, 1.9, kind="sit"), trial=sit, state="sit_generic").hit
    lone = dataclasses.replace(TRIAL, family="lone first tone", expected="no sit")
    assert judged(monkeypatch, reported(1.0, 1.3), trial=lone).hit
    assert not judged(monkeypatch, reported(1.0, 1.3, kind="sit"), trial=lone).hit


def test_a_cadence_with_two_meanings_may_be_either():
    of = {row[:2]: signals.meanings(row) for row in signals.CADENCES}
    assert of["busy", "ES"] == of["reorder", "IT"] == of["reorder", "NL"] == ["busy", "reorder"]
    assert (of["busy", "US"], of["reorder", "US"], of["ringback", "FR"]) == (["busy"], ["reorder"], ["ringback"])


def test_either_meaning_is_right_and_no_other_tone(monkeypatch):
    busy = dataclasses.replace(TRIAL, family="busy", kind="ES", expected="busy|reorder")
    outcome = judged(monkeypatch, reported(1.0, 1.2, kind="reorder"), trial=busy)
    assert (outcome.hit, outcome.n_other) == (True, 0)
    assert not judged(monkeypatch, reported(1.0, 1.2), trial=busy).hit


@pytest.mark.parametrize(("n", "per_h"), [(0, 3.0), (1, 4.744), (10, 16.96)])
def test_poisson_bound_is_that_of_the_tables(n, per_h):
    assert judge.poisson_upper_per_h(n, 1.0) == pytest.approx(per_h, rel=0.01)
    assert judge.poisson_upper_per_h(n, 10.0) == pytest.approx(per_h / 10, rel=0.01)


def test_figures_count_hits_and_false_beeps(monkeypatch, tmp_path):
    hits = [judged(monkeypatch, reported(1.0, 1.4))] * 3 + [judged(monkeypatch, reported(0.2, 0.4))]
    noisy = judged(monkeypatch, trial=dataclasses.replace(TRIAL, snr_db=6.0))
    outcomes = [dataclasses.replace(one, system=system) for one in [*hits, noisy] for system in judge.SYSTEMS]
    quiet = judge.Quiet(
        system="amd", group="human", clip="a", codec="none", call_s=1800.0, beeps=(reported(0, 1),), others=()
    )
    found = report.figures(outcomes, [quiet])
    assert found["n_beeps"] == 5
    good = found["recall"]["amd"]["target"]["at least 15 dB"]
    assert (good["hits"], good["n"]) == (3, 4)
    assert found["recall"]["amd"]["snr"]["6 dB"]["hits"] == 0
    assert found["timing"]["amd"]["known after offset ms"]["p50"] == pytest.approx(50.0)
    false = found["false_beeps"]["amd"]["human"]
    assert (false["n"], false["per_hour"], false["upper_95_per_hour"]) == (1, 2.0, 9.49)
    tones.write(tmp_path / "one.json", found)
    tones.write(tmp_path / "two.json", report.figures(outcomes, [quiet]))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    report.show(found | {"seed": 1, "quick": True, "tasks_left_out": 0}, {"amd": 5.0})


def test_tone_free_clips_are_those_that_say_so(tmp_path: Path):
    rows = [
        "a,human,word,phone,",
        "b,machine,greeting,studio,1.0",
        "c,machine,prompt,studio,",
        "d,tone,tone,studio,",
        "e,noise,music,studio,",
    ]
    (tmp_path / "clips.csv").write_text(
        "\n".join(["path,label,kind,channel,beep_onset_s", *rows]), encoding="utf-8"
    )
    found = judge.tone_free(tmp_path)
    assert {clip.path for clip in found} == {"a", "c", "e"}
    assert [clip.codec for clip in found if clip.path == "e"] == list(judge.LINES)
    assert {clip.path: clip.skip_s for clip in found} == {"a": judge.PHONE_SKIP_S, "c": 0.0, "e": 0.0}

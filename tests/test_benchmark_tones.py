from __future__ import annotations

import dataclasses
from pathlib import Path

import generated as gen
import numpy as np
import pytest

from amd.callprogress import DIAL_MIN_S
from benchmarks import tones
from benchmarks.peers import desa2, fft_peak
from benchmarks.tones import examples, judge, line, report, signals, suite

TRIAL = suite.Trial(
    family="beep",
    kind="single",
    expected="beep",
    codec="ulaw",
    snr_db=20.0,
    loss=0.0,
    level_db=-20.0,
    background="noise",
    after="noise",
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
            if trial.after == "speech":  # which is never nearer than a breath
                inside[round((trial.spans_s[-1][1] + 0.09) * 8000) :] = True
            assert 10 * np.log10(power[margin:][~inside[margin:]].mean() + 1e-12) < level_db - 15


@pytest.mark.parametrize("name", signals.SITS)
def test_a_sit_is_as_long_as_its_tones(name):
    _, _, lengths_s = signals.SITS[name]
    assert signals.sit(name).size == pytest.approx(8000 * sum(lengths_s), abs=2)


def spectrum_peaks_hz(samples, low_hz, high_hz):
    """Where most of the power of each half of a band lies, as finely as 1 Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size), 8000)) ** 2
    return low_hz + int(np.argmax(power[low_hz:1075])), 1075 + int(np.argmax(power[1075:high_hz]))


def q24(digit):
    row, column = divmod(signals.DTMF_DIGITS.index(digit), 4)
    return signals.DTMF_ROWS_HZ[row], signals.DTMF_COLUMNS_HZ[column]


@pytest.mark.parametrize("digit", signals.DTMF_DIGITS)
def test_a_key_is_what_q24_says_that_a_receiver_must_take(digit):
    rng = np.random.default_rng(1)
    for _ in range(20):
        made = signals.dtmf(digit, rng)
        assert 0.04 <= made.size / 8000 <= 0.12
        found_hz = spectrum_peaks_hz(made, 600, 1800)
        assert found_hz == pytest.approx(q24(digit), rel=0.015 + 0.012)  # 40 ms tell 10 Hz from another
    assert not np.array_equal(signals.dtmf(digit, rng), signals.dtmf(digit, rng))


@pytest.mark.parametrize("digit", signals.DTMF_DIGITS)
def test_what_is_nearly_a_key_is_off_in_one_frequency(digit):
    rng = np.random.default_rng(2)
    for _ in range(10):
        found_hz = spectrum_peaks_hz(signals.no_dtmf(digit, rng), 600, 1800)
        off = sorted(abs(hz / due_hz - 1) for hz, due_hz in zip(found_hz, q24(digit), strict=True))
        assert off[0] < 0.008
        assert 0.03 < off[1] < 0.05


@pytest.mark.parametrize(
    ("freqs_hz", "named"),
    [
        ((350.0, 440.0), True),
        ((697.0, 1209.0), True),
        ((720.0, 1209.0), True),  # 3.3 % off
        ((730.0, 1209.0), False),
        ((1209.0, 697.0), False),
        ((440.0,), False),
        ((600.0, 1000.0), False),
    ],
)
def test_a_pair_that_has_a_name_is_no_beep(freqs_hz, named):
    assert signals.is_named(freqs_hz) == named


@pytest.mark.parametrize(
    ("hz", "length_s", "is_progress"),
    [(425.0, 0.3, True), (505.0, 0.3, False), (360.0, 0.3, False), (1100.0, 0.5, True), (1100.0, 0.2, False)],
)
def test_what_may_be_ringback_or_a_calling_fax_is_known(hz, length_s, is_progress):
    assert signals.is_progress((hz,), length_s) == is_progress


@pytest.mark.parametrize("kind", signals.BEEP_KINDS)
def test_a_beep_is_what_its_truth_says_and_never_another_signal(kind):
    rng = np.random.default_rng([3, signals.BEEP_KINDS.index(kind)])
    for after_speech in (True, False) * 30:
        made, spans_s, freqs_hz = signals.beep(kind, rng, after_speech=after_speech)
        assert len(spans_s) == (2 if kind == "double" else 1)
        assert len(freqs_hz) == {"two-tone": 2, "harmonics": 3}.get(kind, 1)
        assert not signals.is_named(freqs_hz)
        assert all(0 <= on_s < off_s <= made.size / 8000 for on_s, off_s in spans_s)
        assert after_speech or not signals.is_progress(freqs_hz, spans_s[0][1] - spans_s[0][0])
    ratios = [signals._beep("swept", rng)[2] for _ in range(5)]
    assert all(350 <= hz <= 3400 for (hz,) in ratios)


def test_beeps_that_a_voice_follows_say_so_and_are_not_every_one():
    tasks = [suite.Task(family="beep", codec="ulaw", repeat=repeat, seed=4) for repeat in range(2)]
    after = [trial.after for task in tasks for trial in suite.trials(task)]
    assert set(after) == {"noise", "speech"}
    assert 0.05 < np.mean([one == "speech" for one in after]) < 0.3


def test_the_suite_has_every_key_every_family_and_a_dial_tone():
    made = suite.trials(suite.Task(family="signal", codec="alaw", repeat=0, seed=4))
    assert {trial.family for trial in made} == set(suite.FAMILIES)
    expected = {"dtmf": "dtmf", "nearly dtmf": "no dtmf"}
    for family, due in expected.items():
        of_family = [trial for trial in made if trial.family == family]
        assert [trial.kind for trial in of_family] == list(signals.DTMF_DIGITS)
        assert {trial.expected for trial in of_family} == {due}
    dial = [trial for trial in made if trial.family == "dial tone"]
    assert dial
    assert {trial.expected for trial in dial} == {"dial_tone"}
    assert all(trial.spans_s[0][1] - trial.spans_s[0][0] > DIAL_MIN_S + 0.5 for trial in dial)


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


def test_what_is_nearly_a_key_counts_when_it_is_not_called_one(monkeypatch):
    nearly = dataclasses.replace(TRIAL, family="nearly dtmf", kind="5", expected="no dtmf")
    for found in ([], [reported(1.0, 1.1)]):
        outcome = judged(monkeypatch, *found, trial=nearly)
        assert (outcome.hit, outcome.n_other, outcome.n_beeps) == (True, 0, len(found))
    assert not judged(monkeypatch, reported(1.0, 1.1, kind="dtmf"), trial=nearly).hit


def test_what_follows_a_beep_is_kept_with_its_outcome(monkeypatch):
    assert judged(monkeypatch, trial=dataclasses.replace(TRIAL, after="speech")).after == "speech"


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
        system="amd",
        group="human",
        split="test",
        clip="a",
        codec="none",
        call_s=1800.0,
        beeps=(reported(0, 1),),
        others=(),
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
        "a,human,word,phone,,train",
        "b,machine,greeting,studio,1.0,test",
        "c,machine,prompt,studio,,test",
        "d,tone,tone,studio,,test",
        "e,noise,music,studio,,dev",
    ]
    (tmp_path / "clips.csv").write_text(
        "\n".join(["path,label,kind,channel,beep_onset_s,split", *rows]), encoding="utf-8"
    )
    found = judge.tone_free(tmp_path)
    assert {clip.path for clip in found} == {"a", "c", "e"}
    assert {clip.path: clip.split for clip in found} == {"a": "train", "c": "test", "e": "dev"}
    assert [clip.codec for clip in found if clip.path == "e"] == list(judge.LINES)
    assert {clip.path: clip.skip_s for clip in found} == {"a": judge.PHONE_SKIP_S, "c": 0.0, "e": 0.0}


@pytest.mark.parametrize(
    ("on", "off", "label"),
    [
        (8000, 10_400, True),
        (8000, 9000, True),  # a piece that a lost packet left, or one note of a chime
        (8000, 8500, None),  # too little of it
        (6000, 10_400, None),  # with a vowel before it
        (2000, 4000, False),
    ],
)
def test_a_tone_is_an_example_of_a_beep_where_it_is_most_of_one(on, off, label):
    assert examples.is_one_of(gen.steady_tone(on=on, off=off, known=off), [(8000, 10_400)]) is label


def test_trees_are_fitted_to_calls_of_the_train_split_alone(tmp_path):
    (tmp_path / "composition.json").write_text('{"split": "dev"}')
    with pytest.raises(ValueError, match="train"):
        examples.composed_rows(tmp_path)

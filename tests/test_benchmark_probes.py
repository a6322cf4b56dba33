"""Channel probe, baselines and leave-one-out: they find what was put there, and nothing where nothing was."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import soundfile
from generated import float32, noise, placed, voice, words

from amd.evaluation.manifest import Call, read_manifest
from amd.events import Party
from amd.evidence import NAMES
from amd.training.listening import hear
from benchmarks import baselines, candidates, channel_features, fit_peers, leave_one_out, probe, ticks
from benchmarks.channel_features import FEATURES, Heard
from benchmarks.cost import mean_cost, truths_of
from benchmarks.fit_peers import Job
from benchmarks.peers import asterisk, cadence

SPEECH_S = (0.5, 2.0)


def job(tmp_path, samples, label="human", speech=(SPEECH_S,), **columns):
    path = tmp_path / f"{label}.wav"
    soundfile.write(path, float32(samples), 8000, subtype="PCM_16")
    call = Call(row=2, file=path.name, label=Party(label), times_s={}, columns={"group": "a", **columns})
    truth = {
        "file": path.name,
        "label": label,
        "group": "a",
        "speech": [list(span) for span in speech],
        "beep": [],
    }
    return Job(path=path, call=call, truth=truth | {"greeting_end_s": speech[-1][1] if speech else None})


def spoken(seed=1, level_db=-20.0, noise_db=-50.0):
    rng = np.random.default_rng(seed)
    return placed(3.0, [(SPEECH_S[0], voice(rng, SPEECH_S[1] - SPEECH_S[0], level_db))]) + noise(
        rng, 3.0, noise_db
    )


def named(heard):
    return dict(zip(FEATURES, heard.features, strict=True))


def test_levels_of_the_line_are_measured(tmp_path):
    found = named(channel_features.channel_of(job(tmp_path, spoken()), 1.0))
    assert found["speech_db"] == pytest.approx(-20.0, abs=1.5)
    assert found["noise_db"] == pytest.approx(-50.0, abs=1.5)
    assert found["noise_below_speech_db"] == pytest.approx(30.0, abs=2.5)
    louder = named(channel_features.channel_of(job(tmp_path, spoken() * 2), 1.0))
    assert louder["speech_db"] - found["speech_db"] == pytest.approx(6.02, abs=0.1)
    assert louder["speech_tilt"] == pytest.approx(found["speech_tilt"], abs=0.05)


def test_gaps_of_digital_silence_are_seen(tmp_path):
    gated = spoken(noise_db=-90.0)
    gated[8000:9000] = 0.0
    plain, holed = (named(channel_features.channel_of(job(tmp_path, call), 1.0)) for call in (spoken(), gated))
    assert holed["share_zero"] > plain["share_zero"] + 0.1


def test_what_comes_after_the_first_second_of_speech_is_not_measured(tmp_path):
    call, other = spoken(), spoken()
    other[round(1.7 * 8000) :] = 0.3
    first, second = (channel_features.channel_of(job(tmp_path, samples), 1.0) for samples in (call, other))
    assert np.array_equal(first.features, second.features, equal_nan=True)


def test_calls_without_so_much_speech_or_of_neither_label_give_nothing(tmp_path):
    assert channel_features.channel_of(job(tmp_path, spoken(), speech=((0.5, 1.2),)), 1.0) is None
    assert channel_features.channel_of(job(tmp_path, spoken(), label="fax"), 1.0) is None


def calls(told_by=None, n=240):
    """Calls of forty speakers with random channels; one feature tells the label if asked to."""
    rng = np.random.default_rng(4)
    made = []
    for index in range(n):
        features = rng.standard_normal(len(FEATURES))
        machine = bool(rng.random() < 0.4)
        if told_by is not None:
            features[FEATURES.index(told_by)] += 4.0 * machine
        made.append(Heard(features=features, machine=machine, group=f"speaker-{index % 40}"))
    return made


def test_classes_are_made_equal():
    kept = probe.balanced(calls())
    assert sum(one.machine for one in kept) * 2 == len(kept) > 100


def test_a_channel_that_tells_is_found_and_named():
    pytest.importorskip("sklearn")
    found = {
        name: (share, drops) for name, share, drops in probe.probes(probe.balanced(calls("share_zero")), None)
    }
    for share, _ in found.values():
        assert share.value > 0.9
    _, drops = found["boosted trees"]
    assert max(drops, key=drops.get) in ("codec", "share_zero")
    assert drops["codec"] > 0.2


def test_a_channel_that_tells_nothing_is_near_chance():
    pytest.importorskip("sklearn")
    for _, share, _ in probe.probes(probe.balanced(calls(n=800)), None):
        assert abs(share.value - probe.CHANCE) < probe.OFF_MAX


def test_calls_that_share_a_speaker_are_never_apart():
    assert probe.components(["a", "b", "c;b", "a;d", "e", "d;e"]).tolist() == [0, 1, 1, 0, 0, 0]


def test_ticks_have_the_evidence_of_the_detector_and_the_spectrum_so_far(tmp_path):
    one = job(tmp_path, spoken())
    made = ticks.ticks_of(one)
    heard = hear(one.path)
    columns = [NAMES.index(name) for name in ticks.EVIDENCE]
    assert made.features.shape == (heard.n_ticks, len(ticks.FEATURES))
    assert np.array_equal(made.features[:, : len(columns)], heard.evidence[:, columns], equal_nan=True)
    assert "voice_log_odds" not in ticks.FEATURES
    assert made.counts.any()
    assert not made.machine


def test_spectra_of_a_tick_rest_on_nothing_after_it():
    samples = float32(spoken())
    whole = ticks.spectral(samples)
    part = ticks.spectral(samples[: 12 * 768 + 128])
    assert np.allclose(whole[:12], part[:12], equal_nan=True)


def test_cross_entropy_by_hand(tmp_path):
    made = ticks.ticks_of(job(tmp_path, spoken()))
    half = made.judged(np.full(made.heard.n_ticks, 0.5), 0.5)
    assert candidates.cross_entropy([made], [half]) == pytest.approx(np.log(2))
    sure = made.judged(np.full(made.heard.n_ticks, 0.1), 0.1)
    assert candidates.cross_entropy([made], [sure]) == pytest.approx(-np.log(0.9))
    wrong = dataclasses.replace(
        made, heard=dataclasses.replace(made.heard, call=job(tmp_path, spoken(), label="machine").call)
    )
    assert candidates.cross_entropy([wrong], [sure]) == pytest.approx(-np.log(0.1))


@pytest.fixture
def composed(tmp_path):
    """A set of ten people who say a word and ten machines that talk on."""
    rng = np.random.default_rng(8)
    folder = tmp_path / "made"
    folder.mkdir()
    rows, truths = [], []
    for index in range(20):
        machine = index % 2 == 1
        start_s, length_s = rng.uniform(0.3, 0.8), (rng.uniform(3.0, 4.0) if machine else rng.uniform(0.4, 0.7))
        said = words(rng, length_s, -20.0) if machine else voice(rng, length_s, -20.0)
        samples = placed(length_s + 3.5, [(start_s, said)]) + noise(rng, length_s + 3.5, -55.0)
        file, label = f"call-{index:02d}.wav", "machine" if machine else "human"
        soundfile.write(folder / file, float32(samples), 8000, subtype="PCM_16")
        end_s = start_s + length_s
        rows.append(
            {
                "file": file,
                "label": label,
                "speech_start_s": start_s,
                "greeting_end_s": end_s,
                "group": f"g{index}",
            }
        )
        truths.append(
            {"file": file, "label": label, "speech": [[start_s, end_s]], "greeting_end_s": end_s, "beep": []}
        )
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "truth.jsonl").write_text("".join(json.dumps(one) + "\n" for one in truths), encoding="utf-8")
    return folder


def test_baselines_are_fitted_and_scored(composed, tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("torch", reason="fitting needs the extra: train")
    monkeypatch.setattr(baselines, "LEAF_TICKS", 5)
    monkeypatch.setattr(baselines, "N_TREES", 20)
    monkeypatch.setattr(fit_peers, "LEAF_TICKS", 5)
    baselines.run(
        [composed],
        composed,
        [composed],
        out=tmp_path / "out.json",
        n_calls=None,
        n_dev=None,
        n_test=None,
        n_jobs=1,
    )
    found = json.loads((tmp_path / "out.json").read_text())["systems"]
    trees = found[f"gradient-boosted trees, {len(ticks.FEATURES)} features"]
    rules = {f"{mask} + cadence rule" for mask in baselines.MASKS} if fit_peers.can_hear() else set()
    assert rules | {"amd, balanced", "recurrent network", "Asterisk's rules"} <= set(found)
    assert all(one["right"]["of"] == 20 for one in found.values())
    assert (found["Asterisk's rules"]["cross_entropy"], found["Asterisk's rules"]["stop"]) == (None, {})
    assert trees["cross_entropy"] < 0.3
    assert trees["right"]["count"] >= 18
    assert "cross-entropy" in capsys.readouterr().out


@pytest.mark.skipif(not fit_peers.can_hear(), reason="needs webrtcvad and silero-vad")
def test_rules_of_times_are_chosen_on_some_calls_and_say_what_the_peer_would(composed):
    heard = [ticks.ticks_of(one) for one in fit_peers.jobs_of([composed], 6)]
    made = candidates.with_best_times(baselines.MASKS["webrtcvad"], heard, heard)
    rule = cadence.Rule(gap_s=made.stop["gap_s"], longest_s=made.stop["longest_s"])
    for one, scored in zip(heard, made.scored, strict=True):
        timed = one.timed
        said = cadence.decide(timed.runs[f"webrtcvad {made.stop['mode']}"], rule, duration_s=timed.duration_s)
        assert (scored.party, scored.known_s) == (said.party, said.known_s)
    dearer = min(
        mean_cost(truths_of(candidates.calls_of(heard)), candidates._rule_stack(mask, heard).decide(other))
        for mask in baselines.MASKS["webrtcvad"]
        for other in (cadence.Rule(gap_s=0.2, longest_s=0.8), cadence.Rule(gap_s=2.0, longest_s=6.0))
    )
    assert made.cost <= dearer


def test_asterisks_rules_are_scored_as_the_peer_says(composed):
    jobs = fit_peers.jobs_of([composed], 6)
    made = candidates.of_rules([ticks.ticks_of(one) for one in jobs])
    said = [asterisk.judge(soundfile.read(one.path, dtype="float32")[0]) for one in jobs]
    assert [one.party for one in made.scored] == [one.party for one in said]
    assert made.data()["right"]["count"] == sum(
        one.party is job.call.label for one, job in zip(said, jobs, strict=True)
    )


def test_where_nobody_was_heard_yet_a_system_counts_as_one_that_guesses(tmp_path):
    made = ticks.ticks_of(job(tmp_path, spoken()))
    deaf = dataclasses.replace(made.heard, machine_probability=np.full(made.heard.n_ticks, np.nan))
    assert candidates.cross_entropy([made], [deaf]) == pytest.approx(np.log(2))


def test_truth_of_other_calls_is_refused(composed):
    lines = (composed / "truth.jsonl").read_text().splitlines()
    (composed / "truth.jsonl").write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(ValueError, match="mixed up"):
        fit_peers.jobs_of([composed], None)
    assert len(read_manifest(composed)) == 20


def clip(source, label, kind, group, split):
    return {
        "path": f"clips/{source}-{group}.flac",
        "source": source,
        "label": label,
        "kind": kind,
        "group": group,
        "split": split,
    }


NEEDED = ("human word", "human sentence", "machine prompt")
ROWS = [
    clip("words", "human", "word", "ann", "train"),
    clip("words", "human", "word", "bob", "test"),
    clip("more", "human", "word", "ann", "train"),
    clip("more", "human", "word", "cy", "train"),
    clip("more", "human", "word", "dan", "test"),
    clip("more", "human", "sentence", "cy", "train"),
    clip("read", "human", "sentence", "eve", "train"),
    clip("read", "human", "sentence", "fay", "test"),
    clip("prompts", "machine", "prompt", "gus", "train"),
    clip("prompts", "machine", "prompt", "hal", "test"),
    clip("hiss", "noise", "line", "n1", "train"),
    clip("hiss", "noise", "line", "n2", "test"),
]


def test_a_source_goes_with_all_its_speakers():
    split = leave_one_out.leave_out(ROWS, "words", NEEDED)
    assert {row["group"] for row in split.train} == {"cy", "eve", "gus", "n1"}
    assert {row["group"] for row in split.test if row["kind"] == "word"} == {"ann", "bob"}
    assert {row["group"] for row in split.test} == {"ann", "bob", "fay", "hal", "n2"}
    assert {row["split"] for row in split.test} == {"test"}
    assert {row["group"] for row in split.train}.isdisjoint(row["group"] for row in split.test)
    assert (split.own, split.borrowed) == (("human word",), ("human sentence", "machine prompt"))
    assert split.possible


def test_a_source_that_is_alone_with_a_kind_cannot_go():
    split = leave_one_out.leave_out(ROWS, "prompts", NEEDED)
    assert split.emptied == ("machine prompt",)
    assert not split.possible
    assert not leave_one_out.leave_out(ROWS, "hiss", NEEDED).possible
    with pytest.raises(ValueError, match="'acme' is not among the clips"):
        leave_one_out.leave_out(ROWS, "acme", NEEDED)


def test_both_files_are_written_with_paths_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(leave_one_out, "needs", lambda: NEEDED)
    (tmp_path / "data").mkdir()
    leave_one_out.write(tmp_path / "data" / "clips.csv", ROWS, tmp_path / "data")
    leave_one_out.run(tmp_path / "data" / "clips.csv", None, None)
    assert "machine prompt" in capsys.readouterr().out
    leave_one_out.run(tmp_path / "data" / "clips.csv", "words", tmp_path / "out")
    with (tmp_path / "out" / "only-words.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} >= {"../data/clips/words-bob.flac"}
    with pytest.raises(SystemExit, match="kinds left empty: machine prompt"):
        leave_one_out.run(tmp_path / "data" / "clips.csv", "prompts", tmp_path / "out")
    with pytest.raises(SystemExit, match="needs --out"):
        leave_one_out.run(tmp_path / "data" / "clips.csv", "words", None)


def test_what_calls_need_is_what_the_composer_says():
    needed = leave_one_out.needs()
    assert {"human word", "machine prompt", "machine greeting"} <= set(needed)

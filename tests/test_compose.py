"""The composer, on clips made up here: same bytes, sides of a split apart, one law for all labels, exact truth."""

from __future__ import annotations

import csv
import functools
import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from amd.evaluation.manifest import read_manifest

DATASETS = Path(__file__).parents[1] / "datasets"
sys.path.append(str(DATASETS))

import activity  # noqa: E402
import channel  # noqa: E402
import coding  # noqa: E402
import compose  # noqa: E402
import lines  # noqa: E402
import noises  # noqa: E402
import timing  # noqa: E402
from clips import Clips, ClipsError  # noqa: E402
from levels import RATE_HZ, FloatArray  # noqa: E402
from scene import Scene  # noqa: E402
from voices import Voices  # noqa: E402

KINDS = (
    ("human", "name", 2, 1),
    ("human", "word", 3, 1),
    ("human", "phrase", 2, 1),
    ("human", "sentence", 9, 6),
    ("machine", "prompt", 14, 6),
    ("machine", "digit", 2, 1),
    ("machine", "greeting", 2, 9),
    ("machine", "screening", 2, 4),
    ("machine", "intercept", 2, 5),
    ("machine", "mailbox_full", 1, 5),
    ("machine", "menu", 2, 8),
)
HEADER = (
    "path",
    "source",
    "label",
    "group",
    "kind",
    "language",
    "duration_s",
    "speech_start_s",
    "speech_end_s",
    "split",
)


def said(rng: np.random.Generator, words: int) -> FloatArray:
    """Words of a buzz with a formant, and pauses between them."""
    parts: list[FloatArray] = []
    for word in range(words):
        if word:
            parts.append(np.zeros(int(rng.uniform(0.16, 0.25) * RATE_HZ)))
        size = int(rng.uniform(0.35, 0.6) * RATE_HZ)
        turns = np.cumsum(np.linspace(rng.uniform(100, 200), rng.uniform(90, 180), size)) / RATE_HZ
        buzz = np.diff(np.floor(turns), prepend=0.0) + 0.02 * rng.standard_normal(size)
        parts.append(0.2 * buzz * np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 0.3)
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def clips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(7)
    rows = []

    def add(split: str, group: str, label: str, kind: str, number: int, samples: FloatArray) -> None:
        name = f"{group}-{kind}-{number}.wav"
        soundfile.write(folder / name, np.clip(samples, -0.9, 0.9), RATE_HZ)
        times = ("0.000", f"{samples.size / RATE_HZ:.3f}") if label != "noise" else ("", "")
        rows.append((name, "made", label, group, kind, "xx", f"{samples.size / RATE_HZ:.3f}", *times, split))

    for split in ("train", "dev", "test"):
        for label, kind, count, words in KINDS:
            for speaker in range(3 if label == "human" else 2):
                for number in range(count):
                    group = f"{split}-{label}-{speaker}"
                    add(split, group, label, kind, number, said(rng, words))
        add(split, f"{split}-line", "noise", "line", 0, 0.001 * rng.standard_normal(8000))
    path = folder / "clips.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return path


@pytest.fixture(scope="module")
def trained(clips_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets") / "train"
    compose.compose_set(clips_file, "train", calls=30, seed=1, out=out)
    return out


@functools.cache
def train_clips(clips_file: Path) -> Clips:
    return Clips(clips_file, "train")


def composer(clips_file: Path) -> compose.Composer:
    return compose.Composer(train_clips(clips_file), seed=1, calls=30)


def scene_of(clips_file: Path, seed: int, name: str | None = None) -> Scene:
    scene = Scene(train_clips(clips_file), timing.Timing(), np.random.default_rng(seed))
    scene.lead()
    if name:
        compose.SCENES[name](scene)
    return scene


def truths(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_whatever_the_number_of_jobs(trained: Path, clips_file: Path, tmp_path: Path) -> None:
    compose.compose_set(clips_file, "train", calls=30, seed=1, out=tmp_path / "again", jobs=2)
    names = sorted(path.name for path in trained.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        assert (trained / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_another_seed_is_another_set(trained: Path, clips_file: Path, tmp_path: Path) -> None:
    compose.compose_set(clips_file, "train", calls=3, seed=2, out=tmp_path / "other")
    assert (tmp_path / "other" / "call-00000.wav").read_bytes() != (trained / "call-00000.wav").read_bytes()


def test_the_set_is_a_labeled_set_with_its_times(trained: Path) -> None:
    calls = read_manifest(trained)
    assert len(calls) == 30
    assert {"human", "machine"} <= {str(call.label) for call in calls} <= set(timing.LABELS)
    for call, truth in zip(calls, truths(trained), strict=True):
        assert truth["file"] == call.file
        assert truth["label"] == call.label
        length_s = soundfile.info(trained / call.file).duration
        assert truth["length_s"] == pytest.approx(length_s, abs=0.001)
        assert max(call.times_s.values(), default=0.0) <= length_s
        spans = truth["speech"]
        assert isinstance(spans, list)
        if "speech_start_s" in call.times_s:
            assert spans[0][0] == pytest.approx(call.times_s["speech_start_s"], abs=0.0101)
        if str(call.label) == "machine" and "greeting_end_s" in call.times_s:
            assert spans[-1][1] == pytest.approx(call.times_s["greeting_end_s"], abs=0.0101)


def test_no_speaker_is_on_two_sides_of_a_split(clips_file: Path, trained: Path, tmp_path: Path) -> None:
    heard = {"train": {group for row in manifest(trained) for group in row["group"].split(";") if group}}
    for split in ("dev", "test"):
        rows = compose.compose_set(clips_file, split, calls=12, seed=1, out=tmp_path / split)
        heard[split] = {group for row in rows for group in row["group"].split(";") if group}
    for split, groups in heard.items():
        assert groups
        assert all(group.startswith(split) for group in groups)


def test_a_clips_file_with_a_speaker_on_two_sides_is_refused(clips_file: Path, tmp_path: Path) -> None:
    lines_of = clips_file.read_text(encoding="utf-8").splitlines()
    leaked = tmp_path / "clips.csv"
    leaked.write_text("\n".join([*lines_of, lines_of[1].removesuffix("train") + "dev"]), encoding="utf-8")
    with pytest.raises(ClipsError, match="is in train and dev"):
        Clips(leaked, "train")


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_two_kinds_of_noise_are_for_testing_only(split: str) -> None:
    kinds = lines.backgrounds(timing.Timing().noises, split, ["noise line", "noise music", "noise room"])
    assert {"wind", "television"} & {kind.name for kind, _ in kinds} == (
        {"wind", "television"} if split == "test" else set()
    )
    assert {"car", "street", "cafe", "voices", "music"} <= {kind.name for kind, _ in kinds}


def test_every_kind_of_noise_can_be_made(clips_file: Path) -> None:
    scene = Scene(Clips(clips_file, "test"), timing.Timing(), np.random.default_rng(3))
    for kind, _ in lines.backgrounds(scene.timing.noises, "test", scene.clips.kinds()):
        made = lines._behind(scene, kind, 16000)
        assert made.shape == (16000,)
        assert np.isfinite(made).all(), kind.name
        assert made.std() > 0.0, kind.name
    with pytest.raises(ValueError, match="'thunder' is not one of"):
        noises.noise("thunder", 100, np.random.default_rng(1))


def test_noise_and_its_level_can_be_asked_for(clips_file: Path, tmp_path: Path) -> None:
    asked = lines.Background(("wind", "television"), 5.0)
    rows = compose.compose_set(clips_file, "test", calls=12, seed=3, out=tmp_path / "set", asked=asked)
    assert {row["noise"].partition("+")[0] for row in rows} == {"wind", "television"}
    assert {row["snr_db"] for row in rows if row["speech_start_s"]} == {"5.0"}
    noted = json.loads((tmp_path / "set" / compose.MADE_AS).read_text(encoding="utf-8"))
    assert (noted["noises"], noted["snr_db"]) == (["wind", "television"], 5.0)
    with pytest.raises(ClipsError, match=r"noise 'wind': the split train has white, "):
        compose.compose_set(clips_file, "train", calls=1, seed=3, out=tmp_path / "train", asked=asked)
    assert not (tmp_path / "train").exists()


def test_what_comes_before_the_first_word_does_not_know_the_label(clips_file: Path) -> None:
    names = ("hello", "personal", "sit", "short_greeting")
    for seed in range(12):
        leads = []
        for name in names:
            scene = scene_of(clips_file, seed)
            before = (scene.leads, scene.call.size, scene.call.clean.tobytes(), list(scene.call.marks))
            compose.SCENES[name](scene)
            assert scene.call.clean[: before[1]].tobytes() == before[2]
            leads.append(before)
        assert leads[1:] == leads[:-1]


def test_leads_of_composed_calls_are_alike_across_labels(clips_file: Path) -> None:
    """Kolmogorov and Smirnov's distance of the times of the first word stays under its 1 % limit."""
    times_s = {
        name: np.sort([scene_of(clips_file, seed + shift).call.size / RATE_HZ for seed in range(150)])
        for name, shift in (("human", 0), ("machine", 1000))
    }
    both = np.concatenate(list(times_s.values()))
    shares = [np.searchsorted(one, both, side="right") / one.size for one in times_s.values()]
    assert np.abs(shares[0] - shares[1]).max() < 1.63 * math.sqrt(2 / 150)


@pytest.mark.parametrize("scenario", timing.Timing().scenarios, ids=lambda one: one.name)
def test_every_scenario_can_be_composed_and_decided(clips_file: Path, scenario: timing.Scenario) -> None:
    made = composer(clips_file).compose(scenario.name, 0, np.random.default_rng([5, 0]))
    row, truth = made.row, made.truth
    assert row["label"] == scenario.label
    assert 1.0 < made.samples.size / RATE_HZ <= compose.LONGEST_S
    assert np.abs(made.samples).max() <= 1.0
    assert made.samples.any()
    if scenario.label == "human":
        spoken_s = float(row["greeting_end_s"]) - float(row["speech_start_s"])
        assert spoken_s <= 5.05
        assert made.samples.size / RATE_HZ - float(row["greeting_end_s"]) >= 3.0
        assert not truth["beep"]
    elif scenario.label == "machine" and not truth["beep"]:
        assert truth["speech"][-1][1] - truth["speech"][0][0] >= 5.4
    elif scenario.label == "machine":
        (on_s, off_s), ends_s = truth["beep"][0], truth["speech"][-1][1] if truth["speech"] else 0.0
        assert 0.06 <= off_s - on_s <= 1.6
        assert on_s >= ends_s - 0.011


def test_machines_without_a_beep_outlast_people(clips_file: Path) -> None:
    for seed in range(12):
        for name in ("personal", "first_word", "screening", "intercept"):
            call = scene_of(clips_file, seed, name).call
            lasted_s = (call.speech[-1][1] - call.speech[0][0]) / RATE_HZ
            if call.beep is None:
                assert lasted_s >= 5.5, (seed, name)
            elif lasted_s <= 5.5:
                assert call.beep[0] - call.speech[-1][1] <= 1.81 * RATE_HZ, (seed, name)


def test_truth_is_where_the_clean_speech_is() -> None:
    rng = np.random.default_rng(4)
    samples = said(rng, 5)
    there = np.repeat(activity.active(samples), activity.TICK)[: samples.size]
    powers = samples**2
    assert powers[there].sum() > 0.999 * powers.sum()
    silent = np.convolve(np.abs(samples), np.ones(81), "same") == 0.0
    assert there[silent].mean() < 0.15  # half a frame at each edge
    assert activity.longest_gap_s(samples) == pytest.approx(0.2, abs=0.06)
    assert len(activity.phrases(samples, 0.12)) == 5


def test_truth_of_a_call_holds_its_energy(clips_file: Path) -> None:
    for seed in range(4):
        made = composer(clips_file).compose("personal", 0, np.random.default_rng(seed))
        scene = Scene(Clips(clips_file, "train"), timing.Timing(), np.random.default_rng(seed))
        scene.lead()
        compose.SCENES["personal"](scene)
        spoken = scene.call.spoken
        inside = np.zeros(spoken.size, dtype=bool)
        for start_s, end_s in made.truth["speech"]:
            inside[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] = True
        assert (spoken[inside] ** 2).sum() > 0.995 * (spoken**2).sum()
        assert inside.sum() < 1.1 * (spoken != 0.0).sum()


def codecs_here() -> Iterator[object]:
    here = shutil.which("ffmpeg") is not None
    yield from coding.SNDFILE
    yield "alaw+gsm"
    for name in coding.FFMPEG:
        yield pytest.param(name, marks=pytest.mark.skipif(not here, reason="no ffmpeg here"))


@pytest.mark.parametrize("codec", list(codecs_here()))
def test_what_a_codec_gives_back_is_in_its_place(codec: str) -> None:
    rng = np.random.default_rng(6)
    clean = np.concatenate([np.zeros(4000), said(rng, 6), np.zeros(4001)])
    line = channel.Line(codec=codec, noise="white", snr_db=40.0)
    sent = channel.send(clean, line, rng, speech=[(4000, clean.size - 4001)])
    reference = channel.handset(clean, 0.0)
    assert sent.shape == clean.shape
    smoother = np.hanning(81) / np.hanning(81).sum()
    shapes = [np.convolve(np.abs(one), smoother, "same")[400:-400] for one in (sent, reference)]
    fits = signal.correlate(shapes[0], shapes[1], "full", method="fft")
    assert abs(int(np.argmax(fits)) - (shapes[1].size - 1)) <= 24, "3 ms"


def test_a_codec_that_needs_ffmpeg_is_drawn_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = timing.Timing().codecs
    assert not any("speex" in name for name, _ in lines.codecs(kinds, ffmpeg=False))
    monkeypatch.setattr(coding, "missing_encoders", lambda: ["speex8"])
    with pytest.raises(ClipsError, match="no ffmpeg here that encodes speex8"):
        lines.codecs(kinds, ffmpeg=True)
    monkeypatch.setattr(coding, "missing_encoders", list)
    assert any("speex" in name for name, _ in lines.codecs(kinds, ffmpeg=True))
    with pytest.raises(ValueError, match="'mp3' is not one of"):
        coding.round_trip(np.zeros(10), "ulaw+mp3")


def test_losses_and_pauses_of_sending_keep_the_length() -> None:
    rng = np.random.default_rng(8)
    clean = np.concatenate([np.zeros(8000), said(rng, 3), np.zeros(8000)])
    speech = [(8000, clean.size - 8000)]
    plain = channel.Line(snr_db=40.0)
    for line in (
        channel.Line(snr_db=40.0, dtx="zeros"),
        channel.Line(snr_db=40.0, dtx="noise"),
        channel.Line(loss=0.05, loss_run=3.0),
        channel.Line(loss=0.05, loss_run=0.5, concealed=False),
        channel.Line(agc_db=12.0),
    ):
        sent = channel.send(clean, line, np.random.default_rng(1), speech=speech)
        assert sent.shape == clean.shape
        assert not np.array_equal(sent, channel.send(clean, plain, np.random.default_rng(1), speech=speech))
    quiet = channel.send(clean, channel.Line(snr_db=40.0, dtx="zeros"), np.random.default_rng(1), speech=speech)
    assert (np.abs(quiet[:7000]) < 2e-3).mean() > 0.9
    assert np.abs(quiet[slice(*speech[0])]).max() > 0.05


def test_a_run_of_losses_has_the_share_that_was_asked_for() -> None:
    line = channel.Line(loss=0.04, loss_run=3.0)
    lost = channel._lost(50_000, line, np.random.default_rng(2))
    assert len(lost) / 50_000 == pytest.approx(0.04, abs=0.004)
    assert np.mean(np.diff(lost) == 1) == pytest.approx(2 / 3, abs=0.05)


def test_every_quantity_has_a_unit_and_a_source_or_is_marked_an_assumption(tmp_path: Path) -> None:
    text = timing.FILE.read_text(encoding="utf-8")
    quantities = timing.Timing()
    rng = np.random.default_rng(1)
    assert all(math.isfinite(quantities.draw(name, rng)) for name in quantities.laws)
    with pytest.raises(timing.TimingError, match="there is no law 'humour'"):
        quantities.draw("humour", rng)
    for change, match in (
        (("assumption = true\n", ""), "needs a source, or assumption"),
        (('unit = "s"\n', ""), "no unit"),
        (('law = "uniform"\nfrom', 'law = "normal"\nfrom'), "'normal' is not one of"),
        (("from = -8.0\n", ""), "from is missing"),
        (("share = 0.165", "share = 0.265"), "not to 1"),
        (('label = "fax"', 'label = "telex"'), "'telex' is not one of"),
    ):
        assert change[0] in text
        bad = tmp_path / "timing.toml"
        bad.write_text(text.replace(*change, 1), encoding="utf-8")
        with pytest.raises(timing.TimingError, match=match):
            timing.Timing(bad)


def test_the_laws_are_all_drawn() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in DATASETS.glob("*.py"))
    unused = [name for name in timing.Timing().laws if f'"{name}"' not in code]
    assert unused == ["snr_steady_db", "snr_lively_db"], "those are named by the kinds of noise"


def test_clips_that_do_not_do_are_named(clips_file: Path, tmp_path: Path) -> None:
    text = clips_file.read_text(encoding="utf-8")
    cases = (
        (text.replace("group,", "speaker,", 1), "column group is missing"),
        (text.replace("0.000,", "zero,", 1), "row 2"),
        (text.replace(",train\n", ",training\n", 1), "row 2: split 'training'"),
        (text.splitlines()[0] + "\n", "no clip of split 'train'"),
        ("".join(line for line in text.splitlines(keepends=True) if ",menu," not in line), "machine menu"),
    )
    for content, match in cases:
        bad = tmp_path / "clips.csv"
        bad.write_text(content, encoding="utf-8")
        with pytest.raises(ClipsError, match=match):
            compose.compose_set(bad, "train", calls=1, seed=1, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(ClipsError, match="there is no clips file"):
        Clips(tmp_path / "none.csv", "train")
    gone = tmp_path / "gone.csv"
    gone.write_text(text, encoding="utf-8")
    with pytest.raises(ClipsError, match="Error opening"):
        compose.compose_set(gone, "train", calls=30, seed=1, out=tmp_path / "gone")


def test_a_folder_that_holds_something_else_is_left_alone(trained: Path, clips_file: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    with pytest.raises(compose.FolderError, match=r"made with {'seed': 1}, not {'seed': 2}"):
        compose.compose_set(clips_file, "train", calls=30, seed=2, out=trained)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(compose.FolderError, match="is not empty"):
        compose.compose_set(clips_file, "train", calls=4, seed=2, out=tmp_path)
    for wrong in ({"calls": 0}, {"jobs": 0}, {"seed": -1}):
        with pytest.raises(compose.FolderError, match="must be 1 or more"):
            compose.compose_set(clips_file, "train", **{"calls": 1, "seed": 1, "out": tmp_path / "new", **wrong})
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_the_command_line_says_what_is_wrong_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["compose", "--clips", "none.csv", "--split", "dev", "--calls", "1", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", [*asked, "--out", str(tmp_path / "out")])
    assert compose.main() == 2
    assert capsys.readouterr().err == "compose: there is no clips file none.csv\n"


def test_the_tempo_is_drawn_in_the_train_split_alone() -> None:
    laws = timing.Timing()
    assert [split for split in timing.SPLITS if laws.has("tempo", split)] == ["train"]
    assert all(laws.has("answer_s", split) for split in timing.SPLITS)


def test_a_faster_tempo_makes_what_is_said_shorter_by_as_much(clips_file: Path) -> None:
    clips = Clips(clips_file, "train")
    clip = clips.speaker("human sentence", np.random.default_rng(1))[0]
    slow, plain, fast = (
        Voices(clips, [0.0] * 6, tempo, np.random.default_rng(1)).read(clip).length_s for tempo in (0.9, 1.0, 1.1)
    )
    assert slow / plain == pytest.approx(1 / 0.9, rel=0.05)
    assert fast / plain == pytest.approx(1 / 1.1, rel=0.05)

"""Recipes of datasets/: every one is read, and small stand-ins of each layout are built, checked and broken."""

import csv
import doctest
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
DATASETS = ROOT / "datasets"
PREPARED = ROOT.parent / "shared" / "data"
needs_prepared = pytest.mark.skipif(
    not (PREPARED / "clips.csv").is_file(), reason="the prepared clips are not on this machine"
)
SIBLINGS = ("build", "clipfolder", "fetch", "loaders", "pcm", "recipes")
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts, imported by plain name as `python datasets/build.py` does, and forgotten afterwards."""
    before = {name: sys.modules.pop(name) for name in SIBLINGS if name in sys.modules}
    sys.path.insert(0, str(DATASETS))
    try:
        yield {name: __import__(name) for name in SIBLINGS}
    finally:
        sys.path.remove(str(DATASETS))
        for name in SIBLINGS:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture
def run(scripts: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        status = scripts["build"].main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def sound() -> Make:
    """Write a sound of its own: 0.3 s of quiet, `length_s` of noise, 0.3 s of quiet."""
    drawn = np.random.default_rng(5)

    def make(path: Path, length_s: float = 0.5, rate_hz: int = 16000, **how: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        quiet = np.zeros(round(0.3 * rate_hz))
        samples = np.concatenate([quiet, 0.2 * drawn.standard_normal(round(length_s * rate_hz)), quiet])
        soundfile.write(path, samples, rate_hz, **how)
        return path

    return make


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_recipe_is_read_and_listed(scripts: dict[str, ModuleType]) -> None:
    names = scripts["recipes"].names()
    assert len(names) >= 30
    table = scripts["recipes"].table()
    for name in names:
        recipe = scripts["recipes"].read_recipe(name)
        assert f"  {name} " in table
        assert recipe.loader in {"", *scripts["loaders"].LOADERS}
        assert recipe.obligations
        for file in recipe.files:
            assert file.address.startswith(("https://", "http://")) or " " in file.package
            assert len(file.sha256) in (0, 64)
    assert max(map(len, table.splitlines())) <= 130


@pytest.mark.parametrize("name", ["clipfolder", "pcm"])
def test_examples_of_the_docstrings(scripts: dict[str, ModuleType], name: str) -> None:
    assert doctest.testmod(scripts[name]).failed == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('colour = "red"\n', "unknown field colour"),
        ('label = "robot"\n', "label 'robot' is unknown"),
        ('channel = "sea"\n', "channel 'sea' must be"),
        ('[[files]]\naddress = "https://example.org/a.tar"\n', "no checksum: say in `unpinned` why"),
        ("[[rules]]\nmatch = '('\n", "not a regular expression"),
    ],
)
def test_a_wrong_recipe_names_its_field(
    scripts: dict[str, ModuleType], tmp_path: Path, change: str, message: str
) -> None:
    text = (DATASETS / "emxsys-callattendant" / "recipe.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not change.startswith(line.split(" =")[0] + " =")]
    top = lines.index("[[files]]")
    lines.insert(top if not change.startswith("[") else len(lines), change)
    (tmp_path / "emxsys-callattendant").mkdir()
    (tmp_path / "emxsys-callattendant" / "recipe.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(scripts["recipes"].DatasetError, match=r".+") as caught:
        scripts["recipes"].read_recipe("emxsys-callattendant", tmp_path)
    assert message in str(caught.value)


def test_labeled_folder_makes_clips_with_times_and_splits(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "mine" / "human" / "anna" / "hello.wav")
    sound(tmp_path / "mine" / "human" / "anna" / "yes.wav", rate_hz=44100)
    sound(tmp_path / "mine" / "Voicemail" / "bob.wav", length_s=1.0, rate_hz=8000)
    sound(tmp_path / "mine" / "noise" / "fan.wav")
    out = tmp_path / "out"
    status, said, _ = run(
        "labeled-folder", "--from", tmp_path / "mine", "--out", out, "--name", "calls", "--check"
    )
    assert status == 0
    assert "calls: 4 clips" in said
    rows = {row["path"]: row for row in rows_of(out)}
    hello = rows["clips/calls/human_anna_hello.flac"]
    assert (hello["label"], hello["group"], hello["duration_s"]) == ("human", "calls-anna", "1.1")
    assert abs(float(hello["speech_start_s"]) - 0.3) < 0.03
    assert abs(float(hello["speech_end_s"]) - 0.8) < 0.03
    assert rows["clips/calls/Voicemail_bob.flac"]["label"] == "machine"
    assert rows["clips/calls/noise_fan.flac"]["speech_start_s"] == ""
    info = soundfile.info(out / "clips" / "calls" / "human_anna_yes.flac")
    assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
    assert "recordings of your own" in (out / "LICENCES.txt").read_text(encoding="utf-8")


def test_the_composer_reads_what_is_built(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "mine" / "human" / "hello.wav")
    run("labeled-folder", "--from", tmp_path / "mine", "--out", tmp_path / "out", "--kind", "word")
    needed = {"path", "source", "label", "group", "kind", "duration_s", "speech_start_s", "speech_end_s", "split"}
    assert needed <= set(rows_of(tmp_path / "out")[0])


@pytest.mark.parametrize(
    ("arguments", "file", "message"),
    [
        ((), "loose.wav", "lies in no folder that is its label"),
        ((), "robot/a.wav", "label 'robot' is unknown; there are: human"),
        (("--group", "speaker[0-9]"), "human/a.wav", "finds nothing"),
        (("--group", "("), "human/a.wav", "not a regular expression"),
        (("--name", "musan"), "human/a.wav", "no known source"),
    ],
)
def test_errors_of_a_labeled_folder_name_the_slip(
    run, sound: Make, tmp_path: Path, arguments: tuple[str, ...], file: str, message: str
) -> None:
    sound(tmp_path / "mine" / file)
    status, _, error = run("labeled-folder", "--from", tmp_path / "mine", "--out", tmp_path / "out", *arguments)
    assert status == 2
    assert message in error
    assert not (tmp_path / "out" / "clips.csv").exists()


def test_group_by_expression(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "mine" / "human" / "s01_a.wav")
    sound(tmp_path / "mine" / "human" / "s01_b.wav")
    run("labeled-folder", "--from", tmp_path / "mine", "--out", tmp_path / "out", "--group", r"/(s\d+)_")
    assert {row["group"] for row in rows_of(tmp_path / "out")} == {"labeled-folder-s01"}


def test_labeled_csv_takes_the_columns_of_labeled_calls(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "set" / "a.wav", length_s=2.0)
    (tmp_path / "set" / "manifest.csv").write_text(
        "file,label,speech_start_s,greeting_end_s,beep_on_s,beep_off_s\na.wav,machine,0.3,1.5,1.8,2.1\n",
        encoding="utf-8",
    )
    status, _, _ = run("labeled-csv", "--from", tmp_path / "set", "--out", tmp_path / "out", "--check")
    assert status == 0
    (row,) = rows_of(tmp_path / "out")
    assert [row[name] for name in ("speech_end_s", "beep_onset_s", "beep_end_s")] == ["1.5", "1.8", "2.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,what\na.wav,human\n", "column label is missing; found: file, what"),
        ("file,label\nb.wav,human\n", "row 2: there is no file b.wav"),
        ("file,label\na.wav,alien\n", "row 2: label 'alien' is unknown"),
    ],
)
def test_errors_of_a_labeled_csv_name_the_row(run, sound: Make, tmp_path: Path, text: str, message: str) -> None:
    sound(tmp_path / "set" / "a.wav")
    (tmp_path / "set" / "labels.csv").write_text(text, encoding="utf-8")
    status, _, error = run("labeled-csv", "--from", tmp_path / "set", "--out", tmp_path / "out")
    assert status == 2
    assert message in error


def _common_voice(folder: Path, sound: Make) -> None:
    sound(folder / "cv" / "hsb" / "clips" / "a.wav")
    (folder / "cv" / "hsb" / "validated.tsv").write_text(
        'client_id\tpath\tsentence\tlocale\nx9\ta.wav\tShe said "no\thsb\n', encoding="utf-8"
    )


def _harper(folder: Path, sound: Make) -> None:
    data = folder / "data"
    sound(data / "audio" / "agent" / "ab12.wav", length_s=3.0, rate_hz=8000)
    for part in ("metadata", "transcript"):
        (data / part).mkdir()
    (data / "metadata" / "ab12.json").write_text('{"agent": {"speaker_id": 40}}', encoding="utf-8")
    turn = {
        "speaker_role": "agent",
        "index": 1,
        "offset_ms": 500,
        "duration_ms": 1200,
        "human_transcript": "hello",
    }
    (data / "transcript" / "ab12.json").write_text(json.dumps([turn]), encoding="utf-8")


def _wuw(folder: Path, sound: Make) -> None:
    calls = folder / "calls" / "00000"
    sound(calls / "WUWII00000_000.ulaw", rate_hz=8000, format="RAW", subtype="ULAW")
    sound(calls / "WUWII00000_006.ulaw", rate_hz=8000, format="RAW", subtype="ULAW")
    head = "12.21.2001|03.50.03|male|native|landlinephone|00000"
    (folder / "WUWII_Transcriptions.txt").write_text(
        f"# Date|Time\n{head}|000|WUWII00000_000.ulaw|0.301|0.801|{{smack}} Some Body\n"
        f"{head}|006|WUWII00000_006.ulaw|0.5|0.7|[click] say _Operator (( ))\n",
        encoding="utf-8",
    )


STAND_INS = [
    (
        "common-voice",
        _common_voice,
        "a",
        {"group": "cv-316d9aadff", "language": "hsb"},
    ),
    ("harper-valley", _harper, "ab12_agent_001", {"group": "harper-40", "duration_s": "1.2", "channel": "phone"}),
    (
        "wuw-corpus-ii",
        _wuw,
        "00000_000",
        {"kind": "name", "text": "", "speech_start_s": "0.301", "split": "dev"},
    ),
    ("wuw-corpus-ii", _wuw, "00000_006", {"kind": "sentence", "text": "say Operator"}),
]
FILES = [
    ("librispeech", "LibriSpeech/dev-clean/84/121/84-121-0001.flac", "84-121-0001", {"group": "libri-84"}),
    (
        "speech-commands",
        "yes/0a7c2a8d_nohash_0.wav",
        "yes_0a7c2a8d_nohash_0",
        {"group": "gsc-0a7c2a8d", "text": "yes"},
    ),
    ("musan", "musan/music/fma/music-fma-0001.wav", "music-fma-0001_0", {"kind": "music", "label": "noise"}),
    ("demand", "TBUS/ch01.wav", "TBUS_0", {"group": "demand-TBUS"}),
    ("esc-50", "ESC-50-master/audio/1-100032-A-0.wav", "1-100032-A-0", {"group": "esc-100032", "language": ""}),
    ("picovoice-wake-word", "w/audio/view glass/1.flac", "view_glass_1", {"text": "view glass"}),
    ("asterisk-core-sounds-en", "usr/sounds/en/digits/7.wav", "digits_7", {"kind": "digit", "label": "machine"}),
    ("asterisk-core-sounds-fr", "usr/sounds/fr/beep.wav", "beep", {"kind": "tone", "label": "tone"}),
    ("free-spoken-digit", "recordings/7_theo_1.wav", "7_theo_1", {"text": "seven", "group": "fsd-theo"}),
]


@pytest.mark.parametrize(
    ("source", "make", "name", "expected"),
    [
        *STAND_INS,
        *(
            (source, lambda folder, sound, file=file: sound(folder / file), name, row)
            for source, file, name, row in FILES
        ),
    ],
)
def test_published_layouts(
    run, sound: Make, tmp_path: Path, source: str, make: Callable[..., None], name: str, expected: dict[str, str]
) -> None:
    make(tmp_path / "copy", sound)
    status, _, error = run(source, "--from", tmp_path / "copy", "--out", tmp_path / "out", "--check")
    assert status == 0, error
    rows = {row["path"]: row for row in rows_of(tmp_path / "out")}
    row = rows[f"clips/{source}/{name}.flac"]
    assert {key: row[key] for key in expected} == expected


def test_long_noise_is_cut(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "copy" / "TCAR" / "ch01.wav", length_s=40.0, rate_hz=8000)
    run("demand", "--from", tmp_path / "copy", "--out", tmp_path / "out")
    assert [row["duration_s"] for row in rows_of(tmp_path / "out")] == ["30.0", "10.6"]


def test_level_is_kept_and_only_clipping_is_scaled(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32767, -32768, 1234], dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="PCM_16")
    assert scripts["pcm"].read(tmp_path / "a.wav").tolist() == samples.tolist()
    soundfile.write(tmp_path / "b.wav", np.array([0.0, 2.0, -1.0]), 8000, subtype="FLOAT")
    assert scripts["pcm"].read(tmp_path / "b.wav").tolist() == [0, 32767, -16384]


def test_a_second_source_is_added_and_a_rebuild_replaces_its_own(run, sound: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sound(tmp_path / "one" / "human" / "a.wav")
    sound(tmp_path / "two" / "noise" / "b.wav")
    run("labeled-folder", "--from", tmp_path / "one", "--out", out, "--name", "one")
    run("labeled-folder", "--from", tmp_path / "two", "--out", out, "--name", "two")
    assert [row["source"] for row in rows_of(out)] == ["one", "two"]
    (tmp_path / "one" / "human" / "a.wav").unlink()
    sound(tmp_path / "one" / "human" / "c.wav")
    run("labeled-folder", "--from", tmp_path / "one", "--out", out, "--name", "one")
    assert [row["path"] for row in rows_of(out)] == ["clips/one/human_c.flac", "clips/two/noise_b.flac"]
    assert run("--check", "--out", out)[0] == 0


def test_the_same_audio_is_kept_once(run, sound: Make, tmp_path: Path) -> None:
    file = sound(tmp_path / "one" / "human" / "a.wav")
    (file.parent / "b.wav").write_bytes(file.read_bytes())
    status, said, _ = run("labeled-folder", "--from", tmp_path / "one", "--out", tmp_path / "out", "--check")
    assert status == 0
    assert "left out: 1 same audio" in said


def test_an_interrupted_build_changes_nothing(
    run, scripts: dict[str, ModuleType], sound: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    sound(tmp_path / "one" / "human" / "a.wav")
    run("labeled-folder", "--from", tmp_path / "one", "--out", out)
    before = contents(out)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    sound(tmp_path / "one" / "human" / "b.wav")
    for target, name in ((scripts["pcm"], "write"), (scripts["build"], "install"), (Path, "rename")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, stop)
            with pytest.raises(KeyboardInterrupt):
                run("labeled-folder", "--from", tmp_path / "one", "--out", out)
        assert contents(out) == before


@pytest.mark.parametrize("steps", range(5))
def test_a_build_killed_while_it_is_installed_is_finished_later(
    run, sound: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    out = tmp_path / "out"
    sound(tmp_path / "one" / "human" / "a.wav")
    run("labeled-folder", "--from", tmp_path / "one", "--out", out)
    sound(tmp_path / "one" / "human" / "b.wav")
    left = [steps]

    def step(self: Path, target: Path, *, move: Callable[[Path, Path], Path] = Path.rename) -> Path:
        left[0] -= 1
        if left[0] < 0 and self.parent != out:
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", step)
        if steps < 4:
            patch.setattr(Path, "rename", step)
        try:
            run("labeled-folder", "--from", tmp_path / "one", "--out", out)
        except KeyboardInterrupt:
            assert (out / ".ready").is_dir()
    assert run("--check", "--out", out)[0] == 0
    assert len(rows_of(out)) == 2


def test_two_builds_at_once_are_refused(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "one" / "human" / "a.wav")
    (tmp_path / "out" / ".building").mkdir(parents=True)
    status, _, error = run("labeled-folder", "--from", tmp_path / "one", "--out", tmp_path / "out")
    assert status == 2
    assert "another build runs now, or one was killed" in error


def _edit(out: Path, old: str, new: str) -> None:
    path = out / "clips.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda out: (out / "clips/labeled-folder/human_a.flac").unlink(), "human_a.flac: the file is missing"),
    (lambda out: (out / "clips/labeled-folder/stray.flac").touch(), "stray.flac: no row of clips.csv names it"),
    (lambda out: _edit(out, "human,labeled-folder-a", "robot,labeled-folder-a"), "label 'robot' is unknown"),
    (lambda out: _edit(out, "1.1,", "1100,"), "1.100 s long, the row says 1100"),
    (lambda out: _edit(out, "labeled-folder-b", "labeled-folder-other"), "belongs to"),
    (lambda out: (out / "checksums.txt").unlink(), "no checksum in checksums.txt"),
    (
        lambda out: (out / "clips/labeled-folder/human_a.flac").write_bytes(
            (out / "clips/labeled-folder/human_b.flac").read_bytes()
        ),
        "changed since it was built",
    ),
    (
        lambda out: soundfile.write(out / "clips/labeled-folder/human_a.flac", np.zeros(17600), 16000),
        "16000 Hz, 1 channels",
    ),
    (lambda out: _edit(out, ",0.3,", ",300,"), "milliseconds?"),
]


@pytest.mark.parametrize(("spoil", "message"), FAULTS)
def test_check_names_what_is_wrong(
    run, sound: Make, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    out = tmp_path / "out"
    sound(tmp_path / "one" / "human" / "a.wav")
    sound(tmp_path / "one" / "human" / "b.wav")
    run("labeled-folder", "--from", tmp_path / "one", "--out", out)
    spoil(out)
    status, _, error = run("--check", "--out", out)
    assert status == 1
    assert message in error


def test_broken_files_stop_a_build_or_are_left_out(run, sound: Make, tmp_path: Path) -> None:
    sound(tmp_path / "one" / "human" / "a.wav")
    (tmp_path / "one" / "human" / "b.wav").write_bytes(b"no sound")
    how = ("labeled-folder", "--from", tmp_path / "one", "--out", tmp_path / "out")
    status, _, error = run(*how)
    assert status == 2
    assert "b.wav: missing or no sound file" in error
    status, said, _ = run(*how, "--skip-broken")
    assert status == 0
    assert "left out: 1 missing or broken" in said


def _local(scripts: dict[str, ModuleType], address: str, **facts: object) -> object:
    recipes = scripts["recipes"]
    recipe = recipes.read_recipe("speech-commands")
    fields = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    return recipes.Recipe(**fields | {"files": (recipes.SourceFile(address=address, **facts),)})


def test_download_is_checked_unpacked_and_kept(
    scripts: dict[str, ModuleType], sound: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(tmp_path / "yes" / "0a_nohash_0.wav")
    archive = tmp_path / "words.tar.gz"
    with tarfile.open(archive, "w:gz") as tape:
        tape.add(tmp_path / "yes", "yes")
    checksum = scripts["fetch"].digest(archive)
    fetch, error = scripts["fetch"].fetch, scripts["recipes"].DatasetError
    folder = fetch(_local(scripts, archive.as_uri(), sha256=checksum), tmp_path / "keep")
    loaders, recipe = scripts["loaders"], scripts["recipes"].read_recipe("speech-commands")
    assert [item.name for item in loaders.items(recipe, folder, loaders.Options())] == ["yes_0a_nohash_0"]
    fetch(_local(scripts, archive.as_uri(), unpinned="yet"), tmp_path / "loose")
    assert f'sha256 = "{checksum}"' in capsys.readouterr().out
    with pytest.raises(error, match=r"sha256 .+, expected 0000"):
        fetch(_local(scripts, archive.as_uri(), sha256="0" * 64), tmp_path / "bad")
    with pytest.raises(error, match="half a download"):
        fetch(_local(scripts, archive.as_uri(), sha256=checksum, size=7), tmp_path / "half")
    archive.unlink()
    assert fetch(_local(scripts, archive.as_uri(), sha256=checksum), tmp_path / "keep") == folder
    with pytest.raises(error, match=r"give --from FOLDER with a copy"):
        fetch(_local(scripts, archive.as_uri(), sha256=checksum), tmp_path / "new")
    with pytest.raises(error, match="must begin with https"):
        fetch(_local(scripts, "ftp://example.org/words.tar.gz", sha256=checksum), tmp_path / "new")


def test_an_archive_may_not_leave_its_folder(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    with tarfile.open(tmp_path / "bad.tar", "w") as tape:
        tape.add(tmp_path / "a", "../outside")
    with pytest.raises(scripts["recipes"].DatasetError, match="cannot be unpacked"):
        scripts["fetch"].unpack(tmp_path / "bad.tar", tmp_path / "in" / "side")
    assert not (tmp_path / "in" / "outside").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("musn",), "there is no source 'musn'"),
        (("wuw",), "near to it: wuw-corpus-ii, wuw-line-background"),
        (("assembled-greetings", "--from", "EMPTY"), "built from the prepared copy only"),
        (("musan", "--from", "EMPTY"), "is it one folder up or down?"),
        (("musan", "--from", "NOWHERE"), "there is no such folder"),
        (("asterisk-prompt-es-co",), "apt-get download asterisk-prompt-es-co"),
        (("common-voice",), "no address to download from"),
        (("musan", "--from", "EMPTY", "--group", "x"), "are for your own recordings"),
    ],
)
def test_errors_of_the_command_line(run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    places = {"EMPTY": tmp_path / "EMPTY", "NOWHERE": tmp_path / "NOWHERE"}
    status, _, error = run(*(places.get(word, word) for word in arguments), "--out", tmp_path / "out")
    assert status == 2
    assert message in error


def test_at_most_n_clips_of_a_speaker(run, sound: Make, tmp_path: Path) -> None:
    for index in range(4):
        sound(tmp_path / "words" / "yes" / f"0a_nohash_{index}.wav")
    run("speech-commands", "--from", tmp_path / "words", "--out", tmp_path / "out", "--per-group", "2")
    assert len(rows_of(tmp_path / "out")) == 2


@needs_prepared
def test_a_source_of_the_prepared_clips_comes_out_row_for_row(run, tmp_path: Path) -> None:
    sources = ("guestbook-brian-slate", "emxsys-callattendant")
    status, _, _ = run(*sources, "--from", PREPARED, "--out", tmp_path, "--check")
    assert status == 0
    expected = [row for row in rows_of(PREPARED) if row["source"] in sources]
    assert sorted(rows_of(tmp_path), key=str) == sorted(expected, key=str)
    for row in expected:
        ours, theirs = (soundfile.read(folder / row["path"], dtype="int16")[0] for folder in (tmp_path, PREPARED))
        assert np.array_equal(ours, theirs)


@needs_prepared
def test_recipes_and_splits_agree_with_the_prepared_clips(scripts: dict[str, ModuleType]) -> None:
    rows = rows_of(PREPARED)
    assert all(row["split"] == scripts["clipfolder"].split_of(row["group"]) for row in rows)
    for source in {row["source"] for row in rows}:
        recipe = scripts["recipes"].read_recipe(source)
        own = [row for row in rows if row["source"] == source]
        assert recipe.clips == len(own)
        assert recipe.channel in {row["channel"] for row in own}
        assert recipe.licence in {row["licence"] for row in own}

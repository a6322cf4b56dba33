"""The command line: results alone on stdout, a status that tells, and no traceback for a user's slip."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import amd
from amd.cli import main
from amd.recordings import classify

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
FIELDS = [
    "file",
    "party",
    "sub_state",
    "cause",
    "probability",
    "decided_at_s",
    "known_s",
    "duration_s",
    "events",
]
CALLS = {"a.wav": "human-01.wav", "b.wav": "machine-02.wav", "c.wav": "fax-02.wav"}
PARTIES = {"a.wav": "human", "b.wav": "machine", "c.wav": "fax"}
SAMPLE = str(SAMPLES / "human-01.wav")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with three calls in ``calls``."""
    (tmp_path / "calls").mkdir()
    for name, sample in CALLS.items():
        shutil.copy(SAMPLES / sample, tmp_path / "calls" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run the command line; its status, and what it wrote to stdout and stderr."""

    def run_it(*argv):
        capsys.readouterr()
        try:
            status = main([str(word) for word in argv])
        except SystemExit as stop:  # argparse stops so
            status = stop.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return run_it


def files_of(out):
    return [json.loads(line)["file"] for line in out.splitlines()]


def told(err, *, of):
    """The lines of stderr that name ``of``."""
    return [line for line in err.splitlines() if of in line]


def python_m_amd(*argv, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1])}
    command = [sys.executable, "-m", "amd", *map(str, argv)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment, **options
    )


# -- classify: what is printed


def test_one_json_line_a_file_with_exactly_the_documented_fields(place, run):
    status, out, err = run("classify", "calls", "--format", "jsonl")
    assert (status, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in rows] == [FIELDS] * 3
    assert {Path(row["file"]).name: row["party"] for row in rows} == PARTIES
    for row in rows:
        assert row == classify(row["file"]).to_dict()
    assert place.is_dir()


def test_json_lines_hold_no_numbers_that_json_does_not_know(run):
    def refuse(text):
        raise AssertionError(text)

    status, out, _ = run("classify", SAMPLES, "--format", "jsonl")
    assert status == 0
    assert len([json.loads(line, parse_constant=refuse) for line in out.splitlines()]) == len(
        list(SAMPLES.glob("*.wav"))
    )


@pytest.mark.usefixtures("place")
def test_a_csv_table_reads_back_as_the_results(run):
    status, out, err = run("classify", "calls", "--format", "csv")
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert list(rows[0]) == FIELDS[:-1]
    for row in rows:
        wanted = classify(row["file"]).to_dict()
        del wanted["events"]
        assert row == {name: "" if value is None else str(value) for name, value in wanted.items()}


@pytest.mark.usefixtures("place")
def test_a_table_has_one_row_a_file_and_is_the_default(run):
    status, out, err = run("classify", "calls")
    assert (status, err) == (0, "")
    assert run("classify", "calls", "--format", "table")[1] == out
    header, *rows = out.splitlines()
    assert header.split()[0] == "file"
    shown = [re.match(r"(\S+)\s+(\w+)", row).groups() for row in rows]
    assert shown == [(f"calls/{name}", party) for name, party in PARTIES.items()]
    known_s = classify("calls/a.wav").known_s
    assert f"{known_s:.2f} s" in rows[0]


def test_a_long_name_is_not_cut_in_a_piped_table(place, run):
    name = "x" * 200 + ".wav"
    shutil.copy(SAMPLE, place / name)
    assert name in run("classify", name)[1]


def test_a_name_is_printed_as_it_stands_and_not_as_markup(place, run):
    name = "[bold]call[1].wav"
    shutil.copy(SAMPLE, place / name)
    status, out, err = run("classify", name)
    assert (status, err) == (0, "")
    assert name in out


@pytest.mark.parametrize("layout", ["table", "jsonl", "csv"])
@pytest.mark.usefixtures("place")
def test_stdout_holds_results_only_and_stderr_all_else(run, layout):
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write("stereo.wav", np.stack([samples, np.zeros_like(samples)], axis=1), 8000)
    status, out, err = run("classify", "stereo.wav", "nothing.ulaw", "calls/b.wav", "--format", layout)
    alone = run("classify", "stereo.wav", "calls/b.wav", "--format", layout)
    assert status == 1
    assert (alone[0], alone[1]) == (0, out)
    assert len(told(err, of="stereo.wav")) == len(told(err, of="nothing.ulaw")) == 1
    assert len(err.splitlines()) == 2
    assert all(line.startswith("amd: ") for line in err.splitlines())


@pytest.mark.parametrize("layout", ["table", "jsonl", "csv"])
def test_nothing_printed_holds_audio_or_a_path_that_was_not_given(place, run, layout):
    (place / "calls" / "text.wav").write_text("no call")
    status, out, err = run("classify", "calls", "nothing.wav", "*.none", "--format", layout)
    assert status == 1
    assert str(place) not in out + err
    assert str(Path.home()) not in out + err
    if layout == "jsonl":
        for line in out.splitlines():
            assert len(line) < 4000  # six seconds of audio would be 48,000 numbers
            assert re.search(r"(-?\d+(\.\d+)?, ){16}", line) is None


# -- classify: what is judged


@pytest.mark.usefixtures("place")
def test_a_folder_is_searched_all_the_way_down_and_leaves_out_what_is_no_recording(place, run):
    (place / "calls" / "deep" / "deeper").mkdir(parents=True)
    shutil.copy(SAMPLE, place / "calls" / "deep" / "deeper" / "D.WAV")
    (place / "calls" / "manifest.csv").write_text("file,label\n")
    (place / "calls" / "README.md").write_text("calls")
    status, out, err = run("classify", "calls", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert files_of(out) == ["calls/a.wav", "calls/b.wav", "calls/c.wav", "calls/deep/deeper/D.WAV"]


def test_a_folder_holds_recordings_of_every_container_and_headerless_ones(place, run):
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    (place / "all").mkdir()
    for suffix in ("flac", "aiff", "aif", "ogg"):
        soundfile.write(place / "all" / f"x.{suffix}", samples, 8000, format="AIFF" if suffix == "aif" else None)
    for suffix, subtype in (("ulaw", "ULAW"), ("alaw", "ALAW"), ("sln", "PCM_16")):
        soundfile.write(place / "all" / f"x.{suffix}", samples, 8000, format="RAW", subtype=subtype)
    status, out, err = run("classify", "all", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert len(files_of(out)) == 7
    assert {json.loads(line)["party"] for line in out.splitlines()} == {"human"}


@pytest.mark.usefixtures("place")
def test_a_quoted_pattern_is_what_the_shell_would_make_of_it(run):
    status, out, err = run("classify", "calls/[ab].*", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert files_of(out) == ["calls/a.wav", "calls/b.wav"]


def test_a_pattern_of_two_stars_goes_all_the_way_down(place, run):
    (place / "calls" / "deep").mkdir()
    shutil.copy(SAMPLE, place / "calls" / "deep" / "d.wav")
    assert files_of(run("classify", "**/*.wav", "--format", "jsonl")[1])[-1] == "calls/deep/d.wav"


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(place, run):
    shutil.copy(SAMPLE, place / "call[1].wav")
    status, out, err = run("classify", "call[1].wav", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert files_of(out) == ["call[1].wav"]


@pytest.mark.usefixtures("place")
def test_paths_come_in_the_order_given_and_each_once(run):
    status, out, err = run(
        "classify", "calls/c.wav", "calls/a.wav", "calls", "calls/*.wav", "calls/a.wav", "--format", "jsonl"
    )
    assert (status, err) == (0, "")
    assert files_of(out) == ["calls/c.wav", "calls/a.wav", "calls/b.wav"]


@pytest.mark.usefixtures("place")
def test_a_file_given_in_two_spellings_is_judged_once(run):
    status, out, err = run("classify", "calls/a.wav", "./calls/a.wav", "calls//a.wav", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1


def test_until_end_follows_a_greeting_that_until_verdict_leaves(place, run):
    greeting, _ = soundfile.read(SAMPLES / "machine-04.wav", dtype="float32", start=5584, stop=41_264)
    call = np.concatenate([np.tile(greeting, 4), np.zeros(4 * 8000, dtype=np.float32)])
    soundfile.write(place / "long.wav", call, 8000)
    rows = {}
    for until in ("verdict", "end"):
        status, out, _ = run("classify", "long.wav", "--until", until, "--format", "jsonl")
        assert status == 0
        rows[until] = json.loads(out)
    assert (rows["verdict"]["party"], rows["verdict"]["sub_state"]) == ("machine", "greeting")
    assert (rows["end"]["party"], rows["end"]["sub_state"]) == ("machine", "ended_silence")
    assert rows["end"]["known_s"] == rows["verdict"]["known_s"]
    (ended,) = [event for event in rows["end"]["events"] if event["type"] == "greeting_ended"]
    assert ended["at_s"] == pytest.approx(4 * greeting.size / 8000, abs=0.3)
    assert not any(event["type"] == "greeting_ended" for event in rows["verdict"]["events"])


def test_without_until_the_policy_says_how_far(place, run):
    shutil.copy(SAMPLES / "machine-01.wav", place / "m.wav")
    for policy in amd.PRESETS:
        plain = run("classify", "m.wav", "--policy", policy, "--format", "jsonl")
        stated = run(
            "classify", "m.wav", "--policy", policy, "--format", "jsonl", "--until", amd.PRESETS[policy].until
        )
        assert plain == stated
        assert plain[0] == 0


def test_encoding_and_rate_tell_what_a_headerless_file_holds(place, run):
    samples, _ = soundfile.read(SAMPLES / "machine-02.wav", dtype="float32")
    wide = soxr.resample(samples, 8000, 16_000)
    soundfile.write(place / "call.bin", samples, 8000, format="RAW", subtype="ULAW")
    soundfile.write(place / "wide.bin", wide, 16_000, format="RAW", subtype="PCM_16", endian="LITTLE")
    soundfile.write(place / "big.bin", samples, 8000, format="RAW", subtype="PCM_16", endian="BIG")
    for argv in (
        ("call.bin", "--encoding", "mulaw"),
        ("wide.bin", "--encoding", "slin", "--rate", "16000"),
        ("wide.bin", "--encoding", "pcm16", "--rate", "16000"),
        ("big.bin", "--encoding", "pcm16be"),
    ):
        status, out, err = run("classify", *argv, "--format", "jsonl", "--until", "end")
        assert (status, err) == (0, "")
        row = json.loads(out)
        assert (row["party"], row["sub_state"]) == ("machine", "ended_beep")
        assert row["duration_s"] == pytest.approx(samples.size / 8000, abs=0.001)
    assert run("classify", "call.bin")[0] == 1


def test_with_an_encoding_every_file_of_a_folder_is_judged(place, run):
    (place / "raw").mkdir()
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    soundfile.write(place / "raw" / "call-77", samples, 8000, format="RAW", subtype="ULAW")
    status, out, _ = run("classify", "raw", "--encoding", "mulaw", "--format", "jsonl")
    assert (status, files_of(out)) == (0, ["raw/call-77"])
    assert run("classify", "raw")[0] == 1


def test_channel_picks_the_side_of_a_call(place, run):
    left, _ = soundfile.read(SAMPLE, dtype="float32")
    right, _ = soundfile.read(SAMPLES / "machine-02.wav", dtype="float32", stop=left.size)
    soundfile.write(place / "both.wav", np.stack([left, right], axis=1), 8000)
    for channel, party in (("0", "human"), ("1", "machine")):
        status, out, err = run("classify", "both.wav", "--channel", channel, "--format", "jsonl")
        assert (status, err, json.loads(out)["party"]) == (0, "", party)
    status, out, err = run("classify", "both.wav", "--channel", "2", "--format", "jsonl")
    assert (status, out) == (1, "")
    assert "channel 2" in err


# -- classify: what goes wrong


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("nothing.wav", "no such file"),
        ("nothing.ulaw", "no such file"),
        ("text.wav", "not audio"),
        ("empty", "no recordings"),
        ("*.none", "no file matches"),
    ],
)
@pytest.mark.parametrize("layout", ["table", "jsonl", "csv"])
def test_what_cannot_be_read_is_told_with_status_1_and_the_others_are_judged(place, run, bad, reason, layout):
    (place / "text.wav").write_text("no call")
    (place / "empty").mkdir()
    status, out, err = run("classify", bad, "calls/a.wav", "--format", layout)
    assert status == 1
    assert "calls/a.wav" in out
    assert bad not in out
    (line,) = err.splitlines()
    assert f" {bad}: " in line
    assert reason in line


@pytest.mark.parametrize("layout", ["table", "jsonl"])
def test_nothing_readable_prints_nothing(place, run, layout):
    status, out, err = run("classify", place / "nothing.ulaw", "--format", layout)
    assert (status, out) == (1, "")
    assert "no such file" in err


def test_a_headerless_file_of_unknown_name_in_a_folder_does_not_stop_the_others(place, run):
    (place / "calls" / "z.raw").write_bytes(b"\xff" * 8000)
    status, out, err = run("classify", "calls", "--format", "jsonl")
    assert files_of(out) == ["calls/a.wav", "calls/b.wav", "calls/c.wav"]
    assert status == 1
    assert "encoding" in told(err, of="calls/z.raw")[0]


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (("classify",), "PATH"),
        (("classify", SAMPLE, "--frobnicate"), "--frobnicate"),
        (("classify", SAMPLE, "--policy", "nice"), "nice"),
        (("classify", SAMPLE, "--format", "xml"), "xml"),
        (("classify", SAMPLE, "--until", "dawn"), "dawn"),
        (("classify", SAMPLE, "--encoding", "mp3"), "mp3"),
        (("classify", SAMPLE, "--channel", "-1"), "-1"),
        (("classify", SAMPLE, "--channel", "left"), "left"),
        (("classify", SAMPLE, "--channel", "1.5"), "1.5"),
        (("classify", SAMPLE, "--rate", "8"), "kHz instead of Hz?"),
        (("classify", SAMPLE, "--rate", "0"), "rate_hz=0"),
        (("classify", SAMPLE, "--rate", "fast"), "fast"),
        (("explain",), "PATH"),
        (("explain", SAMPLE, SAMPLE), "unrecognized"),
        (("evaluate",), "SET"),
        (("evaluate", str(SAMPLES), "--jobs", "0"), "'0'"),
        (("evaluate", str(SAMPLES), "--jobs", "-2"), "-2"),
        (("evaluate", str(SAMPLES), "--policy", "nice"), "nice"),
        ((), "COMMAND"),
        (("guess", SAMPLE), "guess"),
    ],
)
def test_wrong_usage_is_status_2_names_the_slip_and_prints_no_result(run, argv, named):
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert "usage: amd" in err
    assert named in err.splitlines()[-1]


@pytest.mark.parametrize("argv", [("--help",), ("classify", "--help"), ("explain", "-h"), ("evaluate", "-h")])
def test_help_is_printed_with_status_0(run, argv):
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert out.startswith("usage: amd")


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"amd {amd.__version__}\n", "")


# -- explain


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("name", "starts"), [("out.png", b"\x89PNG\r\n"), ("out.svg", b"<?xml")])
def test_explain_writes_a_picture_and_no_result(run, name, starts):
    status, out, err = run("explain", "calls/b.wav", "--out", name)
    assert (status, out) == (0, "")
    assert told(err, of=f"wrote {name}")
    assert Path(name).read_bytes().startswith(starts)


def test_explain_names_its_picture_after_the_recording(place, run):
    status, _, err = run("explain", "calls/a.wav")
    assert status == 0
    assert told(err, of="wrote a.png")
    assert (place / "a.png").stat().st_size > 10_000
    assert not (place / "calls" / "a.png").exists()


@pytest.mark.usefixtures("place")
def test_explain_says_which_suffixes_a_picture_can_have(run):
    status, out, err = run("explain", "calls/a.wav", "--out", "out.bmp")
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert all(word in line for word in ("out.bmp", ".png", ".svg"))
    assert not Path("out.bmp").exists()


@pytest.mark.parametrize(("bad", "reason"), [("text.wav", "not audio"), ("nothing.ulaw", "no such file")])
def test_explain_of_a_bad_file_says_why_and_writes_nothing(place, run, bad, reason):
    (place / "text.wav").write_text("no call")
    status, out, err = run("explain", bad, "--out", "out.png")
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert f"{bad}: " in line
    assert reason in line
    assert not (place / "out.png").exists()


@pytest.mark.usefixtures("place")
def test_explain_into_a_folder_that_is_not_there_says_so(run):
    status, out, err = run("explain", "calls/a.wav", "--out", "nowhere/out.png")
    assert (status, out) == (1, "")
    assert told(err, of="nowhere")


# -- evaluate


@pytest.fixture
def labeled(place):
    """The three calls, labeled; the fax as a human, so that one is wrong."""
    rows = [
        "file,label,speech_start_s,greeting_end_s,beep_on_s,beep_off_s,origin",
        "a.wav,human,0.697,1.237,,,synthetic",
        "b.wav,machine,0.208,3.563,3.863,4.563,synthetic",
        "c.wav,human,,,,,synthetic",
    ]
    (place / "calls" / "manifest.csv").write_text("\n".join(rows) + "\n")
    return place / "calls"


@pytest.mark.usefixtures("labeled")
def test_evaluate_prints_what_was_measured_on_what_with_counts(run):
    status, out, err = run("evaluate", "calls", "--out", "calls.csv", "--jobs", "1")
    assert status == 0
    assert err.splitlines() == ["amd: wrote calls.csv"]
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].startswith("calls: 3 calls (synthetic), policy balanced, model ")
    assert lines[2].split() == ["label", "\\", "verdict", "human", "machine", "fax", "all"]
    assert ["human", "1", ".", "1", "2"] in [line.split() for line in lines]
    assert ["machine", ".", "1", ".", "1"] in [line.split() for line in lines]
    scores = {re.split(r"\s{2,}", line)[0]: line for line in lines}
    assert "66.7 % (2/3; 95 % interval 20.8-93.9)" in scores["accuracy"]
    assert "0.0 % (0/2; " in scores["human called machine"]
    assert "0.0 % (0/1; " in scores["machine called human"]
    assert "0.0 % (0/3; " in scores["unsure"]
    after_greeting_s = classify("calls/a.wav").known_s - 1.237
    assert f"p50 {after_greeting_s:.2f} s" in scores["human verdict after greeting end"]
    assert "(n=1)" in scores["machine verdict after speech start"]
    assert "(n=2)" in scores["any verdict after speech start"]
    assert "100.0 % (1/1; " in scores["beeps found (end within 100 ms)"]


@pytest.mark.usefixtures("labeled")
def test_evaluate_writes_a_table_of_calls(run):
    status, _, _ = run("evaluate", "calls", "--out", "calls.csv", "--jobs", "1")
    assert status == 0
    rows = list(csv.DictReader(Path("calls.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["file"], row["label"], row["party"], row["right"]) for row in rows] == [
        ("a.wav", "human", "human", "True"),
        ("b.wav", "machine", "machine", "True"),
        ("c.wav", "human", "fax", "False"),
    ]


def test_evaluate_writes_its_table_here_unless_told(place, labeled, run):
    status, _, err = run("evaluate", labeled)
    assert status == 0
    assert "amd: wrote amd-calls.csv" in err.splitlines()
    assert (place / "amd-calls.csv").is_file()


@pytest.mark.usefixtures("labeled")
def test_evaluate_with_calls_prints_every_verdict_and_marks_the_wrong_ones(run):
    plain = run("evaluate", "calls", "--jobs", "1")[1]
    status, out, _ = run("evaluate", "calls", "--calls", "--jobs", "1")
    assert status == 0
    assert out.endswith(plain)
    (wrong,) = told(out, of="wrong")
    assert wrong.split()[:3] == ["c.wav", "human", "fax"]


def test_evaluate_scores_the_rest_when_a_file_is_broken(labeled, run):
    (labeled / "b.wav").write_text("no call")
    status, out, err = run("evaluate", "calls", "--jobs", "1")
    assert status == 1
    assert out.startswith("calls: 2 calls (synthetic)")
    assert "not audio" in told(err, of="calls/b.wav")[0]


def test_evaluate_of_a_set_with_no_readable_file_prints_no_scores(place, labeled, run):
    for name in CALLS:
        (labeled / name).write_text("no call")
    status, out, err = run("evaluate", "calls", "--jobs", "1")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 3
    assert not (place / "amd-calls.csv").exists()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("folder", ["calls", "nowhere", "calls/a.wav"])
def test_evaluate_without_a_manifest_says_what_a_set_is(run, folder):
    status, out, err = run("evaluate", folder)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert f"{folder}/manifest.csv is missing" in line
    assert "file,label" in line


def test_evaluate_of_a_bad_manifest_names_the_row(labeled, run):
    with (labeled / "manifest.csv").open("a") as stream:
        stream.write("a.wav,person\n")
    status, out, err = run("evaluate", "calls")
    assert (status, out) == (1, "")
    assert told(err, of="row 5: label 'person' is unknown")


def test_evaluate_of_a_manifest_that_is_not_utf_8_says_so(labeled, run):
    (labeled / "manifest.csv").write_bytes("file,label,caller\na.wav,human,Jürgen\n".encode("latin-1"))
    status, out, err = run("evaluate", "calls")
    assert (status, out) == (1, "")
    assert told(err, of="manifest.csv")


@pytest.mark.usefixtures("labeled")
def test_evaluate_into_a_folder_that_is_not_there_says_so(run):
    status, _, err = run("evaluate", "calls", "--out", "nowhere/calls.csv", "--jobs", "1")
    assert status == 1
    assert told(err, of="nowhere")


# -- as its own process


def test_the_module_runs_as_the_command_does(place, run):
    done = python_m_amd("classify", "calls", "nothing.ulaw", "--format", "jsonl", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == run(
        "classify", "calls", "nothing.ulaw", "--format", "jsonl"
    )
    assert done.returncode == 1
    assert python_m_amd("classify", cwd=place).returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
@pytest.mark.parametrize("layout", ["table", "jsonl", "csv"])
def test_a_reader_that_goes_away_is_no_traceback(place, layout):
    for index in range(8):
        shutil.copy(SAMPLE, place / "calls" / f"more-{index}.wav")
    reading, writing = os.pipe()
    os.close(reading)  # as if `head -1` had seen enough before the first line
    with os.fdopen(writing, "wb") as pipe:
        environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-m", "amd", "classify", "calls", "--format", layout],
            check=False,
            cwd=place,
            env=environment,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk as Linux offers it")
@pytest.mark.parametrize("layout", ["table", "jsonl", "csv"])
def test_a_full_disk_is_told_in_a_line_and_is_no_traceback(place, layout):
    environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1])}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "amd", "classify", "calls/a.wav", "--format", layout],
            check=False,
            cwd=place,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in done.stderr
    assert "space" in done.stderr.lower()
    assert done.returncode == 1


def test_a_pattern_that_matches_a_folder_searches_it(place, run):
    (place / "more" / "deep").mkdir(parents=True)
    shutil.copy(SAMPLE, place / "more" / "deep" / "z.wav")
    status, out, err = run("classify", "mor*", "--format", "jsonl")
    assert (status, err) == (0, "")
    assert files_of(out) == ["more/deep/z.wav"]

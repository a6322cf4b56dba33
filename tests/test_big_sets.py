"""Sets too large for one sitting or one machine: streamed, resumed after a crash, shared out to a cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from labeled_sets import SAMPLES, many_samples

import amd
from amd import AmdError, ManifestError
from amd.evaluation.manifest import BadRow, read_rows, take_inventory
from amd.evaluation.measured import read_measured
from amd.evaluation.results import ResultsFile
from amd.evaluation.run import BadRows, Scoring, score_set
from amd.workers import POOL_MIN_THINGS, spread

BALANCED = amd.PRESETS["balanced"]
ONE_JOB = Scoring(policy=BALANCED, jobs=1)
CALLS = {"machine-02.wav": "machine", "fax-02.wav": "fax", "human-01.wav": "human", "human-03.wav": "human"}
WAIT_S = 120.0


def small_set(folder, *more):
    folder.mkdir()
    for name in CALLS:
        os.link(SAMPLES / name, folder / name)
    rows = [f"{name},{label}," for name, label in CALLS.items()]
    (folder / "manifest.csv").write_text("\n".join(["file,label,speech_start_s", *rows, *more]) + "\n")
    return folder


def files_of(table):
    return [one.file for one in read_measured(table)]


# -- rows that cannot be scored


BAD = {
    "an unknown label": ("fax-02.wav,person,", "label 'person' is unknown"),
    "a missing file": ("gone.wav,human,", "there is no file gone.wav"),
    "a duplicate row": ("fax-02.wav,fax,", "fax-02.wav is named before, in row 3"),
    "no number": ("text.wav,human,soon", "speech_start_s='soon' must be seconds"),
    "milliseconds": (
        "more.wav,human,697",
        "speech_start_s=697.0 is beyond the recording more.wav (5.90 s): milli",
    ),
    "an unreadable file": ("text.wav,human,", "not audio"),
}


@pytest.fixture
def bad_set(tmp_path):
    def make(row):
        folder = small_set(tmp_path / "set", row)
        (folder / "text.wav").write_text("no call")
        os.link(SAMPLES / "human-01.wav", folder / "more.wav")
        return folder

    return make


@pytest.mark.parametrize("kind", BAD)
def test_strict_stops_at_every_kind_of_bad_row_and_names_it(bad_set, tmp_path, kind):
    row, slip = BAD[kind]
    with pytest.raises(ManifestError) as raised:
        score_set(bad_set(row), tmp_path / "out.csv", Scoring(policy=BALANCED, jobs=1, bad_rows=BadRows.STRICT))
    assert "manifest.csv row 6: " in str(raised.value)
    assert slip in str(raised.value)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("kind", BAD)
def test_skipping_scores_the_rest_and_tells_every_kind_of_bad_row(bad_set, tmp_path, kind):
    row, slip = BAD[kind]
    scored = score_set(bad_set(row), tmp_path / "out.csv", Scoring(policy=BALANCED, jobs=1, bad_rows=BadRows.SKIP))
    assert (scored.n_scored, scored.n_bad) == (4, 1)
    (bad,) = scored.bad
    assert bad.row == 6
    assert slip in bad.reason
    assert files_of(tmp_path / "out.csv") == list(CALLS)


def test_by_itself_a_slip_stops_before_anything_is_judged_and_an_unreadable_file_does_not(bad_set, tmp_path):
    folder = bad_set(BAD["an unreadable file"][0])
    assert score_set(folder, tmp_path / "out.csv", ONE_JOB).n_bad == 1
    with (folder / "manifest.csv").open("a") as stream:
        stream.write("fax-02.wav,person,\nfax-02.wav,voicemail,\n")
    with pytest.raises(ManifestError, match=r"row 7: label 'person' is unknown.*\n  row 8: label 'voicemail'"):
        score_set(folder, tmp_path / "never.csv", ONE_JOB)
    assert not list(tmp_path.glob("never.csv*"))


def test_a_row_of_a_missing_column_is_no_row_but_an_error_of_the_set(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,party\na.wav,human\n")
    with pytest.raises(ManifestError, match="column label is missing; found: file, party"):
        score_set(tmp_path, tmp_path / "out.csv", Scoring(policy=BALANCED, bad_rows=BadRows.SKIP))


def test_a_file_that_is_named_three_times_is_told_twice(tmp_path):
    folder = small_set(tmp_path / "set", "fax-02.wav,fax,", "fax-02.wav,fax,")
    bad = [row for row in read_rows(folder) if isinstance(row, BadRow)]
    assert [(row.row, row.reason) for row in bad] == [
        (6, "fax-02.wav is named before, in row 3"),
        (7, "fax-02.wav is named before, in row 3"),
    ]


def test_the_inventory_counts_rows_and_digests_bytes(tmp_path):
    import hashlib

    folder = small_set(tmp_path / "set")
    inventory = take_inventory(folder)
    assert (inventory.n_rows, inventory.columns) == (4, ("file", "label", "speech_start_s"))
    assert inventory.sha256 == hashlib.sha256((folder / "manifest.csv").read_bytes()).hexdigest()


# -- memory


MILLION = """
import resource, sys
from pathlib import Path
import amd
from amd.evaluation.run import BadRows, Scoring, score_set
from amd.evaluation.measured import Measured
from amd.evaluation.summary import Tally
from amd.events import Party

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

folder, n_rows = Path(sys.argv[1]), int(sys.argv[2])
small = folder / "small"
small.mkdir()
(small / "manifest.csv").write_text("file,label\\nnothing.wav,human\\n")
scoring = Scoring(policy=amd.PRESETS["balanced"], jobs=1, bad_rows=BadRows.SKIP)
score_set(small, folder / "small.csv", scoring)
before = peak_mib()
with (folder / "manifest.csv").open("w") as stream:
    stream.write("file,label,codec\\n")
    for number in range(n_rows):
        stream.write(f"no-such-call-{number:07d}.wav,human,ulaw\\n")
scored = score_set(folder, folder / "out.csv", scoring)
read = peak_mib()
nan = float("nan")
def calls():
    for number in range(n_rows):
        yield Measured(
            row=number, file=f"call-{number}.wav", label=Party.HUMAN, party=Party.HUMAN, sub_state="",
            cause="beep",
            probability=0.9, machine_probability=0.1, decided_at_s=2.0, known_s=2.0, duration_s=5.0,
            from_speech_start_s=1.0, from_greeting_end_s=0.9, has_beep=False, beep_error_s=nan, beep_known_s=nan,
            greeting_end_error_s=nan, contradicted=False,
            columns={"file": "x", "label": "human", "codec": ("ulaw", "gsm")[number % 2], "id": str(number) + "x"},
        )
n_calls = Tally.of(calls()).summary().n_calls
print(scored.n_bad, len(scored.bad), n_calls, round(read - before), round(peak_mib() - read))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory as Linux tells it")
def test_a_million_rows_of_manifest_and_of_results_need_little_memory(tmp_path):
    """Eight bytes a row to read them, about a hundred to sum them up; a list of rows would need a thousand."""
    done = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path), "1000000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    n_bad, n_named, n_calls, read_mib, summed_mib = map(int, done.stdout.split())
    assert (n_bad, n_named, n_calls) == (1_000_000, 1000, 1_000_000)
    assert read_mib < 80
    assert summed_mib < 250


def test_things_are_taken_a_few_at_a_time():
    taken = []

    def things():
        for number in range(1000):
            taken.append(number)
            yield number

    outcomes = spread(str, things(), jobs=1)
    assert [next(outcomes) for _ in range(3)] == ["0", "1", "2"]
    assert len(taken) <= POOL_MIN_THINGS + 3


# -- going on after an interruption


def test_a_table_is_taken_up_where_it_was_left_and_comes_out_the_same(tmp_path):
    folder = many_samples(tmp_path / "set", 12)
    score_set(folder, tmp_path / "whole.csv", ONE_JOB)
    calls = 0

    def stop_after_five():
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_set(folder, tmp_path / "cut.csv", ONE_JOB, told=stop_after_five)
    assert not (tmp_path / "cut.csv").exists()
    (partial,) = tmp_path.glob("cut.csv.*.partial")
    with partial.open("a") as stream:
        stream.write('call-00005.wav,human,"torn in the mid')
    scored = score_set(folder, tmp_path / "cut.csv", ONE_JOB)
    assert (scored.n_kept, scored.n_scored) == (5, 12)
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob("*.partial*"))


def test_what_another_policy_or_another_manifest_left_is_not_taken_up(tmp_path):
    folder = many_samples(tmp_path / "set", 4)

    def stop():
        raise KeyboardInterrupt

    for policy in ("balanced", "fast"):
        scoring = Scoring(policy=amd.PRESETS[policy], jobs=1)
        with pytest.raises(KeyboardInterrupt):
            score_set(folder, tmp_path / "out.csv", scoring, told=stop)
    assert len(list(tmp_path.glob("out.csv.*.partial"))) == 2
    with (folder / "manifest.csv").open("a") as stream:
        stream.write("\n")
    assert score_set(folder, tmp_path / "out.csv", ONE_JOB).n_kept == 0


@pytest.mark.parametrize("n_bytes", [1, 5, 20, 60, 200])
def test_a_table_torn_anywhere_keeps_every_whole_row(tmp_path, n_bytes):
    columns = ["row", "file", "note"]
    rows = [{"row": str(n), "file": f"{n}.wav", "note": 'said "hello,\nyou"'} for n in range(8)]
    with ResultsFile(tmp_path / "t.csv", columns=columns, key="k") as table:
        for row in rows:
            table.append(row)
    whole = table.partial.read_bytes()
    table.partial.write_bytes(whole[:-n_bytes])
    with ResultsFile(tmp_path / "t.csv", columns=columns, key="k") as again:
        kept = [row for row in rows if again.has(int(row["row"]))]
        assert kept == rows[: again.n_rows]
        assert again.n_rows >= 8 - 1 - n_bytes // 20
        for row in rows[again.n_rows :]:
            again.append(row)
        again.finish()
    assert (tmp_path / "t.csv").read_bytes() == whole


def test_a_table_with_other_columns_is_left_alone(tmp_path):
    with ResultsFile(tmp_path / "t.csv", columns=["row", "a"], key="k") as table:
        table.append({"row": "1", "a": "x"})
    with pytest.raises(AmdError, match="other columns"):
        ResultsFile(tmp_path / "t.csv", columns=["row", "b"], key="k")
    assert table.partial.read_text() == "row,a\n1,x\n"


def amd_command(*argv, cwd):
    environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "amd", *map(str, argv)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(what, *, process=None):
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until, "waited too long"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


def n_lines(folder, pattern):
    return sum(path.read_bytes().count(b"\n") for path in folder.glob(pattern))


@pytest.mark.skipif(os.name != "posix", reason="kill -9 as POSIX has it")
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    folder = many_samples(tmp_path / "set", 60)
    argv = ("evaluate", folder, "--out", "calls.csv", "--jobs", "2", "--format", "json")
    killed = amd_command(*argv, cwd=tmp_path)
    wait_for(lambda: n_lines(tmp_path, "calls.csv.*.partial") > 10, process=killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    n_whole = n_lines(tmp_path, "calls.csv.*.partial") - 1
    again = amd_command(*argv, cwd=tmp_path)
    out, err = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0, err
    kept = next(int(line.split()[4]) for line in err.splitlines() if "went on after" in line)
    assert n_whole - 1 <= kept <= n_whole
    assert json.loads(out)["calls"] == 60
    assert len(set(files_of(tmp_path / "calls.csv"))) == 60


# -- a cluster


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, each a process of its own."""
    pytest.importorskip("distributed")
    where = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path, "env": environment}
    base = [sys.executable, "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes = [subprocess.Popen([*base, *scheduler, "--scheduler-file", str(where)], **silent)]
    wait_for(where.exists, process=processes[0])
    worker = ["distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    for number in range(2):
        place = ["--local-directory", str(tmp_path / f"worker-{number}"), "--scheduler-file", str(where)]
        processes.append(subprocess.Popen([*base, *worker, *place], **silent))
    wait_for(lambda: where.read_text().strip().endswith("}"))
    yield json.loads(where.read_text())["address"], processes[1:]
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name != "posix", reason="kill -9 as POSIX has it")
def test_a_cluster_that_loses_a_worker_gives_the_same_table(tmp_path, cluster):
    address, workers = cluster
    folder = many_samples(tmp_path / "set", 112)
    running = amd_command("evaluate", folder, "--out", "cluster.csv", "--scheduler", address, cwd=tmp_path)
    wait_for(lambda: n_lines(tmp_path, "cluster.csv.*.partial") > 8, process=running)
    workers[0].kill()
    assert n_lines(tmp_path, "cluster.csv.*.partial") < 112
    out, err = running.communicate(timeout=WAIT_S)
    assert running.returncode == 0, err
    assert "112 calls" in out
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    score_set(folder, tmp_path / "here.csv", Scoring(policy=BALANCED, jobs=2))
    assert (tmp_path / "cluster.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_a_scheduler_that_is_not_there_is_told_in_a_line(tmp_path):
    pytest.importorskip("distributed")
    running = amd_command("evaluate", SAMPLES, "--scheduler", "nowhere:port", cwd=tmp_path)
    _, err = running.communicate(timeout=WAIT_S)
    assert running.returncode == 1
    assert "no Dask scheduler answers at 'nowhere:port'" in err
    assert "Traceback" not in err


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(amd.MissingExtraError, match=r"amd-callback\[cluster\]"):
        list(spread(str, [1], scheduler="tcp://127.0.0.1:1"))

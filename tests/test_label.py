"""Proposed labels: the most doubtful first, corrected on a local page, and nothing lost when it is killed."""

import csv
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import soundfile
from browser import browser, complaints, requests, show, weak_texts

import amd
from amd import ManifestError
from amd.cli import main
from amd.evaluation.manifest import read_manifest
from amd.labeling.labels import COLUMNS, Labels, propose, read_labels, write_labels
from amd.labeling.server import LOOPBACK, LabelServer
from amd.recordings import Reading

SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"
CALLS = ("human-01.wav", "human-07.wav", "machine-02.wav", "fax-02.wav")
WAIT_S = 60.0


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "calls" / "deep").mkdir(parents=True)
    for name in CALLS:
        shutil.copy(SAMPLES / name, tmp_path / "calls" / ("deep" if name == "fax-02.wav" else ".") / name)
    return tmp_path / "calls"


@pytest.fixture
def manifest(folder):
    assert propose(folder, folder / "manifest.csv", Reading(), jobs=1) == []
    return folder / "manifest.csv"


def labels_of(path):
    return {row["file"]: (row["label"], row["checked"]) for row in read_labels(path)}


# -- proposals


def test_each_recording_gets_a_label_with_a_probability_and_the_most_doubtful_comes_first(manifest):
    rows = read_labels(manifest)
    assert {row["file"]: row["label"] for row in rows} == {
        "human-01.wav": "human",
        "human-07.wav": "human",
        "machine-02.wav": "machine",
        "deep/fax-02.wav": "fax",
    }
    probabilities = [float(row["probability"]) for row in rows]
    assert probabilities == sorted(probabilities)
    assert all(row["proposed"] == row["label"] and row["checked"] == "" for row in rows)
    assert list(rows[0]) == list(COLUMNS)


def test_the_manifest_is_one_that_evaluate_reads(manifest):
    assert {call.file for call in read_manifest(manifest.parent)} == {
        "human-01.wav",
        "human-07.wav",
        "machine-02.wav",
        "deep/fax-02.wav",
    }


def test_an_unsure_call_is_proposed_as_the_likelier_party(folder):
    from amd.labeling.labels import proposal
    from amd.recordings import classify

    never = amd.Policy(forced_probability_min=1.0, human_probability_min=1.0, machine_probability_min=1.0)
    result = classify(folder / "human-01.wav", Reading(policy=never))
    row = proposal("x.wav", result)
    assert row["label"] in ("human", "machine")
    assert 0.5 <= float(row["probability"]) <= 1.0


def test_a_second_run_adds_what_is_new_and_keeps_what_a_person_decided(folder, manifest):
    Labels(manifest).decide("machine-02.wav", "human")
    rows = read_labels(manifest)
    for row in rows:
        row["note"] = "mine, all mine"
    write_labels(manifest, rows)
    shutil.copy(SAMPLES / "network-01.wav", folder / "network-01.wav")
    propose(folder, manifest, Reading(), jobs=1)
    rows = read_labels(manifest)
    assert len(rows) == 5
    assert (rows[-1]["file"], rows[-1]["label"], rows[-1]["checked"]) == ("machine-02.wav", "human", "yes")
    assert {row["file"]: row["note"] for row in rows}["human-01.wav"] == "mine, all mine"
    assert {row["file"]: row["note"] for row in rows}["network-01.wav"] == ""


def test_a_manifest_of_somebody_else_is_never_written_over(folder):
    text = "file,label\nhuman-01.wav,human\n"
    (folder / "manifest.csv").write_text(text)
    with pytest.raises(ManifestError, match="lacks the column checked, so `amd label` did not write it"):
        propose(folder, folder / "manifest.csv", Reading(), jobs=1)
    assert (folder / "manifest.csv").read_text() == text


def test_a_folder_without_recordings_and_an_unreadable_one_are_told(tmp_path, folder, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["label", str(tmp_path / "empty")]) == 1
    assert "holds no recordings" in capsys.readouterr().err
    (folder / "bad.wav").write_text("no call")
    assert main(["label", str(folder), "--jobs", "1"]) == 1
    err = capsys.readouterr().err
    assert "bad.wav: not audio" in err
    assert "4 recordings, 4 of them for a person to check" in err


def test_a_line_that_a_crash_tore_is_proposed_again(folder, manifest):
    whole = manifest.read_bytes()
    Labels(manifest).decide(read_labels(manifest)[0]["file"], "silence")
    decided = manifest.read_bytes()
    manifest.write_bytes(decided[:-9])
    assert propose(folder, manifest, Reading(), jobs=1) == []
    assert len(read_labels(manifest)) == whole.count(b"\n") - 1 == 4
    assert len(set(labels_of(manifest))) == 4


def test_decisions_from_many_threads_are_all_kept(manifest):
    labels = Labels(manifest)
    files = list(labels_of(manifest))
    threads = [threading.Thread(target=labels.decide, args=(file, "silence")) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(labels_of(manifest).values()) == {("silence", "yes")}


def test_what_a_spreadsheet_wrote_meanwhile_is_kept(manifest):
    labels = Labels(manifest)
    labels.decide("human-01.wav", "machine")
    rows = read_labels(manifest)
    next(row for row in rows if row["file"] == "human-07.wav").update(label="network", checked="yes")
    write_labels(manifest, rows)
    labels.decide("machine-02.wav", "fax")
    found = labels_of(manifest)
    assert [found[name][0] for name in ("human-01.wav", "human-07.wav", "machine-02.wav")] == [
        "machine",
        "network",
        "fax",
    ]


@pytest.mark.parametrize(("file", "label"), [("human-01.wav", "person"), ("gone.wav", "human"), ("x", "unsure")])
def test_a_decision_that_is_none_changes_nothing(manifest, file, label):
    before = manifest.read_bytes()
    with pytest.raises(ManifestError):
        Labels(manifest).decide(file, label)
    assert manifest.read_bytes() == before


# -- the page's server


@pytest.fixture
def server(manifest):
    with LabelServer(Labels(manifest)) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def ask(server, method, path, body=None, *, key=None, host=None):
    connection = http.client.HTTPConnection(LOOPBACK, server.server_address[1], timeout=WAIT_S)
    joint = "&" if "?" in path else "?"
    key = server.key if key is None else key
    headers = {"Host": host} if host else {}
    text = None if body is None else json.dumps(body)
    connection.request(method, f"{path}{joint}key={key}", body=text, headers=headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def test_the_server_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert urlsplit(server.url).hostname == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/rows", "/audio?file=human-01.wav"])
def test_without_the_key_or_by_another_name_nothing_is_answered(server, path):
    port = server.server_address[1]
    assert ask(server, "GET", path)[0] == 200
    assert ask(server, "GET", path, key="guess")[0] == 403
    assert ask(server, "GET", path, host=f"evil.example:{port}")[0] == 403
    assert ask(server, "GET", path, host=f"localhost:{port}")[0] == 200


def test_a_decision_is_in_the_file_when_it_is_answered(server, manifest):
    status, _, _ = ask(server, "POST", "/label", {"file": "human-01.wav", "label": "machine"})
    assert status == 200
    assert labels_of(manifest)["human-01.wav"] == ("machine", "yes")
    assert ask(server, "POST", "/label", {"file": "human-01.wav", "label": "fax"}, key="no")[0] == 403
    assert labels_of(manifest)["human-01.wav"] == ("machine", "yes")


@pytest.mark.parametrize(
    "body", [{"file": "human-01.wav"}, {"file": "no.wav", "label": "human"}, [], "x" * 20_000]
)
def test_a_decision_that_is_none_is_an_error_in_words(server, manifest, body):
    before = manifest.read_bytes()
    status, _, data = ask(server, "POST", "/label", body)
    assert status == 400
    assert json.loads(data)["error"]
    assert manifest.read_bytes() == before


def test_recordings_of_the_manifest_are_given_and_no_others(server, folder):
    status, headers, data = ask(server, "GET", "/audio?file=" + quote("deep/fax-02.wav"))
    assert (status, headers["Content-Type"]) == (200, "audio/wav")
    (folder / "heard.wav").write_bytes(data)
    assert soundfile.info(folder / "heard.wav").samplerate == 8000
    (folder.parent / "secret.wav").write_bytes(data)
    for file in ("../secret.wav", "/etc/passwd", "", "manifest.csv"):
        assert ask(server, "GET", "/audio?file=" + quote(file, safe=""))[0] == 404


def test_nothing_is_kept_by_a_cache_or_in_a_log(server, capfd):
    _, headers, _ = ask(server, "GET", "/rows")
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert capfd.readouterr() == ("", "")


# -- kill -9


@pytest.fixture
def start():
    """Start the command in a process group of its own; whatever becomes of it, it is over after the test."""
    started = []

    def start_it(folder, *more):
        started.append(_start(folder, *more))
        return started[-1]

    yield start_it
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def _start(folder, *more):
    environment = {**os.environ, "PYTHONPATH": str(Path(amd.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "amd", "label", str(folder), *more],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def url_of(process):
    for line in process.stderr:
        if "http://" in line:
            return urlsplit(line.split()[2])
    raise AssertionError(process.wait())


@pytest.mark.skipif(os.name != "posix", reason="kill -9 as POSIX has it")
def test_killed_between_decisions_nothing_is_lost_and_it_goes_on(folder, start):
    decided = {}
    for file, label in (("machine-02.wav", "human"), ("deep/fax-02.wav", "machine")):
        process = start(folder, "--page")
        url = url_of(process)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=WAIT_S)
        connection.request("POST", f"/label?{url.query}", body=json.dumps({"file": file, "label": label}))
        assert connection.getresponse().status == 200
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        connection.close()
        decided[file] = (label, "yes")
        found = labels_of(folder / "manifest.csv")
        assert len(found) == 4
        assert decided.items() <= found.items()


@pytest.mark.skipif(os.name != "posix", reason="kill -9 as POSIX has it")
def test_killed_while_it_proposes_it_goes_on_where_it_was(tmp_path, start):
    many = tmp_path / "many"
    many.mkdir()
    for number in range(80):
        os.link(SAMPLES / CALLS[number % 4], many / f"{number:02d}.wav")
    manifest = many / "manifest.csv"
    process = start(many, "--jobs", "1")
    until = time.monotonic() + WAIT_S
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 8:
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = set(labels_of(manifest))
    assert 7 <= len(kept) < 80
    asked = []
    propose(many, manifest, Reading(), jobs=1, told=lambda: asked.append(1))
    assert len(asked) == 80 - len(kept)
    with manifest.open(newline="") as stream:
        assert len({row["file"] for row in csv.DictReader(stream)}) == 80


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_it_is_stopped_with_control_c(folder, start):
    process = start(folder, "--page")
    url_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=WAIT_S) == 0


@pytest.mark.parametrize("port", ["-1", "70000", "http"])
def test_a_port_that_is_none_is_wrong_usage(port, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["label", ".", "--page", "--port", port])
    assert stop.value.code == 2
    assert f"'{port}' must be 0 to 65535" in capsys.readouterr().err


# -- in a browser


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_in_a_browser_a_person_decides_by_keys_alone(server, manifest, size, scheme):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    with browser() as driver:
        show(driver, server.url, size, scheme)
        wait = WebDriverWait(driver, WAIT_S)
        first, second = (row["file"] for row in read_labels(manifest)[:2])

        def shows(text):
            return lambda one: text in one.find_element("tag name", "main").text

        wait.until(shows("0 of 4 decided"))
        wait.until(shows(first))
        wait.until(lambda one: one.execute_script("return document.getElementById('audio').readyState") == 4)
        ActionChains(driver).send_keys("m").perform()
        wait.until(shows(f"{first}: machine, saved"))
        wait.until(shows("1 of 4 decided"))
        wait.until(shows(second))
        ActionChains(driver).send_keys("h").perform()
        wait.until(shows("2 of 4 decided"))
        ActionChains(driver).send_keys("bb").perform()
        wait.until(lambda one: one.find_element("id", "file").text == first)
        assert shows("decided: machine")(driver)
        assert labels_of(manifest)[first] == ("machine", "yes")
        assert labels_of(manifest)[second] == ("human", "yes")
        assert complaints(driver) == []
        assert weak_texts(driver) == []
        assert {urlsplit(url).hostname for url in requests(driver) if not url.startswith("blob:")} == {"127.0.0.1"}
        page_px, window_px = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert page_px <= window_px
        server_gone = server.labels.path.rename(manifest.with_name("gone.csv"))
        ActionChains(driver).send_keys("m").perform()
        wait.until(shows("NOT saved"))
        assert server_gone.exists()

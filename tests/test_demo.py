"""The demonstration is run as its users run it: to its end, killed in the middle, gone on with."""

import asyncio
import io
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from rich.console import Console

from callback import cli
from callback.demo import command
from callback.demo.people import KINDS, index_of, kind_of, number_of
from callback.demo.play import Demo, Setting
from callback.demo.screen import drawn
from callback.states import Outcome, State
from callback.store import Store
from callback.transitions import replay


def start(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "callback", "demo", "--plain", "--speed", "20", "--customers", "4", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def lines_until(process, pattern, limit_s=120):
    """Read lines until one matches."""
    found, until = [], time.monotonic() + limit_s
    while time.monotonic() < until and (line := process.stdout.readline()):
        found.append(line)
        if re.search(pattern, line):
            return found
    raise AssertionError(f"{pattern} never came: {''.join(found)} {process.stderr.read()}")


def places(database):
    with sqlite3.connect(database) as connection:
        query = "SELECT id, priority, enqueued_at_us, seq FROM callbacks"
        return {row[0]: row[1:] for row in connection.execute(query)}


def check_store(database):
    """Every log gives its row; no number was called twice at once; nobody was offered without a person."""
    store = Store(str(database))
    with store.reading() as reads:
        everyone = list(reads.all())
        for one in everyone:
            assert replay(reads.log(one.id), one.person) == one
            calls = reads.attempts(one.id)
            for earlier, later in itertools.pairwise(calls):
                assert earlier.ended_at <= later.started_at
    store.close()
    return everyone


def test_killed_twice_and_gone_on_with_it_comes_to_its_end(tmp_path):
    database = tmp_path / "callback-demo.db"
    first = start(tmp_path)
    lines_until(first, "a person answers")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = places(database)
    second = start(tmp_path)
    lines_until(second, r"looked up, not dialled again|voicemail|busy")
    second.send_signal(signal.SIGINT)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 130
    assert f"going on with {len(kept)} callbacks" in said
    assert "stopped. Every place is kept" in said
    third = start(tmp_path)
    out, said = third.communicate(timeout=180)
    assert third.returncode == 0, said
    assert "every callback is over" in said
    assert "Traceback" not in said
    assert re.search(r"talks with an agent, \d+:\d\d after joining the line", out)
    assert kept.items() <= places(database).items()
    everyone = check_store(database)
    assert [one.state for one in everyone] == [State.COMPLETED] * 4


def test_a_finished_one_says_so_and_a_fresh_one_begins_anew(tmp_path):
    first = start(tmp_path, "--customers", "1")
    first.communicate(timeout=120)
    assert first.returncode == 0
    again = start(tmp_path, "--customers", "1")
    out, said = again.communicate(timeout=120)
    assert again.returncode == 0
    assert "going on with 1 callbacks" in said
    assert "is dialled" in out  # what happened is told again, and nothing new happens
    before = places(tmp_path / "callback-demo.db")
    anew = start(tmp_path, "--customers", "1", "--fresh")
    _, said = anew.communicate(timeout=120)
    assert anew.returncode == 0
    assert "going on" not in said
    assert places(tmp_path / "callback-demo.db").keys() != before.keys()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speed", "0"], "--speed 0.0 is not within 1 and 20"),
        (["--customers", "91"], "--customers 91 is not within 1 and 90"),
        (["--agents", "0"], "--agents 0 is not within 1 and 9"),
        (["--samples", "nowhere"], "folder 'nowhere' has no human-*.wav and machine-*.wav: another folder?"),
    ],
)
def test_slips_are_named_and_nothing_is_made(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--plain", *options]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_customer_has_a_script_and_numbers_are_theirs():
    assert [index_of(number_of(index)) for index in range(90)] == list(range(90))
    for index, kinds in enumerate(KINDS):
        outcomes = []
        for kind in kinds:
            assert kind_of(index, outcomes) == kind
            outcomes.append(Outcome.NETWORK if kind == "network" else Outcome.MACHINE)


def test_the_picture_holds_what_it_should(tmp_path):
    pictures = []

    def show(picture, _fresh):
        console = Console(file=io.StringIO(), width=100, force_terminal=True)
        console.print(drawn(picture))
        pictures.append(re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()))

    database = str(tmp_path / "demo.db")
    sounds = command._sounds(None)
    demo = Demo(Setting(database=database, customers=2, agents=1, speed=20.0, sounds=sounds), show)
    asyncio.run(demo.run())
    everything = "\n".join(pictures)
    for words in (
        "ringing",
        "who answered?",
        "talking",
        "tried again later",
        "served",
        "with a callback",
        "voicemail",
    ):
        assert words in everything, words
    assert "agents asked before a person was there: 0" in pictures[-1]
    assert "2025550110" not in everything
    assert all(len(line) <= 100 for line in everything.splitlines())

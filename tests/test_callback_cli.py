"""The command line, and the worked example of the documentation."""

import csv
import doctest
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from callback_calls import at, book, claim, ended, number, rejoined, tell

import callback.cli
from callback.cli import FIELDS, main
from callback.states import Outcome

ROOT = Path(__file__).parents[1]


def test_the_worked_example_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(ROOT / "docs" / "callback.md"), module_relative=False)
    assert found.failed == 0
    assert found.attempted > 25


def test_every_link_of_the_page_leads_somewhere():
    text = (ROOT / "docs" / "callback.md").read_text()
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    assert len(links) >= 5
    assert all((ROOT / "docs" / link).exists() for link in links)


@pytest.fixture
def line(service):
    """One that talks, one that waits, one that is deferred, one that has ended."""
    talking = rejoined(service, 1, 0)
    service.offer_next(queue="sales", agent="a-1", now=at(10))
    service.connected(talking.id, fence=talking.fence, now=at(11))
    over = book(service, 2, second=12)
    service.cancel(over.id, now=at(13))
    busy = book(service, 3, second=14, name="the bakery")
    (dialing,) = claim(service, 15)
    tell(service, ended(dialing.dial.id, 20, Outcome.BUSY, cause="SIP 486"))
    waiting = book(service, 4, second=21)
    return {"talking": talking.id, "over": over.id, "busy": busy.id, "waiting": waiting.id}


def run(capsys, *arguments, database):
    status = main([*arguments, "--database", database])
    shown = capsys.readouterr()
    assert "2025550" not in shown.err
    return status, shown.out, shown.err


def test_show_is_the_line_in_its_order_and_masks_numbers(capsys, line, database):
    status, out, _ = run(capsys, "show", database=database)
    assert status == 0
    rows = out.splitlines()
    assert rows[0] == "queue sales"
    assert [row.split()[:3] for row in rows[1:]] == [
        ["-", line["talking"], "connected"],
        ["1", line["busy"], "deferred"],
        ["2", line["waiting"], "waiting"],
    ]
    assert "not before 2026-01-05 17:02:20Z, 1 of 3 attempts" in rows[2]
    assert "2025550" not in out
    assert "*********03" in out
    _, everything, _ = run(capsys, "show", "--ended", database=database)
    assert "ended 2026-01-05 17:00:13Z: by_customer" in everything
    _, nothing, _ = run(capsys, "show", "--queue", "nowhere", database=database)
    assert nothing == "no callbacks\n"


def test_show_of_one_tells_its_history(capsys, line, database):
    status, out, _ = run(capsys, "show", line["busy"], database=database)
    assert status == 0
    assert "position 1 of the queue" in out
    assert f"{line['busy']}-1  ended 2026-01-05 17:00:20Z: busy (SIP 486)" in out
    assert [row.split()[-1] for row in out.split("events\n")[1].splitlines()] == [
        "booked",
        "due",
        "claimed",
        "attempt_failed",
    ]
    assert "none yet" in run(capsys, "show", line["waiting"], database=database)[1]
    assert "position" not in run(capsys, "show", line["over"], database=database)[1]
    status, out, err = run(capsys, "show", "nobody", database=database)
    assert (status, out) == (1, "")
    assert err == "callback: no callback has the id 'nobody': another database, or a dial's id?\n"


def test_export_has_everything_and_numbers_only_when_asked(capsys, line, database):
    status, out, _ = run(capsys, "export", database=database)
    assert status == 0
    found = {row["id"]: row for row in map(json.loads, out.splitlines())}
    assert set(found) == set(line.values())
    busy = found[line["busy"]]
    assert (busy["state"], busy["attempts"], busy["last_outcome"]) == ("deferred", 1, "busy")
    assert [call["outcome"] for call in busy["calls"]] == ["busy"]
    assert [event["type"] for event in busy["events"]] == ["booked", "due", "claimed", "attempt_failed"]
    assert "2025550" not in out
    assert "bakery" not in out
    _, whole, _ = run(capsys, "export", "--numbers", database=database)
    assert number(3) in whole
    assert "the bakery" in whole
    _, table, _ = run(capsys, "export", "--format", "csv", database=database)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert tuple(rows[0]) == FIELDS
    assert {row["id"]: row["state"] for row in rows} == {id_: row["state"] for id_, row in found.items()}


def test_an_erased_person_is_shown_as_such(capsys, service, line, database):
    service.erase(number(2), now=at(100))
    assert " erased  joined" in run(capsys, "show", "--ended", database=database)[1]
    assert "number erased" in run(capsys, "show", line["over"], database=database)[1]
    rows = map(json.loads, run(capsys, "export", "--numbers", database=database)[1].splitlines())
    assert {row["id"]: row["name"] for row in rows}[line["over"]] is None


def test_migrate_says_what_it_did(capsys, database):
    assert run(capsys, "migrate", database=database)[2] == "callback: the store has version 5, it had 0\n"
    assert run(capsys, "migrate", database=database)[2] == "callback: the store has version 5, as before\n"


def test_a_file_that_is_not_there_is_not_made_by_looking(capsys, tmp_path):
    path = tmp_path / "nothing.db"
    status, _, err = run(capsys, "show", database=str(path))
    assert status == 1
    assert err.startswith("callback: there is no file ")
    assert err.endswith(": another folder, or `callback migrate` to make it?\n")
    assert not path.exists()


def test_the_command_runs_and_its_help_names_every_part():
    out = subprocess.run(
        [sys.executable, "-m", "callback", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert all(name in out for name in ("show", "export", "migrate"))
    command = [sys.executable, "-m", "callback", "fly"]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert wrong.returncode == 2
    assert "invalid choice" in wrong.stderr


def test_a_reader_that_goes_away_is_no_error(service, database):
    for index in range(30):
        book(service, index)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "callback", "export", "--database", database]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_core_can_be_imported_without_any_extra():
    code = (
        "import json, sys, callback.transitions, callback.diagrams, callback.log;"
        "print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"sqlalchemy", "phonenumbers", "psycopg", "numpy", "rich"}.isdisjoint(json.loads(out))


def test_an_interrupt_ends_quietly(capsys, monkeypatch, service, database):
    def interrupted(_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(callback.cli, "_opened", interrupted)
    assert service.store.engine is not None
    assert main(["show", "--database", database]) == 130
    assert capsys.readouterr().err == "callback: interrupted\n"

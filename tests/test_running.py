"""`callback run`: a runner from a file of settings; every slip in the file is named."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callback import cli
from callback.clock import Clock
from callback.planning import Rules
from callback.running.building import RunSettingsError, build
from callback.running.kinds import AGENTS, DIALERS, made
from callback.running.settings import checked
from callback.service import CallbackService
from callback.states import State
from callback.store import Store

DOCS = Path(__file__).parents[1] / "docs"
SECRETS = ("ARI_PASSWORD", "AMI_SECRET", "ESL_PASSWORD", "TWILIO_TOKEN")
ENVIRON = {**dict.fromkeys(SECRETS, "secret"), "TWILIO_DIALS": "sqlite://"}
SIMULATED = """
[rules]
region = "US"

[queues.sales]
ring_max_s = 20

[dialer]
kind = "simulated"
person = 1.0
machine = 0.0
fax = 0.0
busy = 0.0
bad_number = 0.0
refused = 0.0
network = 0.0
silent = 0.0
ring_s = [0.1, 0.2]
talk_s = [1.0, 2.0]

[agents]
count = 2
"""


def blocks():
    """Every block of TOML of the runner's page."""
    text = (DOCS / "runner.md").read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", text, re.DOTALL)


def test_the_page_shows_a_file_for_each_telephone_system_and_each_can_be_built():
    kinds = set()
    for block in blocks():
        settings = checked(tomllib.loads(block), "page")
        dialer = made(DIALERS, settings.dialer, "dialer", ENVIRON, Clock())
        made(AGENTS, settings.agents, "agents", ENVIRON, Clock(), tuple(settings.queues))
        kinds.add(dialer.name)
    assert kinds == {"ari", "esl", "twilio", "simulated"}


def other_agents(**options):
    return ("agents", options)


@pytest.mark.parametrize(
    ("dialer", "said"),
    [
        ({"kind": "fax"}, r"dialer.kind='fax' is unknown; there are: simulated, ari, esl, twilio, python"),
        ({"person": 2.0}, r"dialer: the shares must be at least 0 and at most 1 together, not .*: percentages\?"),
        ({"persons": 0.5}, r"dialer.persons is unknown; there are: person, machine"),
        ({"person": "half"}, r"dialer.person must be a number, not a str"),
        ({"kind": "ari"}, r"\[dialer.access\] is missing"),
        ({"kind": "ari", "access": 1, "calls": {}}, r"dialer.access must be a table, not a int"),
        ({"kind": "ari", "acces": {}}, r"dialer.acces is unknown; there are: access, calls, media"),
        ({"kind": "esl", "address": {}}, r"dialer.address.password is missing \(or password_env"),
        (
            {"kind": "esl", "address": {"password_env": "NOWHERE"}},
            r"dialer.address.password_env: the environment has no NOWHERE: not exported",
        ),
        (
            {
                "kind": "twilio",
                "account": {"sid": f"AC{0:032}", "token": "t"},
                "door": {"url": "https://calls.example.org/w1"},
                "memory": "callbacks.db",
                "caller_id": "+12025550100",
                "prompts": {"press_one": "1", "hold": "h", "message": "m"},
            },
            r"dialer.memory is no database URL, need one like postgresql\+psycopg://host/name",
        ),
        ({"kind": "python", "factory": "os"}, r"factory='os' cannot be imported"),
        ({"kind": "python", "factory": "no_such_module:x"}, r"cannot be imported .* need package.module:name"),
    ],
)
def test_slips_in_a_dialer_are_named(dialer, said):
    with pytest.raises(RunSettingsError, match=said):
        made(DIALERS, dialer, "dialer", {}, Clock())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"queues: Field required"),
        ("[queues]", r"queues: Dictionary should have at least 1 item"),
        ("[queues.sales]\npolcy = 'fast'", r"queues.sales.polcy: Extra inputs are not permitted"),
        ("[queues.sales]\npolicy = 'quick'", r"policy 'quick' is unknown; there are: balanced"),
        ("[queues.sales]\nring_max_s = 30000", r"ring_max_s=30000.0 is not within 5 and 120"),
        ("calls_max = 0\n[queues.sales]", r"calls_max: Input should be greater than or equal to 1"),
        ("[queues.sales", r"are no TOML"),
    ],
)
def test_slips_in_a_file_are_named_and_nothing_is_run(tmp_path, capsys, text, said):
    file, database = tmp_path / "run.toml", str(tmp_path / "callbacks.db")
    file.write_text(text)
    assert cli.main(["migrate", "--database", database]) == 0
    assert cli.main(["run", "--settings", str(file), "--database", database]) == 1
    assert re.search(said, capsys.readouterr().err)


def test_a_missing_file_and_a_missing_store_are_named(tmp_path, capsys):
    assert cli.main(["run", "--settings", str(tmp_path / "no.toml")]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err
    (tmp_path / "run.toml").write_text("[queues.sales]")
    options = ["--settings", str(tmp_path / "run.toml"), "--database", str(tmp_path / "no.db")]
    assert cli.main(["run", *options]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_a_secret_is_not_in_what_is_said():
    from callback.dialers.twilio_rest import TwilioAccount

    with pytest.raises(RunSettingsError) as raised:
        build(TwilioAccount, {"sid": "CA1", "token_env": "T"}, where="dialer.account", environ={"T": "hush-hush"})
    assert "hush" not in str(raised.value)


def test_an_own_contact_centre_is_a_function():
    table = {"kind": "python", "factory": "test_running:other_agents", "options": {"place": "here"}}
    assert made(AGENTS, table, "agents", {}, Clock(), ()) == ("agents", {"place": "here"})


def noon():
    """A time zone in which it is about one in the afternoon now."""
    hours = 13 - datetime.now(UTC).hour
    return "Etc/GMT" if hours == 0 else f"Etc/GMT{-hours:+d}"


def started(folder):
    (folder / "run.toml").write_text(SIMULATED)
    return subprocess.Popen(
        [sys.executable, "-m", "callback", "run", "--settings", "run.toml", "--database", "callbacks.db"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_it_places_calls_until_it_is_told_to_stop(tmp_path):
    store = Store(str(tmp_path / "callbacks.db"))
    store.migrate()
    service = CallbackService(store, Rules(region="US"))
    now = datetime.now(UTC)
    booked = [
        service.book(f"(202) 555-01{index:02d}", queue="sales", now=now, zones=(noon(),)) for index in range(3)
    ]
    other = service.book("(202) 555-0150", queue="support", now=now, zones=(noon(),))
    running = started(tmp_path)
    until = time.monotonic() + 240
    while time.monotonic() < until and not all(service.get(one.id).ended for one in booked):
        time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert [service.get(one.id).state for one in booked] == [State.COMPLETED] * 3, said
    assert service.get(other.id).tally.attempts == 0  # not its queue
    assert "running sales by simulated" in said
    assert "stopping: calls that are on are finished" in said
    assert "Traceback" not in said
    assert "55501" not in said  # no number in a log
    store.close()

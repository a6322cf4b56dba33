"""`callback serve` and `callback key` as they are run, and the settings they read."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from web_calls import bearer, opened

from callback.cli import main
from callback.web.command import ServeError, check_address
from callback.web.keys import KeysError, Scope, new_key, parse_keys
from callback.web.settings import SettingsError, read_settings

ROOT = Path(__file__).parents[1]


@contextmanager
def serving(*arguments, **environ):
    """The address of a service that was started as its user starts it, and what it said by the end."""
    command = [sys.executable, "-m", "callback", "serve", "--port", "0", *arguments]
    environment = {**os.environ, **environ}
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        try:
            line = process.stderr.readline()
            found = re.search(r"http://\S+(?=,)", line)
            assert found, line + process.stderr.read()
            yield found[0], said
        finally:
            process.send_signal(signal.SIGINT)
            said.append(process.stderr.read())
    assert process.returncode == 130, said


def test_it_serves_until_it_is_interrupted_and_says_nothing_personal(tmp_path):
    opened(tmp_path / "c.db").close()
    key, line = new_key("desk", ["book"])
    (tmp_path / "keys").write_text(line)
    arguments = ("--database", str(tmp_path / "c.db"), "--keys", str(tmp_path / "keys"))
    with serving(*arguments) as (url, said), httpx2.Client(base_url=url) as client:
        assert client.get("/readyz").json() == {"status": "ok"}
        body = {"number": "+12025550101", "queue": "sales"}
        assert client.post("/v1/callbacks", json=body).status_code == 401
        assert client.post("/v1/callbacks", json=body, headers=bearer(key)).status_code == 201
        assert client.get("/v1/callbacks/+12025550101", headers=bearer(key)).status_code == 422
        assert client.get("/", headers={"Host": "elsewhere.test"}).status_code == 421
        assert client.get("/static/supervisor.css").headers["content-type"].startswith("text/css")
    assert "2025550" not in said[0]
    assert key not in said[0]
    assert "Traceback" not in said[0]
    assert "interrupted" in said[0]


def test_the_line_of_a_key_can_come_from_the_environment(tmp_path):
    opened(tmp_path / "c.db").close()
    key, line = new_key("wall", ["supervise"])
    with serving("--database", str(tmp_path / "c.db"), CALLBACK_KEYS=line) as (url, _):
        assert httpx2.get(f"{url}/metrics", headers=bearer(key)).status_code == 200
        assert httpx2.get(f"{url}/metrics").status_code == 401


@pytest.mark.parametrize(
    ("host", "has_keys", "without_keys", "fine"),
    [
        ("127.0.0.1", False, False, True),
        ("::1", False, True, True),
        ("0.0.0.0", True, False, True),  # noqa: S104 -- the one that has to be refused without keys
        ("0.0.0.0", False, True, True),  # noqa: S104
        ("0.0.0.0", False, False, False),  # noqa: S104
        ("callbacks.test", False, False, False),
        ("127.0.0.1", True, True, False),
    ],
)
def test_a_public_address_without_keys_has_to_be_told_twice(host, has_keys, without_keys, fine):
    if fine:
        check_address(host, has_keys=has_keys, without_keys=without_keys)
    else:
        with pytest.raises(ServeError, match="--without-keys"):
            check_address(host, has_keys=has_keys, without_keys=without_keys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "can be reached by others and no keys are given"),  # noqa: S104
        (("--keys", "nowhere"), "keys nowhere cannot be read"),
        (("--settings", "nowhere.toml"), "settings nowhere.toml cannot be read"),
        (("--port", "70000"), "--port 70000 must be from 0 to 65535"),
    ],
)
def test_what_must_not_be_started_is_not(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLBACK_KEYS", raising=False)
    opened(tmp_path / "callbacks.db").close()
    assert main(["serve", *arguments]) == 1
    assert says in capsys.readouterr().err
    assert main(["serve", "--database", "nothing.db"]) == 1
    assert "callback migrate" in capsys.readouterr().err


def test_a_key_is_printed_once_and_its_line_has_only_its_hash(capsys):
    assert main(["key", "desk", "--scopes", "book,supervise"]) == 0
    out, err = capsys.readouterr()
    key, line = out.strip(), err.splitlines()[-1]
    found = parse_keys(f"# ours\n\n{line}\n").find(key)
    assert (found.name, found.scopes) == ("desk", {Scope.BOOK, Scope.SUPERVISE})
    assert key not in err
    assert parse_keys(line).find(key + "x") is None
    assert main(["key", "desk", "--scopes", "bok"]) == 1
    assert "scopes ['bok'] are unknown; there are: book, supervise, admin" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["desk book", "desk book cbk_itself", "1202 book {}", "desk book {}\ndesk admin {}"]
)
def test_a_list_of_keys_that_is_wrong_is_refused_without_repeating_it(line):
    digest = "sha256:" + "0" * 64
    with pytest.raises(KeysError) as refused:
        parse_keys(line.format(digest, digest))
    assert "cbk_" not in str(refused.value)
    assert "1202" not in str(refused.value)


SETTINGS = """
zone = "America/New_York"
hosts = ["callbacks.example.org"]
[limits]
rate_per_s = 5
[rules]
region = "US"
regulation = "uk_ofcom"
[rules.hours]
zone = "America/New_York"
monday = "09:00-17:00"
[queues.sales]
agents = 10
handling_s = 240
[queues.support]
[[webhooks]]
url = "https://crm.example.org/hook"
secret_env = "HOOK"
"""


def test_settings_are_read(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(SETTINGS)
    found = read_settings(path)
    assert found.queues["sales"].service().agents == 10
    assert found.queues["support"] is None
    rules = found.rules.rules()
    assert (rules.region, rules.regulation.name, len(rules.also)) == ("US", "uk_ofcom", 1)
    (target,) = found.targets({"HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    assert (target.url, target.numbers, target.give_up_s) == ("https://crm.example.org/hook", False, 86_400.0)
    assert "MfKQ" not in repr(target)
    with pytest.raises(SettingsError, match="no HOOK"):
        found.targets({})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("rate_per_s = 5", "rate_per_s = 0"), "limits.rate_per_s"),
        (("agents = 10", "agent = 10"), "queues.sales"),
        (('zone = "America/New_York"\nhosts', 'zone = "New York"\nhosts'), "zone"),
        (('"09:00-17:00"', '"9am-5pm"'), "rules.hours"),
        (("[queues.support]", '[queues."1202"]'), "queues"),
        (('secret_env = "HOOK"', 'secret = "hunter2"'), "webhooks.0"),
        (("[rules]", "[rules"), "no TOML"),
        (('"uk_ofcom"', '"mars"'), "rules.regulation"),
    ],
)
def test_settings_that_are_wrong_say_where_and_not_what_a_secret_is(tmp_path, change, says):
    path = tmp_path / "s.toml"
    path.write_text(SETTINGS.replace(*change))
    with pytest.raises(SettingsError, match=re.escape(says)) as refused:
        read_settings(path)
    assert "hunter2" not in str(refused.value)


def test_the_rest_of_the_command_line_needs_nothing_of_the_service():
    code = (
        "import json, sys, callback.cli; callback.cli._parser();"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    loaded = set(json.loads(out))
    assert loaded.isdisjoint(
        {"fastapi", "starlette", "uvicorn", "pydantic", "httpx2", "prometheus_client", "jinja2"}
    )

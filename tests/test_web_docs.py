"""docs/service.md, command by command; and a runner in the service's own process."""

import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime

import httpx2
from test_web_command import ROOT, serving

from benchmarks.callback import watching
from callback.web.settings import Settings

PAGE = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|json|toml)\n(.*?)```", PAGE, re.S)
OPTIONS = {"-X": "method", "-H": "header", "-d": "body"}


def asked(command, url, folder):
    """Ask what a curl command of the page asks; return the answer."""
    command = re.sub(r"\$\(cat (\S+)\)", lambda found: (folder / found[1]).read_text().strip(), command)
    command = command.replace("\\\n", " ").replace("http://127.0.0.1:8080", url)
    words = iter(shlex.split(command)[1:])
    method, headers, body, address = "GET", {}, None, None
    for word in words:
        match OPTIONS.get(word):
            case "method":
                method = next(words)
            case "header":
                name, value = next(words).split(": ", 1)
                headers[name] = value
            case "body":
                body = next(words)
            case _:
                address = word
    return httpx2.request(method, address, headers=headers, content=body)


def shell(script, folder):
    script = f'callback() {{ {shlex.quote(sys.executable)} -m callback "$@"; }}\n{script}'
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], check=True, cwd=folder, env={"PYTHONPATH": str(ROOT)}
    )


def alike(shown, got):
    """Whether two answers have the same members, and what does not depend on when it was asked."""
    fixed = ("queue", "reason", "attempts", "attempts_max", "priority", "type", "status", "title", "grown")
    assert shown.keys() == got.keys()
    assert {name: got[name] for name in fixed if name in shown} == {
        name: shown[name] for name in fixed if name in shown
    }
    return got


def test_the_page_does_what_it_says(tmp_path):
    (setup, booking, again, rest) = [text for kind, text in BLOCKS if kind == "sh"]
    booked, conflict = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    shell(setup, tmp_path)
    assert (tmp_path / "keys.txt").read_text().count("sha256:") == 2
    (tmp_path / "service.toml").write_text(next(text for kind, text in BLOCKS if kind == "toml"))
    line = re.search(r"(?m)^    callback serve (.*)$", PAGE)[1]
    arguments = [str(tmp_path / word) if "." in word else word for word in shlex.split(line)]
    with serving(*arguments) as (url, _):
        first = alike(booked, asked(booking, url, tmp_path).json())
        assert first["estimate"].keys() == booked["estimate"].keys()
        assert asked(booking, url, tmp_path).json()["id"] == first["id"]
        assert alike(conflict, asked(again, url, tmp_path).json())["callback_id"] == first["id"]
        commands = re.split(r"\n(?=curl)", rest.replace("\\\n", " ").strip().replace("$ID", first["id"]))
        assert commands[0].startswith("ID=$(callback export --database callbacks.db")
        answers = [asked(command, url, tmp_path) for command in commands[1:]]
        assert [one.status_code for one in answers] == [200] * 4
        assert [one.json().get("state") for one in answers][1:] == ["deferred", "cancelled", None]
        shell(commands[0] + f'\n[ "$ID" = {first["id"]} ]', tmp_path)
        key = (tmp_path / "wall.key").read_text().strip()
        figures = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}).text
        for name in re.findall(r"`(callback_\w+)", PAGE.split("## The figures")[1]):
            assert f"\n{name}" in figures or f"# TYPE {name} " in figures


def test_every_setting_and_link_of_the_page_is_one():
    tables = [tomllib.loads(text) for kind, text in BLOCKS if kind == "toml"]
    assert all(Settings.model_validate(one) for one in tables)
    limits = Settings().limits
    for name in re.findall(r"`limits\.(\w+)`", PAGE):
        assert hasattr(limits, name)
    for link in re.findall(r'(?:\]\(|src=")([^)":]+)[)"]', PAGE):
        assert (ROOT / "docs" / link).exists(), link


def test_a_simulated_runner_in_the_process_takes_a_callback_through(tmp_path):
    shell("callback migrate --database c.db", tmp_path)
    (tmp_path / "s.toml").write_text('[rules]\nregion = "US"\n[queues.sales]\nagents = 5\nhandling_s = 60\n')
    hour = datetime.now(UTC).hour
    noon = f"Etc/GMT{hour - 12:+d}"  # where it is noon now: these zones have their sign the other way round
    arguments = ("--database", str(tmp_path / "c.db"), "--settings", str(tmp_path / "s.toml"))
    with serving(*arguments, "--runner", "simulated") as (url, said), httpx2.Client(base_url=url) as client:
        ids = []
        for index in range(4):
            booking = {"number": f"+1202555012{index}", "queue": "sales", "zones": [noon]}
            ids.append(client.post("/v1/callbacks", json=booking).json()["id"])
        deadline = time.monotonic() + 120
        moved = set()
        while len(moved) < 4 and time.monotonic() < deadline:
            for one in (client.get(f"/v1/callbacks/{callback_id}").json() for callback_id in ids):
                moved |= {one["id"]} if one["attempts"] or one["state"] not in {"waiting", "dialing"} else set()
            time.sleep(0.5)
        assert len(moved) == 4
        assert "callback_attempts_total" in client.get("/metrics").text
        assert client.get("/readyz").status_code == 200
    assert "2025550" not in said[0]


def test_the_figures_are_those_that_were_measured():
    measured = json.loads((ROOT / "benchmarks" / "results" / "callback-page.json").read_text())["lines"]
    shown = [
        tuple(int(cell.replace(",", "")) for cell in line.strip("| ").split(" | "))
        for line in PAGE.splitlines()
        if re.fullmatch(r"(\| [\d,]+ ){4}\|", line)
    ]
    names = ("rows", "page_head_ms", "page_end_ms", "waits_end_ms")
    assert shown == [tuple(round(one[name]) for name in names) for one in measured]
    for one in measured[1:]:
        assert f"{one['wait_of_last_ms']:.0f} ms" in PAGE
    assert set(watching.measure(60)) == set(measured[0])

"""Metrics and health of ``amd listen``; and that the examples beside its page name what there is."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import soundfile
from generated import SAMPLES
from prometheus_client.parser import text_string_to_metric_families as families
from wire import frame

from amd.adapters.metrics import STUCK_S, Metrics
from amd.adapters.server import Limits, Server
from amd.commands.listen_settings import NAMES

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
NAME = re.compile(r"\b(?:amd|process|python)_[a-z_]+\b")


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def samples_in(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


def names_in(text):
    return {sample.name for family in families(text) for sample in family.samples}


@contextlib.asynccontextmanager
async def running(**limits):
    metrics = Metrics()
    server = Server(metrics.tell, limits=Limits(**{"grace_s": 0.0, **limits}), watch=metrics)
    with metrics.serve(server, LOOPBACK, 0, lost=lambda: 7) as port:
        try:
            yield server, port
        finally:
            await server.stop()


def test_a_call_is_counted_from_its_beginning_to_its_end():
    samples, _ = soundfile.read(SAMPLES / "human-01.wav", dtype="int16")
    data = samples.tobytes() + bytes(32_000)

    async def scenario():
        pages = []
        async with running(calls_max=5) as (server, port):
            listening = await server.listen_audiosocket(LOOPBACK, 0)
            _, writer = await asyncio.open_connection(LOOPBACK, listening)
            writer.write(frame(0x01, bytes(16)))
            async with asyncio.timeout(LIMIT_S):
                while not server.sessions:
                    await asyncio.sleep(0.01)
                pages.append(await asyncio.to_thread(get, port, "/metrics"))
                writer.write(b"".join(frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320)))
                writer.write(frame(0x10, b"odd"))
                while server.in_flight["audiosocket"]:
                    writer.write(b"x")  # the fault is told with what comes after it
                    await asyncio.sleep(0.01)
            writer.close()
            server.refuse("audiosocket", "network")
            pages.append(await asyncio.to_thread(get, port, "/metrics"))
        return pages

    (status, first), (_, last) = asyncio.run(scenario())
    assert status == 200
    before, after = samples_in(first), samples_in(last)
    system = ("system", "audiosocket")
    assert before["amd_calls_in_flight", system] == 1
    assert after["amd_calls_in_flight", system] == 0
    assert (before["amd_calls_max",], before["amd_lines_lost",]) == (5, 7)
    told = [(key, value) for key, value in after.items() if key[0] == "amd_verdicts_total"]
    assert [(dict(key[1:])["party"], value) for key, value in told] == [("human", 1)]
    assert after["amd_verdict_latency_seconds_count",] == 1
    assert after["amd_faults_total", system] == 1
    assert after["amd_calls_ended_total", ("reason", "fault"), system] == 1
    assert after["amd_refusals_total", ("reason", "network"), system] == 1
    assert after["amd_bank_turn_seconds_count",] > 0
    assert min(after["amd_loop_lag_seconds_count",], after["amd_read_seconds_count",]) > 0
    assert "00000000-0000" not in last  # the call's name


def test_it_is_ready_while_it_listens_and_has_room():
    async def scenario():
        answers = []
        async with running(calls_max=1) as (server, port):

            async def ask(path):
                answers.append((await asyncio.to_thread(get, port, path))[0])

            await ask("/readyz")
            listening = await server.listen_audiosocket(LOOPBACK, 0)
            await ask("/readyz")
            _, writer = await asyncio.open_connection(LOOPBACK, listening)
            async with asyncio.timeout(LIMIT_S):
                while not server.sessions:
                    await asyncio.sleep(0.01)
            await ask("/readyz")
            await ask("/healthz")
            await ask("/nothing")
            writer.close()
        return answers

    assert asyncio.run(scenario()) == [503, 200, 503, 200, 404]


def test_a_loop_that_is_stuck_is_told_so():
    async def scenario():
        async with running() as (server, port):
            await server.listen_audiosocket(LOOPBACK, 0)
            async with asyncio.timeout(LIMIT_S):
                while server.ticked_s is None:
                    await asyncio.sleep(0.01)
            server.ticked_s -= 2 * STUCK_S
            return get(port, "/healthz")  # on the loop itself, which is so kept from going on

    assert asyncio.run(scenario()) == (503, "stuck\n")


def test_the_dashboard_names_only_metrics_that_exist():
    async def scenario():
        async with running() as (_, port):
            return await asyncio.to_thread(get, port, "/metrics")

    metrics = Metrics()
    metrics.tell({"type": "verdict", "system": "rtp", "party": "human", "cause": "greeting", "final": True})
    metrics.tell({"type": "ended", "system": "rtp", "reason": "closed"})
    metrics.tell({"type": "refused", "system": "rtp", "reason": "full"})
    metrics.tell({"type": "fault", "system": "rtp"})
    there = names_in(asyncio.run(scenario())[1]) | names_in(metrics._page("")[2].decode())
    dashboard = json.loads((EXAMPLES / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for expression in expressions for name in NAME.findall(expression)}
    assert len(named) > 10
    assert named <= there
    ours = {
        name for name in there if name.startswith("amd_") and not name.endswith(("_created", "_count", "_sum"))
    }
    assert ours <= named


def test_the_example_of_a_file_has_options_that_there_are():
    table = tomllib.loads((EXAMPLES / "listen.toml").read_text())["listen"]
    assert {name.replace("-", "_") for name in table} <= set(NAMES)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = (EXAMPLES / "amd-listen.service").read_text().replace("/opt/amd/bin/amd", "/bin/true")
    path = tmp_path / "amd-listen.service"
    path.write_text(unit)
    command = ["systemd-analyze", "verify", "--man=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""`amd listen` as a process: its verdicts come by webhook and on Asterisk's channel, and RTP comes in."""

import asyncio
import base64
import json
import os
import socket
import sys
import time

import pytest
import soundfile
from fake_manager import USER, WORD, FakeManager
from generated import SAMPLES
from http_peer import HttpPeer
from wire import frame, rtp

from amd.adapters.audiosocket import HANGUP_FRAME
from amd.adapters.signatures import verify
from amd.cli import main

UUID = "00000000-0000-0000-0000-000000000001"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
LIMIT_S = 60.0


def slin(name):
    return soundfile.read(SAMPLES / name, dtype="int16")[0].tobytes()


def audiosocket_frames(name):
    data = slin(name)
    yield frame(0x01, bytes(15) + b"\x01")
    for at in range(0, len(data), 320):
        yield frame(0x10, data[at : at + 320])


class Listening:
    """The command, its ports by what it says on stderr, its lines."""

    def __init__(self, *options):
        self._options = options
        self.ports = []
        self.lines = []

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "amd",
            "listen",
            *self._options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        said = (await self._process.stderr.readline()).decode()
        assert said.startswith("amd: "), said
        self.port = int(said.rpartition(":")[2])
        return self

    async def until(self, holds):
        async with asyncio.timeout(LIMIT_S):
            while not self.lines or not holds(self.lines[-1]):
                line = await self._process.stdout.readline()
                assert line, self.lines
                self.lines.append(json.loads(line))
        return self.lines[-1]

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.terminate()
        _, said = await asyncio.wait_for(self._process.communicate(), LIMIT_S)
        assert b"Traceback" not in said, said
        assert self._process.returncode == 0


async def play(port, name):
    """Play a call; return the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for sent in audiosocket_frames(name):
        writer.write(sent)
    await writer.drain()
    return reader, writer


def final(line):
    return line["type"] == "verdict" and line["final"]


def test_a_verdict_comes_by_webhook_and_its_signature_holds(tmp_path):
    (tmp_path / "hook.txt").write_text(f"{SECRET}\n")

    async def scenario():
        async with HttpPeer([500]) as peer:
            options = ("--audiosocket", "0", "--webhook", peer.url, "--webhook-final")
            async with Listening(*options, "--webhook-secret", str(tmp_path / "hook.txt")) as listening:
                _, writer = await play(listening.port, "machine-01.wav")
                verdict = await listening.until(final)
                await peer.wait_for(2)  # the first is refused, and comes again
                writer.close()
        return verdict, peer.requests

    verdict, requests = asyncio.run(scenario())
    assert verdict["party"] == "machine"
    assert requests[0].body == requests[1].body
    verify(requests[1].headers, requests[1].body, [SECRET], time.time())
    sent = json.loads(requests[1].body)
    assert json.dumps(sent).count('"machine"') >= 1
    assert UUID in json.dumps(sent)


def test_a_verdict_is_set_on_the_channel_and_the_dialplan_goes_on(tmp_path):
    (tmp_path / "ami.txt").write_text(WORD)

    async def scenario():
        async with FakeManager({"PJSIP/1-1": {}}) as asterisk:
            options = ("--audiosocket", "0", "--ami", str(asterisk.port), "--asterisk-user", USER)
            async with Listening(*options, "--asterisk-secret", str(tmp_path / "ami.txt")) as listening:
                await asterisk.wait_for(lambda said: "Login" in said)
                await asterisk.set_in_dialplan("PJSIP/1-1", "AMDUUID", UUID)
                reader, writer = await play(listening.port, "human-02.wav")
                async with asyncio.timeout(LIMIT_S):
                    back = await reader.read()
                ended = await listening.until(lambda line: line["type"] == "ended")
                writer.close()
            return asterisk.channels["PJSIP/1-1"], back, ended

    channel, back, ended = asyncio.run(scenario())
    assert channel["AMDSTATUS"] == "HUMAN"
    assert channel["AMDCAUSE"].startswith("HUMAN-")
    assert back == HANGUP_FRAME
    assert ended["reason"] == "released"


def test_rtp_over_udp_is_judged():
    _, _, held = (SAMPLES / "human-02.wav").read_bytes().partition(b"data")
    mulaw = held[4:]

    async def scenario():
        async with Listening("--rtp", "0") as listening, asyncio.timeout(LIMIT_S):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("127.0.0.1", listening.port))
                for k, at in enumerate(range(0, len(mulaw) - 159, 160)):
                    sock.send(rtp(k, 160 * k, mulaw[at : at + 160], payload_type=0))
                    await asyncio.sleep(0.005)
                return await listening.until(final)

    assert asyncio.run(scenario())["party"] == "human"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ami", "5038"], "--ami and --ari need --asterisk-user and --asterisk-secret"),
        (["--ami", "5038", "--ari", "http://127.0.0.1:8088/ari"], "one of them is enough"),
        (["--webhook", "http://dialer.example.org/amd"], "https"),
        (
            ["--webhook", "https://x.example.org", "--webhook-secret", "nowhere.txt"],
            "cannot be read: another path?",
        ),
        (["--webhook", "https://x.example.org", "--webhook-form", "xml"], "'xml' is none of json, twilio"),
        (["--rtp", "0.0.0.0:4000"], "--allow"),
    ],
)
def test_slips_are_named(capsys, monkeypatch, tmp_path, options, said):
    monkeypatch.chdir(tmp_path)
    assert main(["listen", "--audiosocket", "0", *options]) != 0
    assert said in capsys.readouterr().err


def test_what_came_of_deliveries_is_in_the_metrics():
    from amd.adapters.metrics import Metrics
    from amd.adapters.server import Server
    from amd.commands.deliveries import Deliveries
    from amd.commands.listen_settings import Settings

    async def scenario():
        metrics = Metrics()
        async with HttpPeer() as peer:
            deliveries = Deliveries(Settings(webhook=peer.url), Server(lambda _: None), lambda _: None)
            metrics.watch_deliveries(deliveries.counts())
            await deliveries.start()
            deliveries.send({"type": "ended", "call": 1, "system": "twilio", "call_id": "c", "reason": "closed"})
            await peer.wait_for(1)
            await deliveries.stop()
        return metrics.registry

    registry = asyncio.run(scenario())
    counted = [
        registry.get_sample_value("amd_deliveries", {"what": "webhook", "result": result})
        for result in ("sent", "failed", "dropped", "waiting")
    ]
    assert counted == [1, 0, 0, 0]

"""``amd listen``: calls over real sockets on loopback, good peers and bad ones."""

import asyncio
import dataclasses
import json
import signal
import socket
import subprocess
import sys

import pytest
import soundfile
from generated import SAMPLES
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wire import frame, media

from amd.adapters.server import Limits, Server
from amd.adapters.websocket import listen_websocket, system_at
from amd.cli import main
from amd.errors import PolicyError, WireError
from amd.policy import PRESETS

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
TWILIO_START = json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}})
QUICK = dataclasses.replace(PRESETS["balanced"], silence_early_s=1.0, silence_max_s=1.0)


def slin(name):
    samples, _ = soundfile.read(SAMPLES / name, dtype="int16")
    return samples.tobytes() + bytes(32_000)


def audiosocket_call(name, *, hangup=True):
    data = slin(name)
    frames = [frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320)]
    return frame(0x01, bytes(15) + b"\x01") + b"".join(frames) + (frame(0x00) if hangup else b"")


class Running:
    """A server with what it told; use it as an asynchronous context."""

    def __init__(self, **limits):
        policy = limits.pop("policy", PRESETS["balanced"])
        self._lines = asyncio.Queue()
        self.server = Server(self._lines.put_nowait, policy=policy, limits=Limits(**{"grace_s": 0.0, **limits}))

    async def __aenter__(self):
        self.port = await self.server.listen_audiosocket(LOOPBACK, 0)
        self.url = f"ws://{LOOPBACK}:{await listen_websocket(self.server, LOOPBACK, 0)}"
        return self

    async def __aexit__(self, *_):
        await self.server.stop()

    async def lines_until(self, kind, **fields):
        """Lines up to the first of a kind with these fields."""
        lines = []
        async with asyncio.timeout(LIMIT_S):
            while True:
                line = await self._lines.get()
                lines.append(line)
                if line["type"] == kind and fields.items() <= line.items():
                    return lines

    async def send(self, data):
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer


def verdicts(lines):
    return [(line["party"], line["AMDSTATUS"], line["AnsweredBy"]) for line in lines if line["type"] == "verdict"]


async def closed(reader, writer):
    """Wait for the server to close."""
    async with asyncio.timeout(LIMIT_S):
        assert await reader.read() == b""
    writer.close()


def test_a_call_over_audiosocket_is_told_as_it_goes():
    async def scenario():
        async with Running() as running:
            reader, writer = await running.send(audiosocket_call("human-01.wav"))
            lines = await running.lines_until("ended")
            await closed(reader, writer)
        return lines

    lines = asyncio.run(scenario())
    assert lines[0] == {
        "call": 1,
        "system": "audiosocket",
        "type": "started",
        "call_id": "00000000-0000-0000-0000-000000000001",
        "stream_id": None,
    }
    assert verdicts(lines) == [("human", "HUMAN", "human")]
    assert [line["type"] for line in lines[-2:]] == ["stopped", "ended"]
    assert lines[-1]["reason"] == "hangup"
    json.dumps(lines)


def test_a_call_over_a_websocket_is_told_as_it_goes():
    data = slin("machine-01.wav")

    async def scenario():
        async with Running() as running, connect(f"{running.url}/plivo") as peer:
            await peer.send(json.dumps({"event": "start", "start": {"callId": "c-1", "streamId": "s-1"}}))
            for k in range(len(data) // 320):
                await peer.send(media(data[320 * k : 320 * k + 320], chunk=k, timestamp=20 * k, track="inbound"))
            await peer.send(json.dumps({"event": "dtmf", "dtmf": {"digit": "7"}}))
            await peer.send(json.dumps({"event": "stop"}))
            return await running.lines_until("ended")

    lines = asyncio.run(scenario())
    assert (lines[0]["call_id"], lines[0]["stream_id"]) == ("c-1", "s-1")
    assert verdicts(lines) == [("machine", "MACHINE", "machine_start")]
    assert {"type": "dtmf", "call": 1, "system": "plivo", "call_id": "c-1"} in lines
    assert lines[-1]["reason"] == "hangup"


def test_audiohook_gets_its_answers_over_the_websocket():
    offer = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}

    def message(kind, seq, **parameters):
        return json.dumps({"version": "2", "type": kind, "id": "s", "seq": seq, "parameters": parameters})

    async def scenario():
        async with Running() as running, connect(f"{running.url}/audiohook") as peer:
            answers = []
            for sent in (message("open", 1, media=[offer]), message("ping", 2), message("close", 3)):
                await peer.send(sent)
                answers.append(json.loads(await asyncio.wait_for(peer.recv(), LIMIT_S))["type"])
            return answers, await running.lines_until("ended")

    answers, lines = asyncio.run(scenario())
    assert answers == ["opened", "pong", "closed"]
    assert lines[-1]["reason"] == "hangup"


def test_a_peer_that_sends_nothing_is_silence_and_then_idle():
    async def scenario():
        async with Running(policy=QUICK, idle_max_s=1.5) as running:
            reader, writer = await running.send(b"")
            lines = await running.lines_until("ended")
            await closed(reader, writer)
        return lines

    lines = asyncio.run(scenario())
    assert verdicts(lines) == [("silence", "NOTSURE", "unknown")]
    assert lines[-1]["reason"] == "idle"


def test_a_call_without_end_is_ended():
    async def scenario():
        async with Running(call_max_s=0.2) as running:
            _, writer = await running.send(frame(0x10, bytes(320)))
            lines = await running.lines_until("ended")
            writer.close()
        return lines

    assert asyncio.run(scenario())[-1]["reason"] == "too long"


def test_a_broken_peer_is_named_and_hurts_no_other_call():
    async def scenario():
        async with Running() as running:
            _, good = await running.send(audiosocket_call("human-01.wav", hangup=False))
            await running.lines_until("verdict", call=1)
            reader, bad = await running.send(frame(0x01, b"short") + bytes(100))
            lines = await running.lines_until("ended", call=2)
            await closed(reader, bad)
            good.write(frame(0x00))
            lines += await running.lines_until("ended", call=1)
            good.close()
        return lines

    lines = asyncio.run(scenario())
    faults = [line for line in lines if line["type"] == "fault"]
    assert [(line["call"], "UUID of 5 bytes" in line["reason"]) for line in faults] == [(2, True)]
    assert [(line["call"], line["reason"]) for line in lines if line["type"] == "ended"] == [
        (2, "fault"),
        (1, "hangup"),
    ]


def test_an_abrupt_end_judges_what_there_was():
    async def scenario():
        async with Running() as running:
            _, writer = await running.send(audiosocket_call("human-01.wav", hangup=False))
            await running.lines_until("verdict")
            writer.transport.abort()
            return await running.lines_until("ended")

    assert asyncio.run(scenario())[-1]["reason"] == "closed"


@pytest.mark.parametrize(("message", "code"), [("{" * 70_000, 1009), ("{", 1008)])
def test_a_websocket_that_sends_too_much_or_nonsense_is_closed(message, code):
    async def flood(peer):
        for _ in range(20):
            await peer.send(message)
        await peer.recv()

    async def scenario():
        async with Running() as running, connect(f"{running.url}/twilio") as peer:
            with pytest.raises(ConnectionClosed) as told:
                await asyncio.wait_for(flood(peer), LIMIT_S)
            return told.value.rcvd.code, await running.lines_until("ended")

    got, lines = asyncio.run(scenario())
    assert got == code
    assert len([line for line in lines if line["type"] == "fault"]) == (10 if code == 1008 else 0)


def test_what_there_is_no_room_for_is_turned_away():
    async def scenario():
        async with Running(calls_max=1) as running:
            _, first = await running.send(frame(0x01, bytes(16)))
            await running.lines_until("started")
            reader, second = await running.send(frame(0x01, bytes(16)))
            await running.lines_until("refused", reason="full")
            await closed(reader, second)
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{running.url}/twilio")
            first.close()
            return refused.value.response.status_code

    assert asyncio.run(scenario()) == 503


def test_a_path_that_is_no_system_is_not_found():
    async def scenario():
        async with Running() as running:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{running.url}/pigeons")
            return refused.value.response

    response = asyncio.run(scenario())
    assert response.status_code == 404
    assert b"twilio" in response.body


@pytest.mark.parametrize(("offered", "taken"), [(["other", "media"], "media"), (["other"], None), (None, None)])
def test_a_subprotocol_is_taken_where_the_system_asks_for_its_own(offered, taken):
    async def scenario():
        async with Running() as running, connect(f"{running.url}/asterisk", subprotocols=offered) as peer:
            return peer.subprotocol

    assert asyncio.run(scenario()) == taken


def test_freeswitch_says_its_rate_and_mix_in_the_path():
    decoder = system_at("/freeswitch?rate=16000&mix=stereo").make()
    far, near = decoder.feed(b"abcd")
    assert (far.rate_hz, far.data, near.data) == (16_000, b"ab", b"cd")
    for path in ("/freeswitch?rate=much", "/freeswitch?rate=8", "/freeswitch?mix=surround", "/rtp", "/", "/eagi"):
        with pytest.raises(WireError):
            system_at(path)


def test_a_server_that_stops_lets_a_call_in_flight_finish():
    async def scenario():
        async with Running(grace_s=LIMIT_S) as running:
            _, writer = await running.send(audiosocket_call("human-01.wav", hangup=False))
            await running.lines_until("verdict")
            stopping = asyncio.create_task(running.server.stop())
            await asyncio.sleep(0)
            assert running.server.is_full
            assert not stopping.done()
            writer.write(frame(0x00))
            lines = await running.lines_until("ended")
            await asyncio.wait_for(stopping, LIMIT_S)
            writer.close()
            return lines

    assert asyncio.run(scenario())[-1]["reason"] == "hangup"


def test_a_server_whose_grace_is_over_judges_what_there_was():
    async def scenario():
        running = Running()
        async with running:
            reader, writer = await running.send(audiosocket_call("machine-01.wav", hangup=False)[:40_000])
            await running.lines_until("started")
        lines = await running.lines_until("ended")
        await closed(reader, writer)
        return lines

    lines = asyncio.run(scenario())
    assert len(verdicts(lines)) == 1
    assert lines[-1]["reason"] == "server stopped"


@pytest.mark.parametrize("limits", [{"calls_max": 0}, {"idle_max_s": -1}, {"call_max_s": 10**6}])
def test_limits_that_are_none_are_refused(limits):
    with pytest.raises(PolicyError):
        Limits(**limits)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "nothing to listen on"),
        (["--audiosocket", "0.0.0.0:0"], "not this machine"),
        (["--websocket", "[::]:0"], "not this machine"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, match, capsys):
    assert main(["listen", *arguments]) == 1
    assert match in capsys.readouterr().err


def test_the_command_listens_tells_lines_and_stops_when_told():
    command = [sys.executable, "-m", "amd", "listen", "--audiosocket", "0", "--websocket", "0", "--grace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first, second = process.stderr.readline(), process.stderr.readline()
        assert first.startswith("amd: AudioSocket on 127.0.0.1:")
        assert second.startswith("amd: websockets on 127.0.0.1:")

        with socket.create_connection((LOOPBACK, int(first.rpartition(":")[2]))) as peer:
            peer.sendall(audiosocket_call("human-01.wav", hangup=False))
            lines = [json.loads(process.stdout.readline())]
            while lines[-1]["type"] != "verdict":
                lines.append(json.loads(process.stdout.readline()))
            process.send_signal(signal.SIGTERM)
            rest = [json.loads(line) for line in process.stdout.read().splitlines()]
        assert process.wait(LIMIT_S) == 0
        assert "1 calls in flight" in process.stderr.read()
    assert lines[0]["type"] == "started"
    assert rest[-1]["type"] == "ended"
    assert verdicts([*lines, *rest]) == [("human", "HUMAN", "human")]


def test_the_command_stops_when_nobody_reads_what_it_tells():
    command = [sys.executable, "-m", "amd", "listen", "--audiosocket", "0", "--grace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = int(process.stderr.readline().rpartition(":")[2])
        process.stdout.close()
        with socket.create_connection((LOOPBACK, port)) as peer:
            peer.sendall(frame(0x01, bytes(16)) + frame(0x00))
            assert process.wait(LIMIT_S) == 0
        assert "Traceback" not in process.stderr.read()

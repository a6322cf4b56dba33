"""Peers that are slow, stalled, half open, abrupt, oversized, malformed, endless: bounded, told, alone in it."""

import asyncio
import json
import socket

import pytest
import soundfile
from generated import SAMPLES
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from wire import frame, media

from amd.adapters import pump as pumping
from amd.adapters.server import Limits, Server
from amd.adapters.session import AHEAD_MAX, WAITING_MAX
from amd.adapters.systems import SYSTEMS
from amd.adapters.websocket import listen_websocket
from amd.adapters.websocket_frames import extent_of

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
START = json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}})
UPGRADE = (
    b"GET /asterisk HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MEDIA_START = "MEDIA_START connection_id:c channel:x format:slin optimal_frame_size:320"


def slin(name, seconds=6.0):
    samples, _ = soundfile.read(SAMPLES / name, dtype="int16", frames=round(8000 * seconds))
    return samples.tobytes()


def frames(data):
    return b"".join(frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320))


GOOD = frame(0x01, bytes(15) + b"\x07") + frames(slin("human-01.wav")) + frame(0x00)
GOOD_ID = "00000000-0000-0000-0000-000000000007"


def serving(scenario, **limits):
    """Run a scenario with a server, and at its end a good call, which nothing may have hurt; return the lines."""
    lines = []

    async def run():
        server = Server(lines.append, limits=Limits(**{"grace_s": 0.0, **limits}))
        ports = await server.listen_audiosocket(LOOPBACK, 0), await listen_websocket(server, LOOPBACK, 0)
        try:
            async with asyncio.timeout(LIMIT_S):
                writers = await scenario(server, *ports)
                _, good = await asyncio.open_connection(LOOPBACK, ports[0])
                good.write(GOOD)
                await until(lambda: any(one["type"] == "ended" and one["call_id"] == GOOD_ID for one in lines))
                for writer in (*writers, good):
                    writer.close()
        finally:
            await server.stop()

    asyncio.run(run())
    good = [line["party"] for line in lines if line.get("call_id") == GOOD_ID and line["type"] == "verdict"]
    assert good == ["human"]
    return [line for line in lines if line.get("call_id") != GOOD_ID]


async def until(holds):
    while not holds():
        await asyncio.sleep(0.005)


def reasons(lines, kind="ended"):
    return [line["reason"] for line in lines if line["type"] == kind]


def test_a_peer_that_sends_a_byte_at_a_time_has_its_longest_call():
    async def scenario(server, port, _):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"\x10\xff\xff")
        await until(lambda: server.sessions)
        while server.sessions:
            writer.write(b"\x00")
            await asyncio.sleep(0.02)
        return [writer]

    assert reasons(serving(scenario, call_max_s=0.5)) == ["too long"]


def test_a_half_open_peer_is_idle_though_its_silence_is_judged():
    async def scenario(server, port, _):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(frame(0x01, bytes(16)) + frames(bytes(8000)))
        await until(lambda: server.sessions)
        await until(lambda: not server.sessions)
        return [writer]

    lines = serving(scenario, idle_max_s=0.6)
    assert reasons(lines) == ["idle"]
    assert [line["party"] for line in lines if line["type"] == "verdict"] == ["silence"]


def test_a_websocket_that_stops_within_a_message_is_idle():
    async def scenario(server, _, port):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        whole = Frame(Opcode.BINARY, bytes(320)).serialize(mask=True)
        writer.write(Frame(Opcode.TEXT, MEDIA_START.encode()).serialize(mask=True) + whole + whole[:100])
        await until(lambda: server.sessions)
        await until(lambda: not server.sessions)
        return [writer]

    assert reasons(serving(scenario, idle_max_s=0.4)) == ["idle"]


def test_a_flood_is_held_back_in_its_own_socket():
    most = []

    async def scenario(server, port, _):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(frame(0x01, bytes(16)) + frames(bytes(2_000_000)) + frame(0x00))
        await until(lambda: server.sessions)
        (session,) = server.sessions
        while server.sessions:
            most.append(session.seat.n_waiting)
            await asyncio.sleep(0)
        return [writer]

    assert reasons(serving(scenario)) == ["hangup"]
    assert 0 < max(most) <= AHEAD_MAX + pumping.READ_MAX_BYTES


def test_more_audio_than_time_can_bring_from_an_adapter_of_its_own_is_a_fault():
    async def scenario(server, *_):
        closed = []
        session = server.open(SYSTEMS["audiosocket"], closed.append)
        loud = frame(0x10, bytes(60_000))
        n_fed = 0
        while not closed and n_fed < 2 * WAITING_MAX:
            session.feed(loud)
            n_fed += 60_000
            if session not in server.sessions:
                break
        assert n_fed <= WAITING_MAX + 2 * 60_000
        await until(lambda: closed)
        return []

    lines = serving(scenario)
    assert reasons(lines) == ["fault"]
    assert "more audio than time" in reasons(lines, "fault")[0]


@pytest.mark.parametrize(
    ("sent", "reason", "code"),
    [
        (Frame(Opcode.BINARY, bytes(4)).serialize(mask=False), "broken", 1002),
        (b"\xf2\x80\x00\x00\x00\x00", "broken", 1002),
        (Frame(Opcode.CONT, b"x").serialize(mask=True), "broken", 1002),
        (b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(4), "broken", 1009),
        (b"\x81\x82\x00\x00\x00\x00\xc3\x28", "broken", 1007),
        (Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True), "closed", 1000),
    ],
    ids=[
        "unmasked",
        "reserved bits",
        "a rest of nothing",
        "too long",
        "no text",
        "a good end",
    ],  # masks are random
)
def test_frames_that_break_the_protocol_close_their_own_websocket(sent, reason, code):
    answer = []

    async def scenario(_server, _, port):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(Frame(Opcode.TEXT, MEDIA_START.encode()).serialize(mask=True) + sent)
        answer.append(await reader.read())
        return [writer]

    assert reasons(serving(scenario)) == [reason]
    assert answer[0][:1] == b"\x88"
    assert int.from_bytes(answer[0][2:4], "big") == code


def test_messages_in_fragments_and_pings_between_them_are_taken():
    data = slin("human-01.wav")

    async def scenario(_server, _, port):
        async with connect(f"ws://{LOOPBACK}:{port}/asterisk") as peer:
            await peer.send(MEDIA_START)
            for at in range(0, len(data), 3200):
                pieces = [data[k : k + 500] for k in range(at, min(len(data), at + 3200), 500)]
                await peer.send(pieces)
                if at % 32_000 == 0:
                    await (await peer.ping())
        return []

    lines = serving(scenario)
    assert [line["party"] for line in lines if line["type"] == "verdict"] == ["human"]


def test_fragments_without_end_are_bounded():
    async def scenario(_server, _, port):
        async def endless():
            while True:
                yield bytes(1000)

        async with connect(f"ws://{LOOPBACK}:{port}/asterisk") as peer:
            await peer.send(MEDIA_START)
            with pytest.raises(ConnectionClosed) as closed:
                await peer.send(endless())
            assert closed.value.rcvd.code == 1009
        return []

    assert reasons(serving(scenario)) == ["broken"]


def test_a_peer_that_does_not_read_its_answers_is_dropped(monkeypatch):
    monkeypatch.setattr(pumping, "WRITE_MAX_BYTES", 2_000)
    offer = [{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}]

    def message(kind, seq, **parameters):
        text = json.dumps({"version": "2", "type": kind, "id": "s", "seq": seq, "parameters": parameters})
        return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)

    async def scenario(server, _, port):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect((LOOPBACK, port))
        peer.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(
            peer, UPGRADE.replace(b"/asterisk", b"/audiohook") + message("open", 1, media=offer)
        )
        await until(lambda: server.sessions)
        seq = 1
        while server.sessions:
            seq += 1
            try:
                await asyncio.wait_for(loop.sock_sendall(peer, message("ping", seq) * 200), 1.0)
            except (OSError, TimeoutError):
                break
        await until(lambda: not server.sessions)
        return [peer]

    assert reasons(serving(scenario)) == ["closed"]


def test_a_fault_of_ours_ends_one_call(monkeypatch):
    from amd.adapters.audiosocket import AudioSocketDecoder

    whole = AudioSocketDecoder.feed

    def broken(self, data):
        if data.endswith(b"boom"):
            raise ZeroDivisionError("digits 5550123")
        return whole(self, data)

    monkeypatch.setattr(AudioSocketDecoder, "feed", broken)

    async def scenario(server, port, _):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(frame(0x01, bytes(16)) + b"boom")
        await until(lambda: server.sessions)
        await until(lambda: not server.sessions)
        return [writer]

    lines = serving(scenario)
    assert reasons(lines, "fault") == ["a fault of ours: ZeroDivisionError"]
    assert reasons(lines) == ["closed"]
    assert "5550123" not in json.dumps(lines)


def test_many_bad_peers_beside_a_good_one():
    async def scenario(_server, port, web_port):
        writers = []
        for number in range(40):
            _, writer = await asyncio.open_connection(LOOPBACK, (port, web_port)[number % 2])
            writer.write((b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x05short", bytes(50), b"\xff" * 999)[number % 4])
            writers.append(writer)
        await asyncio.sleep(0)
        for writer in writers[::3]:
            writer.transport.abort()
        return writers

    serving(scenario)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("mask", [True, False])
def test_a_frame_ends_where_the_library_says(size, mask):
    data = Frame(Opcode.BINARY, bytes(size)).serialize(mask=mask)
    trailing = b"ab" + data + b"more"
    extent = extent_of(trailing, 2)
    assert (extent.first, extent.is_masked, extent.end) == (0x82, mask, 2 + len(data))
    assert extent.end - extent.start == size
    head = extent.start - (4 if mask else 0) - 2
    assert all(extent_of(data[:n]) is None for n in range(head))


def test_any_cut_of_a_websocket_gives_the_same_call():
    data = slin("machine-01.wav", 4.0)
    stream = Frame(Opcode.TEXT, START.encode()).serialize(mask=True)
    for k in range(len(data) // 320):
        text = media(b"\xff" * 160, chunk=k, timestamp=20 * k, track="inbound")
        stream += Frame(Opcode.TEXT, text.encode()).serialize(mask=True)

    def told(step):
        async def scenario(_server, _, port):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(UPGRADE.replace(b"/asterisk", b"/twilio"))
            await reader.readuntil(b"\r\n\r\n")
            for at in range(0, len(stream), step):
                writer.write(stream[at : at + step])
                await asyncio.sleep(0)
            writer.write(Frame(Opcode.CLOSE, b"").serialize(mask=True))
            await reader.read()
            return [writer]

        return [line | {"call": 0} for line in serving(scenario)]

    assert told(7_001) == told(1_000_000)

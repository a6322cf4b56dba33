"""All calls of a server in one bank: each gives the events that a `Call` of its own gives."""

import asyncio
import base64
import json
import random

import numpy as np
import pytest
import soundfile
from generated import SAMPLES
from websockets.asyncio.client import connect
from wire import frame, media

from amd import to_dict
from amd.adapters.call import Call
from amd.adapters.server import Limits, Server
from amd.adapters.sharing import CUT_SAMPLES, Bench, Seat
from amd.adapters.systems import SYSTEMS
from amd.adapters.websocket import listen_websocket
from amd.events import Event
from amd.policy import PRESETS

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
NAMES = ("human-01.wav", "machine-01.wav", "network-01.wav", "human-03.wav")
WIRE_ONLY = ("call", "system", "call_id", "AnsweredBy", "AMDSTATUS", "AMDCAUSE")


def slin(name, seconds=6.0):
    samples, _ = soundfile.read(SAMPLES / name, dtype="int16", frames=round(8000 * seconds))
    return samples


def cut(data, rng, most=4000):
    pieces, at = [], 0
    while at < len(data):
        size = rng.randint(1, most)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def audiosocket(name, number, rng):
    data = slin(name).tobytes()
    frames = [frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320)]
    return cut(frame(0x01, number.to_bytes(16, "big")) + b"".join(frames) + frame(0x00), rng)


def wideband(name, number, rng):
    data = np.repeat(slin(name), 2).tobytes()
    frames = [frame(0x12, data[at : at + 640]) for at in range(0, len(data), 640)]
    return cut(frame(0x01, number.to_bytes(16, "big")) + b"".join(frames) + frame(0x00), rng)


def changing(name, number, rng):
    """The rate changes within the call."""
    narrow, wide = slin(name, 2.0).tobytes(), np.repeat(slin(name, 5.0)[16_000:], 2).tobytes()
    frames = [frame(0x10, narrow[at : at + 320]) for at in range(0, len(narrow), 320)]
    frames += [frame(0x12, wide[at : at + 640]) for at in range(0, len(wide), 640)]
    return cut(frame(0x01, number.to_bytes(16, "big")) + b"".join(frames) + frame(0x00), rng)


def plivo(name, number, _):
    data = slin(name).tobytes()
    messages = [
        media(data[320 * k : 320 * k + 320], chunk=k, timestamp=20 * k, track="inbound")
        for k in range(len(data) // 320)
        if k % 50 != 7  # lost: its place is filled
    ]
    start = json.dumps({"event": "start", "start": {"callId": f"c-{number}", "streamId": "s"}})
    return [start, *messages, json.dumps({"event": "dtmf", "dtmf": {"digit": "5"}}), json.dumps({"event": "stop"})]


def asterisk(name, number, _):
    data = slin(name).tobytes()
    start = f"MEDIA_START connection_id:c channel:c-{number} format:slin optimal_frame_size:320"
    return [start, *(data[at : at + 320] for at in range(0, len(data), 320))]


SENDERS = {
    "audiosocket": audiosocket,
    "wideband": wideband,
    "changing": changing,
    "plivo": plivo,
    "asterisk": asterisk,
}


def alone(system, pieces):
    """What a call of its own tells of its audio."""
    call = Call(SYSTEMS[system].make(), timing=SYSTEMS[system].timing, now_s=0.0)
    told = [event for piece in pieces for event in call.feed(piece, 0.0)]
    told += call.finish(0.0)
    return [to_dict(event) for event in told if isinstance(event, Event)]


async def send(server_port, url, system, pieces):
    if system == "audiosocket":
        _, writer = await asyncio.open_connection(LOOPBACK, server_port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        await writer.drain()
        return writer
    async with connect(f"{url}/{system}") as peer:
        for piece in pieces:
            await peer.send(piece)
    return None


def test_calls_beside_each_other_give_the_events_of_calls_alone():
    rng = random.Random(3)
    calls = []
    for number in range(20):
        kind = list(SENDERS)[number % len(SENDERS)]
        system = kind if SYSTEMS.get(kind) else "audiosocket"
        calls.append((system, SENDERS[kind](NAMES[number // len(SENDERS)], number, rng)))

    async def scenario():
        lines = []
        server = Server(lines.append, limits=Limits(grace_s=LIMIT_S))
        port = await server.listen_audiosocket(LOOPBACK, 0)
        url = f"ws://{LOOPBACK}:{await listen_websocket(server, LOOPBACK, 0)}"
        writers = await asyncio.gather(*(send(port, url, system, pieces) for system, pieces in calls))
        async with asyncio.timeout(LIMIT_S):
            while sum(line["type"] == "ended" for line in lines) < len(calls):
                await asyncio.sleep(0.01)
        for writer in writers:
            if writer is not None:
                writer.close()
        await server.stop()
        return lines

    lines = asyncio.run(scenario())
    for number, (system, pieces) in enumerate(calls):
        name = f"00000000-0000-0000-0000-{number:012x}" if system == "audiosocket" else f"c-{number}"
        mine = [line for line in lines if line.get("call_id") == name]
        events = [
            {key: value for key, value in line.items() if key not in WIRE_ONLY}
            for line in mine
            if line["type"] not in ("started", "stopped", "ended", "dtmf")
        ]
        assert events == alone(system, pieces), (number, system)
        assert events
        assert [line["type"] for line in mine[-2:]] == ["stopped", "ended"]


@pytest.mark.parametrize("pause_s", [0.0, 0.4])
def test_frames_that_come_together_are_what_they_are_one_after_the_other(pause_s):
    data = slin("human-01.wav", 4.0).tobytes()
    frames = [frame(0x10, data[at : at + 320]) for at in range(0, len(data), 320)]
    together, apart = (
        Call(SYSTEMS["audiosocket"].make(), timing=SYSTEMS["audiosocket"].timing, now_s=0.0) for _ in range(2)
    )
    told = []
    for call in (together, apart):
        events, now_s = [], 0.0
        for at in range(0, len(frames), 3):
            now_s += 0.06 + (pause_s if at % 60 == 0 else 0.0)
            for _ in range(5):
                events += call.tick(now_s - 0.02)
            three = frames[at : at + 3]
            for piece in [b"".join(three)] if call is together else three:
                events += call.feed(piece, now_s)
        told.append([*events, *call.finish(now_s), call.allowance_s])
    assert told[0] == told[1]
    assert len(told[0]) > 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"\x10\x00\x00",
        b"\x10\x00\x03abc",
        b"\x10\x00\x02ab\x10\x00",
        b"\x10\x00\x02ab\x12\x00\x02cd",
        b"\x10\x00\x02ab\x00\x00\x02cd",
        b"\x00\x00\x00",
        "text",
    ],
)
def test_what_is_no_run_of_audio_is_left_alone(data):
    decoder = SYSTEMS["audiosocket"].make()
    assert decoder.feed_run(data) is None
    (audio,) = decoder.feed(b"\x10\x00\x02ab")
    assert audio.data == b"ab"
    decoder.feed(b"\x10\x00")
    assert decoder.feed_run(b"\x10\x00\x02ab") is None


def bench_events(feeds, policy=PRESETS["balanced"]):
    """Feed seats of one bench by hand, without its thread: rounds of chunks a seat, then the end."""
    told = [[] for _ in feeds]

    async def scenario():
        bench = Bench(capacity=len(feeds))
        seats = [Seat(bench, policy, told[k].extend) for k in range(len(feeds))]
        working = asyncio.create_task(bench.work())
        for k, seat in enumerate(seats):
            for chunk in feeds[k]:
                seat.feed(chunk)
            seat.finish()
        bench.begin_turn()
        async with asyncio.timeout(LIMIT_S):
            while any(seat.is_busy for seat in seats):
                await asyncio.sleep(0.001)
        working.cancel()

    asyncio.run(scenario())
    return told


def test_more_than_a_turn_takes_is_judged_in_pieces_and_is_the_same():
    from amd import Detector

    samples = slin("machine-01.wav", 12.0)
    assert samples.size > 3 * CUT_SAMPLES
    as_bytes, as_samples = bench_events([[samples.tobytes()], [samples[:100], samples[100:]]])
    detector = Detector()
    assert as_bytes == as_samples == [*detector.feed(samples), *detector.finish()]


def test_a_seat_that_heard_nothing_says_so_and_its_slot_is_free_again():
    first, second = bench_events([[], []])
    assert [str(event.cause) for event in first] == ["no_audio"]
    assert first == second


def test_what_is_told_afterwards_keeps_its_place():
    order = []

    async def scenario():
        bench = Bench(capacity=1)
        seat = Seat(bench, PRESETS["balanced"], lambda events: order.extend(event.type for event in events))
        seat.afterwards(lambda: order.append("at once"))
        working = asyncio.create_task(bench.work())
        seat.feed(slin("human-01.wav", 6.0).tobytes())
        seat.afterwards(lambda: order.append("after"))
        assert order == ["at once"]
        bench.begin_turn()
        async with asyncio.timeout(LIMIT_S):
            while seat.is_busy:
                await asyncio.sleep(0.001)
        working.cancel()

    asyncio.run(scenario())
    assert order[0] == "at once"
    assert order[-1] == "after"
    assert "verdict" in order


@pytest.mark.parametrize("encoding", ["mulaw", "pcm16"])
def test_json_with_base64_is_the_audio_that_it_carries(encoding):
    data = bytes(range(256)) * 2
    text = base64.b64encode(data).decode()
    fields = {"encoding": f"audio/x-{'mulaw' if encoding == 'mulaw' else 'l16'}", "sampleRate": 8000}
    decoder = SYSTEMS["twilio"].make()
    decoder.feed(json.dumps({"event": "start", "streamSid": "s", "start": {"mediaFormat": fields}}))
    (audio,) = decoder.feed(json.dumps({"event": "media", "media": {"track": "inbound", "payload": text}}))
    assert (audio.data, str(audio.encoding)) == (data, encoding)

"""RTP over real UDP sockets: order, loss, sources, floods, ports; calls are those of a real server."""

import asyncio
import json
import socket
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from generated import SAMPLES
from wire import rtp

from amd import Detector, Verdict
from amd.adapters.media import Audio
from amd.adapters.rtp_ports import RtpPorts
from amd.adapters.rtp_server import BATCH, RtpListener, bind
from amd.adapters.rtp_settings import RtpSettings
from amd.adapters.server import Limits, Listener, Server
from amd.audio import Encoding
from amd.errors import PolicyError, SlotError

LIMIT_S = 20.0
PAYLOAD = b"\xff" * 160


class Heard:
    """A session that keeps what it is fed, decoded."""

    def __init__(self, server, system, close):
        self.decoder = system.make()
        self.events = []
        self.fed = []
        self.ended = None
        self.server, self.close = server, close

    def feed(self, data):
        self.fed.append(data)
        self.events += self.decoder.feed(data)
        return []

    def end(self, reason):
        if self.ended is None:
            self.ended = reason
            self.events += self.decoder.finish()
            self.close(reason)

    def placed(self):
        return [(event.at_sample, event.data[0]) for event in self.events if isinstance(event, Audio)]

    def started(self):
        return next(event for event in self.events if event.type == "started")


class Calls:
    """Stands for a server: every call is kept."""

    def __init__(self, most=1000):
        self.most = most
        self.calls = []

    def open(self, system, close):
        if len(self.calls) >= self.most:
            return None
        self.calls.append(Heard(self, system, close))
        return self.calls[-1]


def sender(to, host="127.0.0.1"):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.connect((host, to))
    return sock


def packets(n, *, first=1, source=0x1234, payload_type=0):
    return [
        rtp(
            first + k,
            160 * (first + k),
            bytes([(first + k) % 251]) * 160,
            source=source,
            payload_type=payload_type,
        )
        for k in range(n)
    ]


async def until(said):
    async with asyncio.timeout(LIMIT_S):
        while not said():
            await asyncio.sleep(0.001)


def listening(act, *, calls=None, settings=None, host="127.0.0.1", most=1000, **fields):
    """Run ``act(calls, listener, port, told)`` on a listener of a free port."""

    async def scenario():
        told = []
        server = calls or Calls(most)
        listener = RtpListener(server, told.append, settings=RtpSettings(**(settings or {})), **fields)
        port = listener.start(bind(host, 0))
        try:
            await act(server, listener, port, told)
        finally:
            await listener.wait_closed()
        return server, listener, told

    return asyncio.run(scenario())


def sent(datagrams, *, enough=None, **fields):
    """Send datagrams from one socket; returns the calls and the listener once all were taken."""

    async def act(calls, listener, port, _):
        with sender(port) as sock:
            for datagram in datagrams:
                sock.send(datagram)
            n = len(datagrams) if enough is None else enough
            await until(lambda: sum(len(c.fed) for c in calls.calls) + listener.n_ignored.total() >= n)

    return listening(act, **fields)


def test_a_call_begins_with_two_packets_in_a_row_and_loses_neither():
    server, listener, told = sent(packets(10))
    (call,) = server.calls
    assert call.placed() == [(160 * k, k + 1) for k in range(10)]
    assert call.started().stream_id == "00001234"
    assert call.started().call_id is None
    assert call.ended == "closed"
    assert (listener.n_calls, told) == (1, [])


@pytest.mark.parametrize(
    "order",
    [[0, 1, 3, 2, 5, 4, 6, 7], [0, 1, 2, 2, 3, 3, 4, 5, 6, 7], [0, 1, 2, 5, 6, 7], [0, 1, 7, 6, 5, 4, 3, 2]],
)
def test_order_duplicates_and_loss_are_put_right_as_far_as_they_can_be(order):
    all_of_them = packets(8)
    server, _, _ = sent([all_of_them[k] for k in order])
    placed = server.calls[0].placed()
    assert placed == [(160 * k, k + 1) for k in sorted(set(order) - ({2, 3} if order[2] == 7 else set()))]


def test_one_stray_packet_is_no_call():
    server, _, _ = sent([*packets(1, source=7), *packets(1, first=9, source=8)], enough=0)
    assert server.calls == []


def test_a_new_ssrc_from_the_same_place_is_the_same_call():
    server, _, _ = sent([*packets(4), *packets(4, first=900, source=0x9999)])
    (call,) = server.calls
    assert [event.type for event in call.events].count("restarted") == 1
    assert len(call.placed()) == 8


def test_told_apart_by_source_it_is_another_call():
    both = [packet for pair in zip(packets(5), packets(5, source=0x9999), strict=True) for packet in pair]
    server, _, _ = sent(both, settings={"by_source": True})
    assert sorted(call.started().stream_id for call in server.calls) == ["00001234", "00009999"]
    assert [len(call.placed()) for call in server.calls] == [5, 5]


def test_calls_from_many_ports_are_told_apart():
    async def act(calls, _listener, port, _):
        senders = [sender(port) for _ in range(20)]
        for k in range(6):
            for n, sock in enumerate(senders):
                sock.send(rtp(k, 160 * k, bytes([n]) * 160, source=5))
        await until(lambda: sum(len(call.fed) for call in calls.calls) == 120)
        for sock in senders:
            sock.close()

    server, _, _ = listening(act)
    assert sorted({value for _, value in call.placed()} for call in server.calls) == [{n} for n in range(20)]


def test_comfort_noise_and_keys_belong_to_a_call_that_has_begun():
    first, second, third = packets(3)
    noise = rtp(4, 640, b"\x3c", source=0x1234, payload_type=13)
    key = rtp(5, 800, b"\x05\x80\x00\xa0", source=0x1234, payload_type=101)
    server, _, _ = sent([first, second, third, noise, key])
    assert [event.type for event in server.calls[0].events] == [
        "started",
        *["audio"] * 3,
        "comfort_noise",
        "dtmf",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("datagrams", "reason"),
    [
        (packets(6, payload_type=96), "payload type"),
        ([b"", b"\x00", b"STUN? no", bytes(9000), rtp(1, 0, b"ab", first=0x8F)], "malformed"),
        (packets(6, payload_type=11), None),
        ([packet + b"x" for packet in packets(6, payload_type=11)], "malformed"),
    ],
)
def test_what_is_no_audio_that_we_know_begins_no_call_and_is_told(datagrams, reason):
    server, listener, told = sent(datagrams)
    if reason is None:
        assert len(server.calls) == 1
        return
    assert server.calls == []
    assert listener.n_ignored == {reason: len(datagrams)}
    assert sum(line["reasons"][reason] for line in told) == len(datagrams)
    assert "127.0.0.1" not in json.dumps(told)


def test_a_payload_type_that_was_agreed_on_is_taken():
    types = {118: (Encoding.PCM16BE, 16_000)}
    server, _, _ = sent(packets(4, payload_type=118), settings={"payload_types": types})
    assert {event.rate_hz for event in server.calls[0].events if isinstance(event, Audio)} == {16_000}


def test_garbage_within_a_call_does_not_end_it():
    good = packets(6)
    server, _, _ = sent([*good[:3], b"", b"\xff" * 20, rtp(1, 0, b"", first=0x8F), *good[3:]])
    assert len(server.calls[0].placed()) == 6


def test_rtcp_is_passed_over():
    report = b"\x80\xc9\x00\x01" + (0x1234).to_bytes(4, "big")
    server, listener, _ = sent([report, report, *packets(3), report], enough=4)
    assert len(server.calls) == 1
    assert listener.n_ignored == {}


def test_who_is_not_allowed_is_ignored_and_counted():
    server, listener, _ = sent(packets(6), settings={"allowed": ("192.0.2.0/24",)})
    assert server.calls == []
    assert listener.n_ignored == {"stranger": 6}


def test_a_flood_is_cut_to_the_rate_of_a_call_and_others_are_heard():
    async def act(calls, listener, port, _):
        with sender(port) as loud, sender(port) as quiet:
            for packet in packets(2):
                quiet.send(packet)
            await until(lambda: len(calls.calls) == 1)
            flood = packets(1500, source=0xF100D)
            for k, packet in enumerate(flood):
                loud.send(packet)
                if k % 100 == 99:
                    await asyncio.sleep(0)
            await until(lambda: listener.n_ignored["too fast"] > 0)
            for _ in range(1500 // BATCH + 2):  # what waits is read, and there is room again
                await asyncio.sleep(0)
            for packet in packets(5, first=3):
                quiet.send(packet)
            await until(lambda: len(calls.calls[0].fed) == 7)

    server, listener, told = listening(act, settings={"packets_max_s": 50})
    assert len(server.calls[0].placed()) == 7
    assert len(server.calls[1].fed) < 1500 - listener.n_ignored["too fast"] // 2
    assert sum(line["reasons"].get("too fast", 0) for line in told) == listener.n_ignored["too fast"]


def test_a_flood_from_ever_new_sources_is_bounded():
    datagrams = [rtp(1, 0, PAYLOAD, source=n) for n in range(300)]

    async def act(_calls, listener, port, _):
        with sender(port) as sock:
            for datagram in datagrams:
                sock.send(datagram)
            await until(lambda: listener.n_ignored["too many sources"] >= 200)
        assert len(listener._candidates) <= 50

    server, _, _ = listening(act, settings={"by_source": True, "sources_max": 50})
    assert server.calls == []


def test_a_call_that_is_turned_away_does_not_ask_again_and_again():
    server, listener, _ = sent(packets(50), most=0)
    assert server.calls == []
    assert listener.n_ignored == {"full": 2, "ended": 48}


def test_a_call_that_ended_is_not_begun_again_by_what_it_still_sends():
    async def act(calls, listener, port, _):
        with sender(port) as sock:
            sent_so_far = packets(6)
            for packet in sent_so_far[:3]:
                sock.send(packet)
            await until(lambda: calls.calls and len(calls.calls[0].fed) == 3)
            calls.calls[0].end("too long")
            for packet in sent_so_far[3:]:
                sock.send(packet)
            await until(lambda: listener.n_ignored["ended"] == 3)
            assert len(calls.calls) == 1
            for packet in packets(3, source=0x77):
                sock.send(packet)
            await until(lambda: len(calls.calls) == 2)

    server, _, _ = listening(act)
    assert [call.ended for call in server.calls] == ["too long", "closed"]


def test_a_call_that_sends_nothing_any_more_ends_and_is_forgotten():
    async def act(calls, listener, port, _):
        with sender(port) as sock:
            for packet in packets(3):
                sock.send(packet)
            await until(lambda: calls.calls and calls.calls[0].ended == "idle")
            await until(lambda: not listener._streams)
            for packet in packets(3):
                sock.send(packet)
            await until(lambda: len(calls.calls) == 2)

    listening(act, settings={"idle_max_s": 0.1, "forget_s": 0.1})


def test_a_listener_that_closes_begins_no_call_and_goes_on_with_those_it_has():
    async def act(calls, listener, port, _):
        with sender(port) as old, sender(port) as new:
            for packet in packets(3):
                old.send(packet)
            await until(lambda: calls.calls and len(calls.calls[0].fed) == 3)
            listener.close()
            for packet in packets(3):
                new.send(packet)
            await until(lambda: listener.n_ignored["stopping"] == 3)
            old.send(packets(1, first=4)[0])
            await until(lambda: len(calls.calls[0].fed) == 4)

    server, _, _ = listening(act)
    assert len(server.calls) == 1


def test_more_than_a_batch_waits_and_is_read():
    server, _, _ = sent(packets(3 * BATCH), settings={"packets_max_s": 1000})
    assert len(server.calls[0].placed()) == 3 * BATCH


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"allowed": ("pbx.example.org",)}, "a host's name"),
        ({"idle_max_s": 20_000}, "milliseconds"),
        ({"packets_max_s": 0}, "packets_max_s"),
    ],
)
def test_settings_that_are_none_are_refused(settings, match):
    with pytest.raises(PolicyError, match=match):
        RtpSettings(**settings)


# A port for each call


def free_ports(n):
    """A range with a few even ports that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        first = sock.getsockname()[1]
    first = min(first - first % 2, 65_000)
    return range(first, first + 2 * n)


def with_ports(act, n=4, **settings):
    async def scenario():
        told, calls = [], Calls()
        ports = RtpPorts(calls, told.append, ports=free_ports(n), settings=RtpSettings(**settings))
        try:
            await act(ports, calls, told)
        finally:
            await ports.wait_closed()
        return ports, calls, told

    return asyncio.run(scenario())


def test_each_call_has_a_port_of_its_own_and_its_id():
    async def act(ports, calls, _):
        for name in ("call-a", "call-b"):
            with sender(ports.allocate(name)) as sock:
                for packet in packets(4):
                    sock.send(packet)
                n = len(calls.calls)
                await until(lambda n=n: len(calls.calls) > n and len(calls.calls[-1].fed) == 4)

    _, calls, _ = with_ports(act)
    assert [call.started().call_id for call in calls.calls] == ["call-a", "call-b"]


def test_the_first_to_send_has_the_port_and_others_are_strangers():
    async def act(ports, calls, _):
        port = ports.allocate("call-a")
        with sender(port) as first, sender(port) as second:
            for packet in packets(3):
                first.send(packet)
            await until(lambda: calls.calls and len(calls.calls[0].fed) == 3)
            for packet in packets(5, source=9):
                second.send(packet)
            await until(lambda: ports._listeners[port].n_ignored["stranger"] == 5)

    _, calls, _ = with_ports(act)
    assert len(calls.calls) == 1


def test_a_port_that_was_promised_to_one_host_takes_no_other():
    async def act(ports, _calls, _):
        port = ports.allocate("call-a", source_host="192.0.2.7")
        with sender(port) as sock:
            for packet in packets(5):
                sock.send(packet)
            await until(lambda: ports._listeners[port].n_ignored["stranger"] == 5)

    _, calls, told = with_ports(act)
    assert calls.calls == []
    assert {"type": "rtp_unused", "call_id": "call-a"} in told


def test_a_port_comes_back_when_its_call_ends_or_does_not_come():
    async def act(ports, calls, told):
        n = ports.n_free
        port = ports.allocate("call-a")
        with sender(port) as sock:
            for packet in packets(3):
                sock.send(packet)
            await until(lambda: calls.calls)
        calls.calls[0].end("hangup")
        await until(lambda: ports.n_free == n)
        assert told == []
        ports.allocate("call-b")
        await until(lambda: ports.n_free == n)
        assert told == [{"type": "rtp_unused", "call_id": "call-b"}]

    with_ports(act, idle_max_s=0.2)


def test_when_no_port_is_free_it_is_said():
    async def act(ports, *_):
        given = [ports.allocate() for _ in range(ports.n_free)]
        assert len(set(given)) == len(given)
        assert all(port % 2 == 0 for port in given)
        with pytest.raises(SlotError, match="no port is free"):
            ports.allocate()
        ports.free(given[0])
        ports.free(given[0])
        assert ports.n_free == 1
        ports.close()
        with pytest.raises(SlotError):
            ports.allocate()

    with_ports(act, n=3)


@pytest.mark.parametrize("ports", [range(0), range(10, 20), range(70_000, 70_010), range(5001, 5002)])
def test_a_range_without_ports_is_refused(ports):
    with pytest.raises(PolicyError, match="some even"):
        RtpPorts(Calls(), print, ports=ports)


# With the real server


def test_a_recording_over_udp_is_judged():
    samples, _ = soundfile.read(SAMPLES / "human-01.wav", dtype="int16")
    data = np.concatenate([samples, np.zeros(16_000, "<i2")]).astype(">i2").tobytes()
    types = {96: (Encoding.PCM16BE, 8000)}
    detector = Detector(encoding=Encoding.PCM16BE)
    alone = [*detector.feed(data[: len(data) // 320 * 320]), *detector.finish()]  # and all is compiled before

    async def scenario():
        told = []
        server = Server(told.append, limits=Limits(grace_s=0.0))
        listener = RtpListener(
            server, told.append, settings=RtpSettings(payload_types=types, packets_max_s=100_000)
        )
        port = listener.start(bind("127.0.0.1", 0))
        server.add(Listener(close=listener.close, wait_closed=listener.wait_closed))
        with sender(port) as sock:
            for k, at in enumerate(range(0, len(data) - 319, 320)):
                sock.send(rtp(k, 160 * k, data[at : at + 320], payload_type=96))
                if k % 20 == 19:
                    await asyncio.sleep(0.001)
            await until(lambda: any(line.get("final") for line in told))
        await server.stop()
        return told

    told = asyncio.run(scenario())
    expected = [event for event in alone if isinstance(event, Verdict)]
    verdicts = [line for line in told if line["type"] == "verdict"]
    assert [(line["party"], line["known_s"]) for line in verdicts] == [
        (event.party, round(event.known_s, 4)) for event in expected
    ]
    assert {line["system"] for line in verdicts} == {"rtp"}
    times = [line["known_s"] for line in told if "known_s" in line]
    assert all(before <= after for before, after in pairwise(times))
    assert told[-1]["type"] == "ended"

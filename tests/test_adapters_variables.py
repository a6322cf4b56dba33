"""AMDSTATUS and AMDCAUSE by Asterisk's manager (AMI) and REST interface (ARI): fakes of both over real sockets."""

import asyncio
import base64
import itertools
import json
import ssl
import uuid
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import soundfile
from certificates import make_certificate, needs_openssl
from fake_manager import USER, WORD, FakeManager
from generated import SAMPLES
from http_peer import CLOSE, HANG, HttpPeer
from hypothesis import given
from hypothesis import strategies as st
from wire import FAULT, bytewise, cut, frame

from amd import Detector, Verdict
from amd.adapters.ami_wire import LINE_MAX_BYTES, PACKET_MAX_LINES, AmiReader, write_action
from amd.adapters.ari import Ari, AriSettings
from amd.adapters.audiosocket import HANGUP_FRAME, AudioSocketDecoder
from amd.adapters.channel_variables import VariableError, VerdictSetter
from amd.adapters.manager import Manager, ManagerSettings
from amd.adapters.media import Stopped
from amd.adapters.server import Limits, Listener, Server
from amd.adapters.systems import SYSTEMS
from amd.audio import Encoding
from amd.errors import PolicyError, WireError
from amd.vocabularies import asterisk as asterisk_names

CALL = "5f3b7a52-2c9e-4b5e-9d55-0c1f8f1f8d11"
OTHER = "5f3b7a52-2c9e-4b5e-9d55-0c1f8f1f8d12"
CHANNEL = "PJSIP/trunk-00000001"
RESULT = {"AMDSTATUS": "MACHINE", "AMDCAUSE": "LONGGREETING-4608-1500"}
QUICK = {"wait_first_s": 0.01, "wait_max_s": 0.05}


def with_manager(act, channels=None, *, settings=None, **fake):
    """Run ``act(manager, asterisk, told)`` on a manager that is connected to a fake Asterisk."""

    async def scenario():
        told = []
        async with FakeManager(channels, **fake) as asterisk:
            fields = {"port": asterisk.port, "user": USER, "secret": WORD, **QUICK, **(settings or {})}
            manager = Manager(ManagerSettings(**fields), told.append)
            await manager.start()
            try:
                async with asyncio.timeout(30):
                    await act(manager, asterisk, told)
            finally:
                await manager.stop()
            return asterisk, told

    return asyncio.run(scenario())


def named(actions):
    return [action["Action"] for action in actions]


async def set_once(manager, *_):
    await manager.set_variables(CALL, RESULT)


@pytest.mark.parametrize("in_bytes", [False, True])
def test_a_channel_that_the_dialplan_named_while_we_listened_is_set_at_once(in_bytes):
    async def act(manager, asterisk, _):
        await asterisk.wait_for(lambda said: "Login" in said)
        await asterisk.set_in_dialplan(CHANNEL, "AMDUUID", CALL.upper())
        await asterisk.set_in_dialplan("PJSIP/trunk-00000002", "OTHER", OTHER)
        await manager.set_variables(CALL, RESULT)

    asterisk, told = with_manager(act, bytewise=in_bytes)
    assert asterisk.channels[CHANNEL] == {"AMDUUID": CALL.upper(), **RESULT}
    assert named(asterisk.actions) == ["Challenge", "Login", "Setvar", "Setvar"]
    assert told == [{"type": "manager_works"}]


def test_a_channel_that_was_named_before_we_listened_is_asked_for():
    channels = {"PJSIP/a-1": {"AMDUUID": OTHER}, CHANNEL: {"AMDUUID": CALL}, "PJSIP/a-3": {}}
    asterisk, _ = with_manager(set_once, channels)
    assert asterisk.channels[CHANNEL] == {"AMDUUID": CALL, **RESULT}
    assert asterisk.channels["PJSIP/a-1"] == {"AMDUUID": OTHER}
    assert named(asterisk.actions) == ["Challenge", "Login", "Status", "Setvar", "Setvar"]


def test_the_secret_is_never_on_the_wire_nor_in_a_repr():
    asterisk, _ = with_manager(set_once, {CHANNEL: {"AMDUUID": CALL}})
    assert WORD not in json.dumps(asterisk.actions)
    assert WORD not in repr(ManagerSettings(user=USER, secret=WORD))


@needs_openssl
def test_over_tls_only_an_asterisk_that_an_authority_vouches_for_is_told_anything(tmp_path):
    tls, file = make_certificate(tmp_path)
    trusting = {"tls": ssl.create_default_context(cafile=str(file))}
    asterisk, _ = with_manager(set_once, {CHANNEL: {"AMDUUID": CALL}}, tls=tls, settings=trusting)
    assert asterisk.channels[CHANNEL] == {"AMDUUID": CALL, **RESULT}

    async def act(_manager, _asterisk, told):
        while not told:
            await asyncio.sleep(0.01)

    asterisk, told = with_manager(act, tls=tls, settings={"tls": ssl.create_default_context()})
    assert told == [{"type": "manager_failing", "reason": "SSLCertVerificationError"}]
    assert asterisk.actions == []


@pytest.mark.parametrize("action", ["Challenge", "Login", "Status", "Setvar"])
def test_a_connection_that_is_lost_comes_back_and_the_variables_are_set(action):
    asterisk, told = with_manager(set_once, {CHANNEL: {"AMDUUID": CALL}}, failing=[(action, "drop")])
    assert asterisk.channels[CHANNEL] == {"AMDUUID": CALL, **RESULT}
    assert [line["type"] for line in told][-1] == "manager_works"
    assert {"type": "manager_failing", "reason": "Asterisk closed the connection"} in told


def test_an_asterisk_that_was_down_is_found_when_it_is_up_again():
    async def act(manager, asterisk, told):
        await asterisk.wait_for(lambda said: "Login" in said)
        await asterisk.shut()
        while not any(line["type"] == "manager_failing" for line in told):
            await asyncio.sleep(0)
        waiting = asyncio.create_task(manager.set_variables(CALL, RESULT))
        await asterisk.listen()
        await waiting

    asterisk, told = with_manager(act, {CHANNEL: {"AMDUUID": CALL}})
    assert asterisk.channels[CHANNEL]["AMDSTATUS"] == "MACHINE"
    assert [line["type"] for line in told][-2:] == ["manager_failing", "manager_works"]


def refused(channels, match, **fake):
    async def act(manager, *_):
        with pytest.raises(VariableError, match=match) as error:
            await manager.set_variables(CALL, RESULT)
        assert "2025550101" not in str(error.value)

    return with_manager(act, channels, **fake)


def test_a_call_that_no_channel_has_is_told():
    refused({CHANNEL: {"AMDUUID": OTHER}}, "no channel has AMDUUID")


@pytest.mark.parametrize(
    ("failing", "match"),
    [
        (("Setvar", "refuse"), "did not set AMDSTATUS"),
        (("Setvar", "mute"), "did not answer Setvar in time"),
        (("Status", "mute"), "did not answer Status in time"),
        (("Status", "refuse"), "no channel has AMDUUID"),
    ],
)
def test_what_asterisk_refuses_or_leaves_open_is_told(failing, match):
    refused({CHANNEL: {"AMDUUID": CALL}}, match, failing=[failing], settings={"answer_max_s": 0.3})


def test_a_channel_that_is_gone_is_told_and_forgotten():
    async def act(manager, asterisk, _):
        await asterisk.wait_for(lambda said: "Login" in said)
        await asterisk.set_in_dialplan(CHANNEL, "AMDUUID", CALL)
        await manager.set_variables(CALL, RESULT)
        del asterisk.channels[CHANNEL]
        with pytest.raises(VariableError, match="is the channel gone"):
            await manager.set_variables(CALL, RESULT)
        with pytest.raises(VariableError, match="no channel has"):
            await manager.set_variables(CALL, RESULT)

    with_manager(act)


@pytest.mark.parametrize(
    ("fake", "reason"),
    [
        ({"greeting": b"SSH-2.0-OpenSSH_9.6\r\n"}, "another port"),
        ({"failing": [("Login", "refuse")]}, "refused the login"),
        ({"failing": [("Challenge", "refuse")]}, "no challenge"),
        ({"failing": [("Challenge", "mute")]}, "did not answer Challenge"),
    ],
)
def test_why_it_does_not_work_is_told_once(fake, reason):
    async def act(_manager, _asterisk, told):
        while not any(reason in line.get("reason", "") for line in told):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)

    _, told = with_manager(act, settings={"answer_max_s": 0.3}, **fake)
    assert [line["type"] for line in told].count("manager_failing") == 1
    assert WORD not in json.dumps(told)


def test_a_connection_that_says_nothing_is_asked_and_then_left():
    async def act(_manager, asterisk, _):
        await asterisk.wait_for(lambda said: said.count("Ping") == 2)
        asterisk.failing += [("Ping", "mute")]
        await asterisk.wait_for(lambda said: said.count("Login") == 2)

    _, told = with_manager(act, settings={"ping_s": 0.1})
    assert {"type": "manager_failing", "reason": "TimeoutError"} in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMDSTATUS", "HUMAN\r\nAction: Originate"),
        ("A\r\nB", "x"),
        ("AMDSTATUS", "${EVAL}"),
        ("A,B", "x"),
        ("A", ""),
    ],
)
def test_no_value_becomes_another_action(name, value):
    async def act(manager, asterisk, _):
        await asterisk.wait_for(lambda said: "Login" in said)
        with pytest.raises(WireError, match="letters"):
            await manager.set_variables(CALL, {name: value})

    asterisk, _ = with_manager(act, {CHANNEL: {"AMDUUID": CALL}})
    assert named(asterisk.actions) == ["Challenge", "Login"]


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3), st.text(max_size=8))
def test_an_action_is_one_packet_or_is_refused(fields, name):
    try:
        data = write_action(name, "1", fields)
    except WireError:
        assert {"\r", "\n", "\0", ":"} & set("".join([name, *fields, *fields.values()]))
        return
    lines = data.decode().split("\r\n")
    assert lines[-2:] == ["", ""]
    assert "" not in lines[:-2]
    assert len(lines) == 2 + len({"Action", "ActionID", *fields})


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"host": "pbx.example.org"}, "must have TLS"),
        ({"user": "a\r\nb"}, "one line"),
        ({"variable": "A B"}, "letters"),
        ({"ping_s": 0}, "ping_s"),
    ],
)
def test_a_manager_that_would_not_be_safe_is_refused(fields, match):
    with pytest.raises((PolicyError, WireError), match=match):
        ManagerSettings(**{"user": USER, "secret": WORD, **fields})


# The wire

HELLO = b"Asterisk Call Manager/7.0.3\r\n"
WIRE = {
    "a response": (
        HELLO + b"Response: Success\r\nActionID: 1\r\n\r\n",
        [[("Response", "Success"), ("ActionID", "1")]],
    ),
    "bare line ends": (HELLO + b"A: b\n\n\n\nC: d:e\n\n", [[("A", "b")], [("C", "d:e")]]),
    "half a packet": (HELLO + b"A: b\r\n\r\nC: d\r\n", [[("A", "b")]]),
    "no colon": (HELLO + b"what\r\n\r\n", [[("what", "")]]),
    "no manager": (b"HTTP/1.1 400 Bad Request\r\n", [FAULT]),
    "a line without an end": (HELLO + b"A: b\r\n\r\n" + b"x" * (LINE_MAX_BYTES + 1), [[("A", "b")], FAULT]),
    "a packet too long": (HELLO + (b"A: " + b"x" * 16_000 + b"\r\n") * 5, [FAULT]),
    "a packet without an end": (HELLO + b"A: b\r\n" * (PACKET_MAX_LINES + 1), [FAULT]),
}


def packets_of(pieces):
    reader = AmiReader()
    packets = []
    try:
        for piece in [*pieces, b""]:
            packets += [list(packet.fields) for packet in reader.feed(piece)]
    except WireError:
        packets.append(FAULT)
    return packets


@pytest.mark.parametrize("case", WIRE)
def test_the_manager_is_read_whole_and_byte_by_byte(case):
    data, expected = WIRE[case]
    assert packets_of([data]) == expected
    assert packets_of(bytewise(data)) == expected


@given(st.binary(max_size=200).map(lambda rest: HELLO + rest), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_cut_of_any_bytes_gives_the_same_packets(data, places):
    assert packets_of(cut(data, places)) == packets_of([data])


# ARI


def with_ari(actions, call_id=CALL, **settings):
    async def scenario():
        async with HttpPeer(actions, after=204) as peer:
            url = f"http://127.0.0.1:{peer.port}/ari"
            ari = Ari(AriSettings(**{"url": url, "user": USER, "password": WORD, "wait_s": 0.01, **settings}))
            await ari.start()
            try:
                await ari.set_variables(call_id, RESULT)
            finally:
                await ari.stop()
                result = peer.requests
            return result

    return asyncio.run(scenario())


def test_ari_sets_the_variables_of_the_channel_with_the_id():
    requests = with_ari([])
    assert [request.method for request in requests] == ["POST", "POST"]
    paths = [urlsplit(request.path) for request in requests]
    assert {path.path for path in paths} == {f"/ari/channels/{CALL}/variable"}
    asked = [parse_qs(path.query) for path in paths]
    assert {one["variable"][0]: one["value"][0] for one in asked} == RESULT
    word = base64.b64decode(requests[0].headers["authorization"].removeprefix("Basic ")).decode()
    assert word == f"{USER}:{WORD}"


def test_ari_is_asked_again_when_it_fails_on_the_way():
    requests = with_ari([500, CLOSE, HANG, 204], answer_max_s=0.3)
    assert len(requests) == 5


@pytest.mark.parametrize(
    ("status", "match"),
    [(404, "no channel"), (409, "Stasis"), (401, "ari.conf"), (403, "read_only"), (302, "refused")],
)
def test_what_ari_refuses_is_told(status, match):
    with pytest.raises(VariableError, match=match):
        with_ari([status])


def test_no_id_of_a_call_is_another_path_of_ari():
    requests = with_ari([], call_id="../../asterisk/modules\r\nX: y?a=b\ud800")
    assert {urlsplit(request.path).path for request in requests} == {
        "/ari/channels/..%2F..%2Fasterisk%2Fmodules%0D%0AX%3A%20y%3Fa%3Db%3F/variable"
    }
    assert unquote(requests[0].path).startswith("/ari/channels/../../asterisk")


def test_ari_beyond_this_machine_must_be_encrypted_and_hides_its_password():
    with pytest.raises(PolicyError, match="must be https"):
        AriSettings(url="http://pbx.example.org:8088/ari", user=USER, password=WORD)
    assert WORD not in repr(AriSettings(user=USER, password=WORD))


# From a line to a dialplan that goes on


class Setter:
    def __init__(self, fault=None, *, hangs=False):
        self.fault = fault
        self.hangs = hangs
        self.set = []

    async def set_variables(self, call_id, variables):
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.set.append((call_id, dict(variables)))


def line(kind="verdict", **more):
    head = {"call": 1, "system": "audiosocket", "call_id": CALL, "type": kind}
    return {**head, "final": True, "party": "machine", **RESULT, **more}


def released(lines, setter, **fields):
    async def scenario():
        let_go, told = [], []
        verdicts = VerdictSetter(setter, let_go.append, told.append, **fields)
        for one in lines:
            verdicts.send(one)
        await verdicts.stop(10)
        return let_go, told, verdicts

    return asyncio.run(scenario())


def test_a_final_verdict_sets_the_variables_and_then_lets_the_call_go():
    setter = Setter()
    lines = [line(final=False), line("started"), line(), line(), line("ended")][:4]
    let_go, told, verdicts = released(lines, setter)
    assert setter.set == [(CALL, RESULT)]
    assert (let_go, told, verdicts.n_set) == ([1], [], 1)


def test_calls_of_other_systems_are_left_alone():
    setter = Setter()
    assert released([line(system="twilio"), {"type": "refused"}], setter)[0] == []
    assert setter.set == []


@pytest.mark.parametrize(
    ("setter", "reason"),
    [
        (Setter(VariableError("no channel has AMDUUID")), "no channel has AMDUUID"),
        (Setter(hangs=True), "no answer in time"),
    ],
)
def test_a_call_whose_variables_cannot_be_set_is_told_and_let_go_all_the_same(setter, reason):
    let_go, told, verdicts = released([line()], setter, set_max_s=0.1)
    assert told == [{"type": "variables_failed", "call": 1, "call_id": CALL, "reason": reason}]
    assert (let_go, verdicts.n_failed) == ([1], {reason: 1})


def test_a_call_without_an_id_is_told():
    _, told, _ = released([line(call_id=None)], Setter())
    assert told[0]["reason"] == "the call has no id"


def test_a_call_that_ended_is_not_let_go_again():
    let_go, _, verdicts = released([line(), line("ended")], Setter())
    assert (let_go, verdicts._calls) == ([], {})


@pytest.mark.parametrize("ending", [line("greeting_ended"), line("deadline", what="greeting_end")])
def test_to_leave_a_message_a_machine_is_let_go_at_its_greetings_end(ending):
    lines = [line(), line("deadline", what="verdict"), ending]
    for n, expected in ((2, []), (3, [1])):
        assert released(lines[:n], Setter(), until_end=True)[0] == expected
    assert released([line(party="human")], Setter(), until_end=True)[0] == [1]


def test_a_call_is_let_go_once_in_whatever_order_its_lines_come():
    for lines in itertools.permutations([line(), line("greeting_ended"), line("deadline", what="greeting_end")]):
        assert len(released(lines, Setter(), until_end=True)[0]) <= 1


def test_the_frame_that_lets_a_call_go_is_a_hangup():
    assert AudioSocketDecoder().feed(HANGUP_FRAME) == (Stopped(reason="hangup"),)


class Connection(asyncio.Protocol):
    """AudioSocket in, as a server does it: what `release` is given belongs here."""

    def __init__(self, server, open_calls):
        self.server, self.open_calls = server, open_calls

    def connection_made(self, transport):
        self.transport = transport
        self.session = self.server.open(SYSTEMS["audiosocket"], lambda _: transport.close())
        self.open_calls[self.session.number] = self

    def data_received(self, data):
        self.session.feed(data)

    def connection_lost(self, _):
        self.session.end("closed")

    def let_go(self):
        self.transport.write(HANGUP_FRAME)
        self.session.end("hangup")


def test_from_a_recording_to_a_dialplan_that_goes_on_with_its_variables():
    samples, _ = soundfile.read(SAMPLES / "machine-01.wav", dtype="int16")
    data = samples.tobytes() + bytes(32_000)
    detector = Detector(encoding=Encoding.PCM16)
    alone = [*detector.feed(data), *detector.finish()]  # and all is compiled before
    expected = next(event for event in alone if isinstance(event, Verdict) and event.final)

    async def act(manager, asterisk, told):
        await asterisk.wait_for(lambda said: "Login" in said)
        await asterisk.set_in_dialplan(CHANNEL, "AMDUUID", CALL)
        calls = {}
        verdicts = VerdictSetter(manager, lambda call: calls[call].let_go(), told.append)

        def tell(line):
            told.append(line)
            verdicts.send(line)

        server = Server(tell, limits=Limits(grace_s=0.0))
        listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(server, calls), "127.0.0.1", 0
        )
        server.add(Listener(close=listening.close, wait_closed=listening.wait_closed))
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(frame(0x01, uuid.UUID(CALL).bytes))
        for at in range(0, len(data) - 319, 320):
            writer.write(frame(0x10, data[at : at + 320]))
        assert await reader.read() == HANGUP_FRAME
        assert "AMDSTATUS" in asterisk.channels[CHANNEL]
        writer.close()
        await server.stop()
        await verdicts.stop(10)

    asterisk, told = with_manager(act)
    assert asterisk.channels[CHANNEL]["AMDSTATUS"] == asterisk_names(expected).amdstatus == "MACHINE"
    assert asterisk.channels[CHANNEL]["AMDCAUSE"] == asterisk_names(expected).amdcause
    assert "variables_failed" not in {line["type"] for line in told}

"""Who may connect to ``amd listen``: tokens, networks, TLS, and what is refused beyond this machine."""

import asyncio
import contextlib
import ipaddress
import json
import ssl
import subprocess
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wire import frame

from amd.adapters.access import Access, check_exposure, networks_of, tls_of, tokens_in
from amd.adapters.server import Limits, Server
from amd.adapters.websocket import listen_websocket
from amd.cli import main
from amd.errors import PolicyError

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 -- a test's
OTHER = TOKEN[::-1]
START = json.dumps({"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1"}})


def pair_at(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for loopback and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return pair_at(tmp_path_factory.mktemp("tls"), "one")


def listening(scenario, **access):
    """Run a scenario with a server, the port of its websockets and the lines it told."""
    lines = []

    async def run():
        server = Server(lines.append, limits=Limits(grace_s=0.0), access=Access(**access))
        port = await listen_websocket(server, LOOPBACK, 0)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await scenario(server, port)
        finally:
            await server.stop()

    return asyncio.run(run()), lines


async def status_of(url, **options):
    try:
        async with connect(url, **options) as peer:
            await peer.send(START)
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("", None, 401),
        ("?token=wrong", None, 401),
        ("", f"Bearer {OTHER[:-1]}", 401),
        ("", TOKEN, 401),
        (f"?token={TOKEN}", None, 101),
        ("", f"Bearer {OTHER}", 101),
    ],
)
def test_a_websocket_must_bring_one_of_the_tokens(query, header, status):
    async def scenario(_, port):
        headers = {"Authorization": header} if header else {}
        return await status_of(f"ws://{LOOPBACK}:{port}/twilio{query}", additional_headers=headers)

    got, lines = listening(scenario, tokens=(TOKEN, OTHER))
    assert got == status
    assert [line["reason"] for line in lines if line["type"] == "refused"] == (["token"] if status == 401 else [])
    assert TOKEN not in json.dumps(lines)


def test_who_has_no_token_does_not_learn_which_systems_there_are():
    async def scenario(_, port):
        return await status_of(f"ws://{LOOPBACK}:{port}/pigeons")

    assert listening(scenario, tokens=(TOKEN,))[0] == 401


def test_a_token_is_not_shown():
    assert TOKEN not in repr(Access(tokens=(TOKEN,)))


def test_calls_over_tls_are_judged_and_plain_ones_are_turned_away(pair):
    certificate, key = pair
    trust = ssl.create_default_context(cafile=certificate)

    async def scenario(server, port):
        async with connect(f"wss://{LOOPBACK}:{port}/asterisk", ssl=trust) as peer:
            await peer.send("MEDIA_START connection_id:c channel:x format:ulaw optimal_frame_size:160")
            for _ in range(300):
                await peer.send(b"\xff" * 160)
            await peer.send(b"\xff" * 60_000)  # several records of TLS
        while server.sessions or server.in_flight["asterisk"]:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"GET /asterisk HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert not (await reader.read()).startswith(b"HTTP")
        writer.close()

    _, lines = listening(scenario, tls=tls_of(certificate, key))
    verdicts = [(line["party"], line["known_s"]) for line in lines if line["type"] == "verdict"]
    assert [party for party, _ in verdicts] == ["silence", "silence"]
    assert [line["reason"] for line in lines[-2:]] == ["closed", "no handshake"]


def test_a_certificate_can_be_replaced_and_calls_in_flight_go_on(pair, tmp_path):
    first, second = tls_of(*pair), tls_of(*pair_at(tmp_path, "two"))
    trusts = [ssl.create_default_context(cafile=one) for one in (pair[0], tmp_path / "two.pem")]

    async def scenario(server, port):
        url = f"wss://{LOOPBACK}:{port}/asterisk"
        async with connect(url, ssl=trusts[0]) as before:
            await before.send("MEDIA_START connection_id:c channel:before format:ulaw optimal_frame_size:160")
            server.access = Access(tls=second)
            async with connect(url, ssl=trusts[1]) as after:
                await after.send("MEDIA_START connection_id:c channel:after format:ulaw optimal_frame_size:160")
            with pytest.raises(ssl.SSLError):
                await connect(url, ssl=trusts[0])
            await before.send(b"\xff" * 50_000)

    _, lines = listening(scenario, tls=first)
    assert {line["call_id"] for line in lines if line["type"] == "ended"} == {"before", "after"}
    assert [line["reason"] for line in lines if line["type"] == "refused"] == ["no handshake"]
    assert [line["party"] for line in lines if line.get("call_id") == "before" and line["type"] == "verdict"]


def test_audiosocket_comes_from_the_networks_that_are_allowed():
    access = Access(networks=networks_of(["10.1.0.0/16", "2001:db8::7"]))
    admitted = ["10.1.2.3", "127.0.0.1", "::1", "::ffff:10.1.0.9", "2001:db8::7"]
    refused = ["10.2.0.1", "192.0.2.1", "2001:db8::8", "::ffff:192.0.2.1", "fe80::1%eth0"]
    assert [access.admits(host) for host in admitted] == [True] * len(admitted)
    assert [access.admits(host) for host in refused] == [False] * len(refused)
    assert Access().admits("192.0.2.1")


def test_a_host_that_is_not_allowed_is_told_and_closed(monkeypatch):
    monkeypatch.setattr(Access, "admits", lambda *_: False)
    lines = []

    async def scenario():
        server = Server(lines.append, limits=Limits(grace_s=0.0))
        port = await server.listen_audiosocket(LOOPBACK, 0)
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        async with asyncio.timeout(LIMIT_S):
            assert await reader.read() == b""
        writer.close()
        await server.stop()

    asyncio.run(scenario())
    assert lines == [{"type": "refused", "system": "audiosocket", "reason": "network"}]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "has no token"),
        ("# none\n\n", "has no token"),
        ("# short\nsecret\n", "line 2: a token of 6 characters"),
        (f"{TOKEN} {OTHER}\n", "two on a line"),
        ("é" * 20, "visible ASCII"),
    ],
)
def test_tokens_that_are_none_are_refused_without_showing_them(content, match, tmp_path):
    path = tmp_path / "tokens"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PolicyError, match=match) as refused:
        tokens_in(path)
    assert not any(word in str(refused.value) for word in ("secret", TOKEN))


def test_tokens_are_read_one_a_line(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# two\n{TOKEN}\n\n  {OTHER}\n")
    assert tokens_in(path) == (TOKEN, OTHER)


def test_a_certificate_that_does_not_fit_its_key_is_refused(pair, tmp_path):
    certificate, key = pair
    other, _ = pair_at(tmp_path, "other")
    for paths in ((other, key), (key, certificate), (tmp_path / "none.pem", key)):
        with pytest.raises(PolicyError, match="certificate"):
            tls_of(*paths)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.0.5", "pbx.example.org"])  # noqa: S104
def test_what_lacks_protection_does_not_listen_beyond_this_machine(host):
    with pytest.raises(PolicyError, match="--tokens"):
        check_exposure("--websocket", host, missing=["--tokens"], unprotected=False)
    check_exposure("--websocket", host, missing=["--tokens"], unprotected=True)
    check_exposure("--websocket", host, missing=[], unprotected=False)
    for loopback in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        check_exposure("--websocket", loopback, missing=["--tokens"], unprotected=False)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--websocket", "0.0.0.0:0"], "--tls-certificate and --tokens"),
        (["--audiosocket", "0.0.0.0:0"], "--allow"),
        (["--audiosocket", "0", "--metrics", "0.0.0.0:0"], "metrics"),
        (["--websocket", "0.0.0.0:0", "--unprotected", "yes"], "anyone-may-connect"),
        (["--websocket", "0", "--tls-key", "key.pem"], "both"),
    ],
)
def test_the_command_refuses_what_lets_in_anyone(arguments, match, capsys):
    assert main(["listen", *arguments]) == 1
    assert match in capsys.readouterr().err


def test_networks_that_are_none_are_named():
    assert networks_of(["192.0.2.7"]) == (ipaddress.ip_network("192.0.2.7/32"),)
    for text in ("10.1.0.5/16", "pbx", "10.0.0.0/40"):
        with pytest.raises(PolicyError, match=text):
            networks_of([text])


def test_a_peer_that_never_says_what_it_wants_is_dropped(monkeypatch):
    monkeypatch.setattr("amd.adapters.websocket.OPEN_MAX_S", 0.1)

    async def scenario(_, port):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"GET /twilio HTTP/1.1\r\n")
        got = await reader.read()
        writer.close()
        return got

    got, lines = listening(scenario)
    assert got == b""
    assert lines == [{"type": "refused", "system": "websocket", "reason": "no handshake"}]


@pytest.mark.parametrize(
    "head", [b"\x16\x03\x01" + bytes(40) + b"\r\n\r\n", b"A" * 40_000, frame(0x10, bytes(320)) * 100]
)
def test_what_is_no_websocket_is_told_and_dropped(head):
    async def scenario(_, port):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(head)
        try:
            got = await reader.read()
        except ConnectionResetError:
            got = b""
        writer.close()
        return got

    got, lines = listening(scenario)
    assert not got.startswith(b"HTTP/1.1 101")
    assert lines == [{"type": "refused", "system": "websocket", "reason": "no websocket"}]

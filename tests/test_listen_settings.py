"""What ``amd listen`` is told: flags over environment over file over defaults, and slips that are named."""

import argparse
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wire import frame

from amd.commands import lines as lines_module
from amd.commands.lines import Lines
from amd.commands.listen_settings import NAMES, Settings, add_options, settings_of
from amd.errors import PolicyError

LIMIT_S = 30.0


def read(arguments=(), environment=None, text=None, folder=None):
    parser = argparse.ArgumentParser()
    add_options(parser)
    arguments = list(arguments)
    if text is not None:
        path = folder / "listen.toml"
        path.write_text(text)
        arguments += ["--config", str(path)]
    return settings_of(parser.parse_args(arguments), environment or {})


def test_without_anything_it_is_the_default():
    assert read() == Settings()


def test_a_flag_counts_before_the_environment_before_the_file(tmp_path):
    text = '[listen]\naudiosocket = 1111\nwebsocket = "10.0.0.1:1111"\ncalls = 11\nallow = ["10.0.0.0/8", "::1"]\n'
    environment = {"AMD_LISTEN_WEBSOCKET": "2222", "AMD_LISTEN_CALLS": "22", "OTHER": "x"}
    settings = read(["--calls", "33"], environment, text, tmp_path)
    assert (settings.audiosocket, settings.websocket, settings.calls) == (
        ("127.0.0.1", 1111),
        ("127.0.0.1", 2222),
        33,
    )
    assert [str(one) for one in settings.allow] == ["10.0.0.0/8", "::1/128"]


def test_every_option_can_be_told_in_each_way(tmp_path):
    texts = {
        "audiosocket": "9092",
        "websocket": "[::1]:9093",
        "metrics": "9094",
        "tls_certificate": "cert.pem",
        "tls_key": "key.pem",
        "tokens": "tokens.txt",
        "allow": "10.0.0.0/8",
        "unprotected": "anyone-may-connect",
        "calls": "7",
        "idle": "1.5",
        "longest": "20",
        "grace": "0",
        "policy": "fast",
        "early_media": "true",
        "model": "m.npz",
        "rtp": "4000",
        "webhook": "https://dialer.example.org/amd",
        "webhook_secret": "hook.txt",
        "webhook_form": "twilio",
        "webhook_final": "true",
        "ami": "5038",
        "ami_tls": "true",
        "ari": "https://asterisk.example.org:8089/ari",
        "asterisk_user": "amd",
        "asterisk_secret": "secret.txt",
    }
    switches = {"early_media", "webhook_final", "ami_tls"}
    assert texts.keys() == set(NAMES)
    flags = [
        part
        for name, text in texts.items()
        for part in ([f"--{name.replace('_', '-')}"] + ([] if name in switches else [text]))
    ]
    by_flag = read(flags)
    by_environment = read((), {f"AMD_LISTEN_{name.upper()}": text for name, text in texts.items()})
    by_file = read(
        (), None, "[listen]\n" + "\n".join(f"{n} = {json.dumps(t)}" for n, t in texts.items()), tmp_path
    )
    assert by_flag == by_environment == by_file
    assert all(getattr(by_flag, name) != getattr(Settings(), name) for name in NAMES)
    dashed = "[listen]\nearly-media = true\ntls-key = 'key.pem'\nidle = 1.5\n"
    settings = read((), None, dashed, tmp_path)
    assert (settings.early_media, settings.tls_key, settings.idle) == (True, Path("key.pem"), 1.5)


def test_the_environment_can_name_the_file(tmp_path):
    path = tmp_path / "listen.toml"
    path.write_text("[listen]\ncalls = 5\n")
    assert read((), {"AMD_LISTEN_CONFIG": str(path)}).calls == 5


@pytest.mark.parametrize(
    ("arguments", "environment", "text", "match"),
    [
        (["--audiosocket", "99999"], {}, None, "--audiosocket: '99999' must be a port"),
        (["--calls", "0"], {}, None, "--calls: '0' must be a whole number"),
        (["--idle", "60000000"], {}, None, "--idle: .* milliseconds"),
        (["--idle", "5s"], {}, None, "--idle: '5s' .* without its unit"),
        (["--policy", "quick"], {}, None, "--policy: 'quick' is none of balanced"),
        (["--allow", "10.0.0.0/99"], {}, None, "--allow: network '10.0.0.0/99'"),
        ([], {"AMD_LISTEN_CALS": "5"}, None, "AMD_LISTEN_CALS is no option: AMD_LISTEN_CALLS"),
        ([], {"AMD_LISTEN_EARLY_MEDIA": "maybe"}, None, "AMD_LISTEN_EARLY_MEDIA: 'maybe'"),
        ([], {}, "[listen]\ntls_cert = 'x'\n", "tls_cert is no option: tls-certificate"),
        ([], {}, "[listen]\ncalls = '5'\nidle = true\n", "idle: 'true' must be seconds"),
        ([], {}, "[listen]\ncalls = {a = 1}\n", "calls is a TOML dict"),
        ([], {}, "calls = 5\n", "'calls' is outside of it"),
        ([], {}, "", "there is none"),
        ([], {}, "[listen]\nmodel = m.npz\n", "no TOML"),
        ([], {}, "[listen]\nconfig = 'other.toml'\n", "does not name another"),
    ],
)
def test_a_slip_is_named(arguments, environment, text, match, tmp_path):
    with pytest.raises(PolicyError, match=match):
        read(arguments, environment, text, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"none\.toml: No such file"):
        read(["--config", str(tmp_path / "none.toml")])


def test_what_needs_a_restart_is_known():
    old, new = Settings(), Settings(calls=5, policy="fast", audiosocket=("127.0.0.1", 1))
    assert old.changes_that_wait(new) == ["audiosocket", "calls"]


class Slow(io.StringIO):
    """A reader who does not read."""

    def write(self, text):
        time.sleep(0.2)
        return super().write(text)


def test_a_reader_who_does_not_keep_up_holds_nothing_up_and_loses_lines(monkeypatch):
    monkeypatch.setattr(lines_module, "LINES_MAX", 10)
    slow = Slow()
    with contextlib.redirect_stdout(slow):
        lines = Lines(lambda: None)
        for number in range(100):
            lines.tell({"n": number})
        lines.close()
    written = [json.loads(text)["n"] for text in slow.getvalue().splitlines()]
    assert written[0] == 0
    assert len(written) + lines.n_lost == 100
    assert 0 < lines.n_lost < 100


def command(*arguments, environment=None):
    return subprocess.Popen(
        [sys.executable, "-m", "amd", "listen", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def test_a_reload_is_for_calls_that_begin_later_and_a_slip_changes_nothing(tmp_path):
    path = tmp_path / "listen.toml"
    path.write_text('[listen]\naudiosocket = 0\ngrace = 0\npolicy = "balanced"\n')
    with command("--config", str(path)) as process:
        port = int(process.stderr.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(frame(0x01, bytes(16)) + frame(0x10, bytes(320)))
            assert json.loads(process.stdout.readline())["type"] == "started"
            path.write_text('[listen]\naudiosocket = 0\ngrace = 0\npolicy = "quick"\n')
            process.send_signal(signal.SIGHUP)
            assert "not reloaded" in process.stderr.readline()
            path.write_text('[listen]\naudiosocket = 0\ngrace = 0\ncalls = 3\npolicy = "fast"\n')
            process.send_signal(signal.SIGHUP)
            assert process.stderr.readline() == "amd: reloaded, but for calls: that needs a restart\n"
            peer.sendall(b"".join(frame(0x10, bytes(320)) for _ in range(600)) + frame(0x00))
            told = [json.loads(process.stdout.readline())]
            while told[-1]["type"] != "ended":
                told.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    assert [(line["party"], line["final"]) for line in told if line["type"] == "verdict"] == [
        ("silence", False),
        ("silence", True),
    ]
    assert told[-1]["reason"] == "hangup"

"""Every decoder on what hypothesis draws, by the checks of the fuzzer; the checks on decoders that break them."""

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import frame

from amd.adapters.audiosocket import AudioSocketDecoder
from amd.adapters.media import Audio, Stopped
from amd.adapters.systems import SYSTEMS
from amd.audio import Encoding
from amd.errors import WireError
from benchmarks.fuzz.command import replay
from benchmarks.fuzz.messages import CHANGE, change
from benchmarks.fuzz.properties import (
    LONG_EVERY,
    BrokenError,
    check_messages,
    check_stream,
    held_bytes,
    records,
    script,
)
from benchmarks.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[1]


def spliced(seeds):
    """Pieces of inputs to begin from, with whatever between them."""
    piece = st.one_of(
        st.sampled_from(seeds),
        st.sampled_from(seeds).flatmap(lambda seed: st.slices(len(seed)).map(lambda part: seed[part])),
        st.binary(max_size=20),
    )
    return st.lists(piece, max_size=4).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_fuzzer_begins_from_breaks_nothing(name):
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_whatever_is_drawn_no_decoder_breaks(name, data):
    TARGETS[name].check(data.draw(spliced(TARGETS[name].seeds)))


def test_every_system_is_fuzzed():
    assert SYSTEMS.keys() <= TARGETS.keys()


@given(st.lists(st.one_of(st.none(), st.text(max_size=9), st.binary(max_size=9)), max_size=9))
def test_a_script_is_read_as_it_was_written(pieces):
    assert records(script(pieces)) == pieces


class Cutting(AudioSocketDecoder):
    def feed(self, data, /):
        return tuple(event for event in super().feed(data) if len(data) > 1)


class Failing(AudioSocketDecoder):
    def feed(self, data, /):
        if b"\x42" in data:
            raise IndexError(data[0])
        return super().feed(data)


class Keeping(AudioSocketDecoder):
    def __init__(self):
        super().__init__()
        self.kept = []

    def feed(self, data, /):
        self.kept.append(bytes(data))
        return super().feed(data)


class Sloppy:
    """Counts what it refuses, and tells the count."""

    n = 0

    def feed(self, data, /):
        self.n += 1
        if not data:
            raise WireError("nothing")
        return (Audio(data=bytes(2), encoding=Encoding.PCM16, rate_hz=8000, at_sample=self.n),)

    def flush(self):
        return ()

    def finish(self):
        stopped, self.n = self.n >= 0, -1
        return (Stopped(reason="closed"),) if stopped else ()


class Blown(Sloppy):
    def feed(self, _, /):
        return (Audio(data=bytes(1000), encoding=Encoding.PCM16, rate_hz=8000),)


class Opening(Sloppy):
    """Is open once anything came, even if it was refused."""

    is_open = False

    def feed(self, data, /):
        was_open, self.is_open = self.is_open, True
        if not was_open:
            raise WireError("not open")
        return super().feed(data)


class Hoarding(Sloppy):
    def __init__(self):
        self.kept = []

    def feed(self, data, /):
        self.kept.append(data)
        return ()


class Endless(Sloppy):
    def finish(self):
        return (Stopped(reason="closed"),)


def long_one():
    """A stream that is among those which are fed on and on."""
    return next(
        data for n in range(10_000) if not zlib.crc32(data := frame(0x10, bytes([n % 256, n // 256]))) % LONG_EVERY
    )


@pytest.mark.parametrize(
    ("make", "data", "error", "match"),
    [
        (Cutting, frame(0x10, b"ab"), BrokenError, "pieces tell"),
        (Failing, b"\x42", IndexError, "66"),
        (Keeping, long_one(), BrokenError, "what it is fed stays"),
    ],
)
def test_a_broken_decoder_of_a_stream_is_found(make, data, error, match):
    check_stream(AudioSocketDecoder, 65_538, data)
    with pytest.raises(error, match=match):
        check_stream(make, 65_538, data)


@pytest.mark.parametrize(
    ("make", "pieces", "match"),
    [
        (Sloppy, [b"ab", b"", b"cd"], "refused messages change"),
        (Blown, [b"ab"], "more audio than they are"),
        (Opening, [b"ab", b"cd"], "only after one that was refused"),
        (Hoarding, [b"ab" * 999, b"cd" * 999], "what it is fed stays"),
        (Endless, [b"ab"], "told once"),
    ],
)
def test_a_broken_decoder_of_messages_is_found(make, pieces, match):
    with pytest.raises(BrokenError, match=match):
        check_messages(make, pieces)


def test_a_find_can_be_run_again(monkeypatch, capsys):
    assert replay("audiosocket", frame(0x10, b"ab")) == 0
    broken = TARGETS["audiosocket"].__class__(
        name="audiosocket", check=lambda data: check_stream(Cutting, 65_538, data), seeds=(b"",)
    )
    monkeypatch.setattr("benchmarks.fuzz.command.TARGETS", {"audiosocket": broken})
    assert replay("audiosocket", frame(0x10, b"ab")) == 1
    assert "pieces tell" in capsys.readouterr().out


def test_what_is_held_counts_what_is_held():
    keeping = Keeping()
    before = held_bytes(keeping)
    keeping.kept.append(bytes(10_000))
    assert 10_000 < held_bytes(keeping) - before < 11_000


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs the extra: fuzz")
def test_the_fuzzer_runs_guided_by_coverage(tmp_path):
    out = tmp_path / "fuzz.json"
    command = [sys.executable, "-m", "benchmarks", "fuzz", "--minutes", "0.03", "--decoder", "audiosocket"]
    subprocess.run(
        [*command, "--finds", str(tmp_path / "finds"), "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    (row,) = json.loads(out.read_text())["decoders"]
    assert row["decoder"] == "audiosocket"
    assert row["found"] is None
    assert row["inputs"] > len(TARGETS["audiosocket"].seeds)
    assert row["edges"] > 20


def test_a_plan_changes_one_place_of_a_message():
    messages = ['{"a": {"b": 1, "c": 2}, "d": 3}']
    assert change(f"{CHANGE}\0\1\2\0\4", messages) == '{"a": {"b": 1, "c": "x"}, "d": 3}'
    assert change(f"{CHANGE}\0\2\0\0\0", messages) == '{"a": {"b": 1, "c": 2}, "d": null}'
    assert change(f"{CHANGE}", messages) == "null"
    assert change("no plan", messages) == "no plan"
    assert change(b"\x01", messages) == b"\x01"

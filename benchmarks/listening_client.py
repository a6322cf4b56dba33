"""The calls of ``python -m benchmarks listen``: a process of its own that sends 20 ms frames to a server, on time.

It is lean, since it takes CPU from the server: frames are made beforehand, and a frame is one send. Calls are
spread over the 20 ms, and over the length of a call: some begin and end all the time.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from websockets.frames import Frame, Opcode

from amd.audio import RATE_HZ
from amd.sources import samples_of
from benchmarks.crowd import SAMPLES

FRAME_S: Final = 0.02
FRAME_SAMPLES: Final = RATE_HZ // 50
PHASES: Final = 10
RAMP_S: Final = 30.0
"""Calls begin one after the other in this time at most, so that they end so, too."""
KINDS: Final = ("audiosocket", "twilio", "asterisk")
"""Half of the websockets bring JSON with base64, half plain bytes."""
HOST: Final = "127.0.0.1"
HANGUP: Final = b"\x00\x00\x00"
UPGRADE: Final = (
    "GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
REST_S: Final = 3.0
"""At the end, for what is still under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for: calls at once, seconds of a call and of the run, ports."""

    audiosocket: int
    websocket: int
    call_s: float
    run_s: float
    audiosocket_port: int
    websocket_port: int


def text(message: object) -> bytes:
    """A text frame as a client sends it."""
    data = message if isinstance(message, str) else json.dumps(message)
    return Frame(Opcode.TEXT, data.encode()).serialize(mask=True)


def frames_of(kind: str, samples: Any, n_frames: int) -> list[bytes]:
    """Frames of a call: the sample, then silence to the end of the call."""
    quiet = np.zeros(n_frames * FRAME_SAMPLES, dtype=np.int16)
    audio = (np.clip(samples, -1, 1) * 32767).astype("<i2")[: quiet.size]
    quiet[: audio.size] = audio
    cut = quiet.reshape(n_frames, FRAME_SAMPLES)
    if kind == "audiosocket":
        return [b"\x10" + (2 * FRAME_SAMPLES).to_bytes(2, "big") + one.tobytes() for one in cut]
    coded = _mulaw(quiet).reshape(n_frames, FRAME_SAMPLES)
    if kind == "asterisk":
        return [Frame(Opcode.BINARY, one.tobytes()).serialize(mask=True) for one in coded]
    return [text(_media(k, one.tobytes())) for k, one in enumerate(coded)]


def _media(k: int, data: bytes) -> dict[str, Any]:
    fields = {"track": "inbound", "chunk": str(k + 1), "timestamp": str(20 * k)}
    payload = base64.b64encode(data).decode()
    return {
        "event": "media",
        "sequenceNumber": str(k + 2),
        "media": {**fields, "payload": payload},
        "streamSid": "MZ",
    }


def _mulaw(samples: Any) -> Any:
    """Encode by the nearest of G.711's values."""
    from amd.audio import Encoding, decode  # noqa: PLC0415

    values = decode(bytes(range(256)), Encoding.MULAW)
    order = np.argsort(values, kind="stable")
    between = (values[order][1:] + values[order][:-1]) / 2
    return order[np.searchsorted(between, samples / np.float32(32768))].astype(np.uint8)


class Caller:
    """One place among the calls: when its call ends, another one begins."""

    __slots__ = ("at", "frames", "is_open", "kind", "last", "number", "send", "socket")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.frames: list[bytes] = []
        self.at = 0
        self.number = -1
        self.is_open = False
        self.last = b""
        self.socket = socket.socket()  # another one with each call
        self.send: Callable[[bytes], int] = self.socket.send


class Client:
    """All calls."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        n_frames = round(plan.call_s / FRAME_S)
        self._n_ticks = round(plan.run_s / FRAME_S)
        audios = [samples_of(path) for path in sorted(SAMPLES.glob("*.wav"))]
        self._frames = {kind: [frames_of(kind, audio, n_frames) for audio in audios] for kind in KINDS}
        kinds = [KINDS[0]] * plan.audiosocket + [KINDS[1 + k % 2] for k in range(plan.websocket)]
        callers = [Caller(kinds[at]) for at in np.random.default_rng(1).permutation(len(kinds))]
        n_ramp = round(min(RAMP_S, plan.call_s) / FRAME_S)
        self._phases: list[list[Caller]] = [[] for _ in range(PHASES)]
        self._coming = [(k * n_ramp // len(callers), k % PHASES, caller) for k, caller in enumerate(callers)][::-1]
        self._closing: list[socket.socket] = []
        self.calls: list[tuple[int, int, int]] = []
        self.sent_s = np.full((PHASES, self._n_ticks + 1), np.nan)
        self.counts = {"held": 0, "broken": 0, "refused": 0}

    def run(self) -> None:
        """Send until the time is up, then hang up."""
        began_s = time.monotonic()
        for tick in range(self._n_ticks):
            self.tick(tick, began_s)
        for caller in (caller for callers in self._phases for caller in callers):
            self._end(caller)
        time.sleep(REST_S)
        self._sweep()

    def tick(self, tick: int, began_s: float | None = None) -> None:
        """Send a frame of every call, spread over the tick if it has a beginning."""
        while self._coming and self._coming[-1][0] <= tick:
            _, phase, caller = self._coming.pop()
            self._begin(caller)
            self._phases[phase].append(caller)
        for phase, callers in enumerate(self._phases):
            if began_s is not None:
                wait_s = began_s + (tick + phase / PHASES) * FRAME_S - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
            self.sent_s[phase, tick] = time.monotonic()
            self._send(callers, phase, tick)
        if tick % 50 == 0:
            self._sweep()

    def close(self) -> None:
        """Let go of all sockets."""
        for caller in (caller for callers in self._phases for caller in callers):
            caller.socket.close()
        for connection in self._closing:
            connection.close()

    def _send(self, callers: list[Caller], phase: int, tick: int) -> None:
        for caller in callers:
            if not caller.is_open:
                self._open(caller, phase, tick)
                continue
            at = caller.at
            frames = caller.frames
            if at == len(frames):
                self._end(caller)
                self._begin(caller)
                continue
            frame = frames[at]
            try:
                if caller.send(frame) != len(frame):
                    self._break(caller)
            except BlockingIOError:
                self.counts["held"] += 1
                self._break(caller)
            except OSError:
                self._break(caller)
            caller.at = at + 1

    def _begin(self, caller: Caller) -> None:
        """Connect; a websocket asks for its upgrade."""
        plan = self._plan
        port = plan.audiosocket_port if caller.kind == "audiosocket" else plan.websocket_port
        if caller.number < 0:
            caller.socket.close()
        caller.socket = socket.create_connection((HOST, port))
        caller.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller.socket.settimeout(0)
        caller.send = caller.socket.send
        caller.at, caller.is_open = 0, False
        if caller.kind != "audiosocket":
            caller.send(UPGRADE.format(path=caller.kind, host=HOST, port=port).encode())

    def _open(self, caller: Caller, phase: int, tick: int) -> None:
        """Say which call it is, once a websocket was accepted; the next tick sends its first frame."""
        if caller.kind != "audiosocket":
            try:
                answer = caller.socket.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                answer = b""
            if not answer.startswith(b"HTTP/1.1 101"):
                self.counts["refused"] += 1
                self._break(caller)
                return
        number = len(self.calls)
        caller.number, caller.is_open = number, True
        sets = self._frames[caller.kind]
        caller.frames = sets[number % len(sets)]
        self.calls.append((KINDS.index(caller.kind), phase, tick + 1))
        caller.send(_head(caller.kind, number))

    def _end(self, caller: Caller) -> None:
        """Hang up; a websocket waits for the other side to close."""
        with contextlib.suppress(OSError):
            if caller.kind == "audiosocket":
                caller.send(HANGUP)
            elif caller.kind == "twilio":
                caller.send(text({"event": "stop", "streamSid": "MZ"}))
            else:
                caller.send(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
        self._closing.append(caller.socket)

    def _break(self, caller: Caller) -> None:
        """The server let go of a call, or did not read it: another one takes its place."""
        self.counts["broken"] += 1
        caller.socket.close()
        self._begin(caller)

    def _sweep(self) -> None:
        """Close what the server has closed."""
        left = []
        for connection in self._closing:
            try:
                while connection.recv(4096):
                    pass
            except BlockingIOError:
                left.append(connection)
                continue
            except OSError:
                pass
            connection.close()
        self._closing = left


def _head(kind: str, number: int) -> bytes:
    """The first message of a call: which one it is."""
    if kind == "audiosocket":
        return b"\x01\x00\x10" + number.to_bytes(16, "big")
    if kind == "twilio":
        return text({"event": "start", "streamSid": "MZ", "start": {"callSid": f"call-{number}"}})
    return text(f"MEDIA_START connection_id:c channel:call-{number} format:ulaw optimal_frame_size:160")


def main() -> None:
    """Read the plan from the command line, run it, and keep what was sent when."""
    plan, out = Plan(**json.loads(sys.argv[1])), Path(sys.argv[2])
    client = Client(plan)
    gc.collect()
    gc.freeze()
    start_s = time.process_time()
    client.run()
    cpu_s = time.process_time() - start_s
    counts: dict[str, Any] = dict(client.counts)
    np.savez(out, calls=np.array(client.calls), sent_s=client.sent_s, cpu_s=cpu_s, **counts)


if __name__ == "__main__":
    main()

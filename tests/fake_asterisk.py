"""Asterisk's side of EAGI, as its documentation and ``res_agi`` have it: environment, audio on fd 3, answers.

The audio pipe is written without blocking, and what does not fit is dropped. A hangup is SIGHUP; all pipes stay
open until the script ends. Commands that are not known are answered with 510.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = """agi_request: amd-eagi
agi_channel: PJSIP/trunk-00000001
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1700000000.1
agi_version: 20.5.0
agi_callerid: 2025550101
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: unknown
agi_rdnis: unknown
agi_context: outbound
agi_extension: s
agi_priority: 2
agi_enhanced: 1.0
agi_accountcode: unknown
agi_threadid: 139872

"""
LAUNCH = (
    "import os, sys\n"
    "fd = int(sys.argv[1])\n"
    "os.dup2(fd, 3) if fd >= 0 else None\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
LIMIT_S = 30.0


class FakeAsterisk:
    """One channel on which the script runs; use it as a context."""

    def __init__(self, *arguments: str, enhanced: bool = True, environment: str = ENVIRONMENT) -> None:
        reader, self._audio = os.pipe()
        os.set_blocking(self._audio, False)
        script = str(Path(sys.executable).with_name("amd-eagi"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(reader if enhanced else -1), script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(reader,) if enhanced else (),
        )
        os.close(reader)
        self.variables: dict[str, str] = {}
        self.commands: list[str] = []
        self.answer: str | None = None
        self._write(environment)

    def __enter__(self) -> FakeAsterisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_audio()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()

    def _write(self, text: str) -> None:
        if not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(text.encode())

    def hear_all(self, data: bytes) -> None:
        """Send all audio before the script reads any: no stall of this machine makes a gap in it."""
        fcntl.fcntl(self._audio, fcntl.F_SETPIPE_SZ, 1 << 20)
        assert os.write(self._audio, data) == len(data)

    def hear(self, data: bytes) -> None:
        """Send audio in frames of 20 ms, as fast as the script reads it, until it says something."""
        frames = [data[at : at + 320] for at in range(0, len(data), 320)]
        with selectors.DefaultSelector() as selector:
            selector.register(self._audio, selectors.EVENT_WRITE)
            selector.register(self._process.stdout, selectors.EVENT_READ)
            for frame in frames:
                ready = {key.fileobj for key, _ in selector.select(LIMIT_S)}
                if self._process.stdout in ready:
                    return
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._audio, frame)

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def end_audio(self) -> None:
        if self._audio is not None:
            os.close(self._audio)
            self._audio = None

    def close_commands(self) -> None:
        self._process.stdin.close()

    def serve(self) -> int:
        """Answer commands until the script ends; returns its exit status."""
        until_s = time.monotonic() + LIMIT_S
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, until_s - time.monotonic())):
                data = os.read(self._process.stdout.fileno(), 4096)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._obey(line.decode())
        return self._process.wait(LIMIT_S)

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        found = re.fullmatch(r"SET VARIABLE (\w+) (\S+)", command)
        if self.answer is not None:
            self._write(f"{self.answer}\n")
        elif found is None:
            self._write("510 Invalid or unknown command\n")
        else:
            self.variables[found[1]] = found[2]
            self._write("200 result=1\n")

    @property
    def console(self) -> str:
        """What the script wrote to stderr, once it ended."""
        return self._process.stderr.read().decode()

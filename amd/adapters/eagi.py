"""``amd-eagi``: what Asterisk's ``AMD()`` does, done by this detector; a dialplan changes one line.

Asterisk starts it with ``EAGI(amd-eagi)``, gives it the caller's audio on file descriptor 3, and it sets
``AMDSTATUS`` and ``AMDCAUSE``. A hangup reaches it as SIGHUP, or as the end of either stream; with
``AGISIGHUP=no`` as neither, and then the clock brings the verdict. It ends with the final verdict; with
``leave_message``, with the end of a machine's greeting.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amd.adapters.agi import AgiReader, Answer, EagiAudioDecoder, Hangup, set_variable
from amd.adapters.call import Call, Told
from amd.adapters.media import Started
from amd.adapters.systems import SYSTEMS
from amd.errors import AmdError, WireError
from amd.events import Cause, GreetingEnded, Party
from amd.model import shipped
from amd.policy import PRESETS, Policy, Until, preset
from amd.vocabularies import asterisk

AUDIO_FD: Final = 3
READ_BYTES: Final = 65_536
TICK_S: Final = 0.05
ANSWER_MAX_S: Final = 5.0
"""Asterisk answers a command in milliseconds; longer, and it is gone."""
ENVIRONMENT_MAX_S: Final = 5.0
CALL_MAX_S: Final = 120.0
OK, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """File descriptors: commands' answers in, commands out, audio (None: there is none), a signal's wake-up."""

    answers: int
    commands: int
    audio: int | None
    wake: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        audio = AUDIO_FD if _is_open(AUDIO_FD) else None  # before anything of ours is opened, and gets the number
        with _hangup_signal() as wake:
            policy = preset(options.policy, shipped())
            streams = Streams(answers=sys.stdin.fileno(), commands=sys.stdout.fileno(), audio=audio, wake=wake)
            return Session(streams, policy, max_s=options.max_s).run()
    except BrokenPipeError:  # Asterisk is gone: nobody is left to tell
        return OK
    except (AmdError, OSError) as error:
        _say(str(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="amd-eagi",
        description="Started by Asterisk, EAGI(amd-eagi): sets AMDSTATUS and AMDCAUSE as AMD() names them. With "
        "arguments: EAGI(amd-eagi,--policy,leave_message).",
    )
    parser.add_argument("--policy", choices=tuple(PRESETS), default="balanced", help="default: balanced")
    parser.add_argument(
        "--max-s",
        type=_seconds,
        default=CALL_MAX_S,
        metavar="SECONDS",
        help="tell what is known after so long, whatever happens (default: 120)",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} must be 1 to 3600 seconds")
    return seconds


def _say(text: str) -> None:
    """Asterisk shows a script's stderr on its console."""
    sys.stderr.write(f"amd-eagi: {text}\n")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _hangup_signal() -> Iterator[int]:
    """A file descriptor that becomes readable on SIGHUP, which would else end the program without a verdict."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    woken = signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGHUP, before)
        os.close(reader)
        os.close(writer)


class Session:
    """One run: environment in, audio in, verdict out.

    Parameters
    ----------
    streams : Streams
    policy : Policy
    max_s : float
        When to tell what is known, in seconds from the start.
    """

    def __init__(self, streams: Streams, policy: Policy, *, max_s: float) -> None:
        self._streams = streams
        self._policy = policy
        self._max_s = max_s
        self._reader = AgiReader()
        self._told: list[Started | Answer | Hangup] = []
        self._hung_up = False
        self._greeting_ended = False

    def run(self) -> int:
        """Follow the call to its verdict and set the variables; returns the exit status."""
        self._await(Started, ENVIRONMENT_MAX_S, "an AGI environment: start it with EAGI(amd-eagi)")
        began_s = time.monotonic()
        call = Call(EagiAudioDecoder(), timing=SYSTEMS["eagi"].timing, now_s=began_s, policy=self._policy)
        if self._streams.audio is None:
            _say("no audio on file descriptor 3: start it with EAGI(), not AGI()")
        else:
            self._follow(call, self._streams.audio, until_s=began_s + self._max_s)
        self._note(call.finish(time.monotonic()))
        verdict = call.verdict
        if verdict is None:  # a detector that is finished has one
            raise WireError("the call ended without a verdict: please report this")
        if verdict.cause is Cause.AUDIO_ENDED and not self._hung_up:  # we ended it: its time was up
            verdict = dataclasses.replace(verdict, cause=Cause.DEADLINE)
        result = asterisk(verdict)
        return min(FAILED, self._set("AMDSTATUS", result.amdstatus) + self._set("AMDCAUSE", result.amdcause))

    def _follow(self, call: Call, audio: int, *, until_s: float) -> None:
        """Feed the call until it is decided or over."""
        with selectors.SelectSelector() as selector:
            for fd in (audio, self._streams.answers, self._streams.wake):
                selector.register(fd, selectors.EVENT_READ)
            while not self._hung_up and not self._is_decided(call) and time.monotonic() < until_s:
                ready = {key.fd for key, _ in selector.select(TICK_S)}
                now_s = time.monotonic()
                if audio in ready:
                    data = os.read(audio, READ_BYTES)
                    self._hung_up = not data
                    self._note(call.feed(data, now_s))
                else:
                    self._note(call.tick(now_s))
                if self._streams.answers in ready:
                    self._read_answers()
                self._hung_up |= self._streams.wake in ready

    def _note(self, told: tuple[Told, ...]) -> None:
        self._greeting_ended |= any(isinstance(event, GreetingEnded) for event in told)

    def _is_decided(self, call: Call) -> bool:
        verdict = call.verdict
        if call.done or verdict is None or not verdict.final:
            return call.done
        follows = self._policy.until is Until.END and verdict.party is Party.MACHINE
        return self._greeting_ended if follows else True

    def _read_answers(self) -> None:
        data = os.read(self._streams.answers, READ_BYTES)
        if not data:
            self._hung_up = True
            return
        self._told += self._reader.feed(data)
        self._hung_up |= any(isinstance(one, Hangup) for one in self._told)

    def _set(self, name: str, value: str) -> int:
        """Set a channel variable; returns 0, or 1 when Asterisk did not."""
        self._told.clear()
        command = set_variable(name, value)
        while command:
            command = command[os.write(self._streams.commands, command) :]
        answer = self._await(Answer, ANSWER_MAX_S, f"an answer to SET VARIABLE {name}")
        if isinstance(answer, Answer) and answer.code == 200:
            return OK
        _say(f"Asterisk did not set {name}")
        return FAILED

    def _await(self, kind: type, limit_s: float, what: str) -> Started | Answer | Hangup:
        """Read stdin until something of a kind comes."""
        until_s = time.monotonic() + limit_s
        with selectors.SelectSelector() as selector:
            selector.register(self._streams.answers, selectors.EVENT_READ)
            while True:
                for one in self._told:
                    if isinstance(one, kind):
                        return one
                left_s = until_s - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise WireError(f"waited {limit_s} s for {what}")
                data = os.read(self._streams.answers, READ_BYTES)
                if not data:
                    raise BrokenPipeError
                self._told += self._reader.feed(data)

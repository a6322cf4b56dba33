"""Asterisk's AGI as seen by a program that Asterisk starts: an environment, answers to commands, audio aside.

As Asterisk's documentation has it (AGI, EAGI): ``agi_...: value`` lines on stdin up to a blank one; each
command is answered by a line with a code; with EAGI, file descriptor 3 carries the caller's audio: signed
16-bit, 8 kHz, mono, little-endian as on every machine that Asterisk is packaged for, without frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from amd.adapters.media import Audio, MediaEvent, Started, Stopped
from amd.audio import RATE_HZ, Encoding
from amd.errors import WireError

LINE_MAX_BYTES: Final = 4096
ENVIRONMENT_MAX_LINES: Final = 256
"""Some 20 lines of Asterisk's, and one for each argument."""
FRAME_BYTES: Final = 320
"""20 ms: audio is given in pieces of this, so that a clock sees how long a packet is."""
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
VALUE: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Asterisk's answer to a command: ``200`` and its result, or why not (510, 511, 520)."""

    code: int
    result: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    """Asterisk says on the command channel that the call is over."""


class AgiReader:
    r"""Read what Asterisk writes to stdin: the environment, then answers; any cut of the bytes gives the same.

    Raises
    ------
    WireError
        On lines that are too long or too many, or are no AGI. What came before is returned first; the error comes
        from the next call.

    Examples
    --------
    >>> reader = AgiReader()
    >>> reader.feed(b"agi_request: amd-eagi\nagi_uniqueid: 1700000000.1\n\n200 result=1\n")
    (Started(call_id='1700000000.1', stream_id=None), Answer(code=200, result='1'))
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._fault: WireError | None = None
        self._n_lines = 0
        self._in_environment = True
        self._call_id: str | None = None

    def feed(self, data: bytes) -> tuple[Started | Answer | Hangup, ...]:
        """Take the next bytes."""
        if self._fault is not None:
            raise self._fault
        told: list[Started | Answer | Hangup] = []
        self._rest += data
        try:
            while (end := self._rest.find(b"\n")) >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                one = self._take_line(line)
                if one is not None:
                    told.append(one)
            self._check_line(len(self._rest))
        except WireError as fault:
            self._fault = fault
            self._rest.clear()
            if not told:
                raise
        return tuple(told)

    def _check_line(self, n_bytes: int) -> None:
        if n_bytes > LINE_MAX_BYTES:
            raise WireError(
                f"a line of {n_bytes} bytes on stdin is beyond {LINE_MAX_BYTES}: not started by Asterisk?"
            )

    def _take_line(self, raw: bytes) -> Started | Answer | Hangup | None:
        self._check_line(len(raw))
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if not self._in_environment:
            return _answer(line)
        if not line:
            self._in_environment = False
            return Started(call_id=self._call_id)
        self._n_lines += 1
        name, colon, value = line.partition(":")
        if not colon or not name.startswith("agi_"):
            raise WireError(f"line {self._n_lines} of the environment is no agi_ line: not started by Asterisk?")
        if self._n_lines > ENVIRONMENT_MAX_LINES:
            raise WireError(f"an environment of more than {ENVIRONMENT_MAX_LINES} lines: no blank line after it?")
        if name == "agi_uniqueid":
            self._call_id = value.strip()
        return None


def _answer(line: str) -> Answer | Hangup | None:
    """Read an answer; the lines of a usage text (520) between its first and last are none."""
    if line == "HANGUP":
        return Hangup()
    found = re.match(r"(\d{3}) (?:result=(-?\w+))?", line, re.ASCII)
    if found is None:
        return None
    return Answer(code=int(found[1]), result=found[2])


def set_variable(name: str, value: str) -> bytes:
    r"""Return the command that sets a channel variable.

    Raises
    ------
    WireError
        If the name or the value would need quoting.

    Examples
    --------
    >>> set_variable("AMDSTATUS", "MACHINE")
    b'SET VARIABLE AMDSTATUS MACHINE\n'
    """
    if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
        raise WireError("a variable's name and value must be letters, digits and _ (values: also . and -)")
    return f"SET VARIABLE {name} {value}\n".encode("ascii")


class EagiAudioDecoder:
    """Cut the bytes of file descriptor 3 into audio events of 20 ms; the last is shorter, half a sample goes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take the next bytes."""
        if isinstance(data, str):
            raise WireError("EAGI's audio is bytes, not text")
        if self._stopped:
            return ()
        self._rest += data
        whole = len(self._rest) - len(self._rest) % FRAME_BYTES
        taken = bytes(self._rest[:whole])
        del self._rest[:whole]
        return tuple(_frame(taken[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES))

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back for its order."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The call ended."""
        if self._stopped:
            return ()
        self._stopped = True
        rest = bytes(self._rest[: len(self._rest) // 2 * 2])
        self._rest.clear()
        stopped = Stopped(reason="closed")
        return (_frame(rest), stopped) if rest else (stopped,)


def _frame(data: bytes) -> Audio:
    return Audio(data=data, encoding=Encoding.PCM16, rate_hz=RATE_HZ)

"""The event socket of FreeSWITCH (mod_event_socket) on the wire: bytes in, messages out; what may be said to it.

A message is headers, an empty line, and a body where ``Content-Length`` says so. The body of a
``text/event-plain`` is an event: headers again, their values percent-encoded, and maybe a body of its own.
Commands are lines that an empty line ends, so no value may hold one: all that goes into a command is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from callback.dialing import DialingError

HEAD_MAX_BYTES: Final = 64 * 1024
BODY_MAX_BYTES: Final = 4 * 1024 * 1024
"""An event with every channel variable is some 20 KB; ``show channels`` of a thousand calls is below 1 MB."""
_END: Final = b"\n\n"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[A-Za-z0-9+._:@/*#=~-]*")


class EslFault(DialingError):  # noqa: N818 -- names what is so, as those of `callback.dialing`
    """What came is not the event socket's protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What came: its kind is its ``Content-Type``."""

    headers: Mapping[str, str] = field(repr=False)
    body: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        """``"auth/request"``, ``"command/reply"``, ``"api/response"``, ``"text/event-plain"``, ..."""
        return self.headers.get("Content-Type", "")

    @property
    def answer(self) -> str:
        """What was answered to a command, without the line's end."""
        return (self.headers.get("Reply-Text", "") if self.kind == "command/reply" else self.body).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on the switch; a field that is missing is empty."""

    fields: Mapping[str, str] = field(repr=False)
    body: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """``"CHANNEL_ANSWER"``, ..."""
        return self["Event-Name"]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


class Framer:
    """Cut what comes into messages, wherever it was cut on the way."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._head: dict[str, str] | None = None
        self._wanted = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; return the messages that are whole.

        Raises
        ------
        EslFault
            If they are no messages, or longer than any that is sent.
        """
        self._held += data
        told = []
        while (message := self._next()) is not None:
            told.append(message)
        return told

    def _next(self) -> Message | None:
        if self._head is None and not self._read_head():
            return None
        if len(self._held) < self._wanted:
            return None
        body = bytes(self._held[: self._wanted]).decode("utf-8", "replace")
        del self._held[: self._wanted]
        head, self._head = self._head or {}, None
        return Message(headers=head, body=body)

    def _read_head(self) -> bool:
        while self._held[:1] == b"\n":  # between messages
            del self._held[:1]
        end = self._held.find(_END)
        if end < 0 or end > HEAD_MAX_BYTES:
            if len(self._held) > HEAD_MAX_BYTES:
                raise EslFault(f"{len(self._held)} bytes came without an empty line: another service's port?")
            return False
        self._head = read_headers(bytes(self._held[:end]).decode("utf-8", "replace"))
        del self._held[: end + len(_END)]
        self._wanted = _length(self._head)
        return True


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("Content-Length", "0").strip()
    if not (text.isascii() and text.isdecimal()) or int(text[:9]) > BODY_MAX_BYTES:
        raise EslFault(f"Content-Length {text[:20]!r} must be 0 to {BODY_MAX_BYTES} bytes")
    return int(text[:9])


def read_headers(text: str, *, encoded: bool = False) -> dict[str, str]:
    """Return headers by their names; where a name comes twice, the last.

    Raises
    ------
    EslFault
        If a line has no colon.
    """
    headers = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise EslFault(f"a header line of {len(line)} characters has no colon: another service's port?")
        value = value.strip()
        headers[name.strip()] = unquote(value) if encoded else value
    return headers


def read_event(text: str) -> Event:
    r"""Return the event that the body of a ``text/event-plain`` is, or the text of ``uuid_dump``.

    Examples
    --------
    >>> read_event("Event-Name: DTMF\nDTMF-Digit: %23\n\n")["DTMF-Digit"]
    '#'
    """
    head, _, body = text.partition("\n\n")
    fields = read_headers(head, encoded=True)
    return Event(fields=fields, body=body.encode()[: _length(fields)].decode("utf-8", "replace"))


def command(text: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a command as it is sent.

    Raises
    ------
    ValueError
        If a line of it would end early: the command behind it would be somebody else's.
    """
    lines = [text, *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if any(not line.isprintable() for line in lines):
        raise ValueError(f"a command of {len(text)} characters holds a line's end or a control character")
    return ("\n".join(lines) + "\n\n").encode()


def check_plain(what: str, value: str) -> str:
    """Return a value that means nothing but itself in a command: no space, quote, comma, bracket, ``$`` or ``|``.

    Raises
    ------
    ValueError
    """
    if _PLAIN.fullmatch(value) is None:
        raise ValueError(f"{what} must be letters, digits and + . _ : @ / * # = ~ - only: spaces, or quotes?")
    return value


def variables(values: Mapping[str, str]) -> str:
    """Return channel variables as ``originate`` takes them; each value was checked, or is written in this package.

    Examples
    --------
    >>> variables({"ignore_early_media": "true", "originate_timeout": "30"})
    '{ignore_early_media=true,originate_timeout=30}'
    """
    for name in values:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"channel variable {name!r} must be letters, digits and '_'")
    return "{" + ",".join(f"{name}={value}" for name, value in values.items()) + "}"

"""Asterisk's manager interface on the wire: a line of greeting, then packets of ``Name: value`` lines.

As Asterisk's documentation has it (AMI, version 2 and later): lines end in CR LF, a blank one ends a packet. What
answers an action, and the events that belong to it, carry its ``ActionID``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from amd.adapters.agi import NAME, VALUE
from amd.errors import WireError

GREETING: Final = "Asterisk Call Manager"
LINE_MAX_BYTES: Final = 16_384
"""The longest that Asterisk writes are variables, of at most 4,096 in a dialplan."""
PACKET_MAX_LINES: Final = 512
PACKET_MAX_BYTES: Final = 65_536
_UNSAFE: Final = frozenset("\r\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A response or an event; not in the repr, since it can hold numbers of callers."""

    fields: tuple[tuple[str, str], ...] = field(repr=False)

    def get(self, name: str) -> str | None:
        """The first value of that name, whatever its case."""
        return next((value for other, value in self.fields if other.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        """All values of that name."""
        return [value for other, value in self.fields if other.lower() == name.lower()]


class AmiReader:
    r"""Read what Asterisk writes; any cut of the bytes gives the same packets.

    Raises
    ------
    WireError
        From the call after the one that returned what came before the fault: another greeting, a line too long,
        too many lines. The connection cannot be used any more.

    Examples
    --------
    >>> reader = AmiReader()
    >>> packets = reader.feed(b"Asterisk Call Manager/7.0.3\r\nResponse: Success\r\nActionID: 1\r\n\r\n")
    >>> [packet.get("response") for packet in packets]
    ['Success']
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._fields: list[tuple[str, str]] = []
        self._n_bytes = 0
        self._greeted = False
        self._fault: WireError | None = None

    def feed(self, data: bytes) -> tuple[Packet, ...]:
        """Take the next bytes."""
        if self._fault is not None:
            raise self._fault
        packets: list[Packet] = []
        self._rest += data
        at = 0
        try:
            while (end := self._rest.find(b"\n", at)) >= 0:
                packet = self._take_line(bytes(self._rest[at:end]))
                at = end + 1
                if packet is not None:
                    packets.append(packet)
            del self._rest[:at]
            _check_line(len(self._rest))
        except WireError as fault:
            self._fault = fault
            self._rest.clear()
            self._fields.clear()
            if not packets:
                raise
        return tuple(packets)

    def _take_line(self, raw: bytes) -> Packet | None:
        _check_line(len(raw))
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if not self._greeted:
            if not line.startswith(GREETING):
                raise WireError(f"the first line must be {GREETING}/...: another port?")
            self._greeted = True
            return None
        if line:
            self._n_bytes += len(raw)
            if len(self._fields) >= PACKET_MAX_LINES or self._n_bytes > PACKET_MAX_BYTES:
                raise WireError(
                    f"a packet of more than {PACKET_MAX_LINES} lines or {PACKET_MAX_BYTES} bytes: "
                    "no blank line after it?"
                )
            name, _, value = line.partition(":")
            self._fields.append((name.strip(), value.strip()))
            return None
        fields, self._fields, self._n_bytes = tuple(self._fields), [], 0
        return Packet(fields=fields) if fields else None


def _check_line(n_bytes: int) -> None:
    if n_bytes > LINE_MAX_BYTES:
        raise WireError(f"a line of {n_bytes} bytes is beyond {LINE_MAX_BYTES}: not Asterisk's manager?")


def write_action(name: str, action_id: str, fields: Mapping[str, str]) -> bytes:
    r"""Return an action's bytes.

    Raises
    ------
    WireError
        If a name or a value holds the end of a line: it would be another action.

    Examples
    --------
    >>> write_action("Ping", "1", {})
    b'Action: Ping\r\nActionID: 1\r\n\r\n'
    """
    lines = {"Action": name, "ActionID": action_id, **fields}
    for one, value in lines.items():
        if _UNSAFE & {*one, *value} or ":" in one:
            raise WireError(f"{one.partition(':')[0][:20]!r} of a manager's action must be one line")
    return "".join(f"{one}: {value}\r\n" for one, value in lines.items()).encode("utf-8", "replace") + b"\r\n"


def check_variable(name: str, value: str) -> None:
    """Raise `WireError` if a channel variable's name or value holds what dialplans, or the wire, take apart."""
    if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
        raise WireError("a variable's name and value must be letters, digits and _ (values: also . and -)")


def answer_challenge(challenge: str, secret: str) -> str:
    """Return the key of a login by MD5, with which the secret is not sent.

    Examples
    --------
    >>> answer_challenge("840415273", "secret")
    '81c3ab5534a432bec402f6d988ee45b4'
    """
    return hashlib.md5(f"{challenge}{secret}".encode(), usedforsecurity=False).hexdigest()

"""What the fake FreeSWITCH makes of text: connections, its hash (mod_hash), ``${...}``, ``originate``'s braces."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Client:
    """A connection of a dialer."""

    writer: asyncio.StreamWriter
    events: set[str] = field(default_factory=set)
    filters: list[tuple[str, str]] = field(default_factory=list)
    authorised: bool = False

    def wants(self, fields) -> bool:
        """Filters let in: one that fits is enough."""
        name = fields["Event-Name"]
        return name in self.events and (
            not self.filters
            or any(fields.get(field, "").lower() == value.lower() for field, value in self.filters)
        )

    def send(self, kind, *, reply=None, body=None, more=None):
        """Send a message."""
        lines = [f"Content-Type: {kind}"]
        lines += [] if reply is None else [f"Reply-Text: {reply}"]
        lines += [f"{name}: {value}" for name, value in (more or {}).items()]
        data = b"" if body is None else body.encode()
        lines += [f"Content-Length: {len(data)}"] if body is not None else []
        with suppress(ConnectionError):
            self.writer.write("\n".join(lines).encode() + b"\n\n" + data)


class Hash(dict):
    """The entries of mod_hash, by realm and key."""

    def do(self, verb, realm, key, value=None):
        where = f"{realm}_{key}"
        there = self.get(where)
        if verb == "select":
            return there or ""
        if verb == "insert" or (verb == "insert_ifempty" and there is None):
            self[where] = value
            return "+OK\n"
        if verb == "insert_ifempty":
            return "-ERR key already exists\n"
        if there is None:
            return "-ERR Not found\n"
        if verb == "delete_ifmatch" and there != value:
            return "-ERR Doesn't match\n"
        assert verb in ("delete", "delete_ifmatch")
        del self[where]
        return "+OK\n"


def expand(text, values, api):
    r"""Put in what ``${...}`` stands for; ``\$`` stands for ``$``."""

    def put(found):
        if found[0] == r"\$":
            return "$"
        return api(found[1], found[2]) if found[1] else values.get(found[3], "")

    return re.sub(r"\\\$|\$\{(\w+)\(([^)]*)\)\}|\$\{(\w+)\}", put, text)


def brackets(argument):
    """Variables in braces, and what follows; values may hold braces in pairs."""
    assert argument[0] == "{"
    depth, at = 1, 1
    while depth:
        depth += {"{": 1, "}": -1}.get(argument[at], 0)
        at += 1
    return dict(one.split("=", 1) for one in argument[1 : at - 1].split(",")), argument[at:]

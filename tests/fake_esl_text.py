"""What the fake FreeSWITCH makes of text: its hash (mod_hash), ``${...}``, and the braces of ``originate``."""

from __future__ import annotations

import re


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

"""Keys of the API: who may ask what. Only their hashes are kept.

A key is 256 random bits, so a plain SHA-256 of it tells nothing about it; the slow hashes that passwords need are
for what people make up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from callback.errors import CallbackError

PREFIX: Final = "cbk_"
"""So that a scanner for lost secrets can find one."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_PARTS: Final = 3


class KeysError(CallbackError, ValueError):
    """A list of keys that cannot be read."""


class Scope(StrEnum):
    """What a key is for."""

    BOOK = "book"  # customers: book, cancel, reschedule, status, called in
    SUPERVISE = "supervise"  # the page and the metrics; numbers masked
    ADMIN = "admin"  # all of it, numbers in full, erasing


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key, but for itself. ``name`` says whose it is, in logs and metrics."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)

    def may(self, scope: Scope) -> bool:
        """Whether it is for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL: Final = Key(name="local", scopes=frozenset(Scope), digest=b"")
"""Everyone, where no keys are asked for."""


class Keys:
    """The keys of a service."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)
        if len({key.name for key in self._keys}) < len(self._keys):
            raise KeysError("two keys have one name: each needs its own, limits are counted by it")

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Key | None:
        """Return the key that a client showed, or None. Takes as long whichever it is."""
        digest = _digest(text)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def parse_keys(text: str) -> Keys:
    """Read lines like ``desk book,supervise sha256:...``; empty ones and those that start with ``#`` are skipped.

    Raises
    ------
    KeysError
        With the number of the line: what stands there may be a key.
    """
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return Keys(_key(number, line) for number, line in lines if line and not line.startswith("#"))


def _key(number: int, line: str) -> Key:
    parts = line.split()
    if len(parts) != _PARTS:
        raise KeysError(f"line {number} of the keys has {len(parts)} words, need name, scopes and hash")
    name, scopes, digest = parts
    if not _NAME.fullmatch(name):
        raise KeysError(
            f"line {number} of the keys: its name must be a letter and up to 39 letters, digits, _ . -"
        )
    if not (found := _DIGEST.fullmatch(digest)):
        raise KeysError(f"line {number} of the keys: need sha256: and 64 hex digits; the key itself instead?")
    return Key(name=name, scopes=scopes_of(scopes.split(",")), digest=bytes.fromhex(found[1]))


def scopes_of(names: Collection[str]) -> frozenset[Scope]:
    """Return scopes by their names."""
    if unknown := sorted(set(names) - set(Scope)):
        raise KeysError(f"scopes {unknown} are unknown; there are: {', '.join(Scope)}")
    return frozenset(map(Scope, names))


def new_key(name: str, scopes: Collection[str]) -> tuple[str, str]:
    """Make a key; return it, and the line that lets a service know it.

    Examples
    --------
    >>> key, line = new_key("desk", ["book"])
    >>> found = parse_keys(line).find(key)
    >>> found.name, found.may(Scope.BOOK), found.may(Scope.SUPERVISE)
    ('desk', True, False)
    """
    key = PREFIX + secrets.token_urlsafe(32)
    line = f"{name} {','.join(sorted(scopes_of(scopes)))} sha256:{_digest(key).hex()}"
    parse_keys(line)
    return key, line

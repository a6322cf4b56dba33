"""Who is asking: a program with a key in its ``Authorization`` header, or a browser that showed one."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from callback.web.keys import LOCAL, Key, Keys, Scope
from callback.web.limits import Buckets
from callback.web.problems import Problem, too_many
from callback.web.settings import Limits

SESSION_S: Final = 12 * 3600.0
"""A working day; then the key is asked for again."""
SESSIONS_MAX: Final = 1000
COOKIE: Final = "callback_session"
GUESSES_PER_S: Final = 0.2
GUESSES: Final = 10
"""Wrong keys from one address: nobody guesses 256 bits, but who tries the same wrong one need not be heard."""


class Access:
    """Keys, sessions and limits of a service.

    Parameters
    ----------
    keys : Keys or None
        None: nobody is asked for a key.
    limits : Limits
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, keys: Keys | None, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._buckets = Buckets(limits.rate_per_s, limits.burst, clock)
        self._guesses = Buckets(GUESSES_PER_S, GUESSES, clock)
        self._sessions: OrderedDict[str, tuple[Key, float]] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a key."""
        return self._keys is None

    def key(self, text: str | None, client: str) -> Key:
        """Return the key that a client showed, and count its request.

        Raises
        ------
        Problem
            It showed none, or a wrong one, or asks too much.
        """
        if self._keys is None:
            self._count(client)
            return LOCAL
        found = self._keys.find(text) if text else None
        if found is None:
            if wait_s := self._guesses.take(client):
                raise too_many(wait_s)
            raise Problem(
                401,
                "no-key",
                "need the header 'Authorization: Bearer KEY' with a key of this service: lost, or of another one?",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self._count(found.name)
        return found

    def _count(self, client: str) -> None:
        if wait_s := self._buckets.take(client):
            raise too_many(wait_s)

    def begin(self, key: Key) -> str:
        """Begin a session; return what its cookie holds."""
        token = secrets.token_urlsafe(32)
        self._sessions[token] = (key, self._clock() + SESSION_S)
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return token

    def end(self, token: str) -> None:
        """End a session."""
        self._sessions.pop(token, None)

    def visitor(self, token: str | None, client: str) -> Key | None:
        """Return whose browser this is; None when it has to show a key first."""
        if self._keys is None:
            self._count(client)
            return LOCAL
        key, until = self._sessions.get(token or "", (None, 0.0))
        if key is None or until < self._clock():
            return None
        self._count(key.name)
        return key


def client_of(request: Request) -> str:
    """Return the address of a client, to count by."""
    return request.client.host if request.client else "unknown"


_bearer: Final = HTTPBearer(auto_error=False, description="A key made by `callback key`.")


class Needs:
    """A dependency: the key of a program that may do something."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(
        self, request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Key:
        """Return the key, or raise a problem."""
        access: Access = request.app.state.access
        key = access.key(shown.credentials if shown else None, client_of(request))
        check(key, self._scope)
        return key


def check(key: Key, scope: Scope) -> None:
    """Raise a problem unless a key is for something."""
    if not key.may(scope):
        raise Problem(403, "wrong-scope", f"key {key.name!r} is not for this, need the scope {scope.value!r}")

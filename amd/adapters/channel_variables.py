"""A call's verdict as the channel variables of Asterisk's ``AMD()``, and then the call back to its dialplan.

AudioSocket tells a call by a UUID and nothing else, and nothing on its wire can set a variable. Asterisk's manager
interface can (`amd.adapters.manager`), and its REST interface (`amd.adapters.ari`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from amd.errors import AmdError
from amd.events import Party

Line = dict[str, Any]
NAMES: Final = ("AMDSTATUS", "AMDCAUSE")
SET_MAX_S: Final = 2.0
"""A dialplan waits no longer for its variables: the person at the other end waits with it."""


class VariableError(AmdError, RuntimeError):
    """Asterisk did not set a channel variable: the text says why, and names no caller."""


class Setter(Protocol):
    """What sets the variables of a call."""

    async def set_variables(self, call_id: str, variables: Mapping[str, str]) -> None:
        """Set them, or raise `VariableError`; the caller limits the time."""
        ...


class VerdictSetter:
    """Set the variables of every call that has its final verdict, then let it go.

    Give `send` every line of a server.

    Parameters
    ----------
    setter : Setter
    release : callable
        Given the number of a call whose variables are set, or could not be: end it, so that its dialplan goes on
        (over AudioSocket: `amd.adapters.audiosocket.HANGUP_FRAME`, and close).
    tell : callable
        Given a line ``variables_failed`` with its reason where they could not be set.
    systems : set of str
        Whose calls these are.
    set_max_s : float
        How long that may take.
    until_end : bool
        Whether a call that a machine answered is let go at the end of its greeting instead: to leave a message.
        The server's policy must follow it so far (`leave_message` does).

    Attributes
    ----------
    n_set : int
        Calls whose variables were set.
    n_failed : Counter of str
        Calls whose variables were not, by reason.
    """

    def __init__(
        self,
        setter: Setter,
        release: Callable[[int], None],
        tell: Callable[[Line], None],
        *,
        systems: frozenset[str] = frozenset({"audiosocket"}),
        set_max_s: float = SET_MAX_S,
        until_end: bool = False,
    ) -> None:
        self._setter = setter
        self._release = release
        self._tell = tell
        self._systems = systems
        self._set_max_s = set_max_s
        self._until_end = until_end
        self._calls: dict[int, set[str]] = {}
        """What a call with a final verdict still waits for: ``set``, ``end``."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.n_set = 0
        self.n_failed: Counter[str] = Counter()

    def send(self, line: Line) -> None:
        """Take a line of the server; what is no final verdict of these systems is passed over."""
        call, kind = line.get("call"), line["type"]
        if not isinstance(call, int) or line.get("system") not in self._systems:
            return
        if kind == "verdict" and line["final"] and call not in self._calls:
            waits_for_end = self._until_end and line["party"] == Party.MACHINE
            self._calls[call] = {"set", "end"} if waits_for_end else {"set"}
            task = asyncio.create_task(self._set(call, line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif kind == "greeting_ended" or (kind == "deadline" and line["what"] == "greeting_end"):
            self._done(call, "end")
        elif kind == "ended":
            self._calls.pop(call, None)

    async def stop(self, limit_s: float) -> None:
        """Wait for what is being set, as long as the limit allows; then give it up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=limit_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _set(self, call: int, line: Line) -> None:
        try:
            call_id = line.get("call_id")
            if call_id is None:
                raise VariableError("the call has no id")
            async with asyncio.timeout(self._set_max_s):
                await self._setter.set_variables(call_id, {name: line[name] for name in NAMES})
            self.n_set += 1
        except (AmdError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            self.n_failed[reason] += 1
            self._tell(
                {"type": "variables_failed", "call": call, "call_id": line.get("call_id"), "reason": reason}
            )
        finally:
            self._done(call, "set")

    def _done(self, call: int, what: str) -> None:
        waits_for = self._calls.get(call)
        if waits_for is None or what not in waits_for:
            return
        waits_for.discard(what)
        if not waits_for:
            self._release(call)

"""What outlives a call in Asterisk: one global variable for each dial id that is over.

A channel takes its variables with it, and Asterisk gives an id again once the channel is gone. A global variable
is seen by every worker until Asterisk restarts: that a call was bridged with an agent, and that an id is not to be
placed (again). Each is removed by a worker that wrote or met it, four hours later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from callback.dialers.ari_link import AriLink
from callback.dialing import DialerDown

REMEMBERED_S: Final = 4 * 3600.0
"""Longer than any call (`callback.planning.Rules.call_max_s`) and any request on its way; Asterisk looks through
its globals one by one, so they must not pile up."""
PREFIX: Final = "CALLBACK_"
CAUSE_PREFIX: Final = "CALLBACK_OVER_"
"""What the hangup handler in the dialplan writes (`callback.dialers.ari_calls.AriCalls.hangup_handler`)."""


class Mark(StrEnum):
    """What is known of a dial id."""

    OVER = "over"  # placed, and ended
    TALKED = "talked"  # bridged with an agent
    GONE = "gone"  # was not there when it was looked up or hung up: is not to be placed


class AriMarks:
    """Read and write the marks of dial ids."""

    def __init__(self, link: AriLink, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._now_s = now_s
        self._met: deque[tuple[float, str]] = deque()

    async def get(self, dial_id: str) -> Mark | None:
        """Return the mark, or None; raise `DialerDown` if it cannot be read."""
        value = await self._read(PREFIX + dial_id)
        return Mark(value) if value in set(Mark) else None

    async def put(self, dial_id: str, mark: Mark) -> None:
        """Write the mark; raise `DialerDown` if it cannot be."""
        query = {"variable": PREFIX + dial_id, "value": mark.value}
        reply = await self._link.ask("POST", "asterisk", "variable", query=query)
        if not reply.ok:
            raise DialerDown(
                f"Asterisk answers {reply.status} to a global variable: is our user read_only in ari.conf?"
            )
        self._met.append((self._now_s(), dial_id))

    async def put_first(self, dial_id: str, mark: Mark) -> Mark:
        """Write the mark unless there is one; return which there is."""
        there = await self.get(dial_id)
        if there is None:
            await self.put(dial_id, mark)
            return mark
        self._met.append((self._now_s(), dial_id))
        return there

    async def cause(self, dial_id: str) -> tuple[int, str]:
        """Return why a call ended, Q.850, and its channel's last state; 0 and nothing if no handler wrote it."""
        code, _, state = (await self._read(CAUSE_PREFIX + dial_id)).partition(" ")
        return (int(code) if code.isdecimal() else 0), state

    async def forget_cause(self, dial_id: str) -> None:
        """Remove what the hangup handler wrote."""
        await self._link.ask("POST", "asterisk", "variable", query={"variable": CAUSE_PREFIX + dial_id})

    async def _read(self, name: str) -> str:
        reply = await self._link.ask("GET", "asterisk", "variable", query={"variable": name})
        value: str = reply.body.get("value", "") if reply.ok and reply.body else ""
        return value

    async def forget_old(self) -> list[str]:
        """Remove marks that nobody asks for any more; return their dial ids."""
        forgotten = []
        while self._met and self._now_s() - self._met[0][0] > REMEMBERED_S:
            dial_id = self._met.popleft()[1]
            await self._link.ask("POST", "asterisk", "variable", query={"variable": PREFIX + dial_id})
            forgotten.append(dial_id)
        return forgotten

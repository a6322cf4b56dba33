"""What the outbox asks for: hang up, look up, tell. Each comes at least once."""

from __future__ import annotations

import asyncio
from typing import Final

from callback.commands import HangUp, LookUp, Tell
from callback.dialing import Ended
from callback.reports import CallIsUp
from callback.runner.calls import Calls
from callback.runner.desk import Notifier
from callback.runner.logs import warn
from callback.store import DURABLE, Errand
from callback.transacting import Result

AT_ONCE: Final = 20


class Errands:
    """Do what the outbox asks for.

    Parameters
    ----------
    calls : Calls
    notify : Notifier or None
        None leaves what is to be told in the outbox, for who sends it.
    """

    def __init__(self, calls: Calls, notify: Notifier | None) -> None:
        self._calls = calls
        self._desk = calls.desk
        self._notify = notify
        self._types = tuple(kind for kind in DURABLE if notify or kind != Tell.type)

    async def run(self) -> int:
        """Take some and do them; return how many there were. One that fails comes again."""
        errands = await self._desk.ask(
            self._desk.service.errands,
            self._desk.clock.now(),
            limit=AT_ONCE,
            queues=tuple(self._desk.campaigns),
            types=self._types,
        )
        for error in await asyncio.gather(*map(self._do, errands), return_exceptions=True):
            if isinstance(error, Exception):
                warn("errand_failed", why=type(error).__name__)
        return len(errands)

    async def _do(self, errand: Errand) -> None:
        command, key = errand.command, "-".join(str(part) for part in errand.key)
        if isinstance(command, HangUp) and command.dial_id is not None:
            await self._desk.dialer.hang_up(command.dial_id)
        elif isinstance(command, LookUp) and command.dial_id is not None:
            await self._look_up(command.dial_id, key)
        elif isinstance(command, Tell) and self._notify:
            callback = await self._desk.ask(self._desk.service.get, command.callback_id)
            await self._notify(callback, key)
        await self._desk.ask(self._desk.service.done, errand, now=self._desk.clock.now())

    async def _look_up(self, dial_id: str, key: str) -> None:
        """Find out what became of a call whose worker is silent, and take it over if it goes on."""
        found = await self._desk.dialer.look_up(dial_id)
        if isinstance(found, Ended):
            self._calls.told(found)
            return
        if not found.answered or self._calls.closing:
            return  # its answer is told, or the next look-up finds it
        asked_s = self._desk.clock.s()
        report = CallIsUp(
            source_id=f"{dial_id}/up-{key}", dial_id=dial_id, at=self._desk.clock.now(), bridged=found.bridged
        )
        done = await self._desk.report(report)
        if done.result is Result.APPLIED:
            self._calls.take(done, asked_s)

"""What every call of a runner works with: the service behind a few threads, the dialer, the agents, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeVar

from callback.agents import Agents
from callback.clock import Clock
from callback.dialing import Dialer
from callback.errors import StaleVersion, StoreBusy, StoreUnavailable
from callback.metrics import Meter
from callback.reports import Report
from callback.runner.campaign import Campaign, Learned
from callback.runner.logs import fail, warn
from callback.screening import Recogniser
from callback.service import CallbackService
from callback.states import Callback, State
from callback.transacting import Done, Result

T = TypeVar("T")
STORE_WAITS_S: Final = (0.1, 0.3, 1.0, 2.0, 4.0)
"""A store that cannot be reached is tried again after these; then whoever asked gives up."""


class Notifier(Protocol):
    """Tells those who want to know (a webhook) where a callback stands."""

    async def __call__(self, callback: Callback, key: str) -> None:
        """Tell. ``key`` is the same when the same thing is told again; an error makes it come again later."""


Recognise = Callable[[str, str], Recogniser | None]
"""Given a callback's id and a dial's, who may know the machine's greeting again. It runs in a store's thread."""


@dataclass(slots=True, kw_only=True, eq=False)
class Desk:
    """The surroundings of a runner's calls."""

    service: CallbackService
    dialer: Dialer
    agents: Agents
    clock: Clock
    meter: Meter
    campaigns: Mapping[str, Campaign]
    threads: ThreadPoolExecutor
    recognise: Recognise | None = None
    learned: dict[str, Learned] = field(default_factory=dict)
    rests: dict[str, float] = field(default_factory=dict)
    """Until when (s) an agent who let a call pass is not asked."""
    asked: set[str] = field(default_factory=set)
    """Agents who are being asked."""
    nudge: Callable[[str], None] = lambda _queue: None
    """Look at a queue now: something changed."""
    down: Callable[[], None] = lambda: None
    """The dialer cannot be reached: wait, longer each time."""
    up: Callable[[], None] = lambda: None
    """It can."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, work: Callable[..., T], *args: object, **more: object) -> T:
        """Do some work with the store, in a thread; when the store is away for a moment, do it again.

        Raises
        ------
        StoreError
            It is away for longer.
        """
        return await self._do(partial(work, *args, **more), (StoreBusy, StaleVersion, StoreUnavailable))

    async def once(self, work: Callable[..., T], *args: object, **more: object) -> T:
        """Do some work that must not be done twice: again only when nothing was written.

        Raises
        ------
        StoreUnavailable
            It was done or not.
        """
        return await self._do(partial(work, *args, **more), (StoreBusy, StaleVersion))

    async def _do(self, work: Callable[[], T], again: tuple[type[Exception], ...]) -> T:
        loop = asyncio.get_running_loop()
        for wait_s in STORE_WAITS_S:
            try:
                return await loop.run_in_executor(self.threads, work)
            except again as error:
                self.meter.trouble("store")
                warn("store_away", why=type(error).__name__)
                await self.clock.sleep(wait_s)
        return await loop.run_in_executor(self.threads, work)

    async def report(self, report: Report) -> Done:
        """Report, once. What was in doubt is reported again, and is a duplicate then if it had come through."""
        tries = 0

        def work() -> Done:
            nonlocal tries
            tries += 1
            return self.service.report(report, now=self.clock.now())

        done = await self.ask(work)
        if tries > 1 and done.result is Result.DUPLICATE and _stands(done.callback, report):
            return Done(callback=done.callback)
        return done

    def learn(self, queue: str) -> Learned:
        """Return what the calls of a queue have shown."""
        return self.learned.setdefault(queue, Learned())

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Start some work and keep it until it is done."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(_log_failure)
        return task


def _stands(callback: Callback, report: Report) -> bool:
    """Whether a callback stands where this report has brought it."""
    stood = {"call_answered": State.DETECTING, "person_found": State.REJOINED}.get(report.type)
    return callback.dial is not None and callback.dial.id == report.dial_id and callback.state is stood


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        fail("task", error)

"""A runner: its loops, how it begins and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from callback.agents import Agents
from callback.clock import Clock
from callback.dialing import Dialer
from callback.errors import CallbackError
from callback.metrics import Meter
from callback.runner.calls import Calls
from callback.runner.campaign import Campaign, CampaignError
from callback.runner.desk import Desk, Notifier, Recognise
from callback.runner.errands import Errands
from callback.runner.logs import fail, warn
from callback.runner.turns import Turns
from callback.screening import warm_up
from callback.service import CallbackService

T = TypeVar("T")
TURN_S: Final = 1.0
"""A queue is looked at so often, and whenever one of its calls moves."""
BACKOFF_S: Final = (1.0, 60.0)
"""A dialer that cannot be reached is tried again after the first, doubled up to the last."""
CALLS_MAX: Final = 30
"""Calls of one process: a core judges some 35 at once."""
GRACE_S: Final = 60.0


class Runner:
    """Run the callbacks of some queues.

    Parameters
    ----------
    service : CallbackService
    dialer : Dialer
    agents : Agents
    campaigns : iterable of Campaign
        One for each queue.
    clock : Clock, optional
    notify : Notifier, optional
        Told where callbacks stand, by way of the outbox. None leaves that to `callback serve` on the same store.
    meter : Meter, optional
        `callback.metrics.Metrics`, say.
    recognise : callable, optional
        See `callback.runner.Recognise`.
    calls_max : int
        Calls that this process holds at once; no more are claimed.
    threads : int
        For the store, which is synchronous.

    Examples
    --------
    docs/runner.md has one that the tests run.
    """

    def __init__(
        self,
        service: CallbackService,
        dialer: Dialer,
        agents: Agents,
        campaigns: Iterable[Campaign],
        *,
        clock: Clock | None = None,
        notify: Notifier | None = None,
        meter: Meter | None = None,
        recognise: Recognise | None = None,
        calls_max: int = CALLS_MAX,
        threads: int = 4,
    ) -> None:
        by_queue = {campaign.queue: campaign for campaign in campaigns}
        if not by_queue or calls_max < 1:
            raise CampaignError(f"a runner needs a campaign, and calls_max={calls_max} must be 1 or more")
        self.desk = Desk(
            service=service,
            dialer=dialer,
            agents=agents,
            clock=clock or Clock(),
            meter=meter or Meter(),
            campaigns=by_queue,
            threads=ThreadPoolExecutor(threads, thread_name_prefix="callback-store"),
            recognise=recognise,
            nudge=self._nudge,
            down=self._dialer_down,
            up=self._dialer_up,
        )
        self.calls = Calls(self.desk)
        self._turns = Turns(self.calls, calls_max=calls_max)
        self._errands = Errands(self.calls, notify)
        self._nudges = {queue: asyncio.Event() for queue in by_queue}
        self._paused_until_s = self._backoff_s = 0.0
        self._loops: list[asyncio.Task[None]] = []

    @property
    def healthy(self) -> bool:
        """Whether it does its work, or was stopped on purpose."""
        return self.calls.closed or not any(loop.done() for loop in self._loops)

    async def start(self) -> None:
        """Reach the dialer, and begin."""
        await asyncio.get_running_loop().run_in_executor(self.desk.threads, warm_up)
        await self.desk.dialer.start(self.calls.told)
        self._loops = [self.desk.spawn(self._queue_loop(campaign)) for campaign in self.desk.campaigns.values()]
        self._loops += [self.desk.spawn(self._wake_loop()), self.desk.spawn(self._errand_loop())]

    async def run(self) -> None:
        """Start, and go on until stopped."""
        await self.start()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def drain(self, grace_s: float = GRACE_S) -> None:
        """Claim no more, finish what is on, and after ``grace_s`` leave the rest to the other runners."""
        self.calls.closing = True
        until_s = self.desk.clock.s() + grace_s
        while self.calls and self.desk.clock.s() < until_s:
            await self.desk.clock.sleep(0.2)
        await self.stop()

    async def stop(self) -> None:
        """Let go of everything at once. Calls go on: whoever runs next takes them over when the leases run out."""
        self.kill()
        await asyncio.gather(*tuple(self.desk.tasks), return_exceptions=True)
        await self.desk.dialer.stop()

    def kill(self) -> None:
        """Stop where it is, without a word to anybody: what a crash does."""
        self.calls.close()
        for task in tuple(self.desk.tasks):
            task.cancel()
        self.desk.threads.shutdown(wait=False, cancel_futures=True)

    def _nudge(self, queue: str) -> None:
        if queue in self._nudges:
            self._nudges[queue].set()

    def _dialer_down(self) -> None:
        """Pause claims while the dialer is down, longer each time; all that failed at once is one time."""
        now_s, (low, high) = self.desk.clock.s(), BACKOFF_S
        if now_s >= self._paused_until_s:
            self._backoff_s = min(high, max(low, 2 * self._backoff_s))
            self._paused_until_s = now_s + self._backoff_s

    def _dialer_up(self) -> None:
        self._backoff_s = 0.0

    async def _queue_loop(self, campaign: Campaign) -> None:
        nudged = self._nudges[campaign.queue]
        while True:
            claims = not self.calls.closing and self.desk.clock.s() >= self._paused_until_s
            await self._try(f"turn of {campaign.queue}", self._turns.look(campaign, claims=claims))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.desk.clock.real_s(TURN_S)):
                    await nudged.wait()
            nudged.clear()

    async def _wake_loop(self) -> None:
        while True:
            await self._try("wake", self.desk.ask(self.desk.service.wake, self.desk.clock.now()))
            await self.desk.clock.sleep(TURN_S)

    async def _errand_loop(self) -> None:
        while True:
            if not await self._try("errands", self._errands.run()):
                await self.desk.clock.sleep(TURN_S / 2)

    async def _try(self, what: str, work: Awaitable[T]) -> T | None:
        """Do some work of a loop. Whatever goes wrong, the loop goes on: calls hang on it."""
        try:
            return await work
        except CallbackError as error:
            warn("failed", what=what, why=type(error).__name__)
        except Exception as error:  # noqa: BLE001 -- a fault of ours, or of what was given to us
            fail(what, error)
        return None

"""The demonstration: a store on disk, a runner, simulated customers and agents, the real detector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from callback import events as ev
from callback.clock import Clock
from callback.demo.people import index_of, kind_of, number_of, script_of
from callback.demo.screen import Picture, Row
from callback.demo.words import clock, line_of
from callback.dialers.customers import Script, Sounds
from callback.dialers.simulated import Exchange, SimulatedDialer
from callback.errors import CallbackError
from callback.estimate import Service, Told
from callback.live import LiveQueue
from callback.planning import Rules
from callback.retries import RetryPolicy
from callback.runner import Campaign, Runner
from callback.screening import KnownGreetings
from callback.service import CallbackService
from callback.states import Callback, Outcome
from callback.store import Store
from callback.store.reads import Attempt

QUEUE: Final = "demo"
NOON: Final = datetime(2026, 1, 5, 17, tzinfo=UTC)
"""Noon where the numbers are: nobody is called at night, whenever the demonstration is run."""
GAPS_S: Final = {
    Outcome.HUMAN: 30.0,
    Outcome.BUSY: 30.0,
    Outcome.NO_ANSWER: 60.0,
    Outcome.REFUSED: 60.0,
    Outcome.UNSURE: 60.0,
    Outcome.MACHINE: 90.0,
    Outcome.FAX: 60.0,
    Outcome.NETWORK: 15.0,
}
"""Shorter than is kind, so that there is something to see: the real ones are `callback.retries.GAPS_S`."""
RULES: Final = Rules(
    region="US",
    lease_s=20.0,
    look_up_s=5.0,
    retries=RetryPolicy(gaps_s=GAPS_S, backoff=1.0, time_of_day_apart_s=0.0),
)
AT_ONCE: Final = 4
"""Customers who are in line when it begins."""
EVERY_S: Final = 12.0
LIVE_EVERY_S: Final = 45.0
LIVE_TALK_S: Final = 40.0
LIVE_PATIENCE_S: Final = 120.0
HANDLING_S: Final = 60.0
LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the demonstration is made of."""

    database: str
    customers: int
    agents: int
    speed: float
    sounds: Sounds


class Demo:
    """One demonstration, new or gone on with.

    Parameters
    ----------
    setting : Setting
    show : callable
        Given the picture, and the lines that are new in it.
    """

    def __init__(self, setting: Setting, show: Callable[[Picture, list[str]], None]) -> None:
        self._setting = setting
        self._show = show
        self._store = Store(setting.database)
        self._store.migrate()
        self._service = CallbackService(self._store, RULES)
        self._told: dict[str, Told] = {}
        self._seen: dict[str, int] = {}
        earlier = self._look()
        self.resumed = len(earlier)
        start = max((one.changed_at for one, _ in earlier), default=NOON)
        self._clock = Clock(start=start, speed=setting.speed)
        self._agents = LiveQueue(clock=self._clock, handling_s=HANDLING_S)
        self._picture = Picture(now=start, began=NOON, speed=setting.speed, database=setting.database)
        exchange = Exchange(self._script, clock=self._clock)
        self._runner = Runner(
            self._service,
            SimulatedDialer(exchange),
            self._agents,
            [Campaign(queue=QUEUE, ring_max_s=25.0)],
            clock=self._clock,
            recognise=KnownGreetings(self._service, self._clock.now),
        )

    async def run(self) -> None:
        """Go on until every customer's callback is over."""
        for index in range(self._setting.agents):
            self._agents.add_agent(f"agent-{index + 1}", QUEUE)
        tasks = [asyncio.ensure_future(work) for work in (self._agents.run(), self._arrive(), self._call_in())]
        try:
            await self._runner.start()
            while not await self._turn():
                await asyncio.sleep(LOOK_S)
        finally:
            for task in tasks:
                task.cancel()
            await self._runner.stop()
            self._store.close()

    async def _turn(self) -> bool:
        """Show how things stand; say whether all is over."""
        if not self._runner.healthy:
            raise CallbackError("a loop of the runner died: see the log")
        found = self._look()
        self._draw(found)
        return len(found) >= self._setting.customers and all(one.ended and one.dial is None for one, _ in found)

    def _look(self) -> list[tuple[Callback, list[Attempt]]]:
        with self._store.reading() as reads:
            found = sorted(reads.all(), key=lambda one: one.booking.seq)
            return [(one, reads.attempts(one.id)) for one in found]

    def _script(self, number: str) -> Script:
        """Say what a call comes to, by what those before it came to: so it is the same after a crash."""
        with self._store.reading() as reads:
            calls = [call for callback in reads.open_of(number) for call in reads.attempts(callback.id)]
        index, outcomes = index_of(number), [call.outcome for call in calls if call.outcome is not None]
        return script_of(index, kind_of(index, outcomes), len(outcomes), self._setting.sounds)

    async def _arrive(self) -> None:
        """Let customers book, one after the other; those who have stay."""
        for index in range(self._setting.customers):
            key = f"demo-{index}"
            with self._store.reading() as reads:
                if reads.of_request(key) is not None:
                    continue
            if index >= AT_ONCE:
                await self._clock.sleep(EVERY_S)
            now = self._clock.now()
            joined = now - timedelta(seconds=max(5.0, 60.0 - 15.0 * index))
            number = number_of(index)
            self._service.book(number, queue=QUEUE, now=now, enqueued_at=joined, request_key=key)

    async def _call_in(self) -> None:
        """Let live callers join the same line."""
        count = 0
        while True:
            await self._clock.sleep(LIVE_EVERY_S)
            count += 1
            self._agents.join(f"live-{count}", QUEUE, talk_s=LIVE_TALK_S, patience_s=LIVE_PATIENCE_S)

    def _draw(self, found: list[tuple[Callback, list[Attempt]]]) -> None:
        picture, now = self._picture, self._clock.now()
        picture.now = now
        picture.rows = [
            Row(
                label=f"#{one.booking.seq}",
                callback=one,
                attempts=calls,
                place=0 if one.ended else self._service.position(one.id),
                wait=self._wait(one, now),
            )
            for one, calls in found
        ]
        picture.agents = self._doing()
        picture.live = len(self._agents.waiting(QUEUE))
        fresh = [line for _, line in sorted(self._news(found))]
        picture.lines.extend(fresh)
        self._show(picture, fresh)

    def _doing(self) -> list[tuple[str, str]]:
        return [(agent, doing) for agent, doing in self._agents.doing(QUEUE)]

    def _wait(self, one: Callback, now: datetime) -> str:
        """Return how long a customer who is not served yet will wait, as they are told."""
        if one.ended or one.dial is not None:
            return ""
        with suppress(CallbackError):
            service = Service(agents=self._setting.agents, handling_s=HANDLING_S)
            told = self._service.estimate(
                one.id, service, now=now, live=self._agents.waiting(QUEUE), told=self._told.get(one.id)
            )
            self._told[one.id] = told
            return f"{clock(told.wait.p10_s)} to {clock(told.wait.p90_s)}"
        return ""

    def _news(self, found: list[tuple[Callback, list[Attempt]]]) -> list[tuple[datetime, str]]:
        """Return what happened since the last look, with when."""
        news = []
        for one, calls in found:
            if self._seen.get(one.id, 0) == one.version:
                continue
            with self._store.reading() as reads:
                log = reads.log(one.id)
            for event, at in log[self._seen.get(one.id, 0) :]:
                self._count(event, calls)
                line = line_of(event, at - one.booking.enqueued_at, one, calls)
                if line is not None:
                    news.append((at, f"{clock((at - NOON).total_seconds()):>6}  #{one.booking.seq} {line}"))
            self._seen[one.id] = len(log)
        return news

    def _count(self, event: ev.Event, calls: list[Attempt]) -> None:
        if isinstance(event, ev.Offered) and not any(call.reached_at for call in calls):
            self._picture.reserved += 1

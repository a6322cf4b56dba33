"""The loops of a runner: whom to dial, whom to offer, what the outbox asks for, and whose time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from callback.agents import Agents, Staffing
from callback.clock import Clock
from callback.commands import HangUp, LookUp, Tell
from callback.dialing import Answered, Dialer, DialerDown, Ended, Update
from callback.errors import CallbackError
from callback.metrics import Meter
from callback.pacing import dials_allowed
from callback.reports import CallIsUp
from callback.runner.campaign import Campaign, CampaignError
from callback.runner.desk import Desk, Notifier, Recognise
from callback.runner.handling import Ask, Handling, Stage
from callback.screening import warm_up
from callback.service import CallbackService
from callback.states import Callback, State
from callback.store import Errand
from callback.transacting import Done, Result

logger: Final = logging.getLogger("callback.runner")
TURN_S: Final = 1.0
"""A queue is looked at so often, and whenever one of its calls moves."""
ERRANDS_AT_ONCE: Final = 20
BACKOFF_S: Final = (1.0, 60.0)
"""A dialer that cannot be reached is tried again after the first, doubled up to the last."""
CALLS_MAX: Final = 30
"""Calls of one process: a core judges some 35 at once."""
STAGES: Final = {
    State.DETECTING: Stage.SCREENING,
    State.REJOINED: Stage.HOLDING,
    State.CONNECTED: Stage.TALKING,
}


async def _no_notice(callback: Callback, key: str) -> None:
    """Nobody wants to know."""


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
        Told where callbacks stand, by way of the outbox.
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
        notify: Notifier = _no_notice,
        meter: Meter | None = None,
        recognise: Recognise | None = None,
        calls_max: int = CALLS_MAX,
        threads: int = 4,
    ) -> None:
        by_queue = {campaign.queue: campaign for campaign in campaigns}
        if not by_queue or calls_max < 1:
            raise CampaignError(f"a runner needs a campaign, and calls_max={calls_max} must be 1 or more")
        self.calls: dict[str, Handling] = {}
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
        self._notify = notify
        self._calls_max = calls_max
        self._nudges = {queue: asyncio.Event() for queue in by_queue}
        self._draining = False
        self._stopped = False
        self._paused_until_s = 0.0
        self._backoff_s = 0.0
        self._loops: list[asyncio.Task[None]] = []

    @property
    def draining(self) -> bool:
        """Whether no more calls are claimed."""
        return self._draining

    @property
    def healthy(self) -> bool:
        """Whether its loops go on, or were stopped on purpose."""
        return self._stopped or not any(loop.done() for loop in self._loops)

    async def start(self) -> None:
        """Reach the dialer, and begin."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.desk.threads, warm_up)
        await self.desk.dialer.start(self._told)
        self._loops = [self.desk.spawn(self._queue_loop(campaign)) for campaign in self.desk.campaigns.values()]
        self._loops += [self.desk.spawn(self._wake_loop()), self.desk.spawn(self._errand_loop())]

    async def run(self) -> None:
        """Start, and go on until cancelled or drained."""
        await self.start()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def drain(self, grace_s: float = 60.0) -> None:
        """Claim no more, finish what is on, and after ``grace_s`` leave the rest to the other runners."""
        self._draining = True
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
        self._draining = self._stopped = True
        for task in tuple(self.desk.tasks):
            task.cancel()
        for call in tuple(self.calls.values()):
            call.let_go()
        self.desk.threads.shutdown(wait=False, cancel_futures=True)

    def _nudge(self, queue: str) -> None:
        if queue in self._nudges:
            self._nudges[queue].set()

    def _dialer_down(self) -> None:
        """Pause claims while the dialer is down, longer each time."""
        low, high = BACKOFF_S
        self._backoff_s = min(high, max(low, 2 * self._backoff_s))
        self._paused_until_s = self.desk.clock.s() + self._backoff_s

    def _dialer_up(self) -> None:
        self._backoff_s = 0.0

    def _told(self, update: Update) -> None:
        """Take what the dialer tells, in the thread of the loop."""
        call = self.calls.get(update.dial_id)
        if call is None or call.over:
            if not isinstance(update, (Answered, Ended)) or (self._draining and isinstance(update, Answered)):
                return
            call = self._hold(Handling(self.desk, update.dial_id, stage=Stage.STRAY))
        call.post(update)

    def _hold(self, call: Handling) -> Handling:
        self.calls[call.dial_id] = call
        self.desk.meter.calls(len(self.calls))
        task = self.desk.spawn(call.run())
        task.add_done_callback(lambda _task: self._released(call))
        return call

    def _released(self, call: Handling) -> None:
        if self.calls.get(call.dial_id) is call:
            del self.calls[call.dial_id]
        self.desk.meter.calls(len(self.calls))
        for message in call.left() if not self._stopped else ():
            if isinstance(message, Update):
                self._told(message)
            elif isinstance(message, Ask):
                self.desk.asked.discard(message.agent)

    async def _queue_loop(self, campaign: Campaign) -> None:
        """Look at a queue for ever: offer first, then dial."""
        nudged = self._nudges[campaign.queue]
        while True:
            try:
                await self._turn(campaign)
            except CallbackError as error:
                logger.warning("queue %s is looked at again: %s", campaign.queue, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.desk.clock.real_s(TURN_S)):
                    await nudged.wait()
            nudged.clear()

    async def _turn(self, campaign: Campaign) -> None:
        staffing = await self.desk.agents.staffing(campaign.queue)
        standing = await self.desk.ask(self._standing, campaign.queue)
        if standing.get(State.REJOINED):
            await self._offer(campaign, staffing)
        if not self._draining:
            await self._claim(campaign, staffing, standing)

    def _standing(self, queue: str) -> dict[State, int]:
        with self.desk.service.store.reading() as reads:
            return reads.standing(queue)

    async def _offer(self, campaign: Campaign, staffing: Staffing) -> None:
        """Offer those who hold to the agents who are free, in the order of the line."""
        live = min((contact.place for contact in staffing.live), default=None)
        now_s, desk = self.desk.clock.s(), self.desk
        for agent in staffing.free:
            if agent in desk.asked or desk.rests.get(agent, 0.0) > now_s:
                continue
            done = await desk.once(
                desk.service.offer_next,
                queue=campaign.queue,
                agent=agent,
                now=desk.clock.now(),
                live_head=live,
            )
            if done is None or done.callback.dial is None:
                return
            desk.asked.add(agent)
            dial_id = done.callback.dial.id
            call = self.calls.get(dial_id)
            if call is None or call.over:
                call = self._hold(Handling(desk, dial_id, stage=Stage.STRAY, callback=done.callback))
            call.post(Ask(agent=agent, callback=done.callback))

    async def _claim(self, campaign: Campaign, staffing: Staffing, standing: dict[State, int]) -> None:
        """Dial as many as the agents who will be free can take."""
        desk = self.desk
        room = min(campaign.claims_max, self._calls_max - len(self.calls))
        if not standing.get(State.WAITING) or room < 1 or desk.clock.s() < self._paused_until_s:
            return
        held = standing.get(State.REJOINED, 0) + standing.get(State.OFFERED, 0)
        learned = desk.learn(campaign.queue)
        ahead = await desk.ask(self._live_ahead, campaign.queue, staffing)
        allowed = dials_allowed(
            free_agents=len(staffing.free),
            busy_agents=staffing.n_busy,
            handling_s=staffing.handling_s,
            lead=learned.lead_s,
            ready=standing.get(State.REJOINED, 0) + ahead,
            in_flight=0,
            reach=learned.reach,
            pile_up_max=campaign.pile_up_max,
        )
        if allowed + held == 0:
            return
        asked_s = desk.clock.s()
        claimed = await desk.once(
            desk.service.claim_due,
            desk.clock.now(),
            queue=campaign.queue,
            limit=room,
            in_flight_max=allowed + held,
        )
        for done in claimed:
            self._dial(done, asked_s)

    def _dial(self, done: Done, asked_s: float) -> None:
        dial = done.callback.dial
        if dial is not None:
            self._hold(
                Handling(self.desk, dial.id, stage=Stage.CLAIMED, callback=done.callback, held_since_s=asked_s)
            )

    def _live_ahead(self, queue: str, staffing: Staffing) -> int:
        """Return how many live callers stand before the first who could be dialled."""
        with self.desk.service.store.reading() as reads:
            head = reads.head(queue, self.desk.clock.now(), 1)
        if not head:
            return len(staffing.live)
        key = head[0].booking.key
        places = [contact.place for contact in staffing.live]
        return sum((place.priority, place.enqueued_at, place.seq) < key for place in places)

    async def _wake_loop(self) -> None:
        while True:
            try:
                await self.desk.ask(self.desk.service.wake, self.desk.clock.now())
            except CallbackError as error:
                logger.warning("timers are looked at again: %s", error)
            await self.desk.clock.sleep(TURN_S)

    async def _errand_loop(self) -> None:
        while True:
            try:
                errands = await self.desk.ask(
                    self.desk.service.errands, self.desk.clock.now(), limit=ERRANDS_AT_ONCE
                )
                results = await asyncio.gather(*(self._errand(one) for one in errands), return_exceptions=True)
                for error in results:
                    if isinstance(error, Exception):
                        logger.warning("an errand comes again: %s", type(error).__name__)
            except CallbackError as error:
                logger.warning("the outbox is looked at again: %s", error)
                errands = []
            if not errands:
                await self.desk.clock.sleep(TURN_S / 2)

    async def _errand(self, errand: Errand) -> None:
        """Do what the outbox asks for; what raises comes again."""
        command = errand.command
        if isinstance(command, HangUp) and command.dial_id is not None:
            await self.desk.dialer.hang_up(command.dial_id)
        elif isinstance(command, LookUp) and command.dial_id is not None:
            await self._look_up(command.dial_id, key="-".join(str(part) for part in errand.key))
        elif isinstance(command, Tell):
            callback = await self.desk.ask(self.desk.service.get, command.callback_id)
            await self._notify(callback, "-".join(str(part) for part in errand.key))
        await self.desk.ask(self.desk.service.done, errand, now=self.desk.clock.now())

    async def _look_up(self, dial_id: str, *, key: str) -> None:
        """Find out what became of a call whose worker is silent, and take it over if it goes on."""
        try:
            found = await self.desk.dialer.look_up(dial_id)
        except DialerDown:
            self.desk.meter.trouble("dialer_down")
            raise
        if isinstance(found, Ended):
            self._told(found)
            return
        if not found.answered or self._draining:
            return  # its answer is told, or the next look-up finds it
        asked_s = self.desk.clock.s()
        report = CallIsUp(
            source_id=f"{dial_id}/up-{key}", dial_id=dial_id, at=self.desk.clock.now(), bridged=found.bridged
        )
        done = await self.desk.report(report)
        stage = STAGES.get(done.callback.state)
        if done.result is not Result.APPLIED or stage is None:
            return
        if (mine := self.calls.get(dial_id)) is not None and not mine.over:
            mine.let_go()
        self._hold(Handling(self.desk, dial_id, stage=stage, callback=done.callback, held_since_s=asked_s))

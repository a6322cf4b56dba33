"""One call, from its claim or from where another worker left it, to its end.

What happens to the call comes through one inbox, and is dealt with one after another: what the dialer tells, what
screening decides, which agent is to be asked, what the agent says, and the heartbeat that renews the lease.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from callback.dialing import (
    Answered,
    DialerDown,
    DialInDoubt,
    DialRefused,
    Ended,
    KeyPressed,
    Placing,
)
from callback.errors import CallbackError, IllegalTransition, StaleFence, UnknownCallback
from callback.reports import CallAnswered, PersonFound
from callback.runner.held import END_WAIT_S
from callback.runner.logs import say, warn
from callback.runner.messages import Answer, Ask, Beat, Message, Stage
from callback.runner.offering import Offering
from callback.screening import Decision, Listener
from callback.states import Outcome, State
from callback.transacting import Done, Result

PLACE_SHARE: Final = 0.5
"""A call is placed only while so much of its lease is left."""


class Handling(Offering):
    """Deal with one call: see `callback.runner.held.Held`."""

    async def run(self) -> None:
        """Deal with the call until it is over, or somebody else's."""
        try:
            await self._begin()
            while not self.over:
                await self._take(await self._next())
        except (StaleFence, IllegalTransition, UnknownCallback) as error:
            self.desk.meter.trouble("lost_lease")
            say("dropped", dial=self.dial_id, stage=self.stage, why=type(error).__name__)
        except CallbackError as error:
            warn("given_up", dial=self.dial_id, stage=self.stage, why=type(error).__name__)
        finally:
            self.let_go()

    async def _next(self) -> Message:
        wait_s = max(0.0, self._beat_s - self.desk.clock.s())
        try:
            async with asyncio.timeout(self.desk.clock.real_s(wait_s)):
                return await self._inbox.get()
        except TimeoutError:
            return Beat()

    async def _begin(self) -> None:
        match self.stage:
            case Stage.CLAIMED:
                await self._place()
            case Stage.SCREENING:
                await self._screen()
            case Stage.HOLDING:
                await self._let_agent_go()  # whoever asked them is gone
                await self._hold()
            case Stage.TALKING:
                self._agent = await self.desk.ask(self._offered_agent)
            case _:
                pass

    async def _take(self, message: Message) -> None:
        match message:
            case Ended():
                await self._end(message)
            case Answered():
                await self._answered(message)
            case KeyPressed():
                if self._listener is not None and self.stage is Stage.SCREENING:
                    self._listener.press()
            case Decision():
                await self._decide(message)
            case Ask():
                await self._ask(message)
            case Answer():
                await self._answer(message)
            case Beat():
                await self._beat()
            case _:
                pass  # it rings: nothing to be done

    async def _place(self) -> None:
        """Place the call, if there is enough of the lease left to say that nobody else has given it up."""
        callback, now_s = self._held(), self.desk.clock.s()
        if callback.person is None or self._until_s - now_s < PLACE_SHARE * self._lease_s:
            raise StaleFence(f"the lease of dial {self.dial_id!r} is nearly over: it is not placed")
        placing = Placing(
            dial_id=self.dial_id,
            number=callback.person.number,
            queue=self.queue,
            ring_max_s=self.campaign.ring_max_s,
        )
        self._placed_s = now_s
        self.desk.meter.attempted(self.queue)
        try:
            await self.desk.dialer.originate(placing)
        except DialInDoubt:
            self.desk.meter.trouble("in_doubt")
            warn("in_doubt", dial=self.dial_id)
            self.stage, self._beat_s = Stage.STRAY, self._until_s  # what is told of it is still taken
        except DialRefused as error:
            raise StaleFence(f"dial {self.dial_id!r} is refused: it was given up") from error
        except DialerDown:
            self.desk.meter.trouble("dialer_down")
            warn("dialer_down", dial=self.dial_id)
            self.desk.down()
            await self._end(self._not_placed())
        else:
            self.desk.up()
            self.stage = Stage.RINGING
            say("placed", dial=self.dial_id, queue=self.queue)

    def _not_placed(self) -> Ended:
        return Ended(
            source_id=f"{self.dial_id}/not-placed",
            dial_id=self.dial_id,
            at=self.desk.clock.now(),
            failed=Outcome.NETWORK,
            cause="dialer down",
        )

    async def _answered(self, update: Answered) -> None:
        if self.stage not in {Stage.RINGING, Stage.STRAY}:
            return
        asked_s = self.desk.clock.s()
        report = CallAnswered(source_id=update.source_id, dial_id=self.dial_id, at=update.at)
        await self._follow(await self.desk.report(report), asked_s)

    async def _follow(self, done: Done, asked_s: float) -> None:
        """Do what a report that was taken asks for; one that was not means that somebody else has the call."""
        if done.result is not Result.APPLIED:
            self.over = True
            return
        self._renewed(asked_s, done.callback)
        match done.callback.state:
            case State.DETECTING:
                await self._screen()
            case State.REJOINED:
                await self._hold()
            case _:
                self.over = True

    async def _screen(self) -> None:
        self.stage = Stage.SCREENING
        callback, plan, now_s = self._held(), self.campaign.screening, self.desk.clock.s()
        if plan.message and await self.desk.ask(self._left_message, callback.id):
            plan = replace(plan, message=False)
        if self.desk.recognise is not None:
            self._recogniser = await self.desk.ask(self.desk.recognise, callback.id, self.dial_id)
        self._listener = Listener(
            self.desk.dialer,
            self.dial_id,
            plan,
            clock=self.desk.clock,
            tell=self.post,
            recogniser=self._recogniser,
            ring_s=None if self._placed_s is None else round(now_s - self._placed_s, 2),
        )
        self._listener.start()

    def _left_message(self, callback_id: str) -> bool:
        with self.desk.service.store.reading() as reads:
            return any('"message":"left"' in (one.evidence or "") for one in reads.attempts(callback_id))

    async def _decide(self, decision: Decision) -> None:
        if self.stage is not Stage.SCREENING:
            return
        self._decided(decision)
        if not decision.person:
            await self._hang_up()
            return
        self._person_s = asked_s = self.desk.clock.s()
        report = PersonFound(
            source_id=f"{self.dial_id}/person-{self._held().fence}",
            dial_id=self.dial_id,
            at=self.desk.clock.now(),
            cause=decision.cause,
            evidence=decision.evidence,
        )
        await self._follow(await self.desk.report(report), asked_s)

    async def _hang_up(self) -> None:
        """Hang up; the end of the call is told, or found by looking it up."""
        self.stage = Stage.ENDING
        try:
            await self.desk.dialer.hang_up(self.dial_id)
        except DialerDown:
            self.desk.meter.trouble("dialer_down")
        self._beat_s = self.desk.clock.s() + END_WAIT_S

    async def _beat(self) -> None:
        """Renew the lease, and see that the call is still on: what the dialer told may have been lost."""
        if self.stage is Stage.STRAY:
            self.over = True
            return
        callback, asked_s = self._held(), self.desk.clock.s()
        if asked_s >= self._until_s:
            raise StaleFence(f"the lease of dial {self.dial_id!r} ran out before it could be renewed")
        done = await self.desk.ask(
            self.desk.service.renew, callback.id, fence=callback.fence, now=self.desk.clock.now()
        )
        if done.callback.state is not callback.state:
            raise StaleFence(f"dial {self.dial_id!r} is in other hands: {done.callback.state}")
        self._renewed(asked_s, done.callback)
        try:
            found = await self.desk.dialer.look_up(self.dial_id)
        except DialerDown:
            return
        if isinstance(found, Ended):
            await self._end(found)
        elif found.answered and self.stage is Stage.RINGING:
            source_id = f"{self.dial_id}/up-{callback.fence}"
            await self._answered(Answered(source_id=source_id, dial_id=self.dial_id, at=self.desk.clock.now()))
        elif self.stage is Stage.ENDING:
            await self._hang_up()

"""One call, from its claim or from where another worker left it, to its end.

What happens to the call comes through one inbox, and is dealt with one after another: what the dialer tells, what
screening decides, which agent is to be asked, what the agent says, and the heartbeat that renews the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from callback.dialing import (
    Answered,
    DialerDown,
    DialInDoubt,
    DialRefused,
    Ended,
    KeyPressed,
    NoSuchCall,
    Placing,
    Prompt,
    Ringing,
    Update,
)
from callback.errors import CallbackError, IllegalTransition, StaleFence, UnknownCallback
from callback.events import Claimed, Offered
from callback.reports import CallAnswered, CallEnded, PersonFound, Report
from callback.runner.campaign import Campaign
from callback.runner.desk import Desk
from callback.screening import Decision, Listener, Recogniser
from callback.states import Callback, Outcome, State
from callback.transacting import Done, Result

logger: Final = logging.getLogger("callback.runner")
END_WAIT_S: Final = 3.0
"""A call that was hung up is told to be over within this; else it is looked up."""
PLACE_SHARE: Final = 0.5
"""A call is placed only while so much of its lease is left."""


class Stage(StrEnum):
    """What is being done about a call."""

    CLAIMED = "claimed"
    STRAY = "stray"  # told of, and not held by this runner: whose report is taken has it
    RINGING = "ringing"
    SCREENING = "screening"
    ENDING = "ending"  # hung up by us
    HOLDING = "holding"
    OFFERING = "offering"
    TALKING = "talking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask this agent; the callback stands at ``offered``."""

    agent: str
    callback: Callback


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent said: their end of the call, or None."""

    agent: str
    leg: str | None


@dataclass(frozen=True, slots=True)
class Beat:
    """Time to renew the lease, and to see that the call is still on."""


Message = Update | Decision | Ask | Answer | Beat


class Handling:
    """Deal with one call.

    Parameters
    ----------
    desk : Desk
    dial_id : str
    stage : Stage
        Where to begin.
    callback : Callback or None
        As it stands, for all but strays.
    held_since_s : float
        When the lease was asked for.
    """

    def __init__(
        self,
        desk: Desk,
        dial_id: str,
        *,
        stage: Stage,
        callback: Callback | None = None,
        held_since_s: float | None = None,
    ) -> None:
        self.desk = desk
        self.dial_id = dial_id
        self.stage = stage
        self.callback = callback
        self.agent: str | None = None
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._lease_s = desk.service.rules.lease_s
        self._until_s = (desk.clock.s() if held_since_s is None else held_since_s) + self._lease_s
        self._beat_s = 0.0
        self._started_s = desk.clock.s()
        self._person_s: float | None = None
        self._answered_s: float | None = None
        self._placed = False
        self._foreign = stage is not Stage.CLAIMED
        self._decision: Decision | None = None
        self._listener: Listener | None = None
        self._recogniser: Recogniser | None = None
        self._offering: asyncio.Task[None] | None = None
        self.over = False

    @property
    def campaign(self) -> Campaign:
        """The queue's."""
        queue = "" if self.callback is None else self.callback.booking.queue
        return self.desk.campaigns.get(queue) or next(iter(self.desk.campaigns.values()))

    @property
    def queue(self) -> str:
        """For whom the call is."""
        return self.campaign.queue

    def post(self, message: Message) -> None:
        """Let the call know."""
        self._inbox.put_nowait(message)

    async def run(self) -> None:
        """Deal with the call until it is over, or somebody else's."""
        try:
            await self._begin()
            while not self.over:
                await self._take(await self._next())
        except (StaleFence, IllegalTransition, UnknownCallback) as error:
            self.desk.meter.trouble("lost_lease")
            logger.info("dial %s is dropped in stage %s: %s", self.dial_id, self.stage, error)
        except CallbackError as error:
            logger.warning("dial %s is given up in stage %s: %s", self.dial_id, self.stage, error)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Do nothing more about it; the call goes on, and whoever looks it up takes it over."""
        self.over = True
        if self._listener is not None:
            self._listener.close()
        if self._offering is not None:
            self._offering.cancel()

    def left(self) -> Iterator[Message]:
        """Yield what came and was not dealt with any more."""
        while not self._inbox.empty():
            yield self._inbox.get_nowait()

    async def _next(self) -> Message:
        wait_s = max(0.0, self._beat_s - self.desk.clock.s())
        try:
            async with asyncio.timeout(self.desk.clock.real_s(wait_s)):
                return await self._inbox.get()
        except TimeoutError:
            return Beat()

    def _renewed(self, asked_s: float, callback: Callback) -> None:
        """Take a callback whose lease was begun anew by what was asked for at ``asked_s``."""
        self.callback = callback
        self._until_s = asked_s + self._lease_s
        self._beat_s = asked_s + self._lease_s / 3

    async def _begin(self) -> None:
        match self.stage:
            case Stage.CLAIMED:
                await self._place()
            case Stage.SCREENING:
                self._renewed(self._started_s, self._held())
                await self._screen()
            case Stage.HOLDING:
                self._renewed(self._started_s, self._held())
                await self._let_agent_go()  # whoever asked them is gone
                await self._hold()
            case Stage.TALKING:
                self._renewed(self._started_s, self._held())
                self.agent = await self.desk.ask(self._offered_agent)
            case _:
                self._beat_s = self._started_s + self._lease_s / 3

    def _held(self) -> Callback:
        if self.callback is None:
            raise UnknownCallback(f"dial {self.dial_id!r} is nobody's yet")
        return self.callback

    async def _place(self) -> None:
        """Place the call, if there is enough of the lease left to say that nobody else has given it up."""
        callback, now_s = self._held(), self.desk.clock.s()
        if callback.person is None or self._until_s - now_s < PLACE_SHARE * self._lease_s:
            logger.warning("dial %s is not placed: its lease is nearly over", self.dial_id)
            self.desk.meter.trouble("lost_lease")
            self.over = True
            return
        self._beat_s = self._until_s - self._lease_s * 2 / 3
        placing = Placing(
            dial_id=self.dial_id,
            number=callback.person.number,
            queue=self.queue,
            ring_max_s=self.campaign.ring_max_s,
        )
        self._placed = True
        self.desk.meter.attempted(self.queue)
        try:
            await self.desk.dialer.originate(placing)
        except DialInDoubt:
            self.desk.meter.trouble("in_doubt")
            logger.warning("dial %s is in doubt: it is left to be looked up", self.dial_id)
            self.stage = Stage.STRAY  # what is told of it is still taken
            self._beat_s = self._until_s
        except DialRefused:
            logger.warning("dial %s is refused: it was given up", self.dial_id)
            self.over = True
        except DialerDown:
            self.desk.meter.trouble("dialer_down")
            self.desk.down()
            await self._end(self._failure("dialer down"))
        else:
            self.desk.up()
            self.stage = Stage.RINGING

    def _failure(self, cause: str) -> Ended:
        return Ended(
            source_id=f"{self.dial_id}/not-placed",
            dial_id=self.dial_id,
            at=self.desk.clock.now(),
            failed=Outcome.NETWORK,
            cause=cause,
        )

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
            case Ringing():
                pass

    async def _answered(self, update: Answered) -> None:
        if self.stage not in {Stage.RINGING, Stage.STRAY}:
            return
        asked_s = self.desk.clock.s()
        done = await self.desk.report(CallAnswered(source_id=update.source_id, dial_id=self.dial_id, at=update.at))
        await self._follow(done, asked_s)

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
            case State.CONNECTED:
                self.stage = Stage.TALKING
            case _:
                self.over = True

    async def _screen(self) -> None:
        self.stage = Stage.SCREENING
        self._answered_s = self.desk.clock.s()
        callback, plan = self._held(), self.campaign.screening
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
            ring_s=round(self._answered_s - self._started_s, 2) if self._placed else None,
        )
        self._listener.start()

    def _left_message(self, callback_id: str) -> bool:
        with self.desk.service.store.reading() as reads:
            return any('"message":"left"' in (one.evidence or "") for one in reads.attempts(callback_id))

    async def _decide(self, decision: Decision) -> None:
        if self.stage is not Stage.SCREENING:
            return
        self._decision = decision
        self.desk.meter.judged(self.queue, decision.outcome.value, decision.cause, decision.verdict_s)
        logger.info("dial %s: %s by %s", self.dial_id, decision.outcome, decision.cause)
        if not decision.person:
            await self._hang_up()
            return
        self._person_s = self.desk.clock.s()
        callback = self._held()
        report = PersonFound(
            source_id=f"{self.dial_id}/person-{callback.fence}",
            dial_id=self.dial_id,
            at=self.desk.clock.now(),
            cause=decision.cause,
            evidence=decision.evidence,
        )
        done = await self.desk.report(report)
        await self._follow(done, self._person_s)

    async def _hang_up(self) -> None:
        """Hang up; the end of the call is told, or found by looking it up."""
        self.stage = Stage.ENDING
        try:
            await self.desk.dialer.hang_up(self.dial_id)
        except DialerDown:
            self.desk.meter.trouble("dialer_down")
        self._beat_s = self.desk.clock.s() + END_WAIT_S

    async def _hold(self) -> None:
        self.stage = Stage.HOLDING
        try:
            await self.desk.dialer.play(self.dial_id, Prompt.HOLD)
        except (NoSuchCall, DialerDown):
            self._beat_s = self.desk.clock.s() + END_WAIT_S
        self.desk.nudge(self.queue)

    async def _ask(self, ask: Ask) -> None:
        """Ask an agent. What they say comes through the inbox."""
        if self.over or self.stage in {Stage.OFFERING, Stage.TALKING, Stage.ENDING}:
            self.desk.asked.discard(ask.agent)
            return
        self._renewed(self.desk.clock.s(), ask.callback)
        self.stage, self.agent = Stage.OFFERING, ask.agent
        dial = ask.callback.dial
        self.desk.meter.offered(
            self.queue, reached_at=None if dial is None else dial.reached_at, offered_at=self.desk.clock.now()
        )
        self._offering = self.desk.spawn(self._offer(ask))

    async def _offer(self, ask: Ask) -> None:
        leg = None
        try:
            accepted = await self.desk.agents.offer(
                ask.agent, queue=self.queue, callback_id=ask.callback.id, dial_id=self.dial_id
            )
            leg = None if accepted is None else accepted.leg
        finally:
            self.desk.asked.discard(ask.agent)
            self.post(Answer(agent=ask.agent, leg=leg))

    async def _answer(self, answer: Answer) -> None:
        if self.stage is not Stage.OFFERING or answer.agent != self.agent:
            return
        callback, now_s = self._held(), self.desk.clock.s()
        self._offering = None
        if answer.leg is None:
            await self._missed(callback, answer.agent)
            return
        try:
            done = await self.desk.ask(
                self.desk.service.connected, callback.id, fence=callback.fence, now=self.desk.clock.now()
            )
        except (StaleFence, IllegalTransition):
            await self.desk.agents.over(answer.agent, callback_id=callback.id)
            raise
        self._renewed(now_s, done.callback)
        self.stage = Stage.TALKING
        try:
            await self.desk.dialer.bridge(self.dial_id, answer.leg)
        except (NoSuchCall, DialerDown) as error:
            logger.warning("dial %s was not bridged: %s", self.dial_id, type(error).__name__)
            await self.desk.agents.over(answer.agent, callback_id=callback.id)
            self._beat_s = self.desk.clock.s()
            return
        await self._connected(done.callback)

    async def _missed(self, callback: Callback, agent: str) -> None:
        """Back to the front of the line; the next agent is asked, not the same one at once."""
        self.agent = None
        self.desk.rests[agent] = self.desk.clock.s() + self.campaign.missed_rest_s
        asked_s = self.desk.clock.s()
        done = await self.desk.ask(
            self.desk.service.offer_missed, callback.id, fence=callback.fence, now=self.desk.clock.now()
        )
        self._renewed(asked_s, done.callback)
        self.stage = Stage.HOLDING
        self.desk.nudge(self.queue)

    async def _connected(self, callback: Callback) -> None:
        now = self.desk.clock.now()
        reached_at = None if callback.dial is None else callback.dial.reached_at
        ahead = await self.desk.ask(self._ahead, callback)
        self.desk.meter.connected(
            self.queue,
            wait_s=(now - callback.booking.enqueued_at).total_seconds(),
            hold_s=0.0 if reached_at is None else (now - reached_at).total_seconds(),
            overtaken=ahead,
        )

    def _ahead(self, callback: Callback) -> int:
        """Return how many callbacks with an earlier place could have had the agent: not the deferred."""
        with self.desk.service.store.reading() as reads:
            return sum(one.state is not State.DEFERRED for one in reads.line_ahead(callback.booking))

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

    async def _end(self, update: Ended) -> None:
        """The call is over: report what it came to, and let the agent go."""
        self.over = True
        if self._offering is not None and self.agent is not None and self.callback is not None:
            await self.desk.agents.withdraw(self.agent, callback_id=self.callback.id)
        await self._let_agent_go()
        done = await self.desk.report(await self._ended(update))
        if done.result is Result.APPLIED:
            self._learn(done.callback)
        await self._conclude()
        self.desk.nudge(self.queue)

    async def _ended(self, update: Ended) -> Report:
        outcome, cause, evidence = update.failed, update.cause, None
        if outcome is None:
            outcome, cause = await self._came_to(), ""
        if self._decision is not None:
            cause = self._decision.cause
            evidence = self._decision.evidence if self._listener is None else self._listener.evidence()
        return CallEnded(
            source_id=update.source_id,
            dial_id=self.dial_id,
            at=update.at,
            outcome=Outcome.HUMAN if update.talked else outcome,
            talked=update.talked,
            cause=cause,
            evidence=evidence,
        )

    async def _came_to(self) -> Outcome:
        """Return what answered a call that is over."""
        if self._decision is None and self._listener is not None:
            self._decision = self._listener.hung_up()
            decision = self._decision
            self.desk.meter.judged(self.queue, decision.outcome.value, decision.cause, decision.verdict_s)
        if self._decision is not None:
            return self._decision.outcome
        with suppress(UnknownCallback):
            self.callback = await self.desk.ask(self._of_dial)
        dial = None if self.callback is None else self.callback.dial
        reached = dial is not None and dial.id == self.dial_id and dial.reached_at is not None
        return Outcome.HUMAN if reached else Outcome.UNSURE

    async def _let_agent_go(self) -> None:
        """Give the contact centre its agent back, whom another worker may have asked."""
        if self._foreign and self.agent is None:
            self.agent = await self.desk.ask(self._offered_agent)
        if self.agent is not None and self.callback is not None:
            await self.desk.agents.over(self.agent, callback_id=self.callback.id)
        self.agent, self._foreign = None, False

    def _offered_agent(self) -> str | None:
        """Return the agent who was asked last during this call."""
        with self.desk.service.store.reading() as reads:
            self.callback = reads.of_dial(self.dial_id)
            agent = None
            for event, _ in reads.log(self.callback.id):
                if isinstance(event, Claimed):
                    agent = None
                elif isinstance(event, Offered):
                    agent = event.agent
        return agent

    def _of_dial(self) -> Callback:
        with self.desk.service.store.reading() as reads:
            return reads.of_dial(self.dial_id)

    def _learn(self, callback: Callback) -> None:
        outcome = callback.tally.last_outcome
        if callback.state is State.COMPLETED:
            outcome = Outcome.HUMAN
        self.desk.meter.ended(callback.booking.queue, "unknown" if outcome is None else outcome.value)
        if self._placed:
            after_s = None if self._person_s is None else self._person_s - self._started_s
            self.desk.learn(callback.booking.queue).ended(person_after_s=after_s)

    async def _conclude(self) -> None:
        """Tell who may know the greeting again what it was."""
        if self._recogniser is not None and self._decision is not None:
            await self.desk.ask(self._recogniser.conclude, self._decision)

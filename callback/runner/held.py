"""A call that this runner holds: its inbox, its lease, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from callback.dialing import Ended
from callback.errors import UnknownCallback
from callback.events import Claimed, Offered
from callback.reports import CallEnded
from callback.runner.campaign import Campaign
from callback.runner.desk import Desk
from callback.runner.logs import say
from callback.runner.messages import Message, Stage
from callback.screening import Decision, Listener, Recogniser
from callback.states import Callback, Outcome, State
from callback.transacting import Result

END_WAIT_S: Final = 3.0
"""A call that was hung up is told to be over within this; else it is looked up."""
BEATS: Final = 3
"""A lease is renewed so often before it would run out: a store that is away for a moment costs nothing."""


class Held:
    """One call.

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
        self.over = False
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._started_s = desk.clock.s()
        self._lease_s = desk.service.rules.lease_s
        self._until_s = 0.0
        self._beat_s = 0.0
        self._renewed(self._started_s if held_since_s is None else held_since_s)
        self._placed_s: float | None = None
        self._person_s: float | None = None
        self._decision: Decision | None = None
        self._listener: Listener | None = None
        self._recogniser: Recogniser | None = None
        self._offering: asyncio.Task[None] | None = None
        self._agent: str | None = None
        self._foreign = stage is not Stage.CLAIMED

    @property
    def campaign(self) -> Campaign:
        """The queue's; of a queue that is not ours, the first there is."""
        queue = "" if self.callback is None else self.callback.booking.queue
        return self.desk.campaigns.get(queue) or next(iter(self.desk.campaigns.values()))

    @property
    def queue(self) -> str:
        """For whom the call is."""
        return self.campaign.queue

    def post(self, message: Message) -> None:
        """Let the call know."""
        self._inbox.put_nowait(message)

    def left(self) -> Iterator[Message]:
        """Yield what came and was not dealt with any more."""
        while not self._inbox.empty():
            yield self._inbox.get_nowait()

    def let_go(self) -> None:
        """Do nothing more about it; the call goes on, and whoever looks it up takes it over."""
        self.over = True
        if self._listener is not None:
            self._listener.close()
        if self._offering is not None:
            self._offering.cancel()

    def _held(self) -> Callback:
        if self.callback is None:
            raise UnknownCallback(f"dial {self.dial_id!r} is nobody's yet")
        return self.callback

    def _renewed(self, asked_s: float, callback: Callback | None = None) -> None:
        """Take a callback whose lease was begun anew by what was asked for at ``asked_s``."""
        self.callback = callback or self.callback
        self._until_s = asked_s + self._lease_s
        self._beat_s = asked_s + self._lease_s / BEATS

    def _look_soon(self) -> None:
        self._beat_s = min(self._beat_s, self.desk.clock.s() + END_WAIT_S)

    async def _end(self, update: Ended) -> None:
        """The call is over: let the agent go, and report what it came to."""
        self.over = True
        if self._offering is not None and self._agent is not None and self.callback is not None:
            await self.desk.agents.withdraw(self._agent, callback_id=self.callback.id)
        await self._let_agent_go()
        done = await self.desk.report(await self._ended(update))
        if done.result is Result.APPLIED:
            self._learn(done.callback)
        if self._recogniser is not None and self._decision is not None:
            await self.desk.ask(self._recogniser.conclude, self._decision)
        self.desk.nudge(self.queue)

    async def _ended(self, update: Ended) -> CallEnded:
        outcome, cause, evidence = update.failed, update.cause, None
        if outcome is None:
            outcome, cause = await self._came_to(), ""  # what was noted before stays
        if self._decision is not None and self._listener is not None:
            cause, evidence = self._decision.cause, self._listener.evidence()
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
            self._decided(self._listener.hung_up())
        if self._decision is not None:
            return self._decision.outcome
        with suppress(UnknownCallback):
            self.callback = await self.desk.ask(self._of_dial)
        dial = None if self.callback is None else self.callback.dial
        reached = dial is not None and dial.id == self.dial_id and dial.reached_at is not None
        return Outcome.HUMAN if reached else Outcome.UNSURE

    def _decided(self, decision: Decision) -> None:
        self._decision = decision
        self.desk.meter.judged(self.queue, decision.outcome.value, decision.cause, decision.verdict_s)
        seconds = None if decision.verdict_s is None else round(decision.verdict_s, 2)
        say("verdict", dial=self.dial_id, outcome=decision.outcome, cause=decision.cause, verdict_s=seconds)

    def _learn(self, callback: Callback) -> None:
        given_up = callback.state in {State.CANCELLED, State.SUPERSEDED}
        outcome = callback.tally.last_outcome
        name = "given_up" if given_up or outcome is None else outcome.value
        self.desk.meter.ended(callback.booking.queue, name)
        say("ended", dial=self.dial_id, outcome=name, state=callback.state)
        if self._placed_s is not None:
            after_s = None if self._person_s is None else self._person_s - self._placed_s
            self.desk.learn(callback.booking.queue).ended(person_after_s=after_s)

    async def _let_agent_go(self) -> None:
        """Give the contact centre its agent back, whom another worker may have asked."""
        if self._foreign and self._agent is None:
            self._agent = await self.desk.ask(self._offered_agent)
        if self._agent is not None and self.callback is not None:
            await self.desk.agents.over(self._agent, callback_id=self.callback.id)
        self._agent, self._foreign = None, False

    def _offered_agent(self) -> str | None:
        """Return the agent who was asked last during this call."""
        with self.desk.service.store.reading() as reads:
            self.callback = reads.of_dial(self.dial_id)
            log = reads.log(self.callback.id)
        agent = None
        for event, _ in log:
            if isinstance(event, Claimed):
                agent = None
            elif isinstance(event, Offered):
                agent = event.agent
        return agent

    def _of_dial(self) -> Callback:
        with self.desk.service.store.reading() as reads:
            return reads.of_dial(self.dial_id)

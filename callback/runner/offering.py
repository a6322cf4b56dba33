"""From hold to talk: an agent is asked, and put through when they take the call."""

from __future__ import annotations

from typing import Final

from callback.dialing import DialerDown, DialingError, Ended, NoSuchCall, Prompt
from callback.errors import CallbackError
from callback.runner.held import Held
from callback.runner.logs import say, warn
from callback.runner.messages import Answer, Ask, Stage
from callback.states import Callback, State

BRIDGE_WAITS_S: Final = (0.5, 1.0, 2.0)
"""A dialer that is away is asked again to bridge, after these; then the agent is let go."""


class Offering(Held):
    """The part of a call in which a person is on the line."""

    async def _hold(self) -> None:
        self.stage = Stage.HOLDING
        try:
            await self.desk.dialer.play(self.dial_id, Prompt.HOLD)
        except (NoSuchCall, DialerDown):
            self._look_soon()
        self.desk.nudge(self.queue)

    async def _ask(self, ask: Ask) -> None:
        """Ask an agent. What they say comes through the inbox."""
        if self.stage in {Stage.OFFERING, Stage.TALKING, Stage.ENDING}:
            self.desk.asked.discard(ask.agent)
            return
        self._renewed(self.desk.clock.s(), ask.callback)
        self.stage, self._agent = Stage.OFFERING, ask.agent
        dial = ask.callback.dial
        self.desk.meter.offered(
            self.queue, reached_at=None if dial is None else dial.reached_at, offered_at=self.desk.clock.now()
        )
        say("offered", dial=self.dial_id, agent=ask.agent)
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
        if self.stage is not Stage.OFFERING or answer.agent != self._agent:
            return
        self._offering = None
        if answer.leg is None:
            self.desk.rests[answer.agent] = self.desk.clock.s() + self.campaign.missed_rest_s
            self._agent = None
            await self._missed()
            return
        callback, asked_s = self._held(), self.desk.clock.s()
        try:
            done = await self.desk.once(
                self.desk.service.connected, callback.id, fence=callback.fence, now=self.desk.clock.now()
            )
        except CallbackError:  # another has the call, or nobody knows: it is looked up
            await self._let_agent_go()
            raise
        self._renewed(asked_s, done.callback)
        self.stage = Stage.TALKING
        if self._listener is not None:
            self._listener.close()  # what they talk about is theirs
        await self._bridge(answer.leg)

    async def _missed(self) -> None:
        """Back to the front of the line; the next agent is asked, not the same one at once."""
        callback, asked_s = self._held(), self.desk.clock.s()
        done = await self.desk.ask(
            self.desk.service.offer_missed, callback.id, fence=callback.fence, now=self.desk.clock.now()
        )
        self._renewed(asked_s, done.callback)
        self.stage = Stage.HOLDING
        self.desk.nudge(self.queue)

    async def _bridge(self, leg: str) -> None:
        """Put them through. Where that cannot be, a customer who is still there is first in line again."""
        for wait_s in (*BRIDGE_WAITS_S, None):
            try:
                await self.desk.dialer.bridge(self.dial_id, leg)
            except DialerDown:
                if wait_s is not None:
                    await self.desk.clock.sleep(wait_s)
            except DialingError:
                break
            else:
                await self._connected(self._held())
                return
        warn("not_bridged", dial=self.dial_id)
        await self._let_agent_go()
        found = await self.desk.dialer.look_up(self.dial_id)
        if isinstance(found, Ended):
            await self._end(found)
        else:
            await self._missed()

    async def _connected(self, callback: Callback) -> None:
        now = self.desk.clock.now()
        reached_at = None if callback.dial is None else callback.dial.reached_at
        wait_s = (now - callback.booking.enqueued_at).total_seconds()
        hold_s = 0.0 if reached_at is None else (now - reached_at).total_seconds()
        say("connected", dial=self.dial_id, wait_s=round(wait_s, 1), hold_s=round(hold_s, 1))
        ahead = await self.desk.ask(self._ahead, callback)
        self.desk.meter.connected(self.queue, wait_s=wait_s, hold_s=hold_s, overtaken=ahead)

    def _ahead(self, callback: Callback) -> int:
        """Return how many callbacks with an earlier place could have had the agent: not the deferred."""
        with self.desk.service.store.reading() as reads:
            return sum(one.state is not State.DEFERRED for one in reads.line_ahead(callback.booking))

"""A contact centre in memory: agents who are asked, and live callers who stand in the same line.

For the demonstration and for tests. Agents take every call unless told otherwise; a live caller at the head of the
line gets the agent who has been free for a moment, for until then the agent may be asked to take a callback whose
place is before theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from callback.agents import Accepted, Staffing
from callback.clock import Clock
from callback.errors import CallbackError
from callback.ordering import Contact, Kind, Place

SETTLE_S: Final = 2.0
"""An agent is left free for so long before a live caller gets them: two turns of a runner."""
ANSWER_S: Final = 3.0
HANDLING_S: Final = 180.0


class LiveError(CallbackError, ValueError):
    """An agent or a caller that there is not, or twice."""


@dataclass(slots=True, kw_only=True, eq=False)
class Agent:
    """An agent, by an id that is no name."""

    id: str
    queue: str
    free_since_s: float
    callback_id: str | None = None
    live_id: str | None = None
    withdrawn: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def free(self) -> bool:
        """Whether they can be asked."""
        return self.callback_id is None and self.live_id is None


@dataclass(slots=True, kw_only=True, eq=False)
class LiveCaller:
    """A live caller: talks for ``talk_s`` once an agent took them, hangs up after ``patience_s`` without."""

    contact: Contact
    queue: str
    talk_s: float
    patience_s: float
    joined_s: float


class LiveQueue:
    """The contact centre's queue, in this process.

    Parameters
    ----------
    clock : Clock
    answers : callable, optional
        Given an agent's id and a callback's, whether the agent takes the call; all do, by default.
    answer_s : float
        So long an agent takes to answer, or to let it pass.
    handling_s : float
        What `callback.agents.Staffing` says of the length of a contact.
    settle_s : float
        See `SETTLE_S`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        answers: Callable[[str, str], bool] = lambda _agent, _callback: True,
        answer_s: float = ANSWER_S,
        handling_s: float = HANDLING_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._clock = clock
        self._answers = answers
        self._answer_s = answer_s
        self._handling_s = handling_s
        self._settle_s = settle_s
        self._agents: dict[str, Agent] = {}
        self._callers: dict[str, LiveCaller] = {}
        self._seq = 0
        self.served: list[str] = []
        """Ids of the live callers who were put through, in order."""
        self.hung_up: list[str] = []
        """Ids of those who did not wait for it."""

    def add_agent(self, agent: str, queue: str) -> None:
        """Let an agent begin work."""
        if agent in self._agents:
            raise LiveError(f"agent {agent!r} is at work already")
        self._agents[agent] = Agent(id=agent, queue=queue, free_since_s=self._clock.s())

    def remove_agent(self, agent: str) -> None:
        """Let an agent go home; one who talks finishes first."""
        self._agents.pop(agent, None)

    def join(
        self, caller_id: str, queue: str, *, talk_s: float, patience_s: float = float("inf"), priority: int = 0
    ) -> Contact:
        """Let a live caller join the line now; return them with their place."""
        if caller_id in self._callers:
            raise LiveError(f"caller {caller_id!r} is in line already")
        self._seq += 1
        place = Place(priority=priority, enqueued_at=self._clock.now(), seq=self._seq)
        contact = Contact(id=caller_id, place=place, kind=Kind.LIVE, ready=True)
        self._callers[caller_id] = LiveCaller(
            contact=contact, queue=queue, talk_s=talk_s, patience_s=patience_s, joined_s=self._clock.s()
        )
        return contact

    def tick(self) -> None:
        """Let live callers who have waited enough go, end their talks, and put the first in line through."""
        now_s = self._clock.s()
        for caller in list(self._callers.values()):
            if now_s - caller.joined_s > caller.patience_s:
                del self._callers[caller.contact.id]
                self.hung_up.append(caller.contact.id)
        for agent in self._agents.values():
            line = self._line(agent.queue)
            if agent.free and line and now_s - agent.free_since_s >= self._settle_s:
                self._serve(agent, line[0])

    def idle(self) -> bool:
        """Whether no agent is taken."""
        return all(agent.free for agent in self._agents.values())

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            self.tick()
            await self._clock.sleep(0.5)

    def waiting(self, queue: str) -> tuple[Contact, ...]:
        """Return the live callers of a queue who wait, in line."""
        return tuple(caller.contact for caller in self._line(queue))

    def doing(self, queue: str) -> list[tuple[str, str]]:
        """Return what each agent of a queue is doing, for people to read."""
        return [
            (agent.id, "free" if agent.free else "with a live caller" if agent.live_id else "with a callback")
            for agent in self._agents.values()
            if agent.queue == queue
        ]

    async def staffing(self, queue: str) -> Staffing:
        """Return who is there."""
        there = [agent for agent in self._agents.values() if agent.queue == queue]
        free = sorted((agent for agent in there if agent.free), key=lambda agent: agent.free_since_s)
        return Staffing(
            free=tuple(agent.id for agent in free),
            n_busy=len(there) - len(free),
            handling_s=self._handling_s,
            live=tuple(caller.contact for caller in self._line(queue)),
        )

    async def offer(self, agent: str, *, queue: str, callback_id: str, dial_id: str) -> Accepted | None:
        """Ask an agent."""
        asked = self._agents.get(agent)
        if asked is None or not asked.free or asked.queue != queue:
            return None
        asked.callback_id = callback_id
        asked.withdrawn.clear()
        try:
            async with asyncio.timeout(self._clock.real_s(self._answer_s)):
                await asked.withdrawn.wait()
        except TimeoutError:
            if self._answers(agent, callback_id):
                return Accepted(leg=f"{agent}/{dial_id}")
        except asyncio.CancelledError:  # whoever asked is gone
            await self.over(agent, callback_id=callback_id)
            raise
        await self.over(agent, callback_id=callback_id)
        return None

    async def withdraw(self, agent: str, *, callback_id: str) -> None:
        """The customer is gone."""
        asked = self._agents.get(agent)
        if asked is not None and asked.callback_id == callback_id:
            asked.withdrawn.set()

    async def over(self, agent: str, *, callback_id: str) -> None:
        """The talk is over."""
        asked = self._agents.get(agent)
        if asked is not None and asked.callback_id == callback_id:
            asked.callback_id, asked.free_since_s = None, self._clock.s()

    def _line(self, queue: str) -> list[LiveCaller]:
        waiting = [caller for caller in self._callers.values() if caller.queue == queue]
        return sorted(waiting, key=lambda caller: caller.contact.place)

    def _serve(self, agent: Agent, caller: LiveCaller) -> None:
        del self._callers[caller.contact.id]
        self.served.append(caller.contact.id)
        agent.live_id = caller.contact.id
        loop = asyncio.get_running_loop()
        loop.call_later(self._clock.real_s(caller.talk_s), self._free, agent, caller.contact.id)

    def _free(self, agent: Agent, live_id: str) -> None:
        if agent.live_id == live_id:
            agent.live_id, agent.free_since_s = None, self._clock.s()

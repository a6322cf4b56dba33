"""Agents of Asterisk's ``app_queue``: asked over its manager (AMI), rung over its REST interface (ARI).

An agent who is offered a customer is paused in every queue that could ring them, with a reason that names the leg;
the pause is lifted when the talk is over. Whose worker died is found by that reason: any worker that looks at the
queue lifts a pause whose leg is gone, or whose leg has been alone for `ALONE_S`. Needs the extra ``dialers``.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from callback.agents import Accepted, Staffing
from callback.dialers.app_queue_ami import Ami, AmiAccess, AmiRefused, Block
from callback.dialers.app_queue_line import TAKEN, Learned, Line, Member, member_of
from callback.dialers.ari_link import AriAccess, AriLink
from callback.dialing import DialerDown, DialInDoubt, DialingError

REASON: Final = "callback "
"""What the reasons of our pauses begin with; the leg follows. Asterisk keeps 80 characters."""
ALONE_S: Final = 15.0
"""An agent's leg that is in no bridge for so long has been left by its worker: an offer that was accepted is
bridged within a second."""
SLACK_S: Final = 2.0
"""Beyond the time that Asterisk rings, before we end it ourselves."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppQueueRules:
    """How app_queue's agents are asked.

    Parameters
    ----------
    queues : mapping of str to str
        Names of queues in Asterisk, by ours, where they differ.
    caller_id : str
        What the agent's phone shows while it rings.
    offer_max_s : float, s
        So long it rings.
    handling_s : float, s
        Assumed until calls were heard of, or Asterisk has a mean of its own.
    wrapup_s : float, s
        ``wrapuptime`` of queues.conf, which Asterisk tells of members only.
    """

    queues: Mapping[str, str] = field(default_factory=dict)
    caller_id: str = "Callback"
    offer_max_s: float = 20.0
    handling_s: float = 240.0
    wrapup_s: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("offer_max_s", 1.0), ("handling_s", 1.0), ("wrapup_s", 0.0)):
            value = getattr(self, name)
            if not least <= value <= 3600:
                raise ValueError(f"{name}={value} must be from {least} to 3600 s: milliseconds?")


def leg_of(agent: str, callback_id: str) -> str:
    """Return the id of an agent's channel: the same for every worker."""
    return f"{callback_id}.{hashlib.sha256(agent.encode()).hexdigest()[:8]}"


class AppQueue:
    """`callback.agents.Agents` on Asterisk's app_queue. An agent's id is their interface, ``PJSIP/1001``.

    Parameters
    ----------
    ami : AmiAccess
    ari : AriAccess
        With an application of its own, not the dialer's.
    rules : AppQueueRules
    now, now_s : callable
        The clock, and a monotonic one.
    """

    def __init__(
        self,
        ami: AmiAccess,
        ari: AriAccess,
        rules: AppQueueRules | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._learned = Learned()
        self._ami = Ami(ami, self._learned.hear)
        self._ari = AriLink(ari, lambda _: None)
        self._rules = rules or AppQueueRules()
        self._now = now
        self._now_s = now_s
        self._lines: dict[str, Line] = {}
        self._offers: dict[str, asyncio.Event] = {}
        self._mine: set[str] = set()
        self._alone_s: dict[str, float] = {}

    async def start(self) -> None:
        """Reach Asterisk both ways; raise `callback.dialing.DialerDown` if that cannot be."""
        try:
            await self._ari.start()
            await self._ami.start()
        except DialerDown:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go of Asterisk; talks go on."""
        await self._ami.stop()
        await self._ari.stop()

    async def staffing(self, queue: str) -> Staffing:
        """Return who is there, and lift the pauses that a dead worker left."""
        name = self._rules.queues.get(queue, queue)
        status = await self._ami.ask_list("QueueStatus", Queue=name)
        params = next((block for block in status if block.get("Event") == "QueueParams"), None)
        if params is None:
            raise DialingError(f"queue {name!r} is none of Asterisk's: another name in queues.conf?")
        members = [member_of(block) for block in status if block.get("Event") == "QueueMember"]
        await self._lift_orphans(members)
        now = self._now()
        free, n_busy = self._sort_out(members, now.timestamp())
        durations = self._learned.of(name)
        talk_s = durations.mean_handling_s() or float(params.get("TalkTime") or 0) or self._rules.handling_s
        entries = [block for block in status if block.get("Event") == "QueueEntry"]
        return Staffing(
            free=free,
            n_busy=n_busy,
            handling_s=talk_s + self._rules.wrapup_s,
            patience_s=durations.patience_s(),
            live=self._lines.setdefault(name, Line()).contacts(entries, now),
        )

    async def offer(self, agent: str, *, queue: str, callback_id: str, dial_id: str) -> Accepted | None:
        """Ring an agent, who is paused meanwhile; None when they were not free, or did not answer."""
        del queue, dial_id  # whoever the agent is paused for, it is in all their queues
        leg = leg_of(agent, callback_id)
        self._offers[leg] = withdrawn = asyncio.Event()
        self._mine.add(leg)
        accepted = False
        try:
            accepted = await self._reserve(agent, leg) and await self._ring(agent, leg, withdrawn)
        finally:
            del self._offers[leg]
            if not accepted:
                await asyncio.shield(self._let_go(agent, leg))
        return Accepted(leg=leg) if accepted else None

    async def withdraw(self, agent: str, *, callback_id: str) -> None:
        """Stop ringing an agent, and lift the pause."""
        leg = leg_of(agent, callback_id)
        if leg in self._offers:
            self._offers[leg].set()
        await self._let_go(agent, leg)

    async def over(self, agent: str, *, callback_id: str) -> None:
        """End the agent's leg, if it still is, and lift the pause if it is ours."""
        await self._let_go(agent, leg_of(agent, callback_id))

    def _sort_out(self, members: Iterable[Member], now_s: float) -> tuple[tuple[str, ...], int]:
        free: list[Member] = []
        n_busy = 0
        for member in members:
            ours = member.paused and member.reason.startswith(REASON)
            wrapping_up = member.is_wrapping_up(now_s, self._rules.wrapup_s)
            if member.is_callable() and not member.paused and not wrapping_up:
                free.append(member)
            elif ours or member.status in TAKEN or member.in_call or (wrapping_up and not member.paused):
                n_busy += 1
        free.sort(key=lambda member: (max(member.last_call_s, member.login_s), member.interface))
        return tuple(member.interface for member in free), n_busy

    async def _memberships(self, agent: str) -> list[Member]:
        status = await self._ami.ask_list("QueueStatus", Member=agent)
        members = [member_of(block) for block in status if block.get("Event") == "QueueMember"]
        return [member for member in members if member.interface == agent]

    async def _reserve(self, agent: str, leg: str) -> bool:
        """Pause an agent, and only then see whether they are free, and ours: nothing rings them in between."""
        unpaused = {member.queue for member in await self._memberships(agent) if not member.paused}
        for name in sorted(unpaused):
            await self._pause(agent, name, REASON + leg, paused=True)
        members = await self._memberships(agent)
        ours = {member.queue for member in members if member.paused and member.reason == REASON + leg}
        return bool(unpaused) and ours >= unpaused and all(member.is_callable() for member in members)

    async def _ring(self, agent: str, leg: str, withdrawn: asyncio.Event) -> bool:
        """Ring until it is answered; False when it was not, or the offer is withdrawn."""
        body = {
            "endpoint": agent,
            "app": self._ari.app,
            "callerId": self._rules.caller_id,
            "timeout": math.ceil(self._rules.offer_max_s),
        }
        with self._ari.awaiting(("StasisStart", leg), ("ChannelDestroyed", leg)) as settled:
            try:
                if withdrawn.is_set() or not (await self._ari.ask_once("channels", leg, body=body)).ok:
                    return False
            except DialInDoubt:
                logger.warning("app_queue: leg %s may ring or not: it is awaited", leg)
            giving_up = asyncio.create_task(withdrawn.wait())
            first: list[asyncio.Future[Any]] = [settled, giving_up]
            await asyncio.wait(
                first,
                timeout=self._rules.offer_max_s + SLACK_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            giving_up.cancel()
            answered = settled.done() and settled.result()["type"] == "StasisStart"
            return answered and not withdrawn.is_set()

    async def _let_go(self, agent: str, leg: str) -> None:
        """End the leg, and lift our pause wherever it is."""
        self._mine.discard(leg)
        await self._ari.ask("DELETE", "channels", leg)
        for member in await self._memberships(agent):
            if member.paused and member.reason == REASON + leg:
                await self._pause(agent, member.queue, "", paused=False)
        self._alone_s.pop(leg, None)

    async def _pause(self, agent: str, queue: str, reason: str, *, paused: bool) -> None:
        fields = {"Interface": agent, "Paused": str(paused).lower(), "Queue": queue, "Reason": reason}
        try:
            await self._ami.act("QueuePause", **{key: value for key, value in fields.items() if value})
        except AmiRefused as error:  # no member of it any more
            logger.warning("app_queue: a member could not be %s: %s", "paused" if paused else "unpaused", error)

    async def _lift_orphans(self, members: Iterable[Member]) -> None:
        for member in members:
            leg = member.reason.removeprefix(REASON)
            ours = member.paused and member.reason.startswith(REASON)
            if not ours or leg in self._mine:
                continue
            if await self._is_looked_after(leg):
                self._alone_s.pop(leg, None)
            elif self._now_s() - self._alone_s.setdefault(leg, self._now_s()) >= ALONE_S:
                logger.warning("app_queue: leg %s was left by its worker: its agent is unpaused", leg)
                await self._let_go(member.interface, leg)

    async def _is_looked_after(self, leg: str) -> bool:
        """Whether it rings, which ends by itself, or is in a bridge."""
        channel = await self._ari.ask("GET", "channels", leg)
        if not channel.ok:
            return False
        bridges: list[Block] = (await self._ari.ask("GET", "bridges")).body or []
        return channel.body["state"] != "Up" or any(leg in bridge["channels"] for bridge in bridges)

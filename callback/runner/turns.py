"""A look at one queue: offer those who hold to the agents who are free, then dial as many as they can take."""

from __future__ import annotations

from callback.agents import Staffing
from callback.pacing import dials_allowed
from callback.runner.calls import Calls
from callback.runner.campaign import Campaign
from callback.states import State

Standing = dict[State, int]


class Turns:
    """What a runner does for its queues.

    Parameters
    ----------
    calls : Calls
    calls_max : int
        No more are claimed while so many are held.
    """

    def __init__(self, calls: Calls, *, calls_max: int) -> None:
        self._calls = calls
        self._desk = calls.desk
        self._calls_max = calls_max

    async def look(self, campaign: Campaign, *, claims: bool) -> None:
        """Look at a queue once."""
        desk = self._desk
        staffing = await desk.agents.staffing(campaign.queue)
        standing = await desk.ask(self._standing, campaign.queue)
        if standing.get(State.REJOINED):
            await self._offer(campaign, staffing)
        room = min(campaign.claims_max, self._calls_max - len(self._calls))
        if claims and room > 0 and standing.get(State.WAITING):
            await self._claim(campaign, staffing, standing, room)

    def _standing(self, queue: str) -> Standing:
        with self._desk.service.store.reading() as reads:
            return reads.standing(queue)

    async def _offer(self, campaign: Campaign, staffing: Staffing) -> None:
        """Offer in the order of the line. No agent is asked twice at once, nor soon after letting a call pass."""
        desk, live = self._desk, min((contact.place for contact in staffing.live), default=None)
        for agent in staffing.free:
            if agent in desk.asked or desk.rests.get(agent, 0.0) > desk.clock.s():
                continue
            done = await desk.once(
                desk.service.offer_next,
                queue=campaign.queue,
                agent=agent,
                now=desk.clock.now(),
                live_head=live,
            )
            if done is None:
                return
            self._calls.ask(agent, done.callback)

    async def _claim(self, campaign: Campaign, staffing: Staffing, standing: Standing, room: int) -> None:
        """Dial as many as the agents who will be free can take."""
        desk, learned = self._desk, self._desk.learn(campaign.queue)
        holding = standing.get(State.REJOINED, 0)
        allowed = dials_allowed(
            free_agents=len(staffing.free),
            busy_agents=staffing.n_busy,
            handling_s=staffing.handling_s,
            lead=learned.lead_s,
            ready=holding + await desk.ask(self._live_ahead, campaign.queue, staffing),
            in_flight=0,
            reach=learned.reach,
            pile_up_max=campaign.pile_up_max,
        )
        in_flight_max = allowed + holding + standing.get(State.OFFERED, 0)
        if allowed == 0:
            return
        asked_s = desk.clock.s()
        claimed = await desk.once(
            desk.service.claim_due,
            desk.clock.now(),
            queue=campaign.queue,
            limit=room,
            in_flight_max=in_flight_max,
        )
        for done in claimed:
            self._calls.take(done, asked_s)

    def _live_ahead(self, queue: str, staffing: Staffing) -> int:
        """Return how many live callers stand before the first who could be dialled."""
        with self._desk.service.store.reading() as reads:
            head = reads.head(queue, self._desk.clock.now(), 1)
        if not head:
            return len(staffing.live)
        key, places = head[0].booking.key, [contact.place for contact in staffing.live]
        return sum((place.priority, place.enqueued_at, place.seq) < key for place in places)

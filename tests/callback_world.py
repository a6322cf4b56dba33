"""A contact centre around a rig: a store, agents who note when they are asked, and runners that come and go."""

import asyncio
import logging
from datetime import timedelta

from callback_calls import NOON, number

from callback.clock import Clock
from callback.live import LiveQueue
from callback.planning import Rules
from callback.retries import RetryPolicy
from callback.runner import Campaign, Runner
from callback.screening import Plan
from callback.service import CallbackService
from callback.states import Outcome
from callback.store import Store

QUEUE = "sales"
LIMIT_S = 600.0
GAP_S = 3.0


def rules(*, attempts_max=1, failures_max=2, lease_s=60.0):
    gaps_s = dict.fromkeys(Outcome, GAP_S)
    retries = RetryPolicy(
        customer_attempts_max=attempts_max,
        network_failures_max=failures_max,
        gaps_s=gaps_s,
        backoff=1.0,
        time_of_day_apart_s=0.0,
    )
    return Rules(region="US", retries=retries, lease_s=lease_s, look_up_s=1.0)


class Centre(LiveQueue):
    """Agents who note whom they were asked to take, and whether a person was there."""

    def __init__(self, service, **more):
        super().__init__(**more)
        self.service = service
        self.offers = []
        self.without_person = []
        self.taken = []

    async def offer(self, agent, *, queue, callback_id, dial_id):
        self.offers.append((agent, callback_id))
        with self.service.store.reading() as reads:
            types = [event.type for event, _ in reads.log(callback_id)]
        if "human_found" not in types[len(types) - types[::-1].index("claimed") :]:
            self.without_person.append(callback_id)
        accepted = await super().offer(agent, queue=queue, callback_id=callback_id, dial_id=dial_id)
        if accepted is not None:
            self.taken.append(callback_id)
        return accepted


class World:
    """What a scenario is played in."""

    def __init__(self, rig, url, *, rules=None, plan=None, answers=None, answer_s=2.0, ring_max_s=30.0, **more):
        self.rig = rig
        self.clock = Clock(start=NOON, speed=rig.speed)
        self.store = Store(url)
        self.store.migrate()
        self.service = CallbackService(self.store, rules)
        asked = {"answers": answers} if answers is not None else {}
        self.agents = Centre(self.service, clock=self.clock, answer_s=answer_s, settle_s=0.0, **asked)
        self.campaign = Campaign(
            queue=QUEUE, screening=plan or Plan(), ring_max_s=ring_max_s, pile_up_max=1.0, missed_rest_s=5.0
        )
        self.more = more
        self.runners = []
        self.booked = []

    def book(self, index=1):
        self.booked.append(self.service.book(number(index), queue=QUEUE, now=self.clock.now()))
        return self.booked[-1]

    def busy(self, seconds):
        """Let the agent, who must be the only one, talk with somebody else."""
        self.agents.join(f"other-{seconds}", QUEUE, talk_s=seconds)
        self.agents.tick()

    def free(self):
        """Let the talks with others end."""
        for agent in self.agents._agents.values():
            if agent.live_id is not None:
                self.agents._free(agent, agent.live_id)

    async def run(self, dialer=None):
        runner = Runner(
            self.service, dialer or self.rig.dialer, self.agents, [self.campaign], clock=self.clock, **self.more
        )
        await runner.start()
        self.runners.append(runner)
        return runner

    async def kill(self):
        """Let the runner die where it is; its dialer's connections die with it."""
        runner = self.runners[-1]
        runner.kill()
        await asyncio.gather(*tuple(runner.desk.tasks), return_exceptions=True)
        await runner.desk.dialer.stop()

    def get(self, booked=None):
        return self.service.get((booked or self.booked[0]).id)

    async def until(self, holds, what=""):
        """Wait until something holds; the scenario fails if it never does."""
        end_s = self.clock.s() + LIMIT_S
        while not holds():
            for runner in self.runners:
                assert runner.healthy, "a loop of the runner died"
            if self.clock.s() > end_s:
                found = [(str(one.state), one.tally) for one in map(self.get, self.booked)]
                raise AssertionError(f"{what or 'it'} never came: {found}")
            await asyncio.sleep(0.01)

    def attempts(self, booked=None):
        with self.store.reading() as reads:
            return reads.attempts((booked or self.booked[0]).id)

    def outcomes(self, booked=None):
        return [one.outcome for one in self.attempts(booked)]

    def log(self, booked=None):
        with self.store.reading() as reads:
            return [event.type for event, _ in reads.log((booked or self.booked[0]).id)]

    async def close(self):
        for runner in self.runners:
            await runner.stop()
            runner.desk.threads.shutdown(wait=True)
        self.store.close()


async def play(rig, url, scene, **more):
    """Play a scene in a world, and leave nothing behind."""
    await rig.start()
    world = World(rig, url, **more)
    try:
        await scene(world)
    finally:
        await world.close()
        await rig.stop()


def later(seconds):
    return NOON + timedelta(seconds=seconds)


logging.getLogger("callback").setLevel(logging.INFO)

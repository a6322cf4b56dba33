"""A runner in the service's own process, with simulated customers and agents: to try the service, not to call."""

from __future__ import annotations

import asyncio
from typing import Final

from callback.clock import Clock
from callback.dialers.customers import Customers, shipped_sounds
from callback.dialers.simulated import Exchange, SimulatedDialer
from callback.live import LiveQueue
from callback.metrics import Metrics
from callback.runner import Campaign, Runner
from callback.screening import KnownGreetings
from callback.service import CallbackService
from callback.web.command import ServeError
from callback.web.desk import Desk
from callback.web.settings import Settings

GRACE_S: Final = 3.0


def simulated_desk(service: CallbackService, settings: Settings) -> tuple[Desk, SimulatedRunner]:
    """Return a desk with simulated agents, and what runs beside it."""
    agents = simulated_agents(settings)
    desk = Desk(service, settings, agents=agents)
    return desk, SimulatedRunner(desk, agents)


def simulated_agents(settings: Settings) -> LiveQueue:
    """Return the agents that the settings name, in memory.

    Raises
    ------
    ServeError
        They name none.
    """
    staffed = {name: staff for name, staff in settings.queues.items() if staff is not None}
    if not staffed:
        raise ServeError("--runner simulated needs agents: --settings FILE with [queues.NAME], agents, handling_s")
    total = sum(staff.agents for staff in staffed.values())
    handling_s = sum(staff.agents * staff.handling_s for staff in staffed.values()) / total
    found = LiveQueue(clock=Clock(), handling_s=handling_s)
    for name, staff in staffed.items():
        for number in range(1, staff.agents + 1):
            found.add_agent(f"{name}-agent-{number}", name)
    return found


class SimulatedRunner:
    """Runs the staffed queues until it is cancelled; then its calls are for another runner to take over."""

    def __init__(self, desk: Desk, agents: LiveQueue) -> None:
        clock = Clock()
        self._agents = agents
        self._runner = Runner(
            desk.service,
            SimulatedDialer(Exchange(Customers(shipped_sounds()).script, clock=clock)),
            agents,
            [Campaign(queue=name) for name, staff in desk.settings.queues.items() if staff is not None],
            clock=clock,
            meter=Metrics(desk.meters.registry),
            recognise=KnownGreetings(desk.service, clock.now),
        )

    async def __call__(self) -> None:
        """Run; raises when a part of it dies."""
        agents = asyncio.create_task(self._agents.run())
        try:
            await self._runner.start()
            while self._runner.healthy:
                await asyncio.sleep(1.0)
            raise ServeError("a loop of the runner died: see the log")
        finally:
            agents.cancel()
            await self._runner.drain(GRACE_S)

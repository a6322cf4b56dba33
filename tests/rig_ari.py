"""Asterisk's REST interface for the conformance suite: the dialer, and the fake it talks to."""

from __future__ import annotations

import itertools

from callback_calls import NOON
from dialer_rig import Mischief, Step
from fake_ari import PASSWORD, USER, FakeAri
from fake_ari_world import Channel

from callback.clock import Clock
from callback.dialers.ari import AriDialer
from callback.dialers.ari_calls import AriCalls
from callback.dialers.ari_link import AriAccess
from callback.dialing import Prompt

PROMPTS = {
    Prompt.PRESS_ONE: "sound:callback/press-one",
    Prompt.MESSAGE: "sound:callback/message",
    Prompt.HOLD: "waiting",
}
PLAYED = {PROMPTS[Prompt.PRESS_ONE]: "press_one", PROMPTS[Prompt.MESSAGE]: "message", "moh:waiting": "hold"}


class AriRig:
    """`dialer_rig.Rig` for Asterisk."""

    fakes = frozenset(Mischief)
    speed = 10.0

    def __init__(self, **fields) -> None:
        self.clock = Clock(start=NOON, speed=self.speed)
        self.fake = FakeAri(speed=self.speed, now=self.clock.now, **fields)
        self.fake.stranger = self.stranger
        self.workers = itertools.count(1)

    async def start(self) -> None:
        await self.fake.start()
        self.dialer = self.another()

    async def stop(self) -> None:
        await self.fake.stop()
        assert self.fake.faults == []

    def another(self) -> AriDialer:
        access = AriAccess(
            url=self.fake.url,
            app=f"callback-{next(self.workers)}",
            user=USER,
            password=PASSWORD,
            back_off_max_s=0.2,
        )
        calls = AriCalls(endpoint="PJSIP/{number}@trunk", prompts=PROMPTS)
        return AriDialer(access, calls, now=self.clock.now)

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        self.fake.will(number, *steps, mischief=mischief)

    def leg(self, name: str) -> str:
        """An agent who answered, in an application of the contact centre's."""
        agent = Channel(name, f"PJSIP/{name}", "agents", number=name, state="Up", in_stasis=True)
        self.fake.world.channels[name] = agent
        return name

    def stranger(self, name: str) -> Channel | None:
        """The suite's agents are on the line as soon as they said yes: ``AGENT/DIAL``."""
        return self.fake.world.channels[self.leg(name)] if "/" in name else None

    def placed(self, number: str) -> int:
        return self.fake.placed[number]

    def on(self, number: str) -> bool:
        channel = self.fake.last.get(number)
        return channel is not None and channel.id in self.fake.world.channels

    def bridged(self, number: str) -> bool:
        return number in self.fake.last and self.fake.last[number].talked

    def played(self, number: str) -> tuple[str, ...]:
        return (
            tuple(PLAYED[medium] for medium in self.fake.last[number].played) if number in self.fake.last else ()
        )

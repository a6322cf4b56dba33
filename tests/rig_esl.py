"""The ESL dialer against a fake FreeSWITCH, as the conformance suite drives it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from callback_calls import NOON
from dialer_rig import Mischief, Step
from fake_esl import GATEWAY, PASSWORD, FakeFreeSwitch

from callback.dialers.esl import EslDialer, EslSettings
from callback.dialers.esl_link import Address
from callback.dialers.esl_media import EslMedia
from callback.dialing import Prompt

FILES = {
    Prompt.PRESS_ONE: "/prompts/press_one.wav",
    Prompt.HOLD: "local_stream://moh",
    Prompt.MESSAGE: "/prompts/message.wav",
}


class EslRig:
    """A dialer and its fake."""

    fakes = frozenset(Mischief)
    speed = 5.0

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.switch = FakeFreeSwitch(now=self.now, speed=self.speed)
        self._dialer = None

    def now(self) -> datetime:
        return NOON + timedelta(seconds=(time.monotonic() - self._began_s) * self.speed)

    @property
    def dialer(self) -> EslDialer:
        if self._dialer is None:
            self._dialer = self.another()
        return self._dialer

    def settings(self, **changes) -> EslSettings:
        values = {
            "address": Address(host="127.0.0.1", port=self.switch.port, password=PASSWORD),
            "endpoint": GATEWAY + "{number}",
            "prompts": FILES,
            "media": EslMedia(wait_max_s=0.2),
        }
        return EslSettings(**{**values, **changes})

    def another(self) -> EslDialer:
        return EslDialer(self.settings(), now=self.now)

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        self.switch.script[number].append((steps, mischief))

    def placed(self, number: str) -> int:
        return self.switch.placed[number]

    def on(self, number: str) -> bool:
        return any(channel.number == number for channel in self.switch.channels.values())

    def bridged(self, number: str) -> bool:
        channel = self.switch.last.get(number)
        return channel is not None and channel.bridged_to is not None

    def played(self, number: str) -> tuple[str, ...]:
        names = {file: prompt.value for prompt, file in FILES.items()}
        channel = self.switch.last.get(number)
        return () if channel is None else tuple(names[file] for file in channel.played)

    async def start(self) -> None:
        await self.switch.start()

    async def stop(self) -> None:
        await self.switch.stop()
        assert self.switch.faults == []

"""The Twilio dialer against a fake Twilio, as the conformance suite drives it."""

from __future__ import annotations

import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from callback_calls import NOON
from dialer_rig import Mischief, Step
from fake_twilio import ACCOUNT, TOKEN, FakeTwilio

from callback.dialers.twilio import TwilioDialer, TwilioSettings
from callback.dialers.twilio_door import TwilioDoor
from callback.dialers.twilio_rest import TwilioAccount
from callback.dialing import Prompt

PROMPTS = {
    Prompt.PRESS_ONE: "Press 1 to be put through & wait.",
    Prompt.HOLD: "https://prompts.example.org/hold.mp3",
    Prompt.MESSAGE: "https://prompts.example.org/message.mp3",
}


class TwilioRig:
    """A dialer and its fake."""

    fakes = frozenset(Mischief)
    speed = 6.0

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.twilio = FakeTwilio(now=self.now, speed=self.speed)
        self.memory = Path("unused.db")
        self._dialer = None

    def now(self) -> datetime:
        return NOON + timedelta(seconds=(time.monotonic() - self._began_s) * self.speed)

    @property
    def dialer(self) -> TwilioDialer:
        if self._dialer is None:
            self._dialer = self.another()
        return self._dialer

    def settings(self, **changes) -> TwilioSettings:
        values = {
            "account": TwilioAccount(sid=ACCOUNT, token=TOKEN, url=self.twilio.url),
            "door": TwilioDoor(url="http://127.0.0.1", port=0),
            "memory": f"sqlite:///{self.memory}",
            "caller_id": "+12025550100",
            "prompts": PROMPTS,
            "quiet_max_s": 0.4,
            "doubt_max_s": 0.5,
            "media_wait_s": 0.3,
            "leg_max_s": 10.0,
        }
        return TwilioSettings(**{**values, **changes})

    def another(self) -> TwilioDialer:
        return TwilioDialer(self.settings(), now=self.now)

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        self.twilio.script[number].append((steps, mischief))

    def placed(self, number: str) -> int:
        return self.twilio.placed[number]

    def on(self, number: str) -> bool:
        return any(call.number == number and not call.over.is_set() for call in self.twilio.calls.values())

    def bridged(self, number: str) -> bool:
        call = self.twilio.last.get(number)
        return call is not None and call.bridged

    def played(self, number: str) -> tuple[str, ...]:
        names = {text: prompt.value for prompt, text in PROMPTS.items()}
        call = self.twilio.last.get(number)
        return () if call is None else tuple(names[text] for text in call.played)

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.memory = Path(self._folder.name) / "dials.db"
        await self.twilio.start()

    async def stop(self) -> None:
        await self.twilio.stop()
        self._folder.cleanup()
        assert self.twilio.faults == []

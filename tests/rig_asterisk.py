"""A real Asterisk for the ARI dialer and the app_queue adapter: what it needs, and a rig on it.

``python tests/rig_asterisk.py DIR`` writes configuration and sounds under the root DIR (``/`` for the machine's
own Asterisk: it overwrites files of ``/etc/asterisk``). With that Asterisk running,
``CALLBACK_ASTERISK=127.0.0.1`` makes ``test_ari_real.py`` run on it, and the conformance suite, in real time.

No trunk is needed. A customer is a Local channel whose other half enters a Stasis application of the rig's, which
rings, answers, speaks, presses keys and hangs up by ARI.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import uuid
from collections import Counter, defaultdict, deque
from pathlib import Path

import numpy as np
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings, Step
from fake_ami import SECRET
from fake_ami import USER as AMI_USER
from fake_ari import PASSWORD, USER
from fake_ari_world import CAUSES, SAMPLES, audio_of
from rig_ari import PROMPTS

from callback.dialers.app_queue_ami import AmiAccess
from callback.dialers.ari import AriDialer
from callback.dialers.ari_calls import AriCalls
from callback.dialers.ari_link import AriAccess, AriLink, Event
from callback.dialing import Prompt

HOST = os.environ.get("CALLBACK_ASTERISK", "")
ARI_PORT, AMI_PORT = 18088, 15038

CONFIGURATION = {
    "http.conf": f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={ARI_PORT}\n",
    "ari.conf": f"[general]\nenabled=yes\n[{USER}]\ntype=user\nread_only=no\npassword={PASSWORD}\n",
    "manager.conf": f"[general]\nenabled=yes\nport={AMI_PORT}\nbindaddr=127.0.0.1\n"
    f"[{AMI_USER}]\nsecret={SECRET}\nread=agent\nwrite=agent\n",
    "musiconhold.conf": "[default]\nmode=files\ndirectory=/usr/share/asterisk/moh\n"
    "[waiting]\nmode=files\ndirectory=/usr/share/asterisk/moh\n",
    "queues.conf": "[general]\n[sales]\nstrategy=ringall\nmember => Local/1001@agents\n"
    "[support]\nstrategy=ringall\nmember => Local/1001@agents\n[empty]\njoinempty=yes\n",
    "extensions.conf": """[general]
[far-end]
exten => _[+0-9]!,1,Stasis(far-end-${CUT(EXTEN,-,2)},${CUT(EXTEN,-,1)})
[callback-over]
exten => s,1,Set(GLOBAL(CALLBACK_OVER_${CHANNEL(uniqueid)})=${HANGUPCAUSE} ${CHANNEL(state)})
 same => n,Return()
[agents]
exten => 1001,1,Ringing()
 same => n,Wait(0.3)
 same => n,Answer()
 same => n,Wait(60)
exten => 1002,1,Ringing()
 same => n,Wait(60)
[callers]
exten => s,1,Answer()
 same => n,Queue(empty)
exten => hold,1,Answer()
 same => n,Wait(60)
""",
}


def write(root: Path) -> None:
    """Write what this Asterisk needs."""
    for name, text in CONFIGURATION.items():
        path = root / "etc" / "asterisk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    share = root / "usr" / "share" / "asterisk"
    sounds = {f"sounds/en/callback/{sample.stem}": audio_of(sample.stem) for sample in SAMPLES.glob("*.wav")}
    tone = (3000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype("<i2").tobytes()
    sounds |= {"sounds/en/callback/press-one": tone, "sounds/en/callback/message": 6 * tone, "moh/hold": tone}
    for name, audio in sounds.items():
        path = share / f"{name}.sln"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(audio)


def access(app: str) -> AriAccess:
    return AriAccess(url=f"http://{HOST}:{ARI_PORT}/ari", app=app, user=USER, password=PASSWORD)


def manager() -> AmiAccess:
    return AmiAccess(host=HOST, port=AMI_PORT, user=AMI_USER, secret=SECRET)


class Noting(AriDialer):
    """A dialer whose rig knows what it plays, and has agents for it."""

    rig: RealAsterisk

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        self.rig.prompts[dial_id].append(prompt.value)
        await super().play(dial_id, prompt)

    async def bridge(self, dial_id: str, leg: str) -> None:
        await super().bridge(dial_id, await self.rig.leg(leg.replace("/", ".")))


class RealAsterisk:
    """`dialer_rig.Rig` on a real Asterisk. It does nothing wrong on purpose."""

    fakes: frozenset[Mischief] = frozenset()
    speed = 1.0

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex[:6]
        self.app = f"far-end-{self.run}"
        self.link = AriLink(access(self.app), self.hear)
        self.scripts: dict[str, deque[tuple[Step, ...]]] = defaultdict(deque)
        self.calls: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self.alive: set[str] = set()
        self.talked: set[str] = set()
        self.prompts: dict[str, list[str]] = defaultdict(list)
        self.tasks: set[asyncio.Task] = set()
        self.numbers = itertools.count(1)
        self.dialer = self.another()

    async def start(self) -> None:
        await self.link.start()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        for channel in (await self.link.ask("GET", "channels")).body:
            if self.run in channel["name"] or self.run in channel["id"]:
                await self.link.ask("DELETE", "channels", channel["id"])
        await self.link.stop()

    def another(self) -> AriDialer:
        calls = AriCalls(endpoint=f"Local/{{number}}-{self.run}@far-end", prompts=PROMPTS)
        dialer = Noting(access(f"callback-{self.run}-{next(self.numbers)}"), calls)
        dialer.rig = self
        return dialer

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        assert mischief is None
        self.scripts[number].append(steps)

    async def leg(self, name: str) -> str:
        """An agent who answered."""
        name = f"{name}.{self.run}"
        body = {"endpoint": "Local/hold@callers", "app": self.app, "timeout": 5}
        with self.link.awaiting(("StasisStart", name)) as answered:
            await self.link.ask_once("channels", name, body=body)
            await answered
        return name

    def placed(self, number: str) -> int:
        return self.calls[number]

    def on(self, number: str) -> bool:
        return self.last.get(number) in self.alive

    def bridged(self, number: str) -> bool:
        return self.last.get(number) in self.talked

    def played(self, number: str) -> tuple[str, ...]:
        return tuple(self.prompts[self.last[number]]) if number in self.last else ()

    def hear(self, event: Event) -> None:
        channel = event.get("channel", {}).get("id", "")
        dial_id = channel.removesuffix(";2")
        if event["type"] == "StasisStart" and event["args"]:
            number = event["args"][0]
            self.calls[number] += 1
            self.last[number] = dial_id
            self.alive.add(dial_id)
            steps = self.scripts[number].popleft() if self.scripts[number] else (Rings(),)
            self.tasks.add(asyncio.create_task(self.follow(channel, steps)))
        elif event["type"] == "ChannelDestroyed":
            self.alive.discard(channel)
        elif event["type"] == "ChannelEnteredBridge" and event["bridge"]["id"].endswith(".talk"):
            self.talked.add(channel)

    async def follow(self, channel: str, steps: tuple[Step, ...]) -> None:
        source = {"eventSource": f"channel:{channel.removesuffix(';2')}"}
        await self.link.ask("POST", "applications", self.app, "subscription", query=source)
        for step in steps:
            await asyncio.sleep(step.after_s)
            match step:
                case Rings():
                    await self.link.ask("POST", "channels", channel, "ring")
                case Fails():
                    reason = {"reason_code": str(CAUSES[step.outcome][0])}
                    await self.link.ask("DELETE", "channels", channel, query=reason)
                case Answers():
                    await self.link.ask("POST", "channels", channel, "answer")
                    if step.sample:
                        media = {"media": f"sound:callback/{step.sample.removesuffix('.wav')}"}
                        await self.link.ask("POST", "channels", channel, "play", uuid.uuid4().hex, query=media)
                case Presses():
                    await self.link.ask("POST", "channels", channel, "dtmf", query={"dtmf": step.key})
                case HangsUp():
                    await self.link.ask("DELETE", "channels", channel)


if HOST:

    class AsteriskRig(RealAsterisk):
        """Found by the conformance suite where there is an Asterisk."""


if __name__ == "__main__":
    write(Path(sys.argv[1]))

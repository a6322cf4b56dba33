"""What is inside the fake Asterisk: channels that follow a script, bridges, audio over AudioSocket.

States, names and causes are Asterisk's; fake time runs ``speed`` times as fast as the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings, Step
from wire import frame

from callback.states import Outcome

SAMPLES = Path(__file__).parent.parent / "datasets" / "samples"
FRAME_S = 0.02
PROMPT_S, MESSAGE_S = 3.0, 6.0  # as long as those of the simulated exchange
FRAME_BYTES = 320
CREATED = {"creationtime": "2026-01-05T10:00:00.000+0000"}
MIXING = {"technology": "simple_bridge", "bridge_type": "mixing", "bridge_class": "stasis", "creator": "Stasis"}
TONE = (3000 * np.sin(2 * np.pi * np.arange(160) / 20)).astype("<i2").tobytes()
CAUSES = {  # Q.850 as chan_pjsip makes it of the status, and the status
    Outcome.BUSY: (17, 486),
    Outcome.NO_ANSWER: (19, 480),
    Outcome.NETWORK: (38, 500),
    Outcome.BAD_NUMBER: (1, 404),
    Outcome.REFUSED: (21, 603),
    Outcome.SUPPRESSED: (127, 608),
}
CLEARED = (16, 0)
TIMED_OUT = (19, 0)  # as Asterisk 22 does, whether it rang or not


def noise(n_bytes: int, seed: int = 5) -> bytes:
    """Line noise at about -70 dBFS."""
    return np.random.default_rng(seed).normal(0, 10, n_bytes // 2).astype("<i2").tobytes()


def audio_of(sample: str | None) -> bytes:
    if sample is None:
        return b""
    samples, rate_hz = soundfile.read(SAMPLES / f"{sample.removesuffix('.wav')}.wav", dtype="int16")
    assert (rate_hz, samples.ndim) == (8000, 1)
    return samples.astype("<i2").tobytes()


@dataclass(eq=False)
class Channel:
    id: str
    name: str
    app: str
    args: list[str] = field(default_factory=list)
    number: str = ""
    steps: tuple[Step, ...] = ()
    dialed: bool = False
    state: str = "Down"
    in_stasis: bool = False
    bridge: Bridge | None = None
    snooped: Channel | None = None
    spy: str = "none"
    mischief: Mischief | None = None
    variables: dict[str, str] = field(default_factory=dict)
    playing: dict[str, asyncio.Task] = field(default_factory=dict)
    played: list[str] = field(default_factory=list)
    moh: bool = False
    talked: bool = False
    audio: bytes = b""
    answered_s: float = 0.0
    socket: asyncio.StreamWriter | None = None
    tasks: list[asyncio.Task] = field(default_factory=list)

    def json(self) -> dict:
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "protocol_id": "",
            "caller": {"name": "", "number": ""},
            "connected": {"name": "", "number": self.number},
            "accountcode": "",
            "dialplan": {"context": "default", "exten": "s", "priority": 1, "app_name": "", "app_data": ""},
            **CREATED,
            "language": "en",
        }


@dataclass(eq=False)
class Bridge:
    id: str
    name: str
    channels: list[Channel] = field(default_factory=list)

    def json(self) -> dict:
        return {
            "id": self.id,
            **MIXING,
            "name": self.name,
            "channels": [channel.id for channel in self.channels],
            **CREATED,
        }


class World:
    """Channels and bridges. ``emit(type, channel, bridge, **fields)`` tells the applications."""

    def __init__(self, emit, is_active, disconnect, *, speed: float, tech_causes: bool) -> None:
        self.emit = emit
        self.is_active = is_active
        self.disconnect = disconnect
        self.speed = speed
        self.tech_causes = tech_causes
        self.globals: dict[str, str] = {}
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.numbers = itertools.count(1)
        self.tasks: set[asyncio.Task] = set()

    def wait(self, fake_s: float):
        return asyncio.sleep(fake_s / self.speed)

    def begin(self, work, channel: Channel | None = None) -> asyncio.Task:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if channel is not None:
            channel.tasks.append(task)
        return task

    def dial(self, channel: Channel, timeout_s: int) -> None:
        self.emit("Dial", channel, dialstatus="")
        self.begin(self.follow(channel, channel.steps), channel)
        if timeout_s > 0:
            self.begin(self.give_up(channel, timeout_s), channel)

    async def give_up(self, channel: Channel, timeout_s: int) -> None:
        await self.wait(timeout_s)
        if channel.state != "Up":
            self.destroy(channel, TIMED_OUT)

    async def follow(self, channel: Channel, steps: tuple[Step, ...]) -> None:
        answers = any(isinstance(step, Answers) for step in steps)
        for step in steps:
            await self.wait(step.after_s)
            if channel.id not in self.channels:
                return
            match step:
                case Rings():
                    channel.state = "Ringing"
                    self.emit("ChannelStateChange", channel)
                    self.emit("Dial", channel, dialstatus="RINGING")
                case Fails():
                    self.destroy(channel, CAUSES[step.outcome])
                case Answers():
                    self.answer(channel, step.sample)
                case Presses():
                    self.emit("ChannelDtmfReceived", channel, digit=step.key, duration_ms=120)
                case HangsUp():
                    await self.hang_up(channel)
            up = isinstance(step, Answers) or (isinstance(step, Rings) and not answers)
            if channel.mischief is Mischief.DISCONNECT and up:
                channel.mischief = None
                self.disconnect(channel)

    async def hang_up(self, channel: Channel) -> None:
        """Playing ends before the channel does."""
        self.emit("ChannelHangupRequest", channel, cause=16, soft=False)
        for playback in list(channel.playing):
            self.stop_playing(channel, playback, "done")
        await self.wait(0.5)
        self.destroy(channel, CLEARED)

    def answer(self, channel: Channel, sample: str | None) -> None:
        channel.state = "Up"
        channel.audio = audio_of(sample)
        channel.answered_s = asyncio.get_running_loop().time()
        self.emit("ChannelStateChange", channel)
        self.emit("Dial", channel, dialstatus="ANSWER")
        if not channel.in_stasis:
            self.enter_stasis(channel)

    def enter_stasis(self, channel: Channel) -> None:
        """As `stasis_app_exec` has it: an application without a websocket takes no channel."""
        if not self.is_active(channel.app):
            self.destroy(channel, CLEARED)
            return
        channel.in_stasis = True
        self.emit("StasisStart", channel, args=channel.args)

    def destroy(self, channel: Channel, cause: tuple[int, int]) -> None:
        if self.channels.pop(channel.id, None) is None:
            return
        for task in channel.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for playback in list(channel.playing):
            self.stop_playing(channel, playback, "done")
        if channel.socket is not None:
            channel.socket.close()
        self.leave(channel)
        if channel.in_stasis:
            self.emit("StasisEnd", channel)
        self.handle_hangup(channel, cause[0])
        status = {"tech_cause": cause[1]} if self.tech_causes and cause[1] else {}
        self.emit("ChannelDestroyed", channel, cause=cause[0], cause_txt=f"cause {cause[0]}", **status)
        for other in list(self.channels.values()):  # a snoop ends with the channel it snoops on
            if other.snooped is channel:
                self.destroy(other, CLEARED)

    def handle_hangup(self, channel: Channel, cause: int) -> None:
        """Do what the dialplan of the documentation does."""
        if channel.variables.get("CHANNEL(hangup_handler_push)") == "callback-over,s,1":
            self.globals[f"CALLBACK_OVER_{channel.id}"] = f"{cause} {channel.state}"

    def enter(self, bridge: Bridge, channel: Channel) -> None:
        self.leave(channel)
        channel.bridge = bridge
        bridge.channels.append(channel)
        channel.talked |= bridge.id.endswith(".talk")
        self.emit("ChannelEnteredBridge", channel, bridge)

    def leave(self, channel: Channel) -> None:
        bridge, channel.bridge = channel.bridge, None
        if bridge is not None:
            bridge.channels.remove(channel)
            self.emit("ChannelLeftBridge", channel, bridge)

    def play(self, channel: Channel, playback: str, media: str) -> None:
        self.emit("PlaybackStarted", channel, playback=playback_json(channel, playback, media, "playing"))
        channel.playing[playback] = self.begin(self._play_out(channel, playback, media), channel)

    async def _play_out(self, channel: Channel, playback: str, media: str) -> None:
        await self.wait(MESSAGE_S if "message" in media else PROMPT_S)
        self.stop_playing(channel, playback, "done" if media.startswith("sound:") else "failed")

    def stop_playing(self, channel: Channel, playback: str, state: str) -> None:
        task = channel.playing.pop(playback)
        if task is not asyncio.current_task():
            task.cancel()
        self.emit("PlaybackFinished", channel, playback=playback_json(channel, playback, "sound:", state))

    async def connect(self, channel: Channel, host: str, port: int, hello: bytes) -> None:
        """Connect AudioSocket, as asking for such a channel does."""
        _, channel.socket = await asyncio.open_connection(host, port)
        channel.socket.write(frame(0x01, hello))
        channel.state = "Up"
        self.channels[channel.id] = channel
        self.begin(self.stream(channel), channel)

    async def stream(self, outside: Channel) -> None:
        """Send what the snoop in the same bridge hears, in frames of 20 ms of fake time.

        What was said before, in real time, is lost: how long it takes to lay this out is not sped up.
        """
        self.enter_stasis(outside)
        loop = asyncio.get_running_loop()
        sent, first, begun_s = None, 0, 0.0
        with contextlib.suppress(OSError):
            while outside.id in self.channels and not outside.socket.is_closing():
                await asyncio.sleep(0.002)
                others = outside.bridge.channels if outside.bridge else []
                snoop = next((other for other in others if other.snooped is not None), None)
                heard = snoop and snoop.snooped
                if heard is None or heard.mischief is Mischief.NO_MEDIA:
                    continue
                if sent is None:
                    begun_s = loop.time()
                    sent = first = int((begun_s - heard.answered_s) / FRAME_S)
                due = first + int((loop.time() - begun_s) * self.speed / FRAME_S)
                for number in range(sent, due):
                    if outside.socket.is_closing():
                        break
                    outside.socket.write(frame(0x10, self.piece(snoop, number)))
                sent = due
                await outside.socket.drain()
        self.destroy(outside, CLEARED)

    def piece(self, snoop: Channel, number: int) -> bytes:
        """What comes from the customer (``in``), or what is played to them (``out``, ``both``)."""
        customer = snoop.snooped
        if snoop.spy != "in" and (customer.moh or customer.playing):
            return TONE
        said = customer.audio[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]
        return said if len(said) == FRAME_BYTES else noise(FRAME_BYTES, seed=number)

    async def stop(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for channel in self.channels.values():
            if channel.socket is not None:
                channel.socket.close()


def playback_json(channel: Channel, playback: str, media: str, state: str) -> dict:
    return {"id": playback, "media_uri": media, "target_uri": f"channel:{channel.id}", "state": state}

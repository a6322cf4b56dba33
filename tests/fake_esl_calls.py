"""Channels of the fake FreeSWITCH: what the far end does, what plays, and the audio that modules send."""

from __future__ import annotations

import asyncio
from collections import deque

from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from far_audio import frames
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from callback.states import Outcome

OFF_S = 4.0
"""How long the switch cannot be reached, in fake seconds."""
PROMPTS_S = {"/prompts/press_one.wav": 3.0, "/prompts/message.wav": 6.0}
CODES = {
    Outcome.BUSY: ("USER_BUSY", 17, 486),
    Outcome.NO_ANSWER: ("NO_USER_RESPONSE", 18, 480),
    Outcome.NETWORK: ("NORMAL_TEMPORARY_FAILURE", 41, 503),
    Outcome.BAD_NUMBER: ("UNALLOCATED_NUMBER", 1, 404),
    Outcome.REFUSED: ("CALL_REJECTED", 21, 603),
    Outcome.SUPPRESSED: ("NORMAL_CLEARING", 16, 607),
}


class Channel:
    """A leg. The times are those that ``switch_channel_set_timestamps`` leaves in variables."""

    def __init__(self, switch, call, number, values, steps, mischief) -> None:
        self.switch = switch
        self.uuid = call
        self.number = number
        self.values = {**values, "uuid": call, "progress_uepoch": "0", "answer_uepoch": "0", "bridge_uepoch": "0"}
        self.steps = steps
        self.mischief = mischief
        self.state = "ringing"
        self.held = []
        self.apps = deque()
        self.news = asyncio.Event()
        self.played = []
        self.bridged_to = None
        self.sample = None
        self.sockets = []
        self.over = asyncio.Event()
        self._stop = asyncio.Event()

    @property
    def answered(self):
        return self.state == "answered"

    def fields(self, *, variables=True):
        fields = {
            "Unique-ID": self.uuid,
            "Channel-State": "CS_EXECUTE",
            "Answer-State": self.state,
            "Caller-Destination-Number": self.number,
            "Caller-Channel-Progress-Time": self.values["progress_uepoch"],
            "Caller-Channel-Answered-Time": self.values["answer_uepoch"],
            "Caller-Channel-Bridged-Time": self.values["bridge_uepoch"],
        }
        return fields | ({f"variable_{name}": value for name, value in self.values.items()} if variables else {})

    def answer(self):
        self.state = "answered"
        self.values["answer_uepoch"] = self.switch.now_us()

    def bridge(self, other):
        self.silence()
        self.bridged_to, other.bridged_to = other.uuid, self.uuid
        self.values["bridge_uepoch"] = other.values["bridge_uepoch"] = self.switch.now_us()

    def close(self, cause, q850, sip):
        self.values |= {"hangup_cause": cause, "hangup_cause_q850": str(q850), "end_uepoch": self.switch.now_us()}
        self.values |= {} if sip is None else {"sip_term_status": str(sip)}
        self.state = "hangup"
        self.over.set()
        for socket in self.sockets:
            socket.cancel()

    def silence(self):
        """``uuid_break all``."""
        self.apps.clear()
        self._stop.set()

    async def run(self):
        """Run what ``sendmsg`` queues, one after the other."""
        while True:
            await self.news.wait()
            self.news.clear()
            while self.apps:
                await self._execute(*self.apps.popleft())

    async def _execute(self, app, argument, name):
        more = {"Application": app, "Application_Data": argument, "Application_UUID": name}
        self._stop.clear()
        self.values["current_application"] = app
        self.switch.fire("CHANNEL_EXECUTE", self, **more)
        response = "_none_"
        if app == "playback":
            response = "FILE NOT FOUND" if "missing" in argument else "FILE PLAYED"
            if response == "FILE PLAYED":
                self.played.append(argument)
                length_s = PROMPTS_S.get(argument)  # local_stream://moh has no end
                try:
                    async with asyncio.timeout(None if length_s is None else length_s / self.switch.speed):
                        await self._stop.wait()
                except TimeoutError:
                    pass
        self.values["current_application"] = "park"
        self.switch.fire("CHANNEL_EXECUTE_COMPLETE", self, Application_Response=response, **more)


async def far_end(switch, channel, over):
    """Live a call to its end; ``over`` tells the job that placed it."""
    ring_max_s = int(channel.values["originate_timeout"]) / switch.speed
    try:
        async with asyncio.timeout(ring_max_s) as limit:
            for step in channel.steps:
                await asyncio.sleep(step.after_s / switch.speed)
                if channel.over.is_set():
                    break
                _do(switch, channel, step)
                if isinstance(step, Answers):
                    limit.reschedule(None)
                    over(f"+OK {channel.uuid}")
                if channel.mischief is Mischief.DISCONNECT:
                    channel.mischief = None
                    switch.cut(OFF_S / switch.speed)
            await channel.over.wait()
    except TimeoutError:
        switch.hang_up(channel, "NO_ANSWER", 19)
    if channel.values["answer_uepoch"] == "0":
        over(f"-ERR {channel.values['hangup_cause']}")


def _do(switch, channel, step):
    if isinstance(step, Rings):
        channel.values["progress_uepoch"] = switch.now_us()
        switch.fire("CHANNEL_PROGRESS", channel)
    elif isinstance(step, Answers):
        channel.answer()
        channel.sample = step.sample
        switch.fire("CHANNEL_ANSWER", channel)
    elif isinstance(step, Presses):
        switch.fire("DTMF", channel, DTMF_Digit=step.key, DTMF_Duration="2000", DTMF_Source="RTP")
    elif isinstance(step, HangsUp):
        switch.hang_up(channel)
    else:
        assert isinstance(step, Fails), step
        switch.hang_up(channel, *CODES[step.outcome])


def stream(switch, channel, verb, *words):
    """``uuid_audio_stream`` and ``uuid_audio_fork``: one at a time on a channel."""
    if verb == "stop":
        for socket in channel.sockets:
            socket.cancel()
        channel.sockets.clear()
        return "+OK Success\n"
    url, mix, rate, *metadata = words
    assert verb == "start"
    assert (mix, rate) == ("mono", "8k")
    if not channel.answered or any(not socket.done() for socket in channel.sockets):
        return "-ERR Operation Failed\n"
    if channel.mischief is not Mischief.NO_MEDIA:
        channel.sockets.append(switch.spawn(_send_audio(channel, url, metadata)))
    return "+OK Success\n"


async def _send_audio(channel, url, metadata):
    try:
        async with connect(url, compression=None) as socket:
            for text in metadata:
                await socket.send(text)
            loop = asyncio.get_running_loop()
            due_s = loop.time()
            for frame in frames(channel.sample):
                await socket.send(frame.tobytes())
                due_s += 0.02 / channel.switch.speed
                await asyncio.sleep(max(0.0, due_s - loop.time()))
    except (OSError, WebSocketException):
        pass

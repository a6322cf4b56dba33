"""A call of the fake Twilio: what the far end does, the TwiML that is run, and the audio that is streamed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from xml.etree import ElementTree as ET

from aiohttp import ClientError
from dialer_rig import Answers, Fails, HangsUp, Mischief, Presses, Rings
from far_audio import frames, mulaw

from callback.dialers.twilio_signature import HEADER, sign
from callback.states import Outcome

CODES = {
    Outcome.BUSY: ("busy", 486),
    Outcome.NO_ANSWER: ("no-answer", 480),
    Outcome.NETWORK: ("failed", 503),
    Outcome.BAD_NUMBER: ("failed", 404),
    Outcome.REFUSED: ("busy", 603),
    Outcome.SUPPRESSED: ("failed", 607),
}
PROMPTS_S = {"https://prompts.example.org/message.mp3": 6.0}
SAID_S = 3.0


class FakeCall:
    def __init__(self, twilio, sid, form, steps, mischief) -> None:
        self.twilio = twilio
        self.sid = sid
        self.form = form
        self.number = form["To"]
        self.steps = steps
        self.mischief = mischief
        self.status = "queued"
        self.created_at = twilio.now()
        self.answered_at = self.ended_at = None
        self.told = 0
        self.held = []
        self.outbox = deque()
        self.news = asyncio.Event()
        self.over = asyncio.Event()
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        self.listening = False
        self.played = []
        self.bridged = False
        self.sample = None
        self.streams = {}
        self.running = None

    async def live(self):
        """Live to the end."""
        twilio = self.twilio
        twilio.spawn(self._send())
        twilio.tell(self, "initiated")
        try:
            async with asyncio.timeout(int(self.form["Timeout"]) / twilio.speed) as limit:
                for step in self.steps:
                    await asyncio.sleep(step.after_s / twilio.speed)
                    if self.over.is_set():
                        return
                    self._do(step)
                    if isinstance(step, Answers):
                        limit.reschedule(None)
                    if self.mischief is Mischief.DISCONNECT:
                        self.mischief = None
                        twilio.break_off()
                await self.over.wait()
        except TimeoutError:
            self.end("no-answer", 487)

    async def _send(self):
        """Send callbacks, one after the other."""
        while not (self.over.is_set() and not self.outbox and not self.held):
            self.news.clear()
            while self.outbox:
                await self.twilio.post(self.form["StatusCallback"], self.outbox.popleft())
            await self.news.wait()

    def _do(self, step):
        if isinstance(step, Rings):
            self.status = "ringing"
            self.twilio.tell(self, "ringing")
        elif isinstance(step, Answers):
            self.status, self.sample, self.answered_at = "in-progress", step.sample, self.twilio.now()
            self.twilio.tell(self, "in-progress")
            self.redirect(self.form["Twiml"])
        elif isinstance(step, Presses):
            if self.listening:  # a key that nothing gathers is lost
                self.keys.put_nowait(step.key)
        elif isinstance(step, HangsUp):
            self.end("completed")
        else:
            assert isinstance(step, Fails), step
            self.end(*CODES[step.outcome])

    def end(self, status, sip=200):
        if self.over.is_set():
            return
        self.status, self.ended_at = status, self.twilio.now()
        self.over.set()
        for work in [self.running, *self.streams.values()]:
            if work is not None and work is not asyncio.current_task():
                work.cancel()
        self.twilio.tell(self, status, SipResponseCode=str(sip), CallDuration="7")

    def redirect(self, twiml):
        """Run other TwiML from now on."""
        if self.running is not None:
            self.running.cancel()
        self.listening = False
        self.running = self.twilio.spawn(self._run(twiml))

    async def _run(self, twiml):
        while twiml is not None:
            following = None
            for verb in ET.fromstring(twiml):  # noqa: S314 -- our own dialer's
                following = await self._verb(verb)
                if following is not None:
                    break
            twiml = following
        self.end("completed")

    async def _verb(self, verb):
        """Run a verb; return TwiML where it asked for it."""
        form = {"CallSid": self.sid, "CallStatus": self.status, "To": self.number}
        if verb.tag == "Start":
            self.stream(verb[0].get("url"), verb[0].get("name"))
        elif verb.tag == "Stop":
            work = self.streams.pop(verb[0].get("name"), None)
            if work is not None:
                work.cancel()
        elif verb.tag == "Gather":
            return await self._gather(verb, form)
        elif verb.tag in ("Play", "Say"):
            await self._play(verb)
        elif verb.tag == "Redirect":
            return await self._ask(verb.text, form)
        elif verb.tag == "Dial":
            return await self._dial(verb, form)
        else:
            assert verb.tag == "Hangup", verb.tag
            self.end("completed")
        return None

    async def _ask(self, url, form):
        assert url.startswith("http"), "addresses must be absolute (15004)"
        told = await self.twilio.post(url, form)
        if self.mischief is Mischief.DUPLICATE:
            told = await self.twilio.post(url, form)
        return told if told is not None else "<Response><Hangup/></Response>"

    async def _play(self, verb):
        self.played.append(verb.text)
        length_s = PROMPTS_S.get(verb.text, SAID_S)
        await asyncio.sleep(3600 if verb.get("loop") == "0" else length_s / self.twilio.speed)

    async def _gather(self, verb, form):
        assert (verb.get("numDigits"), verb.get("finishOnKey"), verb.get("input")) == ("1", "", "dtmf")
        self.listening = True

        async def prompt():
            for inner in verb:
                await self._play(inner)
            await asyncio.sleep(int(verb.get("timeout")) / self.twilio.speed)

        playing, key = asyncio.ensure_future(prompt()), asyncio.ensure_future(self.keys.get())
        try:
            await asyncio.wait([playing, key], return_when=asyncio.FIRST_COMPLETED)
            if key.done():
                return await self._ask(verb.get("action"), {**form, "Digits": key.result()})
        finally:
            self.listening = False
            playing.cancel()
            key.cancel()
        return None

    async def _dial(self, verb, form):
        self.bridged = True
        inner = verb[0]
        if inner.tag == "Conference":
            form = {
                **form,
                "StatusCallbackEvent": "participant-join",
                "ConferenceSid": "CF1",
                "FriendlyName": inner.text,
            }
        else:
            form = {"CallSid": "CA-leg", "ParentCallSid": self.sid, "CallStatus": "in-progress"}
        await self.twilio.post(inner.get("statusCallback"), form)
        await self.over.wait()

    def stream(self, url, name):
        """Send what is heard to a websocket, whatever else is run."""
        assert url.startswith("ws")
        if self.mischief is not Mischief.NO_MEDIA:
            self.streams[name] = self.twilio.spawn(self._stream(url))

    async def _stream(self, url):
        headers = {HEADER: sign(self.twilio.token, url)}
        stream = {"streamSid": "MZ" + "0" * 32}
        try:
            async with self.twilio.session.ws_connect(url, headers=headers) as socket:
                await socket.send_str(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
                start = {
                    **stream,
                    "callSid": self.sid,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": {},
                }
                await socket.send_str(
                    json.dumps({"event": "start", "sequenceNumber": "1", "start": start, **stream})
                )
                await self._audio(socket, stream)
        except (ClientError, OSError):
            pass

    async def _audio(self, socket, stream):
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for n, frame in enumerate(frames(self.sample)):
            media = {
                "track": "inbound",
                "chunk": str(n + 1),
                "timestamp": str(20 * n),
                "payload": base64.b64encode(mulaw(frame)).decode(),
            }
            await socket.send_str(
                json.dumps({"event": "media", "sequenceNumber": str(n + 2), "media": media, **stream})
            )
            due_s += 0.02 / self.twilio.speed
            await asyncio.sleep(max(0.0, due_s - loop.time()))

"""Twilio Programmable Voice: calls by its REST interface, told by status callbacks, heard by Media Streams.

Needs the extras ``dialers`` and ``callback``. Twilio has no key against a call that is placed twice: what workers
must know together is in a database (`callback.dialers.twilio_memory`). What to set up, and what was not tried
against Twilio itself: ``docs/systems/twilio-callback.md``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from callback.dialers.hearing import Stream
from callback.dialers.placings import check_dial_id, check_number
from callback.dialers.twilio_calls import Call, Calls, new_name
from callback.dialers.twilio_door import TwilioDoor, TwilioServer
from callback.dialers.twilio_memory import TwilioMemory, hashed
from callback.dialers.twilio_rest import Refused, TwilioAccount, TwilioRest
from callback.dialers.twilio_status import not_placed
from callback.dialers.twilio_twiml import Spoken, answered, ask, bridge, hold, play
from callback.dialing import (
    DialerDown,
    DialingError,
    DialRefused,
    Ended,
    Media,
    NoMedia,
    NoSuchCall,
    Placing,
    Prompt,
    Up,
    Update,
)

PROMPT_MAX_S: Final = 120.0
"""A prompt whose end is not told by then is taken to be over."""
TIMEOUT_MAX_S: Final = 600
"""What Twilio allows for ``Timeout``."""
EVENTS: Final = ("initiated", "ringing", "answered", "completed")
logger: Final = logging.getLogger("callback")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """How calls are placed by Twilio.

    Parameters
    ----------
    account : TwilioAccount
    door : TwilioDoor
    memory : str
        Database URL (SQLAlchemy), the same for all workers.
    caller_id : str
        A number of the account, or one that it verified, in E.164.
    caller_ids : mapping of str to str
        Others for single queues.
    prompts : mapping of Prompt to str
        The address of a recording, or a text to be said.
    spoken : Spoken
    quiet_max_s : float, s
        A call of which nothing was told for so long is asked for.
    doubt_max_s : float, s
        A call whose reply was lost is looked for so long.
    media_wait_s : float, s
        Audio that does not come by then does not come.
    leg_max_s : float, s
        An agent's leg that is not there by then is not coming.
    """

    account: TwilioAccount
    door: TwilioDoor
    memory: str = field(repr=False)
    caller_id: str
    prompts: Mapping[Prompt, str]
    caller_ids: Mapping[str, str] = field(default_factory=dict)
    spoken: Spoken = field(default_factory=Spoken)
    quiet_max_s: float = 20.0
    doubt_max_s: float = 10.0
    media_wait_s: float = 5.0
    leg_max_s: float = 30.0

    def __post_init__(self) -> None:
        for caller_id in (self.caller_id, *self.caller_ids.values()):
            check_number(caller_id)
        for prompt in Prompt:
            if not self.prompts.get(prompt, "").strip():
                raise ValueError(f"prompts has nothing for {prompt.value!r}: need an address or a text for each")


class TwilioDialer:
    """Places calls by Twilio.

    Parameters
    ----------
    settings : TwilioSettings
    now : callable
        The time, in UTC.
    """

    def __init__(
        self, settings: TwilioSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._now = now
        self._rest = TwilioRest(settings.account)
        self._memory = TwilioMemory(settings.memory)
        token = settings.account.token
        self._calls = Calls(self._rest, self._memory, token, self._key_url, now)
        self._server = TwilioServer(settings.door, token, self._calls.take, self._expected)

    @property
    def name(self) -> str:
        """``"twilio"``."""
        return "twilio"

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Reach Twilio, and listen for what it tells."""
        self._calls.tell = tell
        await self._calls.remember(self._memory.open)
        await self._rest.start()
        try:
            await self._server.start()
        except BaseException:
            await self._rest.stop()
            raise
        self._calls.spawn(self._calls.watch(self._settings.quiet_max_s))

    async def stop(self) -> None:
        """Let go of it; calls go on."""
        await self._calls.stop()
        await self._server.stop()
        await self._rest.stop()
        await self._calls.remember(self._memory.close)

    async def originate(self, placing: Placing) -> None:
        """Place a call, once."""
        dial_id, number = check_dial_id(placing.dial_id), check_number(placing.number)
        stands_for = hashed(self._settings.account.token, number)
        if not await self._calls.remember(self._memory.claim, dial_id, stands_for, self._now()):
            raise DialRefused(f"dial {dial_id} was placed before, or given up")
        call = self._calls.follow(dial_id)
        call.stream, call.stream_name = Stream(), new_name()
        try:
            sid = await self._rest.create(self._form(placing, call.stream_name))
        except Refused as error:
            await self._calls.remember(self._memory.give_up, dial_id, self._now())
            await self._calls.end(not_placed(dial_id, error.status, error.code, self._now()))
            return
        except DialerDown:
            await self._calls.remember(self._memory.give_up, dial_id, self._now())
            self._calls.drop(call, DialerDown("Twilio cannot be reached"))
            raise
        call.sid = sid
        try:
            await self._calls.remember(self._memory.learn, dial_id, sid)
        except DialerDown as error:  # it is placed: its callbacks will be remembered
            logger.warning("dial %s: %s", dial_id, error)

    def _form(self, placing: Placing, stream: str) -> list[tuple[str, str]]:
        settings, dial_id = self._settings, placing.dial_id
        twiml = answered(self._server.media_address(dial_id, stream), stream, self._key_url(dial_id))
        return [
            ("To", placing.number),
            ("From", settings.caller_ids.get(placing.queue, settings.caller_id)),
            ("Timeout", str(min(math.ceil(placing.ring_max_s), TIMEOUT_MAX_S))),
            ("Twiml", twiml),
            ("StatusCallback", self._server.address("status", dial_id, "call")),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in EVENTS),
        ]

    async def media(self, dial_id: str) -> Media:
        """Hear who answered."""
        call = await self._answered(dial_id, NoMedia)
        if call.stream is None or call.stream.over:
            call.stream, call.stream_name = Stream(), new_name()
            url = self._server.media_address(dial_id, call.stream_name)
            if not await self._rest.stream(call.sid or "", url, call.stream_name):
                raise NoSuchCall(f"dial {dial_id} is over")
        stream = call.stream
        try:
            async with asyncio.timeout(self._settings.media_wait_s):
                await stream.joined.wait()
        except TimeoutError:
            stream.end()
            raise NoMedia(f"no audio of dial {dial_id} came: does Twilio reach door.url?") from None
        return Media(system="twilio", messages=stream.messages())

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        call = await self._answered(dial_id, NoSuchCall)
        name = new_name()
        verb = self._settings.spoken.verb(self._settings.prompts[prompt], loop=prompt is Prompt.HOLD)
        played_url = self._server.address("played", dial_id, name)
        for before in call.plays.values():  # what plays is cut off: its end will not be told
            if not before.done():
                before.set_result(None)
        done = call.plays[name] = asyncio.get_running_loop().create_future()
        twiml = {
            Prompt.HOLD: hold(verb),
            Prompt.PRESS_ONE: ask(verb, self._key_url(dial_id), played_url),
            Prompt.MESSAGE: play(verb, played_url),
        }[prompt]
        try:
            await self._redirect(call, twiml)
            if prompt is not Prompt.HOLD:
                async with asyncio.timeout(PROMPT_MAX_S):
                    await done
        except TimeoutError:
            logger.warning("dial %s: the end of the prompt %s was not told", dial_id, prompt.value)
        finally:
            call.plays.pop(name, None)

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let the customer and an agent talk: a conference, ``client:NAME``, ``sip:...`` or a number."""
        call = await self._answered(dial_id, NoSuchCall)
        leg_url = self._server.address("leg", dial_id, new_name())
        over_url = self._server.address("over", dial_id, new_name())
        call.leg = asyncio.get_running_loop().create_future()
        await self._redirect(call, bridge(leg, call.stream_name, leg_url, over_url))
        try:
            async with asyncio.timeout(self._settings.leg_max_s):
                await call.leg
        except TimeoutError:
            raise DialingError(f"the agent's leg for dial {dial_id} did not come") from None

    async def hang_up(self, dial_id: str) -> None:
        """End the call, and see that it is not placed any more."""
        check_dial_id(dial_id)
        await self._calls.hang_up(dial_id, doubt_max_s=self._settings.doubt_max_s)

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call; one that goes on is followed from now on."""
        return await self._calls.look_up(check_dial_id(dial_id), doubt_max_s=self._settings.doubt_max_s)

    async def _answered(self, dial_id: str, otherwise: type[DialingError]) -> Call:
        """Return a call that was answered, and whose name at Twilio is known."""
        call = self._calls.calls.get(check_dial_id(dial_id))
        if (call is None or call.sid is None) and isinstance(await self.look_up(dial_id), Up):
            call = self._calls.calls.get(dial_id)
        if call is None:
            raise NoSuchCall(f"dial {dial_id} is over, or was never placed")
        if not call.answered:
            raise otherwise(f"dial {dial_id} is not answered yet")
        return call

    async def _redirect(self, call: Call, twiml: str) -> None:
        if call.sid is None or not await self._rest.update(call.sid, Twiml=twiml):
            raise NoSuchCall(f"dial {call.dial_id} is over")

    def _key_url(self, dial_id: str) -> str:
        return self._server.address("key", dial_id, new_name())

    def _expected(self, dial_id: str) -> Stream | None:
        call = self._calls.calls.get(dial_id)
        return None if call is None else call.stream

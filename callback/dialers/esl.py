"""FreeSWITCH, by its event socket (mod_event_socket, inbound mode). Needs the extra ``dialers``.

Calls have a UUID made from their dial id, and an entry in FreeSWITCH's hash (`callback.dialers.esl_record`): so
every worker finds every call, and none is placed twice. The settings to paste, and what was not tried against a
real switch: ``docs/systems/freeswitch-callback.md``.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from callback.dialers.esl_calls import Call, Calls, Play
from callback.dialers.esl_link import Address, ReplyLost
from callback.dialers.esl_media import EslListener, EslMedia
from callback.dialers.esl_record import uuid_of
from callback.dialers.esl_switch import new_uuid
from callback.dialers.esl_wire import Event, check_plain
from callback.dialers.hearing import Stream
from callback.dialers.placings import check_dial_id, check_number
from callback.dialing import (
    DialerDown,
    DialInDoubt,
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
AGENT_RING_MAX_S: Final = 30.0
logger: Final = logging.getLogger("callback")


@dataclass(frozen=True, slots=True, kw_only=True)
class EslSettings:
    """How calls are placed by FreeSWITCH.

    Parameters
    ----------
    address : Address
        Of the event socket.
    endpoint : str
        The dial string of a customer, like ``"sofia/gateway/carrier/{number}"``; the number has its ``+``.
    prompts : mapping of Prompt to str
        What FreeSWITCH plays: the path of a file on its machine, or ``local_stream://moh``.
    agent : str
        The dial string of an agent whose leg is not the UUID of a channel: ``"user/{leg}"``.
    media : EslMedia
    caller_id : str
        Shown to customers; empty: the gateway's.
    caller_ids : mapping of str to str
        The same for single queues.
    """

    address: Address
    endpoint: str
    prompts: Mapping[Prompt, str]
    agent: str = "user/{leg}"
    media: EslMedia = field(default_factory=EslMedia)
    caller_id: str = ""
    caller_ids: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_template("endpoint", self.endpoint, "{number}")
        _check_template("agent", self.agent, "{leg}")
        for prompt in Prompt:
            if not self.prompts.get(prompt, ""):
                raise ValueError(f"prompts has nothing for {prompt.value!r}: need a file for each Prompt")
            check_plain(f"the prompt {prompt.value!r}", self.prompts[prompt])
        for caller_id in (self.caller_id, *self.caller_ids.values()):
            check_plain("caller_id", caller_id)


class EslDialer:
    """Places calls by FreeSWITCH.

    Parameters
    ----------
    settings : EslSettings
    now : callable
        The time, in UTC.
    """

    def __init__(self, settings: EslSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._listener = EslListener(settings.media)
        self._calls = Calls(settings.address, now, answered=self._hear, over=self._over)
        self._switch = self._calls.switch

    @property
    def name(self) -> str:
        """``"esl"``."""
        return "esl"

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Reach FreeSWITCH, and listen for audio."""
        self._calls.tell = tell
        await self._listener.start()
        try:
            await self._switch.start()
        except BaseException:
            await self._listener.stop()
            raise

    async def stop(self) -> None:
        """Let go of it; calls go on."""
        await self._calls.stop()
        await self._listener.stop()

    async def originate(self, placing: Placing) -> None:
        """Place a call, once."""
        dial_id, settings = check_dial_id(placing.dial_id), self._settings
        target = settings.endpoint.replace("{number}", check_number(placing.number))
        call = Call(dial_id=dial_id, call=uuid_of(dial_id), ours=True)
        if not await self._switch.claim(call.call, target):
            raise DialRefused(f"dial {dial_id} was placed before, or given up")
        job = self._calls.place(call)
        try:
            await self._calls.follow(call)
            await self._switch.originate(
                call.call,
                dial_id=dial_id,
                job=job,
                caller_id=settings.caller_ids.get(placing.queue, settings.caller_id),
                ring_max_s=placing.ring_max_s,
            )
        except DialingError as error:  # it is written down: only who looks it up may say that nothing was placed
            raise DialInDoubt(f"dial {dial_id} is written down, and maybe placed: {error}") from None

    async def media(self, dial_id: str) -> Media:
        """Hear who answered."""
        call = await self._known(dial_id)
        if not call.answered:
            raise NoMedia(f"dial {dial_id} is not answered yet")
        stream = await self._hear(call)
        try:
            async with asyncio.timeout(self._settings.media.wait_max_s):
                await stream.joined.wait()
        except TimeoutError:
            self._over(call)
            raise NoMedia(f"no audio of dial {dial_id} came: does FreeSWITCH reach media.url?") from None
        return Media(system="freeswitch", messages=stream.messages())

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        call = await self._known(dial_id)
        if call.playing:
            await self._switch.silence(call.call)
        name = new_uuid()
        call.playing, call.last_play = True, name
        play = call.plays[name] = Play(done=asyncio.get_running_loop().create_future(), hold=prompt is Prompt.HOLD)
        try:
            await self._begin(call, prompt, name)
            async with asyncio.timeout(PROMPT_MAX_S):
                await play.done
        except TimeoutError:
            logger.warning("dial %s: the end of the prompt %s was not told", dial_id, prompt.value)
        finally:
            if not play.hold:
                call.plays.pop(name, None)

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let the customer and an agent talk: ``leg`` is the UUID of the agent's channel, or a dial string."""
        call = await self._known(dial_id)
        waits = _is_uuid(leg)
        other = leg if waits else await self._ring(check_plain("leg", leg))
        if call.playing:
            await self._switch.silence(call.call)
            call.playing = False
        if not await self._switch.bridge(call.call, other):
            if not waits:
                await self._switch.kill(other)
            if await self._switch.channel(call.call) is None:
                raise NoSuchCall(f"dial {dial_id} is over")
            raise DialingError(f"the agent's leg for dial {dial_id} is gone")
        call.talked = True
        if call.heard is not None:  # nobody listens to what customer and agent say
            await self._switch.mute(self._settings.media.command, call.call)

    async def hang_up(self, dial_id: str) -> None:
        """End the call, and see that it is not placed any more."""
        call = uuid_of(check_dial_id(dial_id))
        if not await self._switch.kill(call) and isinstance(await self._switch.give_up(call), Event):
            await self._switch.kill(call)

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call; one that goes on is followed from now on."""
        found = await self._calls.find(check_dial_id(dial_id))
        if isinstance(found, Ended):
            return found
        call = self._calls.get(dial_id)
        if call is None:
            playing = found["variable_current_application"] == "playback"
            call = Call(dial_id=dial_id, call=uuid_of(dial_id), playing=playing)
            await self._calls.follow(call)
        call.answered = call.answered or (not call.ours and found["Answer-State"] == "answered")
        return Up(answered=found["Answer-State"] == "answered")

    async def _known(self, dial_id: str) -> Call:
        call = self._calls.get(check_dial_id(dial_id))
        if call is None and isinstance(await self.look_up(dial_id), Up):
            call = self._calls.get(dial_id)
        if call is None:
            raise NoSuchCall(f"dial {dial_id} is over, or was never placed")
        return call

    async def _hear(self, call: Call) -> Stream:
        """Return the audio of a call; asks FreeSWITCH for it, once."""
        async with call.hearing:
            if call.heard is not None and not call.heard[1].over:
                return call.heard[1]
            url, stream = call.heard = self._listener.expect()
            try:
                await self._switch.stream(self._settings.media.command, call.call, url)
            except DialerDown:
                self._over(call)
                raise
            except DialingError as error:
                self._over(call)
                raise NoMedia(f"dial {call.dial_id}: {error}") from None
            return stream

    def _over(self, call: Call) -> None:
        if call.heard is not None:
            self._listener.forget(call.heard[0])

    async def _begin(self, call: Call, prompt: Prompt, name: str) -> None:
        try:
            begun = await self._switch.play(call.call, self._settings.prompts[prompt], name)
        except ReplyLost:
            return  # it plays, or never will: the mark that follows the next connection tells
        if not begun:
            raise NoSuchCall(f"dial {call.dial_id} is over")

    async def _ring(self, leg: str) -> str:
        """Call an agent; return the UUID of their channel when they answered."""
        job = new_uuid()
        answer = self._calls.job(job)
        await self._switch.ring(self._settings.agent.replace("{leg}", leg), job, ring_max_s=AGENT_RING_MAX_S)
        try:
            async with asyncio.timeout(2 * AGENT_RING_MAX_S):
                said = await answer
        except TimeoutError:
            said = "no reply"
        if not said.startswith("+OK "):
            raise DialingError(f"the agent's leg was not answered: {said[:40]}")
        return said.removeprefix("+OK ").strip()


def _check_template(what: str, text: str, place: str) -> None:
    before, found, after = text.partition(place)
    if not found or "/" not in before:
        raise ValueError(f"{what}={text!r} must be a dial string with {place}, like sofia/gateway/carrier/{place}")
    check_plain(what, before + after)


def _is_uuid(leg: str) -> bool:
    try:
        return str(uuid.UUID(leg)) == leg.lower()
    except ValueError:
        return False

"""What the ESL dialer asks of FreeSWITCH, one method each; every command line of the dialer is written here."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from callback.dialers.esl_link import Address, Link
from callback.dialers.esl_record import DIAL_ID, GONE, TALKED, hook, is_ended, key
from callback.dialers.esl_wire import Event, Message, read_event, variables
from callback.dialing import DialerDown, DialingError

EVENTS: Final = (
    "BACKGROUND_JOB",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE",
    "CHANNEL_HANGUP_COMPLETE",
    "DTMF",
)
SETTLE_S: Final = 0.2
"""A dial that is given up is looked for once more after this: the switch may have read its entry just before, and
the channel comes within milliseconds."""
MODULE: Final = "mod_hash"


class Switch:
    """FreeSWITCH, by the UUIDs of calls."""

    def __init__(
        self, address: Address, on_event: Callable[[Event], None], calls: Callable[[], list[str]]
    ) -> None:
        self._calls = calls
        self._link = Link(address, EVENTS, on_event, self._prepare)
        self.reconnected: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Connect."""
        await self._link.start()

    async def stop(self) -> None:
        """Let go."""
        await self._link.stop()

    async def _prepare(self, ask: Callable[[str], Awaitable[Message]]) -> None:
        """Ask for the events of our calls only, before any can come."""
        if (await ask(f"api module_exists {MODULE}")).answer != "true":
            raise DialerDown(f"FreeSWITCH has not loaded {MODULE}: <load module='{MODULE}'/> in modules.conf.xml?")
        await ask("filter Event-Name BACKGROUND_JOB")
        for call in self._calls():
            await ask(f"filter Unique-ID {call}")
        self.reconnected()

    async def _api(self, text: str) -> str:
        return (await self._link.ask(f"api {text}")).answer

    async def follow(self, call: str) -> None:
        """Be told of a call."""
        await self._link.ask(f"filter Unique-ID {call}")

    async def unfollow(self, call: str) -> None:
        """Be told of it no more."""
        await self._link.ask(f"filter delete Unique-ID {call}")

    async def claim(self, call: str, dial_string: str) -> bool:
        """Write down where a call goes; False where its entry was written before.

        Raises
        ------
        ReplyLost
        """
        answer = (await self._link.request(f"api hash insert_ifempty/{key(call)}/{dial_string}")).answer
        if answer.startswith("-ERR") and "exists" not in answer:
            raise DialerDown(f"FreeSWITCH keeps no entries: {answer}")
        return answer.startswith("+OK")

    async def originate(self, call: str, *, dial_id: str, job: str, caller_id: str, ring_max_s: float) -> None:
        """Place a call to where its entry says.

        Raises
        ------
        ReplyLost
        """
        values = {
            "origination_uuid": call,
            DIAL_ID: dial_id,
            "originate_timeout": str(math.ceil(ring_max_s)),
            "ignore_early_media": "true",  # or early media would be taken for the answer
            "hangup_after_bridge": "true",
            "playback_terminators": "none",
            "api_hangup_hook": hook(call),
        }
        if caller_id:
            values |= {"origination_caller_id_number": caller_id, "origination_caller_id_name": caller_id}
        text = f"bgapi expand originate {variables(values)}${{hash(select/{key(call)})}} &park()"
        answer = (await self._link.request(text, {"Job-UUID": job})).answer
        if not answer.startswith("+OK"):
            raise DialerDown(f"FreeSWITCH takes no background job: {answer}")

    async def ring(self, endpoint: str, job: str, *, ring_max_s: float) -> None:
        """Call an agent, who waits when they answered."""
        values = variables({"originate_timeout": str(math.ceil(ring_max_s)), "ignore_early_media": "true"})
        await self._link.request(f"bgapi originate {values}{endpoint} &park()", {"Job-UUID": job})

    async def channel(self, call: str) -> Event | None:
        """Return what is known of a channel, by the names of events' fields; None: there is none, or it ends."""
        text = await self._api(f"uuid_dump {call}")
        if text.startswith("-ERR"):
            return None
        found = read_event(text)
        return None if found["Answer-State"] == "hangup" else found

    async def entry(self, call: str) -> str:
        """Return what is remembered of a dial, or an empty text."""
        text = await self._api(f"hash select/{key(call)}")
        return "" if text.startswith("-ERR") else text

    async def keep(self, call: str, entry: str) -> None:
        """Remember how a dial ended that never had a channel."""
        await self._api(f"hash insert/{key(call)}/{entry}")

    async def forget(self, call: str) -> None:
        """Remember a dial no more."""
        await self._api(f"hash delete/{key(call)}")

    async def give_up(self, call: str) -> Event | str:
        """See that a dial whose channel is not there is not placed any more.

        Returns
        -------
        Event or str
            The channel, if there is one after all; else the entry that it ended with.
        """
        while not is_ended(entry := await self.entry(call)) and entry != GONE:
            if entry:  # not by overwriting: the channel may end, and write so, at this moment
                await self._api(f"hash delete_ifmatch/{key(call)}/{entry}")
            await self._api(f"hash insert_ifempty/{key(call)}/{GONE}")
        if is_ended(entry):
            return entry
        await asyncio.sleep(SETTLE_S)
        return await self.channel(call) or await self.entry(call)

    async def kill(self, call: str) -> bool:
        """End a call; False where there is none."""
        return (await self._api(f"uuid_kill {call} NORMAL_CLEARING")).startswith("+OK")

    async def play(self, call: str, file: str, play: str) -> bool:
        """Play a file when what plays is over; its events carry ``play``. False where there is no call."""
        return await self._execute(call, "playback", file, play)

    async def mark(self, call: str, play: str) -> bool:
        """Be told when what was asked to play is over."""
        return await self._execute(call, "set", f"{DIAL_ID}_mark={play}", play)

    async def _execute(self, call: str, app: str, argument: str, play: str) -> bool:
        headers = {
            "call-command": "execute",
            "execute-app-name": app,
            "execute-app-arg": argument,
            "event-lock": "true",
            "Event-UUID": play,
        }
        return (await self._link.request(f"sendmsg {call}", headers)).answer.startswith("+OK")

    async def silence(self, call: str) -> None:
        """End what plays, and what was to be played."""
        await self._api(f"uuid_break {call} all")

    async def bridge(self, call: str, leg: str) -> bool:
        """Let a call and an agent's leg talk, and remember that they did; False where one of them is gone."""
        if not (await self._api(f"uuid_bridge {call} {leg}")).startswith("+OK"):
            return False
        await self._api(f"uuid_setvar {call} {TALKED} true")
        return True

    async def stream(self, command: str, call: str, url: str) -> None:
        """Send the audio of a call to a websocket; another that gets it gets it no more.

        Raises
        ------
        DialingError
            If FreeSWITCH does not.
        """
        answer = await self._api(f"{command} {call} start {url} mono 8k")
        if not answer.startswith("+OK"):
            await self.mute(command, call)
            answer = await self._api(f"{command} {call} start {url} mono 8k")
        if not answer.startswith("+OK"):
            raise DialingError(f"FreeSWITCH sends no audio ({answer[:80]}): is the module of {command} loaded?")

    async def mute(self, command: str, call: str) -> None:
        """Send the audio of a call no more."""
        await self._api(f"{command} {call} stop")


def new_uuid() -> str:
    """Return a UUID for a job or for what is played."""
    return str(uuid.uuid4())

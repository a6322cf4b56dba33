"""The calls that one worker follows at Twilio: what is told of them, and what was not and is asked."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from callback.dialers.hearing import Stream
from callback.dialers.twilio_door import Told
from callback.dialers.twilio_memory import Dial, TwilioMemory, hashed
from callback.dialers.twilio_rest import TwilioRest, is_call
from callback.dialers.twilio_status import ANSWERED, FINAL, RINGING, ended, sip_of, time_of, unknown
from callback.dialers.twilio_twiml import HANG_UP, idle
from callback.dialing import Answered, DialerDown, DialingError, Ended, KeyPressed, NoSuchCall, Ringing, Up, Update

EARLIER: Final = timedelta(minutes=1)
"""A call that Twilio made so long before it was written down may still be ours: clocks differ."""
REMEMBERED: Final = timedelta(days=2)
SWEEP: Final = timedelta(hours=1)
CONFIRMED: Final = ("participant-join",)
KEYS: Final = frozenset("0123456789*#ABCD")
logger: Final = logging.getLogger("callback")


@dataclass(slots=True, kw_only=True)
class Call:
    """A call that this worker follows. ``stream`` is its audio, once it is asked for, under ``stream_name``."""

    dial_id: str
    sid: str | None = None
    rang: bool = False
    answered: bool = False
    talked: bool = False
    news_s: float = 0.0
    plays: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    leg: asyncio.Future[None] | None = None
    stream: Stream | None = None
    stream_name: str = ""


class Calls:
    """The calls of one worker.

    Parameters
    ----------
    rest : TwilioRest
    memory : TwilioMemory
    token : str
        Of the account: numbers are known by their hash with it.
    key_url : callable
        Given a dial id, a new address where its next key is told.
    now : callable
    """

    def __init__(
        self,
        rest: TwilioRest,
        memory: TwilioMemory,
        token: str,
        key_url: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        self._rest = rest
        self._memory = memory
        self._token = token
        self._key_url = key_url
        self._now = now
        self.tell: Callable[[Update], None] = lambda _: None
        self.calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def remember(self, what: Callable[..., Any], *about: Any) -> Any:
        """Do something with the memory, which blocks; raises `DialerDown` where it cannot be used."""
        try:
            return await asyncio.to_thread(what, *about)
        except SQLAlchemyError as error:
            raise DialerDown(f"the memory of dials cannot be used: {type(error).__name__}") from None

    def follow(self, dial_id: str, sid: str | None = None) -> Call:
        """Follow a call from now on."""
        call = self.calls.setdefault(dial_id, Call(dial_id=dial_id))
        call.sid = call.sid or sid
        call.news_s = asyncio.get_running_loop().time()
        return call

    def drop(self, call: Call, why: DialingError) -> None:
        """Follow it no more; who waits for it is told why."""
        self.calls.pop(call.dial_id, None)
        waiting = [*call.plays.values(), *([call.leg] if call.leg is not None else [])]
        for future in waiting:
            if not future.done():
                future.set_exception(why)
                future.exception()  # seen: whoever waited may be gone
        if call.stream is not None and not call.stream.joined.is_set():
            call.stream.end()

    async def stop(self) -> None:
        """Follow nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in list(self.calls.values()):
            self.drop(call, DialerDown("the dialer was stopped"))

    async def end(self, told: Ended) -> Ended:
        """Remember an end, tell it where it was not told, and return what is remembered."""
        row: Dial | None = await self.remember(self._memory.end, told)
        if row is not None and row.ended is not None:
            told = row.ended
        call = self.calls.get(told.dial_id)
        if call is not None:
            self.drop(call, NoSuchCall(f"dial {told.dial_id} is over"))
            self.tell(told)
        return told

    async def look_up(self, dial_id: str, *, doubt_max_s: float) -> Up | Ended:
        """Ask Twilio; a call that it does not know is given up."""
        row = await self._find(dial_id, doubt_max_s)
        if row.ended is not None:
            return await self.end(row.ended)
        found = None if row.sid is None else await self._rest.fetch(row.sid)
        if found is None:
            return await self.end(unknown(dial_id, self._now()))
        return await self._learn(dial_id, row, found)

    async def hang_up(self, dial_id: str, *, doubt_max_s: float) -> None:
        """End a call, or see that it is not placed any more."""
        row = await self._find(dial_id, doubt_max_s)
        if row.sid is not None and row.ended is None:
            await self._rest.update(row.sid, Status="completed")

    async def _find(self, dial_id: str, doubt_max_s: float) -> Dial:
        """Return what is remembered of a dial; it is given up where no call is found."""
        row: Dial | None = await self.remember(self._memory.find, dial_id)
        if row is not None and row.ended is None and row.sid is None and not row.given_up:
            row = await self._search(row, doubt_max_s)
        if row is None or (row.sid is None and row.ended is None):
            row = await self.remember(self._memory.give_up, dial_id, self._now())
        return row

    async def _learn(self, dial_id: str, row: Dial, found: Mapping[str, Any]) -> Up | Ended:
        status = str(found.get("status"))
        known = self.calls.get(dial_id)
        if status in FINAL:
            at = time_of(found.get("end_time"), self._now())
            rang = known is not None and known.rang
            return await self.end(ended(dial_id, status, at=at, rang=rang, talked=row.talked))
        call = self.follow(dial_id, row.sid)
        if known is None:
            call.answered = status == ANSWERED
        elif status == ANSWERED and not call.answered:
            self._tell_answered(call, time_of(found.get("start_time"), self._now()))
        return Up(answered=status == ANSWERED)

    async def _search(self, row: Dial, doubt_max_s: float) -> Dial | None:
        """Find a call whose reply was lost: Twilio tells of it, or it is in Twilio's list."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + doubt_max_s
        while True:
            for call in await self._rest.since((row.claimed_at - EARLIER).date()):
                if await self._is_ours(call, row):
                    found: Dial | None = await self.remember(self._memory.learn, row.dial_id, call["sid"])
                    return found
            again: Dial | None = await self.remember(self._memory.find, row.dial_id)
            if again is None or again.sid is not None or loop.time() >= end_s:
                return again
            await asyncio.sleep(doubt_max_s / 5)

    async def _is_ours(self, call: Mapping[str, Any], row: Dial) -> bool:
        made_at = time_of(call.get("date_created"), self._now())
        if made_at < row.claimed_at - EARLIER or hashed(self._token, str(call.get("to"))) != row.hashed:
            return False
        return not await self.remember(self._memory.is_known, call["sid"])

    async def watch(self, quiet_max_s: float) -> None:
        """Ask for calls of which nothing was told for a while: callbacks are sent once. Forget what is old."""
        swept_at = self._now() - SWEEP
        while True:
            try:
                if self._now() - swept_at >= SWEEP:
                    swept_at = self._now()
                    await self.remember(self._memory.forget, swept_at - REMEMBERED)
                await asyncio.sleep(quiet_max_s / 2)
                await self._ask_for_quiet(asyncio.get_running_loop().time() - quiet_max_s)
            except DialingError as error:
                logger.warning("Twilio: %s", error)

    async def _ask_for_quiet(self, late_s: float) -> None:
        for call in [one for one in self.calls.values() if one.sid is not None and one.news_s < late_s]:
            await self.look_up(call.dial_id, doubt_max_s=0.0)

    async def take(self, told: Told) -> str:
        """Take what Twilio tells; return TwiML."""
        try:
            return await self._take(told)
        except DialingError as error:
            logger.warning("Twilio: %s", error)
            return ""

    async def _take(self, told: Told) -> str:
        if told.kind == "status":
            await self._take_status(told)
            return ""
        call = self.calls.get(told.dial_id)
        if call is None:
            return HANG_UP if told.kind == "over" else idle(self._key_url(told.dial_id))
        call.news_s = asyncio.get_running_loop().time()
        if told.kind == "key":
            self._take_key(call, told)
        elif told.kind == "played":
            self._done(call.plays.pop(told.name, None))
        elif told.kind == "leg":
            await self._take_leg(call, told)
            return ""
        return HANG_UP if told.kind == "over" else idle(self._key_url(told.dial_id))

    async def _take_status(self, told: Told) -> None:
        sid, status = told.form.get("CallSid", ""), told.form.get("CallStatus", "")
        if not is_call(sid):
            return
        call = self.calls.get(told.dial_id)
        if call is None or call.sid is None:
            row: Dial | None = await self.remember(self._memory.learn, told.dial_id, sid)
            if (row is None or row.given_up) and status not in FINAL:
                await self._rest.update(sid, Status="completed")  # somebody gave it up: it is not to be
                return
            if call is not None:
                call.sid = sid
        at = time_of(told.form.get("Timestamp"), self._now())
        if status in FINAL:
            row = await self.remember(self._memory.find, told.dial_id)
            talked = row is not None and row.talked
            rang = call is not None and call.rang
            await self.end(ended(told.dial_id, status, at=at, sip=sip_of(told.form), rang=rang, talked=talked))
        elif call is not None:
            call.news_s = asyncio.get_running_loop().time()
            if status == RINGING:
                call.rang = True
                self.tell(Ringing(source_id=f"{call.dial_id}:ringing", dial_id=call.dial_id, at=at))
            elif status == ANSWERED:
                self._tell_answered(call, at)

    def _tell_answered(self, call: Call, at: datetime) -> None:
        call.answered = True
        self.tell(Answered(source_id=f"{call.dial_id}:answered", dial_id=call.dial_id, at=at))

    def _take_key(self, call: Call, told: Told) -> None:
        for play in list(call.plays):  # a key ends the prompt
            self._done(call.plays.pop(play))
        key = told.form.get("Digits", "")
        if key in KEYS:
            source_id = f"{call.dial_id}:key:{told.name}"
            self.tell(KeyPressed(source_id=source_id, dial_id=call.dial_id, at=self._now(), key=key))

    async def _take_leg(self, call: Call, told: Told) -> None:
        joined = told.form.get("StatusCallbackEvent") in CONFIRMED and told.form.get("CallSid") == call.sid
        if joined or told.form.get("CallStatus") == ANSWERED:
            call.talked = True
            await self.remember(self._memory.talk, call.dial_id)
            self._done(call.leg)

    @staticmethod
    def _done(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def new_name() -> str:
    """Return a name for something that is told once."""
    return secrets.token_hex(8)

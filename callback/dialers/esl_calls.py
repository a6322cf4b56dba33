"""The calls that one worker follows on FreeSWITCH: what is told of them, and what was missed."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from callback.dialers.esl_link import Address
from callback.dialers.esl_record import ended_by, ended_in, entry_of_cause, is_ended, time_of, uuid_of
from callback.dialers.esl_switch import Switch
from callback.dialers.esl_wire import Event
from callback.dialers.hearing import Stream
from callback.dialing import Answered, DialerDown, DialingError, Ended, KeyPressed, NoSuchCall, Ringing, Update

REMEMBERED: Final = timedelta(hours=6)
"""The entry of an ended dial is deleted after this by the worker that was told of its end."""
KEYS: Final = frozenset("0123456789*#ABCD")
UNPLAYED: Final = ("FILE NOT FOUND", "PLAYBACK ERROR")
_VARIABLE: Final = "variable_"
logger: Final = logging.getLogger("callback")


@dataclass(slots=True, kw_only=True)
class Play:
    """Something that is played; done when it began (``hold``), or when it is over."""

    done: asyncio.Future[None]
    hold: bool


@dataclass(slots=True, kw_only=True)
class Call:
    """A call that this worker follows; ``call`` is its UUID. ``ours``: this worker placed it."""

    dial_id: str
    call: str
    ours: bool = False
    answered: bool = False
    talked: bool = False
    playing: bool = False
    last_play: str = ""
    plays: dict[str, Play] = field(default_factory=dict)
    heard: tuple[str, Stream] | None = None
    hearing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Calls:
    """The calls of one worker.

    Parameters
    ----------
    address : Address
        Of the event socket.
    now : callable
        The time, in UTC.
    answered : callable
        Awaited when a call that this worker placed was answered.
    over : callable
        Called when a call is over.
    """

    def __init__(
        self,
        address: Address,
        now: Callable[[], datetime],
        *,
        answered: Callable[[Call], Coroutine[Any, Any, object]],
        over: Callable[[Call], None],
    ) -> None:
        self.tell: Callable[[Update], None] = lambda _: None
        self.switch = Switch(address, self._take, lambda: list(self._calls))
        self.switch.reconnected = lambda: self._spawn(self._catch_up)
        self._now = now
        self._answered = answered
        self._over = over
        self._calls: dict[str, Call] = {}
        self._jobs: dict[str, asyncio.Future[str]] = {}
        self._ended: deque[tuple[datetime, str]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Follow nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in list(self._calls.values()):
            self._drop(call, DialerDown("the dialer was stopped"))
        await self.switch.stop()

    def get(self, dial_id: str) -> Call | None:
        """Return a call that is followed."""
        return self._calls.get(uuid_of(dial_id))

    async def follow(self, call: Call) -> None:
        """Be told of a call from now on."""
        self._calls[call.call] = call
        await self.switch.follow(call.call)

    def place(self, call: Call) -> str:
        """Return the id of the job that places a call; what comes of it is told."""
        job = _job_of(call)
        self.job(job).add_done_callback(lambda said: self._placed(call, said))
        self._sweep()
        return job

    def job(self, job: str) -> asyncio.Future[str]:
        """Return what a background job will have said."""
        self._jobs[job] = asyncio.get_running_loop().create_future()
        return self._jobs[job]

    async def find(self, dial_id: str) -> Event | Ended:
        """Return a call's channel, or how it ended; one that is not there is given up."""
        call = uuid_of(dial_id)
        found = await self.switch.channel(call) or await self.switch.give_up(call)
        return ended_in(found, dial_id, self._now()) if isinstance(found, str) else found

    def _spawn(self, work: Callable[..., Coroutine[Any, Any, object]], *about: Any) -> None:
        async def run() -> None:
            try:
                await work(*about)
            except DialingError as error:
                logger.warning("FreeSWITCH: %s", error)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sweep(self) -> None:
        """Delete entries that are older than anybody asks for."""
        while self._ended and self._ended[0][0] + REMEMBERED < self._now():
            self._spawn(self.switch.forget, self._ended.popleft()[1])

    def _placed(self, call: Call, said: asyncio.Future[str]) -> None:
        if not said.cancelled() and not said.result().startswith("+OK"):
            self._spawn(self._settle, call, said.result().removeprefix("-ERR").strip())

    async def _settle(self, call: Call, cause: str) -> None:
        """The call was not placed, or not answered: a channel says more, if there was one."""
        entry = await self.switch.entry(call.call)
        if not is_ended(entry):
            if await self.switch.channel(call.call) is not None:
                return  # its end will be told
            if entry.startswith("error/"):  # given up
                self._end(call, ended_in(entry, call.dial_id, self._now()))
                return
            entry = entry_of_cause(cause, self._now())
            await self.switch.keep(call.call, entry)
        self._end(call, ended_in(entry, call.dial_id, self._now()))

    def _end(self, call: Call, ended: Ended) -> None:
        if self._calls.get(call.call) is not call:
            return  # told before
        self.tell(ended)
        self._ended.append((self._now(), call.call))
        self._drop(call, NoSuchCall(f"dial {call.dial_id} is over"))
        self._spawn(self.switch.unfollow, call.call)

    def _drop(self, call: Call, why: DialingError) -> None:
        self._calls.pop(call.call, None)
        self._jobs.pop(_job_of(call), None)
        for play in call.plays.values():
            if not play.done.done():
                play.done.set_exception(why)
        self._over(call)

    async def _catch_up(self) -> None:
        """A new connection: tell what was missed, and ask to be told when what plays is over."""
        for call in list(self._calls.values()):
            found = await self.find(call.dial_id)
            if isinstance(found, Ended):
                if call.answered:  # the switch may have forgotten it: a restart
                    found = replace(found, failed=None, talked=found.talked or call.talked)
                self._end(call, found)
                continue
            self._progress(call, found)
            for play in list(call.plays):
                await self.switch.mark(call.call, play)

    def _progress(self, call: Call, channel: Event) -> None:
        """Tell how far a call has come."""
        if time := _first(channel, "Caller-Channel-Progress-Time", "Caller-Channel-Progress-Media-Time"):
            self._tell_ringing(call, time)
        if channel["Answer-State"] == "answered" and not call.answered:
            self._tell_answered(call, channel["Caller-Channel-Answered-Time"])

    def _tell_ringing(self, call: Call, time: str) -> None:
        at = time_of(time, self._now())
        self.tell(Ringing(source_id=f"{call.call}:ringing", dial_id=call.dial_id, at=at))

    def _tell_answered(self, call: Call, time: str) -> None:
        at = time_of(time, self._now())
        if not call.answered and call.ours:
            self._spawn(self._answered, call)
        call.answered = True
        self.tell(Answered(source_id=f"{call.call}:answered", dial_id=call.dial_id, at=at))

    def _take(self, event: Event) -> None:
        if event.name == "BACKGROUND_JOB":
            job = self._jobs.pop(event["Job-UUID"], None)
            if job is not None and not job.done():
                job.set_result(event.body.strip())
            return
        call = self._calls.get(event["Unique-ID"])
        take = _TAKES.get(event.name)
        if call is not None and take is not None:
            take(self, call, event)

    def _take_ringing(self, call: Call, event: Event) -> None:
        self._tell_ringing(call, event["Event-Date-Timestamp"])

    def _take_answer(self, call: Call, event: Event) -> None:
        self._tell_answered(call, event["Caller-Channel-Answered-Time"] or event["Event-Date-Timestamp"])

    def _take_key(self, call: Call, event: Event) -> None:
        key = event["DTMF-Digit"].upper()
        if key in KEYS:
            at = time_of(event["Event-Date-Timestamp"], self._now())
            source_id = f"{call.call}:key:{event['Event-Sequence']}"
            self.tell(KeyPressed(source_id=source_id, dial_id=call.dial_id, at=at, key=key))

    def _take_begun(self, call: Call, event: Event) -> None:
        play = call.plays.get(event["Application-UUID"])
        if play is not None and play.hold and event["Application"] == "playback" and not play.done.done():
            play.done.set_result(None)

    def _take_done(self, call: Call, event: Event) -> None:
        play = call.plays.get(event["Application-UUID"])
        if play is None:
            return
        if event["Application-UUID"] == call.last_play:
            call.playing = False
        if play.done.done():
            return
        if event["Application-Response"] in UNPLAYED:
            play.done.set_exception(DialingError(f"FreeSWITCH could not play: {event['Application-Response']}"))
        else:
            play.done.set_result(None)

    def _take_end(self, call: Call, event: Event) -> None:
        values = {name.removeprefix(_VARIABLE): value for name, value in event.fields.items()}
        self._end(call, ended_by(values, call.dial_id, self._now()))


_TAKES: Final[dict[str, Callable[[Calls, Call, Event], None]]] = {
    "CHANNEL_PROGRESS": Calls._take_ringing,  # noqa: SLF001 -- a table of this class's own methods
    "CHANNEL_PROGRESS_MEDIA": Calls._take_ringing,  # noqa: SLF001
    "CHANNEL_ANSWER": Calls._take_answer,  # noqa: SLF001
    "DTMF": Calls._take_key,  # noqa: SLF001
    "CHANNEL_EXECUTE": Calls._take_begun,  # noqa: SLF001
    "CHANNEL_EXECUTE_COMPLETE": Calls._take_done,  # noqa: SLF001
    "CHANNEL_HANGUP_COMPLETE": Calls._take_end,  # noqa: SLF001
}


def _job_of(call: Call) -> str:
    """Return the id of the background job that places a call."""
    return str(uuid.uuid5(uuid.UUID(call.call), "originate"))


def _first(channel: Event, *names: str) -> str:
    """Return the first of these times that is there."""
    return next((channel[name] for name in names if channel[name] not in ("", "0")), "")

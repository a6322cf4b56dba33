"""Calls by Asterisk, over its REST interface (ARI). Needs the extra ``dialers``.

A call is a channel with the dial id as its id, in the Stasis application of the worker that placed it; any other
worker subscribes to it when it looks it up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

from callback.causes import Q850, failure
from callback.dialers.ari_calls import STATES, AriCalls, KnownCall, time_of, why_not_answered
from callback.dialers.ari_link import NOT_FOUND, AriAccess, AriLink, Event
from callback.dialers.ari_marks import AriMarks, Mark
from callback.dialers.ari_media import AriMedia, MediaAddress
from callback.dialers.ari_placing import AriPlacing
from callback.dialers.ari_prompts import AriPrompts
from callback.dialers.ari_talk import AriTalks, customer_of
from callback.dialing import (
    DialerDown,
    DialInDoubt,
    DialRefused,
    Ended,
    KeyPressed,
    Media,
    NoSuchCall,
    Placing,
    Prompt,
    Up,
    Update,
)
from callback.states import Outcome

AGAIN_S: Final = 1.0
"""Before what a call's end asks for is asked again of an Asterisk that did not answer."""
logger = logging.getLogger(__name__)


class AriDialer:
    """`callback.dialing.Dialer` on Asterisk.

    Parameters
    ----------
    access : AriAccess
    calls : AriCalls
    media : MediaAddress or None
        None: loopback, any free port.
    now : callable
        For what Asterisk tells without a time.
    """

    name = "ari"

    def __init__(
        self,
        access: AriAccess,
        calls: AriCalls,
        media: MediaAddress | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._link = AriLink(access, self._hear, self._catch_up)
        self._marks = AriMarks(self._link)
        self._placing = AriPlacing(self._link, self._marks, calls)
        self._media = AriMedia(self._link, media or MediaAddress())
        self._prompts = AriPrompts(self._link)
        self._talks = AriTalks(self._link)
        self._how = calls
        self._now = now
        self._calls: dict[str, KnownCall] = {}
        self._tell: Callable[[Update], None] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearers: dict[str, Callable[[Event], None]] = {
            "StasisStart": self._hear_state,
            "ChannelStateChange": self._hear_state,
            "ChannelDtmfReceived": self._hear_key,
            "ChannelEnteredBridge": self._hear_entered,
            "ChannelLeftBridge": self._hear_left,
            "ChannelDestroyed": self._hear_end,
        }

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Reach Asterisk, and listen for its audio."""
        self._tell = tell
        await self._media.start()
        try:
            await self._link.start()
            await self._media.sweep()
        except DialerDown:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go of Asterisk; calls go on. A second time does nothing."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._link.stop()
        await self._media.stop()

    async def originate(self, placing: Placing) -> None:
        """Place a call, once: make its channel, which is ours from then on, and dial it."""
        dial_id = placing.dial_id
        for old in await self._marks.forget_old():
            self._calls.pop(old, None)
        if dial_id in self._calls:
            raise DialRefused(f"dial {dial_id} was placed before, or given up")
        self._calls[dial_id] = KnownCall()
        try:
            refused = await self._placing.make(placing)
        except (DialerDown, DialRefused):
            del self._calls[dial_id]
            raise
        if refused:
            told = (dial_id, Outcome.NETWORK, f"ARI {refused}", self._now())
            self._see_to(lambda: self._conclude(*told))
        elif not await self._placing.dial(dial_id, placing.ring_max_s):
            self._see_to(lambda: self.hang_up(dial_id))
            raise DialInDoubt(f"dial {dial_id} was made, and Asterisk could not be reached to dial it")

    async def media(self, dial_id: str) -> Media:
        """Hear who answered, from when the audio is laid out: some milliseconds after this is called."""
        await self._check_on(dial_id)
        return await self._media.open(dial_id)

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        await self._check_on(dial_id)
        medium = self._how.prompts[prompt]
        if prompt is Prompt.HOLD:
            await self._prompts.hold(dial_id, medium)
        else:
            await self._prompts.play(dial_id, medium)

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let them talk; when one of them hangs up, the other's call ends too."""
        call = await self._check_on(dial_id)
        if not (await self._link.ask("GET", "channels", leg)).ok:
            raise NoSuchCall(f"dial {dial_id}: the agent's leg is over: did they hang up?")
        await self._media.close(dial_id)
        await self._prompts.silence(dial_id)
        await self._talks.join(dial_id, leg)
        call.talked = True
        await self._marks.put(dial_id, Mark.TALKED)

    async def hang_up(self, dial_id: str) -> None:
        """End the call."""
        if (await self._link.ask("DELETE", "channels", dial_id)).status == NOT_FOUND:
            await self._marks.put_first(dial_id, Mark.GONE)

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call; this worker is told of it from now on.

        Between the two looks a mark is left: who is just placing it finds the mark, or we find the call.
        """
        call = self._calls.get(dial_id)
        if call is not None and call.ended is not None:
            return call.ended
        if await self._adopt(dial_id):
            return self._up(dial_id)
        await self._marks.put_first(dial_id, Mark.GONE)
        if await self._adopt(dial_id):
            return self._up(dial_id)
        return await self._end_lost(dial_id)

    def _up(self, dial_id: str) -> Up:
        call = self._calls[dial_id]
        return Up(answered=call.answered, bridged=call.talked)

    def _hear(self, event: Event) -> None:
        if hearer := self._hearers.get(event["type"]):
            hearer(event)

    def _hear_state(self, event: Event) -> None:
        dial_id, call = self._known(event)
        if call is None:
            return
        if call.ended is not None and not call.ending:  # given up, and placed all the same: its request was late
            self._see_to(lambda: self.hang_up(dial_id))
        self._tell_state(dial_id, call, event["channel"]["state"], time_of(event))

    def _hear_key(self, event: Event) -> None:
        dial_id, call = self._known(event)
        if call is not None:
            source_id = f"{dial_id}/key/{event['timestamp']}"
            self._tell(KeyPressed(source_id=source_id, dial_id=dial_id, at=time_of(event), key=event["digit"]))

    def _hear_entered(self, event: Event) -> None:
        call = self._calls.get(customer_of(event))
        if call is not None:
            call.talked = True
            self._see_to(lambda: self._talks.find(customer_of(event)))

    def _hear_left(self, event: Event) -> None:
        if customer_of(event) in self._calls:
            self._see_to(lambda: self._talks.left(customer_of(event), event))

    def _hear_end(self, event: Event) -> None:
        dial_id, call = self._known(event)
        if call is None or call.ending:
            return
        call.saw(event["channel"]["state"])
        outcome, cause = why_not_answered(event, rang=call.rang)
        call.ending = True
        self._see_to(lambda: self._conclude(dial_id, outcome, cause, time_of(event)))

    def _known(self, event: Event) -> tuple[str, KnownCall | None]:
        dial_id = event["channel"]["id"]
        return dial_id, self._calls.get(dial_id)

    def _tell_state(self, dial_id: str, call: KnownCall, state: str, at: datetime) -> None:
        call.saw(state)
        kind = STATES.get(state)
        if kind is not None and kind.type not in call.told:
            call.told.add(kind.type)
            self._tell(kind(source_id=f"{dial_id}/{kind.type}", dial_id=dial_id, at=at))

    async def _conclude(self, dial_id: str, failed: Outcome, cause: str, at: datetime) -> None:
        """Tell the end of a call, once Asterisk has said whether another worker bridged it."""
        self._tell(self._calls[dial_id].ended or await self._end(dial_id, failed, cause, at))

    async def _end(self, dial_id: str, failed: Outcome, cause: str, at: datetime) -> Ended:
        call = self._calls.setdefault(dial_id, KnownCall())
        mark = await self._marks.put_first(dial_id, Mark.OVER)
        talked = call.talked or mark is Mark.TALKED
        call.ended = Ended(
            source_id=f"{dial_id}/ended",
            dial_id=dial_id,
            at=at,
            failed=None if call.answered or talked else failed,
            talked=talked,
            cause=cause,
        )
        self._see_to(lambda: self._media.close(dial_id))
        self._see_to(lambda: self._talks.end(dial_id))
        self._see_to(lambda: self._marks.forget_cause(dial_id))
        return call.ended

    async def _end_lost(self, dial_id: str) -> Ended:
        """End a call that ended while nobody listened: by what the hangup handler kept, or without a cause."""
        call = self._calls.setdefault(dial_id, KnownCall())
        code, state = await self._marks.cause(dial_id)
        call.saw(state)
        cause = f"Q.850 {code}" if state else "not known to Asterisk"
        return await self._end(dial_id, failure(code, Q850, rang=call.rang), cause, self._now())

    async def _adopt(self, dial_id: str) -> bool:
        """Be told of a call from now on, and tell how it stands; False if Asterisk knows none."""
        source = {"eventSource": f"channel:{dial_id}"}
        await self._link.ask("POST", "applications", self._link.app, "subscription", query=source)
        reply = await self._link.ask("GET", "channels", dial_id)
        if reply.status == NOT_FOUND:
            return False
        if not reply.ok:
            raise DialerDown(f"Asterisk answers {reply.status} when asked for a call")
        call = self._calls.setdefault(dial_id, KnownCall())
        self._tell_state(dial_id, call, reply.body["state"], self._now())
        call.talked |= await self._talks.find(dial_id)
        return True

    async def _catch_up(self) -> None:
        """Find out what became of calls while the link was lost."""
        for dial_id, call in tuple(self._calls.items()):
            if call.ended is None and not await self._adopt(dial_id):
                self._tell(await self._end_lost(dial_id))

    async def _check_on(self, dial_id: str) -> KnownCall:
        call = self._calls.get(dial_id)
        if call is None and await self._adopt(dial_id):
            call = self._calls[dial_id]
        if call is not None and call.ended is None:
            return call
        raise NoSuchCall(f"dial {dial_id}: the call is over, or was never placed")

    def _see_to(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do it beside all else, and again while Asterisk does not answer."""
        task = asyncio.create_task(self._insist(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _insist(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        while True:
            try:
                await work()
            except DialerDown as error:
                logger.warning("ari: %s; asked again in %s s", error, AGAIN_S)
                await asyncio.sleep(AGAIN_S)
            else:
                return

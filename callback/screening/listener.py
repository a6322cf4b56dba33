"""Hear one call and do what its judgement asks: the only part of screening that waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from amd.audio import RATE_HZ, Samples
from amd.detector import Detector
from amd.errors import AmdError
from callback.clock import Clock
from callback.dialing import Dialer, DialerDown, Media, NoMedia, NoSuchCall, Prompt
from callback.screening.decisions import Decision, Plan
from callback.screening.hearing import Ear, Recogniser
from callback.screening.judgement import Act, Judgement

logger: Final = logging.getLogger("callback.screening")
TICK_S: Final = 0.1
READ_PASSES: Final = 5
"""Turns of the loop before a tick, in which what has come is heard: it waited for us, and is no silence."""
STALL_MAX_S: Final = 0.2
"""A loop that was stuck for longer has heard nothing meanwhile: that time is not silence, either."""
AGAIN_S: Final = 0.25
"""Media that cannot be had is asked for again after this, until it is given up."""


class Listener:
    """Screen one answered call.

    Parameters
    ----------
    dialer : Dialer
    dial_id : str
    plan : Plan
    clock : Clock
    tell : callable
        Given the decision, once.
    recogniser : Recogniser, optional
    facts : mapping, optional
        Kept with the evidence.
    """

    def __init__(
        self,
        dialer: Dialer,
        dial_id: str,
        plan: Plan,
        *,
        clock: Clock,
        tell: Callable[[Decision], None],
        recogniser: Recogniser | None = None,
        **facts: Any,
    ) -> None:
        self._dialer = dialer
        self._dial_id = dial_id
        self._plan = plan
        self._clock = clock
        self._tell = tell
        self._recogniser = recogniser
        self._judgement = Judgement(plan, now_s=clock.s(), **facts)
        self._started_s = clock.s()
        self._ear: Ear | None = None
        self._wire = WireClock()
        self._n_heard = 0
        self._known = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._spawn(self._hear())
        self._spawn(self._tick())

    def close(self) -> None:
        """Hear nothing more."""
        for task in self._tasks:
            task.cancel()

    def press(self) -> None:
        """A key was pressed."""
        self._do(self._judgement.press(self._clock.s()))

    def hung_up(self) -> Decision:
        """The call is over: return what it was, on what there was."""
        told = () if self._ear is None or self._ear.stopped else self._finish(self._ear)
        return self._judgement.hung_up(told)

    def evidence(self) -> str:
        """Return the evidence as it is now, with what came after the decision."""
        return self._judgement.evidence()

    async def _hear(self) -> None:
        try:
            media = await self._media()
        except NoSuchCall:
            self._judgement.media_ended(self._clock.s())  # its end is told, or found by looking it up
            return
        if media is None:
            self._do(self._judgement.no_media(self._clock.s()))
            return
        listen = None if self._recogniser is None else self._recognise
        self._ear = ear = Ear(media.system, self._plan.rule(), now_s=self._wire.now_s(), listen=listen)
        try:
            async for message in media.messages:
                self._n_heard += 1
                self._take(ear.feed(message, self._wire.now_s()))
                if ear.done and not ear.stopped and self._judgement.decided:
                    return
        except (AmdError, NoMedia, NoSuchCall, DialerDown) as error:
            logger.info("media of dial %s broke: %s", self._dial_id, type(error).__name__)
        finally:
            if (close := getattr(media.messages, "aclose", None)) is not None:
                await close()
        self._judgement.media_ended(self._clock.s())
        if not ear.stopped:
            self._take(self._finish(ear))

    async def _media(self) -> Media | None:
        """Return the audio; None when there is none, or none in time."""
        until_s = self._started_s + self._plan.media_wait_s
        while True:
            try:
                async with asyncio.timeout(self._clock.real_s(max(0.0, until_s - self._clock.s()))):
                    return await self._dialer.media(self._dial_id)
            except (NoMedia, TimeoutError):
                return None
            except DialerDown:
                await self._clock.sleep(AGAIN_S)

    async def _tick(self) -> None:
        no_audio_s = self._started_s + self._plan.media_wait_s
        while True:
            await self._clock.sleep(TICK_S)
            n_heard = self._n_heard
            for _ in range(READ_PASSES):
                await asyncio.sleep(0)
            now_s, ear = self._clock.s(), self._ear
            wire_s = self._wire.now_s()
            if ear is not None and not ear.stopped and not ear.done and self._n_heard == n_heard:
                self._take(ear.tick(wire_s))
            if ear is not None and not ear.heard and now_s >= no_audio_s:
                no_audio_s = float("inf")
                self._do(self._judgement.no_media(now_s))
            self._do(self._judgement.tick(now_s))

    def _take(self, told: tuple[Any, ...]) -> None:
        if told:
            self._do(self._judgement.take(told, self._clock.s()))
        if self._known:
            self._known = False
            self._do(self._judgement.recognised(self._clock.s()))

    def _recognise(self, samples: Samples) -> None:
        """Let the recogniser hear; once it knows the greeting it need not go on."""
        if self._recogniser is not None and self._recogniser.hear(samples):
            self._known = True

    def _finish(self, ear: Ear) -> tuple[Any, ...]:
        try:
            return ear.finish(self._wire.now_s())
        except AmdError:
            return ear.give_up()

    def _do(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            if isinstance(act, Decision):
                self._tell(act)
            else:
                self._spawn(self._play(act))

    async def _play(self, prompt: Prompt) -> None:
        try:
            await self._dialer.play(self._dial_id, prompt)
        except (NoSuchCall, DialerDown) as error:
            logger.info("%s was not played to dial %s: %s", prompt, self._dial_id, type(error).__name__)
            if isinstance(error, NoSuchCall):
                return  # its end is told, or will be found by looking it up
        self._do(self._judgement.played(prompt, self._clock.s()))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)


class WireClock:
    """The time in which audio could have been heard: real time, without what a stuck loop missed.

    On a machine that is too busy, audio waits unread. Silence judged meanwhile would be our own, and a machine's
    greeting with such a hole in it sounds like a person who waits.
    """

    def __init__(self) -> None:
        self._real_s = time.monotonic()
        self._s = 0.0

    def now_s(self) -> float:
        """Return the seconds so far."""
        real_s = time.monotonic()
        self._s += min(real_s - self._real_s, STALL_MAX_S)
        self._real_s = real_s
        return self._s


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("screening failed: %s", type(error).__name__)


def warm_up() -> None:
    """Let the detector compile what it compiles, before the first call waits for it: a voice and a tone do."""
    at_s = np.arange(4 * RATE_HZ, dtype=np.float32) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 120 * n * at_s) / n for n in range(1, 25)) * (np.sin(2 * np.pi * 2 * at_s) > 0)
    sound = np.where(at_s < 2.0, 0.1 * voice, np.where(at_s > 3.0, 0.3 * np.sin(2 * np.pi * 1000 * at_s), 0.0))
    detector = Detector()
    detector.feed(sound.astype(np.float32))
    detector.finish()

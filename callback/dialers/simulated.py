"""Telephony without telephones: an exchange whose customers behave by a script, and the dialer that it answers.

The exchange stands for the telephone system: calls live there, and outlive a dialer that is stopped or killed. Its
audio comes as Asterisk's AudioSocket would send it, as fast as the clock runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from callback.clock import Clock
from callback.dialers.customers import (
    RATE_HZ,
    Act,
    Answers,
    Fails,
    HangsUp,
    Holds,
    Presses,
    Rings,
    Script,
)
from callback.dialers.lines import (
    CHUNK_MAX_S,
    CHUNK_S,
    HANGUP,
    LENGTHS_S,
    REAL_S,
    Line,
    frame,
    heard,
)
from callback.dialing import (
    Answered,
    DialRefused,
    Ended,
    KeyPressed,
    Media,
    NoSuchCall,
    Placing,
    Prompt,
    Ringing,
    Up,
    Update,
)
from callback.states import Outcome


class Exchange:
    """The telephone system of the simulation.

    Parameters
    ----------
    script : callable
        Given a number, what its next call comes to. A call whose script is at its end stays as it is; one that
        rings is told as no answer when it has rung for long enough.
    clock : Clock
    """

    def __init__(self, script: Callable[[str], Script], *, clock: Clock) -> None:
        self.clock = clock
        self._script = script
        self.lines: dict[str, Line] = {}
        self.refused: set[str] = set()
        self._listeners: list[Callable[[Update], None]] = []

    def listen(self, tell: Callable[[Update], None]) -> None:
        """Tell somebody all that happens from now on."""
        self._listeners.append(tell)

    def leave(self, tell: Callable[[Update], None]) -> None:
        """Tell them no more."""
        if tell in self._listeners:
            self._listeners.remove(tell)

    def place(self, placing: Placing) -> None:
        """Place a call, once."""
        if placing.dial_id in self.lines or placing.dial_id in self.refused:
            raise DialRefused(f"dial {placing.dial_id!r} was placed before, or given up: no call is placed twice")
        line = Line(placing=placing, started_s=self.clock.s())
        self.lines[placing.dial_id] = line
        line.task = asyncio.ensure_future(self._live(line, self._script(placing.number)))

    def line(self, dial_id: str) -> Line:
        """Return a call that is on.

        Raises
        ------
        NoSuchCall
        """
        line = self.lines.get(dial_id)
        if line is None or line.ended is not None:
            raise NoSuchCall(f"dial {dial_id!r} is over, or was never placed")
        return line

    def answered(self, dial_id: str) -> Line:
        """Return a call that is on and was answered; raises `NoSuchCall`."""
        line = self.line(dial_id)
        if line.answered_s is None:
            raise NoSuchCall(f"dial {dial_id!r} was not answered yet")
        return line

    async def sound(self, dial_id: str) -> AsyncIterator[bytes]:
        """Yield what is heard of a call: the first to listen hears it from the answer on, others from now on."""
        line = self.answered(dial_id)
        answered_s = line.answered_s or 0.0
        at = int((self.clock.s() - answered_s) * RATE_HZ) if line.heard else 0
        line.heard = True
        step_s = max(CHUNK_S, REAL_S * self.clock.speed)
        while line.ended is None:
            until = int((self.clock.s() - answered_s) * RATE_HZ)
            while until > at:
                end = min(until, at + int(CHUNK_MAX_S * RATE_HZ))
                data = heard(line.sound, at, end).tobytes()
                yield frame(data)
                at = end
            await self.clock.sleep(step_s)
        yield HANGUP

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        line = self.answered(dial_id)
        line.played.append(prompt)
        if prompt in LENGTHS_S:
            try:
                async with asyncio.timeout(self.clock.real_s(LENGTHS_S[prompt])):
                    await line.over.wait()
            except TimeoutError:
                line.asked.set()
            else:
                raise NoSuchCall(f"dial {dial_id!r} ended while a prompt was played")

    def bridge(self, dial_id: str, leg: str) -> None:
        """Let them talk."""
        line = self.answered(dial_id)
        line.leg, line.talked = leg, True
        line.bridged.set()

    def hang_up(self, dial_id: str) -> None:
        """End a call; one that is not known is refused from now on."""
        line = self.lines.get(dial_id)
        if line is None:
            self.refused.add(dial_id)
        elif line.ended is None:
            self._end(line, None if line.answered_s is not None else Outcome.NO_ANSWER, "hung up by us")

    def look_up(self, dial_id: str) -> Up | Ended:
        """Say how a call is; one that is not known is refused from now on."""
        line = self.lines.get(dial_id)
        if line is None:
            self.refused.add(dial_id)
            source_id = f"{dial_id}/unknown"
            return Ended(
                source_id=source_id, dial_id=dial_id, at=self.clock.now(), failed=Outcome.NETWORK, cause="unknown"
            )
        return line.ended or Up(answered=line.answered_s is not None, bridged=line.talked)

    def close(self) -> None:
        """End all calls without a word, as a power cut would."""
        for line in self.lines.values():
            if line.task is not None:
                line.task.cancel()

    async def _live(self, line: Line, script: Script) -> None:
        try:
            async with asyncio.timeout(self.clock.real_s(line.placing.ring_max_s)) as limit:
                for act in script:
                    if isinstance(act, (Presses, Holds)):
                        await self._wait(line, act)
                    else:
                        await self.clock.sleep(act.after_s)
                    if self._happen(line, act):
                        limit.reschedule(None)
                    if line.ended is not None:
                        return
                await line.over.wait()
        except TimeoutError:
            self._end(line, Outcome.NO_ANSWER, "rang out")

    async def _wait(self, line: Line, act: Presses | Holds) -> None:
        if isinstance(act, Presses) and act.asked:
            await line.asked.wait()
        await self.clock.sleep(act.after_s)
        if isinstance(act, Holds):
            try:
                async with asyncio.timeout(self.clock.real_s(act.patience_s)):
                    await line.bridged.wait()
            except TimeoutError:
                return
            await self.clock.sleep(act.talk_s)

    def _happen(self, line: Line, act: Act) -> bool:
        """Do what a script says; return whether it answers the call."""
        match act:
            case Rings():
                self._tell(line, Ringing)
            case Fails():
                self._end(line, act.outcome, act.cause)
            case Answers():
                line.answered_s, line.sound = self.clock.s(), act.sound
                self._tell(line, Answered)
                return True
            case Presses():
                self._tell(line, KeyPressed, key=act.key)
            case HangsUp() | Holds():
                self._end(line, None, "hung up by them")
        return False

    def _end(self, line: Line, failed: Outcome | None, cause: str) -> None:
        if line.ended is not None:
            return
        line.over.set()
        line.ended_s = self.clock.s()
        line.ended = self._tell(line, Ended, failed=failed, talked=line.talked, cause=cause)
        if line.task is not None and line.task is not asyncio.current_task():
            line.task.cancel()

    def _tell(self, line: Line, kind: type[Any], **more: Any) -> Any:
        line.told += 1
        dial_id = line.placing.dial_id
        update = kind(source_id=f"{dial_id}/{line.told}-{kind.type}", dial_id=dial_id, at=self.clock.now(), **more)
        for tell in tuple(self._listeners):
            self.tell(tell, update)
        return update

    def tell(self, tell: Callable[[Update], None], update: Update) -> None:
        """Tell one listener; tests tell them otherwise."""
        tell(update)


class SimulatedDialer:
    """The dialer of an exchange that is in this process.

    Examples
    --------
    >>> dialer = SimulatedDialer(Exchange(lambda number: (), clock=Clock()))
    >>> dialer.name
    'simulated'
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._tell: Callable[[Update], None] | None = None

    @property
    def name(self) -> str:
        """Its kind."""
        return "simulated"

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Listen to the exchange."""
        await self.stop()
        self._tell = tell
        self.exchange.listen(tell)

    async def stop(self) -> None:
        """Listen no more."""
        if self._tell is not None:
            self.exchange.leave(self._tell)
            self._tell = None

    async def originate(self, placing: Placing) -> None:
        """Place a call."""
        self.exchange.place(placing)

    async def media(self, dial_id: str) -> Media:
        """Hear who answered."""
        self.exchange.answered(dial_id)
        return Media(system="audiosocket", messages=self.exchange.sound(dial_id))

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        await self.exchange.play(dial_id, prompt)

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let customer and agent talk."""
        self.exchange.bridge(dial_id, leg)

    async def hang_up(self, dial_id: str) -> None:
        """End a call."""
        self.exchange.hang_up(dial_id)

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call."""
        return self.exchange.look_up(dial_id)

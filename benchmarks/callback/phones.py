"""A telephone world in a process of its own, over a socket: its calls and agents outlive whoever placed and asked.

One request is one line of JSON, and so is its reply. A connection that has said ``listen`` is told what happens;
one that asked for ``media`` is sent the audio after the reply.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Final

from callback import dialing
from callback.agents import Accepted, Staffing
from callback.dialers.simulated import Exchange
from callback.dialing import Answered, DialerDown, Ended, KeyPressed, Media, Placing, Prompt, Ringing, Up, Update
from callback.live import LiveQueue
from callback.states import Outcome

UPDATES: Final = {kind.type: kind for kind in (Ringing, Answered, KeyPressed, Ended)}
LINE_MAX: Final = 2**20


def packed(update: Update | Up) -> dict[str, Any]:
    """Return an update as JSON has it."""
    if isinstance(update, Up):
        return {"type": "up", "answered": update.answered, "bridged": update.bridged}
    values = {"type": update.type, "source_id": update.source_id, "dial_id": update.dial_id}
    values["at"] = update.at.isoformat()
    if isinstance(update, KeyPressed):
        values["key"] = update.key
    if isinstance(update, Ended):
        failed = None if update.failed is None else update.failed.value
        return {**values, "failed": failed, "talked": update.talked, "cause": update.cause}
    return values


def unpacked(values: dict[str, Any]) -> Any:
    """Return the update that was packed."""
    values = dict(values)
    kind = values.pop("type")
    if kind == "up":
        return Up(**values)
    values["at"] = datetime.fromisoformat(values["at"])
    if kind == "ended" and values["failed"] is not None:
        values["failed"] = Outcome(values["failed"])
    return UPDATES[kind](**values)


class World:
    """The exchange and the agents, and what is seen of them from outside.

    Parameters
    ----------
    exchange : Exchange
    agents : LiveQueue
    """

    def __init__(self, exchange: Exchange, agents: LiveQueue) -> None:
        self.exchange = exchange
        self.agents = agents
        self.problems: list[str] = []

    async def serve(self, path: Path) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_unix_server(self._serve, str(path), limit=LINE_MAX)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks: set[asyncio.Task[None]] = set()

        def tell(update: Update) -> None:
            writer.write(json.dumps({"told": packed(update)}).encode() + b"\n")

        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                request = json.loads(line)
                if request["do"] == "listen":
                    self.exchange.listen(tell)
                task = asyncio.ensure_future(self._answer(request, writer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        self.exchange.leave(tell)
        for task in tuple(tasks):  # whoever asked is gone
            task.cancel()
        writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        reply: dict[str, Any] = {"id": request["id"]}
        try:
            reply["value"] = await self._do(request["do"], request["with"])
        except dialing.DialingError as error:
            reply["error"] = type(error).__name__
        with suppress(ConnectionError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
            if request["do"] == "media" and "error" not in reply:
                async for data in self.exchange.sound(request["with"]["dial_id"]):
                    writer.write(data)
                    await writer.drain()
                writer.close()

    async def _do(self, what: str, values: dict[str, Any]) -> Any:
        exchange, agents = self.exchange, self.agents
        if what in {"bridge", "hang_up"}:
            return getattr(exchange, what)(**values)
        if what in {"withdraw", "over"}:
            return await getattr(agents, what)(**values)
        match what:
            case "listen":
                return None
            case "originate":
                self._check(values["number"])
                return exchange.place(Placing(**values))
            case "media":
                return exchange.answered(values["dial_id"]).answered_s
            case "play":
                return await exchange.play(values["dial_id"], Prompt(values["prompt"]))
            case "look_up":
                return packed(exchange.look_up(**values))
            case "staffing":
                staffing = await agents.staffing(values["queue"])
                return {"free": staffing.free, "n_busy": staffing.n_busy, "handling_s": staffing.handling_s}
            case "offer":
                return await self._offer(values)
            case "seen":
                return self.seen()
        raise ValueError(what)

    def _check(self, number: str) -> None:
        if any(line.ended is None and line.placing.number == number for line in self.exchange.lines.values()):
            self.problems.append("a number was called while a call to it was on")

    async def _offer(self, values: dict[str, Any]) -> str | None:
        line = self.exchange.lines.get(values["dial_id"])
        if line is None or line.answered_s is None:
            self.problems.append("an agent was asked before anybody answered")
        accepted = await self.agents.offer(**values)
        return None if accepted is None else accepted.leg

    def seen(self) -> dict[str, Any]:
        """Return what happened: problems, and of each number how many calls and how many talks."""
        numbers: dict[str, list[Any]] = {}
        for line in self.exchange.lines.values():
            numbers.setdefault(line.placing.number, []).append(line)
        for lines in numbers.values():
            spans = sorted((line.started_s, line.ended_s) for line in lines)
            if any(start < end for (_, end), (start, _) in pairwise(spans)):
                self.problems.append("two calls to a number were on at once")
        return {
            "problems": self.problems,
            "calls": {number: len(lines) for number, lines in numbers.items()},
            "talks": {number: sum(line.talked for line in lines) for number, lines in numbers.items()},
            "on": sum(line.ended is None for line in self.exchange.lines.values()),
            "idle": self.agents.idle(),
        }


class Wire:
    """A connection to the world; a runner's dialer and its agents."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its kind."""
        return "simulated"

    async def start(self, tell: Callable[[Update], None]) -> None:
        """Connect and listen."""
        reader, self._writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_MAX)
        self._reading = asyncio.ensure_future(self._read(reader, tell))
        await self.ask("listen")

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None and self._writer is not None:
            self._reading.cancel()
            self._writer.close()

    async def _read(self, reader: asyncio.StreamReader, tell: Callable[[Update], None]) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "told" in message:
                tell(unpacked(message["told"]))
            elif (future := self._replies.pop(message["id"], None)) is not None and not future.done():
                future.set_result(message)

    async def ask(self, what: str, **values: Any) -> Any:
        """Ask the world, and wait for what it says."""
        if self._writer is None:
            raise DialerDown("not connected")
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        self._writer.write(json.dumps({"id": number, "do": what, "with": values}).encode() + b"\n")
        return _value(await future)

    async def originate(self, placing: Placing) -> None:
        """Place a call."""
        values = {"dial_id": placing.dial_id, "number": placing.number, "queue": placing.queue}
        await self.ask("originate", **values, ring_max_s=placing.ring_max_s)

    async def media(self, dial_id: str) -> Media:
        """Hear who answered, by a connection of its own."""
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_MAX)
        writer.write(json.dumps({"id": 0, "do": "media", "with": {"dial_id": dial_id}}).encode() + b"\n")
        try:
            _value(json.loads(await reader.readline()))
        except dialing.DialingError:
            writer.close()
            raise
        return Media(system="audiosocket", messages=_audio(reader, writer))

    async def play(self, dial_id: str, prompt: Prompt) -> None:
        """Play a prompt."""
        await self.ask("play", dial_id=dial_id, prompt=prompt.value)

    async def bridge(self, dial_id: str, leg: str) -> None:
        """Let customer and agent talk."""
        await self.ask("bridge", dial_id=dial_id, leg=leg)

    async def hang_up(self, dial_id: str) -> None:
        """End a call."""
        await self.ask("hang_up", dial_id=dial_id)

    async def look_up(self, dial_id: str) -> Up | Ended:
        """Say what became of a call."""
        found: Up | Ended = unpacked(await self.ask("look_up", dial_id=dial_id))
        return found

    async def staffing(self, queue: str) -> Staffing:
        """Return who is there."""
        found = await self.ask("staffing", queue=queue)
        return Staffing(free=tuple(found["free"]), n_busy=found["n_busy"], handling_s=found["handling_s"])

    async def offer(self, agent: str, *, queue: str, callback_id: str, dial_id: str) -> Accepted | None:
        """Ask an agent."""
        leg = await self.ask("offer", agent=agent, queue=queue, callback_id=callback_id, dial_id=dial_id)
        return None if leg is None else Accepted(leg=leg)

    async def withdraw(self, agent: str, *, callback_id: str) -> None:
        """The customer is gone."""
        await self.ask("withdraw", agent=agent, callback_id=callback_id)

    async def over(self, agent: str, *, callback_id: str) -> None:
        """The talk is over."""
        await self.ask("over", agent=agent, callback_id=callback_id)


def _value(reply: dict[str, Any]) -> Any:
    if "error" in reply:
        raise getattr(dialing, reply["error"])("the world says no")
    return reply.get("value")


async def _audio(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    try:
        while data := await reader.read(65_536):
            yield data
    finally:
        writer.close()


async def asked(path: Path, what: str) -> Any:
    """Ask the world one thing."""
    wire = Wire(path)
    await wire.start(lambda _update: None)
    try:
        return await wire.ask(what)
    finally:
        await wire.stop()

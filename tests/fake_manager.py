"""Asterisk's manager and REST interfaces as documented, over real sockets: one set of channels behind both."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

CHALLENGE = "840415273"
USER, WORD = "amd", "a word of the manager"


class FakeManager:
    """AMI on loopback. ``channels``: name to variables. ``failing``: what to do wrong, by action, each once.

    ``drop``: close instead of answering; ``mute``: say nothing; ``refuse``: an error.
    """

    def __init__(
        self, channels=None, *, failing=(), bytewise=False, greeting=b"Asterisk Call Manager/7.0.3\r\n", tls=None
    ):
        self.channels = channels or {}
        self.failing = list(failing)
        self.bytewise = bytewise
        self.greeting = greeting
        self.tls = tls
        self.actions: list[dict[str, str]] = []
        self.changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()
        self.port = 0

    async def __aenter__(self) -> FakeManager:
        await self.listen()
        return self

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        await self.shut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def shut(self) -> None:
        """Stop listening, and drop who is connected."""
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def wait_for(self, said) -> None:
        """Wait until ``said(actions)`` holds."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: said([action["Action"] for action in self.actions]))

    async def set_in_dialplan(self, channel, name, value) -> None:
        """What ``Set()`` does: the variable, and a VarSet event to all who are logged in."""
        self.channels.setdefault(channel, {})[name] = value
        fields = {"Event": "VarSet", "Privilege": "dialplan,all", "Channel": channel, "CallerIDNum": "2025550101"}
        for writer in self._writers:
            await self._write(writer, {**fields, "Uniqueid": "1.2", "Variable": name, "Value": value})

    async def _write(self, writer, *packets) -> None:
        lines = "".join("".join(f"{n}: {v}\r\n" for n, v in packet.items()) + "\r\n" for packet in packets)
        data = lines.encode()
        for piece in [data[n : n + 1] for n in range(len(data))] if self.bytewise else [data]:
            writer.write(piece)
            await writer.drain()

    async def _serve(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                writer.write(self.greeting)
                while await self._obey(writer, await reader.readuntil(b"\r\n\r\n")):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _obey(self, writer, raw) -> bool:
        action = dict(line.split(": ", 1) for line in raw.decode().rstrip("\r\n").split("\r\n"))
        name = action["Action"]
        head = {"ActionID": action["ActionID"]}
        wrong = None
        for failure in self.failing:
            if failure[0] == name:
                wrong = failure[1]
                self.failing.remove(failure)
                break
        if wrong == "drop":
            await self._note(action)
            return False
        if wrong is None:
            packets = getattr(self, f"_{name.lower()}")(action, head, writer)
        else:
            packets = [] if wrong == "mute" else [{"Response": "Error", **head, "Message": "Permission denied"}]
        await self._write(writer, *packets)
        await self._note(action)
        return True

    async def _note(self, action) -> None:
        async with self.changed:
            self.actions.append(action)
            self.changed.notify_all()

    def _challenge(self, _action, head, _writer):
        return [{"Response": "Success", **head, "Challenge": CHALLENGE}]

    def _login(self, action, head, writer):
        key = hashlib.md5(f"{CHALLENGE}{WORD}".encode(), usedforsecurity=False).hexdigest()
        if (action["Username"], action["Key"], action["AuthType"]) != (USER, key, "MD5"):
            return [{"Response": "Error", **head, "Message": "Authentication failed"}]
        self._writers.add(writer)
        return [
            {"Response": "Success", **head, "Message": "Authentication accepted"},
            {"Event": "FullyBooted", "Privilege": "system,all", "Status": "Fully Booted"},
        ]

    def _ping(self, _action, head, _writer):
        return [{"Response": "Success", **head, "Ping": "Pong"}]

    def _setvar(self, action, head, _writer):
        channel = self.channels.get(action["Channel"])
        if channel is None:
            return [{"Response": "Error", **head, "Message": "No such channel"}]
        channel[action["Variable"]] = action["Value"]
        return [{"Response": "Success", **head, "Message": "Variable Set"}]

    def _status(self, action, head, _writer):
        name = action["Variables"]
        rows = [
            {
                "Event": "Status",
                **head,
                "Channel": channel,
                "CallerIDNum": "2025550101",
                "Variable": f"{name}={variables.get(name, '')}",
            }
            for channel, variables in self.channels.items()
        ]
        start = {"Response": "Success", **head, "EventList": "start", "Message": "Channel status will follow"}
        return [
            start,
            *rows,
            {"Event": "StatusComplete", **head, "EventList": "Complete", "Items": str(len(rows))},
        ]

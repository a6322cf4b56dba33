"""Asterisk's manager interface over a real socket: the greeting, blocks, lists, and what app_queue answers.

Keys and their order as Asterisk 20's documentation has them; an action that lacks what it needs is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

USER, SECRET = "callback", "battery-staple"
NOT_IN_USE, IN_USE, UNAVAILABLE, RINGING = 1, 2, 5, 6


@dataclass
class FakeMember:
    interface: str
    status: int = NOT_IN_USE
    paused: bool = False
    reason: str = ""
    in_call: bool = False
    last_call_s: int = 0
    login_s: int = 0
    wrapup_s: int = 0


@dataclass
class FakeQueue:
    members: list[FakeMember] = field(default_factory=list)
    callers: list[tuple[str, int, int]] = field(default_factory=list)
    """Uniqueid, wait in seconds, priority, in the order of app_queue."""
    talk_time_s: int = 0


class FakeAmi:
    """app_queue as its manager shows it."""

    def __init__(self) -> None:
        self.queues: dict[str, FakeQueue] = {}
        self.actions: list[dict[str, str]] = []
        self.writers: set[asyncio.StreamWriter] = set()
        self.silent = False
        self.after_pause = lambda _: None

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.server.close()
        self.break_links()
        await self.server.wait_closed()

    def break_links(self) -> None:
        for writer in list(self.writers):
            writer.transport.abort()

    def tell(self, event: str, **fields: object) -> None:
        for writer in self.writers:
            self.send(writer, Event=event, Privilege="agent,all", **fields)

    def send(self, writer: asyncio.StreamWriter, **fields: object) -> None:
        text = "".join(f"{key}: {value}\r\n" for key, value in fields.items() if value is not None)
        writer.write((text + "\r\n").encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/9.0.0\r\n")
        logged_in = False
        with contextlib.suppress(OSError, EOFError):
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in text.split("\r\n") if line)
                self.actions.append(action)
                if self.silent:
                    continue
                number = action["ActionID"]
                if not logged_in:
                    logged_in = self.log_in(writer, action)
                    if not logged_in:
                        break
                    self.writers.add(writer)
                    self.send(writer, Event="FullyBooted", Privilege="system,all", Uptime=12, LastReload=12)
                elif action["Action"] == "Ping":
                    self.send(writer, Response="Success", ActionID=number, Ping="Pong")
                elif action["Action"] == "QueueStatus":
                    self.queue_status(writer, action)
                elif action["Action"] == "QueuePause":
                    self.queue_pause(writer, action)
                else:
                    self.send(writer, Response="Error", ActionID=number, Message="Invalid/unknown command")
        self.writers.discard(writer)
        writer.close()

    def log_in(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> bool:
        good = (action["Action"], action.get("Username"), action.get("Secret")) == ("Login", USER, SECRET)
        answer, message = ("Success", "Authentication accepted") if good else ("Error", "Authentication failed")
        self.send(writer, Response=answer, ActionID=action["ActionID"], Message=message)
        return good

    def queue_status(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        number = action["ActionID"]
        self.send(
            writer, Response="Success", ActionID=number, EventList="start", Message="Queue status will follow"
        )
        items = [
            item
            for name, queue in self.queues.items()
            if action.get("Queue") in (None, name)
            for item in self.items(name, queue, action.get("Member"))
        ]
        for item in items:
            self.send(writer, **item, ActionID=number)
            self.tell("QueueMemberStatus", Queue="another", Interface="PJSIP/9")  # comes between, and is no item
        self.send(writer, Event="QueueStatusComplete", ActionID=number, EventList="Complete", ListItems=len(items))

    def items(self, name: str, queue: FakeQueue, wanted: str | None) -> list[dict[str, object]]:
        params = {
            "Event": "QueueParams", "Queue": name, "Max": 0, "Strategy": "ringall", "Calls": len(queue.callers),
            "Holdtime": 0, "TalkTime": queue.talk_time_s, "Completed": 0, "Abandoned": 0, "ServiceLevel": 0,
            "ServicelevelPerf": "0.0", "ServicelevelPerf2": "0.0", "Weight": 0,
        }  # fmt: skip
        members = [
            {
                "Event": "QueueMember", "Queue": name, "Name": "a name", "Location": member.interface,
                "StateInterface": member.interface, "Membership": "static", "Penalty": 0, "CallsTaken": 0,
                "LastCall": member.last_call_s, "LastPause": 0, "LoginTime": member.login_s,
                "InCall": int(member.in_call), "Status": member.status, "Paused": int(member.paused),
                "PausedReason": member.reason, "Wrapuptime": member.wrapup_s,
            }
            for member in queue.members
            if wanted in (None, member.interface)
        ]  # fmt: skip
        callers = [
            {
                "Event": "QueueEntry", "Queue": name, "Position": position, "Channel": f"PJSIP/in-{position:08x}",
                "Uniqueid": uniqueid, "CallerIDNum": "2025550188", "CallerIDName": "someone",
                "ConnectedLineNum": "unknown", "ConnectedLineName": "unknown", "Wait": wait_s,
                "Priority": priority,
            }
            for position, (uniqueid, wait_s, priority) in enumerate(queue.callers, start=1)
        ]  # fmt: skip
        return [params, *members, *callers]

    def queue_pause(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        number, paused = action["ActionID"], action.get("Paused") == "true"
        found = [
            member
            for name, queue in self.queues.items()
            if action.get("Queue") in (None, name)
            for member in queue.members
            if member.interface == action.get("Interface")
        ]
        if not found:
            self.send(writer, Response="Error", ActionID=number, Message="Interface not found")
            return
        for member in found:
            member.paused, member.reason = paused, action.get("Reason", "")[:79] if paused else ""
            if paused:
                self.after_pause(member)
        message = f"Interface {'' if paused else 'un'}paused successfully"
        self.send(writer, Response="Success", ActionID=number, Message=message)

"""FreeSWITCH's event socket, as far as our dialer speaks with it: real sockets on loopback, documented replies.

What it does where it matters: replies come in the order of commands; events carry percent-encoded fields and only
those that a filter lets through; an ``origination_uuid`` that is taken is *not* refused; a channel is forgotten
when it is over; ``${...}`` is expanded by ``expand`` and by the hangup hook; ``\\$`` is not.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections import Counter, defaultdict, deque
from urllib.parse import quote

from dialer_rig import Mischief, Step
from fake_esl_calls import Channel, far_end, stream
from fake_esl_text import Client, Hash, brackets, expand

PASSWORD = "ClueCon"  # noqa: S105 -- FreeSWITCH's own default
GATEWAY = "sofia/gateway/carrier/"
MISSING = "-ERR No such channel!\n"
SWAP_S = 0.05


class FakeFreeSwitch:
    """The switch."""

    def __init__(self, *, now, speed, modules=("mod_hash", "mod_audio_stream")) -> None:
        self.modules = modules
        self.now = now
        self.speed = speed
        self.script: dict[str, deque[tuple[tuple[Step, ...], Mischief | None]]] = defaultdict(deque)
        self.hash = Hash()
        self.channels: dict[str, Channel] = {}
        self.last: dict[str, Channel] = {}
        self.placed: Counter[str] = Counter()
        self.commands: list[str] = []
        self.clients: set[Client] = set()
        self.faults: list[BaseException] = []
        """What no dialer may cause."""
        self.port = 0
        self._sequence = 0
        self._tasks: set[asyncio.Task] = set()
        self._closed_until = 0.0

    def now_us(self):
        return str(round(self.now().timestamp() * 1e6))

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self, for_s=0.0):
        """Break every connection, and take no other for a while."""
        self._closed_until = time.monotonic() + for_s
        for client in list(self.clients):
            client.writer.transport.abort()

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task):
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.faults.append(task.exception())

    # --- events

    def fire(self, name, channel=None, *, body=None, **more):
        """Tell of something, as the mischief of the call has it."""
        self._sequence += 1
        fields = {"Event-Name": name, "Event-Date-Timestamp": self.now_us(), "Event-Sequence": str(self._sequence)}
        fields |= {} if channel is None else channel.fields(variables=name != "DTMF")
        fields |= {key.replace("_", "-"): value for key, value in more.items()}
        mischief = None if channel is None or "EXECUTE" in name else channel.mischief
        if mischief is Mischief.DUPLICATE:
            self._send(fields, body)
        if mischief is Mischief.LATE and name != "CHANNEL_HANGUP_COMPLETE":
            channel.held.append((fields, body))
        elif mischief is Mischief.SHUFFLE and not channel.held:
            channel.held.append((fields, body))
            self.spawn(self._release(channel))
        else:
            self._send(fields, body)
            self._flush(channel)

    async def _release(self, channel):
        await asyncio.sleep(SWAP_S)
        self._flush(channel)

    def _flush(self, channel):
        if channel is not None:
            held, channel.held = channel.held, []
            for fields, body in held:
                self._send(fields, body)

    def _send(self, fields, body):
        text = "".join(f"{name}: {quote(value, safe='')}\n" for name, value in fields.items())
        text += "\n" if body is None else f"Content-Length: {len(body.encode())}\n\n{body}"
        for client in list(self.clients):
            if client.wants(fields):
                client.send("text/event-plain", body=text)

    # --- commands

    async def _serve(self, reader, writer):
        if time.monotonic() < self._closed_until:
            writer.transport.abort()
            return
        client = Client(writer)
        client.send("auth/request")
        self.clients.add(client)
        try:
            while True:
                lines = (await reader.readuntil(b"\n\n")).decode().strip("\n").split("\n")
                headers = dict(line.split(": ", 1) for line in lines[1:])
                await self._command(client, lines[0], headers)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.clients.discard(client)
            writer.close()

    async def _command(self, client, line, headers):
        self.commands.append(line)
        verb, _, rest = line.partition(" ")
        if not client.authorised and verb != "auth":
            client.send("command/reply", reply="-ERR command not found")
        elif verb == "auth":
            client.authorised = rest == PASSWORD
            client.send("command/reply", reply="+OK accepted" if client.authorised else "-ERR invalid")
            if not client.authorised:
                client.send("text/disconnect-notice", body="Disconnected, goodbye.\n")
                client.writer.close()
        elif verb == "event" and rest.startswith("plain "):
            client.events |= set(rest.split()[1:])
            client.send("command/reply", reply="+OK event listener enabled plain")
        elif verb == "filter":
            self._filter(client, rest.split())
        elif verb == "api":
            name, _, argument = rest.partition(" ")
            client.send("api/response", body=self._api(name, argument))
        elif verb == "bgapi":
            await self._background(client, rest, headers)
        elif verb == "sendmsg":
            client.send("command/reply", reply=self._sendmsg(rest, headers))
        else:
            client.send("command/reply", reply="-ERR command not found")

    def _filter(self, client, words):
        if words[0] == "delete":
            client.filters = [one for one in client.filters if one != tuple(words[1:3])]
            client.send("command/reply", reply=f"+OK filter deleted. [{words[1]}]=[{words[2]}]")
        else:
            client.filters.append((words[0], words[1]))
            client.send("command/reply", reply=f"+OK filter added. [{words[0]}]=[{words[1]}]")

    async def _background(self, client, text, headers):
        job = headers.get("Job-UUID") or str(uuid.uuid4())
        name, _, argument = text.partition(" ")
        if name == "expand":
            name, _, argument = argument.partition(" ")
            argument = expand(argument, {}, self._api)
        if name != "originate":
            raise AssertionError(f"bgapi {name} is not used by the dialer")
        number = self._number_in(argument)
        mischief = self.script[number][0][1] if self.script[number] else None
        if mischief is Mischief.LOSE_REQUEST:
            self.script[number].popleft()
            client.writer.transport.abort()
            return
        if mischief is Mischief.LOSE_REPLY:
            client.writer.transport.abort()
            self.clients.discard(client)
        else:
            client.send("command/reply", reply=f"+OK Job-UUID: {job}", more={"Job-UUID": job})

        def over(body):
            self.fire("BACKGROUND_JOB", body=body + "\n", Job_UUID=job, Job_Command="originate")

        self._originate(argument, over)

    def _api(self, name, argument):
        words = argument.split()
        channel = self.channels.get(words[0]) if words else None
        media = ("uuid_audio_stream", "mod_audio_stream"), ("uuid_audio_fork", "mod_audio_fork")
        if name == "module_exists":
            return "true" if argument in self.modules else "false"
        if name == "uptime":
            return "1234\n"
        if name == "hash" and "mod_hash" in self.modules:
            return self.hash.do(*argument.split("/", 3))
        if any(name == command and module in self.modules for command, module in media):
            return "-ERR Operation Failed\n" if channel is None else stream(self, channel, *words[1:])
        if not name.startswith("uuid_") or not hasattr(self, f"_{name}"):
            return f"-ERR {name} Command not found!\n"
        return MISSING if channel is None else getattr(self, f"_{name}")(channel, *words[1:])

    def _number_in(self, argument):
        found = re.search(r"\}" + re.escape(GATEWAY) + r"(\+\d+) &park\(\)$", argument)
        return found[1] if found else ""

    def _originate(self, argument, over):
        values, target = brackets(argument)
        endpoint = target.removesuffix(" &park()").strip()
        if not target.endswith(" &park()") or not endpoint:
            over("-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] ...")
        elif endpoint.startswith("error/"):
            over(f"-ERR {endpoint.removeprefix('error/')}")
        elif endpoint.startswith("user/"):
            channel = self._channel(values, endpoint, (), None)
            channel.answer()
            over(f"+OK {channel.uuid}")
        elif number := self._number_in(argument):
            steps, mischief = self.script[number].popleft() if self.script[number] else ((), None)
            if mischief is Mischief.REJECT:
                over("-ERR NORMAL_TEMPORARY_FAILURE")
                return
            self.placed[number] += 1
            channel = self.last[number] = self._channel(values, number, steps, mischief)
            self.spawn(far_end(self, channel, over))
        else:
            over("-ERR CHAN_NOT_IMPLEMENTED")

    def _channel(self, values, number, steps, mischief):
        wanted = values.get("origination_uuid")
        if wanted is None or wanted in self.channels:  # a CRIT line in the log, and another UUID
            wanted = str(uuid.uuid4())
        channel = self.channels[wanted] = Channel(self, wanted, number, values, steps, mischief)
        self.spawn(channel.run())
        return channel

    # --- of channels

    def hang_up(self, channel, cause="NORMAL_CLEARING", q850=16, sip=None):
        """End a channel, as CS_HANGUP and CS_REPORTING do."""
        if self.channels.get(channel.uuid) is not channel:
            return
        channel.close(cause, q850, sip)
        command, _, argument = channel.values.get("api_hangup_hook", "::").partition("::")
        if command:
            self._api(command, expand(argument, channel.values, self._api))
        del self.channels[channel.uuid]
        self.fire("CHANNEL_HANGUP_COMPLETE", channel, Hangup_Cause=cause)
        other = self.channels.get(channel.bridged_to or "")
        if other is not None:
            self.hang_up(other)

    def _uuid_kill(self, channel, cause="NORMAL_CLEARING"):
        self.spawn(self._killed(channel, cause))
        return "+OK\n"

    async def _killed(self, channel, cause):
        self.hang_up(channel, cause)

    def _uuid_dump(self, channel):
        fields = {"Event-Name": "CHANNEL_DATA", **channel.fields()}
        return "".join(f"{name}: {quote(value, safe='')}\n" for name, value in fields.items())

    def _uuid_break(self, channel, which):
        assert which == "all"
        channel.silence()
        return "+OK\n"

    def _uuid_setvar(self, channel, name, value):
        channel.values[name] = value
        return "+OK\n"

    def _uuid_bridge(self, channel, leg):
        other = self.channels.get(leg)
        if other is None:
            return "-ERR Invalid uuid\n"
        channel.bridge(other)
        return f"+OK {leg}\n"

    def _sendmsg(self, call, headers):
        channel = self.channels.get(call)
        if channel is None:
            return f"-ERR invalid session id [{call}]"
        assert headers["call-command"] == "execute"
        assert headers["event-lock"] == "true"
        channel.apps.append((headers["execute-app-name"], headers["execute-app-arg"], headers["Event-UUID"]))
        channel.news.set()
        return "+OK"

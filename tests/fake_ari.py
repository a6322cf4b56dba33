"""Asterisk's REST interface over real sockets: paths, parameters, codes and events as its documentation has them.

What a request gets wrong (an unknown parameter, a missing one, a value that is not allowed) is refused, and kept
in ``faults``, which tests look at. A fake cannot show what Asterisk does beyond its documentation:
``docs/systems/asterisk-callback.md`` lists it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiohttp import WSMsgType, web
from dialer_rig import Mischief, Rings, Step
from fake_ari_requests import Problem, Requests
from fake_ari_world import CLEARED, Bridge, Channel, World

USER, PASSWORD = "worker", "correct-horse"
AWAY_S = 2.0
"""So long a broken websocket cannot come back, in fake seconds."""


class FakeAri(Requests):
    """One Asterisk. ``will`` says what the next call of a number (or of an agent's interface) comes to."""

    def __init__(
        self,
        *,
        speed: float = 40.0,
        tech_causes: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.sources: dict[str, set[str]] = defaultdict(set)
        self.scripts: dict[str, deque[tuple[tuple[Step, ...], Mischief | None]]] = defaultdict(deque)
        self.placed: Counter[str] = Counter()
        self.last: dict[str, Channel] = {}
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.down = False
        self.away_until_s = 0.0
        self.held: dict[str, list[tuple[set[str], dict]]] = defaultdict(list)
        self.now = now
        self.clock = now()
        self.world = World(
            self.emit, self.sockets.__contains__, self.disconnect, speed=speed, tech_causes=tech_causes
        )

    def will(self, number: str, *steps: Step, mischief: Mischief | None = None) -> None:
        self.scripts[number].append((steps, mischief))

    async def before_placing(self, name: str) -> None:
        """What happens between a request and its call; tests put something here."""

    # Telling

    def emit(self, kind: str, channel: Channel, bridge: Bridge | None = None, **fields: object) -> None:
        wanted = {f"channel:{channel.id}"} | ({f"bridge:{bridge.id}"} if bridge else set())
        apps = {app for app, sources in self.sources.items() if sources & wanted}
        if kind in {"StasisStart", "ChannelCreated"}:
            self.sources[channel.app].add(f"channel:{channel.id}")
            apps.add(channel.app)
        self.clock = max(self.now(), self.clock + timedelta(milliseconds=1))
        stamp = self.clock.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.clock.microsecond // 1000:03d}+0000"
        about = "peer" if kind == "Dial" else "channel"
        event = {"type": kind, "timestamp": stamp, "asterisk_id": "00:00:5e:00:53:01", **fields}
        if "playback" not in fields:
            event[about] = channel.json()
        if bridge is not None:
            event["bridge"] = bridge.json()
        self.hand_over(channel, apps, event)

    def hand_over(self, channel: Channel, apps: set[str], event: dict) -> None:
        """Send it, or what mischief makes of it."""
        held = self.held[channel.id]
        match channel.mischief if channel.dialed else None:
            case Mischief.DUPLICATE:
                self.send(apps, event)
                self.send(apps, event)
            case Mischief.SHUFFLE:
                held.append((apps, event))
                if len(held) == 3 or event["type"] == "ChannelDestroyed":
                    self.release(channel)
                elif len(held) == 1:
                    self.world.begin(self.release_soon(channel))
            case Mischief.LATE:
                held.append((apps, event))
                if event["type"] == "ChannelDestroyed":
                    held.insert(0, held.pop())
                    held.reverse()
                    self.release(channel)
            case _:
                self.send(apps, event)

    async def release_soon(self, channel: Channel) -> None:
        await self.world.wait(4.0)
        self.release(channel)

    def release(self, channel: Channel) -> None:
        for apps, event in reversed(self.held.pop(channel.id, [])):
            self.send(apps, event)

    def send(self, apps: set[str], event: dict) -> None:
        for app in apps:
            socket = self.sockets.get(app)
            if socket is not None and not socket.closed:
                self.world.begin(self.send_one(socket, {**event, "application": app}))

    async def send_one(self, socket: web.WebSocketResponse, event: dict) -> None:
        with contextlib.suppress(ConnectionError):
            await socket.send_json(event)

    def disconnect(self, channel: Channel | None = None) -> None:
        """Break the websockets of those who follow a channel, or all; none comes back for a while."""
        self.away_until_s = asyncio.get_running_loop().time() + AWAY_S / self.world.speed
        for app, socket in list(self.sockets.items()):
            if channel is None or f"channel:{channel.id}" in self.sources[app]:
                del self.sockets[app]
                self.abort(socket)

    def abort(self, socket: web.WebSocketResponse) -> None:
        if socket._req is not None and socket._req.transport is not None:
            socket._req.transport.abort()

    # Requests

    async def start(self) -> None:
        application = web.Application(middlewares=[self.guard])
        for method, path, handler in (
            ("GET", "/events", self.events),
            ("GET", "/channels", self.list_channels),
            ("POST", "/channels/externalMedia", self.external_media),
            ("POST", "/channels/create", self.create),
            ("GET", "/channels/{id}", self.get_channel),
            ("POST", "/channels/{id}", self.originate),
            ("DELETE", "/channels/{id}", self.hang_up),
            ("POST", "/channels/{id}/dial", self.dial_made),
            ("POST", "/channels/{id}/play/{playback}", self.play),
            ("POST", "/channels/{id}/moh", self.moh),
            ("DELETE", "/channels/{id}/moh", self.moh),
            ("POST", "/channels/{id}/snoop/{snoop}", self.snoop),
            ("GET", "/playbacks/{id}", self.playback),
            ("DELETE", "/playbacks/{id}", self.playback),
            ("GET", "/bridges", self.list_bridges),
            ("GET", "/bridges/{id}", self.get_bridge),
            ("POST", "/bridges/{id}", self.make_bridge),
            ("DELETE", "/bridges/{id}", self.end_bridge),
            ("POST", "/bridges/{id}/addChannel", self.add_channel),
            ("GET", "/asterisk/variable", self.variable),
            ("POST", "/asterisk/variable", self.variable),
            ("POST", "/applications/{app}/subscription", self.subscribe),
        ):
            application.router.add_route(method, f"/ari{path}", handler)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ari"

    async def stop(self) -> None:
        await self.world.stop()
        for socket in self.sockets.values():
            self.abort(socket)
        await self.runner.cleanup()

    @web.middleware
    async def guard(self, request: web.Request, handler) -> web.StreamResponse:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.asked.append(f"{request.method} {request.raw_path}")
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"message": "Authentication required"}, status=401)
        if self.down:
            return web.json_response({"message": "Service Unavailable"}, status=503)
        try:
            return await handler(request)
        except Problem as problem:
            return problem.reply

    async def events(self, request: web.Request) -> web.StreamResponse:
        given = await self.parameters(request, "events", "app")
        if asyncio.get_running_loop().time() < self.away_until_s:
            raise Problem(503, "Service Unavailable")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        app = given["app"]
        if (older := self.sockets.get(app)) is not None:
            await self.send_one(older, {"type": "ApplicationReplaced", "application": app})
        self.sockets[app] = socket
        self.sources[app]  # registered
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        if self.sockets.get(app) is socket:
            del self.sockets[app]
        return socket

    async def originate(self, request: web.Request) -> web.Response:
        """Make a channel and dial it at once; it enters its application when it is answered."""
        given = await self.parameters(request, "originate", "endpoint", "app")
        channel = self.make(request, {**given, "channelId": request.match_info["id"]})
        self.dial(channel, given.get("timeout", 30))
        return web.json_response(channel.json())

    async def create(self, request: web.Request) -> web.Response:
        """Make a channel, which enters its application at once."""
        given = await self.parameters(request, "create", "endpoint", "app", "channelId")
        await self.before_placing(given["channelId"])
        channel = self.make(request, given)
        self.world.begin(self._enter_soon(channel))
        return web.json_response(channel.json())

    def make(self, request: web.Request, given: dict) -> Channel:
        if request.query:
            self.faults.append("a call with what it asks for in the address")
        found = re.search(r"\+\d+", given["endpoint"])
        number = found[0] if found else given["endpoint"]
        if given["channelId"] in self.world.channels:
            raise Problem(409, "Channel with given unique ID already exists")
        steps, mischief = self.scripts[number].popleft() if self.scripts[number] else ((Rings(),), None)
        if mischief is Mischief.LOSE_REQUEST:
            request.transport.abort()
            raise Problem(500, "never seen")
        if mischief is Mischief.REJECT:
            raise Problem(500, "Allocation failed")
        channel = Channel(
            given["channelId"],
            f"PJSIP/trunk-{next(self.world.numbers):08x}",
            given["app"],
            args=[given["appArgs"]] if given.get("appArgs") else [],
            number=number,
            steps=steps,
            mischief=mischief,
            variables=given.get("variables", {}),
        )
        self.world.channels[channel.id] = channel
        return channel

    async def dial_made(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "dial")
        channel = self.channel(request.match_info["id"], in_stasis=True)
        if channel.dialed:
            self.faults.append("a channel was dialled twice: Asterisk 22 dies of that")
        self.dial(channel, int(given.get("timeout", 0)))
        if channel.mischief is Mischief.LOSE_REPLY:
            request.transport.abort()
        return web.Response(status=204)

    def dial(self, channel: Channel, timeout_s: int) -> None:
        channel.dialed = True
        self.placed[channel.number] += 1
        self.last[channel.number] = channel
        self.world.dial(channel, timeout_s)

    async def hang_up(self, request: web.Request) -> web.Response:
        await self.parameters(request, "hangup")
        self.world.destroy(self.channel(request.match_info["id"]), CLEARED)
        return web.Response(status=204)

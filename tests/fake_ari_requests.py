"""Requests that the fake Asterisk answers: parameters, values and codes as the documentation has them."""

from __future__ import annotations

import asyncio
import uuid

from aiohttp import web
from fake_ari_world import Bridge, Channel, World, playback_json

PARAMETERS = {
    "originate": "endpoint extension context priority label app appArgs callerId timeout channelId otherChannelId "
    "originator formats variables",
    "create": "endpoint app appArgs channelId otherChannelId originator formats variables",
    "dial": "caller timeout",
    "external": "channelId app variables external_host encapsulation transport connection_type format direction "
    "data transport_data",
    "snoop": "spy whisper app appArgs",
    "play": "media lang offsetms skipms",
    "bridge": "type name",
    "add": "channel role absorbDTMF mute inhibitConnectedLineUpdates",
    "variable": "variable value",
    "subscription": "eventSource",
    "moh": "mohClass",
    "hangup": "reason reason_code",
    "events": "app subscribeAll",
    "none": "",
}
VALUES = {
    "spy": {"none", "both", "out", "in"},
    "whisper": {"none", "both", "out", "in"},
    "encapsulation": {"rtp", "audiosocket", "none"},
    "transport": {"udp", "tcp", "websocket"},
    "connection_type": {"client", "server"},
    "direction": {"both"},
}


class Problem(Exception):  # noqa: N818 -- reads as what it is
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.reply = web.json_response({"message": message}, status=status)


class Requests:
    """What is asked of channels, bridges, playbacks, variables and applications."""

    world: World
    faults: list[str]
    sources: dict[str, set[str]]
    sockets: dict[str, web.WebSocketResponse]

    def stranger(self, _: str) -> Channel | None:
        """What a channel is that nobody placed here; a rig has agents of another system's."""
        return None

    async def parameters(self, request: web.Request, names: str, *needed: str) -> dict:
        """Query and body, checked."""
        given: dict = dict(request.query)
        if request.can_read_body:
            given |= await request.json()
        known = set(PARAMETERS[names].split())
        wrong = [name for name in given if name not in known]
        wrong += [name for name, value in given.items() if name in VALUES and value not in VALUES[name]]
        missing = [name for name in needed if not given.get(name)]
        if wrong or missing:
            self.faults.append(f"{request.method} {request.path}: wrong {wrong}, missing {missing}")
            raise Problem(400, "Invalid parameters")
        return given

    def channel(self, name: str, *, in_stasis: bool = False) -> Channel:
        channel = self.world.channels.get(name) or self.stranger(name)
        if channel is None:
            raise Problem(404, "Channel not found")
        if in_stasis and not channel.in_stasis:
            raise Problem(409, "Channel not in Stasis application")
        return channel

    async def list_channels(self, _: web.Request) -> web.Response:
        return web.json_response([channel.json() for channel in self.world.channels.values()])

    async def get_channel(self, request: web.Request) -> web.Response:
        return web.json_response(self.channel(request.match_info["id"]).json())

    async def play(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "play", "media")
        channel = self.channel(request.match_info["id"], in_stasis=True)
        playback = request.match_info["playback"]
        channel.moh = False
        channel.played.append(given["media"])
        self.world.play(channel, playback, given["media"])
        return web.json_response(playback_json(channel, playback, given["media"], "queued"), status=201)

    async def moh(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "moh")
        channel = self.channel(request.match_info["id"], in_stasis=True)
        channel.moh = request.method == "POST"
        if channel.moh:
            channel.played.append(f"moh:{given['mohClass']}")
        return web.Response(status=204)

    async def playback(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        for channel in self.world.channels.values():
            if name in channel.playing:
                if request.method == "GET":
                    return web.json_response(playback_json(channel, name, "sound:", "playing"))
                self.world.stop_playing(channel, name, "done")
                return web.Response(status=204)
        raise Problem(404, "The playback cannot be found")

    async def snoop(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "snoop", "app")
        snooped = self.channel(request.match_info["id"])
        if given.get("spy", "none") == given.get("whisper", "none") == "none":
            raise Problem(400, "Direction must be specified for at least spy or whisper")
        channel = Channel(request.match_info["snoop"], f"Snoop/{snooped.id}-00000001", given["app"], state="Up")
        channel.snooped, channel.spy = snooped, given["spy"]
        self.world.channels[channel.id] = channel
        self.world.begin(self._enter_soon(channel))
        return web.json_response(channel.json())

    async def _enter_soon(self, channel: Channel) -> None:
        await asyncio.sleep(0)
        self.world.enter_stasis(channel)

    async def external_media(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "external", "app", "external_host", "data")
        if (given.get("encapsulation"), given.get("transport")) != ("audiosocket", "tcp"):
            raise Problem(501, "The encapsulation and/or transport is not supported")
        channel = Channel(
            given["channelId"], f"AudioSocket/{given['external_host']}-{given['data']}", given["app"]
        )
        host, _, port = given["external_host"].rpartition(":")
        try:
            await self.world.connect(channel, host, int(port), uuid.UUID(given["data"]).bytes)
        except (OSError, ValueError):
            raise Problem(500, "Allocation failed") from None
        return web.json_response(channel.json())

    async def list_bridges(self, _: web.Request) -> web.Response:
        return web.json_response([bridge.json() for bridge in self.world.bridges.values()])

    def bridge(self, request: web.Request) -> Bridge:
        bridge = self.world.bridges.get(request.match_info["id"])
        if bridge is None:
            raise Problem(404, "Bridge not found")
        return bridge

    async def get_bridge(self, request: web.Request) -> web.Response:
        return web.json_response(self.bridge(request).json())

    async def make_bridge(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "bridge")
        name = request.match_info["id"]
        bridge = self.world.bridges.setdefault(name, Bridge(name, given.get("name", "")))
        return web.json_response(bridge.json())

    async def end_bridge(self, request: web.Request) -> web.Response:
        bridge = self.bridge(request)
        del self.world.bridges[bridge.id]
        for channel in list(bridge.channels):
            self.world.leave(channel)
        return web.Response(status=204)

    async def add_channel(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "add", "channel")
        bridge = self.bridge(request)
        channels = [self.world.channels.get(name) for name in given["channel"].split(",")]
        if None in channels:
            raise Problem(400, "Channel not found")
        if not all(channel.in_stasis for channel in channels):
            raise Problem(422, "Channel not in Stasis application")
        for channel in channels:
            self.world.enter(bridge, channel)
        return web.Response(status=204)

    async def variable(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "variable", "variable")
        if request.method == "GET":
            return web.json_response({"value": self.world.globals.get(given["variable"], "")})
        if "value" in given:
            self.world.globals[given["variable"]] = given["value"]
        else:
            self.world.globals.pop(given["variable"], None)
        return web.Response(status=204)

    async def subscribe(self, request: web.Request) -> web.Response:
        given = await self.parameters(request, "subscription", "eventSource")
        app = request.match_info["app"]
        if app not in self.sources:
            raise Problem(404, "Application does not exist")
        for source in given["eventSource"].split(","):
            scheme, _, name = source.partition(":")
            if scheme not in {"channel", "bridge"}:
                raise Problem(400, "Invalid event source")
            if name not in (self.world.channels if scheme == "channel" else self.world.bridges):
                raise Problem(422, "Event source does not exist")
            self.sources[app].add(source)
        return web.json_response({"name": app, "channel_ids": [], "bridge_ids": [], "endpoint_ids": []})

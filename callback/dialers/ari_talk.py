"""Customer and agent in one bridge, and the end of it: any worker that sees one of them alone there hangs up.

The bridge is named by the dial id, so that a worker that takes a call over finds it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from callback.dialers.ari_link import AriLink, Event
from callback.dialing import NoSuchCall

SUFFIX: Final = ".talk"
ALONE_S: Final = 0.5
"""Two who are bridged come in one after the other: nobody is alone before so long."""


def talk_of(dial_id: str) -> str:
    """Return the id of the bridge in which this customer talks."""
    return f"{dial_id}{SUFFIX}"


def customer_of(event: Event) -> str:
    """Return the dial id of the customer whose bridge an event is about; empty for another bridge."""
    bridge: str = event["bridge"]["id"]
    return bridge.removesuffix(SUFFIX) if bridge.endswith(SUFFIX) else ""


class AriTalks:
    """Bridges of customers with agents."""

    def __init__(self, link: AriLink) -> None:
        self._link = link
        self._legs: dict[str, str] = {}

    async def join(self, dial_id: str, leg: str) -> None:
        """Bridge them; raise `NoSuchCall` if one of them is not there."""
        bridge = talk_of(dial_id)
        query = {"type": "mixing", "name": f"{self._link.app}.talk"}
        await self._link.ask("POST", "bridges", bridge, query=query)
        await self._watch(dial_id, leg)
        both = {"channel": f"{leg},{dial_id}"}
        reply = await self._link.ask("POST", "bridges", bridge, "addChannel", query=both)
        if not reply.ok:
            self._legs.pop(dial_id, None)
            await self._link.ask("DELETE", "bridges", bridge)
            raise NoSuchCall(
                f"dial {dial_id}: Asterisk answers {reply.status} to a bridge: did one of the two hang up?"
            )

    async def find(self, dial_id: str) -> bool:
        """Say whether they were bridged, and watch over it from now on; a customer left alone is hung up."""
        inside = await self._inside(dial_id)
        if inside == [dial_id]:
            await asyncio.sleep(ALONE_S)
            inside = await self._inside(dial_id)
            if inside == [dial_id]:
                await self._link.ask("DELETE", "channels", dial_id)
        for other in inside or ():
            if other != dial_id:
                await self._watch(dial_id, other)
        return inside is not None

    async def _inside(self, dial_id: str) -> list[str] | None:
        reply = await self._link.ask("GET", "bridges", talk_of(dial_id))
        return list(reply.body["channels"]) if reply.ok else None

    async def left(self, dial_id: str, event: Event) -> None:
        """Hear that somebody left the customer's bridge: the customer is not kept on the line alone."""
        gone = event["channel"]["id"]
        if gone != dial_id:
            await self._link.ask("DELETE", "channels", dial_id)

    async def end(self, dial_id: str) -> None:
        """End what the customer's end leaves: the agent's leg, and the bridge."""
        leg = self._legs.pop(dial_id, None)
        if leg is not None:
            await self._link.ask("DELETE", "channels", leg)
        await self._link.ask("DELETE", "bridges", talk_of(dial_id))

    async def _watch(self, dial_id: str, leg: str) -> None:
        self._legs[dial_id] = leg
        source = {"eventSource": f"bridge:{talk_of(dial_id)}"}
        await self._link.ask("POST", "applications", self._link.app, "subscription", query=source)

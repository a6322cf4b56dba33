"""Prompts and music that are played to the customer's own channel."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Final

from callback.dialers.ari_link import AriLink, Event, Reply
from callback.dialing import NoSuchCall

PLAY_CHECK_S: Final = 5.0
"""So often it is asked whether a prompt still plays: that it ended may have been told while the link was lost."""
HANGUPS: Final = ("ChannelHangupRequest", "ChannelDestroyed")
"""Either says that nobody listens any more; the channel itself is still there for a moment after the first."""

logger = logging.getLogger(__name__)


class AriPrompts:
    """Play to customers."""

    def __init__(self, link: AriLink) -> None:
        self._link = link
        self._playing: dict[str, set[str]] = {}

    async def hold(self, dial_id: str, music: str) -> None:
        """Begin music on hold."""
        _check(dial_id, await self._link.ask("POST", "channels", dial_id, "moh", query={"mohClass": music}))

    async def play(self, dial_id: str, medium: str) -> None:
        """Play it to its end, or until `silence`; cancelled, it stops."""
        playback = f"{dial_id}.{uuid.uuid4().hex[:8]}"
        self._playing.setdefault(dial_id, set()).add(playback)
        try:
            ends = (("PlaybackFinished", playback), *((kind, dial_id) for kind in HANGUPS))
            with self._link.awaiting(*ends) as over:
                path = ("channels", dial_id, "play", playback)
                _check(dial_id, await self._link.ask("POST", *path, query={"media": medium}))
                await self._await_end(playback, over)
                _check(dial_id, await self._link.ask("GET", "channels", dial_id))  # a hangup ends it, too
                if over.done() and over.result()["type"] in HANGUPS:
                    raise NoSuchCall(f"dial {dial_id}: they hung up while {medium} was played")
                if over.done() and over.result()["playback"].get("state") == "failed":
                    logger.error("ari: dial %s: %s could not be played: is the file there?", dial_id, medium)
        except asyncio.CancelledError:
            await asyncio.shield(self._link.ask("DELETE", "playbacks", playback))
            raise
        finally:
            self._playing[dial_id].discard(playback)
            if not self._playing[dial_id]:
                del self._playing[dial_id]

    async def silence(self, dial_id: str) -> None:
        """End whatever is played."""
        for playback in tuple(self._playing.get(dial_id, ())):
            await self._link.ask("DELETE", "playbacks", playback)
        await self._link.ask("DELETE", "channels", dial_id, "moh")

    async def _await_end(self, playback: str, over: asyncio.Future[Event]) -> None:
        while not over.done():
            await asyncio.wait([over], timeout=PLAY_CHECK_S)
            if not over.done() and not (await self._link.ask("GET", "playbacks", playback)).ok:
                return


def _check(dial_id: str, reply: Reply) -> None:
    if not reply.ok:
        raise NoSuchCall(f"dial {dial_id}: Asterisk answers {reply.status}: the call is over, or not answered yet")

"""Placing a call once: its channel is made, which can be done only once, and then dialled.

A channel that is made enters our application at once, and stays there whatever becomes of its worker: one that was
placed in a single step would be hung up when it is answered, if its application does not listen then.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

from callback.dialers.ari_calls import AriCalls
from callback.dialers.ari_link import CONFLICT, NOT_FOUND, AriLink
from callback.dialers.ari_marks import AriMarks, Mark
from callback.dialing import DialerDown, DialRefused, Placing

ENTER_TRIES: Final = 40
ENTER_S: Final = 0.05
"""How often a new channel is dialled that is not in our application yet, and how long is waited in between."""

logger = logging.getLogger(__name__)


class AriPlacing:
    """Make channels, and dial them."""

    def __init__(self, link: AriLink, marks: AriMarks, how: AriCalls) -> None:
        self._link = link
        self._marks = marks
        self._how = how

    async def make(self, placing: Placing) -> int:
        """Make the channel; return 0, or the status with which Asterisk would not.

        Raises
        ------
        DialRefused, DialerDown
        DialInDoubt
            It may have been made; it was not dialled.
        """
        dial_id = placing.dial_id
        if not self._link.up.is_set():  # Asterisk gives no channel to an application that does not listen
            raise DialerDown("what happens in Asterisk is not told just now")
        if await self._marks.get(dial_id):
            raise DialRefused(f"dial {dial_id} was placed before, or given up")
        reply = await self._link.ask_once("channels", "create", body=self._how.body(placing, self._link.app))
        if reply.status == CONFLICT:
            raise DialRefused(f"dial {dial_id} was placed before, and is on")
        if reply.ok:
            return 0
        logger.error("ari: dial %s was not placed: Asterisk answers %s", dial_id, reply.status)
        return reply.status

    async def dial(self, dial_id: str, ring_max_s: float) -> bool:
        """Dial the channel; False if Asterisk could not be reached for it.

        Never twice: Asterisk 22 dies of that. Whoever looked the id up before now has left a mark, and who does
        later finds the channel.

        Raises
        ------
        DialRefused
            It was given up since it was made.
        DialInDoubt
        """
        query = {"timeout": str(math.ceil(ring_max_s))}
        try:
            if await self._marks.get(dial_id) is Mark.GONE:
                await self._link.ask("DELETE", "channels", dial_id)
                raise DialRefused(f"dial {dial_id} was given up while it was placed")
            for _ in range(ENTER_TRIES):
                reply = await self._link.ask_once("channels", dial_id, "dial", query=query)
                if reply.status != CONFLICT:
                    break
                await asyncio.sleep(ENTER_S)
            if not reply.ok and reply.status != NOT_FOUND:  # one that is gone is told as ended
                logger.error("ari: dial %s was not dialled: Asterisk answers %s", dial_id, reply.status)
                await self._link.ask("DELETE", "channels", dial_id)
        except DialerDown:
            return False
        return True

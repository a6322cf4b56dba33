"""Boards, read for a page or for its stream; the waits on them are worked out less often than the rest."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from callback.web.board import Board, board, estimates_of, key_of
from callback.web.desk import Desk
from callback.web.rendering import shown
from callback.web.stream import Part, Shown

ESTIMATES_S: Final = 5.0
"""So old may a wait be that is shown: working it out takes longer the longer the line is."""
KEPT: Final = 200


class Boards:
    """What the page shows, part by part (a queue, and the place after which it begins)."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._estimates: OrderedDict[Part, tuple[float, dict[str, str]]] = OrderedDict()

    async def queues(self) -> list[str]:
        """Return the names of all queues."""
        return await self._desk.run(self._queues)

    def _queues(self) -> list[str]:
        with self._desk.service.store.reading() as reads:
            return sorted({*reads.queues(), *self._desk.settings.queues})

    async def read(self, part: Part) -> Board:
        """Return a part as it stands."""
        desk, (queue, after) = self._desk, part
        key, now, staffed = key_of(after) if after else None, desk.now(), await desk.staffed(queue)
        zone = ZoneInfo(desk.settings.zone)
        made_at, estimates = self._estimates.get(part, (0.0, None))
        if estimates is None or self._clock() - made_at > ESTIMATES_S:
            estimates = await desk.run(
                estimates_of, desk.service, queue, after=key, now=now, zone=zone, staffed=staffed
            )
            self._estimates.pop(part, None)
            self._estimates[part] = (self._clock(), estimates)
            if len(self._estimates) > KEPT:
                self._estimates.popitem(last=False)
        return await desk.run(
            board,
            desk.service,
            queue,
            after=key,
            now=now,
            zone=zone,
            staffed=staffed,
            estimates=estimates,
        )

    async def shown(self, part: Part) -> Shown:
        """Return a part as it is shown."""
        return shown(await self.read(part))

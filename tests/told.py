"""What a dialer told, and waiting for it."""

from __future__ import annotations

import asyncio

LIMIT_S = 20.0


class Told(list):
    """Updates, in order; ``tell`` takes one."""

    def __init__(self):
        super().__init__()
        self._news = asyncio.Event()

    def tell(self, update):
        self.append(update)
        self._news.set()

    def types(self, dial_id):
        return [update.type for update in self if update.dial_id == dial_id]

    def of(self, dial_id, kind):
        return next((update for update in self if update.dial_id == dial_id and update.type == kind), None)

    async def until(self, dial_id, kind):
        """The first update of this kind; waits for it."""
        async with asyncio.timeout(LIMIT_S):
            while (update := self.of(dial_id, kind)) is None:
                self._news.clear()
                await self._news.wait()
        return update


async def eventually(is_so):
    async with asyncio.timeout(LIMIT_S):
        while not is_so():
            await asyncio.sleep(0.01)

"""The page, live: what changed of a part of the line, as server-sent events, at most twice a second.

A part that someone looks at is read by one task, whoever else looks at it too, and by none when nobody does. Each
browser gets the difference between what it has and what stands now, so a slow one gets fewer, larger ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from callback.web.problems import Problem

logger: Final = logging.getLogger("callback.web")

EVERY_S: Final = 0.5
QUIET_S: Final = 15.0
"""After this a comment is sent, so that proxies keep the connection and one that broke is found."""
STREAM_S: Final = 600.0
"""Then the browser connects again, and has to show its session again."""
Part = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A part of the page: the HTML of its rows by id, in order, and of its panels by name."""

    rows: dict[str, str] = field(default_factory=dict)
    panels: dict[str, str] = field(default_factory=dict)


def difference(before: Shown, now: Shown) -> dict[str, Any]:
    """Return what a browser that shows ``before`` must change; empty when nothing.

    Examples
    --------
    >>> difference(Shown(rows={"a": "1", "b": "2"}), Shown(rows={"b": "3"}))
    {'rows': {'b': '3'}, 'order': ['b']}
    """
    rows = {key: html for key, html in now.rows.items() if before.rows.get(key) != html}
    panels = {name: html for name, html in now.panels.items() if before.panels.get(name) != html}
    order = {"order": list(now.rows)} if list(before.rows) != list(now.rows) else {}
    return {**({"rows": rows} if rows else {}), **order, **({"panels": panels} if panels else {})}


class _Watch:
    """A part that someone looks at."""

    def __init__(self) -> None:
        self.shown = Shown()
        self.changed = asyncio.Event()
        self.watchers = 0
        self.task: asyncio.Task[None] | None = None


class Streams:
    """All that is looked at now.

    Parameters
    ----------
    read : callable
        Returns a part as it stands.
    streams_max : int
        Browsers at once.
    """

    def __init__(self, read: Callable[[Part], Awaitable[Shown]], *, streams_max: int) -> None:
        self._read = read
        self._streams_max = streams_max
        self._watches: dict[Part, _Watch] = {}
        self._count = 0
        self._closing = False

    def check(self) -> None:
        """Raise a problem when too many look already."""
        if self._count >= self._streams_max:
            raise Problem(
                503,
                "too-many-streams",
                f"{self._streams_max} browsers look already: reload the page now and then instead",
                headers={"Retry-After": "30"},
            )

    async def events(self, part: Part) -> AsyncIterator[bytes]:
        """Yield the events for one browser, until it goes away or the service stops."""
        self._count += 1
        watch = self._watches.setdefault(part, _Watch())
        watch.watchers += 1
        if watch.task is None:
            watch.task = asyncio.create_task(self._follow(part, watch))
        seen, until = Shown(), asyncio.get_running_loop().time() + STREAM_S
        yield b"retry: 2000\n\n"
        try:
            while not self._closing and asyncio.get_running_loop().time() < until:
                now = watch.shown
                if change := difference(seen, now):
                    yield f"data: {json.dumps(change, separators=(',', ':'))}\n\n".encode()
                    await asyncio.sleep(EVERY_S)
                elif not await _changes(watch):
                    yield b": still here\n\n"
                seen = now
        finally:
            self._leave(part, watch)

    def close(self) -> None:
        """Let go of every browser: the service stops."""
        self._closing = True
        for watch in self._watches.values():
            watch.changed.set()

    async def _follow(self, part: Part, watch: _Watch) -> None:
        while True:
            try:
                shown = await self._read(part)
            except Exception as error:  # noqa: BLE001 -- the store, mostly: it comes back, and the page says so
                logger.warning("the page waits: %s", type(error).__name__)
                stale = {**watch.shown.panels, "trouble": "The store cannot be read. What you see is from before."}
                shown = Shown(rows=watch.shown.rows, panels=stale)
            if shown != watch.shown:
                watch.shown = shown
                watch.changed.set()
                watch.changed = asyncio.Event()
            await asyncio.sleep(EVERY_S)

    def _leave(self, part: Part, watch: _Watch) -> None:
        self._count -= 1
        watch.watchers -= 1
        if not watch.watchers:
            self._watches.pop(part, None)
            if watch.task is not None:
                watch.task.cancel()


async def _changes(watch: _Watch) -> bool:
    """Wait for a change; False when there was none for long."""
    try:
        async with asyncio.timeout(QUIET_S):
            await watch.changed.wait()
    except TimeoutError:
        return False
    return True

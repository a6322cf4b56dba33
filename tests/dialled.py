"""A rig, a dialer that is started, and what it tells: what the tests of one dialer begin with."""

from __future__ import annotations

import asyncio
import contextlib

from told import LIMIT_S, Told

from callback.dialing import Placing

NUMBER = "+12025550123"
DIAL = "d-1"
AGENT = "agent-7"


@contextlib.asynccontextmanager
async def dialled(rig, *steps, mischief=None, dialer=None):
    """The rig, its dialer (or what ``dialer`` makes of the rig), what it tells; the far end does these steps."""
    told = Told()
    await rig.start()
    rig.will(NUMBER, *steps, mischief=mischief)
    one = rig.dialer if dialer is None else dialer(rig)
    await one.start(told.tell)
    try:
        async with asyncio.timeout(LIMIT_S):
            yield rig, one, told
    finally:
        await one.stop()
        await rig.stop()


def place(dialer, **changes):
    return dialer.originate(Placing(**{"dial_id": DIAL, "number": NUMBER, "queue": "sales", **changes}))

"""``python -m benchmarks listen --cost``: the CPU that a server needs for so many calls, on a clock that waits.

Server and calls are in one thread, over real sockets, and the clock goes on when both are done. So CPU times
depend on what else the machine does for its caches alone; how late verdicts are is not measured here.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from amd.adapters.server import LOOK_S, TICK_MAX_S, Limits, Server
from amd.adapters.websocket import listen_websocket
from benchmarks.listening_client import FRAME_S, HOST, RAMP_S, Client, Plan

CALLS: Final = ((200, 100), (2000, 1000))
FULL_S: Final = 8.0
"""With all calls."""
TICKS_A_PASS: Final = round(TICK_MAX_S / FRAME_S)


class Clocked(Server):
    """A server whose time is told to it."""

    time_s = 0.0

    def now_s(self) -> float:
        """The time that was told."""
        return self.time_s


def run(out: Path | None, *, call_s: float) -> None:
    """Measure; print a table, and write it as JSON if asked to."""
    load = os.getloadavg()[0]
    rows = [asyncio.run(_measure(audiosocket, websocket, call_s)) for audiosocket, websocket in CALLS]
    data = {
        "command": f"python -m benchmarks listen --cost --call {call_s:g}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "unit": "CPU seconds a second; a pass over the sockets and a turn of the bank each 40 ms",
        "load_average_before": round(load, 2),
        "rows": rows,
    }
    table = Table(*rows[0], box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=10_000).print(data["unit"], table)
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


async def _measure(audiosocket: int, websocket: int, call_s: float) -> dict[str, Any]:
    n_verdicts = 0

    def tell(line: dict[str, Any]) -> None:
        nonlocal n_verdicts
        json.dumps(line)
        n_verdicts += line["type"] == "verdict"

    ramp_s = min(RAMP_S, call_s)
    server = Clocked(tell, limits=Limits(calls_max=audiosocket + websocket + 300))
    ports = await server.listen_audiosocket(HOST, 0), await listen_websocket(server, HOST, 0)
    for task in server._tasks:  # noqa: SLF001 -- the clock is ours
        task.cancel()
    plan = Plan(
        audiosocket=audiosocket,
        websocket=websocket,
        call_s=call_s,
        run_s=ramp_s + FULL_S,
        audiosocket_port=ports[0],
        websocket_port=ports[1],
    )
    client = Client(plan)
    gc.collect()
    gc.freeze()
    reads, turns, sends = [], [], []
    n_busy = []
    looked_s = 0.0
    for tick in range(round(plan.run_s / FRAME_S)):
        sends.append(_clocked(partial(client.tick, tick)))
        server.time_s = (tick + 1) * FRAME_S
        if tick % TICKS_A_PASS:
            continue
        looks = server.time_s - looked_s >= LOOK_S
        looked_s = server.time_s if looks else looked_s
        reads.append(_clocked(partial(server.read, server.time_s, looks=looks)))
        n_busy.append(sum(not session.seat.done for session in server.sessions))
        turns.append(_clocked(server.bench.turn))
    rss = psutil.Process().memory_info().rss
    client.close()
    server.pump.close()
    full = round(ramp_s / TICK_MAX_S)
    passes = np.array(reads[full:]), np.array(turns[full:])
    return {
        "calls": audiosocket + websocket,
        "being judged": round(float(np.mean(n_busy[full:]))),
        "reading": round(float(passes[0].mean()) / TICK_MAX_S, 2),
        "bank": round(float(passes[1].mean()) / TICK_MAX_S, 2),
        "server": round(float(passes[0].mean() + passes[1].mean()) / TICK_MAX_S, 2),
        "client": round(float(np.mean(sends[full * TICKS_A_PASS :])) / FRAME_S, 2),
        "pass p99, ms": round(1e3 * float(np.percentile(passes[0], 99)), 1),
        "turn p99, ms": round(1e3 * float(np.percentile(passes[1], 99)), 1),
        "memory of both, MiB": round(rss / 2**20),
        "verdicts": n_verdicts,
    }


def _clocked(work: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    start_s = time.thread_time()
    work()
    return time.thread_time() - start_s

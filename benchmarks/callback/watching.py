"""What looking at a line costs: parts of the supervisors' page, and one wait, in lines of several lengths."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from benchmarks.callback.speed import NOON, load
from callback.estimate import Service
from callback.service import CallbackService
from callback.store import Store
from callback.web.board import Key, board, estimates_of
from callback.web.desk import Staffed

ROUNDS: Final = 15
QUEUE: Final = "q0"
ZONE: Final = ZoneInfo("America/New_York")
STAFFED: Final = Staffed(service=Service(agents=20, handling_s=180.0, reach=0.7))


def _cpu_ms(work: Callable[[], object]) -> float:
    took_s = []
    for _ in range(ROUNDS):
        start_s = time.process_time()
        work()
        took_s.append(time.process_time() - start_s)
    return round(1000 * statistics.median(took_s), 2)


def measure(rows: int) -> dict[str, Any]:
    """Return the median time of a core for each question, in milliseconds, in a line of so many."""
    with tempfile.TemporaryDirectory(prefix="callback-") as folder, closing(Store(f"{folder}/c.db")) as store:
        store.migrate()
        load(store, rows, 1)
        service = CallbackService(store)
        with store.reading() as reads:
            line = reads.part(QUEUE, after=None, limit=rows)
        last = line[-1]
        end: Key = line[-min(rows, 51)].booking.key

        def read(after: Key | None) -> object:
            return board(service, QUEUE, after=after, now=NOON, zone=ZONE, staffed=STAFFED, estimates={})

        return {
            "rows": rows,
            "page_head_ms": _cpu_ms(lambda: read(None)),
            "page_end_ms": _cpu_ms(lambda: read(end)),
            "waits_end_ms": _cpu_ms(
                lambda: estimates_of(service, QUEUE, after=end, now=NOON, zone=ZONE, staffed=STAFFED)
            ),
            "wait_of_last_ms": _cpu_ms(lambda: service.estimate(last.id, STAFFED.service, now=NOON)),
        }


def run(lengths: list[int], *, out: Path | None) -> None:
    """Measure lines of several lengths; print, and maybe write."""
    figures = {
        "rounds": ROUNDS,
        "of": "medians of the time of one core, on SQLite",
        "load_average": os.getloadavg()[0],
        "lines": [measure(rows) for rows in lengths],
    }
    print(json.dumps(figures, indent=2))
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")

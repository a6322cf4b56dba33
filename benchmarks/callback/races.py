"""Several processes claim from one line at once: nobody is claimed twice, and nobody before their turn."""

from __future__ import annotations

import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.callback.speed import NOON, load
from callback.planning import Rules
from callback.reports import CallEnded
from callback.service import CallbackService
from callback.states import Outcome
from callback.store import Store

Claim = tuple[tuple[int, int], str]
"""The place of a claimed callback, and its dial."""


def _claimer(job: tuple[str, int, float]) -> list[Claim]:
    """Claim until the time is up; every other call ends at once, so that retries mix in."""
    url, index, seconds = job
    store = Store(url, wait_max_s=60.0)
    service = CallbackService(store, Rules())
    found: list[Claim] = []
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        for done in service.claim_due(NOON, queue="q0", limit=1 + index % 2):
            callback = done.callback
            if callback.dial is None:
                raise RuntimeError(f"{callback.id} was claimed without a dial")
            found.append(((callback.booking.priority, callback.booking.seq), callback.dial.id))
            if len(found) % 2:
                report = CallEnded(
                    source_id=f"{callback.dial.id}-end", dial_id=callback.dial.id, at=NOON, outcome=Outcome.BUSY
                )
                service.report(report, now=NOON)
    store.close()
    return found


def race(url: str, *, processes: int, seconds: float, rows: int) -> dict[str, Any]:
    """Let processes race on a fresh database; return what they claimed and what was wrong.

    No clock moves, so no retry is due: whoever is claimed must be the head of what is left. That every process
    sees places in growing order, and that all together claimed exactly the first so many, proves the order.
    """
    store = Store(url)
    store.migrate()
    load(store, rows, 1)
    context = multiprocessing.get_context("spawn")
    jobs = [(url, index, seconds) for index in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        claimed = list(pool.map(_claimer, jobs))
    dials = [dial for found in claimed for _, dial in found]
    places = sorted(place for found in claimed for place, _ in found)
    problems = []
    if len(set(dials)) != len(dials) or len(set(places)) != len(places):
        problems.append("I2 claimed twice")
    if any([place for place, _ in found] != sorted(place for place, _ in found) for found in claimed):
        problems.append("I4 claimed out of line by one process")
    if [seq for _, seq in places] != list(range(1, len(places) + 1)):
        problems.append("I4 the claimed are not the first in line")
    store.close()
    return {
        "processes": processes,
        "seconds": seconds,
        "claims": len(dials),
        "by_process": [len(found) for found in claimed],
        "problems": problems,
    }


def run(urls: dict[str, str], *, processes: int, seconds: float, rows: int, out: Path | None) -> bool:
    """Race on each database; return whether nothing was wrong."""
    found = {name: race(url, processes=processes, seconds=seconds, rows=rows) for name, url in urls.items()}
    print(json.dumps(found, indent=2))
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return not any(one["problems"] for one in found.values())

"""How fast: a transition of the core, and durable claims from long lines on both databases.

Claims are timed one by one, each a transaction of its own that is on disk when it returns (SQLite with
synchronous=FULL, PostgreSQL with fsync and synchronous_commit on). Lines are loaded by one statement, without the
logs of their callbacks; a claim writes row, event and attempt as ever.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.callback.postgres import Server, binaries
from callback import events as ev
from callback.log import to_us
from callback.planning import Rules
from callback.service import CallbackService
from callback.states import Booking, Person, Window
from callback.store import Store, reads
from callback.transitions import book, step

NOON: Final = datetime(2026, 1, 5, 17, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
ROUNDS: Final = 5
STEPS: Final = 20_000
LOAD: Final = """
INSERT INTO callbacks (id, queue, priority, enqueued_at_us, seq, deadline_at_us, zones, attempts_max, failures_max,
    number, name, state, opens_at_us, closes_at_us, wake_at_us, attempts, failures, refusals, fence, changed_at_us,
    version)
WITH RECURSIVE line (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM line WHERE i < :rows)
SELECT 'c' || i, 'q' || (i % :queues), 0, :noon - :rows + i, i, :late, 'America/New_York', 3, 11,
    '+1' || (2000000000 + i), '', 'waiting', :noon, :late, :late, 0, 0, 0, 0, :noon, 2
FROM line
"""


def quantiles(times_s: Sequence[float]) -> dict[str, float]:
    """Return what some times came to, in milliseconds."""
    ordered = sorted(times_s)
    return {
        "claims": len(ordered),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 3),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))], 3),
    }


def core_us() -> dict[str, float]:
    """Time one step for each event of a callback that is answered and connected, in microseconds; best of some."""
    wake_at, dial_id = NOON + HOUR, "c-1"
    window = Window(opens_at=NOON, closes_at=NOON + 8 * HOUR)
    booking = Booking(
        id="c",
        queue="q",
        priority=0,
        enqueued_at=NOON,
        seq=1,
        deadline_at=NOON + 9 * HOUR,
        zones=("UTC",),
        attempts_max=3,
        failures_max=11,
    )
    callback = book(ev.Booked(booking=booking, window=window), Person(number="+12025550100"), NOON)
    life = (
        ev.Due(),
        ev.Claimed(dial_id=dial_id, wake_at=wake_at),
        ev.Answered(dial_id=dial_id, wake_at=wake_at),
        ev.HumanFound(dial_id=dial_id, wake_at=wake_at),
        ev.LeaseRenewed(wake_at=wake_at),
        ev.Offered(agent="a-1", wake_at=wake_at),
        ev.Connected(wake_at=wake_at),
        ev.Completed(dial_id=dial_id),
    )
    took: dict[str, float] = {}
    for event in life:
        best_s = min(_steps_s(callback, event) for _ in range(ROUNDS))
        took[event.type] = round(1e6 * best_s / STEPS, 3)
        callback, _ = step(callback, event, NOON)
    return {"mean": round(statistics.fmean(took.values()), 3), **took}


def _steps_s(callback: Any, event: ev.Event) -> float:
    start_s = time.perf_counter()
    for _ in range(STEPS):
        step(callback, event, NOON)
    return time.perf_counter() - start_s


def load(store: Store, rows: int, queues: int) -> None:
    """Fill lines: callbacks that wait, in some queues."""
    late = to_us(NOON + 48 * HOUR)
    with store.engine.begin() as connection:
        names = [{"name": f"q{index}", "seq": rows} for index in range(queues)]
        connection.execute(sa.text("INSERT INTO queues (name, last_seq) VALUES (:name, :seq)"), names)
        connection.execute(sa.text(LOAD), {"rows": rows, "queues": queues, "noon": to_us(NOON), "late": late})
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE) callbacks"))
    else:
        with store.engine.begin() as connection:
            connection.execute(sa.text("ANALYZE"))


def claims_s(service: CallbackService, queue: str, *, seconds: float, limit: int) -> tuple[list[float], int]:
    """Claim for some seconds; return the time of each transaction, and how many callbacks were claimed."""
    times_s: list[float] = []
    claimed = 0
    for _ in range(20):  # connections, caches and prepared statements
        service.claim_due(NOON, queue=queue, limit=limit)
    end_s = time.perf_counter() + seconds
    while (start_s := time.perf_counter()) < end_s:
        claimed += len(service.claim_due(NOON, queue=queue, limit=limit))
        times_s.append(time.perf_counter() - start_s)
    return times_s, claimed


def sqlite_figures(rows: int, *, seconds: float) -> dict[str, Any]:
    """Claim from a line on a SQLite file: one at a time, and several in one transaction."""
    found: dict[str, Any] = {"rows": rows}
    for limit in (1, 8, 32):
        with tempfile.TemporaryDirectory(prefix="callback-speed-") as folder:
            store = Store(str(Path(folder) / "speed.db"))
            store.migrate()
            load(store, rows, 1)
            times_s, claimed = claims_s(CallbackService(store, Rules()), "q0", seconds=seconds, limit=limit)
            found[f"limit {limit}"] = {
                **quantiles(times_s),
                "claimed_per_s": round(claimed / sum(times_s)),
            }
            found["plan"] = plan(store)
            store.close()
    return found


def plan(store: Store, query: sa.Select[Any] = reads.HEAD, **values: Any) -> list[str]:
    """Return how the database finds what a statement asks for; by default the head of a line."""
    asked: list[tuple[str, Any]] = []

    def heard(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        asked.append((statement, parameters))

    explain = "EXPLAIN QUERY PLAN" if store.engine.dialect.name == "sqlite" else "EXPLAIN"
    with store.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")  # begins the transaction
        sa.event.listen(connection, "before_cursor_execute", heard)
        connection.execute(query, values or {"queue": "q0", "now_us": to_us(NOON), "limit": 1}).all()
        statement, parameters = asked[-1]
        return [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]


def _claimer(job: tuple[str, str, float]) -> tuple[list[float], int]:
    url, queue, seconds = job
    store = Store(url, wait_max_s=60.0)
    try:
        return claims_s(CallbackService(store, Rules()), queue, seconds=seconds, limit=1)
    finally:
        store.close()


def postgres_figures(rows: Iterable[int], *, workers: int, seconds: float) -> list[dict[str, Any]]:
    """Claim by several processes at once from lines of several lengths: in one queue, and each in its own."""
    found = []
    server = Server()
    try:
        for n_rows in rows:
            for queues in (1, workers):
                url = server.database()
                store = Store(url)
                store.migrate()
                load(store, n_rows, queues)
                jobs = [(url, f"q{index % queues}", seconds) for index in range(workers)]
                context = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(workers, mp_context=context) as pool:
                    results = list(pool.map(_claimer, jobs))
                times_s = [time_s for times, _ in results for time_s in times]
                rate = sum(claimed / sum(times) for times, claimed in results)
                row: dict[str, Any] = {"rows": n_rows, "queues": queues, "workers": workers, **quantiles(times_s)}
                row["claimed_per_s"] = round(rate)
                row["plan"] = plan(store)
                found.append(row)
                store.close()
    finally:
        server.close()
    return found


def run(*, rows: int, postgres_rows: Sequence[int], seconds: float, out: Path | None) -> None:
    """Measure, print and write."""
    machine = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],  # above the cores, these are times of a busy machine
    }
    figures: dict[str, Any] = {"machine": machine, "core_us": core_us()}
    figures["sqlite"] = sqlite_figures(rows, seconds=seconds)
    if binaries() is not None:
        figures["postgresql"] = postgres_figures(postgres_rows, workers=8, seconds=seconds)
    _print(figures)
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _print(figures: dict[str, Any]) -> None:
    table = Table("store", "rows waiting", "workers", "queues", "at once", "claims/s", "p50 ms", "p99 ms")
    sqlite = figures["sqlite"]
    lines = [("SQLite", sqlite["rows"], 1, 1, limit, sqlite[f"limit {limit}"]) for limit in (1, 8, 32)]
    lines += [
        ("PostgreSQL", one["rows"], one["workers"], one["queues"], 1, one) for one in figures.get("postgresql", [])
    ]
    for *cells, one in lines:
        table.add_row(*map(str, (*cells, one["claimed_per_s"], one["p50_ms"], one["p99_ms"])))
    Console().print(f"one transition of the core: {figures['core_us']['mean']} µs on average", table)
    print(*sqlite["plan"], sep="\n")

"""Whole runners as real processes, killed with SIGKILL at random, beside a telephone world that goes on.

Two runners work on one store; one after the other is killed and another takes its place, again and again, until
hundreds of callbacks have come to their end. Then all is looked at, in the store and from outside: no number was
called by two calls at once, nobody lost their place, who is completed has talked once with an agent and who is not
has not, and no agent was asked before a person was on the line.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.callback.phones import Wire, World, asked
from callback.clock import Clock
from callback.dialers.customers import Customers, Habits, Sounds, read_sounds
from callback.dialers.simulated import Exchange
from callback.live import LiveQueue
from callback.planning import Rules
from callback.retries import RetryPolicy
from callback.runner import Campaign, Runner
from callback.screening import Plan, warm_up
from callback.service import CallbackService
from callback.states import Callback, Outcome, State
from callback.store import Store
from callback.transitions import replay

QUEUE: Final = "sales"
START: Final = datetime(2026, 1, 5, 16, tzinfo=UTC)
AREAS: Final = (202, 212, 215, 305, 404, 410, 617, 704)
"""In one time zone; each has 100 numbers that belong to nobody."""
SAMPLES: Final = Path(__file__).parents[2] / "datasets" / "samples"
RULES: Final = Rules(
    region="US",
    retries=RetryPolicy(
        customer_attempts_max=8,
        network_failures_max=90,
        gaps_s=dict.fromkeys(Outcome, 5.0),
        backoff=1.0,
        time_of_day_apart_s=0.0,
    ),
    lease_s=10.0,
    look_up_s=2.0,
)
HABITS: Final = Habits(
    person=0.6,
    machine=0.1,
    busy=0.1,
    network=0.05,
    silent=0.05,
    bad_number=0.0,
    refused=0.0,
    ring_s=(1.0, 6.0),
    patience_s=(20.0, 60.0),
    talk_s=(2.0, 20.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all processes agree on."""

    url: str
    socket: Path
    speed: float
    since: float
    seed: int
    agents: int

    def clock(self) -> Clock:
        """Return the time of all."""
        return Clock(start=START, speed=self.speed, since=self.since)


def number(index: int) -> str:
    """Return a number that belongs to nobody."""
    return f"+1{AREAS[index % len(AREAS)]}555{100 + index // len(AREAS):04d}"


def fork(work: Callable[[], None]) -> int:
    """Do some work in a process of its own; return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 -- a child must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def world(setting: Setting, sounds: Sounds) -> None:
    """Be the telephone world, until killed."""
    customers = Customers(sounds, HABITS, seed=setting.seed)

    async def live() -> None:
        clock = setting.clock()
        agents = LiveQueue(clock=clock, answer_s=1.0, handling_s=15.0)
        for index in range(setting.agents):
            agents.add_agent(f"agent-{index}", QUEUE)
        await World(Exchange(customers.script, clock=clock), agents).serve(setting.socket)

    asyncio.run(live())


def runner(setting: Setting) -> None:
    """Be a runner, until killed."""

    async def live() -> None:
        wire = Wire(setting.socket)
        campaign = Campaign(queue=QUEUE, screening=Plan(press_wait_s=5.0), ring_max_s=10.0, missed_rest_s=2.0)
        service = CallbackService(Store(setting.url), RULES)
        await Runner(service, wire, wire, [campaign], clock=setting.clock()).run()

    asyncio.run(live())


def await_socket(path: Path) -> None:
    """Wait until somebody listens on a socket."""
    while not path.exists():
        time.sleep(0.01)


def kill(pid: int) -> None:
    """Kill a process of ours, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def book(store: Store, callbacks: int) -> dict[str, tuple[int, datetime, int]]:
    """Book so many callbacks; return the place of each."""
    service = CallbackService(store, RULES)
    booked = [service.book(number(index), queue=QUEUE, now=START) for index in range(callbacks)]
    return {one.id: one.booking.key for one in booked}


def still_open(store: Store) -> list[Callback]:
    """Return the callbacks that have not come to their end."""
    with store.reading() as reads:
        return [one for one in reads.all() if not one.ended or one.dial is not None]


def batter(setting: Setting, store: Store, kills_min: int, limit_s: float) -> Iterator[str]:
    """Kill runners, each a random moment after the last one, until all has ended; yield what is wrong."""
    rng, pids = random.Random(setting.seed), [fork(lambda: runner(setting)) for _ in range(2)]
    kills, end = 0, time.monotonic() + limit_s
    try:
        while still_open(store):
            if time.monotonic() > end:
                yield f"I8 {len(still_open(store))} callbacks never ended"
                return
            time.sleep(rng.uniform(0.05, 1.5))
            if kills < kills_min:
                kill(pids.pop(rng.randrange(len(pids))))
                pids.append(fork(lambda: runner(setting)))
                kills += 1
        if kills < kills_min:
            yield f"all ended after {kills} kills, before {kills_min} were done: give more callbacks"
    finally:
        for pid in pids:
            kill(pid)


def look(store: Store, seen: dict[str, Any], places: dict[str, tuple[int, datetime, int]]) -> Iterator[str]:
    """Compare the store with what was seen from outside; yield what is wrong."""
    yield from seen["problems"]
    if seen["on"]:
        yield f"{seen['on']} calls go on that nobody knows of"
    with store.reading() as reads:
        found = {one.id: one for one in reads.all()}
        yield from (f"I11 {lost} was booked and is lost" for lost in places.keys() - found.keys())
        for one in found.values():
            log = reads.log(one.id)
            if one.booking.key != places[one.id]:
                yield f"I1 {one.id} has lost its place"
            if replay(log, one.person) != one:
                yield f"I10 {one.id} is not what its log says"
            if not _person_first([event.type for event, _ in log]):
                yield f"I5 {one.id}: an agent was asked before a person was there"
            called = one.person.number if one.person is not None else ""
            placed, talks = seen["calls"].get(called, 0), seen["talks"].get(called, 0)
            if talks != (one.state is State.COMPLETED):
                yield f"{one.id} is {one.state}, and its customer has talked {talks} times"
            if placed > len(reads.attempts(one.id)):
                yield f"I2 {one.id} was called more often than was written down"


def _person_first(types: list[str]) -> bool:
    person = False
    for kind in types:
        if kind == "claimed":
            person = False
        person = person or kind == "human_found"
        if kind == "offered" and not person:
            return False
    return True


def figures(store: Store, seen: dict[str, Any], problems: list[str], kills: int, wall_s: float) -> dict[str, Any]:
    """Return what a run came to."""
    with store.reading() as reads:
        found = list(reads.all())
        outcomes = Counter(str(attempt.outcome) for one in found for attempt in reads.attempts(one.id))
        lost = sum(event.type == "lease_lost" for one in found for event, _ in reads.log(one.id))
    return {
        "callbacks": len(found),
        "kills": kills,
        "ends": dict(sorted(Counter(str(one.state) for one in found).items())),
        "attempts": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
        "calls_placed": sum(seen["calls"].values()),
        "leases_lost": lost,
        "wall_s": round(wall_s),
        "problems": problems,
    }


def crash(
    url: str, folder: Path, *, callbacks: int, kills: int, seed: int, speed: float = 10.0, limit_s: float = 3000.0
) -> dict[str, Any]:
    """Run one battered contact centre to its end; return the figures."""
    store = Store(url)
    store.migrate()
    places = book(store, callbacks)
    store.engine.dispose()  # no connection is shared with a child
    warm_up()
    sounds = read_sounds(SAMPLES)
    socket = folder / f"world-{seed}.sock"
    began = time.time()
    setting = Setting(url=url, socket=socket, speed=speed, since=began, seed=seed, agents=max(4, callbacks // 12))
    pid = fork(lambda: world(setting, sounds))
    try:
        await_socket(socket)
        problems = list(batter(setting, store, kills, limit_s))
        seen = asyncio.run(asked(socket, "seen"))
        problems += look(store, seen, places)
        return figures(store, seen, problems, kills, time.time() - began)
    finally:
        kill(pid)
        socket.unlink(missing_ok=True)
        store.close()


def run(
    urls: dict[str, str], folder: Path, *, callbacks: int, kills: int, seed: int, speed: float, out: Path | None
) -> bool:
    """Do so on each database, print and write the figures; return whether every promise was kept."""
    found = {
        name: crash(url, folder, callbacks=callbacks, kills=kills, seed=seed + index, speed=speed)
        for index, (name, url) in enumerate(urls.items())
    }
    print(json.dumps(found, indent=2))
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return not any(one["problems"] for one in found.values())

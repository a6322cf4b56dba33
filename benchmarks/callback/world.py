"""A small telephone world around one store: customers, a dialer, agents and workers that die at any write.

The dialer is what counts: it knows which calls are really on. No call may be placed twice, no number may be rung
by two calls at once, no agent may be offered before a person answered, whatever dies and whenever. A crash is an
exception thrown between two statements of the store, or between the store and the dialer; `kills` does the same
by SIGKILL to real processes.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from callback.commands import HangUp, LookUp
from callback.errors import AlreadyBooked, BookingRefused, IllegalTransition, StaleFence
from callback.planning import Rules
from callback.reports import CallAnswered, CallEnded, CallIsUp, PersonFound, Report
from callback.retries import RetryPolicy
from callback.service import CallbackService
from callback.states import Callback, Outcome, State
from callback.store import Store
from callback.transacting import Done
from callback.transitions import replay

START: Final = datetime(2026, 1, 5, 14, tzinfo=UTC)
QUEUES: Final = ("sales", "service")
IN_FLIGHT_MAX: Final = 6
RULES: Final = Rules(
    region="US",
    open_s=3 * 3600.0,
    call_max_s=3600.0,
    retries=RetryPolicy(network_failures_max=4, time_of_day_apart_s=0.0),
)
JUMP_SHARE: Final = 0.0005
CALL_MAX_S: Final = 1200
"""No call lasts longer: what `Rules.call_max_s` relies on, by whatever the clock shows meanwhile."""
SETTLE_EVERY: Final = 25
WORLD_CALLBACKS: Final = 500
OUTCOMES: Final = (
    *[Outcome.HUMAN] * 8,
    *[Outcome.MACHINE] * 4,
    *[Outcome.NO_ANSWER] * 3,
    *[Outcome.BUSY] * 2,
    Outcome.NETWORK,
    Outcome.REFUSED,
    Outcome.UNSURE,
    Outcome.FAX,
    Outcome.BAD_NUMBER,
)


class Crash(Exception):  # noqa: N818 -- what it is
    """A worker dies here; nothing of the service catches it."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call as the dialer knows it."""

    dial_id: str
    number: str
    outcome: Outcome
    placed_s: int
    up: bool = True
    person: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """The store under test, and all that happens around it."""

    store: Store
    rng: random.Random
    crash_share: float
    now: datetime = START
    elapsed_s: int = 0
    """What has really passed, whatever the clock shows."""
    calls: dict[str, Call] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Dial ids that were looked up and not known: the dialer places none of them any more."""
    mail: list[Report] = field(default_factory=list)
    """Reports on their way: any may come late, twice, or out of order."""
    to_place: list[tuple[datetime, Callback]] = field(default_factory=list)
    """Claims whose call a worker has not placed yet."""
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    ids: Iterator[int] = field(default_factory=count)
    armed: int = -1
    service: CallbackService = field(init=False)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service = CallbackService(self.store, RULES, new_id=lambda: f"c{next(self.ids):07d}")
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            sa.event.listen(self.store.engine, name, self._boundary)

    # ---- dying

    def _boundary(self, *of_the_event: Any) -> None:
        begins = len(of_the_event) > 2 and str(of_the_event[2]).startswith("BEGIN")
        if self.armed < 0 or begins:  # a connection that dies while it begins is not ours to close
            return
        self.armed -= 1
        if self.armed < 0:
            raise Crash

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """Let the worker die at some boundary of what is done inside, now and then."""
        self.armed = self.rng.randrange(14) if self.rng.random() < self.crash_share else -1
        try:
            yield
        except Crash:
            self.counts["crashes"] += 1
        finally:
            self.armed = -1

    def dies(self) -> bool:
        """Whether the worker dies here, between the store and the world."""
        died = self.rng.random() < self.crash_share
        self.counts["crashes"] += died
        return died

    # ---- what happens

    def run(self, n_callbacks: int) -> None:
        """Let so many callbacks be booked, and all of them come to their end."""
        acts = (self.book, self.claim, self.place, self.deliver, self.offer, self.errands, self.change_mind)
        weights = (4, 4, 6, 12, 4, 1, 0.4)
        while self.counts["booked"] < n_callbacks:
            self._tick()
            self.rng.choices(acts, weights)[0]()
        for turn in range(1, 4001):
            self._tick(60)
            for act in (
                self.claim,
                self.place,
                self.deliver,
                self.deliver,
                self.deliver,
                self.offer,
                self.errands,
            ):
                act()
            if turn % SETTLE_EVERY == 0 and not self._settle():
                break
        else:
            self.problems.append(f"I8 stuck: {len(self.open)} callbacks never ended")

    def _tick(self, most_s: int = 4) -> None:
        passed_s = self.rng.randint(0, most_s)
        self.elapsed_s += passed_s
        self.now += timedelta(seconds=passed_s)
        for call in self.calls.values():
            if call.up and self.elapsed_s - call.placed_s > CALL_MAX_S:
                self._end(call)
        if self.rng.random() < JUMP_SHARE:
            self.counts["clock jumps"] += 1
            self.now += timedelta(seconds=self.rng.choice((-600, -60, 60, 600)))

    def book(self) -> None:
        """Somebody books; perhaps twice, perhaps for a number that has an open callback."""
        number = f"+1{self.rng.choice((202, 212, 312))}555{self.rng.randrange(100, 200):04d}"
        key = f"r{self.counts['asked']}"
        self.counts["asked"] += 1
        queue, joined = self.rng.choice(QUEUES), self.now - timedelta(seconds=self.rng.randrange(120))
        for _ in range(2 if self.rng.random() < 0.05 else 1):
            with self.mortal(), suppress(AlreadyBooked):
                booked = self.service.book(number, queue=queue, now=self.now, enqueued_at=joined, request_key=key)
                if booked.id not in self.open:
                    self.open.append(booked.id)
                    self.counts["booked"] += 1

    def claim(self) -> None:
        """A worker claims."""
        queue = self.rng.choice(QUEUES)
        claimed: list[Done] = []
        with self.mortal():
            claimed = self.service.claim_due(self.now, queue=queue, limit=3, in_flight_max=IN_FLIGHT_MAX)
        if claimed:
            with self.store.reading() as reads:
                if reads.in_flight(queue) > IN_FLIGHT_MAX:
                    self.problems.append("I13 more in flight than paced")
        keys = [done.callback.booking.key for done in claimed]
        if keys != sorted(keys):
            self.problems.append("I4 claimed out of line")
        self.to_place += [(self.now, done.callback) for done in claimed if not self.dies()]

    def place(self) -> None:
        """A worker that claimed gets to place its call, perhaps much later."""
        if not self.to_place:
            return
        claimed_at, callback = self.to_place.pop(self.rng.randrange(len(self.to_place)))
        if callback.dial is None or callback.person is None:
            raise RuntimeError(f"{callback.id} was claimed without a dial")
        if abs((self.now - claimed_at).total_seconds()) < RULES.lease_s:  # else its lease has run out
            self._originate(callback.dial.id, callback.person.number)

    def _originate(self, dial_id: str, number: str) -> None:
        if dial_id in self.refused:
            return
        if dial_id in self.calls:
            self.problems.append("I2 one dial placed twice")
        if any(call.up and call.number == number for call in self.calls.values()):
            self.problems.append("I2 a number rung by two calls")
        call = self.calls[dial_id] = Call(
            dial_id=dial_id, number=number, outcome=self.rng.choice(OUTCOMES), placed_s=self.elapsed_s
        )
        self.counts["dials"] += 1
        if call.outcome in {Outcome.HUMAN, Outcome.MACHINE, Outcome.UNSURE, Outcome.FAX}:
            self._send(CallAnswered, call)
        if call.outcome is Outcome.HUMAN:
            call.person = True
            self._send(PersonFound, call)
        else:
            self._end(call)

    def _send(self, kind: type[Report], call: Call, **more: Any) -> None:
        report = kind(source_id=f"s{self.counts['reports']}", dial_id=call.dial_id, at=self.now, **more)
        self.counts["reports"] += 1
        self.mail += [report] * self.rng.choice((1, 1, 1, 2))

    def _end(self, call: Call, *, talked: bool = False) -> None:
        if call.up:
            call.up = False
            self._send(CallEnded, call, outcome=call.outcome, talked=talked)

    def deliver(self) -> None:
        """A report arrives, in no order; one whose receiver dies comes again."""
        for _ in range(min(3, len(self.mail))):
            report = self.mail.pop(self.rng.randrange(len(self.mail)))
            received = False
            with self.mortal():
                done = self.service.report(report, now=self.now)
                self.counts[f"reports {done.result}"] += 1
                received = True
            if not received:
                self.mail.append(report)

    def offer(self) -> None:
        """An agent is free, and asks for the next; then talks, misses, or hears the customer hang up."""
        if not any(call.up and call.person for call in self.calls.values()):
            return
        queue = self.rng.choice(QUEUES)
        offered: Done | None = None
        with self.store.reading() as reads:
            first = reads.ready(queue)
        with self.mortal():
            offered = self.service.offer_next(queue=queue, agent="a-1", now=self.now)
        if offered is None or offered.callback.dial is None:
            return
        callback, dial_id = offered.callback, offered.callback.dial.id if offered.callback.dial else ""
        if first is None or first.id != callback.id:
            self.problems.append("I4 offered out of line")
        call = self.calls[dial_id]
        if not call.person:
            self.problems.append("I5 an agent before a person")
        fate = self.rng.random()
        with self.mortal(), suppress(StaleFence, IllegalTransition):
            if fate < 0.15:
                self.service.offer_missed(callback.id, fence=callback.fence, now=self.now)
            elif fate < 0.3:
                self._end(call)
            else:
                self.service.connected(callback.id, fence=callback.fence, now=self.now)
                self._end(call, talked=True)

    def errands(self) -> None:
        """Workers look at timers and do what the outbox asks."""
        with self.mortal():
            self.service.wake(self.now)
        found = []
        with self.mortal():
            found = self.service.errands(self.now, limit=20)
        for errand in found:
            if self.dies():
                continue
            dial_id = errand.command.dial_id
            if dial_id is not None and isinstance(errand.command, LookUp):
                self._look_up(dial_id)
            elif dial_id in self.calls and isinstance(errand.command, HangUp):
                self._end(self.calls[dial_id])
            with self.mortal():
                self.service.done(errand, now=self.now)

    def _look_up(self, dial_id: str) -> None:
        call = self.calls.get(dial_id)
        if call is None:
            self.refused.add(dial_id)
            call = Call(dial_id=dial_id, number="", outcome=Outcome.NETWORK, placed_s=self.elapsed_s, up=False)
            self._send(CallEnded, call, outcome=Outcome.NETWORK)
        elif call.up and self.rng.random() < 0.7:
            self._send(CallIsUp, call)
        elif call.up:
            self._end(call)
        else:
            self._send(CallEnded, call, outcome=call.outcome)

    def change_mind(self) -> None:
        """A customer cancels, calls in, or wants to be called later."""
        if not self.open:
            return
        callback_id = self.rng.choice(self.open[-200:])
        with self.mortal(), suppress(IllegalTransition, BookingRefused):
            match self.rng.randrange(3):
                case 0:
                    self.service.cancel(callback_id, now=self.now)
                case 1:
                    person = self.service.get(callback_id).person
                    if person is not None:
                        self.service.customer_called_in(person.number, now=self.now)
                case _:
                    self.service.reschedule(callback_id, now=self.now, wait_s=300.0)

    # ---- looking back

    def _settle(self) -> bool:
        """Forget calls that are over; return whether anything is still open."""
        with self.store.reading() as reads:
            self.open = [id_ for id_ in self.open if not reads.get(id_).ended]
            return bool(self.open) or any(reads.in_flight(queue) for queue in QUEUES)

    def check(self) -> None:
        """Look at every row, its log and its attempts."""
        with self.store.reading() as reads:
            for callback in reads.all():
                log = reads.log(callback.id)
                if replay(log, callback.person) != callback:
                    self.problems.append(f"I10 {callback.id} is not what its log says")
                if not callback.ended:
                    self.problems.append(f"I12 {callback.id} has not ended")
                self.counts[f"ended {callback.state}"] += 1
                connected = callback.state is State.COMPLETED
                if connected and not any(attempt.reached_at for attempt in reads.attempts(callback.id)):
                    self.problems.append(f"I5 {callback.id} was completed without a person")
                self.counts["events"] += len(log)


def lived(n_callbacks: int, seed: int, crash_share: float = 0.1) -> tuple[Counter[str], list[str]]:
    """Let a world of its own live and end; return what happened and what was wrong."""
    with tempfile.TemporaryDirectory(prefix="callback-world-") as folder:
        store = Store(str(Path(folder) / "world.db"))
        store.migrate()
        world = World(store=store, rng=random.Random(seed), crash_share=crash_share)
        world.run(n_callbacks)
        world.check()
        store.close()
    return world.counts, [f"seed {seed}: {problem}" for problem in world.problems]


def run(n_callbacks: int, *, seed: int, jobs: int, out: Path | None) -> bool:
    """Let worlds of some hundred live until there were enough callbacks; return whether nothing broke."""
    counts: Counter[str] = Counter()
    problems: list[str] = []
    n_worlds = -(-n_callbacks // WORLD_CALLBACKS)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        seeds = range(seed, seed + n_worlds)
        for done, (more, wrong) in enumerate(pool.map(partial(lived, WORLD_CALLBACKS), seeds), 1):
            counts += more
            problems += wrong
            print(f"{done}/{n_worlds} worlds, {counts['booked']} callbacks, {counts['crashes']} crashes, ", end="")
            print(f"{len(problems)} broken", flush=True)
            if out is not None:  # as far as it got: a run of an hour may be cut short
                out.write_text(_figures(seed, done, counts, problems), encoding="utf-8")
    print(_figures(seed, n_worlds, counts, problems))
    return not problems


def _figures(seed: int, n_worlds: int, counts: Counter[str], problems: list[str]) -> str:
    figures = {"seed": seed, "worlds": n_worlds, "problems": problems, "counts": dict(sorted(counts.items()))}
    return json.dumps(figures, indent=2) + "\n"

"""Real processes, really killed: SIGKILL at any boundary of a write, on SQLite and PostgreSQL.

A worker process books, claims, places calls and reports them. The dialer is a file that both append to: what is in
it has happened in the world, whatever the database says. At a boundary drawn beforehand (before or after a
statement, before or after a commit, between the database and the dialer) the process kills itself. The next one
goes on where it was. In the end everything is looked at: what a process said was booked is there, no call was
placed twice, no number rung by two calls at once, every row is what its log says, and all comes to an end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from benchmarks.callback.world import CALL_MAX_S, RULES, START
from callback.commands import HangUp, LookUp
from callback.errors import AlreadyBooked, IllegalTransition, StaleFence
from callback.reports import CallAnswered, CallEnded, CallIsUp, PersonFound, Report
from callback.service import CallbackService
from callback.states import Outcome
from callback.store import Store
from callback.transitions import replay

QUEUE: Final = "sales"
BOUNDARIES_MAX: Final = 220
"""A worker lives for at most so many boundaries: some rounds of all that it does."""
OUTCOMES: Final = (Outcome.HUMAN, Outcome.HUMAN, Outcome.MACHINE, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.NETWORK)


@dataclass(slots=True, kw_only=True)
class Dialer:
    """The world as a file: one line a fact, on disk before anything goes on."""

    path: Path
    numbers: dict[str, str] = field(default_factory=dict)
    placed: dict[str, datetime] = field(default_factory=dict)
    over: dict[str, bool] = field(default_factory=dict)
    """Dials that are over, and whether customer and agent talked."""
    refused: set[str] = field(default_factory=set)
    booked: list[str] = field(default_factory=list)
    killed_at: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def note(self, *words: str) -> None:
        """Write down what happened, by one write."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, (" ".join(words) + "\n").encode())
        os.close(descriptor)
        self._happened(*words)

    def read(self) -> Dialer:
        """Return the world as the file has it."""
        read = Dialer(path=self.path)
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            read._happened(*line.split())
        return read

    def end_old(self, now: datetime) -> None:
        """End the calls that have lasted longer than any call does."""
        for dial_id, placed_at in self.placed.items():
            if dial_id not in self.over and (now - placed_at).total_seconds() > CALL_MAX_S:
                self.note("over", dial_id, "silent")

    def _happened(self, what: str, *words: str) -> None:
        match what, words:
            case "placed", (dial_id, number, at):
                live = {self.numbers[one] for one in self.numbers.keys() - self.over.keys()}
                if dial_id in self.numbers or dial_id in self.refused or number in live:
                    self.problems.append(f"I2 dial {dial_id} placed twice, or beside another")
                self.numbers[dial_id] = number
                self.placed[dial_id] = datetime.fromisoformat(at)
            case "over", (dial_id, talked):
                self.over[dial_id] = talked == "talked"
            case "refused", (dial_id,):
                self.refused.add(dial_id)
            case "booked", (callback_id,):
                self.booked.append(callback_id)
            case "killed", (where,):
                self.killed_at[where] += 1


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process's life."""

    service: CallbackService
    dialer: Dialer
    rng: random.Random
    now: datetime
    life: int
    name: str

    def boundary(self, where: str) -> None:
        """Die here, if it is time to."""
        self.life -= 1
        if self.life == 0:
            self.dialer.note("killed", where)
            os.kill(os.getpid(), signal.SIGKILL)

    def listen(self) -> None:
        """Meet a boundary before and after every statement, and before every commit."""
        engine = self.service.store.engine
        sa.event.listen(engine, "before_cursor_execute", lambda *args: self.boundary(f"before_{_verb(args)}"))
        sa.event.listen(engine, "after_cursor_execute", lambda *args: self.boundary(f"after_{_verb(args)}"))
        sa.event.listen(engine, "commit", lambda _connection: self.boundary("before_commit"))

    def live(self, *, booking: bool = True) -> None:
        """Do all there is to do, once."""
        self.dialer.end_old(self.now)
        if booking:
            self._book()
        for done in self.service.claim_due(self.now, queue=QUEUE, limit=3, in_flight_max=5):
            self.boundary("before_dial")
            dial, person = done.callback.dial, done.callback.person
            if dial is not None and person is not None:
                self.dialer.note("placed", dial.id, person.number, self.now.isoformat())
                self.boundary("after_dial")
                self._call(dial.id)
        self._offer()
        self.service.wake(self.now)
        for errand in self.service.errands(self.now, limit=20):
            self.boundary("before_errand")
            self._errand(errand.command)
            self.boundary("after_errand")
            self.service.done(errand, now=self.now)

    def _book(self) -> None:
        number = f"+1202555{self.rng.randrange(100, 200):04d}"
        with suppress(AlreadyBooked):
            booked = self.service.book(number, queue=QUEUE, now=self.now, request_key=f"{self.name}-{self.now}")
            self.dialer.note("booked", booked.id)
        self.boundary("after_booking")
        if self.rng.random() < 0.1:
            self.service.customer_called_in(number, now=self.now)
            self.boundary("after_calling_in")

    def _call(self, dial_id: str) -> None:
        outcome = self.rng.choice(OUTCOMES)
        if outcome is Outcome.HUMAN:
            self._report(CallAnswered, dial_id)
            self._report(PersonFound, dial_id)
        else:
            self._over(dial_id, outcome)

    def _report(self, kind: type[Report], dial_id: str, **more: Any) -> None:
        source_id = f"{dial_id}-{kind.type}"
        self.service.report(kind(source_id=source_id, dial_id=dial_id, at=self.now, **more), now=self.now)
        self.boundary("after_report")

    def _over(self, dial_id: str, outcome: Outcome, *, talked: bool = False) -> None:
        if dial_id not in self.dialer.over:
            self.dialer.note("over", dial_id, "talked" if talked else "silent")
        self.boundary("after_call")
        self._report(CallEnded, dial_id, outcome=outcome, talked=self.dialer.over[dial_id])

    def _offer(self) -> None:
        offered = self.service.offer_next(queue=QUEUE, agent="a-1", now=self.now)
        if offered is None or offered.callback.dial is None:
            return
        self.boundary("after_offer")
        with suppress(StaleFence, IllegalTransition):
            self.service.connected(offered.callback.id, fence=offered.callback.fence, now=self.now)
        self.boundary("after_connection")
        self._over(offered.callback.dial.id, Outcome.HUMAN, talked=True)

    def _errand(self, command: object) -> None:
        if isinstance(command, HangUp) and command.dial_id in self.dialer.numbers:
            self._over(command.dial_id, Outcome.NO_ANSWER)
        if not isinstance(command, LookUp) or command.dial_id is None:
            return
        dial_id = command.dial_id
        source_id = f"{dial_id}-{self.name}-{self.now}"
        if dial_id not in self.dialer.numbers:
            self.dialer.note("refused", dial_id)
        gone = dial_id in self.dialer.refused or dial_id in self.dialer.over
        talked = self.dialer.over.get(dial_id, False)
        outcome = Outcome.HUMAN if talked else Outcome.NETWORK
        report = (
            CallEnded(source_id=source_id, dial_id=dial_id, at=self.now, outcome=outcome, talked=talked)
            if gone
            else CallIsUp(source_id=source_id, dial_id=dial_id, at=self.now)
        )
        self.service.report(report, now=self.now)
        if not gone:
            self._over(dial_id, Outcome.NO_ANSWER)


def _verb(arguments: tuple[Any, ...]) -> str:
    return str(arguments[2]).split()[0].lower()


def _worker(url: str, path: Path, seed: int, now: datetime, life: int) -> Worker:
    service = CallbackService(Store(url), RULES)
    return Worker(
        service=service,
        dialer=Dialer(path=path).read(),
        rng=random.Random(seed),
        now=now,
        life=life,
        name=str(seed),
    )


def _child(url: str, path: Path, seed: int, now: datetime) -> None:
    """Live until killed; never returns."""
    code = 1
    try:
        worker = _worker(url, path, seed, now, life=random.Random(seed).randint(1, BOUNDARIES_MAX))
        worker.listen()
        while True:
            worker.live()
            worker.now += timedelta(seconds=5)
    except BaseException:  # noqa: BLE001 -- the parent counts it as a broken promise
        traceback.print_exc()
    finally:
        os._exit(code)


def kills(url: str, path: Path, n_kills: int, seed: int) -> Iterator[str]:
    """Kill so many workers, one after the other; yield what is wrong.

    Parameters
    ----------
    url : str
        Of a migrated store.
    path : Path
        The dialer's file.
    n_kills : int
    seed : int
    """
    now = START
    for index in range(n_kills):
        now += timedelta(seconds=40)
        pid = os.fork()
        if pid == 0:
            _child(url, path, seed + index, now)
        _, status = os.waitpid(pid, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            yield f"worker {seed + index} ended by itself ({status})"
    yield from _end(url, path, seed, now)


def _end(url: str, path: Path, seed: int, now: datetime) -> Iterator[str]:
    """Let a last worker, who lives, bring everything to its end; then look."""
    worker = _worker(url, path, seed - 1, now, life=-1)
    for _ in range(2000):
        worker.now += timedelta(seconds=60)
        worker.live(booking=False)
        with worker.service.store.reading() as reads:
            if all(one.ended and one.dial is None for one in reads.all()):
                break
    yield from worker.dialer.read().problems
    with worker.service.store.reading() as reads:
        found = {one.id: one for one in reads.all()}
        yield from (f"I11 {lost} was booked and is lost" for lost in set(worker.dialer.booked) - found.keys())
        for one in found.values():
            if not one.ended:
                yield f"I8 {one.id} never ended: {one.state}"
            if replay(reads.log(one.id), one.person) != one:
                yield f"I10 {one.id} is not what its log says"
    worker.service.store.close()


def figures(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return what a run came to."""
    world = Dialer(path=path).read()
    return {
        "kills": sum(world.killed_at.values()),
        "booked": len(set(world.booked)),
        "dials": len(world.numbers),
        "problems": problems,
        "killed_at": dict(sorted(world.killed_at.items())),
    }


def run(urls: dict[str, str], n_kills: int, *, seed: int, folder: Path, out: Path | None) -> bool:
    """Kill on each database, print and write the figures; return whether every promise was kept."""
    found = {}
    for name, url in urls.items():
        store = Store(url)
        store.migrate()
        store.close()
        path = folder / f"dialer-{name}.txt"
        found[name] = figures(path, list(kills(url, path, n_kills, seed)))
    print(json.dumps(found, indent=2))
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return not any(one["problems"] for one in found.values())

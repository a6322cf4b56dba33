"""One bank for all calls of a server, fed in a thread of its own with what came meanwhile.

What a call gives is put aside (`Seat.feed`); the thread takes what all calls gave, feeds the bank once, and takes
what came while it did. So a turn is as long as the calls make it, and no call waits for more than two of them. The
bank's compiled parts let the event loop run beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np

from amd.audio import RATE_HZ, Chunk, Encoding, StreamDecoder
from amd.bank import DetectorBank
from amd.events import Event, Verdict
from amd.model import Model
from amd.policy import PRESETS, Policy

CUT_SAMPLES: Final = RATE_HZ
"""Of one call at once: one that sends faster than time goes must not make a turn long."""
TURN_SAMPLES: Final = 1 << 20
"""Of all calls at once: 40 ms of 3,000 calls; it bounds the memory of a turn."""
LOOKS: Final = 32
"""A call that tells nothing is asked every so many turns whether it is done."""
WARM_S: Final = 3.0


@dataclass(slots=True, kw_only=True)
class Job:
    """What one call has for the bank, and what the bank made of it.

    Parameters
    ----------
    seat : Seat
    chunks : list
        Its audio, in order.
    is_over : bool
        Whether the call ends with it.
    after : list
        What is to be told once the audio before it is judged.
    events : list of Event
        What its audio made known.
    is_done : bool
        Whether no event can come any more.
    """

    seat: Seat
    chunks: list[Chunk]
    is_over: bool
    after: list[Callable[[], None]]
    events: list[Event] = field(default_factory=list)
    is_done: bool = False


class Seat:
    """A call's place in the bank: a `amd.adapters.call.Judge` whose events come a turn later, to ``told``.

    Parameters
    ----------
    bench : Bench
    policy : Policy
    told : callable
        Given the events of a turn.
    """

    __slots__ = (
        "_after",
        "_bench",
        "_chunks",
        "_is_over",
        "_n_jobs",
        "done",
        "encoding",
        "n_waiting",
        "policy",
        "slot",
        "told",
        "verdict",
    )

    def __init__(self, bench: Bench, policy: Policy, told: Callable[[list[Event]], None]) -> None:
        self.policy = policy
        self.told = told
        self.slot: int | None = None
        self.encoding: Encoding | None = None
        self.done = False
        self.verdict: Verdict | None = None
        self.n_waiting = 0
        self._bench = bench
        self._chunks: list[Chunk] = []
        self._after: list[Callable[[], None]] = []
        self._is_over = False
        self._n_jobs = 0

    @property
    def is_busy(self) -> bool:
        """Whether something was given that is not judged yet."""
        return self._n_jobs > 0 or bool(self._chunks) or bool(self._after) or self._is_over

    def takes(self, encoding: Encoding) -> bool:
        """Whether bytes of this encoding may be given as they came: of the first one."""
        if self.encoding is None:
            self.encoding = encoding
        return self.encoding is encoding

    def feed(self, chunk: Chunk) -> tuple[Event, ...]:
        """Put audio aside."""
        chunks = self._chunks
        if not chunks:
            self._bench.await_turn(self)
        chunks.append(chunk)
        self.n_waiting += len(chunk)
        return ()

    def finish(self) -> tuple[Event, ...]:
        """End the call with the next turn."""
        self._is_over = True
        self._bench.await_turn(self)
        return ()

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` once what was given so far is judged: at once if it is."""
        if self.is_busy:
            self._after.append(tell)
            self._bench.await_turn(self)
        else:
            tell()

    def take_job(self) -> Job:
        """Hand over what was put aside."""
        job = Job(seat=self, chunks=self._chunks, is_over=self._is_over, after=self._after)
        self._chunks, self._after, self._is_over = [], [], False
        self.n_waiting = 0
        self._n_jobs += 1
        return job

    def finish_job(self, job: Job) -> None:
        """Take what the bank made of it."""
        self._n_jobs -= 1
        for event in job.events:
            if isinstance(event, Verdict):
                self.verdict = event
        self.done = self.done or job.is_done or job.is_over
        self.told(job.events)
        for tell in job.after:
            tell()


class Bench:
    """The bank, its thread, and who waits for its next turn.

    Parameters
    ----------
    policy : Policy
    model : Model, optional
        The shipped one unless given.
    capacity : int
        Calls at once, those that are ending among them.
    took : callable, optional
        Told the seconds of each turn.
    """

    def __init__(
        self,
        policy: Policy = PRESETS["balanced"],
        *,
        model: Model | None = None,
        capacity: int,
        took: Callable[[float], None] | None = None,
    ) -> None:
        self._bank = DetectorBank(policy, capacity=capacity, model=model)
        self._took = took
        self._waiting: dict[Seat, None] = {}
        self._wake = asyncio.Event()
        self._n_turns = 0
        self._warm(policy)

    def await_turn(self, seat: Seat) -> None:
        """Note that a seat has something for the next turn; `begin_turn` starts it."""
        self._waiting[seat] = None

    def begin_turn(self) -> None:
        """Judge what was put aside, as soon as the turn before is over."""
        if self._waiting:
            self._wake.set()

    async def work(self) -> None:
        """Take turns until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="amd-bank") as pool:
            while True:
                await self._wake.wait()
                self._wake.clear()
                jobs = self._take_jobs()
                took_s = await loop.run_in_executor(pool, self._judge, jobs)
                self._tell(jobs, took_s)

    def turn(self) -> None:
        """Take a turn at once, in this thread: for who measures, while nothing `work`s."""
        jobs = self._take_jobs()
        self._tell(jobs, self._judge(jobs))

    def _take_jobs(self) -> list[Job]:
        jobs = [seat.take_job() for seat in self._waiting]
        self._waiting.clear()
        return jobs

    def _tell(self, jobs: list[Job], took_s: float) -> None:
        for job in jobs:
            job.seat.finish_job(job)
        if self._took is not None:
            self._took(took_s)

    def _judge(self, jobs: list[Job]) -> float:
        """Feed the bank what some calls have, and end those that are over; returns the seconds that took."""
        start_s = time.perf_counter()
        self._n_turns += 1
        by_slot: dict[int, Job] = {}
        for job in jobs:
            seat = job.seat
            if seat.slot is None:
                seat.slot = self._bank.open(seat.policy, encoding=seat.encoding or Encoding.PCM16)
            by_slot[seat.slot] = job
        chunks = {slot: _joined(job.chunks, job.seat.encoding) for slot, job in by_slot.items() if job.chunks}
        self._feed(chunks, by_slot)
        for slot, job in by_slot.items():
            if job.is_over:
                job.events += [event.event for event in self._bank.close(slot)]
                job.seat.slot = None
            elif job.events or (slot + self._n_turns) % LOOKS == 0:
                job.is_done = self._bank.done(slot)
        return time.perf_counter() - start_s

    def _feed(self, chunks: dict[int, Chunk], by_slot: dict[int, Job]) -> None:
        """Feed the bank, in as many pieces as bound what it works on at once."""
        while chunks:
            turn: dict[int, Chunk] = {}
            rest: dict[int, Chunk] = {}
            n_taken = 0
            for slot, chunk in chunks.items():
                cut = 0 if n_taken >= TURN_SAMPLES else _cut(chunk)
                if cut:
                    turn[slot] = chunk[:cut]
                    n_taken += len(turn[slot])
                if len(chunk) > cut:
                    rest[slot] = chunk[cut:]
            for slot, event in self._bank.feed(list(turn), list(turn.values())):
                by_slot[slot].events.append(event)
            chunks = rest

    def _warm(self, policy: Policy) -> None:
        """Load what is compiled before the first call comes, with a call of noise and a tone."""
        rng = np.random.default_rng(1)
        at_s = np.arange(round(WARM_S * RATE_HZ)) / RATE_HZ
        tone = np.where((at_s % 1.0) < 0.5, 0.3 * np.sin(2 * np.pi * 1000 * at_s), 0.0)
        slot = self._bank.open(policy)
        self._bank.feed([slot], [(tone + 0.02 * rng.standard_normal(at_s.size)).astype(np.float32)])
        self._bank.close(slot)


def _cut(chunk: Chunk) -> int:
    """How much of a chunk is taken at once: bytes of whole samples, or samples."""
    return CUT_SAMPLES if isinstance(chunk, np.ndarray) else 2 * CUT_SAMPLES


def _joined(chunks: list[Chunk], encoding: Encoding | None) -> Chunk:
    """The chunks of a call as one: bytes where all are, else samples."""
    if len(chunks) == 1:
        return chunks[0]
    if {bytes}.issuperset(map(type, chunks)):
        return b"".join(cast(list[bytes], chunks))
    decoder = StreamDecoder(encoding or Encoding.PCM16)
    return np.concatenate([decoder.feed(chunk) for chunk in chunks])

"""Random walks of the core: any event at any time, clocks that jump, and what must hold after every step.

`broken` says which invariant of the design a step broke; the tests let Hypothesis choose the steps, and
``python -m benchmarks callback walk`` takes millions of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from callback import events as ev
from callback.commands import Command, HangUp, Originate
from callback.errors import IllegalTransition, StaleFence
from callback.states import IN_CALL, TERMINAL, Booking, Callback, Outcome, Person, Reason, State, Window
from callback.transitions import TABLE, book, replay, step

START: Final = datetime(2026, 1, 5, 17, tzinfo=UTC)
LEGAL_SHARE: Final = 0.8
"""So many of the events are drawn from those that the table allows: others end in an error and lead nowhere."""
ABRUPT: Final = frozenset({ev.Cancelled, ev.Superseded, ev.DeadlinePassed})
"""Legal nearly everywhere, and the end: drawn seldom, for a walk to get anywhere else."""
ABRUPT_SHARE: Final = 0.05
STEPS_MAX: Final = 60


def broken(before: Callback, event: ev.Event, after: Callback, commands: tuple[Command, ...]) -> str | None:
    """Return which invariant a step broke, or None."""
    dialled = any(isinstance(command, Originate) for command in commands)
    window, dial = before.window, after.dial
    reached = dial is not None and dial.reached_at is not None
    checks = {
        "I1 the place": after.booking is before.booking,
        "I2 one live dial": not dialled or (before.dial is None and dial is not None),
        "I3 nothing after the end": not before.ended or (after.state is before.state and not dialled),
        "I3 a cancel hangs up": not (after.ended and dial is not None)
        or before.ended
        or any(isinstance(command, HangUp) for command in commands),
        "I5 no agent before a person": reached or after.state not in {State.OFFERED, State.CONNECTED},
        "I6 budgets": after.tally.attempts <= after.booking.attempts_max
        and after.tally.failures <= after.booking.failures_max,
        "I6 our failures are ours": getattr(event, "outcome", None) is not Outcome.NETWORK
        or after.tally.attempts == before.tally.attempts,
        "I7 the window": not dialled
        or (window is not None and window.opens_at <= after.changed_at < window.closes_at),
        "I7 the deadline": not dialled or after.changed_at < after.booking.deadline_at,
        "I8 never stuck": after.ended or after.wake_at is not None,
        "I8 a live dial has a timer": dial is None or after.wake_at is not None,
        "I12 one end": (after.reason is not None) == after.ended and (before.reason in {None, after.reason}),
        "a call has a dial": (after.state not in IN_CALL) or dial is not None,
        "versions": after.version == before.version + 1 and after.fence >= before.fence,
        "time": after.changed_at >= before.changed_at,
    }
    return next((name for name, holds in checks.items() if not holds), None)


Draw = Callable[[random.Random, Callback, datetime], ev.Event]


def _soon(rng: random.Random, now: datetime) -> datetime:
    return now + timedelta(seconds=rng.choice((1, 15, 60, 600)))


def _window(rng: random.Random, callback: Callback, now: datetime) -> Window:
    """Mostly one that may be; sometimes one past the deadline."""
    opens_at = now + timedelta(seconds=rng.choice((0, 0, 60, 900, 7200)))
    closes_at = opens_at + timedelta(seconds=rng.choice((600, 3600, 36_000)))
    deadline_at = callback.booking.deadline_at
    return Window(
        opens_at=opens_at, closes_at=min(closes_at, deadline_at) if opens_at < deadline_at else closes_at
    )


def _dial_id(rng: random.Random, callback: Callback) -> str:
    """Mostly the live one; sometimes one that is over."""
    live = callback.dial.id if callback.dial is not None else "none"
    return live if rng.random() < 0.9 else f"{callback.id}-{callback.fence - 1}"


_DRAW: Final[dict[str, Callable[[random.Random, Callback, datetime], Any]]] = {
    "dial_id": lambda rng, callback, _now: _dial_id(rng, callback),
    "wake_at": lambda rng, _callback, now: _soon(rng, now),
    "window": _window,
    "outcome": lambda rng, _callback, _now: rng.choice(list(Outcome)),
    "reason": lambda rng, _callback, _now: rng.choice(list(Reason)),
    "agent": lambda _rng, _callback, _now: "agent-1",
}


def draw(rng: random.Random, callback: Callback, now: datetime, kind: type[ev.Event]) -> ev.Event:
    """Return an event of a kind with whatever it may carry."""
    if kind is ev.Claimed:
        return ev.Claimed(dial_id=f"{callback.id}-{callback.fence + 1}", wake_at=_soon(rng, now))
    values = {entry.name: _DRAW[entry.name](rng, callback, now) for entry in fields(kind)}
    return kind(**values)


def booked(rng: random.Random) -> tuple[ev.Booked, Callback]:
    """Return a new callback and its first event."""
    deadline_at = START + timedelta(hours=rng.choice((1, 24)))
    booking = Booking(
        id="c",
        queue="sales",
        priority=rng.randrange(3),
        enqueued_at=START - timedelta(seconds=rng.randrange(600)),
        seq=1,
        deadline_at=deadline_at,
        zones=("America/New_York",),
        attempts_max=rng.randint(1, 3),
        failures_max=rng.randint(1, 3),
    )
    opens_at = START + timedelta(seconds=rng.choice((0, 600)))
    event = ev.Booked(booking=booking, window=Window(opens_at=opens_at, closes_at=deadline_at))
    return event, book(event, Person(number="+12025550100"), START)


@dataclass(slots=True, kw_only=True)
class Walked:
    """What some walks met."""

    steps: int = 0
    refused: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    pairs: set[tuple[State, str]] = field(default_factory=set)
    """States and events that met."""
    problems: list[str] = field(default_factory=list)


def walk(rng: random.Random, seen: Walked) -> None:
    """Walk one callback to its end, or for `STEPS_MAX` steps, and replay it."""
    first, callback = booked(rng)
    log: list[tuple[ev.Event, datetime]] = [(first, START)]
    now = START
    for _ in range(STEPS_MAX):
        now += timedelta(seconds=rng.choice((0, 1, 5, 60, 600, 7200, -3600)))
        kinds = list(TABLE[callback.state]) if rng.random() < LEGAL_SHARE else list(ev.EVENTS)
        if rng.random() >= ABRUPT_SHARE:
            kinds = [kind for kind in kinds if kind not in ABRUPT]
        event = draw(rng, callback, now, rng.choice(kinds))
        seen.steps += 1
        seen.pairs.add((callback.state, event.type))
        try:
            after, commands = step(callback, event, now)
        except (IllegalTransition, StaleFence):
            seen.refused += 1
            continue
        problem = broken(callback, event, after, commands)
        if problem is not None:
            seen.problems.append(f"{problem}: {event.type} in state {callback.state}")
        log.append((event, now))
        callback = after
        if callback.person is None:
            break
    if replay(log, callback.person) != callback:
        seen.problems.append(f"I10 the log: replayed to another row, in state {callback.state}")
    seen.ends[callback.state.value if callback.state in TERMINAL else "open"] += 1


def run(steps_min: int, seed: int) -> Walked:
    """Walk until so many steps were taken."""
    rng = random.Random(seed)
    seen = Walked()
    while seen.steps < steps_min:
        walk(rng, seen)
    return seen

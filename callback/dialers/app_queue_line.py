"""Members, callers and durations of app_queue, as its manager tells them."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from callback.dialers.app_queue_ami import Block
from callback.ordering import Contact, Kind, Place

CALLABLE: Final = frozenset({0, 1})
"""Device states that app_queue itself rings: unknown (no hint tells), not in use."""
TAKEN: Final = frozenset({2, 3, 6, 7, 8})
"""In use, busy, ringing, both, on hold. The rest, invalid (4) and unavailable (5), is nobody there."""
KEPT: Final = 200
"""Calls that means are taken over: some hours of a queue, so that they follow the day."""
HEARD_MIN: Final = 10
"""Calls, and callers who hung up, below which no mean of theirs is told: it would be off by a third and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a queue. Times are seconds since 1970, by Asterisk's clock."""

    queue: str
    interface: str
    status: int
    paused: bool
    reason: str
    in_call: bool
    last_call_s: int
    login_s: int
    wrapup_s: int

    def is_callable(self) -> bool:
        """Whether the phone can be rung now."""
        return self.status in CALLABLE and not self.in_call

    def is_wrapping_up(self, now_s: float, wrapup_s: float) -> bool:
        """Whether the last call is still being dealt with."""
        return now_s - self.last_call_s < max(self.wrapup_s, wrapup_s)


def member_of(block: Block) -> Member:
    """Read a QueueMember of a QueueStatus list; what older versions do not tell is 0."""
    return Member(
        queue=block["Queue"],
        interface=block.get("Location") or block["Interface"],
        status=_integer(block, "Status"),
        paused=_integer(block, "Paused") != 0,
        reason=block.get("PausedReason", ""),
        in_call=_integer(block, "InCall") != 0,
        last_call_s=_integer(block, "LastCall"),
        login_s=_integer(block, "LoginTime"),
        wrapup_s=_integer(block, "Wrapuptime"),
    )


class Line:
    """Live callers of one queue. Each keeps the time of joining that was first seen."""

    def __init__(self) -> None:
        self._joined: dict[str, datetime] = {}

    def contacts(self, entries: Iterable[Block], now: datetime) -> tuple[Contact, ...]:
        """Return the callers in the order that app_queue serves them.

        Waits come in whole seconds, and a caller whom app_queue puts ahead of earlier ones (``QUEUE_PRIO``) is as
        early as they are: nobody's own wait is made shorter by it.
        """
        line = sorted(entries, key=lambda entry: _integer(entry, "Position"))
        seen = {entry["Uniqueid"]: now - timedelta(seconds=_integer(entry, "Wait")) for entry in line}
        self._joined = {name: self._joined.get(name, joined_at) for name, joined_at in seen.items()}
        contacts: list[Contact] = []
        at = now
        for entry in reversed(line):
            at = min(at, self._joined[entry["Uniqueid"]])
            place = Place(priority=0, enqueued_at=at, seq=_integer(entry, "Position"))
            contacts.append(Contact(id=entry["Uniqueid"], place=place, kind=Kind.LIVE, ready=True))
        return tuple(reversed(contacts))


@dataclass(slots=True)
class Durations:
    """What a queue's calls took, the last ones of it."""

    handling_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    waits: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def mean_handling_s(self) -> float | None:
        """Return the mean talk, or None before enough were heard of."""
        return statistics.fmean(self.handling_s) if len(self.handling_s) >= HEARD_MIN else None

    def patience_s(self) -> float | None:
        """Return the mean patience of an exponential one: all waiting, over those whom it ended."""
        left = sum(hung_up for _, hung_up in self.waits)
        return sum(wait_s for wait_s, _ in self.waits) / left if left >= HEARD_MIN else None


class Learned:
    """Durations by queue, from the events of app_queue."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, Durations] = defaultdict(Durations)

    def of(self, queue: str) -> Durations:
        """Return what is known of a queue."""
        return self._queues[queue]

    def hear(self, event: Block) -> None:
        """Take an event; those that say nothing of durations are passed over."""
        if event["Event"] == "AgentComplete":
            durations = self._queues[event["Queue"]]
            durations.handling_s.append(_integer(event, "TalkTime"))
            durations.waits.append((_integer(event, "HoldTime"), False))
        elif event["Event"] == "QueueCallerAbandon":
            self._queues[event["Queue"]].waits.append((_integer(event, "HoldTime"), True))


def _integer(block: Block, key: str) -> int:
    try:
        return int(block.get(key, "0") or "0")
    except ValueError:
        raise ValueError(f"{block.get('Event')}: {key} is no whole number: another version of Asterisk?") from None

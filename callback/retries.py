"""How often a customer is tried again, and after what time: two budgets that never touch.

A customer's attempts are one; the failures of our own network are the other, for a carrier that is down must not
use up a customer's chances. Every gap and cap is here, with its reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from callback.hours import in_utc
from callback.regulation import HOUR_S
from callback.states import Outcome

MACHINES: Final = frozenset({Outcome.MACHINE, Outcome.FAX, Outcome.UNSURE})
"""What the law takes for a machine's verdict: nobody was put through."""
FINAL: Final = frozenset({Outcome.BAD_NUMBER, Outcome.SUPPRESSED})
"""After these a number is never called again."""


class ScheduleError(ValueError):
    """A policy, a history or a wish that cannot be scheduled; the message names what would do."""


class StopReason(StrEnum):
    """Why no attempt follows, and the terminal state that belongs to it."""

    REACHED = "reached"  # a person answered and was not dropped by us: the callback goes on elsewhere
    ATTEMPTS_USED = "attempts_used"  # exhausted
    REFUSED = "refused"  # exhausted: the call was declined, and so was, or would be, one more
    NETWORK_FAILED = "network_failed"  # exhausted: our own network failed too often
    NO_TIME_LEFT = "no_time_left"  # expired: nothing is allowed before the deadline
    BAD_NUMBER = "bad_number"  # undeliverable
    SUPPRESSED = "suppressed"  # undeliverable: never call again


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that has ended.

    Parameters
    ----------
    started_at, ended_at : datetime
        In UTC, the first not after the second.
    outcome : Outcome
    dropped : bool
        A person answered and we hung up before an agent spoke: what the law calls abandoned.
    """

    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    dropped: bool = False

    def __post_init__(self) -> None:
        for name in ("started_at", "ended_at"):
            object.__setattr__(self, name, in_utc(name, getattr(self, name)))
        if self.started_at > self.ended_at:
            raise ScheduleError(
                f"started_at={self.started_at.isoformat()} is after ended_at={self.ended_at.isoformat()}: swapped?"
            )
        if self.dropped and self.outcome is not Outcome.HUMAN:
            raise ScheduleError(f"dropped needs a person who answered, not {self.outcome.value!r}")


GAPS_S: Final[Mapping[Outcome, float]] = MappingProxyType(
    {
        Outcome.HUMAN: 300.0,  # dropped by us: they are there and owed a call, but not a nuisance
        Outcome.BUSY: 120.0,  # a call ends: most last minutes
        Outcome.NO_ANSWER: 900.0,  # away from the phone for a while
        Outcome.REFUSED: 3600.0,  # not now; they may have taken us for someone else
        Outcome.UNSURE: 7200.0,  # as a machine
        Outcome.MACHINE: 7200.0,  # away for longer: the phone was off, or rang out
        Outcome.FAX: 7200.0,  # a line that people share with a fax is answered by people at other times
        Outcome.NETWORK: 30.0,  # our own trouble is not the customer's: soon again
    }
)
"""Least time from the end of an attempt to the next. The figures are assumptions; their order is not: a busy line
is free again sooner than a person comes home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after what time a customer is tried again.

    Parameters
    ----------
    customer_attempts_max : int, 1 to 10
        Attempts that rang at the customer's end. Two or three are custom; more is pestering.
    network_failures_max : int, 0 to 100
        Failures of our own network; with the gaps below the tenth comes after more than an hour.
    refused_more_max : int, 0 to 1
        Attempts after the customer declined one.
    gaps_s : mapping of Outcome to s
        `GAPS_S`, by default, and what each is for.
    backoff : float, 1 to 10
        A gap grows by this each time its outcome comes again.
    gap_max_s, network_gap_max_s : float, s
        No gap grows beyond these.
    time_of_day_apart_s : float, 0 to 12 h
        After a machine, another time of day: at least this far, by the customer's clock, from every attempt that
        met one. People who are out at ten are out at ten tomorrow. Assumption.
    snooze_min_s, snooze_max_s : float, s
        What a customer may ask for: "in ten minutes" to "this time in three days". Assumption.
    """

    customer_attempts_max: int = 3
    network_failures_max: int = 10
    refused_more_max: int = 1
    gaps_s: Mapping[Outcome, float] = field(default_factory=lambda: GAPS_S)
    backoff: float = 2.0
    gap_max_s: float = 24 * HOUR_S
    network_gap_max_s: float = 900.0
    time_of_day_apart_s: float = 2 * HOUR_S
    snooze_min_s: float = 60.0
    snooze_max_s: float = 72 * HOUR_S

    def __post_init__(self) -> None:
        check("customer_attempts_max", self.customer_attempts_max, 1, 10)
        check("network_failures_max", self.network_failures_max, 0, 100)
        check("refused_more_max", self.refused_more_max, 0, 1)
        check("backoff", self.backoff, 1, 10)
        check("time_of_day_apart_s", self.time_of_day_apart_s, 0, 12 * HOUR_S)
        check("snooze_min_s", self.snooze_min_s, 0, self.snooze_max_s)
        object.__setattr__(self, "gaps_s", MappingProxyType(dict(self.gaps_s)))
        if missing := set(Outcome) - FINAL - self.gaps_s.keys():
            raise ScheduleError(f"gaps_s has no gap after: {', '.join(sorted(missing))}")
        for outcome, gap_s in self.gaps_s.items():
            most_s = self.network_gap_max_s if outcome is Outcome.NETWORK else self.gap_max_s
            check(f"gaps_s[{outcome.value!r}]", gap_s, 0, most_s)

    def gap(self, attempts: Sequence[Attempt], outcome: Outcome) -> timedelta:
        """Return the gap after the last of the attempts with an outcome, grown by those before it."""
        most_s = self.network_gap_max_s if outcome is Outcome.NETWORK else self.gap_max_s
        again = sum(attempt.outcome is outcome for attempt in attempts) - 1
        return timedelta(seconds=min(most_s, self.gaps_s[outcome] * self.backoff**again))


def check(name: str, value: float, low: float, high: float) -> None:
    """Raise `ScheduleError` unless the value is within its range."""
    if not (math.isfinite(value) and low <= value <= high):
        slip = ": milliseconds?" if name.endswith(("_s", "]")) and value > high else ""
        raise ScheduleError(f"{name}={value} is outside {low} to {high}{slip}")


def stop_reason(policy: RetryPolicy, attempts: Sequence[Attempt]) -> StopReason | None:
    """Return why there is no further attempt whatever the time, or None."""
    if not attempts:
        return None
    outcomes = [attempt.outcome for attempt in attempts]
    customers = [outcome for outcome in outcomes if outcome is not Outcome.NETWORK]
    last = attempts[-1]
    checks = (
        (StopReason.SUPPRESSED, Outcome.SUPPRESSED in outcomes),
        (StopReason.BAD_NUMBER, Outcome.BAD_NUMBER in outcomes),
        (StopReason.REACHED, last.outcome is Outcome.HUMAN and not last.dropped),
        (StopReason.REFUSED, _refused(policy, customers)),
        (StopReason.ATTEMPTS_USED, len(customers) >= policy.customer_attempts_max),
        (StopReason.NETWORK_FAILED, outcomes.count(Outcome.NETWORK) > policy.network_failures_max),
    )
    return next((reason for reason, holds in checks if holds), None)


def _refused(policy: RetryPolicy, customers: Sequence[Outcome]) -> bool:
    if Outcome.REFUSED not in customers:
        return False
    return len(customers) - 1 - customers.index(Outcome.REFUSED) >= policy.refused_more_max


def waits(policy: RetryPolicy, attempts: Sequence[Attempt]) -> list[datetime]:
    """Return until when the policy waits: after the customer's last attempt, and after a failure of ours."""
    if not attempts:
        return []
    customers = [attempt for attempt in attempts if attempt.outcome is not Outcome.NETWORK]
    waits = [customers[-1].ended_at + policy.gap(customers, customers[-1].outcome)] if customers else []
    if failures := _last_failures(attempts):
        waits.append(failures[-1].ended_at + policy.gap(failures, Outcome.NETWORK))
    return waits


def _last_failures(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return our failures since the network last carried a call."""
    failures: list[Attempt] = []
    for attempt in reversed(attempts):
        if attempt.outcome is not Outcome.NETWORK:
            break
        failures.insert(0, attempt)
    return failures


def check_order(attempts: Sequence[Attempt], now: datetime) -> None:
    """Raise `ScheduleError` unless the attempts follow each other and are over."""
    for earlier, later in itertools.pairwise(attempts):
        if later.started_at < earlier.ended_at:
            raise ScheduleError(
                f"an attempt starts at {later.started_at.isoformat()}, before the one ahead of it ended "
                f"({earlier.ended_at.isoformat()}): out of order, or two at once?"
            )
    if attempts and attempts[-1].ended_at > now:
        raise ScheduleError(f"the last attempt ended after now={now.isoformat()}: is a clock behind?")

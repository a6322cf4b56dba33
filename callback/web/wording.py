"""How states, reasons and times are put into words for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from callback.estimate import Wait
from callback.numbers import mask
from callback.states import Reason, State
from callback.store.overview import LastCall

MINUTE_S: Final = 60
HOUR_S: Final = 3600

STATES: Final[dict[State, str]] = {
    State.WAITING: "waiting",
    State.DEFERRED: "later",
    State.DIALING: "ringing",
    State.DETECTING: "who answered?",
    State.REJOINED: "on hold",
    State.OFFERED: "offered",
    State.CONNECTED: "talking",
    State.RECONCILING: "being looked up",
}
"""In the words of a contact centre."""
REASONS: Final[dict[Reason, str]] = {
    Reason.CONNECTED: "talked with an agent",
    Reason.BY_CUSTOMER: "cancelled by the customer",
    Reason.BY_STAFF: "cancelled by staff",
    Reason.CALLED_IN: "called in",
    Reason.ATTEMPTS_SPENT: "not reached",
    Reason.REFUSALS_SPENT: "declined the call",
    Reason.FAILURES_SPENT: "our network failed",
    Reason.DEADLINE: "too late",
    Reason.BAD_NUMBER: "no such number",
    Reason.SUPPRESSED: "never to be called",
}
GOOD: Final = frozenset({Reason.CONNECTED, Reason.CALLED_IN})


def last_words(call: LastCall | None) -> str:
    """Say what a call came to, and why, in words."""
    if call is None or call.outcome is None:
        return ""
    words = call.outcome.value.replace("_", " ")
    return f"{words} ({call.cause.replace('_', ' ')})" if call.cause else words


def masked(number: str | None) -> str:
    """Return a number for the page: its last two digits, or that it was erased.

    Examples
    --------
    >>> masked("+12025550123")
    '•••••••••23'
    """
    return "erased" if number is None else mask(number).replace("*", "•")


def wait_words(wait: Wait, opens_s: float, opens: str) -> str:
    """Say a wait as a range; ``opens`` is when the customer may be called, where that alone decides it.

    Examples
    --------
    >>> wait = Wait(p10_s=70.0, p50_s=200.0, p90_s=400.0, mean_s=220.0)
    >>> wait_words(wait, 0.0, ""), wait_words(wait, 3000.0, "15:00")
    ('1–7 min', 'after 15:00')
    """
    if opens_s >= wait.p90_s and opens:
        return f"after {opens}"
    low_s, high_s = max(wait.p10_s, opens_s), max(wait.p90_s, opens_s)
    if high_s < MINUTE_S:
        return "under 1 min"
    if low_s >= 2 * HOUR_S:
        return f"{low_s / HOUR_S:.0f}–{high_s / HOUR_S + 0.5:.0f} h"
    return f"{int(low_s // MINUTE_S)}–{int(-(-high_s // MINUTE_S))} min"


def span(took: timedelta) -> str:
    """Say how long something took.

    Examples
    --------
    >>> span(timedelta(seconds=59)), span(timedelta(minutes=75)), span(timedelta(hours=50))
    ('0 min', '1 h 15', '2 d 2 h')
    """
    minutes = max(0, int(took.total_seconds())) // MINUTE_S
    hours, rest = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    if days:
        return f"{days} d {left} h"
    return f"{hours} h {rest:02}" if hours else f"{minutes} min"


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Say a time of today by the clock, another with its day."""
    here, today = at.astimezone(zone), now.astimezone(zone).date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%a %d %b, %H:%M}"

"""Events as the log keeps them: a name and JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from callback.events import EVENTS, Booked, Event
from callback.states import Booking, Outcome, Reason, Window

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Return microseconds since 1970, exactly."""
    return (at - EPOCH) // _MICROSECOND


def from_us(at_us: int) -> datetime:
    """Return the instant, in UTC."""
    return EPOCH + timedelta(microseconds=at_us)


def encode(event: Event) -> str:
    """Return what an event carries as JSON; times are microseconds since 1970.

    Examples
    --------
    >>> from callback.events import LeaseRenewed
    >>> encode(LeaseRenewed(wake_at=datetime(2026, 1, 5, tzinfo=UTC)))
    '{"wake_at":1767571200000000}'
    """
    return json.dumps(_plain(event), separators=(",", ":"))


def decode(name: str, text: str) -> Event:
    """Return the event that was encoded.

    Raises
    ------
    ValueError
        If this version knows no such event.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(
            f"event {name!r} is unknown, need one of {', '.join(_KINDS)}: written by a later version?"
        )
    values = json.loads(text)
    return kind(**{field: _READ.get(field, _as_it_is)(value) for field, value in values.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_us(value)
    if isinstance(value, (Event, Booking, Window)):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _as_it_is(value: Any) -> Any:
    return value


def _window(value: dict[str, int]) -> Window:
    return Window(opens_at=from_us(value["opens_at"]), closes_at=from_us(value["closes_at"]))


def _booking(value: dict[str, Any]) -> Booking:
    return Booking(**{field: _READ.get(field, _as_it_is)(inner) for field, inner in value.items()})


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "booking": _booking,
    "deadline_at": from_us,
    "enqueued_at": from_us,
    "outcome": Outcome,
    "reason": Reason,
    "wake_at": from_us,
    "window": _window,
    "zones": tuple,
}
_ALL: Final[tuple[type[Event], ...]] = (Booked, *EVENTS)
_KINDS: Final[dict[str, type[Event]]] = {kind.type: kind for kind in _ALL}

"""What goes in and out over HTTP. Nothing that goes out holds a number or a name."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from callback.estimate import Reason as Grown
from callback.estimate import Told
from callback.states import Callback, Outcome, Reason, State
from callback.web.settings import QueueName

NumberText = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class In(BaseModel):
    """A body that comes in; a word that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class BookingIn(In):
    """A customer who wants to be called back."""

    number: NumberText = Field(description="As people write it.", examples=["(202) 555-0101"])
    queue: QueueName = Field(examples=["sales"])
    name: str = Field(default="", max_length=100, description="How to greet the customer.")
    priority: int = Field(default=0, ge=0, le=1000, description="0 is served first.")
    enqueued_at: AwareDatetime | None = Field(
        default=None, description="When the customer joined the line, if that was before now."
    )
    deadline_at: AwareDatetime | None = Field(default=None, description="The first instant too late for a call.")
    not_before: AwareDatetime | None = Field(default=None, description="No call before this.")
    zones: tuple[Annotated[str, StringConstraints(min_length=1, max_length=60)], ...] = Field(
        default=(), max_length=10, description="Where the customer is, by IANA name; else by the number."
    )


class CancelIn(In):
    """Whose wish it is."""

    reason: Literal["by_customer", "by_staff"] = "by_customer"


class RescheduleIn(In):
    """Another time: one of the two."""

    wall: datetime | None = Field(
        default=None,
        description="On the customer's clock, without a zone.",
        examples=["2026-01-05T15:30"],
    )
    wait_s: float | None = Field(default=None, gt=0, le=30 * 86_400, description="From now.")

    @model_validator(mode="after")
    def _one(self) -> RescheduleIn:
        if (self.wall is None) == (self.wait_s is None):
            raise ValueError("need one of wall and wait_s")
        if self.wall is not None and self.wall.tzinfo is not None:
            raise ValueError("wall must have no zone: it is read on the customer's clock")
        return self


class CalledInIn(In):
    """A customer who got through another way."""

    number: NumberText
    queue: QueueName | None = None


class EraseIn(In):
    """A customer who wants to be forgotten."""

    number: NumberText


class EstimateOut(BaseModel):
    """Seconds from now until an agent is offered: in eight of ten cases within ``low_s`` and ``high_s``."""

    low_s: float
    likely_s: float
    high_s: float
    grown: Grown | None = Field(description="Why it is longer than what was told before.")


class CallbackOut(BaseModel):
    """A callback as it stands."""

    id: str
    queue: str
    state: State
    reason: Reason | None = Field(description="Why it ended.")
    position: int | None = Field(
        description="Among the callbacks of the queue; 1 is the head; null: out of the line."
    )
    estimate: EstimateOut | None = Field(description="Null out of the line, and where nobody says who staffs it.")
    attempts: int
    attempts_max: int
    last_outcome: Outcome | None
    priority: int
    enqueued_at: datetime
    not_before: datetime | None = Field(description="When the next call may start.")
    deadline_at: datetime
    changed_at: datetime
    version: int = Field(description="How many events led here.")


class CalledInOut(BaseModel):
    """Those that were ended by it."""

    ended: list[str]


class ErasedOut(BaseModel):
    """How many were erased."""

    erased: int


class ProblemOut(BaseModel):
    """Problem details of RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:amd-callback:already-booked"])
    title: str
    status: int
    detail: str


def callback_out(callback: Callback, position: int, told: Told | None) -> CallbackOut:
    """Return a callback for a client."""
    booking, tally = callback.booking, callback.tally
    return CallbackOut(
        id=callback.id,
        queue=booking.queue,
        state=callback.state,
        reason=callback.reason,
        position=position or None,
        estimate=estimate_out(told) if told else None,
        attempts=tally.attempts,
        attempts_max=booking.attempts_max,
        last_outcome=tally.last_outcome,
        priority=booking.priority,
        enqueued_at=booking.enqueued_at,
        not_before=callback.window.opens_at if callback.window else None,
        deadline_at=booking.deadline_at,
        changed_at=callback.changed_at,
        version=callback.version,
    )


def estimate_out(told: Told) -> EstimateOut:
    """Return an estimate for a client, rounded outwards to a second."""
    wait = told.wait
    return EstimateOut(
        low_s=math.floor(wait.p10_s), likely_s=round(wait.p50_s), high_s=math.ceil(wait.p90_s), grown=told.grown
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return responses of a route for the OpenAPI document: those of every route, and its own."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    words = {
        401: "no key, or a wrong one",
        403: "the key is not for this",
        404: "no such callback",
        408: "the body came too slowly",
        409: "not in this state, or booked already (`callback_id`)",
        413: "the body is too big",
        422: "not to be understood, or refused; `reason` where a number is",
        429: "too many requests; `Retry-After`",
        503: "the store is busy or cannot be reached; `Retry-After`",
    }
    return {
        status: {"description": words[status], "content": content}
        for status in sorted({401, 403, 422, 429, 503, *statuses})
    }

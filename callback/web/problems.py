"""Errors as clients read them: problem details of RFC 9457, with the status that says whose turn it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from callback.errors import (
    AlreadyBooked,
    BookingRefused,
    CallbackError,
    IllegalTransition,
    StaleVersion,
    StoreBusy,
    StoreError,
    UnknownCallback,
)
from callback.numbers import NumberRefused

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:amd-callback:"
AGAIN_S: Final = 2
"""After this a busy or broken store is worth another try. Assumption: about what a restart of one takes."""
PERSONAL: Final = frozenset({"number", "name"})
SHOWN_MAX: Final = 40
_KINDS: Final[tuple[tuple[type[CallbackError], int, str], ...]] = (
    (UnknownCallback, 404, "unknown-callback"),
    (AlreadyBooked, 409, "already-booked"),
    (BookingRefused, 422, "refused"),
    (IllegalTransition, 409, "wrong-state"),
    (StaleVersion, 503, "store-busy"),
    (StoreBusy, 503, "store-busy"),
    (StoreError, 503, "store-unavailable"),
)


class Problem(HTTPException):
    """Something to be told to a client.

    Parameters
    ----------
    status : int
    kind : str
        For programs: ``type`` is ``urn:amd-callback:`` and this.
    detail : str
        For people: value, need, likely slip.
    headers : mapping
    more : Any
        Members of its own.
    """

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.body = {"type": TYPE + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
        self.body |= more

    def response(self) -> JSONResponse:
        """Return it as a response."""
        return JSONResponse(self.body, self.status_code, self.headers, media_type=MEDIA_TYPE)


def too_many(wait_s: float) -> Problem:
    """Return what a client hears that asks too much."""
    again = math.ceil(wait_s)
    return Problem(
        429,
        "too-many",
        f"too many requests: the next is answered after {again} s; a loop without a pause?",
        headers={"Retry-After": str(again)},
    )


def problem_of(error: CallbackError) -> Problem:
    """Return an error of ours as a problem."""
    status, kind = next(
        ((status, kind) for cls, status, kind in _KINDS if isinstance(error, cls)), (500, "internal")
    )
    more: dict[str, Any] = {}
    if isinstance(error, AlreadyBooked):
        more["callback_id"] = error.callback_id
    if isinstance(error, BookingRefused) and isinstance(error.__context__, NumberRefused):
        more["reason"] = error.__context__.reason.value
    headers = {"Retry-After": str(AGAIN_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Problem(status, kind, str(error), headers=headers, **more)


def _invalid(error: RequestValidationError) -> Problem:
    errors = [
        {
            "where": "/".join(map(str, one["loc"])),
            "message": one["msg"],
            **_value(one),
        }
        for one in error.errors()
    ]
    told = "; ".join(f"{one['where']}{_equals(one)}: {one['message']}" for one in errors)
    return Problem(422, "invalid", f"{told}; see /openapi.json", errors=errors)


def _value(one: Mapping[str, Any]) -> dict[str, str]:
    """Return the value that was wrong, if it is one to repeat: short, and nothing of a person."""
    value = one.get("input")
    plain = isinstance(value, str | int | float) and len(str(value)) <= SHOWN_MAX
    return {"value": str(value)} if plain and not PERSONAL & set(map(str, one["loc"])) else {}


def _equals(one: Mapping[str, Any]) -> str:
    return f"={one['value']!r}" if "value" in one else ""


def add_handlers(app: FastAPI) -> None:
    """Let an application answer with problems, whatever goes wrong."""

    async def ours(_request: Request, error: Exception) -> Response:
        return problem_of(error).response() if isinstance(error, CallbackError) else _unknown(error)

    async def problem(_request: Request, error: Exception) -> Response:
        return error.response() if isinstance(error, Problem) else _unknown(error)

    async def invalid(_request: Request, error: Exception) -> Response:
        return _invalid(error).response() if isinstance(error, RequestValidationError) else _unknown(error)

    async def plain(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return _unknown(error)
        text = "no such page: a slip in the path?" if error.status_code == HTTPStatus.NOT_FOUND else error.detail
        return Problem(error.status_code, "http", text, headers=error.headers).response()

    app.add_exception_handler(CallbackError, ours)
    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def _unknown(_error: Exception) -> Response:
    return internal().response()


def internal() -> Problem:
    """Return what a client hears of a fault of ours: nothing that could be anyone's number."""
    return Problem(500, "internal", "the service failed; its log says where")

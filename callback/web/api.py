"""The routes of programs, under ``/v1``."""

from __future__ import annotations

import logging
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Header, Path, Request, Response

from callback.errors import StaleVersion, StoreError
from callback.states import Callback, Reason
from callback.web.access import Needs
from callback.web.desk import Desk
from callback.web.keys import Key, Scope
from callback.web.problems import Problem
from callback.web.schemas import (
    BookingIn,
    CallbackOut,
    CalledInIn,
    CalledInOut,
    CancelIn,
    ErasedOut,
    EraseIn,
    RescheduleIn,
    callback_out,
    problems,
)

logger: Final = logging.getLogger("callback.web")
router: Final = APIRouter(prefix="/v1", tags=["callbacks"])
Booker = Annotated[Key, Depends(Needs(Scope.BOOK))]
Admin = Annotated[Key, Depends(Needs(Scope.ADMIN))]
Id = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="Of a callback.")]
RequestKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key again returns what was booked with it, and books nothing.",
    ),
]


def desk_of(request: Request) -> Desk:
    """Return the desk of the application."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]


async def _out(desk: Desk, callback: Callback) -> CallbackOut:
    position = await desk.run(desk.service.position, callback.id)
    try:
        told = await desk.tell(callback)
    except (StaleVersion, StoreError, Problem) as error:  # what was asked is done: the wait can be asked for again
        logger.warning("a wait was not told: %s", type(error).__name__)
        told = None
    return callback_out(callback, position, told)


@router.post("/callbacks", status_code=201, responses=problems(408, 409, 413, 422))
async def book(
    booking: BookingIn, desk: TheDesk, key: Booker, response: Response, request_key: RequestKey = None
) -> CallbackOut:
    """Give a customer a place in line. When this is answered, the place is on disk.

    After a lost answer ask again with the same ``Idempotency-Key``: nothing is booked twice.
    """
    desk.check_queue(booking.queue)
    callback = await desk.run(
        desk.service.book,
        **booking.model_dump(),
        now=desk.now(),
        request_key=request_key and f"{key.name}:{request_key}",
    )
    response.headers["Location"] = f"/v1/callbacks/{callback.id}"
    return await _out(desk, callback)


@router.get("/callbacks/{callback_id}", responses=problems(404))
async def status(callback_id: Id, desk: TheDesk, _key: Booker) -> CallbackOut:
    """Say where a callback stands, its position, and how long it will take.

    The estimate never grows merely because time passed; where it grew, ``grown`` says why.
    """
    return await _out(desk, await desk.run(desk.service.get, callback_id))


@router.post("/callbacks/{callback_id}/cancel", responses=problems(404, 409, 422))
async def cancel(
    callback_id: Id, desk: TheDesk, _key: Booker, body: Annotated[CancelIn | None, Body()] = None
) -> CallbackOut:
    """End a callback; a call that rings or is on is hung up."""
    reason = Reason((body or CancelIn()).reason)
    done = await desk.run(desk.service.cancel, callback_id, now=desk.now(), reason=reason)
    return await _out(desk, done.callback)


@router.post("/callbacks/{callback_id}/reschedule", responses=problems(404, 409, 422))
async def reschedule(callback_id: Id, body: RescheduleIn, desk: TheDesk, _key: Booker) -> CallbackOut:
    """Call later: at a time on the customer's clock, or so many seconds from now. The place in line stays."""
    done = await desk.run(desk.service.reschedule, callback_id, now=desk.now(), **body.model_dump())
    return await _out(desk, done.callback)


@router.post("/called-in", responses=problems(422))
async def called_in(body: CalledInIn, desk: TheDesk, _key: Booker) -> CalledInOut:
    """End the open callbacks of a customer who got through another way."""
    ended = await desk.run(desk.service.customer_called_in, body.number, now=desk.now(), queue=body.queue)
    return CalledInOut(ended=[one.id for one in ended])


@router.post("/erase", responses=problems(409, 422))
async def erase(body: EraseIn, desk: TheDesk, _key: Admin) -> ErasedOut:
    """Erase number and name from the callbacks of a number that have ended."""
    return ErasedOut(erased=await desk.run(desk.service.erase, body.number, now=desk.now()))

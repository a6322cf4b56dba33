"""The supervisor's pages: whole without any script, and live with a little."""

from __future__ import annotations

import logging
from typing import Annotated, Final
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse, StreamingResponse

from callback.web.access import COOKIE, SESSION_S, Access, check, client_of
from callback.web.api import Id, TheDesk
from callback.web.board import key_of
from callback.web.boards import Boards
from callback.web.desk import Desk
from callback.web.history import history
from callback.web.keys import Key, Scope
from callback.web.problems import Problem
from callback.web.rendering import page, shown
from callback.web.stream import Part, Streams

logger: Final = logging.getLogger("callback.web")
HOME: Final = "/supervisor"
LOGIN: Final = f"{HOME}/login"
UNBUFFERED: Final = {"X-Accel-Buffering": "no"}  # what nginx asks for
router: Final = APIRouter(prefix=HOME, include_in_schema=False)


class KeyWanted(Exception):  # noqa: N818 -- no error: leads to the page that asks for a key
    """Who looks has to show a key first; ``to`` is where they wanted to go."""

    def __init__(self, to: str) -> None:
        super().__init__("a key is wanted")
        self.to = to


async def to_login(_request: Request, error: Exception) -> Response:
    """Answer who has to show a key first."""
    to = error.to if isinstance(error, KeyWanted) else HOME
    return RedirectResponse(f"{LOGIN}?to={quote(to, safe='')}", 303)


def _visitor(request: Request) -> Key:
    access: Access = request.app.state.access
    key = access.visitor(request.cookies.get(COOKIE), client_of(request))
    if key is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise KeyWanted(request.url.path + query if request.method == "GET" else HOME)
    check(key, Scope.SUPERVISE)
    return key


Supervisor = Annotated[Key, Depends(_visitor)]


def _same_origin(request: Request) -> None:
    """Raise a problem for a form of another site. The cookie is SameSite=Strict; this does not rely on it."""
    site, origin = request.headers.get("sec-fetch-site", "none"), request.headers.get("origin")
    ours = {f"{scheme}://{request.headers.get('host', '')}" for scheme in ("http", "https")}
    if site not in {"same-origin", "none"} or (origin is not None and origin not in ours):
        raise Problem(403, "other-site", "a form of another site was sent here: nothing was done")


OwnForm = Depends(_same_origin)


def _part(queue: str, after: str | None) -> Part:
    try:
        if after:
            key_of(after)
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "after is no place in line: an address that was cut off?") from None
    return queue, after or ""


@router.get("")
async def line(request: Request, key: Supervisor, queue: str | None = None, after: str | None = None) -> Response:
    """Show a part of the line of one queue."""
    boards: Boards = request.app.state.boards
    queues = await boards.queues()
    chosen = queue or (queues[0] if queues else "")
    if queue and queue not in queues:
        raise Problem(404, "unknown-queue", "no queue has this name: a typing slip?")
    part = _part(chosen, after)
    board = await boards.read(part)
    return page(
        "line.html.j2",
        board=board,
        parts=shown(board),
        queues=queues,
        after=part[1],
        who=None if request.app.state.access.is_open else key.name,
    )


@router.get("/events")
async def events(request: Request, _key: Supervisor, queue: str, after: str | None = None) -> Response:
    """Stream what changes of a part of the line."""
    streams: Streams = request.app.state.streams
    streams.check()
    return StreamingResponse(
        streams.events(_part(queue, after)), media_type="text/event-stream", headers=UNBUFFERED
    )


async def _history(desk: Desk, key: Key, callback_id: str, *, whole: bool, who: str | None) -> Response:
    found = await desk.run(
        history,
        desk.service,
        callback_id,
        now=desk.now(),
        zone=ZoneInfo(desk.settings.zone),
        whole=whole,
    )
    return page("callback.html.j2", one=found, whole=whole, may_unmask=key.may(Scope.ADMIN), who=who)


def _who(request: Request, key: Key) -> str | None:
    return None if request.app.state.access.is_open else key.name


@router.get("/callbacks/{callback_id}")
async def one(callback_id: Id, request: Request, desk: TheDesk, key: Supervisor) -> Response:
    """Show a callback and what happened to it."""
    return await _history(desk, key, callback_id, whole=False, who=_who(request, key))


@router.post("/callbacks/{callback_id}/number", dependencies=[OwnForm])
async def number(callback_id: Id, request: Request, desk: TheDesk, key: Supervisor) -> Response:
    """Show it with number and name in full, and log who asked for which: not the number."""
    check(key, Scope.ADMIN)
    found = await _history(desk, key, callback_id, whole=True, who=_who(request, key))
    logger.warning("key %s was shown the number of callback %s", key.name, callback_id)
    desk.meters.unmasked.inc()
    return found


@router.get("/login")
async def login(request: Request, to: str = HOME) -> Response:
    """Ask for a key."""
    if request.app.state.access.is_open:
        return RedirectResponse(HOME, 303)
    return page("login.html.j2", to=_own_path(to), trouble="", who=None)


@router.post("/login", dependencies=[OwnForm])
async def log_in(request: Request) -> Response:
    """Take a key, and give the browser a session for it."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    to = _own_path(form.get("to", [HOME])[0])
    access: Access = request.app.state.access
    try:
        key = access.key(form.get("key", [""])[0].strip(), client_of(request))
        check(key, Scope.SUPERVISE)
    except Problem as problem:
        texts = {401: "This key is not known here. Was it copied whole?", 403: "This key is not for the page."}
        trouble = texts.get(problem.status_code, problem.detail)
        return page("login.html.j2", problem.status_code, to=to, trouble=trouble, who=None)
    answer = RedirectResponse(to, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE,
        access.begin(key),
        max_age=int(SESSION_S),
        httponly=True,
        samesite="strict",
        secure=secure,
        path=HOME,
    )
    return answer


@router.post("/logout", dependencies=[OwnForm])
async def log_out(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    access.end(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(COOKIE, path=HOME)
    return answer


def _own_path(to: str) -> str:
    """Return a path of these pages; anything else, as another site's address, is the first page."""
    return to if to == HOME or to.startswith((f"{HOME}?", f"{HOME}/")) else HOME

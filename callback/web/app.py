"""The application: routes, guard, what runs beside them, and where its parts are kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from callback.web import api, pages
from callback.web.access import Access, Needs
from callback.web.api import TheDesk
from callback.web.boards import Boards
from callback.web.desk import Desk
from callback.web.guard import Guard, where
from callback.web.keys import Key, Keys, Scope
from callback.web.meters import gauges
from callback.web.problems import Problem, add_handlers
from callback.web.schemas import ProblemOut, problems
from callback.web.stream import Streams

logger: Final = logging.getLogger("callback.web")
Companion = Callable[[], Awaitable[None]]
"""Something that runs as long as the service does: a sender of notices, a runner."""
DESCRIPTION: Final = (
    "Callbacks: booked, moved, cancelled, and how long they will take. Errors are problem details (RFC 9457)."
)


def create_app(
    desk: Desk,
    keys: Keys | None,
    *,
    companions: Sequence[Companion] = (),
    hosts: Iterable[str] | None = None,
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    desk : Desk
    keys : Keys or None
        None: nobody is asked for a key. Then ``hosts`` should be given.
    companions : sequence of callable
        Each is run while the service is up; when one fails, ``/readyz`` says so.
    hosts : iterable of str or None
        The names of this host that it answers to; None answers to any.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_beside(desk, companion)) for companion in companions]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        app.state.streams.close()

    app = FastAPI(
        title="callback",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    boards = Boards(desk)
    app.state.desk = desk
    app.state.access = Access(keys, desk.settings.limits)
    app.state.boards = boards
    app.state.streams = Streams(boards.shown, streams_max=desk.settings.limits.streams_max)
    add_handlers(app)
    app.add_exception_handler(pages.KeyWanted, pages.to_login)
    app.add_middleware(Guard, limits=desk.settings.limits, meters=desk.meters, hosts=hosts)
    app.include_router(api.router)
    app.include_router(pages.router)
    _add_health(app)
    _describe_problems(app)
    app.mount("/static", StaticFiles(packages=[("callback.web", "static")]), name="static")
    return app


async def _beside(desk: Desk, companion: Companion) -> None:
    try:
        await companion()
    except Exception as error:  # noqa: BLE001 -- told to the log without its text, which may be anyone's number
        desk.failed = type(error).__name__
        logger.error("what runs beside the service has failed: %s", where(error))  # noqa: TRY400


def _add_health(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse(pages.HOME, 303)

    @app.get("/healthz", tags=["health"])
    async def alive() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], responses={503: problems(503)[503]})
    async def ready(desk: TheDesk) -> dict[str, str]:
        """Say that the store can be used."""
        if desk.failed:
            raise Problem(503, "companion-failed", f"what runs beside the service has failed: {desk.failed}")
        await desk.run(desk.service.store.check)
        return {"status": "ok"}

    @app.get("/metrics", tags=["health"], response_class=Response, responses=problems())
    async def metrics(desk: TheDesk, _key: Annotated[Key, Depends(Needs(Scope.SUPERVISE))]) -> Response:
        """Prometheus' text format."""
        found = await desk.run(lambda: list(gauges(desk.service.store, desk.now())))
        return Response(desk.meters.text(found), media_type=CONTENT_TYPE_LATEST)


def _describe_problems(app: FastAPI) -> None:
    """Add to the OpenAPI document what `callback.web.schemas.problems` refers to."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        document["components"]["schemas"].setdefault(ProblemOut.__name__, ProblemOut.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI has for it


def _version() -> str:
    try:
        return version("amd-callback")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"

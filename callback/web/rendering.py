"""Templates, filled: whole pages, and the parts of one that change while it is looked at."""

from __future__ import annotations

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from callback.web.board import Board
from callback.web.stream import Shown

_templates: Final = Environment(
    loader=PackageLoader("callback.web", "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PANELS: Final = ("clock", "tiles", "pacing", "outcomes", "ended", "pager", "empty")


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page as a response."""
    return HTMLResponse(_templates.get_template(name).render(**values), status)


def shown(board: Board) -> Shown:
    """Return the parts of the page of a line."""
    parts: Any = _templates.get_template("parts.html.j2").module
    return Shown(
        rows={row.id: str(parts.row(row)) for row in board.rows},
        panels={"trouble": "", **{name: str(getattr(parts, name)(board)) for name in PANELS}},
    )

"""The demonstration on a terminal: the line, the agents, what happened last."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from callback.demo.words import MARKS, STATES, clock
from callback.numbers import mask
from callback.states import Callback, State
from callback.store.reads import Attempt

COLOURS: Final = {
    State.REJOINED: "bold green",
    State.OFFERED: "bold green",
    State.CONNECTED: "green",
    State.COMPLETED: "dim green",
    State.RECONCILING: "bold red",
    State.DETECTING: "bold yellow",
    State.DIALING: "yellow",
    State.EXHAUSTED: "red",
    State.UNDELIVERABLE: "red",
}
LINES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One customer, as shown."""

    label: str
    callback: Callback
    attempts: list[Attempt]
    place: int
    wait: str


@dataclass(slots=True, kw_only=True)
class Picture:
    """What is shown."""

    now: datetime
    began: datetime
    speed: float
    database: str
    rows: list[Row] = field(default_factory=list)
    agents: list[tuple[str, str]] = field(default_factory=list)
    live: int = 0
    reserved: int = 0
    """Agents who were asked before a person was on the line: the flow is there so that this stays 0."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))


def drawn(picture: Picture) -> Group:
    """Return the picture for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name, right in (("", False), ("place", True), ("joined", True), ("state", False), ("next", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("wait", justify="right", no_wrap=True)
    table.add_column("calls so far", overflow="fold", ratio=1)
    for row in picture.rows:
        one = row.callback
        opens = one.window.opens_at if one.state is State.DEFERRED and one.window else None
        number = mask(one.person.number)[-5:] if one.person else ""
        table.add_row(
            Text(f"{row.label} {number}", style="dim" if one.ended else ""),
            str(row.place) if row.place else "",
            clock((picture.now - one.booking.enqueued_at).total_seconds()) if not one.ended else "",
            Text(STATES[one.state], style=COLOURS.get(one.state, "")),
            clock((opens - picture.now).total_seconds()) if opens else "",
            row.wait,
            ", ".join(MARKS[call.outcome] for call in row.attempts if call.outcome),
        )
    agents = Table.grid(padding=(0, 3))
    agents.add_row(
        *(Text.assemble((f"{agent} ", "bold"), (doing, _shade(doing))) for agent, doing in picture.agents)
    )
    shown = clock((picture.now - picture.began).total_seconds())
    title = f"callback demo · {shown} on its clock, {picture.speed:g} times as fast as yours · {picture.database}"
    counts = Text(
        f"live callers in the same line: {picture.live} · "
        f"agents asked before a person was there: {picture.reserved}"
    )
    return Group(
        Panel(table, title=title, title_align="left"),
        agents,
        counts,
        Panel(Text("\n".join(picture.lines)), title="what happened", title_align="left"),
        Text("Ctrl-C, or kill -9: start it again, and it goes on with every place kept.", style="dim"),
    )


def _shade(doing: str) -> str:
    return "dim" if doing == "free" else "green"


def wide_enough(console: Console) -> bool:
    """Whether the picture fits; else lines are printed."""
    return console.is_terminal and console.width >= 90 and console.height >= 30

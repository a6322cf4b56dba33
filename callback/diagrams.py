"""The table of transitions, drawn: a Mermaid diagram, a Markdown table, and the CHECKs of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from callback.events import Booked, Erased, Event
from callback.states import IN_CALL, TERMINAL, State
from callback.transitions import TABLE, Move

START: Final = "new"
"""Stands for the state before the first event."""


def moves() -> Iterator[tuple[State, type[Event], Move]]:
    """Yield every legal pair of state and event, and where it leads."""
    for state in State:
        for kind, move in TABLE[state].items():
            yield state, kind, move


def mermaid() -> str:
    """Draw the states, for anything that shows Mermaid. Events that leave a callback where it is are left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.DEFERRED}: {Booked.type}"]
    edges = sorted((state, move.to, kind.type) for state, kind, move in moves() if move.to is not state)
    for (state, to), group in groupby(edges, key=lambda edge: edge[:2]):
        lines.append(f"    {state} --> {to}: {', '.join(name for _, _, name in group)}")
    lines += [f"    {state} --> [*]" for state in State if state in TERMINAL]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Write the table: what is not in it is illegal."""
    lines = ["| state | event | leads to | commands |", "| --- | --- | --- | --- |"]
    for state, kind, move in moves():
        commands = ", ".join(f"`{command.type}`" for command in move.commands)
        lines.append(f"| `{state}` | `{kind.type}` | `{move.to}` | {commands} |")
    return "\n".join(lines) + "\n"


def moves_check() -> str:
    """SQL that is true of a row of the log when it moves as the table says."""
    first = f"{START}>{Booked.type}>{State.DEFERRED}"
    legal = [first, *(f"{state}>{kind.type}>{move.to}" for state, kind, move in moves())]
    return f"(from_state || '>' || type || '>' || to_state) IN ({_quoted(legal)})"


def shape_check() -> str:
    """SQL that is true of a callback which has what its state needs, and nothing that it forbids.

    Whoever has not ended has a timer or a lease (I8); whoever waits for an agent was found to be a person (I5).
    """
    in_line = [state for state in State if state not in TERMINAL and state not in IN_CALL]
    reached = (State.REJOINED, State.OFFERED, State.CONNECTED)
    over_call = [state for state in State if state in TERMINAL and TABLE[state].keys() - {Erased}]
    ended = [state for state in State if state in TERMINAL and state not in over_call]
    has_window = "opens_at_us IS NOT NULL AND closes_at_us IS NOT NULL AND opens_at_us < closes_at_us"
    shapes = (
        (in_line, f"{has_window} AND dial_id IS NULL AND wake_at_us IS NOT NULL AND reason IS NULL"),
        (
            [state for state in State if state in IN_CALL and state not in reached],
            "opens_at_us IS NULL AND dial_id IS NOT NULL AND wake_at_us IS NOT NULL AND reason IS NULL",
        ),
        (
            reached,
            "opens_at_us IS NULL AND dial_reached_at_us IS NOT NULL AND wake_at_us IS NOT NULL AND reason IS NULL",
        ),
        (over_call, "opens_at_us IS NULL AND (dial_id IS NULL) = (wake_at_us IS NULL) AND reason IS NOT NULL"),
        (ended, "opens_at_us IS NULL AND dial_id IS NULL AND wake_at_us IS NULL AND reason IS NOT NULL"),
    )
    return " OR ".join(f"(state IN ({_quoted(states)}) AND {need})" for states, need in shapes)


def open_check() -> str:
    """SQL that is true of a callback that has not ended; the partial indexes have it too."""
    return f"state NOT IN ({_quoted(state for state in State if state in TERMINAL)})"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)

"""The command line: show, export, migrate, simulate, serve. Results on stdout, all else on stderr."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from callback.demo import command as demo
from callback.errors import CallbackError, StoreUnavailable
from callback.log import encode
from callback.numbers import mask
from callback.running import command as running
from callback.simulation import command as simulation
from callback.states import Callback, State
from callback.store import Reads, Store
from callback.web import command as web

OK: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130
DATABASE: Final = "CALLBACK_DATABASE"
FIELDS: Final = (
    "id",
    "queue",
    "state",
    "reason",
    "priority",
    "enqueued_at",
    "seq",
    "deadline_at",
    "opens_at",
    "closes_at",
    "wake_at",
    "attempts",
    "failures",
    "last_outcome",
    "number",
    "changed_at",
    "version",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except CallbackError as error:
        _say(f"callback: {error}")
        return FAILED
    except KeyboardInterrupt:
        _say("callback: interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # a full disk where the output goes
        _say(f"callback: could not write: {error.strerror}")
        return FAILED
    return status


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 -- stderr is for people


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callback",
        description="A fair callback queue: place calls, serve bookings, look at the line, simulate it.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser(
        "show",
        help="the line as it stands, or one callback with its history",
        description="Without an ID: the open callbacks, in the order of their queues. With an ID: where this "
        "callback stands, its calls, and everything that happened to it. Numbers are masked.",
    )
    show.add_argument("id", nargs="?", metavar="ID", help="of a callback")
    show.add_argument("--queue", metavar="NAME", help="only this queue")
    show.add_argument("--ended", action="store_true", help="callbacks that have ended, too")
    _common(show)
    show.set_defaults(run=_show)

    export = commands.add_parser(
        "export",
        help="every callback, as JSON lines or CSV",
        description="Write every callback to stdout. JSON lines have its events and calls too. Times are UTC.",
    )
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default: jsonl")
    export.add_argument(
        "--numbers", action="store_true", help="write numbers and names in full: they are personal data"
    )
    _common(export)
    export.set_defaults(run=_export)

    migrate = commands.add_parser(
        "migrate",
        help="make a store, or bring an older one to this version",
        description="Make the tables in an empty database, or bring them to the version of this program: all of "
        "it, or nothing. There is no way back: keep a copy.",
    )
    _common(migrate)
    migrate.set_defaults(run=_migrate)
    simulation.add_parser(commands)
    demo.add_parser(commands)
    web.add_parsers(commands, _common, _opened)
    running.add_parser(commands, _common, _opened)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default=os.environ.get(DATABASE, "callbacks.db"),
        metavar="URL",
        help=f"a SQLite file or postgresql://host/name (default: ${DATABASE}, else callbacks.db)",
    )


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Store]:
    store = Store(options.database)
    url = store.engine.url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise StoreUnavailable(
            f"there is no file {url.database}: another folder, or `callback migrate` to make it?"
        )
    with closing(store):
        store.check()
        yield store


def _migrate(options: argparse.Namespace) -> int:
    with closing(Store(options.database)) as store:
        before, after = store.migrate()
    _say(f"callback: the store has version {after}" + (", as before" if before == after else f", it had {before}"))
    return OK


def _show(options: argparse.Namespace) -> int:
    with _opened(options) as store, store.reading() as reads:
        _write(_history(reads, options.id) if options.id else _line(reads, options))
    return OK


def _write(lines: Iterator[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _line(reads: Reads, options: argparse.Namespace) -> Iterator[str]:
    found = [one for one in reads.all() if options.ended or not one.ended]
    chosen = [one for one in found if options.queue in {None, one.booking.queue}]
    place = 0
    queue = None
    for one in sorted(chosen, key=lambda one: (one.booking.queue, one.ended, one.booking.key)):
        if one.booking.queue != queue:
            queue, place = one.booking.queue, 0
            yield f"queue {queue}"
        in_line = not one.ended and one.state is not State.CONNECTED
        place += in_line
        number = mask(one.person.number) if one.person else "erased"
        yield f"  {place if in_line else '-':>4}  {one.id}  {one.state:<13} {number:>15}  {_standing(one)}"
    if queue is None:
        yield "no callbacks"


def _standing(one: Callback) -> str:
    """Say what a callback waits for."""
    joined = f"joined {_time(one.booking.enqueued_at)}"
    if one.reason is not None:
        return f"{joined}, ended {_time(one.changed_at)}: {one.reason}"
    tried = f", {one.tally.attempts} of {one.booking.attempts_max} attempts" if one.tally.attempts else ""
    if one.state is State.DEFERRED and one.window is not None:
        return f"{joined}, not before {_time(one.window.opens_at)}{tried}"
    return f"{joined}{tried}"


def _time(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M:%SZ")


def _history(reads: Reads, callback_id: str) -> Iterator[str]:
    one = reads.get(callback_id)
    number = mask(one.person.number) if one.person else "erased"
    yield f"callback {one.id}, queue {one.booking.queue}, number {number}"
    yield f"  {one.state}, {_standing(one)}, deadline {_time(one.booking.deadline_at)}"
    if not one.ended and one.state is not State.CONNECTED:
        yield f"  position {1 + reads.ahead(one.booking)} of the queue"
    yield "calls"
    attempts = reads.attempts(callback_id)
    for call in attempts:
        ended = f"ended {_time(call.ended_at)}" if call.ended_at else "on"
        came_to = f": {call.outcome}" if call.outcome else ""
        cause = f" ({call.cause})" if call.cause else ""
        yield f"  {_time(call.started_at)}  {call.dial_id}  {ended}{came_to}{cause}"
    if not attempts:
        yield "  none yet"
    yield "events"
    for event, at in reads.log(callback_id):
        yield f"  {_time(at)}  {event.type}"


def _export(options: argparse.Namespace) -> int:
    with _opened(options) as store, store.reading() as reads:
        rows = ((one, _row(one, whole=options.numbers)) for one in reads.all())
        if options.format == "csv":
            fields = [*FIELDS, "name"] if options.numbers else FIELDS
            writer = csv.DictWriter(sys.stdout, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for _, row in rows)
        else:
            _write(json.dumps({**row, **_happened(reads, one)}) for one, row in rows)
    return OK


def _row(one: Callback, *, whole: bool) -> dict[str, Any]:
    booking, window, tally = one.booking, one.window, one.tally
    row: dict[str, Any] = {
        "id": one.id,
        "queue": booking.queue,
        "state": one.state.value,
        "reason": one.reason and one.reason.value,
        "priority": booking.priority,
        "enqueued_at": _iso(booking.enqueued_at),
        "seq": booking.seq,
        "deadline_at": _iso(booking.deadline_at),
        "opens_at": window and _iso(window.opens_at),
        "closes_at": window and _iso(window.closes_at),
        "wake_at": _iso(one.wake_at),
        "attempts": tally.attempts,
        "failures": tally.failures,
        "last_outcome": tally.last_outcome and tally.last_outcome.value,
        "number": one.person and mask(one.person.number),
        "changed_at": _iso(one.changed_at),
        "version": one.version,
    }
    if whole:
        row |= {"number": one.person and one.person.number, "name": one.person and one.person.name}
    return row


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _happened(reads: Reads, one: Callback) -> dict[str, Any]:
    events = [
        {"type": event.type, "at": _iso(at), "data": json.loads(encode(event))} for event, at in reads.log(one.id)
    ]
    calls = [
        {
            "dial_id": call.dial_id,
            "started_at": _iso(call.started_at),
            "reached_at": _iso(call.reached_at),
            "ended_at": _iso(call.ended_at),
            "outcome": call.outcome and call.outcome.value,
            "cause": call.cause,
            "evidence": call.evidence and json.loads(call.evidence),
        }
        for call in reads.attempts(one.id)
    ]
    return {"calls": calls, "events": events}

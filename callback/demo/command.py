"""`callback demo`: the whole flow on one machine, without a telephone."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.live import Live

if TYPE_CHECKING:
    from callback.demo.screen import Picture

DATABASE: Final = "callback-demo.db"
STOPPED: Final = 130


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="see it work: simulated customers and agents, real audio, the real detector",
        description="Customers ask to be called back, are dialled, screened by ear, tried again, put back in line "
        "in their old place, and put through. Customers and agents are simulated; what answers is heard from "
        "synthetic recordings. Everything is written to a file of SQLite as it happens: kill it at any time "
        "(Ctrl-C, kill -9), start it again, and it goes on.",
    )
    parser.add_argument(
        "--database", default=DATABASE, metavar="FILE", help=f"default: {DATABASE}, in this folder"
    )
    parser.add_argument("--fresh", action="store_true", help="forget an earlier demonstration in that file")
    parser.add_argument("--customers", type=int, default=12, metavar="N", help="1 to 90 (default: 12)")
    parser.add_argument("--agents", type=int, default=2, metavar="N", help="1 to 9 (default: 2)")
    parser.add_argument("--speed", type=float, default=4.0, metavar="X", help="times real time (default: 4)")
    parser.add_argument("--plain", action="store_true", help="lines instead of a picture, as in a pipe")
    parser.add_argument(
        "--samples", type=Path, metavar="FOLDER", help="other recordings: human-*.wav, machine-*.wav"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show it; returns the exit status."""
    from callback.demo.play import Demo, Setting  # noqa: PLC0415 -- the detector is slow to load
    from callback.demo.screen import drawn, wide_enough  # noqa: PLC0415

    _check(options)
    database = Path(options.database)
    if options.fresh:
        for file in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
            file.unlink(missing_ok=True)
    console = Console()
    plain = options.plain or not wide_enough(console)
    live = Live(console=console, auto_refresh=False, screen=False)

    def show(picture: Picture, fresh: list[str]) -> None:
        if plain:
            for line in fresh:
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            live.update(drawn(picture), refresh=True)

    setting = Setting(
        database=str(database),
        customers=options.customers,
        agents=options.agents,
        speed=options.speed,
        sounds=_sounds(options.samples),
    )
    demo = Demo(setting, show)
    if demo.resumed:
        _say(f"going on with {demo.resumed} callbacks of {database}; --fresh begins anew")
    try:
        if plain:
            asyncio.run(demo.run())
        else:
            with live:
                asyncio.run(demo.run())
    except KeyboardInterrupt:
        _say(f"stopped. Every place is kept in {database}: start it again, and it goes on")
        return STOPPED
    _say(f"every callback is over. `callback show --ended --database {database}` tells all of it")
    return 0


def _check(options: argparse.Namespace) -> None:
    from callback.demo.people import CUSTOMERS_MAX  # noqa: PLC0415
    from callback.errors import CallbackError  # noqa: PLC0415

    for name, value, least, most in (
        ("--customers", options.customers, 1, CUSTOMERS_MAX),
        ("--agents", options.agents, 1, 9),
        ("--speed", options.speed, 1, 20),
    ):
        if not least <= value <= most:
            raise CallbackError(f"{name} {value} is not within {least} and {most}")


def _sounds(folder: Path | None) -> Any:
    from callback.dialers.customers import read_sounds, shipped_sounds  # noqa: PLC0415

    return shipped_sounds() if folder is None else read_sounds(folder)


def _say(text: str) -> None:
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr)  # noqa: T201 -- stderr is for people

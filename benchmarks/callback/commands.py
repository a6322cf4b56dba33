"""``python -m benchmarks callback ...``: walks, worlds, kills, races, speed, page, and the page of states."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.callback import kills, pages, races, runners, speed, walks, watching, world
from benchmarks.callback.postgres import Server

DATABASES = ("sqlite", "postgresql")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and what it can do."""
    parser = commands.add_parser("callback", help="proofs and figures of the callback queue")
    parts = parser.add_subparsers(required=True, metavar="PART")
    for name, run, words in (
        ("walk", _walk, "millions of random steps of the core"),
        ("worlds", _worlds, "callbacks in a telephone world whose workers die at any write"),
        ("kills", _kills, "real processes, killed by SIGKILL at any boundary of a write"),
        ("runners", _runners, "whole runners, killed by SIGKILL beside a telephone world that goes on"),
        ("races", _races, "processes that claim from one line at once"),
        ("speed", _speed, "a transition, and durable claims from long lines"),
        ("page", _page, "what looking at a line costs"),
        ("docs", _docs, "write docs/callback-states.md"),
    ):
        part = parts.add_parser(name, help=words, description=words)
        part.add_argument("--seed", type=int, default=1, metavar="N", help="of what is drawn (default 1)")
        part.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
        part.set_defaults(run=run)
        _options(name, part)


def _options(name: str, part: argparse.ArgumentParser) -> None:
    whole: dict[str, list[tuple[str, float, str]]] = {
        "walk": [("--steps", 5_000_000, "how many")],
        "worlds": [("--callbacks", 100_000, "how many"), ("--jobs", 2, "processes")],
        "kills": [("--kills", 500, "on each database")],
        "runners": [
            ("--callbacks", 300, "how many"),
            ("--kills", 100, "on each database"),
            ("--speed", 10.0, "times as fast as life"),
        ],
        "races": [
            ("--processes", 4, "at once"),
            ("--seconds", 120.0, "of racing"),
            ("--rows", 400_000, "waiting"),
        ],
        "speed": [("--seconds", 10.0, "of claims each"), ("--rows", 100_000, "waiting, on SQLite")],
    }
    for option, default, words in whole.get(name, []):
        kind: Callable[[str], float] = float if isinstance(default, float) else int
        part.add_argument(option, type=kind, default=default, metavar="N", help=f"{words} (default {default})")
    if name in {"kills", "races", "runners"}:
        part.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES, help="default: both")
    if name == "page":
        lengths = [50, 5_000, 50_000]
        part.add_argument("--rows", nargs="+", type=int, default=lengths, metavar="N", help=f"default {lengths}")
    if name == "speed":
        part.add_argument(
            "--postgres-rows",
            nargs="*",
            type=int,
            default=[10_000, 100_000, 1_000_000],
            metavar="N",
            help="waiting, on PostgreSQL (default 10000 100000 1000000)",
        )


@contextmanager
def _databases(names: list[str]) -> Iterator[tuple[dict[str, str], Path]]:
    """Yield URLs of fresh databases and a folder, all of which go away."""
    with tempfile.TemporaryDirectory(prefix="callback-") as folder:
        urls = {"sqlite": str(Path(folder) / "callbacks.db")} if "sqlite" in names else {}
        server = Server() if "postgresql" in names else None
        try:
            if server is not None:
                urls["postgresql"] = server.database()
            yield urls, Path(folder)
        finally:
            if server is not None:
                server.close()


def _leave(kept: bool) -> None:  # noqa: FBT001 -- what there is to say
    if not kept:
        sys.exit("something was broken: see above")


def _walk(options: argparse.Namespace) -> None:
    seen = walks.run(options.steps, options.seed)
    figures = {
        "steps": seen.steps,
        "refused": seen.refused,
        "pairs_met": len(seen.pairs),
        "ends": dict(sorted(seen.ends.items())),
        "problems": seen.problems,
    }
    print(json.dumps(figures, indent=2))
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _leave(not seen.problems)


def _worlds(options: argparse.Namespace) -> None:
    _leave(world.run(options.callbacks, seed=options.seed, jobs=options.jobs, out=options.out))


def _kills(options: argparse.Namespace) -> None:
    with _databases(options.databases) as (urls, folder):
        _leave(kills.run(urls, options.kills, seed=options.seed, folder=folder, out=options.out))


def _runners(options: argparse.Namespace) -> None:
    with _databases(options.databases) as (urls, folder):
        sizes = {"callbacks": options.callbacks, "kills": options.kills, "seed": options.seed}
        _leave(runners.run(urls, folder, **sizes, speed=options.speed, out=options.out))


def _races(options: argparse.Namespace) -> None:
    with _databases(options.databases) as (urls, _):
        sizes = {"processes": options.processes, "seconds": options.seconds, "rows": options.rows}
        _leave(races.run(urls, **sizes, out=options.out))


def _speed(options: argparse.Namespace) -> None:
    speed.run(rows=options.rows, postgres_rows=options.postgres_rows, seconds=options.seconds, out=options.out)


def _page(options: argparse.Namespace) -> None:
    watching.run(options.rows, out=options.out)


def _docs(_options: argparse.Namespace) -> None:
    pages.run()

"""What commands say to a person, and what their options have in common."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from amd.model import Model, load, shipped
from amd.policy import PRESETS, Policy, preset

OK: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

PROGRESS_MIN_FILES: Final = 20


@contextmanager
def progress(n_files: int, what: str = "judging") -> Iterator[Callable[[], None]]:
    """A bar on stderr for long work, when a person watches."""
    if n_files < PROGRESS_MIN_FILES or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=n_files)
        yield lambda: bar.advance(task)


def print_tables(*tables: RenderableType) -> None:
    """Write tables to stdout, never cut short: a terminal that is too narrow wraps them."""
    console = Console(width=10_000)
    with console.capture() as captured:
        console.print(*tables, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def say(text: str) -> None:
    """Tell a person something, on stderr."""
    print(text, file=sys.stderr)  # noqa: T201 -- stderr is for people


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be 1 or more")
    return int(text)


def add_policy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what judges."""
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="one that `amd train` made (default: the shipped)"
    )
    parser.add_argument("--policy", choices=tuple(PRESETS), default="balanced", help="default: balanced")
    parser.add_argument(
        "--early-media",
        action="store_true",
        help="the audio starts before the answer: waits count from where ringback stops",
    )


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who does the work."""
    parser.add_argument("--jobs", type=positive, help="worker processes (default: all cores)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the workers of this Dask scheduler (needs the extra: cluster)"
    )


def model_of(options: argparse.Namespace) -> Model:
    """Return the model that the options name."""
    return load(options.model) if options.model else shipped()


def policy_of(options: argparse.Namespace, model: Model) -> Policy:
    """Return the policy that the options name."""
    return dataclasses.replace(preset(options.policy, model), early_media=options.early_media)

"""``amd label``: propose labels for recordings, and let a person correct them."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from amd.commands.terminal import (
    OK,
    SOME_FAILED,
    add_policy_options,
    model_of,
    policy_of,
    positive,
    progress,
    say,
)
from amd.labeling.labels import Labels, propose, read_labels, unchecked
from amd.labeling.server import LabelServer
from amd.recordings import Reading, recordings_in

PORT_MAX = 65_535


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "label",
        help="propose labels for recordings, for a person to correct",
        description="Judge the recordings below a folder and write a manifest of proposed labels, the most "
        "doubtful first. Correct it in a spreadsheet, or with --page in a browser. What is in the manifest stays: "
        "a run that was interrupted goes on, and new recordings are added.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="searched all the way down")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the manifest (default: FOLDER/manifest.csv)")
    parser.add_argument(
        "--page", action="store_true", help="then serve a page on this machine: play, press h or m, next"
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="of the page (default: any that is free)"
    )
    add_policy_options(parser)
    parser.add_argument("--jobs", type=positive, help="worker processes (default: all cores)")
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 to {PORT_MAX}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Propose, write, and serve."""
    out = options.out or options.folder / "manifest.csv"
    model = model_of(options)
    reading = Reading(policy=policy_of(options, model), model=model if options.model else None)
    with progress(len(recordings_in(options.folder))) as told:
        failures = propose(options.folder, out, reading, jobs=options.jobs, told=told)
    for failure in failures:
        say(f"amd: could not read {failure.reason}")
    rows = read_labels(out)
    n_open = sum(1 for _ in unchecked(rows))
    say(f"amd: wrote {out}: {len(rows)} recordings, {n_open} of them for a person to check")
    if options.page:
        with LabelServer(Labels(out), port=options.port) as server, suppress(KeyboardInterrupt):  # to stop it
            say(f"amd: open {server.url} (stop with Ctrl-C)")
            server.serve_forever()
    return SOME_FAILED if failures else OK

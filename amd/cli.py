"""The command line: ``amd classify``, ``amd explain``, ... Results on stdout, all else on stderr."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import glob
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Final

import amd
from amd.audio import RATE_HZ, Encoding, check_rate
from amd.commands.terminal import (
    INTERRUPTED,
    OK,
    SOME_FAILED,
    add_policy_options,
    model_of,
    policy_of,
    positive,
    print_tables,
    progress,
    say,
)
from amd.errors import AmdError, ManifestError
from amd.evaluation.text import calls_table, card_table
from amd.model import load, save
from amd.policy import Until
from amd.recordings import Failure, Reading, Result, classify_many, recordings_in, trace

ENCODINGS: Final = {**{str(encoding): encoding for encoding in Encoding}, "slin": Encoding.PCM16}
COMMANDS: Final = ("evaluate", "compare", "label", "listen")
"""Each a module of `amd.commands`."""
OWN_COMMANDS: Final = frozenset(("classify", "explain", *COMMANDS))
CSV_FIELDS: Final = (
    "file",
    "party",
    "sub_state",
    "cause",
    "probability",
    "decided_at_s",
    "known_s",
    "duration_s",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = _parser(given[:1]).parse_args(given)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except AmdError as error:
        say(f"amd: {error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        say("amd: interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: nothing is left to say
        _drop_output()
        return OK
    except OSError as error:  # a full disk, a folder that is not there
        _drop_output()
        say(f"amd: could not write{f' {error.filename}' if error.filename else ''}: {error.strerror}")
        return SOME_FAILED
    return status


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that leaving does not fail on it again."""
    with suppress(io.UnsupportedOperation):  # stdout may be no file: then nothing is buffered either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(asked: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; where one of our commands is asked for, with no other that takes long to import."""
    parser = argparse.ArgumentParser(
        prog="amd", description="Say what answered a phone call, from the audio alone: human, machine, fax, ..."
    )
    parser.add_argument("--version", action="version", version=f"amd {amd.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    classify = commands.add_parser(
        "classify",
        help="judge recordings of answered calls",
        description="Judge recordings of answered calls, each from the moment of answer. Exit status: 0 when all "
        "files were judged, 1 when some could not be read, 2 for wrong usage.",
    )
    classify.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or a quoted pattern")
    classify.add_argument("--format", choices=("table", "jsonl", "csv"), default="table", help="default: table")
    classify.add_argument(
        "--until",
        choices=tuple(map(str, Until)),
        help="verdict: stop soon after it; end: follow a machine to the end of its greeting (default: as the "
        "policy says)",
    )
    _add_reading_options(classify)
    classify.set_defaults(run=_classify)

    explain = commands.add_parser(
        "explain",
        help="draw one call and what was made of it",
        description="Draw one call: waveform, spectrogram, speech, tones, probability over time, the verdict.",
    )
    explain.add_argument("path", metavar="PATH", help="a recording")
    explain.add_argument("--out", type=Path, help="PNG or SVG file (default: the recording's name, .png, here)")
    _add_reading_options(explain)
    explain.set_defaults(run=_explain)

    for name in COMMANDS:
        if name in asked or not set(asked) & OWN_COMMANDS:
            import_module(f"amd.commands.{name}").add(commands)

    train = commands.add_parser(
        "train",
        help="make a model of labeled calls",
        description="Fit a network to labeled sets, calibrate it and choose its stopping rule on speakers that it "
        "did not hear, and write one model file with its card (needs the extra: train). Use it with --model.",
    )
    train.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folder with manifest.csv")
    train.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the file to write")
    train.add_argument("--name", default="mine", help="what verdicts and reports call the model (default: mine)")
    train.add_argument("--folds", type=positive, default=3, metavar="N", help="of speakers (default: 3)")
    train.add_argument(
        "--held-out",
        type=Path,
        action="append",
        default=[],
        metavar="SET",
        help="choose calibration and rule on this set of other speakers, in place of folds",
    )
    train.add_argument("--calls", type=positive, metavar="N", help="the first N of each set (default: all)")
    train.add_argument(
        "--rule-calls", type=positive, default=6000, metavar="N", help="to choose the rule on (default: 6000)"
    )
    train.add_argument("--epochs", type=positive, default=12, metavar="N", help="default: 12")
    train.add_argument(
        "--start",
        type=Path,
        metavar="MODEL",
        help="go on from the network of this model, at a fifth of the rate",
    )
    train.add_argument("--units", type=positive, default=96, metavar="N", help="of the network (default: 96)")
    train.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    train.add_argument("--jobs", type=positive, help="worker processes (default: all cores)")
    train.set_defaults(run=_train)
    return parser


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    add_policy_options(parser)
    parser.add_argument("--encoding", choices=tuple(ENCODINGS), help="the files are headerless, of this encoding")
    parser.add_argument(
        "--rate", type=_rate, default=RATE_HZ, metavar="HZ", help="of headerless files (default: 8000)"
    )
    parser.add_argument(
        "--channel", type=_channel, metavar="N", help="judge this channel, counted from 0 (default: mix all down)"
    )


def _rate(text: str) -> int:
    try:
        return check_rate(int(text))
    except (ValueError, AmdError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _channel(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 or more: channels count from 0")
    return int(text)


def _reading(options: argparse.Namespace) -> Reading:
    model = model_of(options)
    policy = policy_of(options, model)
    if getattr(options, "until", None):
        policy = dataclasses.replace(policy, until=Until(options.until))
    encoding = ENCODINGS[options.encoding] if options.encoding else None
    return Reading(policy=policy, encoding=encoding, rate_hz=options.rate, channel=options.channel, model=model)


def _classify(options: argparse.Namespace) -> int:
    paths, missing = _expand(options.paths, headerless=options.encoding is not None)
    failures = list(missing)
    results: list[Result] = []
    with progress(len(paths)) as told:
        for outcome in classify_many(paths, _reading(options)):
            told()
            if isinstance(outcome, Failure):
                failures.append(outcome)
            elif options.format == "jsonl":
                print(json.dumps(outcome.to_dict()), flush=True)  # noqa: T201 -- the result
            else:
                results.append(outcome)
            if isinstance(outcome, Result):
                for note in outcome.notes:
                    say(f"amd: note: {outcome.file} {note}")
    if options.format == "csv":
        writer = csv.DictWriter(sys.stdout, CSV_FIELDS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(result.to_dict() for result in results)
    elif options.format == "table" and results:
        print_tables(calls_table(results))
    return _tell_failures(failures)


def _explain(options: argparse.Namespace) -> int:
    result, samples, traces = trace(options.path, _reading(options))
    out = options.out or Path(Path(options.path).stem + ".png")
    title_text = Path(options.path).name
    from amd.drawing import draw_call  # noqa: PLC0415 - what no other command needs

    draw_call(samples, result.events, traces, result.verdict, title=title_text, out=out)
    say(f"amd: wrote {out}")
    return OK


def _train(options: argparse.Namespace) -> int:
    # floors: training stands above the rest of the package, and its extra may not be installed
    from amd.training import fitting  # noqa: PLC0415
    from amd.training.answer import Recipe, going_on  # noqa: PLC0415

    if options.folds < 2:
        raise ManifestError(f"--folds {options.folds} leaves nothing to choose the stopping rule on: 2 or more")
    start = load(options.start) if options.start else None
    recipe = Recipe(n_epochs=options.epochs, n_units=options.units, seed=options.seed)
    if start is not None:
        recipe = going_on(recipe, start.network)
    plan = fitting.Plan(
        recipe=recipe,
        start=start,
        version=options.name,
        date=date.today().isoformat(),
        n_folds=options.folds,
        n_calls=options.calls,
        n_rule_calls=options.rule_calls,
        jobs=options.jobs or os.cpu_count() or 1,
    )
    model = fitting.train(options.sets, plan, held_out=options.held_out, told=say)
    save(model, options.out)
    print_tables(card_table(model))
    say(f"amd: wrote {options.out}")
    return OK


def _expand(given: Sequence[str], *, headerless: bool) -> tuple[list[str], list[Failure]]:
    """Files of the paths, folders (searched all the way down) and patterns, each once; and what names nothing."""
    paths: dict[str, str] = {}
    missing: list[Failure] = []
    for text in given:
        is_pattern = glob.has_magic(text) and not Path(text).exists()
        named = sorted(glob.glob(text, recursive=True)) if is_pattern else [text]  # noqa: PTH207 -- absolute too
        if not named:
            missing.append(Failure(file=text, reason=f"{text}: no file matches"))
        for name in named:
            found = recordings_in(Path(name), headerless=headerless) if Path(name).is_dir() else [name]
            if not found:
                missing.append(Failure(file=name, reason=f"{name}: the folder holds no recordings"))
            for file in found:
                paths.setdefault(os.path.normpath(file), file)
    return list(paths.values()), missing


def _tell_failures(failures: Sequence[Failure]) -> int:
    for failure in failures:
        say(f"amd: could not read {failure.reason}")
    return SOME_FAILED if failures else OK

"""The benchmark command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmarks import (
    accuracy,
    baselines,
    bound,
    calibration,
    curve,
    fit_peers,
    gallery,
    leave_one_out,
    listening,
    listening_cost,
    pauses,
    probe,
    readme,
    recognising,
    rings,
    scale,
    speech_activity,
    speed,
    tones,
    waits,
)
from benchmarks.callback import commands as callback_commands
from benchmarks.fuzz import command as fuzz
from benchmarks.systems import PEERS
from benchmarks.tones import fit

RESULTS: Final = Path(__file__).parent / "results"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verdicts(commands)
    _add_fitted(commands)
    _add_waits(commands)
    callback_commands.add(commands)
    fuzz.add(commands)
    speaking = commands.add_parser("speech", help="score speech activity on composed sets, each by itself")
    speaking.add_argument(
        "sets", nargs="+", type=Path, metavar="SET", help="folder with manifest.csv and truth.jsonl"
    )
    speaking.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    speaking.set_defaults(run=lambda options: speech_activity.run(options.sets, options.out))
    ringing = commands.add_parser("rings", help="whether ringback before an answer changes what is said of it")
    ringing.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folder with manifest.csv")
    ringing.add_argument("--calls", type=int, metavar="N", help="the first so many of each set")
    ringing.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    ringing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    ringing.set_defaults(
        run=lambda options: rings.run(options.sets, n_calls=options.calls, jobs=options.jobs, out=options.out)
    )
    knowing = commands.add_parser("recognise", help="whether a greeting is known again at the next call")
    knowing.add_argument("clips", type=Path, metavar="CLIPS", help="clips.csv of datasets/build.py")
    knowing.add_argument("--split", choices=("train", "dev", "test"), default="test")
    knowing.add_argument("--numbers", type=int, default=300, metavar="N")
    knowing.add_argument("--seed", type=int, default=1)
    knowing.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    knowing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    knowing.set_defaults(
        run=lambda options: recognising.run(
            options.clips,
            split=options.split,
            n_numbers=options.numbers,
            seed=options.seed,
            jobs=options.jobs,
            out=options.out,
        )
    )
    calibrating = commands.add_parser("calibration", help="on which calls probabilities are right as frequencies")
    calibrating.add_argument("sets", nargs="+", type=Path, metavar="SET", help="folder with manifest.csv")
    calibrating.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    calibrating.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    calibrating.set_defaults(run=lambda options: calibration.run(options.sets, jobs=options.jobs, out=options.out))
    errors = commands.add_parser("gallery", help="sort the errors on a composed set, and draw the surest")
    errors.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv and truth.jsonl")
    errors.add_argument("--out", type=Path, metavar="FOLDER", help="for the pictures (needs matplotlib)")
    errors.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    errors.set_defaults(run=lambda options: gallery.run(options.set, options.out, jobs=options.jobs))
    scaling = commands.add_parser(
        "scale", help="what a bank costs as calls become more, beside peers, on one core"
    )
    scaling.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    scaling.add_argument("--plot", type=Path, metavar="FILE", help="draw them (needs matplotlib)")
    scaling.set_defaults(run=lambda options: scale.run(options.out, options.plot))
    _add_listen(commands)
    pausing = commands.add_parser("pauses", help="how long a bank's turns last over ten minutes of calls")
    pausing.add_argument("--calls", type=int, default=pauses.CALLS, metavar="N", help="default: 1000")
    pausing.add_argument("--minutes", type=float, default=pauses.MINUTES, metavar="N", help="default: 10")
    pausing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    pausing.set_defaults(
        run=lambda options: pauses.run(options.out, n_calls=options.calls, minutes=options.minutes)
    )
    tables = commands.add_parser("readme", help="write the generated tables of README.md")
    tables.set_defaults(run=lambda _: readme.run())
    timing = commands.add_parser("speed", help="CPU time of amd and the peers, as ratios, on one core")
    timing.add_argument(
        "set", nargs="?", type=Path, default=speed.SAMPLES, metavar="SET", help="default: the samples"
    )
    timing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    timing.set_defaults(run=lambda options: speed.run(options.set, out=options.out))
    everything = commands.add_parser(
        "all", help="accuracy, tones, speed and scale, their figures into benchmarks/results"
    )
    _add_sets(everything)
    everything.add_argument("--seed", type=int, default=1, metavar="N", help="of the tones (default 1)")
    everything.set_defaults(run=_run_all)
    beeps = commands.add_parser("tones", help="score amd and the peers on generated tones")
    beeps.add_argument("--seed", type=int, default=1, metavar="N", help="of the suite (default 1)")
    beeps.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    beeps.add_argument("--quick", action="store_true", help="a minute's worth of it")
    beeps.add_argument("--clips", type=Path, metavar="FOLDER", help="tone-free clips, with clips.csv")
    beeps.set_defaults(
        run=lambda options: tones.run(seed=options.seed, out=options.out, quick=options.quick, clips=options.clips)
    )
    fitting = commands.add_parser(
        "fit-beeps", help="fit the trees that tell beeps from voices (needs scikit-learn)"
    )
    fitting.add_argument("--clips", type=Path, default=tones.CLIPS, metavar="FOLDER", help="clips of real voices")
    fitting.add_argument(
        "--calls", type=Path, metavar="FOLDER", help="calls of datasets/compose.py, train split, to learn from too"
    )
    fitting.add_argument("--seed", type=int, default=7000, metavar="N", help="of the beeps (default 7000)")
    fitting.add_argument("--tasks", type=int, default=40, metavar="N", help="times 40 beeps a codec (default 40)")
    fitting.add_argument("--out", type=Path, required=True, metavar="FILE", help="write the trees as JSON")
    fitting.set_defaults(
        run=lambda options: fit.run(
            options.clips, options.calls, options.out, seed=options.seed, n_tasks=options.tasks
        )
    )
    options = parser.parse_args()
    options.run(options)


def _run_all(options: argparse.Namespace) -> None:
    """Run what has figures in ``benchmarks/results``, or in the folder that ``--out`` names."""
    folder: Path = options.out or RESULTS
    name = "-".join(one.name for one in options.sets)
    out = folder / f"accuracy-{name}.json"
    accuracy.run(options.sets, peers=options.peers, out=out, sliced=False, jobs=options.jobs)
    tones.run(seed=options.seed, out=folder / "tones.json", quick=False, clips=None)
    speed.run(speed.SAMPLES, out=folder / "speed.json")
    scale.run(folder / "scale.json")


def _add_verdicts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that are about verdicts."""
    scoring = commands.add_parser("accuracy", help="score every policy and the peers on labeled sets")
    _add_sets(scoring)
    scoring.add_argument("--slices", action="store_true", help="print the parts of the set too")
    scoring.add_argument(
        "--verdicts", type=Path, metavar="FOLDER", help="write every verdict, a table a system, for `amd compare`"
    )
    scoring.set_defaults(
        run=lambda options: accuracy.run(
            options.sets,
            peers=options.peers,
            out=options.out,
            sliced=options.slices,
            jobs=options.jobs,
            verdicts=options.verdicts,
        )
    )
    sweeping = commands.add_parser("curve", help="replay stopping rules on labeled sets: errors against delay")
    _add_sets(sweeping)
    sweeping.add_argument(
        "--check", type=int, default=0, metavar="N", help="compare N replayed calls with the detector's first"
    )
    sweeping.set_defaults(
        run=lambda options: curve.run(
            options.sets, peers=options.peers, out=options.out, jobs=options.jobs, n_checked=options.check
        )
    )


def _add_listen(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command that loads a server with calls."""
    loading = commands.add_parser("listen", help="load `amd listen` with calls: how late its verdicts are")
    loading.add_argument("--audiosocket", type=int, default=200, metavar="N", help="calls at once (default 200)")
    loading.add_argument("--websocket", type=int, default=100, metavar="N", help="calls at once (default 100)")
    loading.add_argument("--minutes", type=float, default=0.5, metavar="N", help="with all of them (default 0.5)")
    loading.add_argument("--call", type=float, default=30.0, metavar="SECONDS", help="of a call (default 30)")
    loading.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    loading.add_argument(
        "--profile", type=Path, metavar="FILE", help="profile the server's loop into it (cProfile)"
    )
    loading.add_argument(
        "--cost", action="store_true", help="CPU alone, of several numbers of calls, on a clock that waits"
    )
    loading.set_defaults(
        run=lambda options: (
            listening_cost.run(options.out, call_s=options.call)
            if options.cost
            else listening.run(
                audiosocket=options.audiosocket,
                websocket=options.websocket,
                minutes=options.minutes,
                call_s=options.call,
                out=options.out,
                profile=options.profile,
            )
        )
    )


def _add_waits(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command that simulates lines of callers and callbacks."""
    waiting = commands.add_parser("waits", help="simulate lines: how far estimated waits are off")
    waiting.add_argument("--out", type=Path, default=RESULTS / "waits.json", metavar="FILE", help="the figures")
    waiting.add_argument("--plot", type=Path, metavar="FILE", help="a picture of them (needs matplotlib)")
    waiting.add_argument("--seed", type=int, default=1, metavar="N", help="of the simulation (default 1)")
    waiting.add_argument(
        "--customers", type=int, default=waits.CUSTOMERS, metavar="N", help=f"of each line ({waits.CUSTOMERS:,})"
    )
    waiting.set_defaults(
        run=lambda options: waits.run(
            out=options.out, plot=options.plot, seed=options.seed, n_customers=options.customers
        )
    )


def _add_fitted(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that fit something, for which they need scikit-learn."""
    fitting = commands.add_parser(
        "fit-peers", help="choose the peers' constants on train calls (needs scikit-learn and the peers)"
    )
    fitting.add_argument(
        "sets", nargs="+", type=Path, metavar="TRAINSET", help="composed sets, of the train split"
    )
    fitting.add_argument("--calls", type=int, metavar="N", help="the first so many of each set")
    fitting.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    fitting.add_argument("--out", type=Path, required=True, metavar="FILE", help="write the trees as JSON")
    fitting.set_defaults(
        run=lambda options: fit_peers.run(options.sets, options.out, n_calls=options.calls, n_jobs=options.jobs)
    )
    basing = commands.add_parser(
        "baselines", help="fit other models to the same calls, and score them beside the network"
    )
    basing.add_argument("sets", nargs="+", type=Path, metavar="TRAINSET", help="composed sets, of the train split")
    basing.add_argument(
        "--dev", type=Path, required=True, metavar="SET", help="composed set to choose stopping rules on"
    )
    basing.add_argument(
        "--test", type=Path, action="append", required=True, metavar="SET", help="set to score; repeatable"
    )
    basing.add_argument("--calls", type=int, metavar="N", help="the first so many of each train set")
    basing.add_argument("--dev-calls", type=int, metavar="N", help="the first so many of the dev set")
    basing.add_argument("--test-calls", type=int, metavar="N", help="the first so many of each test set")
    basing.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    basing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    basing.set_defaults(
        run=lambda options: baselines.run(
            options.sets,
            options.dev,
            options.test,
            out=options.out,
            n_calls=options.calls,
            n_dev=options.dev_calls,
            n_test=options.test_calls,
            n_jobs=options.jobs,
        )
    )
    bounding = commands.add_parser("bound", help="what cadence alone would tell a perfect ear (needs torch)")
    bounding.add_argument(
        "sets", nargs="+", type=Path, metavar="TRAINSET", help="composed sets, of the train split"
    )
    bounding.add_argument(
        "--dev", type=Path, action="append", required=True, metavar="SET", help="composed set to score; repeatable"
    )
    bounding.add_argument("--epochs", type=int, default=10, metavar="N", help="of the fit (default 10)")
    bounding.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    bounding.set_defaults(
        run=lambda options: bound.run(options.sets, options.dev, out=options.out, n_epochs=options.epochs)
    )
    probing = commands.add_parser("probe", help="whether the line alone tells people from machines")
    probing.add_argument("set", type=Path, metavar="SET", help="composed set to fit to, and score by folds")
    probing.add_argument("--dev", type=Path, metavar="SET", help="composed set to score instead of folds")
    probing.add_argument("--calls", type=int, metavar="N", help="the first so many of SET")
    probing.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")
    probing.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    probing.set_defaults(
        run=lambda options: probe.run(
            options.set, options.dev, out=options.out, n_calls=options.calls, n_jobs=options.jobs
        )
    )
    leaving = commands.add_parser("leave-one-out", help="clips files without one source, and with it alone")
    leaving.add_argument("clips", type=Path, metavar="CLIPS", help="clips.csv of datasets/build.py")
    leaving.add_argument("--source", metavar="NAME", help="which to leave out; none lists what can be")
    leaving.add_argument("--out", type=Path, metavar="FOLDER", help="for the two clips files")
    leaving.set_defaults(run=lambda options: leave_one_out.run(options.clips, options.source, options.out))


def _add_sets(parser: argparse.ArgumentParser) -> None:
    """Add what every command that scores sets takes."""
    parser.add_argument(
        "sets", nargs="+", type=Path, metavar="SET", help="folder with manifest.csv; several are one"
    )
    parser.add_argument(
        "--peers",
        default="all",
        metavar="NAMES",
        help=f"all that are installed (default), none, or of {', '.join(PEERS)}",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: as many as cores)")


if __name__ == "__main__":
    main()

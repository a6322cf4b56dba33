"""The benchmark command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import accuracy, readme, speech_activity, tones
from benchmarks.tones import fit


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    scoring = commands.add_parser("accuracy", help="score every policy and the peers on a labeled set")
    scoring.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv")
    scoring.set_defaults(run=lambda options: accuracy.run(options.set))
    speaking = commands.add_parser("speech", help="score speech activity on a composed set")
    speaking.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv and truth.jsonl")
    speaking.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    speaking.set_defaults(run=lambda options: speech_activity.run(options.set, options.out))
    tables = commands.add_parser("readme", help="write the generated tables of README.md")
    tables.set_defaults(run=lambda _: readme.run())
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
    fitting.add_argument("--tasks", type=int, default=20, metavar="N", help="times 40 beeps a codec (default 20)")
    fitting.add_argument("--out", type=Path, required=True, metavar="FILE", help="write the trees as JSON")
    fitting.set_defaults(
        run=lambda options: fit.run(
            options.clips, options.calls, options.out, seed=options.seed, n_tasks=options.tasks
        )
    )
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

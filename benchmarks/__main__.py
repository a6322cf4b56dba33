"""The benchmark command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import accuracy, readme, tones


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    scoring = commands.add_parser("accuracy", help="score every policy and the peers on a labeled set")
    scoring.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv")
    scoring.set_defaults(run=lambda options: accuracy.run(options.set))
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
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

"""The benchmark command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import accuracy, readme


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    scoring = commands.add_parser("accuracy", help="score every policy and the peers on a labeled set")
    scoring.add_argument("set", type=Path, metavar="SET", help="folder with manifest.csv")
    scoring.set_defaults(run=lambda options: accuracy.run(options.set))
    tables = commands.add_parser("readme", help="write the generated tables of README.md")
    tables.set_defaults(run=lambda _: readme.run())
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

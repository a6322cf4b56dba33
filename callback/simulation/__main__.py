"""``python -m callback.simulation``: `callback simulate` by itself."""

from __future__ import annotations

import argparse
import sys

from callback.simulation.command import add_options, run


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m callback.simulation", description=__doc__)
    add_options(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

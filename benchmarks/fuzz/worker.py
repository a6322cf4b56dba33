"""One process that fuzzes one decoder, guided by coverage: ``python -m benchmarks.fuzz.worker NAME FLAGS``.

The flags are libFuzzer's, which ends the process; `benchmarks.fuzz.command` starts it and reads what it says.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["amd.adapters"]):
    from benchmarks.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz for as long as ``-max_total_time`` says."""
    name, *flags = sys.argv[1:]
    atheris.Setup([sys.argv[0], *flags], TARGETS[name].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

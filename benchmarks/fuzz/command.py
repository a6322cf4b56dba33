"""``python -m benchmarks fuzz``: no error but the declared one, little held, the same however cut.

Guided by coverage (atheris), each decoder for so many minutes, one process after another. What it finds is written
as an input that ``--replay`` runs again; a find belongs into a test of its own, with the decoder's repair.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from amd.errors import MissingExtraError
from benchmarks.fuzz.properties import BrokenError
from benchmarks.fuzz.targets import TARGETS

INPUT_MAX_BYTES: Final = 4096
UNIT_MAX_S: Final = 60
"""One input takes a second at most; on a busy machine, of the lowest priority, much more."""
MEMORY_MAX_MB: Final = 1024
START_S: Final = 600
"""A worker has so long beyond its time to import and to end: it is of the lowest priority."""
NICE: Final = 10


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("fuzz", help="feed decoders what a fuzzer makes up (needs the extra: fuzz)")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="N", help="for each decoder (default 1)")
    parser.add_argument(
        "--decoder", action="append", choices=tuple(TARGETS), metavar="NAME", help=f"one of {', '.join(TARGETS)}"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the fuzzer (default 1)")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), metavar="FOLDER", help="for what breaks")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run one input on --decoder, and say what breaks"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Fuzz the decoders that are asked for; exit with 1 when something was found."""
    names: Sequence[str] = options.decoder or tuple(TARGETS)
    if options.replay is not None:
        if len(names) != 1:
            raise SystemExit("fuzz: --replay FILE needs --decoder NAME, once")
        raise SystemExit(replay(names[0], options.replay.read_bytes()))
    if importlib.util.find_spec("atheris") is None:
        raise MissingExtraError('fuzzing needs the extra fuzz: pip install "amd-callback[fuzz]"')
    seconds = max(1, round(60 * options.minutes))
    rows = []
    for name in names:
        rows.append(row := fuzz(name, seconds, seed=options.seed, finds=options.finds))
        print(
            f"{name}: {row['inputs']:,} inputs in {seconds} s, {row['edges']} edges, "
            f"{row['features']} features; {row['found'] or 'nothing found'}",
            flush=True,
        )
    if options.out is not None:
        figures = {
            "what": "inputs made up by a coverage-guided fuzzer, each fed whole, cut and repeated",
            "python": f"{platform.machine()}, Python {platform.python_version()}",
            "seconds_each": seconds,
            "seed": options.seed,
            "decoders": rows,
        }
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if any(row["found"] for row in rows):
        raise SystemExit(1)


def fuzz(name: str, seconds: int, *, seed: int, finds: Path) -> dict[str, Any]:
    """Fuzz one decoder in a process of its own; return its figures.

    ``found`` is None, or the name of the input under ``finds`` that broke a property.
    """
    with tempfile.TemporaryDirectory() as folder:
        corpus, broken = Path(folder) / "corpus", Path(folder) / "broken"
        corpus.mkdir()
        broken.mkdir()
        for n, data in enumerate(TARGETS[name].seeds):
            (corpus / f"seed-{n}").write_bytes(data)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{word}"\n' for word in _words(TARGETS[name].seeds)), encoding="ascii")
        command = [
            *(sys.executable, "-m", "benchmarks.fuzz.worker", name, str(corpus)),
            *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={INPUT_MAX_BYTES}"),
            *(f"-timeout={UNIT_MAX_S}", f"-rss_limit_mb={MEMORY_MAX_MB}", f"-artifact_prefix={broken}{os.sep}"),
            *("-print_final_stats=1", f"-dict={words}"),
        ]
        with contextlib.ExitStack() as stack:
            log = stack.enter_context((Path(folder) / "log").open("w+", encoding="utf-8", errors="replace"))
            ended = subprocess.run(  # noqa: S603 -- our own module
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=seconds + START_S,
                check=False,
                preexec_fn=lambda: os.nice(NICE),
            )
            log.seek(0)
            said = log.read()
        inputs = sorted(broken.iterdir())
        if ended.returncode and not inputs:
            raise SystemExit(f"fuzz: {name}'s process failed:\n{said[-2000:]}")
        found = None
        if inputs:
            finds.mkdir(parents=True, exist_ok=True)
            found = f"{name}-{inputs[0].name}"
            (finds / found).write_bytes(inputs[0].read_bytes())
        return {"decoder": name, **_figures(said), "found": found}


def _words(seeds: Sequence[bytes]) -> list[str]:
    """Names that a decoder asks for, for the fuzzer to put in: letters by chance would not find them."""
    found = {word.decode("ascii") for seed in seeds for word in re.findall(rb"[A-Za-z_./:=;-]{3,}", seed)}
    return sorted(found) or ["amd"]


def _figures(said: str) -> dict[str, int]:
    """Read libFuzzer's last line of coverage and its totals."""
    coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)/", said)[-1:] or [("0", "0", "0")]
    totals = dict(re.findall(r"stat::(\w+):\s+(\d+)", said))
    edges, features, kept = (int(figure) for figure in coverage[0])
    return {
        "inputs": int(totals.get("number_of_executed_units", 0)),
        "edges": edges,
        "features": features,
        "kept": kept,
        "memory_peak_mb": int(totals.get("peak_rss_mb", 0)),
    }


def replay(name: str, data: bytes) -> int:
    """Run one input; return 0 if nothing breaks, else 1 and say what does."""
    try:
        TARGETS[name].check(data)
    except BrokenError as error:
        print(f"{name}: {error}")
        return 1
    except Exception:  # noqa: BLE001 -- whatever it is, it is the find
        traceback.print_exc()
        return 1
    print(f"{name}: {len(data)} bytes, nothing breaks")
    return 0

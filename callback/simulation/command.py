"""``callback simulate``: compare callback policies in a simulated centre, and what screening does to them."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from amd.commands.terminal import OK, USAGE, positive, print_tables, say
from callback.simulation.detection import PERFECT, Detector, read_detector, systems_of
from callback.simulation.experiment import (
    SHIFTS,
    Compared,
    accuracy_arms,
    compare,
    detector_arms,
    latency_arms,
    policy_arms,
)
from callback.simulation.measures import CONFIDENCE
from callback.simulation.scenario import Scenario, ScenarioError
from callback.simulation.text import (
    SCREENED,
    SECTIONS,
    SHOWN,
    as_data,
    detector_data,
    legend,
    scenario_data,
    table,
)

TITLE: Final = "A simulated contact centre, made up"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``simulate`` to a command line."""
    parser = commands.add_parser(
        "simulate",
        help="compare callback policies in a simulated contact centre",
        description="Simulate a made-up contact centre under every callback policy, with the same customers, and "
        "print waits, hang-ups, overtaking, holds and agents' time with 95 % intervals.",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--shifts", type=positive, default=SHIFTS, metavar="N", help=f"default: {SHIFTS}")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--agents", type=positive, metavar="N", help="default: 30")
    parser.add_argument(
        "--accepts", type=float, metavar="SHARE", help="of those offered a callback (default: 0.5)"
    )
    parser.add_argument("--retry-after", type=float, metavar="SECONDS", help="default: 300")
    parser.add_argument("--hold-patience", type=float, metavar="SECONDS", help="mean, on hold (default: for ever)")
    parser.add_argument(
        "--amd",
        type=Path,
        metavar="FILE",
        help="how often screening is wrong and how late: the CSV of `amd evaluate`, its --format json, or the "
        "JSON of `python -m benchmarks accuracy` (default: always right, at once)",
    )
    parser.add_argument(
        "--system",
        action="append",
        default=[],
        metavar="NAME",
        help="which of the benchmark's systems; the first screens, all are compared (default: the file's first)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON as well")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one HTML file that opens offline")


def run(options: argparse.Namespace) -> int:
    """Simulate, print, and write what was asked for."""
    try:
        return _run(options)
    except ScenarioError as error:
        say(f"callback: {error}")
        return USAGE


def _run(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("simpy") is None:
        raise ScenarioError("the simulation needs SimPy: pip install 'amd-callback[simulation]'")
    scenario, detectors = _scenario(options), _detectors(options)
    write_report = _report_writer(options.report) if options.report else None
    compared = simulate(scenario, detectors, seed=options.seed, shifts=options.shifts, jobs=options.jobs)
    about = {"command": _command(options), "seed": options.seed, "shifts": options.shifts}
    data = gather(scenario, detectors, compared, about)
    text = json.dumps(data, indent=1) + "\n"
    if options.format == "json":
        sys.stdout.write(text)
    else:
        tables: list[Any] = [f"{TITLE}: {options.shifts} shifts, seed {options.seed}; 95 % intervals of means"]
        for key, found in compared.items():
            heading, names = SECTIONS[key]
            tables.append(table(f"\n{heading}", found, names))
        print_tables(*tables, "", legend(list(dict.fromkeys((*SHOWN, *SCREENED)))))
    if options.out:
        options.out.write_text(text, encoding="utf-8")
        say(f"callback: wrote {options.out}")
    if write_report is not None:
        write_report(data, options.report)
        say(f"callback: wrote {options.report}")
    return OK


def simulate(
    scenario: Scenario, detectors: Sequence[Detector], *, seed: int, shifts: int, jobs: int | None
) -> dict[str, list[Compared]]:
    """Simulate every table of `SECTIONS` that there is something to say in."""
    measured = detectors[0] if detectors else PERFECT
    arms = {"policies": policy_arms()}
    if detectors:
        arms |= {"screened": policy_arms(measured), "detectors": detector_arms(detectors)}
    arms |= {"accuracy": accuracy_arms(measured), "latency": latency_arms(measured)}
    return {key: compare(scenario, found, seed=seed, shifts=shifts, jobs=jobs) for key, found in arms.items()}


def gather(
    scenario: Scenario,
    detectors: Sequence[Detector],
    compared: dict[str, list[Compared]],
    about: dict[str, Any],
) -> dict[str, Any]:
    """Return all that was simulated, and of what, as plain JSON types."""
    return {
        "title": f"{TITLE}: {about['shifts']} shifts",
        **about,
        "confidence": CONFIDENCE,
        "scenario": scenario_data(scenario),
        "detectors": {one.name: detector_data(one) for one in (PERFECT, *detectors)},
        "tables": {key: as_data(found) for key, found in compared.items()},
    }


def _command(options: argparse.Namespace) -> str:
    """Return what gives the same figures: a report is no part of it, nor a number of processes, nor a folder."""
    words = ["callback", "simulate", "--shifts", str(options.shifts), "--seed", str(options.seed)]
    for name in ("agents", "accepts", "retry_after", "hold_patience"):
        if getattr(options, name) is not None:
            words += [f"--{name.replace('_', '-')}", f"{getattr(options, name):g}"]
    if options.amd is not None:
        words += ["--amd", options.amd.name]
    for name in options.system:
        words += ["--system", name]
    return shlex.join(words)


def _scenario(options: argparse.Namespace) -> Scenario:
    given = {
        "agents": options.agents,
        "accepts": options.accepts,
        "retry_after_s": options.retry_after,
        "hold_patience_s": options.hold_patience,
    }
    return replace(Scenario(), **{name: value for name, value in given.items() if value is not None})


def _detectors(options: argparse.Namespace) -> list[Detector]:
    if options.amd is None:
        if options.system:
            raise ScenarioError(f"--system {options.system[0]!r} needs --amd FILE to take it from")
        return []
    if options.amd.suffix.lower() == ".csv" or not options.system:
        return [read_detector(options.amd)]
    wanted = systems_of(options.amd) if options.system == ["all"] else options.system
    return [read_detector(options.amd, name) for name in wanted]


def _report_writer(out: Path) -> Any:
    """Return what writes the report; what it needs is asked for before minutes of simulating, not after."""
    from callback.simulation.page import check_installed, write_report  # noqa: PLC0415 - the figures must not need it

    check_installed()
    if not out.absolute().parent.is_dir():
        raise ScenarioError(f"cannot write {out}: there is no folder {out.parent}")
    return write_report

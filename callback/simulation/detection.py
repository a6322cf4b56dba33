"""How often a detector is wrong and how late its verdicts are, read from what an evaluation measured.

Three kinds of file are read: the per-call CSV of `amd evaluate`, its ``--format json``, and the JSON of
``python -m benchmarks accuracy``, which holds several systems.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from amd.errors import ManifestError
from amd.evaluation.measured import read_measured
from callback.simulation.scenario import ScenarioError

STEPS: Final = 199
"""A law of delays is kept as so many quantiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What screening says, and when.

    Parameters
    ----------
    name : str
    human_lost : float, 0 to 1
        People called anything but human or unsure: hung up on.
    human_unsure : float, 0 to 1
        People asked to press a key.
    machine_passed : float, 0 to 1
        Machines called human: an agent gets them.
    machine_unsure : float, 0 to 1
        Machines asked to press a key.
    human_delays_s, machine_delays_s : tuple of float, s
        Evenly spaced quantiles of the delay: from the end of a person's greeting, from a machine's first speech.
    source : str
    """

    name: str
    human_lost: float = 0.0
    human_unsure: float = 0.0
    machine_passed: float = 0.0
    machine_unsure: float = 0.0
    human_delays_s: tuple[float, ...] = (0.0,)
    machine_delays_s: tuple[float, ...] = (0.0,)
    source: str = "assumption: always right, at once"

    def __post_init__(self) -> None:
        for one, two in (("human_lost", "human_unsure"), ("machine_passed", "machine_unsure")):
            a, b = getattr(self, one), getattr(self, two)
            if not (a >= 0 and b >= 0 and a + b <= 1 + 1e-9):
                raise ScenarioError(f"{one}={a} and {two}={b} must be shares, 1 together at most: percentages?")
        for name in ("human_delays_s", "machine_delays_s"):
            if not getattr(self, name) or min(getattr(self, name)) < 0:
                raise ScenarioError(f"{name} must be one or more delays of at least 0 s")


PERFECT: Final = Detector(name="always right, at once")


def delay_s(delays_s: Sequence[float], chance: float) -> float:
    """Return the quantile of a law of delays.

    Examples
    --------
    >>> delay_s((1.0, 2.0, 5.0), 0.75)
    3.5
    """
    at = chance * (len(delays_s) - 1)
    low = min(int(at), len(delays_s) - 2)
    if low < 0:
        return delays_s[0]
    return delays_s[low] + (at - low) * (delays_s[low + 1] - delays_s[low])


def read_detector(path: Path, system: str | None = None) -> Detector:
    """Read what an evaluation measured.

    Parameters
    ----------
    path : Path
    system : str, optional
        Which, where the file holds several.

    Raises
    ------
    ScenarioError
        If it is no such file, lacks people or machines, or holds other systems.
    """
    if not path.is_file():
        raise ScenarioError(f"there is no file {path}: run `amd evaluate SET --format json > FILE` first")
    if path.suffix.lower() == ".csv":
        return _from_calls(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScenarioError(f"{path.name} is no JSON ({error}): a CSV of calls must end in .csv") from error
    if not isinstance(data, dict):
        raise ScenarioError(f"{path.name} is a {type(data).__name__}, not what `amd evaluate` writes")
    if "systems" in data:
        return _from_benchmark(path, data["systems"], system)
    if "confusion" in data and "scores" in data:
        counts = Counter({(one["label"], one["verdict"]): one["calls"] for one in data["confusion"]})
        human = _normal(data["scores"]["human verdict after greeting end"])
        machine = _normal(data["scores"]["machine verdict after speech start"])
        return _detector(f"amd, {data.get('policy', 'unknown policy')}", path, counts, human, machine)
    raise ScenarioError(f"{path.name} has neither 'systems' nor 'confusion': not what `amd evaluate` writes")


def systems_of(path: Path) -> tuple[str, ...]:
    """Names of the systems in a benchmark's file."""
    return tuple(json.loads(path.read_text(encoding="utf-8")).get("systems", {}))


def _from_benchmark(path: Path, systems: Mapping[str, Any], system: str | None) -> Detector:
    name = system or next(iter(systems))
    if name not in systems:
        raise ScenarioError(f"{path.name} has no system {name!r}; it has: {'; '.join(systems)}")
    figures = systems[name]
    pairs = {tuple(pair.split(">")): n for pair, n in figures["counts"].items()}
    human = _normal(figures["human_after_greeting_end_s"])
    machine = _normal(figures["machine_after_first_speech_s"])
    return _detector(
        name, path, Counter({(label, party): n for (label, party), n in pairs.items()}), human, machine
    )


def _from_calls(path: Path) -> Detector:
    counts: Counter[tuple[str, str]] = Counter()
    human: list[float] = []
    machine: list[float] = []
    try:
        for call in read_measured(path):
            counts[str(call.label), str(call.party)] += 1
            if call.right and call.label == "human":
                human.append(call.from_greeting_end_s)
            elif call.right and call.label == "machine":
                machine.append(call.from_speech_start_s)
    except ManifestError as error:
        raise ScenarioError(str(error)) from error
    return _detector(path.stem, path, counts, _empirical(human), _empirical(machine))


def _detector(
    name: str,
    path: Path,
    counts: Counter[tuple[str, str]],
    human_delays_s: tuple[float, ...],
    machine_delays_s: tuple[float, ...],
) -> Detector:
    def share(label: str, parties: Iterable[str]) -> float:
        total = sum(n for (found, _), n in counts.items() if found == label)
        if not total:
            raise ScenarioError(f"{path.name} has no call labelled {label}: its errors on them are not known")
        return sum(counts[label, party] for party in parties) / total

    lost = {party for _, party in counts} - {"human", "unsure"}
    return Detector(
        name=name,
        human_lost=share("human", sorted(lost)),
        human_unsure=share("human", ["unsure"]),
        machine_passed=share("machine", ["human"]),
        machine_unsure=share("machine", ["unsure"]),
        human_delays_s=human_delays_s,
        machine_delays_s=machine_delays_s,
        source=f"{path.name}, {sum(counts.values())} calls",
    )


def _normal(figure: Mapping[str, float | None]) -> tuple[float, ...]:
    """Return the normal law through a median and a ninth decile, nothing before 0: a file has no more."""
    p50, p90 = figure["p50"], figure["p90"]
    if p50 is None or p90 is None:
        raise ScenarioError(
            "the evaluation measured no delays: its manifest lacks greeting_end_s or speech_start_s"
        )
    normal = NormalDist()
    spread_s = (p90 - p50) / normal.inv_cdf(0.9)
    chances = [(step + 0.5) / STEPS for step in range(STEPS)]
    return tuple(max(0.0, p50 + spread_s * normal.inv_cdf(chance)) for chance in chances)


def _empirical(delays_s: Sequence[float]) -> tuple[float, ...]:
    known = [max(0.0, one) for one in delays_s if not math.isnan(one)]
    if not known:
        raise ScenarioError(
            "the evaluation measured no delays: its manifest lacks greeting_end_s or speech_start_s"
        )
    return tuple(np.quantile(known, np.linspace(0.0, 1.0, STEPS)).tolist())

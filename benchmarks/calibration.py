"""``python -m benchmarks calibration SET...``: on which calls are probabilities right as frequencies?

Of the verdicts that speech brought (``balanced``): what was said on average, how many were right, and the expected
calibration error. Few calls have an error however right the probabilities are, as dice have; so each error stands
beside what it would be if every probability were right: the mean, and what one draw in twenty exceeds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from amd.evaluation.manifest import Call
from amd.events import Party
from amd.policy import PRESETS
from amd.training.calibration import calibration_error
from amd.training.replay import Recorded, Stack, record
from benchmarks.accuracy import models, read_sets
from benchmarks.scoring import SLICES

N_DRAWS: Final = 1000
SEED: Final = 1
EXCEEDED: Final = 0.95
DIGITS: Final = 4
ALL: Final = "all"
OTHERS: Final = "neither person nor machine"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict that speech brought."""

    call: Call
    party: Party
    probability: float

    @property
    def right(self) -> bool:
        """Whether it is the label."""
        return self.party is self.call.label


PARTS: Final[dict[str, Callable[[Said], str]]] = {
    "": lambda _: ALL,
    "answered": lambda said: "person or machine" if said.call.label in (Party.HUMAN, Party.MACHINE) else OTHERS,
    "verdict": lambda said: str(said.party),
    "noise": lambda said: SLICES["noise"](said.call),
    "snr": lambda said: SLICES["snr"](said.call),
}


def run(folders: Sequence[Path], *, jobs: int | None, out: Path | None) -> None:
    """Hear the sets, print how well probabilities did on their parts; write it as JSON if asked to."""
    said = verdicts([one for folder in folders for one in record(folder, jobs)])
    found = {part: parts(said, part) for part in PARTS}
    names = ", ".join(folder.name for folder in folders)
    Console(width=10_000).print(table(f"{names}: {len(said)} verdicts by speech, balanced", found))
    if out is not None:
        data = {
            "command": "python -m benchmarks calibration",
            "sets": read_sets(folders).described(),
            **models(),
            "parts": found,
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def verdicts(calls: Sequence[Recorded]) -> list[Said]:
    """Return the verdicts of ``balanced`` that rest on a probability of speech."""
    decided = Stack(calls).decide(PRESETS["balanced"])
    return [
        Said(call=one.call, party=decided.said(index).party, probability=float(decided.probability[index]))
        for index, one in enumerate(calls)
        if one.call is not None and not np.isnan(decided.probability[index])
    ]


def parts(said: Sequence[Said], part: str) -> dict[str, dict[str, Any]]:
    """Sort verdicts into the parts of one kind, and score each."""
    by_name = defaultdict(list)
    for one in said:
        by_name[PARTS[part](one)].append(one)
    return {name: reliability(by_name[name]) for name in sorted(by_name)}


def reliability(said: Sequence[Said]) -> dict[str, Any]:
    """Return how well some probabilities did, as plain JSON types."""
    probability, right = np.array([one.probability for one in said]), np.array([one.right for one in said])
    mean, exceeded = by_chance(probability)
    return {
        "n": len(said),
        "said": round(float(probability.mean()), DIGITS),
        "right": round(float(right.mean()), DIGITS),
        "error": round(calibration_error(probability, right), DIGITS),
        "by_chance": round(mean, DIGITS),
        "by_chance_p95": round(exceeded, DIGITS),
    }


def by_chance(probability: Floats) -> tuple[float, float]:
    """Calibration error of verdicts that are right as often as was said: its mean, and what one in twenty exceeds.

    Examples
    --------
    >>> few, many = (by_chance(np.full(n, 0.9))[0] for n in (100, 10_000))
    >>> round(few, 2), round(many, 3)
    (0.02, 0.002)
    """
    rng = np.random.default_rng(SEED)
    errors = [calibration_error(probability, rng.random(probability.size) < probability) for _ in range(N_DRAWS)]
    return float(np.mean(errors)), float(np.quantile(errors, EXCEEDED))


def table(title: str, found: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """One row a part."""
    headers = ("part", "verdicts", "said", "right", "error", "by chance: mean, 95 %")
    made = Table(*headers, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for part, by_name in found.items():
        for name, one in by_name.items():
            shares = [f"{one[key]:.1%}" for key in ("said", "right", "error")]
            chance = f"{one['by_chance']:.1%}, {one['by_chance_p95']:.1%}"
            made.add_row(f"{part} {name}".strip(), str(one["n"]), *shares, chance)
    return made

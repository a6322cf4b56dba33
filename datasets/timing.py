"""Every quantity that a composed call is drawn from, read from `timing.toml`: how long, how loud, how often.

A law is a table with a `law`, a `unit`, and either a `source` or `assumption = true` with a `why`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

T = TypeVar("T")
FILE: Final = Path(__file__).with_name("timing.toml")
SPLITS: Final = ("train", "dev", "test")
LABELS: Final = ("human", "machine", "network", "fax", "silence")
_NEEDS: Final = {
    "uniform": {"from", "to"},
    "log_uniform": {"from", "to"},
    "chance": {"share"},
    "mixture": {"parts"},
}


class TimingError(Exception):
    """The file of quantities has a slip."""


@dataclass(frozen=True)
class Scenario:
    """One kind of call: its label, its share of all calls, and what decides it from sound alone."""

    name: str
    label: str
    share: float
    decided_by: str


@dataclass(frozen=True)
class Kind:
    """One kind of noise, codec or answer, and the splits that may have it."""

    name: str
    share: float
    splits: tuple[str, ...]
    law: str


def draw(pairs: Sequence[tuple[T, float]], rng: np.random.Generator) -> T:
    """Draw one of (value, share)."""
    shares = np.cumsum([share for _, share in pairs])
    return pairs[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))][0]


class Timing:
    """The laws, scenarios and kinds of one file."""

    def __init__(self, path: Path = FILE) -> None:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        self.laws: Mapping[str, dict[str, Any]] = tables["law"]
        for name, law in self.laws.items():
            _check(name, law)
        self.scenarios = tuple(Scenario(name=name, **row) for name, row in tables["scenario"].items())
        for scenario in self.scenarios:
            if scenario.label not in LABELS:
                raise TimingError(f"scenario {scenario.name}: label {scenario.label!r} is not one of {LABELS}")
        total = math.fsum(scenario.share for scenario in self.scenarios)
        if abs(total - 1.0) > 1e-9:
            raise TimingError(f"the shares of the scenarios add up to {total:.6f}, not to 1")
        self.noises, self.codecs = _kinds(tables["noise"]), _kinds(tables["codec"])
        self.choices: dict[str, list[tuple[str, float]]] = {
            name: list(table.items()) for name, table in tables["choice"].items()
        }

    def draw(self, name: str, rng: np.random.Generator) -> float:
        """Draw a quantity by its law."""
        if name not in self.laws:
            raise TimingError(f"there is no law {name!r}; there are: {', '.join(self.laws)}")
        return _draw(self.laws[name], rng)

    def has(self, name: str, split: str) -> bool:
        """Say whether a split has a quantity; it has all that do not name their splits."""
        return split in self.laws[name].get("splits", SPLITS)

    def chance(self, name: str, rng: np.random.Generator) -> bool:
        """Draw whether a thing happens."""
        return bool(self.draw(name, rng))

    def choose(self, name: str, rng: np.random.Generator) -> str:
        """Draw one of the names of a choice."""
        return draw(self.choices[name], rng)

    def scenario_at(self, place: float) -> Scenario:
        """Return the scenario at a `place` from 0 to 1 of the shares laid end to end."""
        bounds = np.cumsum([scenario.share for scenario in self.scenarios])
        return self.scenarios[min(int(np.searchsorted(bounds, place, side="right")), len(self.scenarios) - 1)]


def _check(name: str, law: Mapping[str, Any]) -> None:
    if law.get("law") not in _NEEDS:
        raise TimingError(f"law {name}: {law.get('law')!r} is not one of {', '.join(_NEEDS)}")
    missing = _NEEDS[law["law"]] - law.keys()
    if missing:
        raise TimingError(f"law {name}: {', '.join(sorted(missing))} is missing")
    if "unit" not in law:
        raise TimingError(f"law {name}: no unit")
    if not (law.get("source") or (law.get("assumption") and law.get("why"))):
        raise TimingError(f"law {name}: needs a source, or assumption = true and a why")


def _draw(law: Mapping[str, Any], rng: np.random.Generator) -> float:
    if law["law"] == "mixture":
        return _draw(draw([(part, part["weight"]) for part in law["parts"]], rng), rng)
    if law["law"] == "chance":
        return float(rng.random() < law["share"])
    if law["law"] == "log_uniform":
        return float(law["from"] * (law["to"] / law["from"]) ** rng.random())
    return float(rng.uniform(law["from"], law["to"]))


def _kinds(table: Mapping[str, Mapping[str, Any]]) -> tuple[Kind, ...]:
    return tuple(
        Kind(name, float(row["share"]), tuple(row.get("splits", SPLITS)), str(row.get("snr", "")))
        for name, row in table.items()
    )

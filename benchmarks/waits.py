"""``python -m benchmarks waits``: how far estimated waits are off, and how often the range holds, in simulation.

Estimators are compared by the root of their mean squared error over the mean wait, of customers who were served,
as Ibrahim and Whitt (2009) do. The range from the tenth to the ninetieth percentile should hold 80 % of all waits.
Intervals are 95 %, by the jackknife over batches of customers in order of arrival: neighbours wait alike.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks import waits_page
from benchmarks.waitline import Centre, Seen, observe
from callback.estimate import HIGH, LOW, Service, Wait, estimate_wait
from callback.ordering import Contact, Kind, Place

CUSTOMERS: Final = 1_000_000
OBSERVED: Final = 20_000
"""Customers who waited, observed evenly spaced, at the most: the cost is in estimating, not in simulating."""
BATCHES: Final = 20
T_95: Final = 2.093
"""Student's t for 19 degrees of freedom, two-sided 95 %."""
PATIENCE_S: Final = 400.0
"""Five thirds of the handling time. The figures in docs/waits.md that were known before do not say theirs; at this
one they come out."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is simulated, and what the estimator takes for true of it."""

    name: str
    centre: Centre
    assumed_handling: float = 1.0
    """The mean handling time that the estimator is given, over the true one."""
    counts_back: bool = True
    """Callbacks that will come back ahead are told to the estimator."""
    longer: int = 1
    """So many times the customers: a line near full load forgets how long it was only slowly."""
    assumed_from: int | None = None
    """Of so many calls it is the mean, drawn anew for each customer; None is of endlessly many."""


MIXED: Final = Centre(load=1.15, patience_s=PATIENCE_S, callbacks=0.3, reach=0.7)
CASES: Final = (
    Case(name="load 0.97, nobody hangs up", centre=Centre(load=0.97), longer=5),
    Case(name="load 1.15", centre=Centre(load=1.15, patience_s=PATIENCE_S)),
    *(
        Case(name=f"load {load:.2f}, 30 % callbacks", centre=replace(MIXED, load=load))
        for load in (0.90, 1.00, 1.15, 1.30, 1.50)
    ),
    Case(name="5 agents", centre=replace(MIXED, agents=5)),
    Case(name="half are callbacks", centre=replace(MIXED, load=1.30, callbacks=0.5)),
    Case(name="not reached, back after 300 s", centre=replace(MIXED, attempts=3)),
    Case(name="the same, not counted", centre=replace(MIXED, attempts=3), counts_back=False),
    Case(name="handling half as varied", centre=replace(MIXED, handling_cv=0.5)),
    Case(name="handling half again as varied", centre=replace(MIXED, handling_cv=1.5)),
    Case(name="handling is the mean of 64 calls", centre=MIXED, assumed_from=64),
    Case(name="handling taken 20 % too short", centre=MIXED, assumed_handling=0.8),
)
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)

TEAMS: Final = ((50, 240.0, 300.0), (100, 300.0, 60.0), (10, 180.0, 120.0), (3, 240.0, 60.0))
"""Agents, handling and patience (s), for the comparison with the exact law."""
AHEAD: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200)


def run(*, out: Path | None, plot: Path | None = None, seed: int = 1, n_customers: int = CUSTOMERS) -> None:
    """Simulate every case, print the tables, and write the figures as JSON and as a picture if asked to."""
    figures = {
        case.name: measure(case, seed=seed + index, n_customers=n_customers) for index, case in enumerate(CASES)
    }
    data = {
        "command": f"python -m benchmarks waits --seed {seed} --customers {n_customers}",
        "machine": f"Python {platform.python_version()}, numpy {np.__version__}",
        "range": [LOW, HIGH],
        "closure": [closure(*team) for team in TEAMS],
        "cases": figures,
    }
    console = Console(width=160)
    for headers, rows in (waits_page.errors(figures), waits_page.ranges(figures)):
        table = Table(*headers, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        waits_page.draw(figures, plot)


def measure(case: Case, *, seed: int, n_customers: int) -> dict[str, Any]:
    """Return the figures of one case."""
    centre, rng = case.centre, np.random.default_rng(seed)
    n_customers *= case.longer
    seen = observe(centre, rng, n_customers=n_customers, every=_every(centre, n_customers))
    seen = seen[: len(seen) // BATCHES * BATCHES]
    waits = np.array([one.wait_s for one in seen])
    served = np.array([one.served for one in seen])
    services = _services(case, rng, len(seen))
    ranges = [
        estimate_wait(contacts(one.live_ahead), service, back_s=one.back_s if case.counts_back else ())
        for one, service in zip(seen, services, strict=True)
    ]
    estimates = _estimates(seen, services, ranges)
    below = waits < np.array([one.p10_s for one in ranges])
    above = waits > np.array([one.p90_s for one in ranges])
    return {
        "centre": {name: value if math.isfinite(value) else None for name, value in asdict(centre).items()},
        "assumed_handling": case.assumed_handling,
        "assumed_from": case.assumed_from,
        "counts_back": case.counts_back,
        "n": len(seen),
        "mean_wait_s": round(float(waits.mean()), 1),
        "mean_ahead": round(float(np.mean([len(one.live_ahead) for one in seen])), 1),
        "rmse_over_mean": {
            name: jackknife(_rmse_over_mean, estimate, waits, served) for name, estimate in estimates.items()
        },
        "in_range": jackknife(_share, ~(below | above)),
        "below": jackknife(_share, below),
        "above": jackknife(_share, above),
        "range_over_median": round(float(np.median([(one.p90_s - one.p10_s) / one.p50_s for one in ranges])), 2),
    }


def closure(agents: int, handling_s: float, patience_s: float) -> dict[str, Any]:
    """Return how far the percentiles are from the exact ones, live callers ahead, at the worst of `AHEAD`.

    Exponentials of the rates ``r, r + a, ..., r + k a`` sum to ``-log(B) / a``, B of the law Beta(r / a, k + 1).
    """
    service = Service(agents=agents, handling_s=handling_s, patience_s=patience_s)
    worst = dict.fromkeys(("p10", "p50", "p90"), 0.0)
    for n_ahead in AHEAD:
        wait = estimate_wait(contacts([True] * n_ahead), service)
        law = stats.beta(patience_s / one_s(service), n_ahead + 1)
        for key, share, value in (("p10", LOW, wait.p10_s), ("p50", 0.5, wait.p50_s), ("p90", HIGH, wait.p90_s)):
            exact_s = -patience_s * math.log(law.ppf(1 - share))
            worst[key] = max(worst[key], abs(value / exact_s - 1))
    return {
        "agents": agents,
        "handling_s": handling_s,
        "patience_s": patience_s,
        "off": {key: round(value, 5) for key, value in worst.items()},
    }


def _every(centre: Centre, n_customers: int) -> int:
    """Return a spacing that leaves some `OBSERVED` customers, were all of them to wait."""
    return max(1, math.ceil(n_customers / OBSERVED / (3 if centre.load < 1 else 1)))


def contacts(live_ahead: Sequence[bool]) -> list[Contact]:
    """Return those ahead as the line of `callback` has them."""
    return [_contact(index, live=live) for index, live in enumerate(live_ahead)]


def _contact(index: int, *, live: bool) -> Contact:
    place = Place(priority=0, enqueued_at=EPOCH, seq=index)
    return Contact(id=str(index), place=place, kind=Kind.LIVE if live else Kind.CALLBACK, ready=live)


def _services(case: Case, rng: np.random.Generator, n: int) -> list[Service]:
    """Return what the estimator takes for true, for each customer."""
    known = Service(
        agents=case.centre.agents,
        handling_s=case.centre.handling_s * case.assumed_handling,
        patience_s=case.centre.patience_s,
        reach=case.centre.reach,
    )
    if case.assumed_from is None:
        return [known] * n
    off = rng.gamma(case.assumed_from, 1 / case.assumed_from, n)
    return [replace(known, handling_s=known.handling_s * float(one)) for one in off]


def _estimates(seen: Sequence[Seen], services: Sequence[Service], ranges: Sequence[Wait]) -> dict[str, Values]:
    lines = list(zip(seen, services, strict=True))
    return {
        "departures": np.array([one.mean_s for one in ranges]),
        "queue": np.array([(len(one.live_ahead) + 1) * one_s(service) for one, service in lines]),
        "head": np.array([one.head_s for one in seen]),
        "last": np.array([one.last_s for one in seen]),
        "average": np.array([one.average_s for one in seen]),
    }


def one_s(service: Service) -> float:
    """Return the mean time between two services ending."""
    return service.handling_s / service.agents


def _rmse_over_mean(estimate: Values, waits: Values, served: Values) -> float:
    kept = served.astype(bool)
    return float(np.sqrt(np.mean((estimate[kept] - waits[kept]) ** 2)) / np.mean(waits[kept]))


def _share(holds: Values) -> float:
    return float(np.mean(holds))


def jackknife(statistic: Callable[..., float], *columns: npt.NDArray[Any]) -> dict[str, float]:
    """Return a statistic of some columns with its 95 % interval, leaving out one batch of rows after another."""
    value = statistic(*columns)
    rows = np.arange(len(columns[0])) * BATCHES // len(columns[0])
    without = np.array([statistic(*(column[rows != batch] for column in columns)) for batch in range(BATCHES)])
    half = T_95 * math.sqrt((BATCHES - 1) / BATCHES * float(np.sum((without - without.mean()) ** 2)))
    return {"value": round(value, 4), "low": round(value - half, 4), "high": round(value + half, 4)}

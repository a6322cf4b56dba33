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

from benchmarks.waitline import Centre, Seen, observe
from callback.departures import moments
from callback.estimate import HIGH, LOW, Service, estimate_wait
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
    assumed_from: int | None = None
    """Of so many calls it is the mean, drawn anew for each customer; None is of endlessly many."""


MIXED: Final = Centre(load=1.15, patience_s=PATIENCE_S, callbacks=0.3, reach=0.7)
CASES: Final = (
    Case(name="load 0.97, nobody hangs up", centre=Centre(load=0.97)),
    Case(name="load 1.15", centre=Centre(load=1.15, patience_s=PATIENCE_S)),
    *(
        Case(name=f"load {load:.2f}, 30 % callbacks", centre=replace(MIXED, load=load))
        for load in (0.90, 1.00, 1.15, 1.30, 1.50)
    ),
    Case(name="5 agents", centre=replace(MIXED, agents=5)),
    Case(name="half are callbacks", centre=replace(MIXED, load=1.30, callbacks=0.5)),
    Case(name="handling half as varied", centre=replace(MIXED, handling_cv=0.5)),
    Case(name="handling half again as varied", centre=replace(MIXED, handling_cv=1.5)),
    Case(name="handling is the mean of 64 calls", centre=MIXED, assumed_from=64),
    Case(name="handling taken 20 % too short", centre=MIXED, assumed_handling=0.8),
)
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
ESTIMATORS: Final = {
    "departures": "departures ahead (used)",
    "queue": "queue length alone",
    "head": "head of the line",
    "last": "last to be served",
    "average": "mean of the last ten",
}


def run(*, out: Path | None, plot: Path | None = None, seed: int = 1, n_customers: int = CUSTOMERS) -> None:
    """Simulate every case, print the tables, and write the figures as JSON and as a picture if asked to."""
    figures = {
        case.name: measure(case, seed=seed + index, n_customers=n_customers) for index, case in enumerate(CASES)
    }
    data = {
        "command": f"python -m benchmarks waits --seed {seed} --customers {n_customers}",
        "machine": f"Python {platform.python_version()}, numpy {np.__version__}",
        "range": [LOW, HIGH],
        "cases": figures,
    }
    console = Console(width=140)
    console.print(_errors_table(figures))
    console.print(_ranges_table(figures))
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        draw(figures, plot)


def measure(case: Case, *, seed: int, n_customers: int) -> dict[str, Any]:
    """Return the figures of one case."""
    centre, rng = case.centre, np.random.default_rng(seed)
    seen = observe(centre, rng, n_customers=n_customers, every=_every(centre, n_customers))
    seen = seen[: len(seen) // BATCHES * BATCHES]
    waits = np.array([one.wait_s for one in seen])
    served = np.array([one.served for one in seen])
    services = _services(case, rng, len(seen))
    ranges = [
        estimate_wait(contacts(one.live_ahead), service) for one, service in zip(seen, services, strict=True)
    ]
    estimates = _estimates(seen, services)
    below = waits < np.array([one.p10_s for one in ranges])
    above = waits > np.array([one.p90_s for one in ranges])
    return {
        "centre": {name: value if math.isfinite(value) else None for name, value in asdict(centre).items()},
        "assumed_handling": case.assumed_handling,
        "assumed_from": case.assumed_from,
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


def _estimates(seen: Sequence[Seen], services: Sequence[Service]) -> dict[str, Values]:
    lines = list(zip(seen, services, strict=True))
    return {
        "departures": np.array([_departures_s(one.live_ahead, service) for one, service in lines]),
        "queue": np.array([(len(one.live_ahead) + 1) * one_s(service) for one, service in lines]),
        "head": np.array([one.head_s for one in seen]),
        "last": np.array([one.last_s for one in seen]),
        "average": np.array([one.average_s for one in seen]),
    }


def _departures_s(live_ahead: Sequence[bool], service: Service) -> float:
    stays = [None if live else service.reach for live in live_ahead]
    return moments(stays, one_s(service), service.patience_s)[0]


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


def _errors_table(figures: dict[str, Any]) -> Table:
    table = Table("RMSE over mean wait", "wait, s", *ESTIMATORS.values(), box=None, pad_edge=False)
    for name, one in figures.items():
        errors = (f"{one['rmse_over_mean'][key]['value']:.2f}" for key in ESTIMATORS)
        table.add_row(name, f"{one['mean_wait_s']:.0f}", *errors)
    return table


def _ranges_table(figures: dict[str, Any]) -> Table:
    table = Table("range p10-p90", "n", "in it", "below", "above", "width over median", box=None, pad_edge=False)
    for name, one in figures.items():
        shares = (_percent(one[key]) for key in ("in_range", "below", "above"))
        table.add_row(name, f"{one['n']:,}", *shares, f"{one['range_over_median']:.2f}")
    return table


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw the share of waits within the range, case by case, and the errors of the estimators."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the rest needs no matplotlib

    names = list(figures)[::-1]
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for row, name in enumerate(names):
        one = figures[name]["in_range"]
        left.errorbar(
            100 * one["value"],
            row,
            xerr=[[100 * (one["value"] - one["low"])], [100 * (one["high"] - one["value"])]],
            fmt="o",
            color="tab:blue",
            capsize=3,
        )
    left.axvline(100 * (HIGH - LOW), color="grey", linewidth=1)
    left.set(xlabel="waits within the range p10-p90, % (95 % intervals)", yticks=range(len(names)), xlim=(50, 100))
    left.set_yticklabels(names)
    for key, marker in zip(ESTIMATORS, "osD^v", strict=True):
        errors = [figures[name]["rmse_over_mean"][key]["value"] for name in names]
        right.plot(errors, range(len(names)), marker, label=ESTIMATORS[key])
    right.set(xlabel="RMSE over mean wait", xlim=(0, None))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)

"""All that chance decides, drawn before anything is simulated: every policy meets the same customers.

Common random numbers: a customer has an arrival, a handling time, a patience, a mind to accept or not, and for
every attempt its fate, whatever the policy. Policies then differ by what they do and not by luck, and differences
between them are known far better than each figure (Law, Simulation modeling and analysis, 5th ed. 2015, section
11.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from callback.simulation.scenario import Scenario

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """What decides one attempt: numbers from 0 to 1, each of its own."""

    answer: float
    ring: float
    greeting: float
    verdict: float
    delay: float
    press: float
    hold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One who calls.

    Parameters
    ----------
    seq : int
        In order of arrival.
    arrives_s, handling_s, patience_s : float, s
    accepts : float
        Below the scenario's share, a callback that is offered is taken.
    attempts : tuple of Luck
    """

    seq: int
    arrives_s: float
    handling_s: float
    patience_s: float
    accepts: float
    attempts: tuple[Luck, ...]


def draw_customers(scenario: Scenario, seed: int, replication: int) -> tuple[Customer, ...]:
    """Draw the customers of a shift.

    Parameters
    ----------
    scenario : Scenario
    seed : int, at least 0
    replication : int, at least 0
        Shifts of one seed are independent.
    """
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence((seed, replication)).spawn(5)]
    arrivals, handling, patience, minds, lucks = streams
    arrives_s = arrival_times(scenario, arrivals)
    n = arrives_s.size
    handling_s = handling.exponential(scenario.handling_s, n)
    unit = patience.exponential(1.0, n)
    patience_s = unit * scenario.patience_s if np.isfinite(scenario.patience_s) else np.full(n, np.inf)
    accepts = minds.random(n)
    luck = lucks.random((n, scenario.attempts_max, len(Luck.__slots__)))
    return tuple(
        Customer(
            seq=seq,
            arrives_s=float(arrives_s[seq]),
            handling_s=float(handling_s[seq]),
            patience_s=float(patience_s[seq]),
            accepts=float(accepts[seq]),
            attempts=tuple(
                Luck(answer=a, ring=b, greeting=c, verdict=d, delay=e, press=f, hold=g)
                for a, b, c, d, e, f, g in luck[seq].tolist()
            ),
        )
        for seq in range(n)
    )


def arrival_times(scenario: Scenario, rng: np.random.Generator) -> Floats:
    """Return the arrivals of a Poisson process whose rate changes with the load, by inverting its sum.

    Returns
    -------
    ndarray of float64, shape (n_customers,)
        In order, from 0 to ``shift_s``.

    References
    ----------
    Çinlar, E. (1975). Introduction to stochastic processes, section 4.7.
    """
    service_hz = scenario.agents / scenario.handling_s
    times_s, expected = [0.0], [0.0]
    step = 0
    while times_s[-1] < scenario.shift_s:
        part = scenario.loads[step % len(scenario.loads)]
        lasts_s = min(part.lasts_s, scenario.shift_s - times_s[-1])
        times_s.append(times_s[-1] + lasts_s)
        expected.append(expected[-1] + part.load * service_hz * lasts_s)
        step += 1
    n = rng.poisson(expected[-1])
    return np.interp(np.sort(rng.uniform(0.0, expected[-1], n)), expected, times_s)

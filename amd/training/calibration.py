"""Curves that turn a network's log-odds, and how long it has been silent, into a probability that is right.

A logistic regression on piecewise linear functions of each evidence, kept smooth: a generalised additive model
(Hastie & Tibshirani 1986, doi:10.1214/ss/1177013604). It is fitted to ticks of calls whose speakers the network
has not heard, and weighs people and machines as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize

from amd.evidence import NAMES
from amd.model import Curve

Floats = npt.NDArray[np.float64]

PLACES: Final[Mapping[str, tuple[float, ...]]] = {
    "voice_log_odds": (-12.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 12.0),
    "gap_s": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2),
    "since_onset_s": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0),
}
"""Where the curves may bend."""
SMOOTHNESS: Final = 3.0
HEIGHT: Final = 1e-3
"""What a change of slope, and a curve's height, count against the likelihood of the ticks: enough that a stretch
without ticks follows its neighbours."""
SINCE_MAX_S: Final = 8.0
GAP_MAX_S: Final = 2.2
"""Ticks beyond these are decided."""


def calibrate(evidence: Floats, machine: npt.NDArray[np.bool_]) -> tuple[float, tuple[Curve, ...]]:
    """Fit the prior and the curves.

    Parameters
    ----------
    evidence : ndarray of float64, shape (n_ticks, len(amd.evidence.NAMES))
        All known.
    machine : ndarray of bool, shape (n_ticks,)
    """
    bases = [_hats(evidence[:, NAMES.index(name)], places) for name, places in PLACES.items()]
    sizes = [basis.shape[1] for basis in bases]
    design = np.concatenate([np.ones((machine.size, 1)), *bases], axis=1)
    penalty = _roughness()
    sign = np.where(machine, 1.0, -1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ weights)
        slope = -sign / (1.0 + np.exp(np.clip(margin, -50, 50)))
        rough = penalty @ weights
        value = float(np.sum(np.logaddexp(0.0, -margin)) + weights @ rough)
        return value, design.T @ slope + 2.0 * rough

    start = np.concatenate([[0.0], PLACES["voice_log_odds"], np.zeros(sum(sizes[1:]))])
    weights = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    prior, at, curves = float(weights[0]), 1, []
    for (name, places), size in zip(PLACES.items(), sizes, strict=True):
        values = weights[at : at + size]
        at += size
        shift = 0.0 if name == "voice_log_odds" else float(values[0])  # a curve's height is told in the prior
        prior += shift
        log_odds = tuple(round(float(value) - shift, 4) for value in values)
        curves.append(Curve(name=name, at=places, log_odds=log_odds))
    return round(prior, 4), tuple(curves)


def _hats(values: Floats, places: Sequence[float]) -> Floats:
    """Share of each place in a value between two of them."""
    return np.stack([np.interp(values, places, unit) for unit in np.eye(len(places))], axis=1)


def _roughness() -> Floats:
    """Quadratic form of how the curves' slopes change, and a little of their heights: only one answer is best."""
    size = 1 + sum(map(len, PLACES.values()))
    penalty, at = np.zeros((size, size)), 1
    for places in PLACES.values():
        n = len(places)
        slopes = np.diff(np.eye(n), axis=0) / np.diff(places)[:, None]
        bends = np.diff(slopes, axis=0)
        penalty[at : at + n, at : at + n] = SMOOTHNESS * bends.T @ bends + HEIGHT * np.eye(n)
        at += n
    return penalty


def calibration_error(probability: Floats, right: npt.NDArray[np.bool_], *, n_bins: int = 10) -> float:
    """Expected calibration error: mean distance of what was said from how often it was right, by equal bins.

    Parameters
    ----------
    probability : ndarray of float64, shape (n,)
        Of what was said.
    right : ndarray of bool, shape (n,)

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI, "Obtaining well calibrated probabilities using Bayesian binning".

    Examples
    --------
    >>> float(round(calibration_error(np.full(10, 0.95), np.arange(10) < 9), 3))
    0.05
    """
    bins = np.clip((probability * n_bins).astype(np.int64), 0, n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    off = np.bincount(bins, weights=probability - right, minlength=n_bins)
    return float(np.sum(np.abs(off)) / max(1, np.sum(n)))

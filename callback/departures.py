"""How long until everyone ahead is gone: the sum of the departures, by its mean, its variance and a gamma law.

While all agents are busy, services end as a Poisson process of rate ``r = agents / handling_s``, and a customer
with nobody ahead waits for the next one. Someone ahead adds one service if they are still there when their own
turn comes at ``W``: a live caller with the probability ``exp(-W / patience_s)``, a callback if its customer is
reached, a deferred callback if it is due again by then, too. With ``B`` for that, the next one's wait is
``W + B * E``, with ``E`` exponential of rate ``r``, and the line is worked through from its head. For live callers
alone that is the sum of exponentials of the rates ``r + j / patience_s``, a hypoexponential law: the estimator of
queue length with abandonment. Expectations over ``W`` are taken as if it were gamma: it is when nobody hangs up,
and nearly when they do (docs/waits.md).

References
----------
Whitt, W. (1999). Predicting queueing delays. Management Science 45(6), 870-888. doi:10.1287/mnsc.45.6.870
Ibrahim, R. & Whitt, W. (2009). Real-time delay estimation in overloaded multiserver queues with abandonments.
Management Science 55(10), 1729-1742. doi:10.1287/mnsc.1090.1041
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Final

PRECISION: Final = 1e-10
"""Relative, of the gamma law: far finer than any rate is known."""
RARE: Final = 0.001
"""A callback that comes back in time with less than this chance, and those after it, do not count."""


def moments(
    stays: Iterable[float | None],
    service_s: float,
    patience_s: float,
    *,
    back_s: Iterable[float] = (),
    reach: float = 1.0,
) -> tuple[float, float]:
    """Return the mean and the variance of the wait behind others.

    Parameters
    ----------
    stays : iterable of float or None
        One for each contact ahead, from the head of the line: the probability that they take a service when their
        turn comes, or None for those who may hang up before it.
    service_s : float, above 0 s
        Mean time between two services ending.
    patience_s : float, above 0 s
        Mean time after which those who may hang up do; infinite when they do not.
    back_s : iterable of float, s
        When each callback that is deferred comes back ahead: it takes a service only if this is within the wait.
    reach : float, 0 to 1
        The probability that it takes one then.

    Returns
    -------
    mean_s : float
    variance_s2 : float

    Examples
    --------
    >>> mean_s, variance_s2 = moments([None, None], service_s=10.0, patience_s=40.0)
    >>> round(mean_s, 3), round(1 / 0.1 + 1 / 0.125 + 1 / 0.15, 3)
    (24.667, 24.667)
    """
    mean_s, square_s2 = service_s, 2 * service_s**2
    for stay in stays:
        still, later_s = (stay, stay * mean_s) if stay is not None else _holds_on(mean_s, square_s2, patience_s)
        mean_s, square_s2 = _one_more(mean_s, square_s2, still, later_s, service_s)
    for due_s in sorted(back_s):
        in_time, later_s = _outlasts(mean_s, square_s2, due_s)
        if in_time < RARE:
            break
        mean_s, square_s2 = _one_more(mean_s, square_s2, reach * in_time, reach * later_s, service_s)
    return mean_s, square_s2 - mean_s**2


def _one_more(
    mean_s: float, square_s2: float, still: float, later_s: float, service_s: float
) -> tuple[float, float]:
    """Return the first two moments of ``W + B E``, from those of W, the mean of B and that of ``W B``."""
    return mean_s + still * service_s, square_s2 + 2 * service_s * later_s + 2 * still * service_s**2


def _holds_on(mean_s: float, square_s2: float, patience_s: float) -> tuple[float, float]:
    """Return the chance that someone holds on for W, and the mean of W where they do."""
    scale_s = square_s2 / mean_s - mean_s
    still = math.exp(-math.log1p(scale_s / patience_s) * mean_s / scale_s)
    return still, still * mean_s / (1 + scale_s / patience_s)


def _outlasts(mean_s: float, square_s2: float, due_s: float) -> tuple[float, float]:
    """Return the chance that W is longer than ``due_s``, and the mean of W where it is."""
    scale_s = square_s2 / mean_s - mean_s
    shape, at = mean_s / scale_s, due_s / scale_s
    return 1 - gamma_share(shape, at), mean_s * (1 - gamma_share(shape + 1, at))


def gamma_quantile(share: float, mean: float, variance: float) -> float:
    """Return the value below which a gamma variable of this mean and variance lies with a probability.

    Examples
    --------
    An exponential variable of mean 1 is below ln 2 half of the time:

    >>> round(gamma_quantile(0.5, 1.0, 1.0), 6), round(math.log(2), 6)
    (0.693147, 0.693147)
    """
    shape, scale = mean**2 / variance, variance / mean
    # Wilson & Hilferty (1931): the cube root of a gamma variable is nearly normal. It starts the search.
    cube = 1 - 1 / (9 * shape) + NormalDist().inv_cdf(share) / (3 * math.sqrt(shape))
    guess = shape * cube**3 if cube > 0 else shape * share
    low, high = 0.0, math.inf
    for _ in range(200):
        if gamma_share(shape, guess) < share:
            low = guess
        else:
            high = guess
        if math.isfinite(high) and high - low <= PRECISION * high:
            break
        guess = 2 * guess if math.isinf(high) else _newton(shape, guess, share, low, high)
    return guess * scale


def _newton(shape: float, at: float, share: float, low: float, high: float) -> float:
    """Return the next guess: Newton's step where it stays well inside the bracket, else the middle."""
    slope = math.exp((shape - 1) * math.log(at) - at - math.lgamma(shape)) if at > 0 else 0.0
    if slope > 0:
        step = at + (share - gamma_share(shape, at)) / slope
        # A little past the root, so that both ends of the bracket come in.
        step += math.copysign(PRECISION / 4, step - at) * step
        if low < step < high:
            return step
    return (low + high) / 2


def gamma_share(shape: float, value: float) -> float:
    """Return the probability that a gamma variable of scale 1 is at most ``value`` (DLMF 8.7.1 and 8.9.2)."""
    if value <= 0:
        return 0.0
    front = math.exp(shape * math.log(value) - value - math.lgamma(shape))
    if value < shape + 1:
        term = total = 1 / shape
        index = shape
        while term > total * PRECISION / 100:
            index += 1
            term *= value / index
            total += term
        return front * total
    return 1 - front * _upper_fraction(shape, value)


def _upper_fraction(shape: float, value: float) -> float:
    """Return the continued fraction of the upper tail, by Lentz's method."""
    tiny = math.ulp(0.0) / PRECISION
    base = value + 1 - shape
    ratio_c, ratio_d = 1 / tiny, 1 / base
    total = ratio_d
    for index in range(1, 100_000):
        factor = index * (shape - index)
        base += 2
        ratio_d = 1 / (base + factor * ratio_d or tiny)
        ratio_c = base + factor / ratio_c or tiny
        change = ratio_c * ratio_d
        total *= change
        if abs(change - 1) < PRECISION / 100:
            break
    return total

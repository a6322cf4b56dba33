"""Evidence to the probability of a machine: a sum of curves, read from a data file.

Each curve turns one piece of evidence into log-odds of a machine (piecewise linear, constant beyond its ends;
nothing where the evidence is not known). Their sum and the prior are the log-odds; so a verdict can say what
carried it. The file names its version and its evidence, and carries a checksum of its content.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np

from amd.audio import Samples
from amd.errors import ModelError
from amd.events import Weight
from amd.evidence import NAMES
from amd.models import content_of

SHIPPED: Final = "calibration-1.json"
FORMAT: Final = "amd additive model 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Log-odds of a machine, ``log_odds[i]`` nats where the evidence is ``at[i]``."""

    name: str
    at: tuple[float, ...]
    log_odds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An additive model of the probability that a machine answered, given that someone spoke.

    Parameters
    ----------
    version : str
    prior_log_odds : float
        Log-odds of a machine before any evidence.
    curves : tuple of Curve
    """

    version: str
    prior_log_odds: float
    curves: tuple[Curve, ...]

    def weigh(self, evidence: Samples) -> tuple[Weight, ...]:
        """Return what each piece of evidence adds, the prior first.

        Parameters
        ----------
        evidence : ndarray of float32, shape (len(amd.evidence.NAMES),)
        """
        weights = [Weight(name="prior", value=1.0, log_odds=self.prior_log_odds)]
        for curve in self.curves:
            value = float(evidence[NAMES.index(curve.name)])
            if not math.isnan(value):
                log_odds = float(np.interp(value, curve.at, curve.log_odds))
                weights.append(Weight(name=curve.name, value=value, log_odds=log_odds))
        return tuple(weights)


def machine_probability(weights: tuple[Weight, ...]) -> float:
    """Probability of a machine from the sum of the weights.

    Examples
    --------
    >>> machine_probability((Weight(name="prior", value=1.0, log_odds=0.0),))
    0.5
    """
    log_odds = sum(weight.log_odds for weight in weights)
    return 0.5 * (1.0 + math.tanh(log_odds / 2))  # the logistic function; this form does not overflow


def parse(text: str) -> Model:
    """Read a model from JSON text.

    Raises
    ------
    ModelError
        If the text is not such a model, was changed since its checksum was taken, or names evidence that this
        version does not take.
    """
    content = content_of(text, FORMAT)
    try:
        curves = tuple(map(_curve, content["curves"]))
        return Model(
            version=str(content["version"]), prior_log_odds=float(content["prior_log_odds"]), curves=curves
        )
    except KeyError as error:
        raise ModelError(f"the model lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"the model's numbers cannot be used: {error}") from error


def _curve(entry: dict[str, Any]) -> Curve:
    name = entry["name"]
    if name not in NAMES:
        raise ModelError(f"the model needs evidence {name!r}, this version takes {list(NAMES)}")
    at, log_odds = tuple(map(float, entry["at"])), tuple(map(float, entry["log_odds"]))
    rising = all(left < right for left, right in itertools.pairwise(at))
    if not at or len(at) != len(log_odds) or not rising or not all(map(math.isfinite, (*at, *log_odds))):
        raise ModelError(
            f"the model's curve of {name} needs as many finite log_odds as rising places, and one at least"
        )
    return Curve(name=name, at=at, log_odds=log_odds)


@cache
def shipped() -> Model:
    """Return the model that comes with this version."""
    return parse(resources.files("amd.models").joinpath(SHIPPED).read_text(encoding="utf-8"))

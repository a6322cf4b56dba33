"""What the verdict is learned from: a network, the curves that calibrate it, and the stopping rule chosen for it.

The network's log-odds and other evidence each go through a curve (piecewise linear, constant beyond its ends;
nothing where the evidence is not known). Their sum and the prior are the log-odds of a machine; so a verdict can
say what carried it. All of it is one file of plain arrays and JSON, with a version, a card that says what it was
fitted to, and a checksum. `amd.training` writes such files.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np

from amd import networks
from amd.answer import OUTPUTS
from amd.audio import Samples
from amd.errors import ModelError
from amd.events import Weight
from amd.evidence import NAMES
from amd.networks import Network
from amd.speech import TICK_INPUTS

SHIPPED: Final = "answer-4.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Log-odds of a machine, ``log_odds[i]`` nats where the evidence is ``at[i]``."""

    name: str
    at: tuple[float, ...]
    log_odds: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The probability that a machine answered, given that someone spoke.

    Parameters
    ----------
    network : Network
        Its log-odds are the evidence ``voice_log_odds``.
    prior_log_odds : float
        Log-odds of a machine before any evidence.
    curves : tuple of Curve
    policies : mapping of str to mapping
        For presets by name, the fields of `amd.Policy` that were chosen for this model.
    card : mapping
        What it was fitted to, how, and how well it did.
    """

    network: Network
    prior_log_odds: float
    curves: tuple[Curve, ...]
    policies: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Name of this model."""
        return self.network.version

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


def save(model: Model, path: Path) -> None:
    """Write a model, with the checksum of its content."""
    more = {
        "prior_log_odds": model.prior_log_odds,
        "curves": [dataclasses.asdict(curve) for curve in model.curves],
        "policies": {name: dict(fields) for name, fields in model.policies.items()},
        "card": dict(model.card),
    }
    networks.save(dataclasses.replace(model.network, more=more), path)


def parse(data: bytes) -> Model:
    """Read a model from the bytes of its file.

    Raises
    ------
    ModelError
        If it is no such model, was changed since its checksum was taken, or names evidence that this version does
        not take.
    """
    network = networks.parse(data, inputs=TICK_INPUTS, outputs=OUTPUTS)
    more = network.more
    try:
        return Model(
            network=dataclasses.replace(network, more={}),
            prior_log_odds=_finite(more["prior_log_odds"]),
            curves=tuple(map(_curve, more["curves"])),
            policies={
                str(name): {str(key): _finite(value) for key, value in fields.items()}
                for name, fields in more["policies"].items()
            },
            card=dict(more["card"]),
        )
    except KeyError as error:
        raise ModelError(f"the model lacks {error}: a network without its calibration?") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"the model's numbers cannot be used: {error}") from error


def load(path: Path) -> Model:
    """Read a model from a file.

    Raises
    ------
    ModelError
        As `parse`, and if there is no such file; the message names it.
    """
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ModelError(f"the model holds {value!r} where a finite number belongs")
    return float(value)


def _curve(entry: Mapping[str, Any]) -> Curve:
    name = entry["name"]
    if name not in NAMES:
        raise ModelError(f"the model needs evidence {name!r}, this version takes {list(NAMES)}")
    at, log_odds = tuple(map(_finite, entry["at"])), tuple(map(_finite, entry["log_odds"]))
    rising = all(left < right for left, right in itertools.pairwise(at))
    if not at or len(at) != len(log_odds) or not rising:
        raise ModelError(
            f"the model's curve of {name} needs as many finite log_odds as rising places, and one at least"
        )
    return Curve(name=name, at=at, log_odds=log_odds)


@cache
def shipped() -> Model:
    """Return the model that comes with this version."""
    return parse(resources.files("amd.models").joinpath(SHIPPED).read_bytes())

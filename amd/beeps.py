"""Is a tone generated, or did a voice or an instrument hold it? Shallow decision trees over its measurements.

Each tree is a table of questions (is this measurement at most that?); the sum of their answers is the log-odds.
They were fitted to generated beeps over telephone lines against everything tone-like in hours of speech and music
over the same lines and behind the same noise (``python -m benchmarks fit-beeps``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.errors import ModelError
from amd.models import content_of
from amd.tones import Tone

SHIPPED: Final = "beep-2.json"
FORMAT: Final = "amd trees 1"
STANDS_OUT_MAX_DB: Final = 40.0
"""Silence before or after makes a tone stand out without end; more than this tells no more."""

MEASURES: Final[dict[str, Callable[[Tone], float]]] = {
    "length_s": lambda tone: (tone.off - tone.on) / RATE_HZ,
    "freq_hz": lambda tone: tone.freqs_hz[0],
    "is_pair": lambda tone: float(len(tone.freqs_hz) > 1),
    "second_db": lambda tone: tone.second_db,
    "sweep_share_s": lambda tone: abs(tone.sweep_hz_s) / tone.freqs_hz[0],
    "wander_hz": lambda tone: tone.wander_hz,
    "wander_max_hz": lambda tone: tone.wander_max_hz,
    "spread_db": lambda tone: tone.spread_db,
    "attack_frames": lambda tone: float(tone.attack_frames),
    "release_frames": lambda tone: float(tone.release_frames),
    "gaps": lambda tone: tone.gaps,
    "clarity": lambda tone: tone.clarity,
    "clarity_min": lambda tone: tone.clarity_min,
    "rise_db": lambda tone: min(tone.rise_db, STANDS_OUT_MAX_DB),
    "fall_db": lambda tone: min(tone.fall_db, STANDS_OUT_MAX_DB),
    "rise_near_db": lambda tone: min(tone.rise_near_db, STANDS_OUT_MAX_DB),
    "fall_near_db": lambda tone: min(tone.fall_near_db, STANDS_OUT_MAX_DB),
    "share_db": lambda tone: tone.share_db,
    "over_noise_db": lambda tone: min(tone.over_noise_db, STANDS_OUT_MAX_DB),
    "alone_s": lambda tone: tone.alone_s,
    "n_notes": lambda tone: float(tone.n_notes),
}
"""What the trees may ask about a tone."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as tables; arrays of shape ``(n_trees, n_nodes)``.

    A node asks whether ``measure`` is at most ``limit`` and goes on at ``yes`` or ``no``; a leaf stays there.
    """

    version: str
    measure: npt.NDArray[np.intp]
    limit: npt.NDArray[np.float64]
    yes: npt.NDArray[np.intp]
    no: npt.NDArray[np.intp]
    answer: npt.NDArray[np.float64]
    depth: int
    base: float

    def probability(self, tone: Tone) -> float:
        """Probability that the tone was generated, at even odds before it was heard."""
        values = measures(tone)
        trees = np.arange(self.measure.shape[0])
        node = np.zeros(trees.size, dtype=np.intp)
        for _ in range(self.depth):
            is_low = values[self.measure[trees, node]] <= self.limit[trees, node]
            node = np.where(is_low, self.yes[trees, node], self.no[trees, node])
        log_odds = self.base + float(np.sum(self.answer[trees, node]))
        return 1 / (1 + math.exp(-min(max(log_odds, -50.0), 50.0)))


def measures(tone: Tone) -> npt.NDArray[np.float64]:
    """What the trees ask about, in the order of `MEASURES`: float64 of shape ``(len(MEASURES),)``."""
    return np.array([measure(tone) for measure in MEASURES.values()])


def parse(text: str) -> Trees:
    """Build trees from their JSON.

    Raises
    ------
    ModelError
        If the text is not such a model, or asks about other measurements than this version takes.
    """
    content = content_of(text, FORMAT)
    if content.get("measures") != list(MEASURES):
        raise ModelError(f"the model asks about {content.get('measures')}, this version measures {list(MEASURES)}")
    try:
        n_nodes = max(len(tree) for tree in content["trees"])
        table = np.zeros((len(content["trees"]), n_nodes, 5))
        for index, tree in enumerate(content["trees"]):
            table[index, : len(tree)] = tree
        measure, yes, no = (table[:, :, column].astype(np.intp) for column in (0, 2, 3))
        if (
            measure.max() >= len(MEASURES)
            or max(yes.max(), no.max()) >= n_nodes
            or table[:, :, [0, 2, 3]].min() < 0
        ):
            raise ModelError("the model's trees point outside their tables")
        return Trees(
            version=str(content["version"]),
            measure=measure,
            limit=table[:, :, 1],
            yes=yes,
            no=no,
            answer=table[:, :, 4],
            depth=int(content["depth"]),
            base=float(content["base"]),
        )
    except KeyError as error:
        raise ModelError(f"the model lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"the model's numbers cannot be used: {error}") from error


@functools.cache
def shipped() -> Trees:
    """Return the trees that come with this version."""
    return parse(resources.files("amd.models").joinpath(SHIPPED).read_text(encoding="utf-8"))

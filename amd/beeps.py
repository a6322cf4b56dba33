"""Is a tone generated, or did a voice or an instrument hold it? Shallow decision trees over its measurements.

Each tree is a table of questions (is this measurement at most that?); the sum of their answers is the log-odds.
They were fitted to generated beeps over telephone lines against everything tone-like in hours of speech and music
over the same lines and behind the same noise (``python -m benchmarks fit-beeps``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.models import content_of
from amd.tones import Ended, Tone
from amd.trees import Trees

SHIPPED: Final = "beep-3.json"
FORMAT: Final = "amd trees 1"
ASKED_KEPT: Final = 1024
"""Of one tone it is asked up to three times within one frame: whether it was speech, what it means, how sure; of a
bank's calls the tones that ended in one chunk are asked in turns."""
STANDS_OUT_MAX_DB: Final = 40.0
"""Silence before or after makes a tone stand out without end; more than this tells no more."""

MEASURES: Final[dict[str, Callable[[Tone], float]]] = {
    "length_s": lambda tone: (tone.off - tone.on) / RATE_HZ,
    "freq_hz": lambda tone: tone.freqs_hz[0],
    "is_pair": lambda tone: float(len(tone.freqs_hz) > 1),
    "second_db": lambda tone: tone.second_db,
    "second_wander_hz": lambda tone: tone.second_wander_hz,
    "ratio": lambda tone: tone.freqs_hz[-1] / tone.freqs_hz[0],
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
_STANDS_OUT: Final = frozenset(("rise_db", "fall_db", "rise_near_db", "fall_near_db", "over_noise_db"))


class BeepTrees(Trees):
    """Trees that ask about a tone."""

    __slots__ = ()

    def probability(self, tone: Tone) -> float:
        """Probability that the tone was generated, at even odds before it was heard."""
        return _probability(float(self.log_odds(measures(tone)[None])[0]))

    def probabilities(self, ended: Ended) -> list[float]:
        """The same of each of some tones."""
        return [_probability(log_odds) for log_odds in self.log_odds(measures_of(ended)).tolist()]


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(max(log_odds, -50.0), 50.0)))


def measures(tone: Tone) -> npt.NDArray[np.float64]:
    """What the trees ask about, in the order of `MEASURES`: float64 of shape ``(len(MEASURES),)``."""
    return np.array([measure(tone) for measure in MEASURES.values()])


def measures_of(ended: Ended) -> npt.NDArray[np.float64]:
    """The same of each of some tones: float64 of shape ``(n, len(MEASURES))``."""
    found = np.empty((ended.values.shape[0], len(MEASURES)))
    length_s = (ended.column("off") - ended.column("on")) / RATE_HZ
    low_hz, high_hz = ended.column("low_hz"), ended.column("high_hz")
    worked_out = {
        "length_s": length_s,
        "freq_hz": low_hz,
        "is_pair": high_hz > 0,
        "ratio": np.where(high_hz > 0, high_hz, low_hz) / low_hz,
        "sweep_share_s": np.abs(ended.column("sweep_hz_s")) / low_hz,
    }
    for at, name in enumerate(MEASURES):
        values = worked_out[name] if name in worked_out else ended.column(name)
        found[:, at] = np.minimum(values, STANDS_OUT_MAX_DB) if name in _STANDS_OUT else values
    return found


def parse(text: str) -> BeepTrees:
    """Build trees from their JSON.

    Raises
    ------
    ModelError
        If the text is not such a model, or asks about other measurements than this version takes.
    """
    return BeepTrees.of(content_of(text, FORMAT), tuple(MEASURES))


@functools.cache
def shipped() -> BeepTrees:
    """Return the trees that come with this version."""
    return parse(resources.files("amd.models").joinpath(SHIPPED).read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=ASKED_KEPT)
def probability(tone: Tone) -> float:
    """Probability that a tone was generated, by the shipped trees."""
    return shipped().probability(tone)

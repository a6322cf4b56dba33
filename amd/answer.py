"""Person or recording? A small recurrent network over the same inputs as `amd.speech`, asked once a tick.

It hears how the voice goes on and what follows it: a person's words and then the wait, a greeting's sentences, its
pauses, the beep. It was fitted to composed calls in which the same speakers serve as people and as greetings.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from amd.networks import Network, parse
from amd.spectrum import Floats
from amd.speech import TICK_INPUTS

SHIPPED: Final = "answer-1.npz"
OUTPUTS: Final = ("machine",)


class AnswerTracker:
    """Follow one call, tick by tick."""

    def __init__(self) -> None:
        self._state = shipped().start(1)
        self.log_odds = 0.0

    def step(self, inputs: Floats) -> None:
        """Take what the speech network was given of one tick, of shape ``(1, len(TICK_INPUTS))``."""
        log_odds, self._state = shipped().step(inputs, self._state)
        self.log_odds = float(log_odds[0, 0])


@cache
def shipped() -> Network:
    """Return the network that comes with this version."""
    data = resources.files("amd.models").joinpath(SHIPPED).read_bytes()
    return parse(data, inputs=TICK_INPUTS, outputs=OUTPUTS)

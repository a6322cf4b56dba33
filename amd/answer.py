"""Person or recording? A small recurrent network over the same inputs as `amd.speech`, asked once a tick.

It hears how the voice goes on and what follows it: a person's words and then the wait, a greeting's sentences, its
pauses, the beep. It was fitted to composed calls in which the same speakers serve as people and as greetings. Its
file, `amd.model` reads: the network comes with the calibration and the stopping rule that were chosen for it.
"""

from __future__ import annotations

from typing import Final

from amd.networks import Network
from amd.spectrum import Floats

OUTPUTS: Final = ("machine",)


class AnswerTracker:
    """Follow one call, tick by tick."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._state = network.start(1)
        self.log_odds = 0.0

    def step(self, inputs: Floats) -> None:
        """Take what the speech network was given of one tick, of shape ``(1, len(TICK_INPUTS))``."""
        log_odds, self._state = self._network.step(inputs, self._state)
        self.log_odds = float(log_odds[0, 0])

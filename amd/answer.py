"""Person or recording? A small recurrent network over the same inputs as `amd.speech`, asked once a tick.

It hears how the voice goes on and what follows it: a person's words and then the wait, a greeting's sentences, its
pauses, the beep. It was fitted to composed calls in which the same speakers serve as people and as greetings. Its
file, `amd.model` reads: the network comes with the calibration and the stopping rule that were chosen for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amd.networks import Network
from amd.spectrum import Floats
from amd.speech import Flags, Ticks, in_turns

OUTPUTS: Final = ("machine",)


class AnswerTracker:
    """Follow some calls, tick by tick."""

    def __init__(self, network: Network, n_calls: int = 1) -> None:
        self._network = network
        self._state = network.start(n_calls)

    def clear(self, slot: int) -> None:
        """Forget a call: another one begins."""
        self._state[slot] = 0

    def feed(self, ticks: Ticks, asks: Flags | None = None) -> Floats:
        """Return the log-odds of a recording as of each of some ticks, shape ``(n_ticks,)``.

        ``asks`` says of every call whether anyone asks any more; unless given, of all.
        Once it is false of a call it stays so; log-odds are 0 then.
        """
        n_ticks = ticks.slots.size
        found, inputs = np.zeros(n_ticks, dtype=np.float32), ticks.inputs.reshape(n_ticks, -1)
        for turn in in_turns(ticks.turns):
            now = turn if asks is None or n_ticks == 0 else np.arange(n_ticks)[turn][asks[ticks.slots[turn]]]
            calls = ticks.slots[now]
            if calls.size:
                log_odds, self._state[calls] = self._network.step(inputs[now], self._state[calls])
                found[now] = log_odds[:, 0]
        return found

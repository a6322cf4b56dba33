"""What a verdict costs, in one place: peers and baselines get their constants by this cost, on train calls alone.

The unit is the cost of asking: an `unsure` call can be asked to press a key, which costs a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.evaluation.manifest import Call
from amd.events import Party
from amd.training.replay import PARTIES, Decided

HUMAN_CALLED_MACHINE: Final = 10.0
"""A person who is hung up on: an abandoned call under the rules of the FCC and of Ofcom, and a customer lost."""
MACHINE_CALLED_HUMAN: Final = 3.0
"""An agent who listens to a recording until they notice."""
UNSURE: Final = 1.0
"""A question, to a person or to a machine."""
OTHER: Final = 1.0
"""Another party than a person or a machine: nobody is connected and nobody taken for a machine, as with unsure. A
person called silent may be worse off; a caller can say hello first."""
DELAY_PER_S: Final = 0.3
"""A second in which a person waits after their greeting, or a line is held by a machine: ten seconds of it cost as
much as one machine called human. Verdicts before the greeting ended cost no delay, nor earn any."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truths:
    """What is true of some calls, as arrays of shape ``(n_calls,)``.

    Parameters
    ----------
    label : ndarray of int8
        Places in `amd.training.replay.PARTIES`.
    from_s : ndarray of float64
        From when delay counts: the end of a person's greeting, a machine's first speech; NaN where neither is.
    """

    label: npt.NDArray[np.int8]
    from_s: Floats

    def are(self, party: Party) -> npt.NDArray[np.bool_]:
        """Which calls are of a party."""
        return np.asarray(self.label == PARTIES.index(party))


def truths_of(calls: Sequence[Call]) -> Truths:
    """Take what is true of calls of a manifest."""
    column = {Party.HUMAN: "greeting_end_s", Party.MACHINE: "speech_start_s"}
    times_s = [call.times_s.get(column.get(call.label, ""), float("nan")) for call in calls]
    label = np.array([PARTIES.index(call.label) for call in calls], dtype=np.int8)
    return Truths(label=label, from_s=np.array(times_s, dtype=np.float64))


def mean_cost(truths: Truths, decided: Decided) -> float:
    """Return the mean cost of the calls that a person or a machine answered.

    The others say nothing here: a system that cannot tell silence or fax would be chosen for its guesses.
    """
    human, machine = truths.are(Party.HUMAN), truths.are(Party.MACHINE)
    answered = human | machine
    each = np.full(truths.label.size, OTHER)
    each[decided.party == truths.label] = 0.0
    each[decided.are(Party.UNSURE)] = UNSURE
    each[human & decided.are(Party.MACHINE)] = HUMAN_CALLED_MACHINE
    each[machine & decided.are(Party.HUMAN)] = MACHINE_CALLED_HUMAN
    delay_s = np.nan_to_num(np.maximum(0.0, decided.known_s - truths.from_s), nan=0.0)
    return float(np.mean((each + DELAY_PER_S * delay_s)[answered])) if answered.any() else float("nan")

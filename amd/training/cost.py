"""What errors and delays cost: the stopping rule is chosen to make the mean of this least.

One unit is an agent's moment lost on an `unsure` call. The weights are a judgement, told here and in the model's
card; who weighs otherwise fits with a `Cost` of their own.
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

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one call costs by what was said of it.

    Parameters
    ----------
    human_lost : float
        A person who is called anything but ``human`` or ``unsure``: hung up on, and by Ofcom an abandoned call.
    machine_to_agent : float
        A machine that is called ``human``: an agent's moment.
    unsure : float
        Any call that stays ``unsure``: it is asked to press a key.
    other : float
        Any other error: a machine called silent, a fax called a machine.
    human_second : float
        Each second from the end of a person's greeting to ``human``: dead air.
    machine_second : float
        Each second from a machine's first word to ``machine``: a line held, nobody waits.
    human_median_max_s : float
        Half of all people must have been told by then after their greeting; beyond it, a second of the median
        costs more than any error. Who is told to be anything else counts as never told, or a rule that calls the
        late ones machines would look quick.
    """

    human_lost: float = 10.0
    machine_to_agent: float = 3.0
    unsure: float = 1.5
    other: float = 1.0
    human_second: float = 0.3
    machine_second: float = 0.05
    human_median_max_s: float = 1.0

    def mean(self, calls: Sequence[Call], decided: Decided) -> float:
        """Mean cost of a call.

        Parameters
        ----------
        calls : sequence of Call
            Rows of the manifest.
        decided : Decided
            What was said of them, in the same order.
        """
        label = np.array([PARTIES.index(call.label) for call in calls])
        human, machine, unsure = (PARTIES.index(one) for one in (Party.HUMAN, Party.MACHINE, Party.UNSURE))
        cost = np.where(decided.party == label, 0.0, self.other)
        cost[(label == human) & (decided.party != human)] = self.human_lost
        cost[(label == machine) & (decided.party == human)] = self.machine_to_agent
        cost[decided.party == unsure] = self.unsure
        for party, second, since in (
            (human, self.human_second, "greeting_end_s"),
            (machine, self.machine_second, "speech_start_s"),
        ):
            right = (label == party) & (decided.party == party)
            from_s = np.array([call.times_s.get(since, np.nan) for call in calls])
            delay_s = np.clip(decided.known_s - from_s, 0.0, None)
            cost += np.where(right, second * np.nan_to_num(delay_s), 0.0)
            if party == human and np.any(known := (label == party) & ~np.isnan(from_s)):
                wait_s = np.where(right, decided.known_s - from_s, NEVER_S)[known]
                cost += LATE_SECOND * max(0.0, float(np.median(wait_s)) - self.human_median_max_s)
        return float(np.mean(cost))


COSTS: Final = {
    "balanced": Cost(),
    "protect_humans": Cost(human_lost=60.0, unsure=1.0, human_median_max_s=1.5),
    "fast": Cost(human_second=1.0, unsure=3.0, human_median_max_s=0.5),
}
"""A cost for each preset: `protect_humans` would rather wait, ask, and send six times as many machines to agents;
`fast` is for those who must speak at once, and do not want to ask."""
LATE_SECOND: Final = 100.0
NEVER_S: Final = 60.0
"""What never being told counts as, in a median."""

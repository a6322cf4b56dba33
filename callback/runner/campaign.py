"""How a runner treats the callbacks of one queue, and what it learns of its calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from callback.errors import CallbackError
from callback.pacing import PILE_UP_MAX, lead_s
from callback.screening import Plan

REACH: Final = 0.7
"""Share of calls that reach a person, until some were placed. Assumption: that of the reference scenario."""
REACH_WEIGHT: Final = 10
"""The assumption counts as so many calls."""
REMEMBERED: Final = 200
"""Calls that are learned from: the last ones, for the hour of day matters."""


class CampaignError(CallbackError, ValueError):
    """A campaign that cannot be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One queue's calls.

    Parameters
    ----------
    queue : str
    screening : Plan
    ring_max_s : float, 5 to 120 s
        It rings for so long at most. The law asks for 15 s at least in the United States.
    claims_max : int, 1 or more
        So many calls are placed at once, at most; the next ones a moment later.
    pile_up_max : float, 0 to 1
        See `callback.pacing.dials_allowed`.
    missed_rest_s : float, 0 to 600 s
        An agent who let a call pass is not asked again for so long.
    """

    queue: str
    screening: Plan = field(default_factory=Plan)
    ring_max_s: float = 30.0
    claims_max: int = 10
    pile_up_max: float = PILE_UP_MAX
    missed_rest_s: float = 10.0

    def __post_init__(self) -> None:
        for name, low, high in (("ring_max_s", 5, 120), ("pile_up_max", 0, 1), ("missed_rest_s", 0, 600)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CampaignError(f"{name}={value} is not within {low} and {high}: milliseconds, a percentage?")
        if not self.queue or self.claims_max < 1:
            raise CampaignError(
                f"queue={self.queue!r} must have a name, and claims_max={self.claims_max} be 1 or more"
            )


class Learned:
    """What the calls of a queue have shown: how many reach a person, and how long that takes.

    Examples
    --------
    >>> learned = Learned()
    >>> learned.reach, learned.lead_s
    (0.7, 25.0)
    >>> for _ in range(30):
    ...     learned.ended(person_after_s=12.0)
    >>> round(learned.reach, 3), learned.lead_s
    (0.925, 12.0)
    """

    def __init__(self) -> None:
        self._reached: deque[bool] = deque(maxlen=REMEMBERED)
        self._dials_s: deque[float] = deque(maxlen=REMEMBERED)

    def ended(self, *, person_after_s: float | None) -> None:
        """Take a call that is over: how long after its dial a person was there, if one was."""
        self._reached.append(person_after_s is not None)
        if person_after_s is not None:
            self._dials_s.append(person_after_s)

    @property
    def reach(self) -> float:
        """The share of calls that reach a person."""
        return (REACH * REACH_WEIGHT + sum(self._reached)) / (REACH_WEIGHT + len(self._reached))

    @property
    def lead_s(self) -> float:
        """From dial to person, in seconds."""
        return lead_s(self._dials_s)

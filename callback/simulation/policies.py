"""Callback policies as data: who is dialled when, who waits for whom, and where a retry stands in line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from callback.pacing import LEAD_S
from callback.simulation.scenario import ScenarioError


class Reach(StrEnum):
    """Who is there first when a customer is called back."""

    NONE = "none"  # no callbacks are offered
    AGENT_FIRST = "agent_first"  # an agent is reserved, then the phone rings
    CUSTOMER_FIRST = "customer_first"  # the customer answers and is screened, then an agent is offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a centre calls back.

    Parameters
    ----------
    name : str
    reach : Reach
    keeps_place : bool
        A retry stands where the customer stood; else at the back, by the time of the retry.
    jumps : bool
        Callbacks come before all live callers.
    lead_s : float, at least 0 s
        Dial when the head of the line is as likely as not reached within this; 0: when nobody is ahead.
    """

    name: str
    reach: Reach
    keeps_place: bool = True
    jumps: bool = False
    lead_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.lead_s >= 0:
            raise ScenarioError(f"lead_s={self.lead_s} must be at least 0 s")
        if self.lead_s and self.reach is not Reach.CUSTOMER_FIRST:
            raise ScenarioError(
                f"lead_s={self.lead_s} needs {Reach.CUSTOMER_FIRST!s}: an agent-first dial waits for one"
            )


NO_CALLBACK: Final = Policy(name="no callback", reach=Reach.NONE)
AGENT_FIRST: Final = Policy(name="agent first", reach=Reach.AGENT_FIRST)
CUSTOMER_FIRST: Final = Policy(name="customer first", reach=Reach.CUSTOMER_FIRST)
RETRY_TO_BACK: Final = Policy(name="retry to back", reach=Reach.CUSTOMER_FIRST, keeps_place=False)
PRIORITY_JUMP: Final = Policy(name="priority jump", reach=Reach.CUSTOMER_FIRST, jumps=True)
DIAL_LEAD: Final = Policy(name=f"dial lead {LEAD_S:g} s", reach=Reach.CUSTOMER_FIRST, lead_s=LEAD_S)

POLICIES: Final[tuple[Policy, ...]] = (
    NO_CALLBACK,
    AGENT_FIRST,
    CUSTOMER_FIRST,
    DIAL_LEAD,
    RETRY_TO_BACK,
    PRIORITY_JUMP,
)
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NO_CALLBACK.name: "everybody holds the line",
        AGENT_FIRST.name: "an agent is reserved, then the customer is dialled; the place is kept",
        CUSTOMER_FIRST.name: "the customer is dialled at the head of the line and screened; then an agent",
        DIAL_LEAD.name: "as customer first, dialled this long before the head is reached",
        RETRY_TO_BACK.name: "as customer first, but a retry goes to the back of the line",
        PRIORITY_JUMP.name: "as customer first, but callbacks come before all live callers",
    }
)
"""What each policy does, in words."""

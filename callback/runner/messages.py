"""What comes to the inbox of a call, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callback.dialing import Update
from callback.screening import Decision
from callback.states import Callback


class Stage(StrEnum):
    """What is being done about a call."""

    CLAIMED = "claimed"
    STRAY = "stray"  # told of, and not held by this runner: whose report is taken has it
    RINGING = "ringing"
    SCREENING = "screening"
    ENDING = "ending"  # hung up by us
    HOLDING = "holding"
    OFFERING = "offering"
    TALKING = "talking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask this agent; the callback stands at ``offered``."""

    agent: str
    callback: Callback


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent said: their end of the call, or None."""

    agent: str
    leg: str | None


@dataclass(frozen=True, slots=True)
class Beat:
    """Time to renew the lease, and to see that the call is still on."""


Message = Update | Decision | Ask | Answer | Beat

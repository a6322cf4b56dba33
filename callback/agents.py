"""The contact centre's own queue: agents who are asked, and live callers who stand in the same line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from callback.ordering import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """The agents and live callers of a queue, now.

    Parameters
    ----------
    free : tuple of str
        Ids, not names, of the agents who can take a call now; who has waited longest comes first.
    n_busy : int
    handling_s : float, above 0 s
        Mean time that an agent is taken by one contact.
    patience_s : float or None
        Mean time that a live caller waits before hanging up, if known.
    live : tuple of Contact
        Live callers who wait, in line.
    """

    free: tuple[str, ...]
    n_busy: int
    handling_s: float
    patience_s: float | None = None
    live: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An agent took the call. ``leg`` is their end of it, for `callback.dialing.Dialer.bridge`."""

    leg: str


class Agents(Protocol):
    """The contact centre's queue."""

    async def staffing(self, queue: str) -> Staffing:
        """Return who is there."""

    async def offer(self, agent: str, *, queue: str, callback_id: str, dial_id: str) -> Accepted | None:
        """Ask an agent to take a customer who is on the line; None when they did not, in the time they have."""

    async def withdraw(self, agent: str, *, callback_id: str) -> None:
        """The customer is gone: the agent need not answer. Also when nothing was offered: does nothing then."""

    async def over(self, agent: str, *, callback_id: str) -> None:
        """The talk is over, or never came about: the agent is the queue's again. Twice does no harm."""

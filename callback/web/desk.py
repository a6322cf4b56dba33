"""What the routes share: the queue's service, its clock, who staffs it, and threads for a store that blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from callback.agents import Agents
from callback.errors import StaleVersion
from callback.estimate import Service, Told, Wait
from callback.ordering import Contact
from callback.service import CallbackService
from callback.states import Callback, State
from callback.transacting import TRIES
from callback.web.meters import Meters
from callback.web.problems import Problem
from callback.web.settings import Settings

T = TypeVar("T")
logger: Final = logging.getLogger("callback.web")
THREADS: Final = 10
"""Below the 15 connections that the pool of the store has: nobody waits for one while holding a thread."""
STAFFING_MAX_S: Final = 2.0
"""An adapter that takes longer to say who is there is asked again next time; until then nothing is estimated."""


def utc_now() -> datetime:
    """Return the time by the wall's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffed:
    """Who serves a queue now, and the live callers in its line. ``seen``: an adapter says so, not the settings."""

    service: Service
    live: tuple[Contact, ...] = ()
    seen: bool = False


class Desk:
    """One service at its desk.

    Parameters
    ----------
    service : CallbackService
    settings : Settings
    agents : Agents or None
        The contact centre's queue, where there is an adapter; else the settings say who staffs it.
    now : callable
        The wall's clock, in UTC.
    """

    def __init__(
        self,
        service: CallbackService,
        settings: Settings,
        *,
        agents: Agents | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.service = service
        self.settings = settings
        self.now = now
        self.meters = Meters()
        self.failed: str | None = None
        self._agents = agents
        self._limiter: CapacityLimiter | None = None

    async def run(self, call: Callable[..., T], *args: object, **named: object) -> T:
        """Call something that blocks, in a thread.

        Raises
        ------
        Problem
            It takes too long. What it writes may be written yet: the same request again is safe with a key.
        """
        if self._limiter is None:  # belongs to the loop that runs now
            self._limiter = CapacityLimiter(THREADS)
        most_s = self.settings.limits.answer_max_s
        try:
            with anyio.fail_after(most_s):
                return await to_thread.run_sync(
                    partial(call, *args, **named), abandon_on_cancel=True, limiter=self._limiter
                )
        except TimeoutError:
            raise Problem(
                503,
                "too-slow",
                f"more than {most_s} s; it may be done yet: ask again, with the same Idempotency-Key",
                headers={"Retry-After": "5"},
            ) from None

    def check_queue(self, queue: str) -> None:
        """Raise a problem for a queue that the settings do not know, where they name any."""
        known = self.settings.queues
        if known and queue not in known:
            raise Problem(
                422, "unknown-queue", f"queue={queue!r} is unknown, need one of {', '.join(known)}: a typing slip?"
            )

    async def staffed(self, queue: str) -> Staffed | None:
        """Return who serves a queue; None when nobody says, or nobody is there."""
        staff = self.settings.queues.get(queue)
        if self._agents is None:
            return None if staff is None else Staffed(service=staff.service())
        try:
            with anyio.fail_after(STAFFING_MAX_S):
                found = await self._agents.staffing(queue)
        except Exception as error:  # noqa: BLE001 -- an adapter's own, of whatever kind; a wait is not told then
            logger.warning("staffing of queue %s is not known: %s", queue, type(error).__name__)
            return None
        agents = len(found.free) + found.n_busy
        if not agents:
            return None
        service = Service(
            agents=agents,
            handling_s=found.handling_s,
            reach=staff.reach if staff else 1.0,
            free_agents=len(found.free),
        )
        if found.patience_s is not None:
            service = replace(service, patience_s=found.patience_s)
        return Staffed(service=service, live=found.live, seen=True)

    async def tell(self, callback: Callback) -> Told | None:
        """Say how long a customer will wait: written down first, so that no restart takes it back."""
        if callback.ended or callback.state is State.CONNECTED:
            return None
        staffed = await self.staffed(callback.booking.queue)
        if staffed is None:
            return None
        now = self.now()
        told = await self.run(_kept, self.service, callback.id, staffed, now)
        return replace(told, wait=_opened(told.wait, callback, now))


def _kept(service: CallbackService, callback_id: str, staffed: Staffed, now: datetime) -> Told:
    for _ in range(TRIES):
        with service.store.reading() as reads:
            before = reads.told(callback_id)
        told = service.estimate(callback_id, staffed.service, now=now, live=staffed.live, told=before)
        if told == before:
            return told
        try:
            with service.store.transaction() as transaction:
                transaction.keep_told(callback_id, before, told)
        except StaleVersion:
            continue
        return told
    raise StaleVersion(f"what callback {callback_id!r} is told changes all the time: ask again")


def _opened(wait: Wait, callback: Callback, now: datetime) -> Wait:
    """Return a wait that is no shorter than until the customer may be called."""
    window = callback.window
    opens_s = max(timedelta(), window.opens_at - now).total_seconds() if window else 0.0
    p10_s, p50_s, p90_s, mean_s = (
        max(value, opens_s) for value in (wait.p10_s, wait.p50_s, wait.p90_s, wait.mean_s)
    )
    return Wait(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, mean_s=mean_s)

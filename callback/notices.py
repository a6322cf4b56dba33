"""Notices of every change of a callback, to whoever wants them: signed, in order, until they are taken.

The outbox is the queue: a notice is off it only when everyone has taken it, so no crash loses one, and one may
come twice. Its id is the same each time. Notices of one callback go out one after another; where one cannot be
delivered those after it wait, until it is given up.

Signed as Standard Webhooks says (https://www.standardwebhooks.com): HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from callback.commands import Tell
from callback.errors import CallbackError
from callback.service import CallbackService
from callback.states import Callback, State
from callback.store import Errand
from callback.transitions import replay

logger: Final = logging.getLogger("callback.notices")

ANSWER_MAX_S: Final = 10.0
"""A receiver says that it has taken a notice within this, and works on it later."""
AGAIN_S: Final = 3 * ANSWER_MAX_S
"""What a sender that died had taken comes to another after this: never while it may still be sending."""
FIRST_GAP_S: Final = 5.0
GAP_MAX_S: Final = 900.0
"""Tries go on a quarter of an hour apart: a receiver that is back waits no longer for what it missed."""
JITTER: Final = 0.5
"""Each gap is shorter by up to this part, so that what failed together does not come back together."""
AT_ONCE: Final = 20
POLL_S: Final = 0.5
TAKEN_BY_KEPT: Final = 10_000
SECRET_MIN: Final = 16
PREFIX: Final = "whsec_"
GONE: Final = 410


class NoticesError(CallbackError, ValueError):
    """A receiver that cannot be told anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is told.

    Parameters
    ----------
    url : str
    secret : bytes
        Shared with the receiver.
    numbers : bool
        Whether it gets the customer's number: personal data.
    give_up_s : float, s
        A notice that is older, and could still not be delivered, is given up.
    """

    url: str
    secret: bytes = field(repr=False)
    numbers: bool = False
    give_up_s: float = 24 * 3600.0


def secret_of(text: str) -> bytes:
    """Read a secret like ``whsec_`` and base64.

    Raises
    ------
    NoticesError
    """
    try:
        secret = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise NoticesError("the secret of a webhook must be base64, after whsec_ or alone: a password?") from None
    if len(secret) < SECRET_MIN:
        raise NoticesError(f"the secret of a webhook has {len(secret)} bytes, need {SECRET_MIN} or more: cut off?")
    return secret


def signature(secret: bytes, notice_id: str, timestamp: int, body: bytes) -> str:
    """Return what stands in ``webhook-signature``."""
    signed = f"{notice_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def gap_s(tries: int, rng: random.Random) -> float:
    """Return how long to wait after so many tries that failed (s): doubled each time, with jitter, capped."""
    longest = min(GAP_MAX_S, FIRST_GAP_S * 2.0 ** min(tries - 1, 30))
    return longest * (1 - JITTER * rng.random())


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of one change. ``number`` is in it only for who is to have it."""

    id: str
    at: datetime
    callback: Callback
    number: str | None = field(repr=False)
    position: int | None

    def body(self, *, numbers: bool) -> bytes:
        """Return it as JSON."""
        callback, booking = self.callback, self.callback.booking
        data: dict[str, Any] = {
            "callback_id": callback.id,
            "queue": booking.queue,
            "state": callback.state.value,
            "reason": callback.reason and callback.reason.value,
            "position": self.position,
            "attempts": callback.tally.attempts,
            "attempts_max": booking.attempts_max,
            "last_outcome": callback.tally.last_outcome and callback.tally.last_outcome.value,
            "not_before": callback.window and callback.window.opens_at.isoformat(),
            "version": callback.version,
        }
        if numbers:
            data["number"] = self.number
        told = {"type": "callback.changed", "timestamp": self.at.isoformat(), "data": data}
        return json.dumps(told, separators=(",", ":")).encode()


def notice_of(service: CallbackService, errand: Errand) -> Notice:
    """Return what an errand is to tell: the callback as it stood then, but for its position, which is of now."""
    callback_id, version, place = errand.key
    with service.store.reading() as reads:
        log = reads.log(callback_id)[:version]
        current = reads.get(callback_id)
        in_line = not current.ended and current.state is not State.CONNECTED
        position = 1 + reads.ahead(current.booking) if in_line else None
    return Notice(
        id=f"{callback_id}-{version}-{place}",
        at=log[-1][1],
        callback=replay(log, current.person),
        number=current.person.number if current.person else None,
        position=position,
    )


Run = Callable[..., Awaitable[Any]]


class Notices:
    """Sends what the outbox has to tell.

    Parameters
    ----------
    service : CallbackService
    targets : sequence of Target
        With none, what is to be told is told to nobody, and off the outbox.
    run : callable
        Calls the store, which blocks, in a thread.
    now : callable
        The wall's clock, in UTC.
    count : callable
        Is given ``"delivered"``, ``"failed"`` or ``"dead"`` for each try.
    rng : Random
        For the jitter.
    """

    def __init__(
        self,
        service: CallbackService,
        targets: Sequence[Target],
        *,
        now: Callable[[], datetime],
        count: Callable[[str], None],
        rng: random.Random,
        run: Run = asyncio.to_thread,
    ) -> None:
        self._service = service
        self._targets = tuple(targets)
        self._now = now
        self._count = count
        self._rng = rng
        self._run = run
        self._taken_by: OrderedDict[tuple[str, int, int], set[str]] = OrderedDict()

    async def __call__(self) -> None:
        """Send, until cancelled. What is being sent then comes again."""
        async with httpx2.AsyncClient(timeout=ANSWER_MAX_S, follow_redirects=False) as client:
            while True:
                try:
                    busy = await self.turn(client)
                except Exception as error:  # noqa: BLE001 -- the store, mostly: it comes back, and so do notices
                    logger.warning("notices wait: %s", type(error).__name__)
                    busy = False
                if not busy:
                    await asyncio.sleep(POLL_S)

    async def turn(self, client: httpx2.AsyncClient) -> bool:
        """Send what is due now; return whether there was as much as is sent at once."""
        errands = await self._run(
            self._service.errands, self._now(), limit=AT_ONCE, types=(Tell.type,), again_s=AGAIN_S
        )
        results = await asyncio.gather(*(self._send(errand, client) for errand in errands), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        return len(errands) == AT_ONCE

    async def _send(self, errand: Errand, client: httpx2.AsyncClient) -> None:
        notice = await self._run(notice_of, self._service, errand) if self._targets else None
        taken_by = self._taken_by.pop(errand.key, set())
        open_targets = [one for one in self._targets if one.url not in taken_by]
        waits_s = await asyncio.gather(
            *(self._deliver(target, notice, errand.tries, client) for target in open_targets if notice)
        )
        taken_by |= {one.url for one, wait_s in zip(open_targets, waits_s, strict=True) if wait_s is None}
        again = [wait_s for wait_s in waits_s if wait_s is not None]
        if not again:
            await self._run(self._service.done, errand, now=self._now())
            return
        self._taken_by[errand.key] = taken_by
        if len(self._taken_by) > TAKEN_BY_KEPT:  # those are told again: they know the id
            self._taken_by.popitem(last=False)
        await self._run(self._service.later, errand, at=self._now() + timedelta(seconds=min(again)))

    async def _deliver(
        self, target: Target, notice: Notice, tries: int, client: httpx2.AsyncClient
    ) -> float | None:
        """Try once; return after how long to try again (s), or None when it is over with this one."""
        answer, asked_s = await self._post(target, notice, client)
        if answer.isdigit() and answer.startswith("2"):
            self._count("delivered")
            return None
        age_s = (self._now() - notice.at).total_seconds()
        if age_s > target.give_up_s or answer == str(GONE):
            self._count("dead")
            logger.error("notice %s is given up after %d tries: %s", notice.id, tries, answer)
            return None
        self._count("failed")
        logger.info("notice %s was not taken (try %d): %s", notice.id, tries, answer)
        return max(gap_s(tries, self._rng), min(asked_s, GAP_MAX_S))

    async def _post(self, target: Target, notice: Notice, client: httpx2.AsyncClient) -> tuple[str, float]:
        """Return the status, or what went wrong, and how long the receiver asks to be left alone (s)."""
        body, timestamp = notice.body(numbers=target.numbers), round(self._now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(target.secret, notice.id, timestamp, body),
        }
        try:
            async with asyncio.timeout(ANSWER_MAX_S):
                async with client.stream("POST", target.url, content=body, headers=headers) as answer:
                    return str(answer.status_code), self._asked_s(answer.headers.get("retry-after", ""))
        except TimeoutError:
            return "no answer in time", 0.0
        except httpx2.HTTPError as error:  # its text may hold the address, and that a token
            return type(error).__name__, 0.0

    def _asked_s(self, text: str) -> float:
        if text.isdigit():
            return float(text)
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        return max(0.0, (at - self._now()).total_seconds()) if at.tzinfo else 0.0

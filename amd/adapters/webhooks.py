"""Verdicts by HTTP as they come: signed, in order within a call, tried again, never lost without a word.

Sent with httpx2 (extra ``adapters``): a pool of kept connections with time limits and TLS on this loop is nothing
to write ourselves, and the standard library's client would block a thread for each message in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx2

from amd.adapters.http_client import make_client
from amd.adapters.signatures import TWILIO, key_of, sign, sign_as_twilio
from amd.adapters.webhook_forms import Line, Message, Writer
from amd.adapters.webhook_settings import Hook, WebhookLimits

RETRIED: Final = frozenset({408, 425, 429, *range(500, 600)})
"""Answers after which another try may do better; what else is no 2xx is final."""
ANSWER_MAX_BYTES: Final = 4096
"""Read of an answer, so that its connection can be used again; nothing in it is looked at."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Delivery:
    message: Message
    message_id: str
    n_tries: int = 0


class Webhooks:
    """Deliver what a server tells: give `send` every line, between `start` and `stop`.

    A call's messages are sent one after another, calls beside one another. What is dropped is counted and told as
    a line ``webhook_dropped`` with its reason; that they fail, and work again, as ``webhook_failing`` and
    ``webhook_works``.

    Parameters
    ----------
    hook : Hook
    tell : callable
        Given those lines.
    limits : WebhookLimits, optional
    now_s : callable, optional
        Seconds since 1970, for signatures.
    rng : random.Random, optional
        Shortens waits.

    Attributes
    ----------
    n_sent, n_failed : int
        Messages that were delivered; tries that failed.
    n_dropped : Counter of str
        Messages that were not, by reason.
    """

    def __init__(
        self,
        hook: Hook,
        tell: Callable[[Line], None],
        *,
        limits: WebhookLimits | None = None,
        now_s: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._hook = hook
        self._key = None if hook.secret is None else key_of(hook.secret)
        self._tell = tell
        self._limits = limits or WebhookLimits()
        self._now_s = now_s
        self._rng = rng or random.Random()  # noqa: S311 -- it spreads tries, and hides nothing
        self._writer = Writer(
            hook.form, types=hook.types, early=hook.early, account_sid=hook.account_sid, mode=hook.mode
        )
        self._lanes: dict[int, deque[_Delivery]] = {}
        """Of each call; a lane has one token: in `_ready`, with a worker, or with the timer of a wait."""
        self._ready: asyncio.Queue[int] = asyncio.Queue()
        self._waiting: OrderedDict[_Delivery, None] = OrderedDict()
        """All that is not in flight, oldest first."""
        self._workers: list[asyncio.Task[None]] = []
        self._client: httpx2.AsyncClient | None = None
        self._stopping = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._works = True
        self.n_sent = 0
        self.n_failed = 0
        self.n_dropped: Counter[str] = Counter()

    @property
    def n_waiting(self) -> int:
        """Messages that wait for their turn or for another try."""
        return len(self._waiting)

    async def start(self) -> None:
        """Begin to deliver."""
        most = self._limits.at_once
        self._client = make_client(
            self._hook.url,
            at_once=most,
            answer_max_s=self._limits.answer_max_s,
            ca_file=self._hook.ca_file,
        )
        self._workers = [asyncio.create_task(self._work(self._client)) for _ in range(most)]

    async def stop(self, limit_s: float) -> None:
        """Take no more, deliver what waits for as long as the limit allows, drop the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_empty.wait()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for lane in self._lanes.values():
            for one in lane:
                self._drop(one.message, "stopped", one.n_tries)
        self._lanes.clear()
        self._waiting.clear()
        self._is_empty.set()
        if self._client is not None:
            await self._client.aclose()

    def send(self, line: Line) -> None:
        """Take a line of the server, on the loop of `start`; what makes no message is passed over."""
        message = self._writer.take(line)
        if message is None:
            return
        if self._stopping:
            self._drop(message, "stopped", 0)
            return
        one = _Delivery(message=message, message_id=f"msg_{secrets.token_hex(16)}")
        lane = self._lanes.get(message.call)
        if lane is None:
            lane = self._lanes[message.call] = deque()
            self._ready.put_nowait(message.call)
        lane.append(one)
        self._waiting[one] = None
        self._is_empty.clear()
        while len(self._waiting) > self._limits.queue_max:
            oldest, _ = self._waiting.popitem(last=False)
            self._lanes[oldest.message.call].remove(oldest)
            self._drop(oldest.message, "queue full", oldest.n_tries)

    def _drop(self, message: Message, reason: str, n_tries: int) -> None:
        self.n_dropped[reason] += 1
        self._tell(
            {
                "type": "webhook_dropped",
                "call": message.call,
                "call_id": message.call_id,
                "dropped": message.type,
                "reason": reason,
                "tries": n_tries,
            }
        )

    async def _work(self, client: httpx2.AsyncClient) -> None:
        while True:
            call = await self._ready.get()
            lane = self._lanes[call]
            if not lane:
                del self._lanes[call]
                if not self._lanes:
                    self._is_empty.set()
                continue
            one = lane[0]
            del self._waiting[one]
            wait_s = await self._try(client, one)
            if wait_s is None:
                lane.popleft()
                self._ready.put_nowait(call)
            else:
                self._waiting[one] = None
                self._waiting.move_to_end(one, last=False)
                asyncio.get_running_loop().call_later(wait_s, self._ready.put_nowait, call)

    async def _try(self, client: httpx2.AsyncClient, one: _Delivery) -> float | None:
        """Send a message once; return how long to wait for another try, None when it is done with."""
        one.n_tries += 1
        status, asked_s, why = await self._post(client, one)
        if 200 <= status < 300:
            self.n_sent += 1
            if not self._works:
                self._works = True
                self._tell({"type": "webhook_works"})
            return None
        self.n_failed += 1
        if self._works:
            self._works = False
            self._tell({"type": "webhook_failing", "reason": why})
        if (status and status not in RETRIED) or one.n_tries >= self._limits.tries_max:
            self._drop(one.message, why, one.n_tries)
            return None
        return max(self._limits.wait_s(one.n_tries, self._rng), min(asked_s, self._limits.wait_max_s))

    async def _post(self, client: httpx2.AsyncClient, one: _Delivery) -> tuple[int, float, str]:
        """Return the status (0: no answer), the wait that was asked for, and what to say of it."""
        try:
            async with (
                asyncio.timeout(self._limits.answer_max_s),
                client.stream("POST", self._hook.url, content=one.message.body, headers=self._head(one)) as answer,
            ):
                n_read = 0
                async for piece in answer.aiter_raw():
                    n_read += len(piece)
                    if n_read > ANSWER_MAX_BYTES:
                        break
                asked = answer.headers.get("retry-after", "")
                asked_s = float(asked[:9]) if asked.isascii() and asked.isdecimal() else 0.0
                return answer.status_code, asked_s, f"HTTP {answer.status_code}"
        except TimeoutError:
            return 0, 0.0, "no answer in time"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return 0, 0.0, type(error).__name__  # its text can name the address

    def _head(self, one: _Delivery) -> dict[str, str]:
        message = one.message
        head = {"content-type": message.content_type, "user-agent": "amd", "idempotency-key": one.message_id}
        if self._key is not None:
            head |= sign(self._key, one.message_id, int(self._now_s()), message.body)
        if self._hook.token is not None and message.fields is not None:
            head[TWILIO] = sign_as_twilio(self._hook.token, self._hook.url, message.fields)
        return head

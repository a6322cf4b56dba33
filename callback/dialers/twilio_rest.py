"""Twilio's REST interface, as far as calls need it (API version 2010-04-01). Needs the extra ``dialers``.

Neither the account's token nor a number is in any error or log: of a fault, the status and Twilio's code are told.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import aiohttp

from callback.dialing import DialerDown, DialInDoubt, DialingError

REQUEST_MAX_S: Final = 10.0
TRIES: Final = 4
BACKOFF_S: Final = 0.25
RETRY_AFTER_MAX_S: Final = 5.0
"""A call that Twilio would take later than this is told as not placed: it is our own limit that was met."""
PAGES_MAX: Final = 5
PAGE: Final = 1000
GATEWAY: Final = (502, 504)
"""What stands before Twilio's servers had no answer from them."""
OVER: Final = (20404, 21220)
"""Not found, and not in progress (Twilio's error dictionary): there is no such call any more."""
_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_CALL: Final = re.compile(r"CA[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccount:
    """An account.

    Parameters
    ----------
    sid : str
        ``AC`` and 32 hexadecimal digits.
    token : str
        Its auth token: requests are authorised with it, and Twilio's own are signed.
    url : str
        Of the REST interface; another one for a region, or for tests.
    """

    sid: str
    token: str = field(repr=False)
    url: str = "https://api.twilio.com"

    def __post_init__(self) -> None:
        if _SID.fullmatch(self.sid) is None:
            raise ValueError("sid must be AC and 32 hexadecimal digits: an API key, or a phone number's SID?")
        if not self.token or not self.token.isprintable():
            raise ValueError("token is empty or holds a control character: a line's end from a file?")

    @property
    def authorization(self) -> str:
        """The header of every request."""
        return "Basic " + base64.b64encode(f"{self.sid}:{self.token}".encode()).decode("ascii")


class Refused(DialingError):  # noqa: N818 -- names what is so, as those of `callback.dialing`
    """Twilio did not do it; ``status`` is HTTP's, ``code`` Twilio's, 0 where there is none."""

    def __init__(self, status: int, code: int, retry_after_s: float = 1.0) -> None:
        super().__init__(f"Twilio answered HTTP {status}, error {code}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class TwilioRest:
    """Ask Twilio; use between ``start`` and ``stop``."""

    def __init__(self, account: TwilioAccount) -> None:
        self._account = account
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open, and see that the account is there.

        Raises
        ------
        DialerDown
        """
        self._session = aiohttp.ClientSession(
            headers={"Authorization": self._account.authorization},
            timeout=aiohttp.ClientTimeout(total=REQUEST_MAX_S),
        )
        try:
            await self._ask("GET", f"/2010-04-01/Accounts/{self._account.sid}.json")
        except Refused as error:
            await self.stop()
            raise DialerDown(f"Twilio refuses the account: {error}: a wrong token?") from None
        except DialingError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close."""
        if self._session is not None:
            await self._session.close()

    async def create(self, form: Sequence[tuple[str, str]]) -> str:
        """Place a call, and return its SID; it is sent once, unless Twilio says that it was not taken.

        Raises
        ------
        Refused
        DialInDoubt
        DialerDown
        """
        try:
            return await self._create(form)
        except Refused as error:
            if error.status != 429 or error.retry_after_s > RETRY_AFTER_MAX_S:
                raise
            wait_s = error.retry_after_s
        await asyncio.sleep(wait_s)
        return await self._create(form)

    async def _create(self, form: Sequence[tuple[str, str]]) -> str:
        try:
            sid = str((await self._send("POST", self._calls(), form)).get("sid"))
        except Refused as error:
            if error.status in GATEWAY:
                raise DialInDoubt(f"{error}: it may have been placed") from None
            raise
        if not is_call(sid):
            raise DialInDoubt("Twilio's reply names no call")
        return sid

    async def update(self, sid: str, **form: str) -> bool:
        """Change a call that is on; False where it is over."""
        try:
            await self._ask("POST", self._calls(f"/{sid}"), list(form.items()))
        except Refused as error:
            if error.code in OVER or error.status == 404:
                return False
            raise
        return True

    async def fetch(self, sid: str) -> Mapping[str, Any] | None:
        """Return a call; None where there is none."""
        try:
            return await self._ask("GET", self._calls(f"/{sid}"))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def since(self, day: date) -> list[Mapping[str, Any]]:
        """Return the calls that started on a day or after it, the newest first, as far as pages go."""
        path: str | None = f"{self._calls()}?StartTime%3E={day.isoformat()}&PageSize={PAGE}"
        found: list[Mapping[str, Any]] = []
        for _ in range(PAGES_MAX):
            if path is None:
                break
            page = await self._ask("GET", path)
            found += page.get("calls") or []
            path = page.get("next_page_uri")
        return found

    async def stream(self, sid: str, url: str, name: str) -> bool:
        """Send what is heard of a call to a websocket; False where it is over."""
        form = [("Url", url), ("Name", name), ("Track", "inbound_track")]
        try:
            await self._ask("POST", self._calls(f"/{sid}/Streams"), form)
        except Refused as error:
            if error.code in OVER or error.status == 404:
                return False
            raise
        return True

    def _calls(self, what: str = "") -> str:
        return f"/2010-04-01/Accounts/{self._account.sid}/Calls{what}.json"

    async def _ask(self, method: str, path: str, form: Sequence[tuple[str, str]] = ()) -> Mapping[str, Any]:
        """Send what may be sent twice."""
        for n in range(TRIES):
            last = n == TRIES - 1
            try:
                return await self._send(method, path, form)
            except Refused as error:
                if last or (error.status < 500 and error.status != 429):
                    raise
            except (DialInDoubt, DialerDown) as error:
                if last:
                    raise DialerDown(str(error)) from None
            await asyncio.sleep(BACKOFF_S * 2**n)
        raise AssertionError("unreachable")

    async def _send(self, method: str, path: str, form: Sequence[tuple[str, str]] = ()) -> Mapping[str, Any]:
        if self._session is None:
            raise DialerDown("the dialer was not started")
        try:
            async with self._session.request(method, self._account.url + path, data=form or None) as reply:
                body = await _json(reply)
                if reply.status < 300:
                    return body
                retry_after_s = float(_number(reply.headers.get("Retry-After")) or 1)
                raise Refused(reply.status, _number(body.get("code")), retry_after_s)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise DialerDown(f"Twilio cannot be reached: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DialInDoubt(f"Twilio's reply was lost: {type(error).__name__}") from None


def is_call(sid: str) -> bool:
    """Whether it has the form of a call's SID."""
    return _CALL.fullmatch(sid) is not None


async def _json(reply: aiohttp.ClientResponse) -> Mapping[str, Any]:
    try:
        body = await reply.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

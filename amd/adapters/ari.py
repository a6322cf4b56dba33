"""Channel variables by Asterisk's REST interface (ARI), where the id of the channel is known.

``POST /channels/{channelId}/variable``, which Asterisk grants for channels in a Stasis application. Over
AudioSocket the id is known where the application chose it: originate with ``channelId=<uuid>``, and give the same
UUID to ``externalMedia`` or ``AudioSocket()``. Needs httpx2 (extra ``adapters``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx2

from amd.adapters.addresses import check_file, check_url
from amd.adapters.ami_wire import check_variable
from amd.adapters.channel_variables import VariableError
from amd.adapters.http_client import make_client
from amd.errors import PolicyError

WHY: Final[Mapping[int, str]] = {
    400: "the request has no such form",
    401: "user and password as in ari.conf?",
    403: "is its user read_only?",
    404: "no channel has the id of the call",
    409: "the channel is in no Stasis application",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AriSettings:
    """Where Asterisk's REST interface is.

    Parameters
    ----------
    url : str
        ``https://host:8089/ari``; ``http://`` on this machine, or where ``insecure`` is meant.
    user, password : str
        As ari.conf has them; the password is not in the repr.
    ca_file : Path or None
        Certificates of an authority of one's own, in place of the public ones.
    answer_max_s : float
        Of one request.
    wait_s : float
        Between tries, shortened by up to a half by chance.
    at_once : int
        Requests in flight.
    """

    url: str = "http://127.0.0.1:8088/ari"
    user: str
    password: str = field(repr=False)
    ca_file: Path | None = None
    insecure: bool = False
    answer_max_s: float = 1.0
    wait_s: float = 0.1
    at_once: int = 32

    def __post_init__(self) -> None:
        check_url(self.url, "an ARI", insecure=self.insecure)
        check_file(self.ca_file)
        for name in ("answer_max_s", "wait_s"):
            if not 0 < getattr(self, name) <= 60:
                raise PolicyError(f"{name}={getattr(self, name)} is outside 0 to 60 s: milliseconds?")
        if self.at_once < 1:
            raise PolicyError(f"at_once={self.at_once} must be 1 or more")


class Ari:
    """Set channel variables by ARI, between `start` and `stop`.

    Parameters
    ----------
    settings : AriSettings
    channel_of : callable, optional
        Id of the channel whose variables are set, given that of the call; the same by default.
    rng : random.Random, optional
    """

    def __init__(
        self,
        settings: AriSettings,
        *,
        channel_of: Callable[[str], str] = lambda call_id: call_id,
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._channel_of = channel_of
        self._rng = rng or random.Random()  # noqa: S311 -- it spreads tries, and hides nothing
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        """Make the pool of connections."""
        settings = self._settings
        self._client = make_client(
            settings.url,
            at_once=settings.at_once,
            answer_max_s=settings.answer_max_s,
            auth=httpx2.BasicAuth(settings.user, settings.password),
            ca_file=settings.ca_file,
        )

    async def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def set_variables(self, call_id: str, variables: Mapping[str, str]) -> None:
        """Set variables of a channel.

        What fails on the way is tried again, for ever: whoever calls limits the time.

        Raises
        ------
        VariableError
            If Asterisk refuses.
        WireError
            If a name or value would need quotes.
        """
        channel = quote(self._channel_of(call_id), safe="", errors="replace")
        for name, value in variables.items():
            check_variable(name, value)
        for name, value in variables.items():
            while not await self._set(channel, name, value):
                await asyncio.sleep(self._settings.wait_s * self._rng.uniform(0.5, 1.0))

    async def _set(self, channel: str, name: str, value: str) -> bool:
        """Set one; False if there was no answer, or one of a server that is not well."""
        if self._client is None:
            raise VariableError("this connection to ARI was not started")
        try:
            async with asyncio.timeout(self._settings.answer_max_s):
                answer = await self._client.post(
                    f"{self._settings.url.rstrip('/')}/channels/{channel}/variable",
                    params={"variable": name, "value": value},
                )
        except (httpx2.HTTPError, OSError, TimeoutError):
            return False
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        if not answer.is_success:
            why = WHY.get(answer.status_code, "refused")
            raise VariableError(f"Asterisk did not set {name}: HTTP {answer.status_code}, {why}")
        return True

"""Where webhooks go, and what is spent on them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from amd.adapters.addresses import check_file, check_url
from amd.adapters.signatures import key_of
from amd.adapters.webhook_forms import TYPES, Form
from amd.errors import PolicyError
from amd.vocabularies import TwilioMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where messages go.

    Parameters
    ----------
    url : str
        ``https://...``; ``http://`` on this machine, or where ``insecure`` is meant.
    secret : str or None
        Signs every message (`amd.adapters.signatures`); not in the repr.
    form, types, early, account_sid, mode
        See `amd.adapters.webhook_forms.Writer`.
    token : str or None
        Twilio's authentication token, for ``X-Twilio-Signature`` on Twilio's form; not in the repr.
    ca_file : Path or None
        Certificates of an authority of one's own, in place of the public ones.
    insecure : bool
        Whether ``http://`` to other machines is meant.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    form: Form = Form.JSON
    types: frozenset[str] = TYPES
    early: bool = True
    account_sid: str = ""
    mode: TwilioMode = TwilioMode.ENABLE
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        check_url(self.url, "a webhook", insecure=self.insecure)
        if self.secret is not None:
            key_of(self.secret)
        check_file(self.ca_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLimits:
    """What is spent on webhooks.

    Parameters
    ----------
    queue_max : int
        Messages that wait; beyond it the oldest is dropped.
    at_once : int
        Requests in flight.
    answer_max_s : float
        A request that is not answered by then has failed.
    tries_max : int
        Of one message.
    wait_first_s, wait_max_s : float
        Between tries: the first wait, doubled each time, up to the most; each is shortened by up to a half by
        chance, so that messages that failed together do not come again together.
    """

    queue_max: int = 10_000
    at_once: int = 16
    answer_max_s: float = 5.0
    tries_max: int = 8
    wait_first_s: float = 0.5
    wait_max_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("queue_max", "at_once", "tries_max"):
            if getattr(self, name) < 1:
                raise PolicyError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("answer_max_s", "wait_first_s", "wait_max_s"):
            if not 0 < getattr(self, name) <= 600:
                raise PolicyError(f"{name}={getattr(self, name)} is outside 0 to 600 s: milliseconds?")

    def wait_s(self, n_tries: int, rng: random.Random) -> float:
        """How long to wait after so many tries."""
        most = min(self.wait_max_s, self.wait_first_s * 2.0 ** min(n_tries - 1, 60))
        return most * rng.uniform(0.5, 1.0)

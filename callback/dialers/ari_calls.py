"""How a call is placed on Asterisk, and how what it tells of one is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from callback.causes import Q850, SIP, failure
from callback.dialers.ari_link import Event
from callback.dialing import Answered, Ended, Placing, Prompt, Ringing
from callback.states import Outcome

STATES: Final[dict[str, type[Ringing] | type[Answered]]] = {"Ringing": Ringing, "Up": Answered}
"""What a channel's state means for the customer; the others mean nothing yet."""
PROMPTS: Final[Mapping[Prompt, str]] = MappingProxyType(
    {
        Prompt.PRESS_ONE: "sound:callback/press-one",
        Prompt.MESSAGE: "sound:callback/message",
        Prompt.HOLD: "default",
    }
)
"""Recordings to be put under Asterisk's sounds, and the class of music that every Asterisk has."""


@dataclass(slots=True)
class KnownCall:
    """What a worker knows of a call. ``told`` are types of updates: it may know more than it has told."""

    rang: bool = False
    answered: bool = False
    talked: bool = False
    ending: bool = False
    ended: Ended | None = None
    told: set[str] = field(default_factory=set)

    def saw(self, state: str) -> None:
        """Take note of a channel's state."""
        self.rang |= state == "Ringing"
        self.answered |= state == "Up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AriCalls:
    """How calls are placed.

    Parameters
    ----------
    endpoint : str
        Asterisk's name of the way out, with ``{number}`` for the number in E.164: ``"PJSIP/{number}@trunk"``.
    caller_ids : mapping of str to str
        By queue: what the customer sees; without one, what the trunk shows.
    prompts : mapping of Prompt to str
        Media of Asterisk's, ``"sound:callback/press-one"``; for `Prompt.HOLD` a class of music on hold.
    variables : mapping of str to str
        Set on every channel.
    hangup_handler : str
        Place in the dialplan that keeps why a call ended, for who was not listening (the documentation has its
        lines); empty: none, and such an end has no cause.
    """

    endpoint: str
    caller_ids: Mapping[str, str] = field(default_factory=dict, repr=False)
    prompts: Mapping[Prompt, str] = field(default_factory=lambda: PROMPTS)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    hangup_handler: str = "callback-over,s,1"

    def __post_init__(self) -> None:
        if "{number}" not in self.endpoint:
            raise ValueError(
                f"endpoint={self.endpoint!r} has no {{number}}: need one like 'PJSIP/{{number}}@trunk'"
            )
        if missing := [prompt.value for prompt in Prompt if prompt not in self.prompts]:
            raise ValueError(f"prompts have no {', '.join(missing)}: need a medium for each, 'sound:...'")

    def body(self, placing: Placing, app: str) -> dict[str, Any]:
        """Return what Asterisk is asked; all of it in the body, for addresses are logged."""
        caller_id = self.caller_ids.get(placing.queue)
        shown = {"CALLERID(all)": caller_id, "CONNECTEDLINE(all,i)": caller_id} if caller_id else {}
        handler = {"CHANNEL(hangup_handler_push)": self.hangup_handler} if self.hangup_handler else {}
        return {
            "endpoint": self.endpoint.replace("{number}", placing.number),
            "app": app,
            "appArgs": placing.dial_id,
            "channelId": placing.dial_id,
            "variables": {**shown, **handler, **self.variables},
        }


def time_of(event: Event) -> datetime:
    """Return when it happened, by Asterisk's clock.

    Examples
    --------
    >>> time_of({"timestamp": "2026-01-05T10:00:00.250+0100"}).isoformat()
    '2026-01-05T09:00:00.250000+00:00'
    """
    return datetime.fromisoformat(event["timestamp"]).astimezone(UTC)


def why_not_answered(event: Event, *, rang: bool) -> tuple[Outcome, str]:
    """Return what an unanswered call came to, and the cause in Asterisk's words.

    ``tech_cause``, the status of SIP, says more than the Q.850 code that Asterisk makes of it (401, 403, 407 and
    603 all become 21); older versions do not tell it.

    Examples
    --------
    >>> event = {"type": "ChannelDestroyed", "cause": 21, "cause_txt": "Call Rejected"}
    >>> [str(part) for part in why_not_answered(event, rang=True)]
    ['refused', 'Q.850 21']
    >>> [str(part) for part in why_not_answered({**event, "tech_cause": 608}, rang=True)]
    ['suppressed', 'SIP 608']
    """
    status = event.get("tech_cause", 0)
    if status in SIP:
        return SIP[status], f"SIP {status}"
    cause = event.get("cause", 0)
    return failure(cause, Q850, rang=rang), f"Q.850 {cause}"

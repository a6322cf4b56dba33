"""What Twilio says of calls, and what that means: states of a call, SIP codes, error codes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from callback.causes import SIP, failure
from callback.dialing import Ended
from callback.states import Outcome

ANSWERED: Final = "in-progress"
RINGING: Final = "ringing"
FINAL: Final = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
REFUSALS: Final = {
    13223: Outcome.BAD_NUMBER,  # Dial: invalid phone number format
    13224: Outcome.BAD_NUMBER,  # Dial: Twilio does not support calling this number, or it is invalid
    21211: Outcome.BAD_NUMBER,  # invalid 'To' phone number
    21214: Outcome.BAD_NUMBER,  # 'To' phone number cannot be reached
    21217: Outcome.BAD_NUMBER,  # phone number does not appear to be valid
    21610: Outcome.SUPPRESSED,  # the recipient asked for nothing more (documented for messages)
}
"""What Twilio's error codes say of the customer; all others (limits, permissions, our own numbers) are ours."""


def ended(
    dial_id: str,
    status: str,
    *,
    at: datetime,
    sip: str = "",
    rang: bool = False,
    talked: bool = False,
) -> Ended:
    """Return the end that a final status tells.

    Parameters
    ----------
    dial_id : str
    status : str
        One of `FINAL`.
    at : datetime
    sip : str
        ``SipResponseCode``, where Twilio says it.
    rang, talked : bool

    Examples
    --------
    >>> when = datetime(2026, 1, 5, tzinfo=UTC)
    >>> str(ended("d", "busy", at=when).failed), str(ended("d", "failed", at=when, sip="404").failed)
    ('busy', 'bad_number')
    """
    failed: Outcome | None = None
    cause = f"Twilio {status}"
    code = int(sip) if sip.isascii() and sip.isdecimal() and len(sip) <= 3 else 0
    if status != "completed":
        if code in SIP:
            failed, cause = failure(code, SIP, rang=rang), f"SIP {code}"
        else:
            failed = _failed(status, rang=rang)
    return Ended(source_id=f"{dial_id}:ended", dial_id=dial_id, at=at, failed=failed, talked=talked, cause=cause)


def _failed(status: str, *, rang: bool) -> Outcome:
    if status in ("busy", "no-answer"):
        return Outcome.BUSY if status == "busy" else Outcome.NO_ANSWER
    if status == "canceled":  # by us
        return Outcome.NO_ANSWER if rang else Outcome.NETWORK
    return Outcome.NETWORK


def not_placed(dial_id: str, status: int, code: int, at: datetime) -> Ended:
    """Return the end of a call that Twilio would not place."""
    cause = f"Twilio {code}" if code else f"HTTP {status}"
    failed = REFUSALS.get(code, Outcome.NETWORK)
    return Ended(source_id=f"{dial_id}:ended", dial_id=dial_id, at=at, failed=failed, cause=cause)


def unknown(dial_id: str, at: datetime) -> Ended:
    """Return the end of a call that Twilio knows nothing of."""
    return Ended(
        source_id=f"{dial_id}:ended",
        dial_id=dial_id,
        at=at,
        failed=Outcome.NETWORK,
        cause="not known to Twilio",
    )


def time_of(text: str | None, now: datetime) -> datetime:
    """Return a time that Twilio writes (RFC 2822); ``now`` where it writes none, or another form."""
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return now
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def sip_of(form: Mapping[str, str]) -> str:
    """Return the SIP code of a status callback."""
    return form.get("SipResponseCode", "")

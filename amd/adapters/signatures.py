"""Signatures of webhooks: what we put on each, and how whoever receives one checks it.

The scheme is that of Standard Webhooks (version 1), for which receivers have libraries in most languages: an HMAC
with SHA-256 over the id, the time and the body. Where Twilio's form is sent, Twilio's own header comes along, so
that a receiver made for Twilio finds what it expects; it holds no time, and so does not keep out a replay.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from amd.errors import AmdError

ID: Final = "webhook-id"
TIME: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TWILIO: Final = "X-Twilio-Signature"
PREFIX: Final = "whsec_"
"""Marks a secret that is base64, as the scheme's libraries write it; any other text is taken as it is."""
SECRET_MIN_BYTES: Final = 16
WINDOW_S: Final = 300
"""How far a signature's time may be from now, to either side: what the scheme's libraries allow."""
SIGNATURES_MAX: Final = 8
"""In one header: a secret that is being replaced makes two."""
HEADER_MAX_CHARS: Final = 1024
TIME_MAX_DIGITS: Final = 12


class SignatureError(AmdError, ValueError):
    """A webhook that is not signed with our secret, or not now; or a secret that cannot sign."""


def key_of(secret: str) -> bytes:
    """Return the key that a secret means.

    Raises
    ------
    SignatureError
        If it is too short, or ``whsec_`` is not followed by base64. The secret is not in the text.
    """
    in_base64 = secret.startswith(PREFIX)
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True) if in_base64 else secret.encode()
    except (ValueError, binascii.Error):
        raise SignatureError(f"a webhook's secret that begins with {PREFIX} must go on in base64") from None
    if len(key) < SECRET_MIN_BYTES:
        raise SignatureError(f"a webhook's secret of {len(key)} bytes must have {SECRET_MIN_BYTES} or more")
    return key


def sign(key: bytes, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers.

    Parameters
    ----------
    key : bytes
        Of `key_of`.
    message_id : str
        The same for every try of one message: it is also what tells a repetition.
    at_s : int
        Seconds since 1970 of this try.
    body : bytes
        As it is sent.

    Examples
    --------
    >>> headers = sign(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...                1614265330, b'{"test": 2432232314}')
    >>> headers["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return {ID: message_id, TIME: str(at_s), SIGNATURE: f"v1,{_digest(key, message_id, str(at_s), body)}"}


def _digest(key: bytes, message_id: str, time: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), time.encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float, *, window_s: float = WINDOW_S
) -> str:
    """Check a webhook that came in; return its id, which a receiver keeps to know a repetition.

    Parameters
    ----------
    headers : mapping of str to str
        Names in any case.
    body : bytes
        As it came, before anything parsed it.
    secrets : sequence of str
        Any of them will do: two while one replaces the other.
    now_s : float
        Seconds since 1970.
    window_s : float
        How old, or how far ahead, it may be.

    Raises
    ------
    SignatureError
        If a header is missing or no such header, the time is off, or no secret signed it.

    Examples
    --------
    >>> secret = "an example of a secret"
    >>> verify(sign(key_of(secret), "m1", 1000, b"{}"), b"{}", [secret], 1010)
    'm1'
    """
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIME, SIGNATURE) if not given.get(name)]
    if missing:
        raise SignatureError(f"no header {', '.join(missing)}: not a webhook of ours?")
    if any(len(given[name]) > HEADER_MAX_CHARS for name in (ID, TIME, SIGNATURE)):
        raise SignatureError(f"a header of more than {HEADER_MAX_CHARS} characters is none of ours")
    message_id, time = given[ID], given[TIME]
    if not (time.isascii() and time.isdecimal() and len(time) <= TIME_MAX_DIGITS):
        raise SignatureError(f"{TIME} must be whole seconds since 1970")
    off_s = int(time) - now_s
    if not abs(off_s) <= window_s:
        raise SignatureError(f"a webhook signed {off_s:+.0f} s from now is beyond {window_s:g} s: replayed?")
    signatures = [one[3:] for one in given[SIGNATURE].split()[:SIGNATURES_MAX] if one.startswith("v1,")]
    for secret in secrets:
        wanted = _digest(key_of(secret), message_id, time, body).encode()
        if any(hmac.compare_digest(wanted, one.encode()) for one in signatures):
            return message_id
    raise SignatureError("no signature of this webhook is by our secret: another one, or a body that was changed?")


def sign_as_twilio(token: str, url: str, fields: Mapping[str, str]) -> str:
    """Return ``X-Twilio-Signature``: HMAC with SHA-1 over the address and the sorted fields (Twilio, Security)."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode("ascii")

"""Whether a request is Twilio's: ``X-Twilio-Signature``, HMAC-SHA1 with the account's token.

Twilio, Security: the signed text is the URL that Twilio was given, with its query, and every parameter of the
form, by name, name and value with nothing between. Where the body is no form, the URL holds ``bodySHA256``. The
handshake of a websocket is signed by its ``wss`` URL alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

HEADER: Final = "X-Twilio-Signature"
_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def sign(token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """Return the signature of a request.

    Examples
    --------
    >>> form = {"CallSid": "CA1234567890ABCDE", "Caller": "+12349013030", "Digits": "1234",
    ...     "From": "+12349013030", "To": "+18005551212"}
    >>> sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form.items())
    '0/KCTR6DLpKmkAf8muzZqo1nDgQ='
    """
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode("ascii")


def is_signed(
    token: str, url: str, signature: str, *, form: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bool:
    """Whether a signature is that of a request to a URL.

    Parameters
    ----------
    token : str
    url : str
        As Twilio was given it.
    signature : str
        From the header.
    form : iterable of (str, str)
        Empty where the body is no form.
    body : bytes
        Looked at where the URL has ``bodySHA256``.
    """
    wanted = parse_qs(urlsplit(url).query).get("bodySHA256")
    if wanted is not None:
        form = ()
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), wanted[0].lower()):
            return False
    pairs = list(form)
    given = signature.encode("utf-8", "replace")
    return any(hmac.compare_digest(sign(token, one, pairs).encode(), given) for one in _spellings(url))


def _spellings(url: str) -> Iterator[str]:
    """Give the spellings of a URL that Twilio is known to sign: with the port of its scheme, or with a slash."""
    parts = urlsplit(url)
    yield url
    port = _PORTS.get(parts.scheme)
    host = parts.netloc.rpartition("@")[2]
    if port is not None and ":" not in host.rpartition("]")[2]:
        yield parts._replace(netloc=f"{parts.netloc}:{port}").geturl()
    elif port is not None and host.endswith(f":{port}"):
        yield parts._replace(netloc=parts.netloc.removesuffix(f":{port}")).geturl()
    if parts.scheme in ("ws", "wss"):
        yield f"{url}/"

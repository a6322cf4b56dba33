"""Where we call out to, and whether that may be unencrypted: on this machine, or where it is meant."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from amd.errors import PolicyError


def is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("example.org")
    (True, True, False)
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def check_url(url: str, what: str, *, insecure: bool) -> str:
    """Return the host of an address that is safe to call.

    Parameters
    ----------
    url : str
    what : str
        Whose address it is, for the error. The address itself is in no error: it can hold a token.
    insecure : bool
        Whether ``http://`` to other machines is meant.

    Raises
    ------
    PolicyError
        If it is no http address, holds a password, or is unencrypted and goes to another machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PolicyError(f"{what}'s url must be https://host/path: a host alone?")
    if parts.username is not None or parts.password is not None:
        raise PolicyError(f"{what}'s url must hold no user and password: they have settings of their own")
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise PolicyError(f"{what} at {parts.hostname} must be https: http is for this machine, or insecure")
    return parts.hostname


def check_plain(host: str, what: str, *, encrypted: bool, insecure: bool) -> None:
    """Raise `PolicyError` if an unencrypted connection goes to another machine, and is not meant to."""
    if not encrypted and not insecure and not is_loopback(host):
        raise PolicyError(f"{what} at {host} must have TLS: without it, it is for this machine, or insecure")


def check_file(path: Path | None) -> None:
    """Raise `PolicyError` if a file of certificates is not there."""
    if path is not None and not path.is_file():
        raise PolicyError(f"ca_file={path} is no file: certificates in PEM are needed")

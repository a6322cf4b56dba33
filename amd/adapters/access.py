"""Who may connect: TLS, tokens of websockets, networks of AudioSocket, and what may listen beyond this machine."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from amd.errors import PolicyError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TOKEN_MIN_CHARS: Final = 16
"""A token is guessed at by whoever finds the port: 16 characters of 64 are 96 bits."""
TOKEN_MAX_CHARS: Final = 512
UNPROTECTED: Final = "anyone-may-connect"
"""What has to be spelled out to listen beyond this machine without protection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may connect.

    Parameters
    ----------
    tokens : tuple of str
        One of which every websocket must bring; none asks for none. Not in the repr.
    networks : tuple of ip_network
        From which AudioSocket is accepted, beside this machine; none accepts all.
    tls : ssl.SSLContext, optional
        Websockets are encrypted with it.
    """

    tokens: tuple[str, ...] = field(default=(), repr=False)
    networks: tuple[Network, ...] = ()
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def knows(self, token: str | None) -> bool:
        """Whether a peer that brings this token may connect; takes as long whichever it is."""
        if not self.tokens:
            return True
        given = (token or "").encode()
        return any([hmac.compare_digest(given, one.encode()) for one in self.tokens])  # noqa: C419 -- all of them

    def admits(self, host: str) -> bool:
        """Whether AudioSocket is accepted from this host."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if not self.networks or address.is_loopback:
            return True
        return any(address in network for network in self.networks)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def check_exposure(what: str, host: str, *, missing: Iterable[str], unprotected: bool) -> None:
    """Refuse to listen beyond this machine without protection, unless that was spelled out.

    Parameters
    ----------
    what : str
        What would listen.
    host : str
    missing : iterable of str
        What protection it lacks.
    unprotected : bool

    Raises
    ------
    PolicyError
        Naming what is missing.
    """
    lacks = list(missing)
    if lacks and not is_loopback(host) and not unprotected:
        raise PolicyError(
            f"{what} on {host} is not this machine, and it lacks {' and '.join(lacks)}: give them, or say "
            f"--unprotected {UNPROTECTED} on a network of your own"
        )


def tokens_in(path: Path) -> tuple[str, ...]:
    """Read tokens, one a line; lines that are empty or begin with ``#`` are none.

    Raises
    ------
    PolicyError
        If the file cannot be read, has none, or has one that is too short or no visible ASCII; no token is shown.
    """
    lines = [line.strip() for line in _text(path, "tokens").splitlines()]
    tokens = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not tokens:
        raise PolicyError(f"{path} has no token: one a line, for example of `openssl rand -hex 24`")
    for number, token in tokens:
        if not TOKEN_MIN_CHARS <= len(token) <= TOKEN_MAX_CHARS:
            raise PolicyError(
                f"{path}, line {number}: a token of {len(token)} characters must have {TOKEN_MIN_CHARS} to "
                f"{TOKEN_MAX_CHARS}: make one with `openssl rand -hex 24`"
            )
        if not all("!" <= char <= "~" for char in token):
            raise PolicyError(
                f"{path}, line {number}: a token must be visible ASCII without spaces: two on a line?"
            )
    return tuple(token for _, token in tokens)


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks: ``10.0.0.0/8``, or one address.

    Raises
    ------
    PolicyError
        Naming the one that is none.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError as error:
            raise PolicyError(
                f"network {text.strip()!r}: {error}: an address, or a network like 10.0.0.0/8"
            ) from None
    return tuple(networks)


def tls_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS of a certificate (with its chain) and its key, PEM; TLS 1.2 at least.

    Raises
    ------
    PolicyError
        If they cannot be read, or do not belong together.
    """
    for path, what in ((certificate, "certificate"), (key, "key")):
        _text(path, what)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise PolicyError(
            f"certificate {certificate} with key {key}: {reason}: both PEM, of one pair, no password, "
            "and not one in the place of the other?"
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("encrypted")


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError(f"{what} file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PolicyError(f"{what} file {path} is no text: DER instead of PEM?") from None

"""What RTP a server takes, from whom, and how much."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from amd.audio import Encoding
from amd.errors import PolicyError

Types = Mapping[int, tuple[Encoding, int]]
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpSettings:
    """What RTP is taken, and how much.

    Parameters
    ----------
    allowed : sequence of str
        Networks whose packets are taken (``"10.0.0.0/8"``): the source of a datagram is easily forged, so this
        is no replacement for a network of one's own.
    payload_types : mapping of int to (Encoding, rate_hz)
        What was agreed on beyond `amd.adapters.rtp.PAYLOAD_TYPES`.
    by_source : bool
        Whether calls from one address and port are told apart by their SSRC too; a change of SSRC within a call is
        then another call.
    idle_max_s : float
        A call ends when no packet came for so long; so does a port that was given out and not used.
    forget_s : float
        A call that ended may send on: it is ignored until it was silent for so long.
    packets_max_s : int
        Packets a second of one call; more are dropped. 20 ms are 50 a second, 5 ms are 200.
    sources_max : int
        Addresses that sent one packet and are awaited to send another, at once.
    """

    allowed: Sequence[str] = LOOPBACK
    payload_types: Types | None = None
    by_source: bool = False
    idle_max_s: float = 20.0
    forget_s: float = 5.0
    packets_max_s: int = 250
    sources_max: int = 1000

    def __post_init__(self) -> None:
        for network in self.allowed:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise PolicyError(f"network {network[:40]!r} must be like 10.0.0.0/8: a host's name?") from None
        for name in ("idle_max_s", "forget_s"):
            if not 0 < getattr(self, name) <= 3600:
                raise PolicyError(f"{name}={getattr(self, name)} is outside 0 to 3600 s: milliseconds?")
        for name in ("packets_max_s", "sources_max"):
            if getattr(self, name) < 1:
                raise PolicyError(f"{name}={getattr(self, name)} must be 1 or more")

"""The table of systems: which decoder reads each, how late its audio may come, and what that adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amd.adapters import json_media, l16
from amd.adapters.agi import EagiAudioDecoder
from amd.adapters.audiohook import AudioHookDecoder
from amd.adapters.audiosocket import AudioSocketDecoder
from amd.adapters.chan_websocket import ChanWebsocketDecoder
from amd.adapters.clock import Timing
from amd.adapters.json_media import JsonMediaDecoder
from amd.adapters.l16 import L16Decoder
from amd.adapters.media import Decoder
from amd.adapters.rtp import RtpDecoder
from amd.errors import WireError

LOCAL: Final = Timing(jitter_s=0.1)
"""A machine nearby: gaps of 35 ms at most were seen between AudioSocket frames of a hundred calls."""
UDP: Final = Timing(jitter_s=0.1)
"""What jitter buffers of phones allow for, and the 60 ms that a packet is awaited are within it."""
FAR: Final = Timing(jitter_s=0.25, slack_s=0.04)
"""A vendor's cloud, over TCP: a lost segment stalls all for a round trip and the 200 ms that detect it as a rule.
Its times count in milliseconds."""
FAR_LONG: Final = Timing(jitter_s=0.25, packet_s=0.2)
"""The same, where packets are longer than 20 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A telephone system.

    Parameters
    ----------
    name : str
    make : callable
        A new decoder for a call.
    timing : Timing
        The delay it adds to what rests on silence is ``timing.jitter_s`` and a packet's length, and nothing
        to what rests on audio that came in order and in time.
    hold_s : float
        What waiting for packets that come in another order can add, while one is missing.
    websocket : bool
        Whether it comes over a websocket.
    """

    name: str
    make: Callable[[], Decoder]
    timing: Timing
    hold_s: float = 0.0
    websocket: bool = True


def _json(dialect: json_media.Dialect) -> System:
    hold_s = 0.02 * dialect.window_chunks
    return System(name=dialect.name, make=lambda: JsonMediaDecoder(dialect), timing=FAR, hold_s=hold_s)


SYSTEMS: Final = MappingProxyType(
    {
        system.name: system
        for system in (
            System(name="audiosocket", make=AudioSocketDecoder, timing=LOCAL, websocket=False),
            System(name="eagi", make=EagiAudioDecoder, timing=LOCAL, websocket=False),
            System(name="rtp", make=RtpDecoder, timing=UDP, hold_s=0.06, websocket=False),
            System(name="asterisk", make=ChanWebsocketDecoder, timing=LOCAL),
            *(_json(dialect) for dialect in json_media.DIALECTS),
            System(name="vonage", make=lambda: L16Decoder(l16.VONAGE), timing=FAR),
            System(name="jambonz", make=lambda: L16Decoder(l16.JAMBONZ), timing=FAR),
            System(name="freeswitch", make=lambda: L16Decoder(l16.FREESWITCH), timing=LOCAL),
            System(name="audiohook", make=AudioHookDecoder, timing=FAR_LONG),
        )
    }
)


def system_of(name: str) -> System:
    """Return the system of that name; raise `WireError` if there is none."""
    if name not in SYSTEMS:
        raise WireError(f"system {name[:40]!r} is none of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]

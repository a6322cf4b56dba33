"""RTP over UDP, as ARI's ``externalMedia`` and any SIP endpoint send it: datagrams in, audio in order out.

RFC 3550 (packets, sequence numbers, sources; A.1 for a new source's probation), RFC 3551 (payload types 0 PCMU, 8
PCMA, 11 L16), RFC 3389 (comfort noise, 13), RFC 4733 (keys as telephone events), RFC 5761 (RTCP on the same port).
L16 is big-endian on the wire. Payload types from 96 on have no meaning of their own: pass what was agreed on. Of
Asterisk's ``slin16`` that is 118, by its source; this was not tried against an Asterisk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amd.adapters.media import (
    Audio,
    ComfortNoise,
    Dtmf,
    MediaEvent,
    Restarted,
    Started,
    Stopped,
    check_size,
    check_whole,
)
from amd.adapters.reorder import JUMP_MAX, Reorder
from amd.audio import Encoding
from amd.errors import WireError

HEADER_BYTES: Final = 12
VERSION: Final = 2
DATAGRAM_MAX_BYTES: Final = 8192
"""40 ms of 48 kHz L16 and its headers take half of this; Ethernet carries 1,500 bytes in one piece."""
PROBATION: Final = 2
"""A new source counts after so many packets in a row (RFC 3550, A.1: ``MIN_SEQUENTIAL``): one stray is none."""
WINDOW_PACKETS: Final = 3
"""A packet is awaited while this many others wait for it: 60 ms at 20 ms a packet."""
PAYLOAD_TYPES: Final[Mapping[int, tuple[Encoding, int]]] = MappingProxyType(
    {0: (Encoding.MULAW, 8000), 8: (Encoding.ALAW, 8000), 11: (Encoding.PCM16BE, 44_100)}
)
COMFORT_NOISE: Final = 13
TELEPHONE_EVENT: Final = 101
"""What nearly everyone agrees on for telephone events; the number is a convention, not a standard."""
RTCP: Final = range(72, 77)
"""Payload types that are RTCP packets 200 to 204 read as RTP (RFC 5761, 4)."""
EVENTS: Final = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One RTP packet (RFC 3550, 5.1)."""

    payload_type: int
    number: int
    timestamp: int
    source: int
    payload: bytes


def parse_packet(datagram: bytes) -> Packet:
    """Take a datagram apart.

    Raises
    ------
    WireError
        If it is too short or long, of another version, or its lists, extension or padding end beyond it.
    """
    check_size(len(datagram), "a datagram", DATAGRAM_MAX_BYTES)
    if len(datagram) < HEADER_BYTES:
        raise WireError(f"a datagram of {len(datagram)} bytes is no RTP packet: its header has {HEADER_BYTES}")
    first, second = datagram[0], datagram[1]
    if first >> 6 != VERSION:
        raise WireError(f"RTP version {first >> 6} must be {VERSION}: STUN, or another protocol on this port?")
    start, end = HEADER_BYTES + 4 * (first & 0x0F), len(datagram)
    if first & 0x10:
        if end < start + 4:
            raise WireError(f"a datagram of {end} bytes ends within the header extension it announces")
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if first & 0x20:
        end -= max(1, datagram[-1])
    if start > end:
        raise WireError(f"a datagram of {len(datagram)} bytes is shorter than its headers and padding say")
    return Packet(
        payload_type=second & 0x7F,
        number=int.from_bytes(datagram[2:4], "big"),
        timestamp=int.from_bytes(datagram[4:8], "big"),
        source=int.from_bytes(datagram[8:12], "big"),
        payload=datagram[start:end],
    )


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram is RTCP on the port of RTP (RFC 5761)."""
    return len(datagram) > 1 and datagram[0] >> 6 == VERSION and datagram[1] & 0x7F in RTCP


def _signed(difference: int, bits: int) -> int:
    """The difference of two numbers that wrap, as the nearer of the two ways round."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half


class RtpDecoder:
    """Decode what one RTP session receives.

    Packets that come in another order are put back in it, those that come twice count once, and those that do
    not come are given up when ``window_packets`` others wait. Every audio event has its place by the timestamp,
    so what was lost, or not sent, is a gap of the right length. A second source takes over after two packets in
    a row.

    Parameters
    ----------
    payload_types : mapping of int to (Encoding, rate_hz), optional
        What was agreed on beyond `PAYLOAD_TYPES`.
    telephone_event : int or None
        Payload type of keys.
    window_packets : int
        See `amd.adapters.reorder.Reorder`.
    call_id : str or None
        What whoever set the session up calls it: RTP itself names no call.
    """

    def __init__(
        self,
        payload_types: Mapping[int, tuple[Encoding, int]] | None = None,
        *,
        telephone_event: int | None = TELEPHONE_EVENT,
        window_packets: int = WINDOW_PACKETS,
        call_id: str | None = None,
    ) -> None:
        self._types = {**PAYLOAD_TYPES, **(payload_types or {})}
        self._telephone_event = telephone_event
        self._window_packets = window_packets
        self._call_id = call_id
        self._stopped = False
        self._source: int | None = None
        self._candidate: list[Packet] = []
        self._listen_to(None)

    def _listen_to(self, source: int | None) -> None:
        self._source = source
        self._order: Reorder[Packet] = Reorder(self._window_packets)
        self._number: int | None = None
        self._rebase()
        self._key_timestamp: int | None = None

    def _rebase(self) -> None:
        """Let the next packet be the origin of time."""
        self._rate_hz: int | None = None
        self._timestamp: int | None = None
        self._at_sample = 0

    @property
    def n_lost(self) -> int:
        """Packets of this source that were given up."""
        return self._order.n_lost

    @property
    def n_late(self) -> int:
        """Packets of this source that came twice or too late."""
        return self._order.n_late

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a datagram."""
        if isinstance(data, str):
            raise WireError("RTP comes in datagrams of bytes, not as text: a websocket?")
        if self._stopped:
            return ()
        if is_rtcp(data):
            return ()
        packet = parse_packet(data)
        known = self._types.get(packet.payload_type)
        if known is not None:
            check_whole(packet.payload, known[0])
        events: list[MediaEvent] = []
        if self._source is None:
            self._listen_to(packet.source)
            events.append(Started(call_id=self._call_id, stream_id=f"{packet.source:08x}"))
        elif packet.source != self._source:
            return self._consider(packet)
        self._candidate = []
        return (*events, *self._push(packet))

    def flush(self) -> tuple[MediaEvent, ...]:
        """Give up on what is missing."""
        return tuple(event for packet in self._order.flush() for event in self._take(packet))

    def finish(self) -> tuple[MediaEvent, ...]:
        """The session ended."""
        if self._stopped:
            return ()
        events = self.flush()
        self._stopped = True
        return (*events, Stopped(reason="closed"))

    def _consider(self, packet: Packet) -> tuple[MediaEvent, ...]:
        """Let another source take over once it has sent packets in a row."""
        before = self._candidate[-1] if self._candidate else None
        in_a_row = (
            before is not None
            and before.source == packet.source
            and _signed(packet.number - before.number, 16) == 1
        )
        self._candidate = [*self._candidate, packet] if in_a_row else [packet]
        if len(self._candidate) < PROBATION:
            return ()
        accepted, self._candidate = self._candidate, []
        events: list[MediaEvent] = [*self.flush(), Restarted()]
        self._listen_to(packet.source)
        for one in accepted:
            events += self._push(one)
        return tuple(events)

    def _push(self, packet: Packet) -> tuple[MediaEvent, ...]:
        if self._number is None:
            self._number = packet.number
        number = self._number + _signed(packet.number - self._number, 16)
        # the highest number leads, but for a sender that starts anew far behind
        self._number = max(self._number, number) if self._number - number <= JUMP_MAX else number
        return tuple(event for one in self._order.push(number, packet) for event in self._take(one))

    def _take(self, packet: Packet) -> tuple[MediaEvent, ...]:
        """Decode a packet whose turn it is."""
        if packet.payload_type == self._telephone_event:
            return self._take_key(packet)
        if packet.payload_type == COMFORT_NOISE:
            rate_hz = self._rate_hz or 8000
            events, at_sample = self._place(packet, rate_hz)
            level_db = -(packet.payload[0] & 0x7F) if packet.payload else None
            return (*events, ComfortNoise(at_sample=at_sample, level_db=level_db))
        known = self._types.get(packet.payload_type)
        if known is None or not packet.payload:
            return ()
        encoding, rate_hz = known
        events, at_sample = self._place(packet, rate_hz)
        audio = Audio(data=packet.payload, encoding=encoding, rate_hz=rate_hz, at_sample=at_sample)
        return (*events, audio)

    def _place(self, packet: Packet, rate_hz: int) -> tuple[tuple[MediaEvent, ...], int]:
        """Place of a packet in samples from the first; another rate counts anew."""
        events: tuple[MediaEvent, ...] = ()
        if self._rate_hz not in (None, rate_hz):
            self._rebase()
            events = (Restarted(),)
        self._rate_hz = rate_hz
        if self._timestamp is not None:
            self._at_sample += _signed(packet.timestamp - self._timestamp, 32)
        self._timestamp = packet.timestamp
        return events, self._at_sample

    def _take_key(self, packet: Packet) -> tuple[MediaEvent, ...]:
        """A key is told once, by the first packet of it that comes (RFC 4733, 2.5.1.1: all have its timestamp)."""
        if not packet.payload or packet.timestamp == self._key_timestamp:
            return ()
        self._key_timestamp = packet.timestamp
        code = packet.payload[0]
        return (Dtmf(digit=EVENTS[code]),) if code < len(EVENTS) else ()

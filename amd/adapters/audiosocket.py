"""Asterisk's AudioSocket: frames of a kind, a length and a payload over TCP.

As Asterisk's documentation has it (Configuration, Channel Drivers, AudioSocket): kind of one byte, length of
two, big-endian; audio is signed 16-bit little-endian, its kind tells the rate. The UUID comes first. A closed
connection is a hangup as good as a hangup frame; Asterisk sends none when the caller hangs up.
"""

from __future__ import annotations

import uuid
from typing import Final

from amd.adapters.media import Audio, MediaEvent, PeerFault, Started, Stopped, check_digit, check_whole
from amd.audio import Encoding
from amd.errors import WireError

HEADER_BYTES: Final = 3
HANGUP: Final = 0x00
UUID: Final = 0x01
DTMF: Final = 0x03
FAULT: Final = 0xFF
RATES_HZ: Final[dict[int, int]] = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
UUID_BYTES: Final = 16
HANGUP_FRAME: Final = bytes([HANGUP, 0, 0])
"""Sent by us: the call goes back to Asterisk, whose dialplan goes on."""


class AudioSocketDecoder:
    r"""Decode what Asterisk sends over one AudioSocket connection; any cut of the bytes gives the same events.

    Frames of a kind that the protocol does not name are passed over. After a hangup the rest is ignored.

    Raises
    ------
    WireError
        From the call after the one that returned what came before the fault: half a sample, a UUID or a key of
        another length. The connection cannot be used any more.

    Examples
    --------
    >>> decoder = AudioSocketDecoder()
    >>> frames = b"\x01\x00\x10" + bytes(16) + b"\x10\x00\x04" + bytes(4) + b"\x00\x00\x00"
    >>> [event.type for event in decoder.feed(frames)]
    ['started', 'audio', 'stopped']
    """

    def __init__(self) -> None:
        self._rest = b""
        self._fault: WireError | None = None
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take the next bytes."""
        if isinstance(data, str):
            raise WireError("AudioSocket carries bytes, not text: a websocket?")
        if self._fault is not None:
            raise self._fault
        if self._stopped:
            return ()
        events: list[MediaEvent] = []
        rest = self._rest + data if self._rest else bytes(data)
        at, n_bytes = 0, len(rest)
        while n_bytes - at >= HEADER_BYTES and not self._stopped:
            end = at + HEADER_BYTES + (rest[at + 1] << 8) + rest[at + 2]
            if n_bytes < end:
                break
            try:
                event = self._take_frame(rest[at], rest[at + HEADER_BYTES : end])
            except WireError as fault:
                self._fault, self._rest = fault, b""
                if events:
                    return tuple(events)
                raise
            if event is not None:
                events.append(event)
            at = end
        self._rest = b"" if self._stopped else rest[at:]
        return tuple(events)

    def feed_run(self, data: bytes | str) -> Audio | None:
        r"""Take bytes that are nothing but whole frames of audio of one rate and length, as most are.

        Returns
        -------
        Audio or None
            Their audio as one; None if they are anything else, and nothing of them is taken: `feed` takes them.

        Examples
        --------
        >>> AudioSocketDecoder().feed_run(b"\x10\x00\x02ab\x10\x00\x02cd").data
        b'abcd'
        """
        if self._rest or self._stopped or self._fault is not None or type(data) is not bytes:
            return None
        n_bytes, head = len(data), data[:HEADER_BYTES]
        rate_hz = RATES_HZ.get(head[0]) if n_bytes > HEADER_BYTES else None
        if rate_hz is None:
            return None
        size = (head[1] << 8) + head[2]
        step = size + HEADER_BYTES
        if size & 1 or not size or n_bytes % step:
            return None
        if n_bytes == step:
            return Audio(data=data[HEADER_BYTES:], encoding=Encoding.PCM16, rate_hz=rate_hz)
        starts = range(0, n_bytes, step)
        if any([data[at : at + HEADER_BYTES] != head for at in starts]):  # noqa: C419 -- faster
            return None
        payloads = b"".join([data[at + HEADER_BYTES : at + step] for at in starts])
        return Audio(data=payloads, encoding=Encoding.PCM16, rate_hz=rate_hz, n_packets=len(starts))

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The connection ended; half a frame at its end is dropped."""
        if self._fault is not None:
            raise self._fault
        stopped, self._stopped = self._stopped, True
        self._rest = b""
        return () if stopped else (Stopped(reason="closed"),)

    def _take_frame(self, kind: int, payload: bytes) -> MediaEvent | None:
        rate_hz = RATES_HZ.get(kind)
        if rate_hz is not None:
            if not payload:
                return None
            if len(payload) & 1:
                check_whole(payload, Encoding.PCM16)
            return Audio(data=payload, encoding=Encoding.PCM16, rate_hz=rate_hz)
        if kind == HANGUP:
            self._stopped = True
            return Stopped(reason="hangup")
        if kind == UUID:
            if len(payload) != UUID_BYTES:
                raise WireError(f"a UUID of {len(payload)} bytes must have {UUID_BYTES}: sent as text?")
            return Started(call_id=str(uuid.UUID(bytes=payload)))
        if kind == DTMF:
            return check_digit(payload.decode("latin-1"))
        if kind == FAULT:
            return PeerFault(code=payload[:8].hex() or "none")
        return None

"""What telephone systems tell us, whichever they are: audio, the start and end of a call, keys, faults.

No event shows audio, digits or the caller's own fields in its repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from amd.audio import Encoding
from amd.errors import WireError

MESSAGE_MAX_BYTES: Final = 65_536
"""One message: Asterisk's websockets carry at most 65,500 bytes, an AudioSocket frame 65,535."""
FIELD_MAX_CHARS: Final = 256
"""An identifier: the longest seen is a Telnyx ``call_control_id`` of some 90."""
FIELDS_MAX: Final = 64
"""Fields of the caller's own in one start message."""
DTMF_DIGITS: Final = frozenset("0123456789*#ABCD")


class Track(StrEnum):
    """Whose audio it is."""

    FAR = "far"
    """The party at the other end of the line: the one to judge."""
    NEAR = "near"
    """Our own side: an agent, a prompt."""
    MIXED = "mixed"
    """Both in one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaEvent:
    """Something that a telephone system told."""

    type: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(MediaEvent):
    """The call, as its system names it; ``fields`` are what the caller added, name and text, not in the repr."""

    type: ClassVar[str] = "started"
    call_id: str | None = None
    stream_id: str | None = None
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(MediaEvent):
    """Audio of one track.

    Parameters
    ----------
    data : bytes
        A whole number of samples, mono; not in the repr.
    encoding : Encoding
    rate_hz : int
    track : Track
    at_sample : int or None
        Where it belongs by the sender's own time, in samples since an origin of the sender's; None where the wire
        has no time: it follows what came before it.
    n_packets : int
        So many packets of one length, joined (`AudioSocketDecoder.feed_run`).
    """

    type: ClassVar[str] = "audio"
    data: bytes = field(repr=False)
    encoding: Encoding
    rate_hz: int
    track: Track = Track.FAR
    at_sample: int | None = None
    n_packets: int = 1

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.data) // self.encoding.sample_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfortNoise(MediaEvent):
    """The sender is silent from ``at_sample`` on; ``level_db``: its background in dBov, None if it did not say."""

    type: ClassVar[str] = "comfort_noise"
    at_sample: int
    level_db: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(MediaEvent):
    """The sender's time has a new origin: what follows belongs where the call stands now."""

    type: ClassVar[str] = "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(MediaEvent):
    """The sender holds its audio back on purpose, until `Resumed`: no time passes on the call."""

    type: ClassVar[str] = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(MediaEvent):
    """The sender sends again."""

    type: ClassVar[str] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf(MediaEvent):
    """A key, as the system's signalling tells it; the digit is not in the repr."""

    type: ClassVar[str] = "dtmf"
    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(MediaEvent):
    """No audio follows: ``hangup`` as the system said, ``closed`` when the connection ended without a word."""

    type: ClassVar[str] = "stopped"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFault(MediaEvent):
    """The system reports a fault of its own; ``code`` as it numbers them."""

    type: ClassVar[str] = "peer_fault"
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(MediaEvent):
    """Text that the protocol wants sent back."""

    type: ClassVar[str] = "reply"
    text: str = field(repr=False)


class Decoder(Protocol):
    """What every decoder does.

    One for a byte stream takes any cut of it. One for messages takes a message at a time: text frames as str,
    binary frames and datagrams as bytes. A message that cannot be decoded raises `WireError`, nothing of it is
    taken, and the decoder can go on. A byte stream cannot go on: what came before the fault is returned first, and
    the error is raised by the next call, so that any cut gives the same events and then the error.
    """

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take what came."""
        ...

    def flush(self) -> tuple[MediaEvent, ...]:
        """Give what is held back for its order: its time is up."""
        ...

    def finish(self) -> tuple[MediaEvent, ...]:
        """The connection ended. A second call gives nothing."""
        ...


def check_digit(digit: str) -> Dtmf:
    """Return the event of a key.

    Raises
    ------
    WireError
        If telephones have no such key.
    """
    if digit.upper() not in DTMF_DIGITS or not digit:
        raise WireError(
            f"a DTMF key of {len(digit)} characters must be one of 0-9, *, #, A-D: several keys at once?"
        )
    return Dtmf(digit=digit.upper())


def check_whole(data: bytes, encoding: Encoding, n_channels: int = 1) -> bytes:
    """Return ``data`` if it is a whole number of samples of every channel, else raise `WireError`."""
    frame_bytes = encoding.sample_bytes * n_channels
    if len(data) % frame_bytes:
        raise WireError(
            f"{len(data)} bytes of audio are not a whole number of {n_channels}-channel {encoding} samples of "
            f"{frame_bytes} bytes: another codec, or another number of channels?"
        )
    return data


def check_size(n_bytes: int, what: str, max_bytes: int = MESSAGE_MAX_BYTES) -> None:
    """Raise `WireError` if a message is beyond its limit."""
    if n_bytes > max_bytes:
        raise WireError(f"{what} of {n_bytes} is beyond the limit of {max_bytes}: another protocol on this port?")

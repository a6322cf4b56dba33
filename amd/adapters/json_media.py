"""Media as base64 in JSON text frames: Twilio and those who speak as it does. What differs is a table.

Twilio: Media Streams, WebSocket Messages. Telnyx: Stream call media over WebSocket (the order of frames is not
guaranteed there: they are put in order by ``media.chunk``). Plivo: AudioStream (16-bit audio by default).
SignalWire: the ``<Stream>`` of its compatibility API, documented as Twilio's. Not verified: the byte order of
16-bit audio of Telnyx, Plivo and SignalWire (little-endian is assumed), and the layout of Plivo's ``start``,
read in other people's clients.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, replace
from typing import Final

from amd.adapters.fields import Message, Path, find, integer_at, rate_at, read_message, text_at, texts_in
from amd.adapters.media import (
    MESSAGE_MAX_BYTES,
    Audio,
    Dtmf,
    MediaEvent,
    PeerFault,
    Started,
    Stopped,
    Track,
    check_digit,
    check_whole,
)
from amd.adapters.reorder import Reorder
from amd.audio import RATE_HZ, Encoding
from amd.errors import WireError

EVENT: Final[Path] = ("event",)
TRACK: Final[Path] = ("media", "track")
TIMESTAMP: Final[Path] = ("media", "timestamp")
CHUNK: Final[Path] = ("media", "chunk")
PAYLOAD: Final[Path] = ("media", "payload")
WINDOW_CHUNKS: Final = 5
"""A chunk is awaited while this many others wait for it: 100 ms at 20 ms a chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Where a vendor puts what; a path is the names from the message down."""

    name: str
    call_id: Path
    stream_id: Path
    encoding: Path
    rate: Path
    fields: Path
    channels: Path
    fault_code: Path = ()
    default_encoding: str = "audio/x-mulaw"
    window_chunks: int = 0


TWILIO: Final = Dialect(
    name="twilio",
    call_id=("start", "callSid"),
    stream_id=("streamSid",),
    encoding=("start", "mediaFormat", "encoding"),
    rate=("start", "mediaFormat", "sampleRate"),
    channels=("start", "mediaFormat", "channels"),
    fields=("start", "customParameters"),
)
SIGNALWIRE: Final = replace(TWILIO, name="signalwire")
TELNYX: Final = Dialect(
    name="telnyx",
    call_id=("start", "call_control_id"),
    stream_id=("stream_id",),
    encoding=("start", "media_format", "encoding"),
    rate=("start", "media_format", "sample_rate"),
    channels=("start", "media_format", "channels"),
    fields=("start", "custom_parameters"),
    fault_code=("payload", "code"),
    default_encoding="pcmu",
    window_chunks=WINDOW_CHUNKS,
)
PLIVO: Final = Dialect(
    name="plivo",
    call_id=("start", "callId"),
    stream_id=("start", "streamId"),
    encoding=("start", "mediaFormat", "encoding"),
    rate=("start", "mediaFormat", "sampleRate"),
    channels=("start", "mediaFormat", "channels"),
    fields=("start", "customParameters"),
    default_encoding="audio/x-l16",
)
DIALECTS: Final = (TWILIO, TELNYX, PLIVO, SIGNALWIRE)

ENCODINGS: Final[dict[str, Encoding]] = {
    "audio/x-mulaw": Encoding.MULAW,
    "audio/x-alaw": Encoding.ALAW,
    "audio/x-l16": Encoding.PCM16,
    "pcmu": Encoding.MULAW,
    "pcma": Encoding.ALAW,
    "l16": Encoding.PCM16,
}
TRACKS: Final[dict[str | None, Track]] = {"inbound": Track.FAR, "outbound": Track.NEAR, None: Track.FAR}
"""Inbound is what the vendor receives from the one it called."""


class JsonMediaDecoder:
    """Decode one media stream of a vendor; feed it text frames.

    Audio has its place by ``media.timestamp``, milliseconds since the start of the stream. Events that say nothing
    of the call's audio (``connected``, ``mark``, ...) are passed over, and so is what comes after ``stop``.

    Parameters
    ----------
    dialect : Dialect
        One of `DIALECTS`.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._encoding: Encoding | None = None
        self._rate_hz = RATE_HZ
        self._orders = {track: Reorder[Audio](dialect.window_chunks) for track in (Track.FAR, Track.NEAR)}
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a text frame."""
        if not isinstance(data, str):
            raise WireError(
                f"a binary frame of {len(data)} bytes: {self._dialect.name} sends its media as JSON text"
            )
        if self._stopped:
            return ()
        message = read_message(data)
        event = text_at(message, EVENT)
        if event == "media":
            return self._take_media(message)
        if event == "start":
            return (self._start(message),)
        if event == "stop":
            return self._stop("hangup")
        if event == "dtmf":
            return (self._key(message),)
        if event == "error" and self._dialect.fault_code:
            return (PeerFault(code=text_at(message, self._dialect.fault_code) or "none"),)
        return ()

    def flush(self) -> tuple[MediaEvent, ...]:
        """Give up on chunks that are missing."""
        return tuple(audio for order in self._orders.values() for audio in order.flush())

    def finish(self) -> tuple[MediaEvent, ...]:
        """The websocket closed."""
        return () if self._stopped else self._stop("closed")

    def _stop(self, reason: str) -> tuple[MediaEvent, ...]:
        events = self.flush()
        self._stopped = True
        return (*events, Stopped(reason=reason))

    def _start(self, message: Message) -> Started:
        dialect = self._dialect
        name = text_at(message, dialect.encoding) or dialect.default_encoding
        encoding = ENCODINGS.get(name.partition(";")[0].strip().lower())
        if encoding is None:
            raise WireError(f"encoding {name!r} is none of {', '.join(ENCODINGS)}: ask {dialect.name} for mu-law")
        n_channels = integer_at(message, dialect.channels)
        if n_channels not in (None, 1):
            raise WireError(f"{n_channels} channels in one payload: {dialect.name} sends one a track")
        rate_hz = rate_at(message, dialect.rate, RATE_HZ)
        call_id, stream_id = text_at(message, dialect.call_id), text_at(message, dialect.stream_id)
        self._encoding, self._rate_hz = encoding, rate_hz
        return Started(call_id=call_id, stream_id=stream_id, fields=texts_in(find(message, dialect.fields)))

    def _take_media(self, message: Message) -> tuple[MediaEvent, ...]:
        if self._encoding is None:
            raise WireError("media came before start, which names its encoding")
        name = text_at(message, TRACK)
        track = TRACKS.get(name)
        if track is None:
            raise WireError(f"track {name!r} is neither inbound nor outbound")
        at_ms = integer_at(message, TIMESTAMP)
        chunk = integer_at(message, CHUNK)
        data = _payload(message, self._encoding)
        if not data:
            return ()
        audio = Audio(
            data=data,
            encoding=self._encoding,
            rate_hz=self._rate_hz,
            track=track,
            at_sample=None if at_ms is None else at_ms * self._rate_hz // 1000,
        )
        if chunk is None or not self._dialect.window_chunks:
            return (audio,)
        return tuple(self._orders[track].push(chunk, audio))

    def _key(self, message: Message) -> Dtmf:
        return check_digit(text_at(message, ("dtmf", "digit")) or "")


def _payload(message: Message, encoding: Encoding) -> bytes:
    text = text_at(message, PAYLOAD, max_chars=MESSAGE_MAX_BYTES)
    if text is None:
        raise WireError("media.payload is not there")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (ValueError, binascii.Error):
        raise WireError(f"media.payload of {len(text)} characters is no base64") from None
    return check_whole(data, encoding)

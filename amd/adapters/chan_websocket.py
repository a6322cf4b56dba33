"""Asterisk's ``chan_websocket``: raw audio in binary frames, control in text frames, as words or as JSON.

As Asterisk's documentation has it (Configuration, Channel Drivers, WebSocket; ``control_message_format`` of
chan_websocket.conf): ``MEDIA_START`` comes first and names the format; audio comes as the codec has it. The fields
of the JSON form are those of the words; their nesting was read in other people's clients, not tried.
"""

from __future__ import annotations

from typing import Final

from amd.adapters.fields import Message, integer_at, read_message, text_at
from amd.adapters.media import (
    MESSAGE_MAX_BYTES,
    Audio,
    MediaEvent,
    Started,
    Stopped,
    check_digit,
    check_size,
    check_whole,
)
from amd.audio import Encoding
from amd.errors import WireError

FORMATS: Final[dict[str, tuple[Encoding, int]]] = {
    "ulaw": (Encoding.MULAW, 8_000),
    "alaw": (Encoding.ALAW, 8_000),
    "slin": (Encoding.PCM16, 8_000),
    "slin12": (Encoding.PCM16, 12_000),
    "slin16": (Encoding.PCM16, 16_000),
    "slin24": (Encoding.PCM16, 24_000),
    "slin32": (Encoding.PCM16, 32_000),
    "slin44": (Encoding.PCM16, 44_100),
    "slin48": (Encoding.PCM16, 48_000),
    "slin96": (Encoding.PCM16, 96_000),
    "slin192": (Encoding.PCM16, 192_000),
}


def read_words(text: str) -> Message:
    """Read ``EVENT name:value name:value``; a value may hold colons, as channel names do."""
    check_size(len(text), "a control message")
    event, *pairs = text.split() or [""]
    fields: Message = {}
    for pair in pairs:
        name, colon, value = pair.partition(":")
        if colon:
            fields[name] = value
    return {**fields, "event": event}


class ChanWebsocketDecoder:
    """Decode what Asterisk sends over one media websocket: text frames as str, binary frames as bytes.

    Events that say nothing about the call's audio (``MEDIA_XON``, ``STATUS``, ...) are passed over. Asterisk tells
    a hangup by closing.

    Examples
    --------
    >>> decoder = ChanWebsocketDecoder()
    >>> decoder.feed("MEDIA_START connection_id:c1 channel:WebSocket/c1/0x7f format:ulaw optimal_frame_size:160")
    (Started(call_id='WebSocket/c1/0x7f', stream_id='c1'),)
    >>> [(audio.encoding.value, audio.rate_hz, audio.n_samples) for audio in decoder.feed(bytes(160))]
    [('mulaw', 8000, 160)]
    """

    def __init__(self) -> None:
        self._format: tuple[Encoding, int] | None = None
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a frame."""
        if self._stopped:
            return ()
        if isinstance(data, str):
            return self._take_control(read_message(data) if data.lstrip().startswith("{") else read_words(data))
        n_bytes = len(data)
        if n_bytes > MESSAGE_MAX_BYTES:
            check_size(n_bytes, "a binary frame")
        if self._format is None:
            raise WireError(f"{n_bytes} bytes of audio came before MEDIA_START, which names their format")
        encoding, rate_hz = self._format
        if n_bytes & 1:  # no format has samples of more than two bytes
            check_whole(data, encoding)
        return (Audio(data=data, encoding=encoding, rate_hz=rate_hz),) if data else ()

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The websocket closed: the call is over."""
        stopped, self._stopped = self._stopped, True
        return () if stopped else (Stopped(reason="closed"),)

    def _take_control(self, message: Message) -> tuple[MediaEvent, ...]:
        event = text_at(message, ("event",))
        if event == "MEDIA_START":
            return (self._start(message),)
        if event == "DTMF_END":
            return (check_digit(text_at(message, ("digit",)) or ""),)
        return ()

    def _start(self, message: Message) -> Started:
        name = text_at(message, ("format",))
        if name not in FORMATS:
            raise WireError(f"format {name!r} is none of {', '.join(FORMATS)}: c(ulaw) in the dial string?")
        integer_at(message, ("optimal_frame_size",))
        call_id = text_at(message, ("channel_id",)) or text_at(message, ("channel",))
        stream_id = text_at(message, ("connection_id",))
        self._format = FORMATS[name]
        return Started(call_id=call_id, stream_id=stream_id)

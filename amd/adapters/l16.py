"""16-bit audio in binary frames after a text frame that describes it: Vonage, jambonz, FreeSWITCH modules.

Vonage: WebSockets in the Voice API (``content-type`` names the rate; ``websocket:dtmf``). jambonz: the
``listen`` verb (``sampleRate``, ``mixType``). FreeSWITCH: ``mod_audio_fork`` and ``mod_audio_stream``, whose
text frame holds what the caller passed: rate and channels are those of the command that started them, and the call
has an id where a UUID was passed, alone or as ``uuid`` in JSON. Samples are little-endian. Not verified: which of
two channels is the far end (the first is assumed: the leg that the module is attached to), and the form of
jambonz's ``dtmf`` message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.adapters.fields import Message, Path, find, rate_at, read_message, text_at, texts_in
from amd.adapters.media import (
    Audio,
    MediaEvent,
    Started,
    Stopped,
    Track,
    check_digit,
    check_size,
    check_whole,
)
from amd.audio import RATE_HZ, Encoding, check_rate
from amd.errors import AudioError, WireError

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
MIXES: Final[dict[str, tuple[Track, ...]]] = {
    "mono": (Track.FAR,),
    "mixed": (Track.MIXED,),
    "stereo": (Track.FAR, Track.NEAR),
}
"""What the channels of a frame hold, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Where the text frames have what; an empty path: nowhere."""

    name: str
    call_id: Path = ()
    content_type: Path = ()
    rate: Path = ()
    mix: Path = ()
    fields: Path | None = None
    key_event: str = ""
    key: Path = ()
    described: bool = True
    """Whether audio means nothing before the text frame."""
    json: bool = True
    """Whether text frames must be JSON."""


VONAGE: Final = Dialect(
    name="vonage", content_type=("content-type",), fields=(), key_event="websocket:dtmf", key=("digit",)
)
JAMBONZ: Final = Dialect(
    name="jambonz",
    call_id=("callSid",),
    rate=("sampleRate",),
    mix=("mixType",),
    fields=("metadata",),
    key_event="dtmf",
    key=("dtmf",),
)
FREESWITCH: Final = Dialect(name="freeswitch", described=False, json=False)
DIALECTS: Final = (VONAGE, JAMBONZ, FREESWITCH)


class L16Decoder:
    """Decode one stream: text frames as str, binary frames as bytes.

    Parameters
    ----------
    dialect : Dialect
        One of `DIALECTS`.
    rate_hz : int
        Samples per second where no text frame says it.
    mix : str
        ``mono``, ``mixed`` or ``stereo``, where no text frame says it.
    """

    def __init__(self, dialect: Dialect, *, rate_hz: int = RATE_HZ, mix: str = "mono") -> None:
        if mix not in MIXES:
            raise WireError(f"mix {mix!r} is none of {', '.join(MIXES)}")
        self._dialect = dialect
        self._rate_hz = check_rate(rate_hz)
        self._tracks = MIXES[mix]
        self._started = False
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a frame."""
        if self._stopped:
            return ()
        return self._take_text(data) if isinstance(data, str) else self._take_audio(data)

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The websocket closed: the call is over."""
        stopped, self._stopped = self._stopped, True
        return () if stopped else (Stopped(reason="closed"),)

    def _take_audio(self, data: bytes) -> tuple[MediaEvent, ...]:
        check_size(len(data), "a binary frame")
        if self._dialect.described and not self._started:
            raise WireError(f"{len(data)} bytes of audio came before the text frame that describes them")
        check_whole(data, Encoding.PCM16, len(self._tracks))
        if not data:
            return ()
        frames = np.frombuffer(data, dtype="<i2").reshape(-1, len(self._tracks))
        return tuple(
            Audio(data=frames[:, n].tobytes(), encoding=Encoding.PCM16, rate_hz=self._rate_hz, track=track)
            for n, track in enumerate(self._tracks)
        )

    def _take_text(self, text: str) -> tuple[MediaEvent, ...]:
        dialect = self._dialect
        if not dialect.json:
            check_size(len(text), "a text frame")
            started, self._started = self._started, True
            return () if started else (Started(call_id=_uuid_in(text)),)
        message = read_message(text)
        if not self._started:
            return (self._start(message),)
        if dialect.key_event and text_at(message, ("event",)) == dialect.key_event:
            return (check_digit(text_at(message, dialect.key) or ""),)
        return ()

    def _start(self, message: Message) -> Started:
        dialect = self._dialect
        rate_hz = self._rate_hz
        if dialect.content_type:
            rate_hz = content_rate(text_at(message, dialect.content_type) or "")
        if dialect.rate:
            rate_hz = rate_at(message, dialect.rate, rate_hz)
        tracks = self._tracks
        mix = text_at(message, dialect.mix) if dialect.mix else None
        if mix is not None:
            if mix not in MIXES:
                raise WireError(f"{'.'.join(dialect.mix)} {mix!r} is none of {', '.join(MIXES)}")
            tracks = MIXES[mix]
        call_id = text_at(message, dialect.call_id) if dialect.call_id else None
        fields = () if dialect.fields is None else texts_in(find(message, dialect.fields))
        self._rate_hz, self._tracks, self._started = rate_hz, tracks, True
        return Started(call_id=call_id, fields=fields)


def _uuid_in(text: str) -> str | None:
    """Return the UUID that FreeSWITCH's caller passed along; what else was passed is the caller's own."""
    try:
        passed = text_at(read_message(text), ("uuid",)) or ""
    except WireError:
        passed = text.strip()
    return passed.lower() if UUID.fullmatch(passed) else None


def content_rate(content_type: str) -> int:
    """Return the rate that ``audio/l16;rate=16000`` names.

    Raises
    ------
    WireError
        If it is no such content type.

    Examples
    --------
    >>> content_rate("audio/l16;rate=16000")
    16000
    """
    found = re.fullmatch(r"audio/l16\s*;\s*rate=(\d{1,6})", content_type.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise WireError(
            f"content-type of {len(content_type)} characters must be audio/l16;rate=..., 16000 or 8000"
        )
    try:
        return check_rate(int(found[1]))
    except AudioError as error:
        raise WireError(f"content-type: {error}") from None

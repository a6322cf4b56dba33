"""Genesys Cloud's AudioHook, version 2: JSON transactions in text frames, PCMU in binary ones; we are the server.

The protocol is Genesys's AudioHook Protocol Specification; it was read at second hand (its help pages, and how
other people's servers speak it), not tried against Genesys Cloud. The client offers media in ``open``; we
choose one in ``opened``: PCMU at 8 kHz, the external channel alone if offered, else both, where the external
one is the left. Not handled: authentication of the HTTP request, which is the server's, and ``discarded``,
whose time the clock fills.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from amd.adapters.fields import Message, find, integer_at, read_message, text_at
from amd.adapters.media import (
    Audio,
    MediaEvent,
    Paused,
    PeerFault,
    Reply,
    Resumed,
    Started,
    Stopped,
    Track,
    check_digit,
    check_size,
    check_whole,
)
from amd.audio import RATE_HZ, Encoding
from amd.errors import WireError

VERSION: Final = "2"
CHOICES: Final[tuple[tuple[str, ...], ...]] = (("external",), ("external", "internal"))
"""Channels that we take, the best first."""
TRACKS: Final[dict[str, Track]] = {"external": Track.FAR, "internal": Track.NEAR}
OFFERS_MAX: Final = 32


class AudioHookDecoder:
    """Decode one AudioHook session; what must be answered comes as `Reply` events, to send in their order."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._channels: tuple[str, ...] = ()
        self._seq = 0
        self._client_seq = 0
        self._n_samples = 0
        self._stopped = False

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        """Take a frame."""
        if self._stopped:
            return ()
        return self._take_message(read_message(data)) if isinstance(data, str) else self._take_audio(data)

    def flush(self) -> tuple[MediaEvent, ...]:
        """Nothing is held back."""
        return ()

    def finish(self) -> tuple[MediaEvent, ...]:
        """The websocket closed."""
        stopped, self._stopped = self._stopped, True
        return () if stopped else (Stopped(reason="closed"),)

    def _take_audio(self, data: bytes) -> tuple[MediaEvent, ...]:
        check_size(len(data), "a binary frame")
        if not self._channels:
            raise WireError(f"{len(data)} bytes of audio came before the session was opened")
        n_channels = len(self._channels)
        check_whole(data, Encoding.MULAW, n_channels)
        if not data:
            return ()
        self._n_samples += len(data) // n_channels
        frames = np.frombuffer(data, dtype=np.uint8).reshape(-1, n_channels)
        return tuple(
            Audio(data=frames[:, n].tobytes(), encoding=Encoding.MULAW, rate_hz=RATE_HZ, track=TRACKS[channel])
            for n, channel in enumerate(self._channels)
        )

    def _take_message(self, message: Message) -> tuple[MediaEvent, ...]:
        kind = text_at(message, ("type",))
        session, seq = text_at(message, ("id",)), integer_at(message, ("seq",))
        if kind is None or session is None or seq is None:
            raise WireError("an AudioHook message must have type, id and seq: another vendor's?")
        if self._id is None:
            if kind != "open":
                raise WireError(f"a session begins with open, not {kind!r}")
            return self._open(message, session, seq)
        if session != self._id:
            raise WireError("a message of another session on this websocket: each has its own")
        before, self._client_seq = self._client_seq, max(self._client_seq, seq)
        try:
            return self._take_kind(kind, message)
        except WireError:
            self._client_seq = before
            raise

    def _take_kind(self, kind: str, message: Message) -> tuple[MediaEvent, ...]:
        if kind == "ping":
            return (self._reply("pong", {}),)
        if kind == "close":
            self._stopped = True
            return self._reply("closed", {}), Stopped(reason="hangup")
        if kind == "dtmf":
            return (check_digit(text_at(message, ("parameters", "digit")) or ""),)
        if kind == "error":
            return (PeerFault(code=text_at(message, ("parameters", "code")) or "none"),)
        return {"paused": (Paused(),), "resumed": (Resumed(),)}.get(kind, ())

    def _open(self, message: Message, session: str, seq: int) -> tuple[MediaEvent, ...]:
        version = text_at(message, ("version",))
        if version != VERSION:
            raise WireError(f"AudioHook version {version!r} must be {VERSION!r}")
        media = _choose(find(message, ("parameters", "media")))
        call_id = text_at(message, ("parameters", "conversationId"))
        self._id, self._client_seq = session, seq
        if media is None:
            self._stopped = True
            refusal = {"reason": "error", "info": "PCMU at 8000 Hz with the external channel is needed"}
            return self._reply("disconnect", refusal), Stopped(reason="no usable media was offered")
        self._channels = tuple(media["channels"])
        opened = self._reply("opened", {"startPaused": False, "media": [media]})
        return opened, Started(call_id=call_id, stream_id=session)

    def _reply(self, kind: str, parameters: Mapping[str, Any]) -> Reply:
        self._seq += 1
        message = {
            "version": VERSION,
            "type": kind,
            "seq": self._seq,
            "clientseq": self._client_seq,
            "id": self._id,
            "position": f"PT{self._n_samples / RATE_HZ:.3f}S",
            "parameters": parameters,
        }
        return Reply(text=json.dumps(message))


def _choose(offers: Any) -> dict[str, Any] | None:
    """Return the best of the media offered, or None if none will do."""
    if not isinstance(offers, list) or len(offers) > OFFERS_MAX:
        raise WireError(f"parameters.media must be a list of at most {OFFERS_MAX}")
    for channels in CHOICES:
        for offer in offers:
            if (
                isinstance(offer, dict)
                and offer.get("type") == "audio"
                and offer.get("format") == "PCMU"
                and offer.get("rate") == RATE_HZ
                and offer.get("channels") == list(channels)
            ):
                return {"type": "audio", "format": "PCMU", "channels": list(channels), "rate": RATE_HZ}
    return None

"""Feeding decoders: whole, byte by byte, with what trails; and the messages that systems send."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

from amd.adapters.media import Audio, MediaEvent
from amd.errors import WireError

FAULT = "fault"


def told(decoder, pieces: Iterable[bytes | str]) -> list[MediaEvent | str]:
    """All events of a stream, then `FAULT` if it broke."""
    events: list[MediaEvent | str] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except WireError:
        events.append(FAULT)
    return events


def bytewise(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Pieces of the data, cut at these places (any numbers: they are taken modulo the length)."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def audio_of(events) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Audio))


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A frame of AudioSocket."""
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


def rtp(number, timestamp, payload, *, payload_type=0, source=0x1234, first=0x80) -> bytes:
    head = bytes([first, payload_type]) + (number % 2**16).to_bytes(2, "big")
    return head + (timestamp % 2**32).to_bytes(4, "big") + source.to_bytes(4, "big") + payload


def media(payload: bytes, **fields) -> str:
    return json.dumps(
        {"event": "media", "media": {**fields, "payload": base64.b64encode(payload).decode("ascii")}}
    )

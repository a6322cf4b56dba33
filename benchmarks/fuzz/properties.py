"""What holds of every decoder, whatever comes: the check of one input.

An input is bytes, as a fuzzer makes them. For a byte stream they are the stream, cut in three ways. For decoders
of messages they are a script of messages, see `records`. A property that does not hold raises `BrokenError`. An
error of a decoder other than `WireError` is let through, and is as good a find.
"""

from __future__ import annotations

import enum
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from amd.adapters.media import Audio, Decoder, MediaEvent, Stopped
from amd.errors import WireError

FAULT: Final = "fault"
REPEATS: Final = 16
"""How often an input is fed again to see what stays: a decoder that keeps what it is fed grows with every turn."""
HELD_INPUTS: Final = 16
"""Messages that a decoder may hold back at once: five chunks or three packets for each of two
tracks, and its fields."""
HELD_EACH_BYTES: Final = 512
"""What Python's objects take around the bytes of one."""
LONG_EVERY: Final = 64
"""One stream in so many, by its checksum, is fed on and on: that is slow."""
LONG_REPEATS: Final = 4
"""Each as long as the longest frame or line: what is kept of all is twice what may be."""
EVENTS_MAX_BYTES: Final = 64
"""An input gives audio of at most its own length, but for what it held back: no input blows up."""

Piece = bytes | str


class BrokenError(Exception):
    """A property does not hold: the text says which."""


def check_stream(make: Callable[[], Any], unit_max_bytes: int, data: bytes) -> None:
    """Check a decoder of a byte stream: the same events whole, byte by byte and cut anywhere; little is held.

    ``unit_max_bytes``: a frame or line that has not ended waits, up to so much.
    """
    whole = _tell(make(), [data])
    for pieces in ([data[n : n + 1] for n in range(len(data))], _cut(data)):
        told = _tell(make(), pieces)
        if told != whole:
            raise BrokenError(f"{len(pieces)} pieces tell {len(told)} events, the whole tells {len(whole)}")
    _check_events(whole, len(data))
    if data and zlib.crc32(data) % LONG_EVERY == 0:
        decoder = make()
        empty = held_bytes(decoder)
        long = data * (1 + unit_max_bytes // len(data))
        for _ in range(LONG_REPEATS):
            try:
                decoder.feed(_fresh(long))
            except WireError:
                break
            _check_held(decoder, empty + 2 * unit_max_bytes)


def check_messages(make: Callable[[], Decoder], pieces: Sequence[Piece | None]) -> None:
    """Check a decoder of messages (None: `flush`): refused ones leave nothing behind, and little is held."""
    decoder = make()
    longest = max((len(piece) for piece in pieces if piece is not None), default=0)
    limit = held_bytes(decoder) + HELD_INPUTS * (longest + HELD_EACH_BYTES)
    told: list[MediaEvent] = []
    taken: list[Piece | None] = []
    for piece in pieces:
        try:
            told += decoder.flush() if piece is None else decoder.feed(piece)
        except WireError:
            continue
        taken.append(piece)
        _check_held(decoder, limit)
    told += decoder.finish()
    again = make()
    without: list[MediaEvent] = []
    for piece in taken:
        try:
            without += again.flush() if piece is None else again.feed(piece)
        except WireError:
            raise BrokenError("a message is taken only after one that was refused") from None
    without += again.finish()
    if told != without:
        raise BrokenError(f"{len(pieces) - len(taken)} refused messages change what the other {len(taken)} tell")
    _check_events(told, sum(len(piece) for piece in taken if piece is not None))
    if decoder.finish() or not any(isinstance(event, Stopped) for event in told):
        raise BrokenError("the end must be told once")
    _check_repeated(make(), pieces, limit)


def _check_repeated(decoder: Decoder, pieces: Sequence[Piece | None], limit: int) -> None:
    for _ in range(REPEATS):
        for piece in pieces:
            try:
                if piece is not None:
                    decoder.feed(_fresh(piece))
            except WireError:
                continue
    _check_held(decoder, limit)


def _check_events(told: Iterable[MediaEvent | str], n_bytes: int) -> None:
    """Audio events are whole samples, not empty, and no longer than what came; the end is told at most once."""
    audio = [event for event in told if isinstance(event, Audio)]
    if any(not event.data or event.n_samples * event.encoding.sample_bytes != len(event.data) for event in audio):
        raise BrokenError("an audio event is empty, or ends within a sample")
    if sum(len(event.data) for event in audio) > n_bytes + EVENTS_MAX_BYTES:
        raise BrokenError(f"{n_bytes} bytes told more audio than they are")
    if sum(isinstance(event, Stopped) for event in told) > 1:
        raise BrokenError("the end was told more than once")


def _fresh(piece: Piece) -> Piece:
    """A copy: what is kept of it is counted by itself."""
    return bytes(bytearray(piece)) if isinstance(piece, bytes) else piece.encode().decode()


def _check_held(decoder: Any, limit: int) -> None:
    held = held_bytes(decoder)
    if held > limit:
        raise BrokenError(f"a decoder holds {held} bytes, {limit} are its limit: what it is fed stays")


def _tell(decoder: Any, pieces: Sequence[bytes]) -> list[Any]:
    """All events of a stream, then `FAULT` if it broke."""
    told: list[Any] = []
    try:
        for piece in pieces:
            told += decoder.feed(piece)
        told += decoder.finish() if hasattr(decoder, "finish") else decoder.feed(b"")
    except WireError:
        told.append(FAULT)
    return told


def _cut(data: bytes) -> list[bytes]:
    """Pieces whose lengths the data themselves choose."""
    pieces, at = [], 0
    while at < len(data):
        end = at + 1 + data[at] % 31
        pieces.append(data[at:end])
        at = end
    return pieces


def records(data: bytes) -> list[Piece | None]:
    r"""Read a script: each record is a kind, a length of two bytes (cut to what is there) and its bytes.

    Kinds, modulo 4: 0 and 1 text, 2 binary, 3 nothing but the time for `flush`.

    Examples
    --------
    >>> records(b"\x00\x00\x02{}\x02\x00\x01a\x03")
    ['{}', b'a', None]
    """
    pieces: list[Piece | None] = []
    at = 0
    while at < len(data):
        kind = data[at] % 4
        if kind == 3:
            pieces.append(None)
            at += 1
            continue
        start = at + 3
        end = start + int.from_bytes(data[at + 1 : start], "big")
        body = data[start:end]
        pieces.append(body if kind == 2 else body.decode("utf-8", "replace"))
        at = end
    return pieces


def script(pieces: Iterable[Piece | None]) -> bytes:
    """Write a script that `records` reads."""
    out = b""
    for piece in pieces:
        if piece is None:
            out += b"\x03"
            continue
        body = piece.encode() if isinstance(piece, str) else piece
        out += bytes([0 if isinstance(piece, str) else 2]) + len(body).to_bytes(2, "big") + body
    return out


def held_bytes(value: Any) -> int:
    """Size of an object and of all that it holds, without classes, functions and enumerations."""
    seen: set[int] = set()
    waiting, total = [value], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or callable(one) or isinstance(one, (type, enum.Enum)):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting += one
        else:
            waiting += vars(one).values() if hasattr(one, "__dict__") else ()
            waiting += [getattr(one, name, None) for name in getattr(type(one), "__slots__", ())]
    return total

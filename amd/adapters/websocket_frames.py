"""Where the frames of a websocket end (RFC 6455, section 5.2), so that plain messages need no more than that."""

from __future__ import annotations

from typing import Final, NamedTuple

SHORTEST_BYTES: Final = 2
SIZE_BYTES: Final = {126: 2, 127: 8}
"""A length of up to 125 is in the second byte; these say that it follows in so many bytes."""
MASK_BYTES: Final = 4
WHOLE: Final = {0x81: "text", 0x82: "binary"}
"""First bytes of frames that are a message by themselves: the last of it, no reserved bit, text or binary."""


class Extent(NamedTuple):
    """Where a frame lies.

    Parameters
    ----------
    first : int
        Its first byte: whether it is the last of its message, and what it is.
    is_masked : bool
    start, end : int
        Of its payload.
    """

    first: int
    is_masked: bool
    start: int
    end: int


def extent_of(data: bytes, at: int = 0) -> Extent | None:
    r"""Return where the frame that begins at ``at`` lies; None while its head is not whole.

    The payload itself may not be there yet.

    Examples
    --------
    >>> extent_of(b"\x82\x03abc")
    Extent(first=130, is_masked=False, start=2, end=5)
    >>> extent_of(b"\x82\xfe\x01")
    """
    if len(data) - at < SHORTEST_BYTES:
        return None
    second = data[at + 1]
    size, start = second & 0x7F, at + SHORTEST_BYTES
    if size > 125:
        n_bytes = SIZE_BYTES[size]
        if len(data) < start + n_bytes:
            return None
        size = int.from_bytes(data[start : start + n_bytes], "big")
        start += n_bytes
    if second & 0x80:
        start += MASK_BYTES
    return Extent(data[at], second > 127, start, start + size)

"""What is fuzzed: every decoder of what strangers send, with an input or two to begin from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from amd.adapters import agi, signatures
from amd.adapters.agi import AgiReader, EagiAudioDecoder
from amd.adapters.ami_wire import LINE_MAX_BYTES, PACKET_MAX_BYTES, AmiReader
from amd.adapters.audiosocket import AudioSocketDecoder
from amd.adapters.frames import FrameDecoder
from amd.adapters.l16 import FREESWITCH, L16Decoder
from amd.adapters.media import Decoder, MediaEvent
from amd.adapters.reorder import Reorder
from amd.adapters.rtp import RtpDecoder
from amd.adapters.systems import SYSTEMS
from amd.audio import Encoding
from amd.errors import WireError
from benchmarks.fuzz.messages import CHANGE, JSON_SEEDS, SEEDS, change
from benchmarks.fuzz.properties import BrokenError, Piece, check_messages, check_stream, records, script


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A decoder, the check of one input, and inputs to begin from."""

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _system(name: str) -> Target:
    make, seeds = SYSTEMS[name].make, SEEDS.get(name, JSON_SEEDS)
    texts = [
        piece for seed in seeds for piece in records(seed) if isinstance(piece, str) and piece.startswith("{")
    ]
    first, *rest = records(seeds[0])
    places = ("\3\0\0", "\2\1\0")  # a field of the message, and one within it
    plans = [script([first, f"{CHANGE}{chr(n)}{place}\4", *rest]) for n in range(len(texts)) for place in places]
    return Target(
        name=name,
        check=lambda data: check_messages(make, [change(piece, texts) for piece in records(data)]),
        seeds=(*seeds, *plans),
    )


def _stream(name: str, make: Callable[[], Any], unit_max_bytes: int, *seeds: bytes) -> Target:
    return Target(name=name, check=partial(check_stream, make, unit_max_bytes), seeds=seeds)


def check_rtp(data: bytes) -> None:
    """Check RTP on datagrams: as they are, or as ten bytes say them: so order and sources are soon met."""
    pieces: list[Piece | None] = []
    for piece in records(data):
        built = isinstance(piece, str)
        pieces.append(datagram(piece.encode("utf-8", "replace")) if built and piece is not None else piece)  # type: ignore[union-attr]
    check_messages(lambda: RtpDecoder({118: (Encoding.PCM16BE, 16_000)}), pieces)


def datagram(plan: bytes) -> bytes:
    """Build a packet: numbers and times near one another, few sources, payload types that mean something."""
    number, time, source, kind, length, first = (*plan[:6], *bytes(6 - min(6, len(plan))))
    payload_type = (0, 8, 11, 13, 101, 118, 96, 72)[kind % 8]
    head = bytes([(0x80, 0x80, 0x80, 0x90, 0xA0, 0xB1, 0x81, 0x40)[first % 8], payload_type])
    head += (65_500 + number).to_bytes(3, "big")[1:] + (2**32 - 2560 + 40 * time).to_bytes(5, "big")[1:]
    return head + bytes([0, 0, 0, source % 3]) + plan[6:] + bytes(length)


def check_reorder(data: bytes) -> None:
    """Check that what is in order stays, that nothing comes twice, and that no more than the window waits."""
    if not data:
        return
    window = data[0] % 8
    order: Reorder[int] = Reorder(window)
    numbers = [int.from_bytes(data[n : n + 2], "big") for n in range(1, len(data) - 1, 2)]
    given: list[int] = []
    for at, number in enumerate(numbers):
        given += order.push(number, at)
        if len(order._held) > window:  # noqa: SLF001 -- what it holds is what is checked
            raise BrokenError(f"{len(order._held)} items wait, beyond the window of {window}")  # noqa: SLF001
    given += order.flush()
    if len(given) != len(set(given)) or len(given) + order.n_late != len(numbers):
        raise BrokenError(f"of {len(numbers)} items {len(given)} were given and {order.n_late} late")


def check_signature(data: bytes) -> None:
    """Check that no headers and body that someone made up are taken for signed."""
    pieces = [piece if isinstance(piece, str) else (piece or b"").decode("latin-1") for piece in records(data)]
    names = (signatures.ID, signatures.TIME, signatures.SIGNATURE)
    try:
        signatures.verify(dict(zip(names, pieces, strict=False)), "".join(pieces[3:]).encode(), [_SECRET], 1000.0)
    except signatures.SignatureError:
        return
    raise BrokenError("what we did not sign is taken for signed")


class _Frames:
    """Frames of this process as messages: six bytes describe each."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()

    def feed(self, data: bytes | str, /) -> tuple[MediaEvent, ...]:
        if isinstance(data, str) or len(data) < 4:
            raise WireError("no frame")
        before = dict(vars(self._decoder))
        try:
            self._decoder.describe(int.from_bytes(data[:3], "big"), data[3])
            return self._decoder.feed(data[4:])
        except WireError:
            vars(self._decoder).update(before)
            raise

    def flush(self) -> tuple[MediaEvent, ...]:
        return self._decoder.flush()

    def finish(self) -> tuple[MediaEvent, ...]:
        return self._decoder.finish()


def _frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


def _messages(name: str, make: Callable[[], Decoder], *seeds: bytes) -> Target:
    return Target(name=name, check=lambda data: check_messages(make, records(data)), seeds=seeds)


_SECRET: Final = "a secret that signs nothing here"  # noqa: S105 -- nothing is protected by it
_PACKETS: Final = [bytes([n, 4 * n, 0, 0, 8, 0]) for n in (1, 2, 4, 3, 5)]
TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        target.name: target
        for target in (
            _stream(
                "audiosocket",
                AudioSocketDecoder,
                65_538,
                _frame(1, bytes(16))
                + _frame(0x10, bytes(8))
                + _frame(3, b"5")
                + _frame(0xFF, b"\x02")
                + _frame(0, b""),
                _frame(0x12, bytes(6)) + b"\x10\x00",
            ),
            _stream(
                "agi",
                AgiReader,
                agi.LINE_MAX_BYTES,
                b"agi_request: amd\nagi_uniqueid: 1.2\n\n200 result=1\n520-Usage\n520 End\nHANGUP\n",
            ),
            _stream("eagi", EagiAudioDecoder, agi.FRAME_BYTES, bytes(700)),
            Target(
                name="rtp",
                check=check_rtp,
                seeds=(script([plan.decode("latin-1") for plan in _PACKETS]), script(map(datagram, _PACKETS))),
            ),
            _stream(
                "ami",
                AmiReader,
                PACKET_MAX_BYTES + LINE_MAX_BYTES,
                b"Asterisk Call Manager/7.0.3\r\nResponse: Success\r\nActionID: 1\r\n\r\nEvent: VarSet\r\n\r\n",
            ),
            Target(
                name="signature",
                check=check_signature,
                seeds=(script(["msg_1", "1000", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1,", "{}"]),),
            ),
            Target(name="reorder", check=check_reorder, seeds=(bytes([3, 0, 1, 0, 3, 0, 2, 0, 2, 0, 9, 255, 0]),)),
            _messages("frames", _Frames, script([b"\x00\x1f\x40\x01abcd", b"\x00\xbb\x80\x02abcdefgh"])),
            _messages(
                "freeswitch-stereo",
                lambda: L16Decoder(FREESWITCH, rate_hz=16_000, mix="stereo"),
                script(["metadata", bytes(8)]),
            ),
            *(_system(name) for name, system in SYSTEMS.items() if system.websocket),
        )
    }
)
"""By name; adding a decoder to `amd.adapters.systems.SYSTEMS` adds it here."""

"""Messages that systems send, to begin from, and to change in one place: no fuzzer writes JSON by chance."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from benchmarks.fuzz.properties import Piece, script

CHANGE: Final = "\x01"
"""A text that begins so is a plan: which message, which place in it, and what to put there."""
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, "", "5", "x", "x" * 300, "-1", "1e9", "inbound", "outbound", "\ud800"),
    *(0, 1, 2, 9, -1, 8000, 16_000, 2**40, 2**63, 10**30, 0.5, -2.5, float("inf"), float("nan")),
    *([], {}, [1], {"digit": "5"}, "AAAAAAAA", "AAA", "!"),
)


def _json(*messages: Mapping[str, Any]) -> bytes:
    return script(json.dumps(message) for message in messages)


def _media(chunk: int, **more: Any) -> dict[str, Any]:
    payload = base64.b64encode(bytes(range(8))).decode("ascii")
    fields = {"track": "inbound", "chunk": str(chunk), "timestamp": str(20 * chunk), "payload": payload, **more}
    return {"event": "media", "sequenceNumber": "3", "media": fields}


def _start(form: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"event": "start", "streamSid": "s1", "start": {"mediaFormat": form, "media_format": form, **fields}}


_MULAW: Final = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
_L16: Final = {"encoding": "L16", "sample_rate": 16000, "channels": 1}
_OFFER: Final = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
_KEY: Final = {"event": "dtmf", "dtmf": {"digit": "5"}}
JSON_SEEDS: Final = (
    _json(_start(_MULAW, callSid="c1", customParameters={"a": "b"}), _media(1), _media(2), {"event": "stop"}),
    _json(_start(_L16, call_control_id="c1"), _media(1), _media(3), _media(2, track="outbound"), _media(9), _KEY),
    _json(_start(_MULAW, callId="c1", streamId="s1"), {"event": "error", "payload": {"code": 1}}, _media(1)),
)


def _audiohook(kind: str, seq: int, **parameters: Any) -> dict[str, Any]:
    return {"version": "2", "type": kind, "id": "s1", "seq": seq, "parameters": parameters}


SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType(
    {
        "asterisk": (
            script(
                ["MEDIA_START connection_id:c1 channel:a/b format:ulaw ptime:20", bytes(8), "DTMF_END digit:5"]
            ),
            script(['{"event": "MEDIA_START", "format": "slin16", "channel_id": "1.2"}', bytes(8), "MEDIA_XON"]),
        ),
        "vonage": (
            script(['{"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}', bytes(8)]),
            script(
                [
                    '{"content-type": "audio/l16;rate=8000"}',
                    '{"event": "websocket:dtmf", "digit": "5"}',
                    b"ab",
                    None,
                ]
            ),
        ),
        "jambonz": (
            script(
                ['{"callSid": "c1", "sampleRate": 8000, "mixType": "stereo", "metadata": {"a": "b"}}', bytes(8)]
            ),
            script(['{"callSid": "c1", "mixType": "mono"}', b"abcd", '{"event": "dtmf", "dtmf": "5"}']),
        ),
        "freeswitch": (
            script(["5f3b7a52-2c9e-4b5e-9d55-0c1f8f1f8d11", bytes(8), None, bytes(2)]),
            script(['{"uuid": "5f3b7a52-2c9e-4b5e-9d55-0c1f8f1f8d11"}', bytes(8)]),
        ),
        "audiohook": (
            script(
                [
                    json.dumps(_audiohook("open", 1, conversationId="c1", media=[_OFFER])),
                    bytes(8),
                    json.dumps(_audiohook("ping", 2)),
                    json.dumps(_audiohook("dtmf", 3, digit="5")),
                    json.dumps(_audiohook("paused", 4)),
                    json.dumps(_audiohook("close", 5, reason="end")),
                ]
            ),
            _json(_audiohook("open", 1, media=[]), _audiohook("error", 2, code=409)),
        ),
    }
)


def change(piece: Piece | None, messages: Sequence[str]) -> Piece | None:
    """Carry a plan out; what is no plan stays as it is."""
    if not isinstance(piece, str) or not piece.startswith(CHANGE) or not messages:
        return piece
    which, *path, what = (ord(one) for one in (piece[1:6] + "\0" * 5)[:5])
    message = json.loads(messages[which % len(messages)])
    return json.dumps(_replaced(message, path, VALUES[what % len(VALUES)]))


def _replaced(message: Any, path: Sequence[int], value: Any) -> Any:
    """The message with what is at a path of positions replaced; position 0 goes no deeper."""
    if not isinstance(message, dict) or not message or not path or path[0] == 0:
        return value
    name = sorted(message)[(path[0] - 1) % len(message)]
    return {**message, name: _replaced(message[name], path[1:], value)}

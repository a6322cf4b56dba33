"""Reading JSON messages of strangers: limits first, then fields by path, each with an error that names it."""

from __future__ import annotations

import json
from typing import Any, Final

from amd.adapters.media import FIELD_MAX_CHARS, FIELDS_MAX, check_size
from amd.audio import check_rate
from amd.errors import AudioError, WireError

Message = dict[str, Any]
Path = tuple[str, ...]

INTEGER_MAX: Final = 2**62
"""Sequence numbers and times beyond this are none."""
DIGITS_MAX: Final = 18
"""So many digits are within it."""


def read_message(text: str) -> Message:
    """Parse one JSON object.

    Raises
    ------
    WireError
        If it is too long, no JSON, nested too deep, or no object.
    """
    check_size(len(text), "a JSON message")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise WireError(
            f"a text message of {len(text)} characters is no JSON: a vendor's other format, or audio as text?"
        ) from None
    if not isinstance(message, dict):
        raise WireError(f"a message is a JSON {type(message).__name__}, and must be an object")
    return message


def find(message: Message, path: Path) -> Any:
    """Return what is at a path, or None where there is nothing."""
    value: Any = message
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def text_at(message: Message, path: Path, *, max_chars: int = FIELD_MAX_CHARS) -> str | None:
    """Return a text (or a number as text), or None where there is nothing; raise `WireError` on anything else."""
    value = find(message, path)
    if value is None or (type(value) is str and len(value) <= max_chars):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MAX:
        value = str(value)
    if not isinstance(value, str):
        raise WireError(f"{'.'.join(path)} is a JSON {type(value).__name__}, and must be a text")
    if len(value) > max_chars:
        raise WireError(f"{'.'.join(path)} has {len(value)} characters, beyond the limit of {max_chars}")
    return value


def integer_at(message: Message, path: Path) -> int | None:
    """Return a whole number, which many vendors send as text, or None where there is nothing.

    Raises
    ------
    WireError
        On anything else.
    """
    value = find(message, path)
    if value is None:
        return None
    if type(value) is str and len(value) <= DIGITS_MAX and value.isdecimal():
        return int(value)
    number: float | None = None
    if isinstance(value, str) and len(value) <= FIELD_MAX_CHARS:
        number = _number(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    if number is None or not abs(number) <= INTEGER_MAX:  # so that NaN fails too
        raise WireError(f"{'.'.join(path)} must be a whole number, and is a JSON {type(value).__name__}")
    return int(number)


def _number(text: str) -> float | None:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return None


def rate_at(message: Message, path: Path, default_hz: int) -> int:
    """Return a sample rate, the default where there is none; raise `WireError` if no audio has it."""
    value = integer_at(message, path)
    try:
        return check_rate(default_hz if value is None else value)
    except AudioError as error:
        raise WireError(f"{'.'.join(path)}: {error}") from None


def texts_in(value: Any) -> tuple[tuple[str, str], ...]:
    """Return the fields of an object that are texts, cut to the limits: what a caller adds to a call is theirs."""
    if not isinstance(value, dict):
        return ()
    texts = ((name, text) for name, text in value.items() if isinstance(text, str))
    kept = [(name, text) for name, text in texts if max(len(name), len(text)) <= FIELD_MAX_CHARS]
    return tuple(kept[:FIELDS_MAX])

"""What a runner writes to its log: an event and its fields, as ``event name=value``; ids, never a number."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Final

_LOGGER: Final = logging.getLogger("callback.runner")


def say(event: str, **fields: object) -> None:
    """Log what happened; whoever formats records as JSON finds it as ``record.event`` and ``record.fields``."""
    _say(logging.INFO, event, fields)


def warn(event: str, **fields: object) -> None:
    """Log what should not happen often."""
    _say(logging.WARNING, event, fields)


def fail(what: str, error: BaseException) -> None:
    """Log a fault: its kind and where it is. Not what it says: nobody knows what others put into their errors."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
    _say(logging.ERROR, "failed", {"what": what, "why": type(error).__name__, "where": where})


def _say(level: int, event: str, fields: dict[str, object]) -> None:
    if _LOGGER.isEnabledFor(level):
        words = " ".join([event, *(f"{name}={value}" for name, value in fields.items())])
        _LOGGER.log(level, "%s", words, extra={"event": event, "fields": fields})

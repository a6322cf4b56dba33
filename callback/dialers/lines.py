"""A call of the simulated exchange, and what is heard on its line."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from callback.dialers.customers import RATE_HZ, Sound
from callback.dialing import Ended, Placing, Prompt

LENGTHS_S: Final = {Prompt.PRESS_ONE: 3.0, Prompt.MESSAGE: 6.0}
"""How long prompts last. One for holding goes on."""
CHUNK_S: Final = 0.1
CHUNK_MAX_S: Final = 1.0
REAL_S: Final = 0.01
"""A fast clock sends its audio in longer pieces, so that a piece takes at least so long."""
_SLIN: Final = b"\x10"
HANGUP: Final = b"\x00\x00\x00"


def _noise() -> Sound:
    """Return a line's noise, some 60 dB below full scale, always the same."""
    return (20 * np.random.default_rng(8).standard_normal(8 * RATE_HZ)).astype(np.int16)


NOISE: Final = _noise()


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """A call, as the exchange has it."""

    placing: Placing
    started_s: float
    ended_s: float = math.inf
    answered_s: float | None = None
    sound: Sound | None = None
    talked: bool = False
    leg: str | None = None
    ended: Ended | None = None
    heard: bool = False
    played: list[Prompt] = field(default_factory=list)
    told: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    bridged: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


def heard(sound: Sound | None, start: int, end: int) -> Sound:
    """Return what is heard from one sample of the call to another: the sound, then noise for ever."""
    sounds = NOISE[np.arange(start, end) % NOISE.size].copy()
    if sound is not None and start < sound.size:
        part = sound[start:end]
        sounds[: part.size] = part
    return sounds


def frame(data: bytes) -> bytes:
    """Return audio as one frame of AudioSocket."""
    return _SLIN + len(data).to_bytes(2, "big") + data

"""What is heard of a call: its wire, decoded and judged; and what may know the greeting from an earlier call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from amd.adapters.call import Alone, Call
from amd.adapters.media import Audio
from amd.adapters.systems import system_of
from amd.audio import Chunk, Samples
from amd.events import Event
from amd.policy import Policy
from callback.screening.decisions import Decision


class Recogniser(Protocol):
    """Knows a machine's greeting again that was heard at an earlier call to the same number."""

    def hear(self, samples: Samples) -> bool:
        """Take the next audio of the call, float32 of shape (n,), 8 kHz; say whether the greeting is known."""

    def conclude(self, decision: Decision) -> None:
        """Take what the call came to. It runs in a thread of the store, and may write there."""


class Overheard(Alone):
    """A detector that lets somebody else hear what it hears."""

    def __init__(self, policy: Policy, listen: Callable[[Samples], None] | None) -> None:
        super().__init__(policy)
        self._listen = listen

    def feed(self, chunk: Chunk) -> tuple[Event, ...]:
        """Take the next audio."""
        if self._listen is not None and len(chunk):
            self._listen(_floats(chunk))
        return super().feed(chunk)


class Ear(Call):
    """A call that says whether audio came, and lets somebody else hear it.

    Parameters
    ----------
    system : str
        See `callback.dialing.Media`.
    policy : Policy
    now_s : float
        By a clock that is never fast: audio that comes faster than it is spoken is taken as it comes, and silence
        is due by the clock of the wire.
    listen : callable, optional
        Given all audio, float32 of shape (n,), 8 kHz.
    """

    def __init__(
        self, system: str, policy: Policy, *, now_s: float, listen: Callable[[Samples], None] | None = None
    ) -> None:
        known = system_of(system)
        judge = Overheard(policy, listen)
        super().__init__(known.make(), timing=known.timing, now_s=now_s, judge=judge)
        self.heard = False

    def _hear(self, audio: Audio, now_s: float) -> tuple[Event, ...]:
        self.heard = True
        return super()._hear(audio, now_s)


def _floats(chunk: Chunk) -> Samples:
    if isinstance(chunk, np.ndarray):
        return np.asarray(chunk, np.float32)
    return np.frombuffer(chunk, np.int16).astype(np.float32) / np.float32(32768)

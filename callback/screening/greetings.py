"""Greetings known again: what a machine of this number played before tells within a second what answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import numpy as np

from amd.audio import Samples
from amd.errors import AudioError
from amd.fingerprint import Fingerprint, Recogniser
from callback.errors import UnknownCallback
from callback.screening.decisions import Decision
from callback.service import CallbackService
from callback.states import Outcome

logger: Final = logging.getLogger("callback.screening")
BATCH: Final = 800
"""Samples that are looked at together: a tenth of a second."""
PAIRS_MIN: Final = 100
"""A greeting of which less was heard is not kept: a second has some hundred."""


class KnownGreetings:
    """Keeps the fingerprints of machines' greetings in the store, and knows them at the next call to the number.

    Given to a runner as ``recognise``. No audio is kept; what is kept goes when the callback is erased.

    Parameters
    ----------
    service : CallbackService
    now : callable
        Tells the time.
    """

    def __init__(self, service: CallbackService, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now

    def __call__(self, callback_id: str, dial_id: str) -> Greeting:
        """Return who may know the greeting of a call."""
        known = []
        for stored in self._service.greetings(callback_id):
            try:
                known.append(Fingerprint.from_bytes(stored))
            except AudioError as error:  # of an older version
                logger.info("a greeting of callback %s is not read: %s", callback_id, error)
        return Greeting(Recogniser(known), keep=lambda made: self._keep(dial_id, made))

    def _keep(self, dial_id: str, made: Fingerprint) -> None:
        try:
            self._service.keep_greeting(dial_id, made.to_bytes(), now=self._now())
        except UnknownCallback:
            logger.info("the greeting of dial %s is not kept: it is nobody's", dial_id)


class Greeting:
    """What one call plays.

    Parameters
    ----------
    recogniser : Recogniser
    keep : callable
        Given the fingerprint of a machine's greeting that was not known.
    """

    def __init__(self, recogniser: Recogniser, *, keep: Callable[[Fingerprint], None]) -> None:
        self._recogniser = recogniser
        self._keep = keep
        self._waiting: list[Samples] = []

    def hear(self, samples: Samples) -> bool:
        """Take the next audio, float32 of shape (n,), 8 kHz; say whether the greeting is known."""
        self._waiting.append(samples)
        if sum(map(len, self._waiting)) >= BATCH:
            self._recogniser.feed(np.concatenate(self._waiting))
            self._waiting.clear()
        return self._recogniser.recognised is not None

    def conclude(self, decision: Decision) -> None:
        """Keep the greeting of a machine that the detector heard."""
        if decision.outcome is not Outcome.MACHINE or self._recogniser.recognised is not None:
            return
        heard = self._recogniser.heard()
        if heard.codes.size >= PAIRS_MIN:
            self._keep(heard)

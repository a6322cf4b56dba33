"""What comes of one attempt to reach a customer, from the luck that was drawn for it: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from callback.simulation.detection import Detector, delay_s
from callback.simulation.draws import Luck
from callback.simulation.scenario import Answering
from callback.states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One attempt.

    Parameters
    ----------
    found : Outcome
        Who or what answered, in truth.
    rings_s : float, s
        From dial to answer, or to giving up.
    said : Outcome
        What screening said: HUMAN, or MACHINE; the truth where nobody answered.
    screened_s : float, s
        From answer to that.
    """

    found: Outcome
    rings_s: float
    said: Outcome
    screened_s: float


def fate(answering: Answering, detector: Detector, luck: Luck) -> Fate:
    """Return what comes of an attempt.

    Examples
    --------
    >>> from callback.simulation.detection import PERFECT
    >>> luck = Luck(answer=0.1, ring=0.5, greeting=0.5, verdict=0.5, delay=0.5, press=0.5, hold=0.5)
    >>> one = fate(Answering(), PERFECT, luck)
    >>> one.found.value, one.rings_s, one.said.value, one.screened_s
    ('human', 15.0, 'human', 1.25)
    """
    found = _found(answering, luck.answer)
    if found is Outcome.NO_ANSWER:
        return Fate(found=found, rings_s=answering.ring_out_s, said=found, screened_s=0.0)
    if found is Outcome.BUSY:
        return Fate(found=found, rings_s=answering.busy_s, said=found, screened_s=0.0)
    if found is Outcome.HUMAN:
        rings_s = _between(answering.ring_min_s, answering.ring_max_s, luck.ring)
        before_s = _between(answering.greeting_min_s, answering.greeting_max_s, luck.greeting)
        lost, unsure, delays_s = detector.human_lost, detector.human_unsure, detector.human_delays_s
        wrong, presses = Outcome.MACHINE, luck.press < answering.presses
    else:
        rings_s = _between(answering.voicemail_min_s, answering.voicemail_max_s, luck.ring)
        before_s = answering.speech_after_s
        lost, unsure, delays_s = detector.machine_passed, detector.machine_unsure, detector.machine_delays_s
        wrong, presses = Outcome.HUMAN, False
    screened_s = before_s + delay_s(delays_s, luck.delay)
    if luck.verdict < lost:
        return Fate(found=found, rings_s=rings_s, said=wrong, screened_s=screened_s)
    # The unsure lie at the other end, so that a detector that loses more people loses the same and others.
    if luck.verdict >= 1 - unsure:
        said = Outcome.HUMAN if presses else Outcome.MACHINE
        return Fate(found=found, rings_s=rings_s, said=said, screened_s=screened_s + answering.press_s)
    return Fate(found=found, rings_s=rings_s, said=found, screened_s=screened_s)


def hold_patience_s(luck: Luck, mean_s: float) -> float:
    """Return how long a customer who was called back holds: exponential, or for ever."""
    return -mean_s * math.log1p(-luck.hold) if math.isfinite(mean_s) else math.inf


def _found(answering: Answering, chance: float) -> Outcome:
    if chance < answering.human:
        return Outcome.HUMAN
    if chance < answering.human + answering.voicemail:
        return Outcome.MACHINE
    if chance < answering.human + answering.voicemail + answering.busy:
        return Outcome.BUSY
    return Outcome.NO_ANSWER


def _between(low: float, high: float, chance: float) -> float:
    return low + (high - low) * chance

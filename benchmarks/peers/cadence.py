"""Runs of speech of any mask, and a rule of times on them: the least use of a voice-activity detector.

``human`` when a silence of ``gap_s`` follows speech shorter than ``longest_s``; ``machine`` when speech since the
first word reaches it; ``silence`` when nobody has spoken by ``silent_s``, or by the end of the audio. What ends
undecided after speech is ``human``: a short greeting, to this rule. Every mask goes through `amd.cadence.Cadence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.cadence import Cadence
from amd.events import Party
from amd.framing import HOP_SAMPLES, frame_end_sample, frame_known_sample
from benchmarks.peers import activity
from benchmarks.peers.activity import Judge, Mask
from benchmarks.peers.asterisk import PeerVerdict

Floats = npt.NDArray[np.float64]

SILENT_S: Final = 10.0
"""As long as `amd` waits for the first word (`amd.policy.Policy.silence_max_s`), for every mask: late speakers are
people, and the cost by which the rest was chosen says nothing of silence."""
TICKS: Final = {"webrtcvad": (1, 0), "silero-vad": (2, 1), "amd's speech activity": (6, 0)}
"""Every how many frames of 16 ms each gives its answer, and how many frames before the first answer are not in the
audio: silero-vad's pieces of 32 ms begin with it, frames half a hop later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The rule's constants, in seconds; and which mode of webrtcvad they are for."""

    gap_s: float
    longest_s: float
    mode: int = 0


RULES: Final = {
    "webrtcvad": Rule(gap_s=0.2, longest_s=6.0, mode=3),
    "silero-vad": Rule(gap_s=1.4, longest_s=3.5),
    "amd's speech activity": Rule(gap_s=1.4, longest_s=3.5),
}
"""The cheapest by `benchmarks.cost` on the first 4,000 composed calls of the train split, seed 301, of the grid in
`benchmarks.search` (``python -m benchmarks fit-peers``). Mean costs 1.966, 1.629 and 1.347; the other modes of
webrtcvad 2.723 (0), 2.470 (1), 2.275 (2). Its pair lies in the corner of the grid: noise is speech to it, and
words break, so nothing is cheaper than to call nearly everyone human at the first short stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What is known of the runs of a mask at each of its frames; arrays of shape ``(n_frames,)``.

    Parameters
    ----------
    known_s : ndarray of float64
        How much audio must have been heard.
    speech_s, gap_s : ndarray of float64
        Speech so far, pauses within runs counted; silence since. NaN before anyone spoke.
    """

    known_s: Floats
    speech_s: Floats
    gap_s: Floats


def runs_of(mask: Mask, ticks: tuple[int, int]) -> Runs:
    """Follow the runs of a mask whose frames are known as `TICKS` says."""
    cadence = Cadence()
    rows = np.full((mask.size, 2), np.nan)
    for index, active in enumerate(mask.tolist()):
        cadence.step(index, active=active, voiced=active, hold=False)
        if cadence.first_on is not None:
            gap = max(0, frame_end_sample(index) - cadence.last_off)
            rows[index] = cadence.speech_samples / RATE_HZ, gap / RATE_HZ
    return Runs(known_s=known_times_s(mask.size, *ticks), speech_s=rows[:, 0], gap_s=rows[:, 1])


def known_times_s(n_frames: int, tick_frames: int, ahead: int = 0) -> Floats:
    """Return how much audio must have been heard before each frame is judged: no more than there is.

    Examples
    --------
    >>> known_times_s(4, 2, 1).tolist()
    [0.032, 0.064, 0.064, 0.08]
    """
    last = ((np.arange(n_frames) + ahead) // tick_frames + 1) * tick_frames - 1 - ahead
    first_s, step_s = frame_known_sample(0) / RATE_HZ, HOP_SAMPLES / RATE_HZ
    return np.asarray(first_s + np.minimum(last, n_frames - 1) * step_s)


def decide(runs: Runs, rule: Rule, *, duration_s: float) -> PeerVerdict:
    """Give the rule's verdict of one call."""
    machine = runs.speech_s >= rule.longest_s
    human = (runs.gap_s >= rule.gap_s) & ~machine
    silent = np.isnan(runs.speech_s) & (runs.known_s >= SILENT_S)
    found = np.flatnonzero(machine | human | silent)
    if found.size:
        first = found[0]
        if silent[first]:
            return PeerVerdict(party=Party.SILENCE, cause="SILENCE", known_s=float(runs.known_s[first]))
        party, cause = (Party.MACHINE, "LONG") if machine[first] else (Party.HUMAN, "SHORT")
        return PeerVerdict(party=party, cause=cause, known_s=float(runs.known_s[first]))
    spoken = runs.speech_s.size > 0 and not np.isnan(runs.speech_s[-1])
    return PeerVerdict(party=Party.HUMAN if spoken else Party.SILENCE, cause="HANGUP", known_s=duration_s)


def mask_of(name: str, mode: int = 0) -> Judge:
    """Return the speech activity of that name."""
    masks: dict[str, Judge] = {
        "webrtcvad": partial(activity.webrtc, mode),
        "silero-vad": activity.silero,
        "amd's speech activity": activity.ours,
    }
    return masks[name]


def judge(name: str, samples: Samples) -> PeerVerdict:
    """Judge one call of 8 kHz samples by the mask of that name and its rule."""
    rule = RULES[name]
    runs = runs_of(mask_of(name, rule.mode)(samples), TICKS[name])
    return decide(runs, rule, duration_s=samples.size / RATE_HZ)

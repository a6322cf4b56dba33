"""Which frames of many calls have to be looked at one by one, so that nothing can be missed; most need not.

A call is looked at where a run or a tone ended, while a tone waits for what follows it, and at a tick at which
something may be due: a limit of its policy may be reached. Limits are asked here of all calls at once and a little
early, so a look may find nothing; what is decided is decided by `Detector` alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ
from amd.callprogress import RINGBACK_HOLD_S, Waits, may_mean
from amd.detector import Detector, Stage
from amd.ears import Batch
from amd.evidence import NAMES
from amd.framing import HOP_SAMPLES, frame_end_sample, frame_known_sample
from amd.greeting import LONGEST_BEEP_SAMPLES, QUIET_SAMPLES
from amd.model import Model
from amd.policy import LONE_BEEP_S, Policy
from amd.sit import GAP_MAX_SAMPLES, WAIT_MAX_SAMPLES

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

EARLY: Final = 1e-6
"""Nats, probabilities and seconds by which a limit is asked early: rounding may differ."""
NEVER: Final = np.inf
LIMITS: Final = (
    *("machine_p", "human_p", "human_gap_s", "gap_s", "since_onset_s", "early_p", "early_gap_s"),
    *("silent_s", "time_s", "greeting_silent_s", "greeting_time_s", "known_s"),
)
"""What may be due at a tick when it is reached, of the policy or of how far a call is."""


WAITS: Final = (*Waits._fields, "beep_off")


class Gate:
    """How far each of some calls is, as far as it says when to look at it."""

    def __init__(self, n_calls: int, model: Model) -> None:
        self.done: Flags = np.zeros(n_calls, dtype=np.bool_)
        self.decides: Flags = np.ones(n_calls, dtype=np.bool_)
        self._waits: Doubles = np.full((n_calls, len(WAITS)), NEVER)
        self._awaits_speech: Flags = np.zeros(n_calls, dtype=np.bool_)
        self._limits: Doubles = np.full((n_calls, len(LIMITS)), NEVER)
        self._stages: dict[int, tuple[Policy, Stage]] = {}
        self._model = model

    def follow(self, slot: int, call: Detector) -> None:
        """Take how far a call is, after it began and whenever it was looked at."""
        self.done[slot] = call.done
        self._waits[slot] = *call.waits, call.beep_off
        self._awaits_speech[slot] = call.awaits_speech
        stage = call.policy, call.stage
        if self._stages.get(slot) != stage:
            self._stages[slot] = stage
            due = _due(*stage)
            self.decides[slot] = call.stage.decides
            self._limits[slot] = [due.get(name, NEVER) - EARLY for name in LIMITS]

    def rows(self, batch: Batch) -> Rows:
        """Rows of a batch that have to be looked at, in order; with one of a call, all of it that come after."""
        ticks = batch.ticks
        looks = self._tones_may_bring(batch)
        looks[ticks.rows] |= self._may_be_due(batch)
        at = np.flatnonzero(looks)
        if at.size == 0:
            return at
        calls, firsts = np.unique(np.searchsorted(batch.firsts, at, side="right") - 1, return_index=True)
        spans = [np.arange(first, end) for first, end in zip(at[firsts], batch.firsts[calls + 1], strict=True)]
        return np.concatenate(spans)

    def _tones_may_bring(self, batch: Batch) -> Flags:
        """Whether each frame may bring something by itself, since a tone ended or waits for what follows it."""
        followed, ended = batch.followed, batch.followed.ended
        joins, sit_off, ring_off, told_on, beep_off = self._waits[batch.slots].T
        begun = batch.index * HOP_SAMPLES
        known, now = begun + frame_known_sample(0), begun + frame_end_sample(0)
        next_on = np.where(followed.begun >= 0, followed.begun, known)
        looks: Flags = (next_on - sit_off > GAP_MAX_SAMPLES) | (known - sit_off > WAIT_MAX_SAMPLES)
        looks |= known - ring_off >= RINGBACK_HOLD_S * RATE_HZ
        looks |= now - np.maximum(beep_off, batch.told.tone_off) >= QUIET_SAMPLES
        looks |= now - beep_off >= QUIET_SAMPLES + LONGEST_BEEP_SAMPLES
        if ended.rows.size:
            rows = ended.rows
            waits = (ended.column("on") <= joins[rows]) | (sit_off[rows] < NEVER) | (ring_off[rows] < NEVER)
            looks[rows] |= waits | may_mean(ended, batch.generated[rows, 0] >= 0)
        for row, sounding in followed.lasting.items():
            looks[row] |= sounding.on != told_on[row]
        return looks

    def _may_be_due(self, batch: Batch) -> Flags:
        """Whether each tick of a batch may bring something."""
        slots, rows, told = batch.ticks.slots, batch.ticks.rows, batch.told
        begun, tone_off = batch.index[rows] * HOP_SAMPLES, told.tone_off[rows]
        limit = dict(zip(LIMITS, self._limits[slots].T, strict=True))
        now = begun + frame_end_sample(0)
        silent_s, time_s = (now - tone_off) / RATE_HZ, now / RATE_HZ
        greeting_s = (now - np.maximum(tone_off, told.last_off)) / RATE_HZ
        found: Flags = (told.started[:, 0] >= 0) | (told.ended[:, 0] >= 0)
        found |= (begun + frame_known_sample(0)) / RATE_HZ >= limit["known_s"]
        found |= (greeting_s >= limit["greeting_silent_s"]) | (time_s >= limit["greeting_time_s"])
        found |= self._awaits_speech[slots] & (told.spoken[rows] | (silent_s >= LONE_BEEP_S - EARLY))
        found |= ~told.spoken[rows] & ((silent_s >= limit["silent_s"]) | (time_s >= limit["time_s"]))
        p = self._probability(told.evidence)
        gap_s, since_s = (told.evidence[:, NAMES.index(name)] for name in ("gap_s", "since_onset_s"))
        speaks = (p >= limit["machine_p"]) | ((1 - p >= limit["human_p"]) & (gap_s >= limit["human_gap_s"]))
        speaks |= (gap_s >= limit["gap_s"]) | (since_s >= limit["since_onset_s"])
        speaks |= (p >= limit["early_p"]) | ((1 - p >= limit["early_p"]) & (gap_s >= limit["early_gap_s"]))
        found |= told.spoken[rows] & speaks
        return found

    def _probability(self, evidence: npt.NDArray[np.float32]) -> Doubles:
        """Of a machine, as near as need be."""
        log_odds = np.full(evidence.shape[0], self._model.prior_log_odds)
        for curve in self._model.curves:
            log_odds += np.interp(evidence[:, NAMES.index(curve.name)], curve.at, curve.log_odds)
        found: Doubles = 0.5 + 0.5 * np.tanh(log_odds / 2)
        return found


def _due(policy: Policy, stage: Stage) -> dict[str, float]:
    """Limits that matter to a call as far as it is, by name."""
    due: dict[str, float] = {}
    if stage.decides:
        due |= {"silent_s": policy.silence_early_s, "time_s": policy.ringback_max_s}
        if stage.is_human:
            due["machine_p"] = policy.contradiction_probability_min
        else:
            due |= {
                "machine_p": policy.machine_probability_min,
                "human_p": policy.human_probability_min,
                "human_gap_s": policy.human_gap_min_s,
                "gap_s": policy.gap_max_s,
                "since_onset_s": policy.verdict_max_s,
            }
            if policy.early_probability_min is not None:
                due |= {"early_p": policy.early_probability_min, "early_gap_s": policy.early_gap_min_s}
    if stage.follows_greeting:
        due |= {"greeting_silent_s": policy.greeting_end_silence_s, "greeting_time_s": policy.greeting_max_s}
    if stage.stops_s is not None:
        due["known_s"] = stage.stops_s
    return due

"""Which frames of some calls have to be looked at one by one, so that nothing can be missed; most need not.

A call is looked at where a run or a tone ended, while a tone waits for what follows it, and at a tick at which
something may be due: a limit of its policy may be reached. Limits are asked here of all calls at once and a little
early, so a look may find nothing; what is decided is decided by `amd.detector` alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.callprogress import RINGBACK_HOLD_S, Waits, may_mean
from amd.compiled import exact
from amd.evidence import NAMES
from amd.framing import HOP_SAMPLES, Slots, frame_end_sample, frame_known_sample
from amd.greeting import LONGEST_BEEP_SAMPLES, QUIET_SAMPLES
from amd.judging import RUN_ENDED, RUN_STARTED, SPEECH_OFF, Places
from amd.model import Model
from amd.policy import LONE_BEEP_S, Policy
from amd.rows import BEGUN, INDEX, LAST_OFF, LASTING, LOOKS, SLOT, SPOKEN, TONE_ON, Flags
from amd.sit import GAP_MAX_SAMPLES, WAIT_MAX_SAMPLES
from amd.tones import Ended

Doubles = npt.NDArray[np.float64]

EARLY: Final = 1e-6
"""Nats, probabilities and seconds by which a limit is asked early: rounding may differ."""
NEVER: Final = np.inf
LIMITS: Final = (
    *("machine_p", "human_p", "human_gap_s", "gap_s", "since_onset_s", "early_p", "early_gap_s"),
    *("silent_s", "time_s", "greeting_silent_s", "greeting_time_s", "known_s"),
)
"""What may be due at a tick when it is reached, of the policy or of how far a call is."""
WAITS: Final = (
    "joins",
    "sit_off",
    "ring_off",
    "told_on",
    "sit_gap",
    "sit",
    "ring",
    "beep_off",
    "quiet",
    "beep",
    "lone_s",
)
_N_LIMITS, _N_COLUMNS = len(LIMITS), len(LIMITS) + len(WAITS)
_MACHINE_P, _HUMAN_P, _HUMAN_GAP, _GAP_LIMIT, _SINCE_LIMIT, _EARLY_P, _EARLY_GAP = range(7)
_SILENT, _TIME, _GREETING_SILENT, _GREETING_TIME, _KNOWN = range(7, _N_LIMITS)
_JOINS, _SIT_OFF, _RING_OFF, _TOLD_ON = range(_N_LIMITS, _N_LIMITS + 4)
_SIT_GAP, _SIT, _RING, _BEEP_OFF, _QUIET, _BEEP, _LONE = range(_N_LIMITS + 4, _N_COLUMNS)
"""How far a call is, as far as it says when to look at it: a row of numbers. What is compiled knows no limit by
itself but is told it here, since it is kept on disk though the file of a limit has changed (`amd.compiled`)."""
_GAP, _SINCE_ONSET = NAMES.index("gap_s"), NAMES.index("since_onset_s")
_FIRST_KNOWN, _FIRST_END = frame_known_sample(0), frame_end_sample(0)


class Stage(NamedTuple):
    """How far a call is.

    Parameters
    ----------
    decides : bool
        Whether a tick may bring a verdict, or speak against the one that stands.
    is_human : bool
        Whether a human's stands.
    follows_greeting : bool
        Whether the end of a machine's greeting is still to come.
    stops_s : float or None
        From when on it need not listen any more; None while that is not known.
    """

    decides: bool
    is_human: bool
    follows_greeting: bool
    stops_s: float | None


class Looked(NamedTuple):
    """How far a call is after it began, and after it was looked at.

    Parameters
    ----------
    done : bool
        Whether no event of it can come any more.
    policy : Policy
    stage : Stage
    waits : Waits
    beep_off : float
        Where a machine's beep ended that another may follow; infinite where none is awaited.
    awaits_speech : bool
        Whether it is still to be seen that no one speaks after a beep that came first.
    """

    done: bool
    policy: Policy
    stage: Stage
    waits: Waits
    beep_off: float
    awaits_speech: bool


class Gate:
    """How far each of some calls is, as far as it says when to look at it."""

    def __init__(self, n_calls: int, model: Model) -> None:
        self.done: Flags = np.zeros(n_calls, dtype=np.bool_)
        self.decides: Flags = np.ones(n_calls, dtype=np.bool_)
        self.calls: Doubles = np.full((n_calls, _N_COLUMNS), NEVER)
        self._stages: dict[int, tuple[Policy, Stage]] = {}
        self.curves = _curves_of(model)

    def follow(self, slot: int, looked: Looked) -> None:
        """Take how far a call is."""
        self.done[slot] = looked.done
        self.calls[slot, _N_LIMITS:] = _waits_of(looked)
        stage = looked.policy, looked.stage
        if self._stages.get(slot) != stage:
            self._stages[slot] = stage
            due = _due(*stage)
            self.decides[slot] = looked.stage.decides
            self.calls[slot, :_N_LIMITS] = [due.get(name, NEVER) - EARLY for name in LIMITS]

    def look_at_tones(self, ended: Ended, places: Slots, flags: Flags) -> None:
        """Look at the frames with which a tone ended that may mean something."""
        rows = ended.rows
        calls = self.calls[places[SLOT, rows]]
        waits = ended.column("on") <= calls[:, _JOINS]
        waits |= (calls[:, _SIT_OFF] < NEVER) | (calls[:, _RING_OFF] < NEVER)
        flags[LOOKS, rows] |= waits | may_mean(ended, places[TONE_ON, rows] >= 0)


def _waits_of(looked: Looked) -> tuple[float, ...]:
    """What a call's tones wait for, in the order of `WAITS`."""
    waits, beep_off = looked.waits, looked.beep_off
    return (
        *waits,
        waits.sit_off + GAP_MAX_SAMPLES,
        waits.sit_off + WAIT_MAX_SAMPLES,
        waits.ring_off + RINGBACK_HOLD_S * RATE_HZ,
        beep_off,
        QUIET_SAMPLES,
        beep_off + QUIET_SAMPLES + LONGEST_BEEP_SAMPLES,
        LONE_BEEP_S - EARLY if looked.awaits_speech else NEVER,
    )


def _curves_of(model: Model) -> Doubles:
    """Curves of a model, a row each: which evidence, how many places, places, log-odds; first the prior."""
    n_most = max((len(curve.at) for curve in model.curves), default=0)
    found = np.zeros((len(model.curves) + 1, 2 + 2 * n_most))
    found[0, 0] = model.prior_log_odds
    for row, curve in enumerate(model.curves, 1):
        n = len(curve.at)
        found[row, :2] = NAMES.index(curve.name), n
        found[row, 2 : 2 + n], found[row, 2 + n : 2 + 2 * n] = curve.at, curve.log_odds
    return found


@exact
def look(
    n_frames: int,
    places: Slots,
    flags: Flags,
    calls: Doubles,
    n_lasting: int,
    sounding: Doubles,
    ticks_at: Slots,
    told: Places,
    evidence: Samples,
    curves: Doubles,
) -> int:
    """Say which frames may bring something, but for tones that ended with them; return how many."""
    for row in range(n_frames):
        flags[LOOKS, row] = _may_bring(calls[places[SLOT, row]], row, places)
    for at in range(n_lasting):
        row = places[LASTING, at]
        if sounding[at, 0] != calls[places[SLOT, row], _TOLD_ON]:
            flags[LOOKS, row] = True
    for tick in range(ticks_at.size):
        row = ticks_at[tick]
        if not flags[LOOKS, row]:
            call = calls[places[SLOT, row]]
            flags[LOOKS, row] = _may_be_due(call, row, places, flags, told[tick], evidence[tick], curves)
    n_looks = 0
    for row in range(n_frames):
        n_looks += flags[LOOKS, row]
    return n_looks


@exact
def _may_bring(call: Doubles, row: int, places: Slots) -> bool:
    """Whether a frame may bring something by itself, since a tone waits for what follows it."""
    begun = places[INDEX, row] * HOP_SAMPLES
    known, now = begun + _FIRST_KNOWN, begun + _FIRST_END
    next_on = places[BEGUN, row] if places[BEGUN, row] >= 0 else known
    waits = next_on > call[_SIT_GAP] or known > call[_SIT] or known >= call[_RING] or now >= call[_BEEP]
    return bool(waits or now >= max(call[_BEEP_OFF], np.float64(places[LAST_OFF, row])) + call[_QUIET])


@exact
def _may_be_due(
    call: Doubles, row: int, places: Slots, flags: Flags, told: Places, evidence: Samples, curves: Doubles
) -> bool:
    """Whether a tick, which ends with a frame, may bring something."""
    begun, tone_off, is_spoken = places[INDEX, row] * HOP_SAMPLES, places[LAST_OFF, row], flags[SPOKEN, row]
    now = begun + _FIRST_END
    silent_s, time_s = (now - tone_off) / RATE_HZ, now / RATE_HZ
    greeting_s = (now - max(tone_off, told[SPEECH_OFF])) / RATE_HZ
    if told[RUN_STARTED] >= 0 or told[RUN_ENDED] >= 0 or (begun + _FIRST_KNOWN) / RATE_HZ >= call[_KNOWN]:
        return True
    if greeting_s >= call[_GREETING_SILENT] or time_s >= call[_GREETING_TIME]:
        return True
    if call[_LONE] < NEVER and (is_spoken or silent_s >= call[_LONE]):
        return True
    if not is_spoken:
        return bool(silent_s >= call[_SILENT] or time_s >= call[_TIME])
    p = _probability(evidence, curves)
    gap_s, since_s = np.float64(evidence[_GAP]), np.float64(evidence[_SINCE_ONSET])
    speaks = p >= call[_MACHINE_P] or (1 - p >= call[_HUMAN_P] and gap_s >= call[_HUMAN_GAP])
    speaks = speaks or gap_s >= call[_GAP_LIMIT] or since_s >= call[_SINCE_LIMIT]
    return bool(speaks or p >= call[_EARLY_P] or (1 - p >= call[_EARLY_P] and gap_s >= call[_EARLY_GAP]))


@exact
def _probability(evidence: Samples, curves: Doubles) -> float:
    """Of a machine, as near as need be."""
    log_odds = curves[0, 0]
    for row in range(1, curves.shape[0]):
        value, n = np.float64(evidence[int(curves[row, 0])]), int(curves[row, 1])
        at, said = curves[row, 2 : 2 + n], curves[row, 2 + n : 2 + 2 * n]
        if value != value:
            continue
        place = 0
        while place < n and at[place] < value:
            place += 1
        if place == 0 or place == n:
            log_odds += said[min(place, n - 1)]
        else:
            way = (value - at[place - 1]) / (at[place] - at[place - 1])
            log_odds += said[place - 1] + way * (said[place] - said[place - 1])
    return float(0.5 + 0.5 * np.tanh(log_odds / 2))


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

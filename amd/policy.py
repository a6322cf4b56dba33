"""Probabilities, tones and elapsed time to a verdict, or to waiting on. Every threshold of the decision is here.

The decision is a sequential test (Wald 1945): go on listening while neither error is small enough, but never past
the deadline. A human taken for a machine is hung up on, so a machine needs more certainty than a human does.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from amd.audio import Samples
from amd.callprogress import Heard
from amd.errors import PolicyError
from amd.events import Cause, Party, SubState, ToneKind, Weight
from amd.evidence import NAMES
from amd.model import Model, machine_probability


class Until(StrEnum):
    """How far a detector follows a call."""

    VERDICT = "verdict"
    """To the final verdict, and a little on for what might contradict it."""
    END = "end"
    """After a machine's verdict on to the end of its greeting: the place where a message can start."""


def _unit(unit: str, low: float, high: float) -> dict[str, Any]:
    return {"unit": unit, "low": low, "high": high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A point on the curve of cost against delay.

    Every field has a unit and a range; a value outside it raises `PolicyError`. Waits count from answer: where the
    audio starts, or, when it rings on, where ringback stops. Events keep counting from where the audio starts.

    Parameters
    ----------
    human_probability_min : float, 0.5 to 1
        A final ``human`` needs this. Lower than for machines: a machine taken for a human costs an agent's
        moment, the reverse hangs up on a person.
    machine_probability_min : float, 0.5 to 1
        A final ``machine`` from speech alone needs this: the costliest error is a person hung up on.
    human_gap_min_s : float, 0 to 10 s
        A final ``human`` needs this silence after the greeting, whatever the model says. Machines pause
        0.3-1.0 s after their first words; on composed calls of the dev split 0.85 s put the median human verdict
        1 s after the greeting. The law allows 2 s from the end of a person's greeting (47 CFR 64.1200(a)(7)).
    gap_max_s : float, 0.5 to 10 s
        After this silence the verdict no longer waits: ``machine`` if ``forced_probability_min`` is reached,
        else ``human``. The law allows 2 s of dead air from the end of a person's greeting, of which hearing that
        end and the tick take 0.1 to 0.2 s.
    early_probability_min : float or None, 0.5 to 1
        Give a provisional verdict at this probability; None gives none. For those who must act at once and can
        take it back: about one in five such verdicts changes (a preliminary study).
    early_gap_min_s : float, 0 to 10 s
        A provisional ``human`` needs this silence: longer than the stops and breaths within a phrase.
    verdict_max_s : float, 1 to 60 s
        A verdict is forced this long after the first speech began: people who answer for a business speak for up
        to 5 s, and 2 s of silence may follow.
    forced_probability_min : float, 0.5 to 1
        A forced verdict names the likelier party from this on, else it is ``unsure``: in between, asking (press 1)
        is better than guessing.
    silence_early_s, silence_max_s : float, 1 to 60 s
        Without speech or tone, ``silence`` is provisional after the first and final after the second. Carriers
        have been seen to send 3-8 s of digital silence before a greeting, so the final one waits longer.
    ringback_max_s : float, 1 to 300 s
        Ringback that still goes on this long after the audio started is ``network``: nobody answered. Another
        tone that goes on as long, with nothing said, is ``unsure``.
    early_media : bool
        The audio starts before the answer, while it may still ring. Waits then count from where ringback stops,
        or from the first speech if none was heard; and silence before either is no verdict until
        ``ringback_max_s``: it may be the time until it rings.
    watch_s : float, 0 to 60 s
        After the final verdict, listen this long for what contradicts it: most beeps after a pause that was
        taken for a person's come within it.
    contradiction_probability_min : float, 0.5 to 1
        Speech alone contradicts a verdict only at this probability: people go on speaking after their hello.
    until : Until
        Whether to follow a machine to the end of its greeting, for those who leave a message.
    greeting_end_silence_s : float, 0.5 to 10 s
        A machine's greeting has ended when nothing followed it for this long: no beep will come, or it was
        missed. Beeps follow the greeting within 2 s as a rule, on some carriers within 6.
    greeting_max_s : float, 5 to 600 s
        A greeting's end is awaited no longer than this after answer: a menu or an endless announcement must not
        hold the line.
    """

    human_probability_min: float = field(default=0.8, metadata=_unit("probability", 0.5, 1))
    machine_probability_min: float = field(default=0.96, metadata=_unit("probability", 0.5, 1))
    human_gap_min_s: float = field(default=0.85, metadata=_unit("s", 0, 10))
    gap_max_s: float = field(default=1.8, metadata=_unit("s", 0.5, 10))
    early_probability_min: float | None = field(default=None, metadata=_unit("probability", 0.5, 1))
    early_gap_min_s: float = field(default=0.30, metadata=_unit("s", 0, 10))
    verdict_max_s: float = field(default=7.0, metadata=_unit("s", 1, 60))
    forced_probability_min: float = field(default=0.95, metadata=_unit("probability", 0.5, 1))
    silence_early_s: float = field(default=5.0, metadata=_unit("s", 1, 60))
    silence_max_s: float = field(default=10.0, metadata=_unit("s", 1, 60))
    ringback_max_s: float = field(default=45.0, metadata=_unit("s", 1, 300))
    early_media: bool = field(default=False, metadata=_unit("", 0, 0))
    watch_s: float = field(default=5.0, metadata=_unit("s", 0, 60))
    contradiction_probability_min: float = field(default=0.97, metadata=_unit("probability", 0.5, 1))
    until: Until = field(default=Until.VERDICT, metadata=_unit("", 0, 0))
    greeting_end_silence_s: float = field(default=2.0, metadata=_unit("s", 0.5, 10))
    greeting_max_s: float = field(default=60.0, metadata=_unit("s", 5, 600))

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if entry.name in _CHOICES:
                kind, need = _CHOICES[entry.name]
                if not isinstance(value, kind):
                    raise PolicyError(f"{entry.name}={value!r} must be {need}")
            elif value is not None or entry.name != "early_probability_min":
                _check_range(entry.name, value, entry.metadata)
        if self.silence_early_s > self.silence_max_s:
            raise PolicyError(
                f"silence_early_s={self.silence_early_s} must not exceed silence_max_s={self.silence_max_s}"
            )
        if self.human_gap_min_s > self.gap_max_s:
            raise PolicyError(f"human_gap_min_s={self.human_gap_min_s} must not exceed gap_max_s={self.gap_max_s}")
        if self.early_gap_min_s > self.human_gap_min_s:
            raise PolicyError(
                f"early_gap_min_s={self.early_gap_min_s} must not exceed human_gap_min_s={self.human_gap_min_s}"
            )
        if self.early_probability_min is not None and self.early_probability_min > min(
            self.human_probability_min, self.machine_probability_min
        ):
            raise PolicyError(
                f"early_probability_min={self.early_probability_min} must not exceed what a final verdict needs"
            )


_CHOICES: Final[dict[str, tuple[type, str]]] = {
    "early_media": (bool, "True or False"),
    "until": (Until, "an amd.Until"),
}
"""The fields that are no numbers: their type, and what an error says of it."""


def _check_range(name: str, value: object, metadata: Any) -> None:
    low, high, unit = metadata["low"], metadata["high"], metadata["unit"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise PolicyError(f"{name}={value!r} must be a number from {low} to {high} {unit}")
    if not low <= value <= high:
        slip = ""
        if unit == "s" and value >= 100:
            slip = ": milliseconds?"
        if unit == "probability" and value > 1:
            slip = ": a percentage?"
        raise PolicyError(f"{name}={value} is outside {low} to {high} {unit}{slip}")


# Probabilities, the person's silence and the forced verdict's are chosen by `amd train`: the cheapest by
# `amd.training.cost` on speakers that the model did not hear (docs/model-card.md).
PRESETS: Final[dict[str, Policy]] = {
    "balanced": Policy(),
    "protect_humans": Policy(
        human_probability_min=0.88,
        machine_probability_min=0.996,
        human_gap_min_s=0.95,
        forced_probability_min=0.99,
    ),
    "fast": Policy(
        machine_probability_min=0.95,
        human_probability_min=0.70,
        human_gap_min_s=0.30,
        forced_probability_min=0.80,
        early_probability_min=0.70,
        early_gap_min_s=0.25,
        verdict_max_s=5.0,
        silence_early_s=3.0,
    ),
    "leave_message": Policy(until=Until.END, greeting_end_silence_s=4.0, greeting_max_s=120.0),
}
"""Named policies. ``balanced``: for most. ``protect_humans``: when in doubt, human. ``fast``: a provisional
verdict as soon as there is one. ``leave_message``: goes on until the place to start a message is known, and waits
longer for a beep, since a message that starts before the beep is cut off."""


def preset(name: str, model: Model | None = None) -> Policy:
    """Return the preset of that name, with the stopping rule that was chosen for a model where it brings one.

    Raises
    ------
    PolicyError
        If there is none, or the model's rule is no policy.
    """
    if name not in PRESETS:
        raise PolicyError(f"policy {name!r} is unknown; there are: {', '.join(PRESETS)}")
    chosen = {} if model is None else model.policies.get(name, {})
    unknown = chosen.keys() - {entry.name for entry in dataclasses.fields(Policy)}
    if unknown:
        raise PolicyError(
            f"the model's policy {name!r} sets {sorted(unknown)}, which no policy of this version has"
        )
    return dataclasses.replace(PRESETS[name], **dict(chosen)) if chosen else PRESETS[name]  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict before it has a time; ``deadline_s`` is the limit that forced it, if one did."""

    party: Party
    cause: Cause
    probability: float
    final: bool
    sub_state: SubState | None = None
    weights: tuple[Weight, ...] = ()
    deadline_s: float | None = None
    deadline: str = ""


P_TONE: Final = 0.99
"""What a recognised tone is worth. A placeholder until the tone benchmark has counted its false alarms."""
P_SILENCE: Final = 0.9
"""What hearing nothing is worth: most such calls stay silent, some are people who wait to be spoken to."""
P_UNSURE: Final = 0.5

RING_GAP_MAX_S: Final = 6.0
"""Once it rang, silence up to this may lie between two rings: 5 s in Sweden, the longest, and a fifth more."""
DOUBLE_BEEP_GAP_S: Final = 0.3
"""A beep that follows another within this belongs to it: doubles seen have gaps of 60 to 250 ms."""
DOUBLE_BEEP_WAIT_S: Final = DOUBLE_BEEP_GAP_S + 0.1
"""So long it takes to know that none follows: the gap, and the 96 ms after which a tone is known to sound."""

LONE_BEEP_S: Final = 1.0
"""A beep before anyone spoke ends an empty greeting when silence follows for so long. Music holds notes that are
beeps to the ear: on 1,000 composed calls of the dev split, five of 15 people with music before their hello were
called machines by one."""
SAME_PITCH: Final = 0.03

TONE_DECISIONS: Final[dict[ToneKind, tuple[Party, Cause, SubState | None]]] = {
    ToneKind.SIT: (Party.NETWORK, Cause.SIT, None),
    ToneKind.BUSY: (Party.NETWORK, Cause.BUSY, SubState.BUSY),
    ToneKind.REORDER: (Party.NETWORK, Cause.REORDER, SubState.REORDER),
    ToneKind.DIAL_TONE: (Party.NETWORK, Cause.DIAL_TONE, SubState.DIAL_TONE),
    ToneKind.FAX_CNG: (Party.FAX, Cause.FAX_TONE, None),
    ToneKind.FAX_CED: (Party.FAX, Cause.FAX_TONE, None),
    ToneKind.BEEP: (Party.MACHINE, Cause.BEEP, SubState.ENDED_BEEP),
}
"""Tones that decide a call by themselves. Ringback does not: it says that nobody answered yet. Nor does a key's
tone: people press keys, and so do machines."""


def is_lone(beeps: tuple[Heard, ...]) -> bool:
    """Whether these are one beep or repeat one, and not notes of a tune."""
    return bool(beeps) and all(
        abs(beep.freqs_hz[0] - beeps[-1].freqs_hz[0]) <= SAME_PITCH * beeps[-1].freqs_hz[0] for beep in beeps
    )


def decide_on_tone(heard: Heard) -> Decision | None:
    """What a tone alone decides, if it does."""
    found = TONE_DECISIONS.get(heard.kind)
    if found is None:
        return None
    party, cause, sub_state = found
    return Decision(
        party=party, cause=cause, probability=P_TONE, final=True, sub_state=heard.sub_state or sub_state
    )


def decide_on_speech(policy: Policy, evidence: Samples, weights: tuple[Weight, ...]) -> Decision | None:
    """What the speech so far decides, if it does: final, provisional, or forced by the deadline."""
    p_machine = machine_probability(weights)
    gap_s = float(evidence[NAMES.index("gap_s")])
    since_onset_s = float(evidence[NAMES.index("since_onset_s")])
    if p_machine >= policy.machine_probability_min:
        return _speech_decision(p_machine, weights, final=True)
    if 1 - p_machine >= policy.human_probability_min and gap_s >= policy.human_gap_min_s:
        return _speech_decision(p_machine, weights, final=True)
    if gap_s >= policy.gap_max_s:
        machine = p_machine >= policy.forced_probability_min
        return _speech_decision(p_machine, weights, final=True, machine=machine)
    if since_onset_s >= policy.verdict_max_s:
        forced = force(policy, weights, cause=Cause.DEADLINE)
        return dataclasses.replace(forced, deadline_s=policy.verdict_max_s, deadline="verdict")
    early = policy.early_probability_min
    if early is not None and (p_machine >= early or (1 - p_machine >= early and gap_s >= policy.early_gap_min_s)):
        return _speech_decision(p_machine, weights, final=False)
    return None


def still_rings(silent_s: float, *, rang: bool) -> bool:
    """Whether it may still ring ``silent_s`` after the last tone: longer pauses lie between no two rings."""
    return rang and silent_s < RING_GAP_MAX_S


def decide_on_silence(policy: Policy, time_s: float, silent_s: float, *, rang: bool) -> Decision | None:
    """What hearing no speech decides, if it does.

    Parameters
    ----------
    policy : Policy
    time_s, silent_s : float
        Since the audio started; and since the last tone ended, or since the audio started when there was none.
    rang : bool
        Ringback was heard: that is the tone which ended, or goes on.
    """
    rings = still_rings(silent_s, rang=rang)
    may_ring_yet = policy.early_media and not rang and time_s < policy.ringback_max_s
    final = silent_s >= policy.silence_max_s
    if (final or silent_s >= policy.silence_early_s) and not rings and not may_ring_yet:
        return Decision(party=Party.SILENCE, cause=Cause.NO_SPEECH, probability=P_SILENCE, final=final)
    tone_goes_on = not rang and silent_s < min(time_s, policy.silence_early_s)
    if time_s >= policy.ringback_max_s and (rings or tone_goes_on):
        return Decision(
            party=Party.NETWORK if rings else Party.UNSURE,
            cause=Cause.RINGBACK if rings else Cause.DEADLINE,
            probability=P_TONE if rings else P_UNSURE,
            final=True,
            sub_state=SubState.RINGBACK if rings else None,
            deadline_s=policy.ringback_max_s,
            deadline="verdict",
        )
    return None


def force(policy: Policy, weights: tuple[Weight, ...], *, cause: Cause) -> Decision:
    """Give the likelier party, or ``unsure`` when neither is likely enough."""
    p_machine = machine_probability(weights)
    if max(p_machine, 1 - p_machine) < policy.forced_probability_min:
        return Decision(party=Party.UNSURE, cause=cause, probability=P_UNSURE, final=True, weights=weights)
    return dataclasses.replace(_speech_decision(p_machine, weights, final=True), cause=cause)


def _speech_decision(
    p_machine: float, weights: tuple[Weight, ...], *, final: bool, machine: bool | None = None
) -> Decision:
    """Decide for ``machine`` or not; for the likelier party unless told. In doubt the probability is below 0.5."""
    if machine is None:
        machine = p_machine > 0.5
    return Decision(
        party=Party.MACHINE if machine else Party.HUMAN,
        cause=Cause.LONG_GREETING if machine else Cause.GREETING_THEN_SILENCE,
        probability=p_machine if machine else 1 - p_machine,
        final=final,
        sub_state=SubState.GREETING if machine else None,
        weights=weights,
    )

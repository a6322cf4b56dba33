"""How calls are screened, and what screening says in the end: an outcome, its cause and its evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from amd.events import Party, SubState, Verdict
from amd.policy import PRESETS, Policy, Until
from callback.errors import CallbackError
from callback.states import Outcome

NETWORKS: Final = MappingProxyType(
    {
        SubState.SIT_INTERCEPT: Outcome.BAD_NUMBER,
        SubState.SIT_VACANT_CODE: Outcome.BAD_NUMBER,
        SubState.SIT_REORDER: Outcome.NETWORK,
        SubState.SIT_NO_CIRCUIT: Outcome.NETWORK,
        SubState.SIT_GENERIC: Outcome.NO_ANSWER,
        SubState.BUSY: Outcome.BUSY,
        SubState.REORDER: Outcome.NETWORK,
        SubState.RINGBACK: Outcome.NO_ANSWER,
        SubState.DIAL_TONE: Outcome.NO_ANSWER,
    }
)
"""What the network's tones mean for the customer. A tone without a category ends nothing for good, and is not
dialled ten times either."""
PARTIES: Final = MappingProxyType(
    {Party.HUMAN: Outcome.HUMAN, Party.MACHINE: Outcome.MACHINE, Party.FAX: Outcome.FAX}
)


class ScreeningError(CallbackError, ValueError):
    """A plan that cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the calls of a queue are screened.

    Parameters
    ----------
    policy : str
        A preset of `amd.policy.PRESETS`: when the detector decides.
    press_wait_s : float, 1 to 60 s
        So long after the question to press a key, silence counts as a machine. Assumption: to understand, to take
        the phone from the ear and to find the key.
    media_wait_s : float, 0.5 to 30 s
        No audio by then: ask. Telephone systems connect it within a second.
    lost_wait_s : float, 0.1 to 10 s
        Audio that ends is the end of the call, told by then; else the audio alone was lost: ask.
    listen_max_s : float, 5 to 300 s
        Undecided by then: ask. The detector's own limits come first; this holds where it hears a tone for ever.
    message : bool
        Leave a message on a machine, after its greeting, once for each callback.
    message_wait_s : float, 5 to 300 s
        A greeting's end is awaited no longer.
    """

    policy: str = "balanced"
    press_wait_s: float = field(default=8.0, metadata={"low": 1.0, "high": 60.0})
    media_wait_s: float = field(default=3.0, metadata={"low": 0.5, "high": 30.0})
    lost_wait_s: float = field(default=1.0, metadata={"low": 0.1, "high": 10.0})
    listen_max_s: float = field(default=60.0, metadata={"low": 5.0, "high": 300.0})
    message: bool = False
    message_wait_s: float = field(default=120.0, metadata={"low": 5.0, "high": 300.0})

    def __post_init__(self) -> None:
        if self.policy not in PRESETS:
            raise ScreeningError(f"policy {self.policy!r} is unknown; there are: {', '.join(PRESETS)}")
        for entry in fields(self):
            if "low" not in entry.metadata:
                continue
            value, low, high = getattr(self, entry.name), entry.metadata["low"], entry.metadata["high"]
            if not low <= value <= high:
                raise ScreeningError(f"{entry.name}={value} is not within {low} and {high} s: milliseconds?")

    def rule(self) -> Policy:
        """Return the detector's policy: one that leaves a message follows the greeting to its end."""
        rule = PRESETS[self.policy]
        if self.message and rule.until is not Until.END:
            ends = PRESETS["leave_message"]
            return replace(rule, until=Until.END, greeting_end_silence_s=ends.greeting_end_silence_s)
        return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What answered.

    Parameters
    ----------
    outcome : Outcome
        `Outcome.HUMAN` is a person, who waits for an agent; after any other the call is hung up.
    cause : str
        One of `amd.events.Cause`, or ``pressed``, ``no_key``, ``known_greeting``, ``hung_up``.
    evidence : str
        JSON: the verdict's time, probability and weights, the policy, what was played. No audio.
    verdict_s : float or None
        When the verdict could be known, from the start of the audio; None when it rests on no audio.
    """

    outcome: Outcome
    cause: str
    evidence: str
    verdict_s: float | None = None

    @property
    def person(self) -> bool:
        """Whether it is a person."""
        return self.outcome is Outcome.HUMAN


def outcome_of(verdict: Verdict | None) -> Outcome:
    """Return what a verdict means for the customer; silence, doubt and no verdict at all are `Outcome.UNSURE`.

    Examples
    --------
    >>> str(outcome_of(None))
    'unsure'
    """
    if verdict is None:
        return Outcome.UNSURE
    if verdict.party is Party.NETWORK:
        state = verdict.sub_state
        return Outcome.NO_ANSWER if state is None else NETWORKS.get(state, Outcome.NO_ANSWER)
    return PARTIES.get(verdict.party, Outcome.UNSURE)


def evidence_of(verdict: Verdict | None, **more: Any) -> str:
    """Return the evidence of a decision as JSON: the verdict in numbers, and what else is known."""
    said: dict[str, Any] = {}
    if verdict is not None:
        said = {
            "party": str(verdict.party),
            "sub_state": None if verdict.sub_state is None else str(verdict.sub_state),
            "cause": str(verdict.cause),
            "probability": round(verdict.probability, 4),
            "at_s": round(verdict.at_s, 3),
            "known_s": round(verdict.known_s, 3),
            "final": verdict.final,
            "weights": {one.name: [round(one.value, 4), round(one.log_odds, 4)] for one in verdict.evidence},
        }
    facts = {name: value for name, value in {**said, **more}.items() if value not in (None, [], {})}
    return json.dumps(facts, separators=(",", ":"))

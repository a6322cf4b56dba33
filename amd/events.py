"""The vocabulary: who answered, why we think so, and the events a call produces.

Every time is in seconds from answer; in early media, where the audio starts before it, from the start of the
audio. An event says when the thing happened (``at_s``) and when it could be known (``known_s``); ``known_s`` never
exceeds the audio that was fed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Party(StrEnum):
    """What answered the call."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    NETWORK = "network"
    SILENCE = "silence"
    UNSURE = "unsure"


class SubState(StrEnum):
    """What is known beyond the party; which sub-state belongs to which party is `SUB_STATES`."""

    GREETING = "greeting"
    ENDED_BEEP = "ended_beep"
    ENDED_SILENCE = "ended_silence"
    ENDED_OTHER = "ended_other"
    SIT_INTERCEPT = "sit_intercept"
    SIT_VACANT_CODE = "sit_vacant_code"
    SIT_REORDER = "sit_reorder"
    SIT_NO_CIRCUIT = "sit_no_circuit"
    SIT_GENERIC = "sit_generic"
    BUSY = "busy"
    REORDER = "reorder"
    RINGBACK = "ringback"
    DIAL_TONE = "dial_tone"


SUB_STATES: dict[Party, frozenset[SubState]] = {
    Party.HUMAN: frozenset(),
    Party.MACHINE: frozenset(
        {SubState.GREETING, SubState.ENDED_BEEP, SubState.ENDED_SILENCE, SubState.ENDED_OTHER}
    ),
    Party.FAX: frozenset(),
    Party.NETWORK: frozenset(
        {
            SubState.SIT_INTERCEPT,
            SubState.SIT_VACANT_CODE,
            SubState.SIT_REORDER,
            SubState.SIT_NO_CIRCUIT,
            SubState.SIT_GENERIC,
            SubState.BUSY,
            SubState.REORDER,
            SubState.RINGBACK,
            SubState.DIAL_TONE,
        }
    ),
    Party.SILENCE: frozenset(),
    Party.UNSURE: frozenset(),
}


class Cause(StrEnum):
    """Why a verdict was given; stable names that tests and dialplans can match."""

    GREETING_THEN_SILENCE = "greeting_then_silence"
    """A greeting as people give it, and then they wait."""
    LONG_GREETING = "long_greeting"
    """Speech that goes on as a recording does."""
    BEEP = "beep"
    """A recording tone."""
    FAX_TONE = "fax_tone"
    """CNG, CED or ANSam."""
    SIT = "sit"
    """Special information tones."""
    BUSY = "busy"
    REORDER = "reorder"
    RINGBACK = "ringback"
    """Ringback and nothing else: not answered yet."""
    DIAL_TONE = "dial_tone"
    """An exchange waits for digits: whoever was there has hung up."""
    NO_SPEECH = "no_speech"
    """Nobody and nothing spoke in the time allowed."""
    NO_AUDIO = "no_audio"
    """The stream ended before one frame of audio."""
    DEADLINE = "deadline"
    """The time for a verdict ran out; the party is the likelier one, or ``unsure``."""
    AUDIO_ENDED = "audio_ended"
    """The call ended before a verdict; the party is the likelier one, or ``unsure``."""


class ToneKind(StrEnum):
    """What a tone is, from its frequency, duration and cadence."""

    BEEP = "beep"
    SIT = "sit"
    FAX_CNG = "fax_cng"
    FAX_CED = "fax_ced"
    DTMF = "dtmf"
    DIAL_TONE = "dial_tone"
    RINGBACK = "ringback"
    BUSY = "busy"
    REORDER = "reorder"


class EndedBy(StrEnum):
    """What ended a machine's greeting."""

    BEEP = "beep"
    SILENCE = "silence"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One piece of evidence behind a verdict.

    Parameters
    ----------
    name : str
        A name of `amd.evidence.NAMES`, or ``prior``.
    value : float
        What was measured, in the unit that the name ends in.
    log_odds : float
        What it adds to the log-odds of a machine, in nats: positive speaks for a machine, negative for a human.
    """

    name: str
    value: float
    log_odds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on the call: ``at_s`` when it did, ``known_s`` when it could be known."""

    type: ClassVar[str]
    at_s: float
    known_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """A run of speech began at ``at_s``."""

    type: ClassVar[str] = "speech_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(Event):
    """The run of speech that began at ``on_s`` ended at ``at_s``."""

    type: ClassVar[str] = "speech_ended"
    on_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneHeard(Event):
    """A tone or a tone pattern; ``at_s`` is its end, ``freqs_hz`` its frequencies in order of sounding."""

    type: ClassVar[str] = "tone_heard"
    kind: ToneKind
    on_s: float
    off_s: float
    freqs_hz: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Event):
    """What answered.

    A verdict that is not ``final`` is provisional: act on it only if acting early is worth being wrong more
    often. A final verdict is never replaced; what speaks against it later comes as `Contradiction`.
    """

    type: ClassVar[str] = "verdict"
    party: Party
    sub_state: SubState | None
    cause: Cause
    probability: float
    final: bool
    evidence: tuple[Weight, ...] = ()

    def __post_init__(self) -> None:
        if self.sub_state is not None and self.sub_state not in SUB_STATES[self.party]:
            legal = ", ".join(sorted(SUB_STATES[self.party])) or "none"
            raise ValueError(f"sub_state {self.sub_state!r} is not one of {self.party!r}; legal: {legal}")
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability={self.probability} is not within 0 and 1: a percentage?")


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingEnded(Event):
    """A machine's greeting ended at ``at_s``: this is the place where a message can start."""

    type: ClassVar[str] = "greeting_ended"
    by: EndedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction(Event):
    """Later evidence speaks against the final verdict, which stays as it was."""

    type: ClassVar[str] = "contradiction"
    decided: Party
    suggested: Party
    cause: Cause
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline(Event):
    """A wait was cut off by its limit: ``what`` is ``verdict`` or ``greeting_end``."""

    type: ClassVar[str] = "deadline"
    what: str
    limit_s: float


def to_dict(event: Event) -> dict[str, Any]:
    """Turn an event into plain JSON types.

    A tone is named by its kind: a beep is ``{"type": "beep", "on_s": ..., "off_s": ..., "freq_hz": ...}``.

    Examples
    --------
    >>> to_dict(SpeechStarted(at_s=0.5, known_s=0.6))
    {'type': 'speech_started', 'at_s': 0.5, 'known_s': 0.6}
    """
    fields = {"type": event.type, **dataclasses.asdict(event)}
    if isinstance(event, ToneHeard):
        freqs_hz = list(fields.pop("freqs_hz"))
        fields["type"] = str(fields.pop("kind"))
        fields["freq_hz"] = freqs_hz[0]
        fields["freqs_hz"] = freqs_hz
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """Round times for people, and turn enums and tuples into JSON types."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return value

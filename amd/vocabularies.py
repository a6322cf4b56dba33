"""One verdict in the names that other systems use, so that what listens to them need not change.

Where a system has no name for what was heard, the name that makes its users do the least harm is given: nobody
is hung up on as a machine because a vocabulary is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amd.errors import VocabularyError
from amd.events import SUB_STATES, Cause, Party, SubState, Verdict

State = tuple[Party, SubState | None]


class TwilioMode(StrEnum):
    """What Twilio was asked for: ``MachineDetection=Enable`` or ``DetectMessageEnd``."""

    ENABLE = "Enable"
    DETECT_MESSAGE_END = "DetectMessageEnd"


def states() -> list[State]:
    """Every party with every sub-state it can have, and without one."""
    return [(party, sub_state) for party in Party for sub_state in (None, *sorted(SUB_STATES[party]))]


_TWILIO: Final[dict[Party, str]] = {
    Party.HUMAN: "human",
    Party.MACHINE: "machine_start",
    Party.FAX: "fax",
    Party.NETWORK: "unknown",
    Party.SILENCE: "unknown",
    Party.UNSURE: "unknown",
}

_TWILIO_ENDED: Final[dict[SubState | None, str]] = {
    SubState.ENDED_BEEP: "machine_end_beep",
    SubState.ENDED_SILENCE: "machine_end_silence",
    SubState.ENDED_OTHER: "machine_end_other",
    # Twilio reports nothing while the greeting goes on; asked before its end, this is the nearest of its names.
    SubState.GREETING: "machine_end_other",
    None: "machine_end_other",
}


def twilio(verdict: Verdict, mode: TwilioMode = TwilioMode.ENABLE) -> str:
    """``AnsweredBy`` of Twilio's answering machine detection.

    Examples
    --------
    >>> verdict = Verdict(at_s=1.0, known_s=1.0, party=Party.MACHINE, sub_state=SubState.ENDED_BEEP,
    ...                   cause=Cause.BEEP, probability=0.99, final=True)
    >>> twilio(verdict), twilio(verdict, TwilioMode.DETECT_MESSAGE_END)
    ('machine_start', 'machine_end_beep')
    """
    if mode is TwilioMode.DETECT_MESSAGE_END and verdict.party is Party.MACHINE:
        return _TWILIO_ENDED[verdict.sub_state]
    return _TWILIO[verdict.party]


_CONNECT: Final[dict[State, str]] = {
    (Party.HUMAN, None): "HUMAN_ANSWERED",
    (Party.MACHINE, None): "VOICEMAIL_NO_BEEP",
    (Party.MACHINE, SubState.GREETING): "VOICEMAIL_NO_BEEP",
    (Party.MACHINE, SubState.ENDED_BEEP): "VOICEMAIL_BEEP",
    (Party.MACHINE, SubState.ENDED_SILENCE): "VOICEMAIL_NO_BEEP",
    (Party.MACHINE, SubState.ENDED_OTHER): "VOICEMAIL_NO_BEEP",
    (Party.FAX, None): "FAX_MACHINE_DETECTED",
    (Party.NETWORK, None): "AMD_UNRESOLVED",
    (Party.NETWORK, SubState.SIT_INTERCEPT): "SIT_TONE_INVALID_NUMBER",
    (Party.NETWORK, SubState.SIT_VACANT_CODE): "SIT_TONE_INVALID_NUMBER",
    (Party.NETWORK, SubState.SIT_REORDER): "SIT_TONE_DETECTED",
    (Party.NETWORK, SubState.SIT_NO_CIRCUIT): "SIT_TONE_DETECTED",
    (Party.NETWORK, SubState.SIT_GENERIC): "SIT_TONE_DETECTED",
    (Party.NETWORK, SubState.BUSY): "SIT_TONE_BUSY",
    (Party.NETWORK, SubState.REORDER): "SIT_TONE_BUSY",
    (Party.NETWORK, SubState.RINGBACK): "AMD_UNANSWERED",
    (Party.NETWORK, SubState.DIAL_TONE): "AMD_UNRESOLVED",
    (Party.SILENCE, None): "AMD_UNRESOLVED",
    (Party.UNSURE, None): "AMD_UNRESOLVED",
}


def connect(verdict: Verdict) -> str:
    """``AnsweringMachineDetectionStatus`` of Amazon Connect."""
    return _CONNECT[verdict.party, verdict.sub_state]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskResult:
    """The two channel variables that Asterisk's ``AMD()`` sets."""

    amdstatus: str
    amdcause: str


_AMDSTATUS: Final[dict[Party, str]] = {
    Party.HUMAN: "HUMAN",
    Party.MACHINE: "MACHINE",
    Party.FAX: "MACHINE",
    Party.NETWORK: "MACHINE",
    # Asterisk itself calls initial silence a machine; it is as often a person who waits to be spoken to.
    Party.SILENCE: "NOTSURE",
    Party.UNSURE: "NOTSURE",
}

# Asterisk's defaults, in ms: the second figure of a cause is the limit that was reached.
_AFTER_GREETING_SILENCE_MS: Final = 800
_GREETING_MS: Final = 1500
_MAX_WORD_MS: Final = 5000


def asterisk(verdict: Verdict) -> AsteriskResult:
    """``AMDSTATUS`` and ``AMDCAUSE`` of Asterisk's ``AMD()``.

    The cause has Asterisk's form, its figures in milliseconds: ``HUMAN-<silence>-<limit>``,
    ``LONGGREETING-<voice>-<limit>``, ``MAXWORDLENGTH-<sound>-<limit>`` (a tone: one unbroken sound),
    ``INITIALSILENCE-<silence>-<limit>``, ``TOOLONG-<total>``, ``NOAUDIODATA``. Limits are those of Asterisk's
    defaults: this detector has no such fixed limits. A call that ended before the verdict is ``HANGUP`` unless
    what was heard decides it; its cause is ``TOOLONG``, since Asterisk names none.
    """
    known_ms = round(verdict.known_s * 1000)
    if verdict.cause is Cause.NO_AUDIO:
        return AsteriskResult(amdstatus="NOTSURE", amdcause="NOAUDIODATA-0")
    if verdict.cause is Cause.AUDIO_ENDED and verdict.party in (Party.SILENCE, Party.UNSURE):
        return AsteriskResult(amdstatus="HANGUP", amdcause=f"TOOLONG-{known_ms}")
    measured_ms = {weight.name: round(weight.value * 1000) for weight in verdict.evidence}
    cause = {
        Party.HUMAN: f"HUMAN-{measured_ms.get('gap_s', 0)}-{_AFTER_GREETING_SILENCE_MS}",
        Party.MACHINE: f"LONGGREETING-{measured_ms.get('speech_s', known_ms)}-{_GREETING_MS}",
        Party.FAX: f"MAXWORDLENGTH-{known_ms}-{_MAX_WORD_MS}",
        Party.NETWORK: f"MAXWORDLENGTH-{known_ms}-{_MAX_WORD_MS}",
        Party.SILENCE: f"INITIALSILENCE-{known_ms}-{known_ms}",
        Party.UNSURE: f"TOOLONG-{known_ms}",
    }[verdict.party]
    return AsteriskResult(amdstatus=_AMDSTATUS[verdict.party], amdcause=cause)


_TWILIO_NAMES: Final[dict[str, Party]] = {
    **{name: party for party, name in _TWILIO.items() if party in (Party.HUMAN, Party.MACHINE, Party.FAX)},
    **dict.fromkeys(_TWILIO_ENDED.values(), Party.MACHINE),
    "unknown": Party.UNSURE,
}
_ASTERISK_NAMES: Final[dict[str, Party]] = {
    "HUMAN": Party.HUMAN,
    "MACHINE": Party.MACHINE,
    "NOTSURE": Party.UNSURE,
    "HANGUP": Party.UNSURE,
}
_CONNECT_NAMES: Final[dict[str, Party]] = {
    "HUMAN_ANSWERED": Party.HUMAN,
    "VOICEMAIL_BEEP": Party.MACHINE,
    "VOICEMAIL_NO_BEEP": Party.MACHINE,
    "SIT_TONE_BUSY": Party.NETWORK,
    "SIT_TONE_INVALID_NUMBER": Party.NETWORK,
    "SIT_TONE_DETECTED": Party.NETWORK,
    "FAX_MACHINE_DETECTED": Party.FAX,
    "AMD_UNANSWERED": Party.NETWORK,
    "AMD_UNRESOLVED": Party.UNSURE,
    "AMD_NOT_APPLICABLE": Party.UNSURE,
    "AMD_ERROR": Party.UNSURE,
}
NAMES: Final[dict[str, Party]] = {
    **{str(party): party for party in Party},
    **_TWILIO_NAMES,
    **_ASTERISK_NAMES,
    **_CONNECT_NAMES,
}
"""What every name that we know means, whichever system says it: no name means two things."""


def party_of(name: str, names: Mapping[str, Party] = NAMES) -> Party:
    """Party that another system's verdict names.

    Parameters
    ----------
    name : str
        As Twilio, Asterisk, Amazon Connect or this package writes it.
    names : mapping of str to Party, optional
        Other names.

    Raises
    ------
    VocabularyError
        If the name is unknown.

    Examples
    --------
    >>> party_of("machine_end_beep"), party_of("NOTSURE"), party_of("live", {"live": Party.HUMAN})
    (<Party.MACHINE: 'machine'>, <Party.UNSURE: 'unsure'>, <Party.HUMAN: 'human'>)
    """
    try:
        return names[name.strip()]
    except KeyError:
        raise VocabularyError(
            f"verdict {name!r} is no name of Twilio, Asterisk, Amazon Connect or amd: say what it means"
        ) from None

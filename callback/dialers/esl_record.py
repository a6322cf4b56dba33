"""What FreeSWITCH remembers of our dials: one entry each in its own hash (mod_hash), which every worker can read.

FreeSWITCH does not refuse an ``origination_uuid`` that is taken: it logs, takes another, and places the call. And
it forgets a call as soon as it is over. So each dial has an entry under its UUID, and ``originate`` reads from it
where to dial (``${hash(select/...)}``, expanded on the switch, just before the call):

- written once (``insert_ifempty``) before the call: where to dial. Who comes second is refused;
- ``error/...`` when the dial was given up: FreeSWITCH's endpoint that fails, so that an ``originate`` that is
  still on its way places nothing;
- ``ended:...`` when the call is over, written by the channel itself (``api_hangup_hook``), whoever is connected.

Read in FreeSWITCH's source: ``switch_core_session_outgoing_channel``, ``hash_api_function`` of mod_hash,
``switch_core_session_hangup_state``, ``switch_event_expand_headers_check``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from callback.causes import Q850, SIP, failure
from callback.dialing import Ended
from callback.states import Outcome

REALM: Final = "amd_callback"
TALKED: Final = "amd_callback_talked"
"""The channel variable that says that an agent's leg was bridged."""
DIAL_ID: Final = "amd_callback_dial_id"
GONE: Final = "error/ORIGINATOR_CANCEL"
UNKNOWN: Final = "not known to FreeSWITCH"
_ENDED: Final = "ended:"
_NAMESPACE: Final = uuid.UUID("6f0a52a5-7d0c-4a0b-9d6c-1f3d9a1c2b7e")
_WRITTEN: Final = (
    "hangup_cause_q850",
    "sip_term_status",
    "progress_uepoch",
    "progress_media_uepoch",
    "answer_uepoch",
    "bridge_uepoch",
    "end_uepoch",
    TALKED,
)
"""Channel variables that an entry keeps, in order; FreeSWITCH sets the times, in microseconds, at the end."""
_BY_NAME: Final = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_DESTINATION": 3,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44,
}
"""FreeSWITCH's names of Q.850 causes; those that are missing are in no class of `callback.causes` either."""


def uuid_of(dial_id: str) -> str:
    """Return the UUID that a dial has on the switch: the same for every worker.

    Examples
    --------
    >>> uuid_of("d-1") == uuid_of("d-1") != uuid_of("d-2")
    True
    """
    return str(uuid.uuid5(_NAMESPACE, dial_id))


def key(call: str) -> str:
    """Return where the entry of a call's UUID is."""
    return f"{REALM}/{call}"


def hook(call: str) -> str:
    r"""Return what the channel runs as it ends; ``\$`` keeps it from being expanded before.

    Examples
    --------
    >>> hook("u")[:62]
    'hash::insert/amd_callback/u/ended:\\${hangup_cause_q850}:\\${sip'
    """
    return f"hash::insert/{key(call)}/{_ENDED}" + ":".join(rf"\${{{name}}}" for name in _WRITTEN)


def entry_of_cause(cause: str, at: datetime) -> str:
    """Return the entry of a call that ended before there was a channel, by FreeSWITCH's name of the cause."""
    values = {"hangup_cause_q850": str(_BY_NAME.get(cause, 0)), "end_uepoch": str(round(at.timestamp() * 1e6))}
    return _ENDED + ":".join(values.get(name, "") for name in _WRITTEN)


def is_ended(entry: str) -> bool:
    """Whether an entry says how the call ended."""
    return entry.startswith(_ENDED)


def ended_in(entry: str, dial_id: str, now: datetime) -> Ended:
    """Return the end that an entry keeps; of any other, that the call is not known."""
    if not is_ended(entry):
        return Ended(
            source_id=f"{uuid_of(dial_id)}:ended", dial_id=dial_id, at=now, failed=Outcome.NETWORK, cause=UNKNOWN
        )
    values = entry.removeprefix(_ENDED).split(":")
    return ended_by(dict(zip(_WRITTEN, values, strict=False)), dial_id, now)


def ended_by(values: Mapping[str, str], dial_id: str, now: datetime) -> Ended:
    """Return the end by the channel's variables.

    Parameters
    ----------
    values : mapping
        Those that an entry keeps, or all.
    dial_id : str
    now : datetime
        Where they do not say when.
    """
    number = {name: _number(values.get(name, "")) for name in _WRITTEN}
    talked = number["bridge_uepoch"] > 0 or values.get(TALKED) == "true"
    q850, sip = number["hangup_cause_q850"], number["sip_term_status"]
    failed, cause = None, f"Q.850 {q850}"
    if not number["answer_uepoch"]:
        rang = bool(number["progress_uepoch"] or number["progress_media_uepoch"])
        by_sip = sip in SIP  # says more where it is known: 607 and 608 have no number in Q.850
        failed = failure(sip, SIP, rang=rang) if by_sip else failure(q850, Q850, rang=rang)
        cause = f"SIP {sip}" if by_sip else cause
    at = time_of(values.get("end_uepoch", ""), now)
    return Ended(
        source_id=f"{uuid_of(dial_id)}:ended", dial_id=dial_id, at=at, failed=failed, talked=talked, cause=cause
    )


def time_of(text: str, now: datetime) -> datetime:
    """Return the time that FreeSWITCH writes, in microseconds since 1970; ``now`` where it writes none."""
    microseconds = _number(text)
    return datetime.fromtimestamp(microseconds / 1e6, UTC) if microseconds else now


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0

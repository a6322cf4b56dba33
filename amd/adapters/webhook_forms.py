"""What a webhook says: lines of a server as messages, in our own form or in Twilio's.

Pure: lines in, bodies out. Twilio's form is the callback of its asynchronous answering machine detection, which
Telnyx's TeXML sends too: one message a call, form-encoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from amd.events import EndedBy, Party
from amd.vocabularies import TwilioMode

Line = dict[str, Any]

TYPES: Final = frozenset({"verdict", "greeting_ended", "contradiction", "ended"})
"""Lines that are sent as JSON, unless others are asked for."""
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_ENDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        str(EndedBy.BEEP): "machine_end_beep",
        str(EndedBy.SILENCE): "machine_end_silence",
        str(EndedBy.OTHER): "machine_end_other",
    }
)


class Form(StrEnum):
    """How a message is written."""

    JSON = "json"
    """The line as it stands, one message an event."""
    TWILIO = "twilio"
    """``CallSid``, ``AccountSid``, ``AnsweredBy``, ``MachineDetectionDuration``; once a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to deliver; ``fields`` are those of a form, which Twilio's signature is over."""

    call: int
    call_id: str | None
    type: str
    body: bytes = field(repr=False)
    content_type: str
    fields: Mapping[str, str] | None = None


class Writer:
    """Write the messages of all calls of one server.

    Parameters
    ----------
    form : Form
    types : set of str
        Lines that are sent as JSON.
    early : bool
        Whether verdicts that are not final are sent as JSON too.
    account_sid : str
        ``AccountSid`` of Twilio's form.
    mode : TwilioMode
        When Twilio's form is sent: at the verdict, or for machines at the end of their greeting; the server's
        policy must follow them so far (`leave_message` does), else it is at the end of the call.

    Examples
    --------
    >>> writer = Writer(Form.TWILIO, account_sid="AC1")
    >>> message = writer.take({"type": "verdict", "call": 1, "call_id": "CA1", "final": True, "party": "human",
    ...                        "AnsweredBy": "human", "known_s": 1.25})
    >>> message.body
    b'CallSid=CA1&AccountSid=AC1&AnsweredBy=human&MachineDetectionDuration=1250'
    """

    def __init__(
        self,
        form: Form,
        *,
        types: frozenset[str] = TYPES,
        early: bool = True,
        account_sid: str = "",
        mode: TwilioMode = TwilioMode.ENABLE,
    ) -> None:
        self._form = form
        self._types = types
        self._early = early
        self._account_sid = account_sid
        self._until_end = mode is TwilioMode.DETECT_MESSAGE_END
        self._awaited: dict[int, bool] = {}
        """Calls that have a final verdict, and whether the end of their greeting is still awaited."""

    def take(self, line: Line) -> Message | None:
        """Return the message that a line makes, or None."""
        call, kind = line.get("call"), line["type"]
        if not isinstance(call, int):  # of the server, not of a call
            return None
        if self._form is Form.JSON:
            is_wanted = kind in self._types and (self._early or line.get("final", True))
            return self._write_json(call, line) if is_wanted else None
        message = self._take_once(call, line)
        if kind == "ended":
            self._awaited.pop(call, None)
        return message

    def _write_json(self, call: int, line: Line) -> Message:
        body = json.dumps(line, separators=(",", ":")).encode()
        return Message(call=call, call_id=line.get("call_id"), type=line["type"], body=body, content_type=_JSON)

    def _take_once(self, call: int, line: Line) -> Message | None:
        kind = line["type"]
        if kind == "verdict" and line.get("final") and call not in self._awaited:
            self._awaited[call] = self._until_end and line["party"] == Party.MACHINE
            return None if self._awaited[call] else self._write_form(call, line, str(line["AnsweredBy"]))
        if not self._awaited.get(call):
            return None
        if kind in ("greeting_ended", "ended") or (kind == "deadline" and line["what"] == "greeting_end"):
            self._awaited[call] = False
            return self._write_form(call, line, _ENDED.get(line.get("by", ""), "machine_end_other"))
        return None

    def _write_form(self, call: int, line: Line, answered_by: str) -> Message:
        fields = {
            "CallSid": (line.get("call_id") or "").encode("utf-8", "replace").decode(),  # JSON can hold half pairs
            "AccountSid": self._account_sid,
            "AnsweredBy": answered_by,
            "MachineDetectionDuration": str(round(1000 * line.get("known_s", 0.0))),
        }
        return Message(
            call=call,
            call_id=line.get("call_id"),
            type=line["type"],
            body=urlencode(fields).encode("ascii"),
            content_type=_FORM,
            fields=MappingProxyType(fields),
        )

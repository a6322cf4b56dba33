"""What Twilio is told to do with a call, as TwiML. Every address in it is absolute, every text escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

IDLE_MAX_S: Final = 600
"""A call that nobody did anything with for so long is hung up."""
AFTER_PROMPT_S: Final = 1
"""A prompt that asks for a key is told as played this long after its end: the least that ``<Gather>`` waits."""
HANG_UP: Final = "<Response><Hangup/></Response>"
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{2,14}")
_LEG: Final = re.compile(r"[A-Za-z0-9._:@/+-]{1,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How texts are spoken: an address is played, anything else is said in this language."""

    language: str = "en-US"

    def verb(self, prompt: str, *, loop: bool = False) -> str:
        """Return what plays or says a prompt; for ever if it loops."""
        times = ' loop="0"' if loop else ""
        if prompt.startswith(("https://", "http://")):
            return f"<Play{times}>{escape(prompt)}</Play>"
        return f"<Say{times} language={quoteattr(self.language)}>{escape(prompt)}</Say>"


def _gather(inner: str, key_url: str, timeout_s: int) -> str:
    return (
        f'<Gather input="dtmf" numDigits="1" finishOnKey="" timeout="{timeout_s}" method="POST" '
        f"action={quoteattr(key_url)}>{inner}</Gather>"
    )


def idle(key_url: str) -> str:
    """Wait, and be told of a key."""
    return f"<Response>{_gather('', key_url, IDLE_MAX_S)}<Hangup/></Response>"


def answered(stream_url: str, name: str, key_url: str) -> str:
    """Send what is heard, and wait."""
    stream = f'<Stream url={quoteattr(stream_url)} name={quoteattr(name)} track="inbound_track"/>'
    return f"<Response><Start>{stream}</Start>{_gather('', key_url, IDLE_MAX_S)}<Hangup/></Response>"


def ask(verb: str, key_url: str, played_url: str) -> str:
    """Play a prompt during which a key counts, then tell that it was played."""
    redirect = f'<Redirect method="POST">{escape(played_url)}</Redirect>'
    return f"<Response>{_gather(verb, key_url, AFTER_PROMPT_S)}{redirect}</Response>"


def play(verb: str, played_url: str) -> str:
    """Play a prompt, then tell that it was played."""
    return f'<Response>{verb}<Redirect method="POST">{escape(played_url)}</Redirect></Response>'


def hold(verb: str) -> str:
    """Play without an end."""
    return f"<Response>{verb}</Response>"


def bridge(leg: str, name: str, leg_url: str, over_url: str) -> str:
    """Let the customer and an agent talk; nobody listens any more.

    Parameters
    ----------
    leg : str
        ``client:NAME``, ``sip:...``, a number in E.164; anything else is the name of the conference where the
        agent waits, alone or with ``conference:`` before it.
    name : str
        Of the stream that ends, if there is one.
    leg_url, over_url : str
        Told when they talk, and when they are done.

    Raises
    ------
    ValueError
        If the leg is none of these.
    """
    if _LEG.fullmatch(leg) is None:
        raise ValueError(f"leg of {len(leg)} characters must be client:NAME, sip:..., a number or a conference")
    told = f'statusCallback={quoteattr(leg_url)} statusCallbackMethod="POST"'
    if leg.startswith("client:"):
        inner = f'<Client {told} statusCallbackEvent="answered">{escape(leg.removeprefix("client:"))}</Client>'
    elif leg.startswith("sip:"):
        inner = f'<Sip {told} statusCallbackEvent="answered">{escape(leg)}</Sip>'
    elif _NUMBER.fullmatch(leg):
        inner = f'<Number {told} statusCallbackEvent="answered">{leg}</Number>'
    else:
        inner = (
            f'<Conference {told} statusCallbackEvent="join" startConferenceOnEnter="true" '
            f'endConferenceOnExit="true" beep="false">{escape(leg.removeprefix("conference:"))}</Conference>'
        )
    stop = f"<Stop><Stream name={quoteattr(name)}/></Stop>" if name else ""
    dial = f'<Dial action={quoteattr(over_url)} method="POST">{inner}</Dial>'
    return f"<Response>{stop}{dial}<Hangup/></Response>"

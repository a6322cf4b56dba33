"""The contact centre that is simulated: its load, its agents, its customers and how they answer the phone.

Every number says in `SOURCES` where it comes from, or that it is an assumption. What is simulated is made up: a
figure of it compares policies in this centre, and promises nothing about another.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

HOUR_S: Final = 3600.0
REFERENCE: Final = "the reference scenario (docs/simulation.md)"


class ScenarioError(ValueError):
    """A scenario, a policy or a detector that cannot be simulated; the message says why."""


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ScenarioError(f"{name}={value} is outside 0 to 1: a percentage?")


def _above(name: str, value: float, low: float) -> None:
    if not value > low:
        raise ScenarioError(f"{name}={value} must be above {low}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Arrivals for a while.

    Parameters
    ----------
    load : float, above 0
        Rate of arrivals over that of services with all agents busy: above 1 the line grows.
    lasts_s : float, above 0 s
    """

    load: float
    lasts_s: float

    def __post_init__(self) -> None:
        _above("load", self.load, 0)
        _above("lasts_s", self.lasts_s, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What comes of dialling a customer, and how long it takes.

    Parameters
    ----------
    human, voicemail, busy : float, 0 to 1
        Shares of dials; nobody answers the others.
    ring_min_s, ring_max_s : float, s
        A person answers after a time between these, each alike.
    voicemail_min_s, voicemail_max_s : float, s
        The same of voicemail.
    ring_out_s : float, s
        Without an answer, we give up.
    busy_s : float, s
        A busy line is known as such.
    greeting_min_s, greeting_max_s : float, s
        A person's greeting lasts between these.
    speech_after_s : float, s
        Voicemail speaks so long after it has answered.
    agent_recognises_s : float, s
        An agent who hears voicemail hangs up after this, and is free again.
    presses : float, 0 to 1
        The share of people who press the key when asked.
    press_s : float, s
        The question, and the key or the wait for it.
    """

    human: float = 0.70
    voicemail: float = 0.15
    busy: float = 0.0
    ring_min_s: float = 5.0
    ring_max_s: float = 25.0
    voicemail_min_s: float = 15.0
    voicemail_max_s: float = 25.0
    ring_out_s: float = 30.0
    busy_s: float = 3.0
    greeting_min_s: float = 0.5
    greeting_max_s: float = 2.0
    speech_after_s: float = 0.5
    agent_recognises_s: float = 8.0
    presses: float = 0.8
    press_s: float = 8.0

    def __post_init__(self) -> None:
        for name in ("human", "voicemail", "busy", "presses"):
            _share(name, getattr(self, name))
        if self.human + self.voicemail + self.busy > 1 + 1e-9:
            raise ScenarioError(
                f"human={self.human}, voicemail={self.voicemail} and busy={self.busy} are more than all dials"
            )
        for low, high in (("ring_min_s", "ring_max_s"), ("voicemail_min_s", "voicemail_max_s")):
            if not 0 <= getattr(self, low) <= getattr(self, high) <= self.ring_out_s:
                raise ScenarioError(
                    f"need 0 <= {low}={getattr(self, low)} <= {high}={getattr(self, high)} <= "
                    f"ring_out_s={self.ring_out_s}: who would answer after we gave up?"
                )
        if not 0 <= self.greeting_min_s <= self.greeting_max_s:
            raise ScenarioError(
                f"need 0 <= greeting_min_s={self.greeting_min_s} <= greeting_max_s={self.greeting_max_s}: swapped?"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A shift of a contact centre.

    Parameters
    ----------
    loads : tuple of Load
        One after the other, then again from the first.
    shift_s : float, s
        Customers call during this; agents stay until the last is served.
    warm_up_s : float, s
        Who calls before is served, and not counted.
    agents : int, at least 1
    handling_s : float, s
        Mean; its law is exponential.
    patience_s : float, s
        Mean of an exponential law, after which those on the line hang up; 0 means at once, infinite never.
    offer_above_s : float, s
        A callback is offered to who would wait longer than this, by the estimate at the call.
    accepts : float, 0 to 1
        The share of those who take it.
    attempts_max : int, at least 1
    retry_after_s : float, s
        From the end of an attempt to the next.
    hold_patience_s : float, s
        Mean of an exponential law, after which a called-back customer on hold hangs up.
    target_s : float, s
        Of the service level.
    answering : Answering
    """

    loads: tuple[Load, ...] = (Load(load=1.15, lasts_s=2 * HOUR_S), Load(load=0.70, lasts_s=2 * HOUR_S))
    shift_s: float = 8 * HOUR_S
    warm_up_s: float = 0.0
    agents: int = 30
    handling_s: float = 240.0
    patience_s: float = 300.0
    offer_above_s: float = 60.0
    accepts: float = 0.5
    attempts_max: int = 3
    retry_after_s: float = 300.0
    hold_patience_s: float = math.inf
    target_s: float = 20.0
    answering: Answering = Answering()

    def __post_init__(self) -> None:
        if not self.loads:
            raise ScenarioError("loads is empty: who calls?")
        for name in ("agents", "attempts_max"):
            if getattr(self, name) < 1:
                raise ScenarioError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("shift_s", "handling_s", "hold_patience_s"):
            _above(name, getattr(self, name), 0)
        for name in ("patience_s", "offer_above_s", "retry_after_s", "target_s", "warm_up_s"):
            if not getattr(self, name) >= 0:
                raise ScenarioError(f"{name}={getattr(self, name)} must be at least 0 s")
        if not (math.isfinite(self.shift_s) and self.warm_up_s < self.shift_s):
            raise ScenarioError(f"warm_up_s={self.warm_up_s} must be shorter than shift_s={self.shift_s}: hours?")
        _share("accepts", self.accepts)


ASSUMPTION: Final = "assumption"
SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "loads": REFERENCE,
        "shift_s": f"{ASSUMPTION}: two rounds of {REFERENCE}",
        "warm_up_s": f"{ASSUMPTION}: a shift starts with an empty line",
        "agents": REFERENCE,
        "handling_s": REFERENCE,
        "patience_s": REFERENCE,
        "offer_above_s": REFERENCE,
        "accepts": REFERENCE,
        "attempts_max": REFERENCE,
        "retry_after_s": REFERENCE,
        "hold_patience_s": f"{ASSUMPTION}: who was called back holds; {REFERENCE} does not say",
        "target_s": "80 % within 20 s, the custom of the field",
        "human": REFERENCE,
        "voicemail": f"{REFERENCE}: half of those who do not answer",
        "busy": f"{REFERENCE}: nobody answers the other half",
        "ring_min_s": f"{ASSUMPTION}: a ring",
        "ring_max_s": f"{ASSUMPTION}: some four rings of 6 s (North American cadence: 2 s on, 4 s off)",
        "voicemail_min_s": "47 CFR 64.1200(a)(6): let it ring 15 s or four rings before giving up",
        "voicemail_max_s": f"{ASSUMPTION}: as a person at the latest",
        "ring_out_s": f"{ASSUMPTION}: five rings of 6 s",
        "busy_s": f"{ASSUMPTION}: set-up of the call",
        "greeting_min_s": f"{ASSUMPTION}: a hello",
        "greeting_max_s": f"{ASSUMPTION}: a name or a company's",
        "speech_after_s": ASSUMPTION,
        "agent_recognises_s": f"{ASSUMPTION}: an agent listens to a sentence or two",
        "presses": ASSUMPTION,
        "press_s": f"{ASSUMPTION}: a sentence, and some seconds to press",
    }
)
"""Where each number of a scenario comes from."""


def numbers(scenario: Scenario) -> list[tuple[str, str, str]]:
    """Name, value and source of every number of a scenario; the source says so where one was changed."""
    rows = []
    for part, usual in ((scenario, Scenario()), (scenario.answering, Answering())):
        for field in dataclasses.fields(part):
            if field.name == "answering":
                continue
            value, default = getattr(part, field.name), getattr(usual, field.name)
            source = SOURCES[field.name] if value == default else "given for this run"
            rows.append((field.name, _text(value), source))
    return rows


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one.load:g} for {one.lasts_s:g} s" for one in value)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)

"""The customers of the demonstration: what each call to them comes to, the same whenever it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callback.dialers.customers import (
    Answers,
    Fails,
    HangsUp,
    Holds,
    Presses,
    Rings,
    Script,
    Sound,
    Sounds,
)
from callback.states import Outcome

CUSTOMERS_MAX: Final = 90
"""Numbers 202 555 0110 to 0199 are set apart for plays like this one."""
PATIENCE_S: Final = 240.0

KINDS: Final[tuple[tuple[str, ...], ...]] = (
    ("person",),
    ("machine", "person"),
    ("busy", "person"),
    ("rings", "person"),
    ("machine", "machine", "person"),
    ("silent",),
    ("network", "person"),
    ("person",),
    ("machine", "machine", "machine"),
    ("impatient", "person"),
    ("refused", "person"),
    ("fax", "machine", "person"),
)
"""What the first, second and third call to a customer come to; customers take turns."""


def number_of(index: int) -> str:
    """Return a customer's number."""
    return f"+1202555{110 + index:04d}"


def index_of(number: str) -> int:
    """Return whose number it is."""
    return int(number[-4:]) - 110


def kind_of(index: int, outcomes: Sequence[Outcome]) -> str:
    """Return what the next call to a customer comes to, after calls that came to ``outcomes``.

    Calls that a killed process took with it count for nothing, as everywhere.

    Examples
    --------
    >>> kind_of(1, []), kind_of(1, [Outcome.NETWORK]), kind_of(1, [Outcome.MACHINE])
    ('machine', 'machine', 'person')
    """
    kinds = KINDS[index % len(KINDS)]
    if kinds[0] == "network":
        return kinds[min(len(outcomes), 1)]
    n_before = sum(outcome is not Outcome.NETWORK for outcome in outcomes)
    return kinds[min(n_before, len(kinds) - 1)]


def script_of(index: int, kind: str, n_before: int, sounds: Sounds) -> Script:
    """Return what happens in a call. A customer's voicemail is the same recording each time."""
    rings, wait_s = Rings(after_s=1.0), 4.0 + 5.0 * ((7 * index + 3 * n_before) % 4)
    talk_s = 30.0 + 15.0 * ((5 * index + n_before) % 5)
    holds = Holds(patience_s=PATIENCE_S, talk_s=talk_s)
    person = _pick(sounds.person, index + n_before)
    machine = _pick(sounds.machine, index)
    scripts: dict[str, Script] = {
        "person": (rings, Answers(after_s=wait_s, sound=person), holds),
        "impatient": (rings, Answers(after_s=wait_s, sound=person), Holds(patience_s=6.0, talk_s=talk_s)),
        "silent": (rings, Answers(after_s=wait_s), Presses(after_s=2.0, asked=True), holds),
        "machine": (rings, Answers(after_s=wait_s, sound=machine), HangsUp(after_s=60.0)),
        "fax": (rings, Answers(after_s=wait_s, sound=_pick(sounds.fax, index)), HangsUp(after_s=60.0)),
        "busy": (Fails(after_s=1.5, outcome=Outcome.BUSY, cause="SIP 486"),),
        "refused": (rings, Fails(after_s=wait_s, outcome=Outcome.REFUSED, cause="SIP 603")),
        "network": (Fails(after_s=0.5, outcome=Outcome.NETWORK, cause="SIP 503"),),
        "rings": (rings,),
    }
    return scripts[kind]


def _pick(sounds: Sequence[Sound], which: int) -> Sound | None:
    return sounds[which % len(sounds)] if sounds else None

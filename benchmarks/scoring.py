"""Verdicts against labels: figures of a system, and of parts of a set, as plain data and as cells of a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from amd.evaluation.manifest import Call
from amd.evaluation.scores import Quantiles, Share, accuracy, confusion, quantiles, rate, wilson
from amd.events import Party
from benchmarks.speech_activity import SNR_DB

DIGITS: Final = 4
NO_CELL: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One system's verdict on one call; ``known_s`` is when it could act."""

    call: Call
    party: Party
    known_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a system made of some calls.

    Parameters
    ----------
    right, human_called_machine, machine_called_human, unsure : Share
    human_s : Quantiles
        Seconds from the end of the greeting to the verdict, of people called human.
    machine_s : Quantiles
        Seconds from the first speech to the verdict, of machines called machine.
    counts : dict
        How often each label got each verdict, by ``label>verdict``.
    """

    right: Share
    human_called_machine: Share
    machine_called_human: Share
    unsure: Share
    human_s: Quantiles
    machine_s: Quantiles
    counts: dict[str, int]


def figures(scored: Sequence[Scored]) -> Figures:
    """Score one system."""
    counts = confusion([one.call.label for one in scored], [one.party for one in scored])
    return Figures(
        right=accuracy(counts),
        human_called_machine=rate(counts, Party.HUMAN, Party.MACHINE),
        machine_called_human=rate(counts, Party.MACHINE, Party.HUMAN),
        unsure=wilson(sum(one.party is Party.UNSURE for one in scored), len(scored)),
        human_s=quantiles(_since(scored, Party.HUMAN, "greeting_end_s")),
        machine_s=quantiles(_since(scored, Party.MACHINE, "speech_start_s")),
        counts={f"{label}>{party}": n for (label, party), n in sorted(counts.items())},
    )


def _since(scored: Sequence[Scored], party: Party, column: str) -> list[float]:
    right = [one for one in scored if one.party is one.call.label is party and column in one.call.times_s]
    return [one.known_s - one.call.times_s[column] for one in right]


HEADERS: Final = (
    "right",
    "human called machine",
    "machine called human",
    "unsure",
    "human after greeting p50, p90",
    "machine after speech p50, p90",
)


def cells(one: Figures) -> list[str]:
    """Return the figures as the cells of `HEADERS`."""
    shares = (one.right, one.human_called_machine, one.machine_called_human)
    unsure = f"{one.unsure.count}/{one.unsure.total}"
    return [*map(short, shares), unsure, *(_times(times) for times in (one.human_s, one.machine_s))]


def short(share: Share) -> str:
    """Count, share and interval in the width of a table.

    Examples
    --------
    >>> short(wilson(9, 10))
    '90.0 % (9/10; 59.6-98.2)'
    """
    if share.total == 0:
        return NO_CELL
    low, high = 100 * share.low, 100 * share.high
    return f"{100 * share.value:.1f} % ({share.count}/{share.total}; {low:.1f}-{high:.1f})"


def _times(times: Quantiles) -> str:
    return f"{times.p50:.2f}, {times.p90:.2f} s" if times.n else NO_CELL


def as_data(one: Figures) -> dict[str, Any]:
    """Return the figures as plain JSON types; what there is none of is null."""
    names = ("right", "human_called_machine", "machine_called_human", "unsure")
    times = {"human_after_greeting_end_s": one.human_s, "machine_after_first_speech_s": one.machine_s}
    return {
        **{name: share_data(getattr(one, name)) for name in names},
        **{name: _times_data(value) for name, value in times.items()},
        "counts": one.counts,
    }


def share_data(share: Share) -> dict[str, Any]:
    """Return a share as plain JSON types."""
    if share.total == 0:
        return {"count": 0, "of": 0, "share": None, "low": None, "high": None}
    value, low, high = (round(number, DIGITS) for number in (share.value, share.low, share.high))
    return {"count": share.count, "of": share.total, "share": value, "low": low, "high": high}


def _times_data(times: Quantiles) -> dict[str, Any]:
    p50, p90 = (round(value, DIGITS) if times.n else None for value in (times.p50, times.p90))
    return {"n": times.n, "p50": p50, "p90": p90}


def snr_band(text: str) -> str:
    """Name of the band of a signal-to-noise ratio in dB, as the manifest writes it."""
    return next(name for name, end_db in SNR_DB.items() if float(text) < end_db) if text else NO_CELL


SLICES: Final[dict[str, Callable[[Call], str]]] = {
    "scenario": lambda call: f"{call.label} {call.columns.get('scenario', '')}".strip(),
    "source": lambda call: call.columns.get("voice") or NO_CELL,
    "codec": lambda call: call.columns.get("codec") or NO_CELL,
    "noise": lambda call: call.columns.get("noise", "").partition("+hum")[0] or NO_CELL,
    "snr": lambda call: snr_band(call.columns.get("snr_db", "")),
    "language": lambda call: call.columns.get("language", "").partition("-")[0] or NO_CELL,
}
"""Parts of a set, by what the manifest says of a call; hum is behind other noises and makes no part of its own."""


def slices(scored: Sequence[Scored]) -> dict[str, dict[str, Figures]]:
    """Score one system on the parts of a set."""
    return {kind: _parts(scored, part) for kind, part in SLICES.items()}


def _parts(scored: Sequence[Scored], part: Callable[[Call], str]) -> dict[str, Figures]:
    parts: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[part(one.call)].append(one)
    return {name: figures(parts[name]) for name in sorted(parts)}

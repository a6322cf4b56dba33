"""Judge a labeled set on all cores, and sum it up."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amd.evaluation.manifest import Call, check_times, read_manifest
from amd.evaluation.scores import Confusion, Quantiles, Share, accuracy, confusion, quantiles, rate, wilson
from amd.events import Contradiction, GreetingEnded, Party, ToneHeard, ToneKind
from amd.model import Model
from amd.policy import Policy, Until
from amd.recordings import Failure, Reading, Result, classify_many

BEEP_WITHIN_S: Final = 0.1
"""A beep is found when its end is placed this close to the true one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One call of the set and its result."""

    call: Call
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Scores of a set.

    Parameters
    ----------
    origins : tuple of str
        Where the calls come from, as the manifest says; ``not stated`` where it does not.
    human_from_greeting_end : Quantiles
        Seconds from the end of a person's greeting to the verdict, for people called human.
    machine_from_speech_start : Quantiles
        Seconds from a machine's first speech to the verdict, for machines called machine.
    from_speech_start : Quantiles
        The same for every call with speech.
    beeps : Share
        Beeps of machine calls that were found, their end within 0.1 s.
    greeting_end_error : Quantiles
        Absolute error of a machine's greeting end, in seconds, where it ended without a beep.
    contradictions : int
        Final verdicts that were contradicted later.
    """

    n_calls: int
    origins: tuple[str, ...]
    confusion: Confusion
    accuracy: Share
    human_called_machine: Share
    machine_called_human: Share
    unsure: Share
    human_from_greeting_end: Quantiles
    machine_from_speech_start: Quantiles
    from_speech_start: Quantiles
    beeps: Share
    greeting_end_error: Quantiles
    contradictions: int


def judge_set(
    folder: Path,
    policy: Policy,
    *,
    model: Model | None = None,
    jobs: int | None = None,
    told: Callable[[Result | Failure], None] = lambda _: None,
) -> tuple[list[Judged], list[Failure]]:
    """Judge every call of a set to its end.

    Parameters
    ----------
    folder : Path
        With ``manifest.csv``.
    policy : Policy
        Its ``until`` is set to `Until.END`, so that greeting ends can be scored.
    model : Model, optional
        The shipped one unless given.
    jobs : int, optional
        Worker processes; as many as cores unless given.
    told : callable, optional
        Called with each result as it comes.

    Raises
    ------
    ManifestError
        If the manifest cannot be used.
    """
    calls = read_manifest(folder)
    reading = Reading(policy=dataclasses.replace(policy, until=Until.END), model=model)
    judged: list[Judged] = []
    failures: list[Failure] = []
    outcomes = classify_many([str(folder / call.file) for call in calls], reading, jobs=jobs)
    for call, outcome in zip(calls, outcomes, strict=True):
        told(outcome)
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            check_times(call, outcome.duration_s)
            judged.append(Judged(call=call, result=outcome))
    return judged, failures


def summarise(judged: Sequence[Judged]) -> Summary:
    """Sum up the scores of judged calls."""
    counts = confusion([one.call.label for one in judged], [one.result.party for one in judged])
    parties = [one.result.party for one in judged]
    right = [one for one in judged if one.call.label is one.result.party]
    with_beep = [one for one in judged if "beep_off_s" in one.call.times_s]
    return Summary(
        n_calls=len(judged),
        origins=tuple(sorted({one.call.columns.get("origin") or "not stated" for one in judged})),
        confusion=counts,
        accuracy=accuracy(counts),
        human_called_machine=rate(counts, Party.HUMAN, Party.MACHINE),
        machine_called_human=rate(counts, Party.MACHINE, Party.HUMAN),
        unsure=wilson(parties.count(Party.UNSURE), len(parties)),
        human_from_greeting_end=quantiles(
            [t for one in right if one.call.label is Party.HUMAN for t in _since(one, "greeting_end_s")]
        ),
        machine_from_speech_start=quantiles(
            [t for one in right if one.call.label is Party.MACHINE for t in _since(one, "speech_start_s")]
        ),
        from_speech_start=quantiles([t for one in judged for t in _since(one, "speech_start_s")]),
        beeps=wilson(sum(map(_beep_found, with_beep)), len(with_beep)),
        greeting_end_error=quantiles([t for one in judged for t in _greeting_end_error_s(one)]),
        contradictions=sum(any(isinstance(event, Contradiction) for event in one.result.events) for one in judged),
    )


def _since(one: Judged, column: str) -> list[float]:
    """Seconds from a known time to when the verdict was known; nothing where the time is not known."""
    return [one.result.known_s - one.call.times_s[column]] if column in one.call.times_s else []


def _beep_found(one: Judged) -> bool:
    return any(
        isinstance(event, ToneHeard)
        and event.kind is ToneKind.BEEP
        and abs(event.off_s - one.call.times_s["beep_off_s"]) <= BEEP_WITHIN_S
        for event in one.result.events
    )


def _greeting_end_error_s(one: Judged) -> list[float]:
    times_s = one.call.times_s
    if one.call.label is not Party.MACHINE or "beep_off_s" in times_s or "greeting_end_s" not in times_s:
        return []
    ends = [event.at_s for event in one.result.events if isinstance(event, GreetingEnded)]
    return [abs(end - times_s["greeting_end_s"]) for end in ends]


COLUMNS: Final = (
    "file",
    "label",
    "party",
    "right",
    "sub_state",
    "cause",
    "probability",
    "decided_at_s",
    "known_s",
    "duration_s",
    "from_speech_start_s",
    "from_greeting_end_s",
)


def per_call_csv(judged: Sequence[Judged]) -> str:
    """One row a call, the columns of the manifest after our own."""
    extra = [name for name in (judged[0].call.columns if judged else ()) if name not in COLUMNS]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*COLUMNS, *extra], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for one in judged:
        row = one.result.to_dict()
        writer.writerow(
            {
                **one.call.columns,
                **{name: "" if row[name] is None else row[name] for name in COLUMNS if name in row},
                "file": one.call.file,
                "label": one.call.label,
                "right": one.call.label is one.result.party,
                "from_speech_start_s": _rounded(_since(one, "speech_start_s")),
                "from_greeting_end_s": _rounded(_since(one, "greeting_end_s")),
            }
        )
    return out.getvalue()


def _rounded(values: list[float]) -> str:
    return f"{values[0]:.3f}" if values else ""

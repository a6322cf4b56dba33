"""The report's drawn sections: curves, times, probabilities, and where beeps and greetings end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from amd.evaluation.compliance import ALLOWED_S
from amd.evaluation.rivals import NOT_JUDGED, Rival
from amd.evaluation.summary import BEEP_WITHIN_S, PARTIES, Flags, Floats, Tally
from amd.events import Party
from amd.report import figures, operating
from amd.report.figures import Standing
from amd.report.svg import Drawing, drawing
from amd.report.wording import percent, seconds

BEEP_REACH_MS: Final = 300.0
END_REACH_MS: Final = 3000.0
END_WITHIN_MS: Final = 200.0


def curve_drawings(
    tally: Tally, rivals: Sequence[Rival], curve: operating.Curve, policy: str, kind: str
) -> dict[str, Any]:
    """Draw ROC and DET, where there are people and machines, and the operating curve."""
    score, human, machine, n_without = _scored(tally)
    drawn: dict[str, Any] = {"n_scored": int(score.size), "n_without": n_without, "auc": math.nan, "rates": []}
    if human.any() and machine.any():
        people, machines = figures.rates(score, human, machine)
        area = float(np.trapezoid(machines, people))
        standings = _standings(tally, rivals, policy)
        ours = standings[0]
        here = (
            f"{policy.replace('_', ' ')} stands at {percent(ours.people)} of people and {percent(ours.machines)} "
            "of machines called machines"
        )
        drawn["auc"] = area
        drawn["rates"] = [
            drawing(
                "roc",
                f"ROC curve over {score.size} {kind}: area {area:.3f}; {here}.",
                "ROC: machines found against people lost, by the probability at the verdict.",
                figures.draw_roc(people, machines, standings),
            ),
            drawing(
                "det",
                f"DET curve over {score.size} {kind}: both error rates on normal-deviate scales; {here}.",
                "DET: both errors, on scales that spread small rates out. Lower left is better.",
                figures.draw_det(people, machines, standings),
            ),
        ]
    drawn["operating"] = []
    at = curve.chosen
    if math.isnan(at.delay_s):
        return drawn
    here = f"the chosen rule at {seconds(at.delay_s)}"
    drawn["operating"] = [
        drawing(
            "cost",
            f"Cost of errors against delay, {curve.n_calls} {kind}: {here} costs {at.cost:.1f} for 100 calls.",
            "What errors cost against how long the median person waits. Lower left is better.",
            figures.draw_curve(curve, "cost", "cost of errors, 100 calls"),
        ),
        drawing(
            "lost",
            f"People called machines against delay: {here} has {percent(at.human_called_machine)}.",
            "People called machines against the same delay.",
            figures.draw_curve(curve, "human_called_machine", "people called machines, %"),
        ),
    ]
    return drawn


def _scored(tally: Tally) -> tuple[Floats, Flags, Flags, int]:
    """Score of a machine of each call that a person or a machine answered; which they are; how many have none."""
    human, machine = tally.labelled(Party.HUMAN), tally.labelled(Party.MACHINE)
    score = tally.times("machine_probability")
    said = tally.times("probability")
    score = np.where(np.isnan(score) & tally.called(Party.MACHINE), said, score)
    score = np.where(np.isnan(score) & tally.called(Party.HUMAN), 1 - said, score)
    known = (human | machine) & ~np.isnan(score)
    return score[known], human[known], machine[known], int(((human | machine) & np.isnan(score)).sum())


def _standings(tally: Tally, rivals: Sequence[Rival], policy: str) -> list[Standing]:
    human, machine = tally.labelled(Party.HUMAN), tally.labelled(Party.MACHINE)
    called = tally.called(Party.MACHINE)
    found = [(f"amd, {policy.replace('_', ' ')}", called, np.ones(tally.n_calls, dtype=np.bool_))]
    found += [(one.name, one.party == PARTIES.index(Party.MACHINE), one.party != NOT_JUDGED) for one in rivals]
    return [
        Standing(name=name, people=_mean(said[human & judged]), machines=_mean(said[machine & judged]))
        for name, said, judged in found
    ]


def _mean(values: Any) -> float:
    return float(values.mean()) if values.size else math.nan


def time_drawings(tally: Tally, kind: str) -> list[Drawing]:
    """Draw how long right verdicts took."""
    human = tally.labelled(Party.HUMAN) & tally.right
    machine = tally.labelled(Party.MACHINE) & tally.right
    wanted = (
        ("answer", "known_s", "seconds from answer", None),
        ("speech", "from_speech_start_s", "seconds from the first speech", None),
        ("greeting", "from_greeting_end_s", "seconds from the end of the greeting", ALLOWED_S),
    )
    drawn = []
    for name, times, xlabel, line_s in wanted:
        values = tally.times(times)
        people = values[human & ~np.isnan(values)]
        # a machine's verdict may come while its greeting goes on: no delay to anybody
        machines = np.zeros(0) if line_s else values[machine]
        middle = f"median person {seconds(float(np.median(people)))}" if people.size else "no people to time"
        late = f", {int((people > line_s).sum())} of {people.size} beyond {line_s:g} s" if line_s else ""
        drawn.append(
            drawing(
                f"from-{name}",
                f"Histogram of {xlabel} to right verdicts, {kind}: {middle}{late}.",
                f"Right verdicts, {xlabel}: {middle}{late}.",
                figures.draw_times(people, machines, xlabel, line_s=line_s),
            )
        )
    return drawn


def reliability(tally: Tally) -> dict[str, Any]:
    """Sort verdicts from speech by probability, and draw what was right."""
    spoken = ~np.isnan(tally.times("machine_probability")) & ~tally.called(Party.UNSURE)
    bins = figures.reliability(tally.times("probability")[spoken], tally.right[spoken])
    error = figures.calibration_error(bins)
    drawings = []
    if bins:
        drawings.append(
            drawing(
                "reliability",
                f"Reliability diagram of {int(spoken.sum())} verdicts: mean distance {percent(error)}.",
                "What was right, of verdicts given with about the same probability. On the dotted line, "
                "probabilities mean what they say.",
                figures.draw_reliability(bins),
            )
        )
    return {"bins": bins, "error": error, "n": int(spoken.sum()), "drawings": drawings}


def end_drawings(tally: Tally) -> list[Drawing]:
    """Draw how far beeps and greeting ends were off, where the manifest says where they are."""
    beeps, ends = (tally.times(name) for name in ("beep_error_s", "greeting_end_error_s"))
    known = tally.times("beep_known_s")
    drawn = []
    if (~np.isnan(beeps)).any():
        off_ms = 1000 * beeps[~np.isnan(beeps)]
        known_ms = 1000 * float(np.nanmedian(known))
        middle = f"median {np.median(off_ms):+.0f} ms; known {known_ms:.0f} ms after the beep's true end (median)"
        drawn.append(
            drawing(
                "beeps",
                f"Histogram of where {off_ms.size} beeps were heard to end, less where they do: {middle}.",
                f"{off_ms.size} beeps that were heard: their end as heard, less the true one; {middle}.",
                figures.draw_errors(off_ms, "ms", within_ms=1000 * BEEP_WITHIN_S, reach_ms=BEEP_REACH_MS),
            )
        )
    if (~np.isnan(ends)).any():
        off_ms = 1000 * ends[~np.isnan(ends)]
        middle = f"median {np.median(off_ms):+.0f} ms"
        drawn.append(
            drawing(
                "ends",
                f"Histogram of where {off_ms.size} greetings without a beep were told to end: {middle}.",
                f"{off_ms.size} greetings that no beep ends: their end as told, less the true one; {middle}.",
                figures.draw_errors(off_ms, "ms", within_ms=END_WITHIN_MS, reach_ms=END_REACH_MS),
            )
        )
    return drawn

"""``python -m benchmarks bound TRAINSET... --dev SET...``: what cadence alone would tell a perfect ear.

The network of the verdict is fitted to what is true of composed calls in place of their sound: where the one who
answered speaks, where a beep, a ring or music sounds. It is calibrated, and its stopping rule chosen, as ``amd
train`` does. What it gets wrong is not in the cadence; and little else tells, for greetings and answers are of the
same voices and sentences. What amd gets wrong beyond it is lost in noise, rooms and codecs. The rows of the second
table trade people hung up on for an earlier verdict on machines. Needs torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from amd.evaluation.manifest import Call, read_manifest
from amd.events import Cause, Party
from amd.evidence import NAMES
from amd.policy import PRESETS, Policy
from amd.speech import TICK_FRAMES
from amd.training.answer import TICK_S, Heard, Recipe, fit, heard_of, judge
from amd.training.calls import in_samples, speech_mask
from amd.training.cost import COSTS
from amd.training.fitting import calibrated, said_by
from amd.training.listening import Floats, Recorded, Said, weighed
from amd.training.replay import Stack
from amd.training.rule import choose
from amd.training.truth import read_truth
from benchmarks.scoring import HEADERS, Scored, as_data, cells, figures

SOUNDS: Final = ("speech", "beep", "ring", "music", "own_voice")
"""What the perfect ear tells apart, frame by frame."""
INPUTS: Final = tuple(f"{sound}@{frame}" for frame in range(TICK_FRAMES) for sound in SOUNDS)
BEEP_KNOWN_S: Final = 0.06
"""So long after its end a beep is known, as by amd."""
SOONER: Final = (0.97, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Probabilities at which a machine is told, for the second table."""
PARTIES: Final = (Party.HUMAN, Party.MACHINE)

Truth = dict[str, Any]


def run(folders: Sequence[Path], dev: Sequence[Path], *, out: Path | None, n_epochs: int) -> None:
    """Fit, choose, score, print, and write as JSON if asked to."""
    console = Console(width=10_000)
    train = [_heard(truth) for folder in folders for truth in read_truth(folder)]
    recipe = Recipe(n_epochs=n_epochs)
    network = fit(train, recipe, version="bound", story="", names=INPUTS, told=console.print)
    calls = [call for folder in dev for call in read_manifest(folder)]
    truths = [truth for folder in dev for truth in read_truth(folder)]
    answered = [(call, truth) for call, truth in zip(calls, truths, strict=True) if call.label in PARTIES]
    judged = judge(network, [_heard(truth) for _, truth in answered])
    recorded = [
        said_by(_recorded(call, truth), log_odds) for (call, truth), log_odds in zip(answered, judged, strict=True)
    ]
    model = calibrated(network, recorded)
    stack = Stack([weighed(one, model) for one in recorded])
    policies = {
        name: dataclasses.replace(PRESETS[name], **choose(stack.calls, PRESETS[name], cost)[0])  # type: ignore[arg-type]
        for name, cost in COSTS.items()
    }
    sooner = {
        f"machine at {least:g}": dataclasses.replace(policies["balanced"], machine_probability_min=least)
        for least in SOONER
    }
    title = (
        f"a perfect ear, cadence alone: {len(answered)} composed calls of people and machines in "
        f"{', '.join(folder.name for folder in dev)}, which chose the stopping rule; fitted to {len(train)}"
    )
    found = {}
    for head, rules in ((title, policies), ("balanced, told sooner", sooner)):
        table = Table("policy", *HEADERS, box=None, pad_edge=False, header_style="bold", title=head)
        table.title_justify = "left"
        for name, policy in rules.items():
            found[name] = figures(_scored(stack, policy))
            table.add_row(name, *cells(found[name]))
        console.print(table, "")
    if out is not None:
        data = {
            "command": "python -m benchmarks bound",
            "train": [folder.name for folder in folders],
            "sets": [folder.name for folder in dev],
            "systems": {name: as_data(one) for name, one in found.items()},
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _heard(truth: Truth) -> Heard:
    n_ticks = max(1, int(truth["length_s"] / TICK_S))
    frames = np.zeros((n_ticks * TICK_FRAMES, len(SOUNDS)), dtype=np.float32)
    for column, sound in enumerate(SOUNDS):
        frames[:, column] = speech_mask(in_samples(truth[sound]), n_ticks * TICK_FRAMES)
    return heard_of(frames.reshape(n_ticks, -1), truth)


def _recorded(call: Call, truth: Truth) -> Recorded:
    """What the stopping rule would be told of a call, each tick at its end."""
    n_ticks = max(1, int(truth["length_s"] / TICK_S))
    ends_s: Floats = (np.arange(n_ticks) + 1) * np.float64(TICK_S)
    evidence = np.full((n_ticks, len(NAMES)), np.nan, dtype=np.float32)
    evidence[:, NAMES.index("time_s")] = ends_s
    last_s = np.full(n_ticks, -np.inf)
    for start_s, end_s in truth["speech"]:
        last_s = np.where(ends_s > start_s, np.minimum(ends_s, end_s), last_s)
    spoken = np.isfinite(last_s)
    onset_s = truth["speech"][0][0] if truth["speech"] else np.nan
    columns = {
        "onset_s": np.full(n_ticks, onset_s),
        "since_onset_s": ends_s - onset_s,
        "gap_s": ends_s - last_s,
        "voice_log_odds": np.zeros(n_ticks),
    }
    for name, values in columns.items():
        evidence[spoken, NAMES.index(name)] = values[spoken]
    beep = next((Said(Party.MACHINE, end_s + BEEP_KNOWN_S, Cause.BEEP) for _, end_s in truth["beep"]), None)
    return Recorded(
        call=call,
        early_media=False,
        known_s=ends_s,
        evidence=evidence,
        machine_probability=np.where(spoken, 0.5, np.nan),
        time_s=ends_s,
        silent_s=ends_s,
        rang=np.zeros(n_ticks, dtype=np.bool_),
        tone_near=np.zeros(n_ticks, dtype=np.bool_),
        tone=beep,
        tone_tick=int(np.sum(ends_s < beep.known_s)) if beep else 0,
        end=None if spoken.any() else Said(Party.SILENCE, float(ends_s[-1]), Cause.NO_SPEECH),
        end_probability=0.5 if spoken.any() else float("nan"),
        end_evidence=evidence[-1],
        duration_s=float(truth["length_s"]),
    )


def _scored(stack: Stack, policy: Policy) -> list[Scored]:
    decided = stack.decide(policy)
    said = [decided.said(index) for index in range(len(stack.calls))]
    return [
        Scored(call=one.call, party=verdict.party, known_s=verdict.known_s)
        for one, verdict in zip(stack.calls, said, strict=True)
        if one.call is not None
    ]

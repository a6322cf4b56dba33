"""What is true of the calls of a labeled set: who answered, who speaks, where speech and greeting end lie.

A composed set has ``truth.jsonl`` beside its calls, as ``datasets/compose.py`` writes it. Of any other set the
manifest is all that is known: where its recordings have speech, amd's own ear says, and where a greeting ends
follows from that, unless the manifest knows better (``greeting_end_s``).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from amd.audio import RATE_HZ
from amd.cadence import HANG_FRAMES
from amd.errors import ManifestError
from amd.evaluation.manifest import Call, read_manifest
from amd.events import Party
from amd.framing import HOP_SAMPLES
from amd.hearing import Hearing
from amd.model import shipped
from amd.sources import samples_of

WAIT_S: Final = 1.0
"""A person who is silent this long after a word waits for the caller: there the greeting has ended."""
BRIDGED_SAMPLES: Final = HANG_FRAMES * HOP_SAMPLES
"""Pauses shorter than that are within a phrase, as in `amd.cadence`."""
SHORTEST_S: Final = 0.1
"""Less is a click or a cough."""


def read_truth(folder: Path, *, n_calls: int | None = None) -> list[dict[str, Any]]:
    """Read what is true of each call of a set, in the order of its manifest.

    Parameters
    ----------
    folder : Path
        With ``manifest.csv``; ``truth.jsonl`` is used where there is one.
    n_calls : int, optional
        The first so many; all unless given.

    Returns
    -------
    list of dict
        Each with ``file``, ``label``, ``group`` (who speaks: the manifest's column of that name, or the file with
        its folder where it says nothing), ``speech`` (spans in seconds), ``greeting_end_s`` or None, ``beep`` (in
        seconds too).

    Raises
    ------
    ManifestError
        If the manifest cannot be used.
    """
    calls = read_manifest(folder)[:n_calls]
    path = folder / "truth.jsonl"
    if path.is_file():
        told = {row["file"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
        missing = [call.file for call in calls if call.file not in told]
        if missing:
            raise ManifestError(f"{path} says nothing of {missing[0]}, which the manifest has: sets mixed up?")
        truths = [told[call.file] for call in calls]
    else:
        truths = [_by_ear(folder, call) for call in calls]
    groups = _groups([call.columns.get("group", "") for call in calls])
    return [
        {**truth, "group": group or f"{folder / call.file}"}
        for truth, group, call in zip(truths, groups, calls, strict=True)
    ]


def _by_ear(folder: Path, call: Call) -> dict[str, Any]:
    hearing = Hearing(shipped().network)
    moments = [*hearing.feed(samples_of(folder / call.file)), hearing.finish()]
    judged = [frame for moment in moments for frame in moment.judged]
    speech: list[list[float]] = []
    for frame in judged:
        if frame.activity.active and not frame.tonal:
            if speech and frame.now - speech[-1][1] * RATE_HZ <= BRIDGED_SAMPLES:
                speech[-1][1] = frame.now / RATE_HZ
            else:
                speech.append([(frame.now - HOP_SAMPLES) / RATE_HZ, frame.now / RATE_HZ])
    speech = [span for span in speech if span[1] - span[0] >= SHORTEST_S]
    times_s = call.times_s
    beep = [[times_s["beep_on_s"], times_s["beep_off_s"]]] if {"beep_on_s", "beep_off_s"} <= times_s.keys() else []
    end_s = times_s.get("greeting_end_s", _greeting_end_s(speech, call.label))
    return {
        "file": call.file,
        "label": str(call.label),
        "speech": speech,
        "greeting_end_s": end_s,
        "beep": beep,
    }


def _greeting_end_s(speech: Sequence[Sequence[float]], label: Party) -> float | None:
    """Where a person first waits; a machine's last word."""
    if not speech:
        return None
    for (_, end_s), (start_s, _) in itertools.pairwise(speech):
        if label is Party.HUMAN and start_s - end_s >= WAIT_S:
            return end_s
    return speech[-1][1]


def _groups(written: Sequence[str]) -> list[str]:
    """Names of groups such that calls which share a speaker are in one; a call may name several, after ``;``."""
    leader: dict[str, str] = {}

    def found(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for text in written:
        names = text.split(";")
        for name in names[1:]:
            leader[found(name)] = found(names[0])
    return [found(text.split(";")[0]) if text else "" for text in written]

"""``python -m benchmarks accuracy SET``: every policy, and the peers, on the same calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
from rich.console import Console
from rich.table import Table

from amd.evaluation.manifest import Call, read_manifest
from amd.evaluation.run import judge_set
from amd.evaluation.scores import accuracy, confusion, quantiles, rate
from amd.events import Party
from amd.policy import PRESETS
from benchmarks.peers import asterisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One system's verdict on one call; ``known_s`` is when it could act."""

    call: Call
    party: Party
    known_s: float


def run(folder: Path) -> None:
    """Print one row a system."""
    table = Table(
        "system",
        "right",
        "human called machine",
        "machine called human",
        "unsure",
        "human after greeting p50",
        "machine after speech p50",
        box=None,
        pad_edge=False,
        header_style="bold",
        title=f"{folder}: people, machines and all else",
        title_justify="left",
    )
    for name, policy in PRESETS.items():
        judged, _ = judge_set(folder, policy)
        scored = [Scored(call=one.call, party=one.result.party, known_s=one.result.known_s) for one in judged]
        table.add_row(*_row(f"amd, {name}", scored))
    table.add_row(*_row("Asterisk's rules", [_asterisk(folder, call) for call in read_manifest(folder)]))
    Console(width=10_000).print(table)


def _asterisk(folder: Path, call: Call) -> Scored:
    samples, _ = soundfile.read(folder / call.file, dtype="float32")
    verdict = asterisk.judge(samples)
    return Scored(call=call, party=verdict.party, known_s=verdict.known_s)


def _row(name: str, scored: Sequence[Scored]) -> list[str]:
    counts = confusion([one.call.label for one in scored], [one.party for one in scored])
    human_s = [
        one.known_s - one.call.times_s["greeting_end_s"]
        for one in scored
        if one.party is one.call.label is Party.HUMAN and "greeting_end_s" in one.call.times_s
    ]
    machine_s = [
        one.known_s - one.call.times_s["speech_start_s"]
        for one in scored
        if one.party is one.call.label is Party.MACHINE and "speech_start_s" in one.call.times_s
    ]
    n_unsure = sum(one.party is Party.UNSURE for one in scored)
    return [
        name,
        str(accuracy(counts)),
        str(rate(counts, Party.HUMAN, Party.MACHINE)),
        str(rate(counts, Party.MACHINE, Party.HUMAN)),
        f"{n_unsure}/{len(scored)}",
        f"{quantiles(human_s).p50:.2f} s",
        f"{quantiles(machine_s).p50:.2f} s",
    ]

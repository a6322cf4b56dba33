"""``python -m benchmarks accuracy SET...``: every policy of `amd`, and the peers, on the same calls.

`amd` hears each call once; its policies are replayed on what it heard (`amd.training.replay`).
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import soundfile
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ
from amd.evaluation.manifest import Call, check_times, read_manifest
from amd.model import shipped as answer_model
from amd.policy import PRESETS
from amd.speech import shipped as speech_network
from amd.training.listening import hear
from amd.training.replay import decide
from amd.workers import spread
from benchmarks import systems
from benchmarks.scoring import HEADERS, Figures, Scored, as_data, cells, figures, short, slices
from benchmarks.systems import System

SLICED: Final = "amd, balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Some labeled sets as one: their folders, and all calls with the folder of each."""

    folders: tuple[Path, ...]
    calls: tuple[tuple[Path, Call], ...]

    def described(self) -> list[dict[str, Any]]:
        """Tell the sets by name, checksum and size: nothing of this machine."""
        return [
            {
                "set": folder.name,
                "manifest_sha256": hashlib.sha256((folder / "manifest.csv").read_bytes()).hexdigest(),
                "calls": sum(one == folder for one, _ in self.calls),
            }
            for folder in self.folders
        ]


def read_sets(folders: Sequence[Path], n_calls: int | None = None) -> Sets:
    """Read the manifests of some sets, the first so many calls of each."""
    if len(set(folders)) < len(folders):
        raise SystemExit("a set is named twice: its calls would count twice")
    calls = tuple((folder, call) for folder in folders for call in read_manifest(folder)[:n_calls])
    return Sets(folders=tuple(folders), calls=calls)


def judge(peers: dict[str, System], job: tuple[Path, Call]) -> dict[str, Scored]:
    """Let every system judge one call."""
    folder, call = job
    recorded = hear(folder / call.file, call=call)
    check_times(call, recorded.duration_s)
    found = {}
    for name, policy in PRESETS.items():
        said = decide(recorded, policy)
        found[f"amd, {name}"] = Scored(call=call, party=said.party, known_s=said.known_s)
    if peers:
        samples, rate_hz = soundfile.read(folder / call.file, dtype="float32")
        if rate_hz != RATE_HZ or samples.ndim != 1:
            raise SystemExit(f"{folder / call.file} is not mono at 8 kHz, as the peers need it: --peers none")
        for peer in peers.values():
            verdict = peer.judge(samples)
            found[peer.title] = Scored(call=call, party=verdict.party, known_s=verdict.known_s)
    return found


def score(sets: Sets, peers: dict[str, System], *, jobs: int | None = None) -> dict[str, list[Scored]]:
    """Let every system judge every call.

    Parameters
    ----------
    sets : Sets
    peers : dict of str to System
    jobs : int, optional
        Worker processes; as many as cores unless given.
    """
    judged = list(spread(partial(judge, peers), sets.calls, jobs=jobs))
    return {name: [one[name] for one in judged] for name in judged[0]}


def run(
    folders: Sequence[Path],
    *,
    peers: str = "all",
    out: Path | None = None,
    sliced: bool = False,
    jobs: int | None = None,
    verdicts: Path | None = None,
) -> None:
    """Print one row a system, parts of the set if asked to, and write all of it as JSON if asked to.

    Parameters
    ----------
    folders : sequence of Path
        Sets, which count as one.
    peers : str
        As `benchmarks.systems.chosen` takes it.
    out : Path, optional
        JSON file to write.
    sliced : bool
        Print parts too.
    jobs : int, optional
    verdicts : Path, optional
        Folder for one table a system, for ``amd compare`` and ``amd evaluate --beside``; of one set only.
    """
    if verdicts is not None and len(folders) > 1:
        raise SystemExit("--verdicts is of one set: two sets have files of the same name")
    sets, systems_here = read_sets(folders), systems.chosen(peers)
    scored = score(sets, systems_here, jobs=jobs)
    found = {name: figures(ones) for name, ones in scored.items()}
    console = Console(width=10_000)
    names = " and ".join(folder.name for folder in folders)
    console.print(table(f"{names}: {len(sets.calls)} calls, people, machines and all else", found))
    if peers == "all" and (absent := systems.missing(systems_here)):
        console.print(f"not installed here, and left out: {', '.join(absent)}")
    parts = slices(scored[SLICED])
    if sliced:
        for kind, by_name in parts.items():
            console.print("", parts_table(f"{SLICED}, by {kind}", by_name))
    if verdicts is not None:
        write_verdicts(scored, verdicts)
    if out is not None:
        data = {
            "command": "python -m benchmarks accuracy",
            "sets": sets.described(),
            **models(),
            "peers": systems.versions(systems_here),
            "systems": {name: as_data(one) for name, one in found.items()},
            "slices": {kind: {name: as_data(one) for name, one in ones.items()} for kind, ones in parts.items()},
        }
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


VERDICT_FIELDS: Final = ("file", "label", "party", "known_s", "speech_start_s", "greeting_end_s")


def write_verdicts(scored: Mapping[str, Sequence[Scored]], folder: Path) -> None:
    """Write the verdicts of each system as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, ones in scored.items():
        slug = "-".join(re.findall(r"[a-z0-9]+", name.lower().replace("'", "")))
        with (folder / f"{slug}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(VERDICT_FIELDS)
            for one in ones:
                times_s = (one.call.times_s.get(field, "") for field in VERDICT_FIELDS[4:])
                writer.writerow([one.call.file, one.call.label, one.party, round(one.known_s, 4), *times_s])


def models() -> dict[str, Any]:
    """Versions of what judged."""
    return {"models": {"answer": answer_model().version, "speech": speech_network().version}}


def table(title: str, found: dict[str, Figures]) -> Table:
    """One row a system."""
    made = Table(
        "system", *HEADERS, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left"
    )
    for name, one in found.items():
        made.add_row(name, *cells(one))
    return made


def parts_table(title: str, found: dict[str, Figures]) -> Table:
    """One row a part of the set."""
    headers = ("part", "calls", *HEADERS[:3])
    made = Table(*headers, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name, one in found.items():
        shares = (one.right, one.human_called_machine, one.machine_called_human)
        made.add_row(name, str(one.right.total), *map(short, shares))
    return made

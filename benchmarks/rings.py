"""``python -m benchmarks rings SET...``: does ringback before an answer change what is said of it?

Each composed call of a person or a machine is judged as it is, and after rings of each country: none to two whole
ones and one that the answer cuts, from as loud as the voice to 12 dB below it. These rings are pure tones.
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

from amd.audio import RATE_HZ, Samples
from amd.detector import Detector
from amd.evaluation.manifest import read_manifest
from amd.evaluation.scores import Share, wilson
from amd.events import Party
from amd.policy import PRESETS
from amd.sources import samples_of
from amd.workers import spread
from benchmarks.scoring import HEADERS, Scored, as_data, cells, figures

RINGS: Final = {
    "US": ((440.0, 480.0), (2.0, 4.0)),
    "UK": ((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "DE": ((425.0,), (1.0, 4.0)),
}
"""Frequencies in Hz; how long it sounds and pauses in turn, in seconds (ITU-T E.180, supplement 2)."""
WHOLE_MAX: Final = 2
CUT_MIN_S: Final = 0.2
BELOW_VOICE_DB: Final = (0.0, 12.0)
LOUD_PERCENTILE: Final = 95
FRAME_SAMPLES: Final = 256
PLAIN: Final = "no rings"
SEED: Final = 1


def run(folders: Sequence[Path], *, n_calls: int | None, jobs: int | None, out: Path | None) -> None:
    """Judge, print, and write as JSON if asked to."""
    answered = [
        (call, folder / call.file)
        for folder in folders
        for call in read_manifest(folder)[:n_calls]
        if call.label in (Party.HUMAN, Party.MACHINE)
    ]
    calls = [call for call, _ in answered]
    tasks = list(enumerate(path for _, path in answered))
    scored: dict[str, list[Scored]] = {name: [] for name in (PLAIN, *RINGS)}
    for call, judged in zip(calls, spread(_judged, tasks, jobs=jobs), strict=True):
        for name, (party, known_s) in judged.items():
            scored[name].append(Scored(call=call, party=party, known_s=known_s))
    names = ", ".join(folder.name for folder in folders)
    table = Table("before it", "same verdict", *HEADERS, box=None, pad_edge=False, header_style="bold")
    table.title, table.title_justify = f"{len(calls)} composed calls of {names}, balanced", "left"
    data: dict[str, Any] = {}
    for name, rows in scored.items():
        found, same = figures(rows), same_verdict(scored[PLAIN], rows)
        table.add_row(name, f"{same.value:.1%}", *cells(found))
        data[name] = {"same": dataclasses.asdict(same), **as_data(found)}
    Console(width=10_000).print(table)
    if out is not None:
        told = {
            "command": "python -m benchmarks rings",
            "sets": [folder.name for folder in folders],
            "systems": data,
        }
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def same_verdict(plain: Sequence[Scored], rung: Sequence[Scored]) -> Share:
    """Share of calls of which the same is said either way."""
    pairs = zip(plain, rung, strict=True)
    return wilson(sum(one.party is other.party for one, other in pairs), len(plain))


def ringing(country: str, level: float, rng: np.random.Generator) -> Samples:
    """Rings of one country, the last one cut by the answer; ``level`` is their root mean square."""
    freqs_hz, steps_s = RINGS[country]
    n_whole = int(rng.integers(WHOLE_MAX + 1))
    sounds_s = [*steps_s * n_whole, rng.uniform(CUT_MIN_S, steps_s[0])]
    is_on = np.concatenate([np.full(round(s * RATE_HZ), index % 2 == 0) for index, s in enumerate(sounds_s)])
    times_s = np.arange(is_on.size) / RATE_HZ
    wave = np.sum([np.sin(2 * np.pi * freq_hz * times_s) for freq_hz in freqs_hz], axis=0)
    heard: Samples = (level * wave * np.sqrt(2 / len(freqs_hz)) * is_on).astype(np.float32)
    return heard


def _judged(task: tuple[int, Path]) -> dict[str, tuple[Party, float]]:
    """Verdict on one call as it is and after rings, and when it was known, counted from the answer."""
    number, path = task
    samples = samples_of(path)
    rng = np.random.default_rng((SEED, number))
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loud = float(np.sqrt(np.percentile(np.mean(frames**2, axis=1), LOUD_PERCENTILE)))
    level = loud * 10 ** (-rng.uniform(*BELOW_VOICE_DB) / 20)
    judged = {PLAIN: _verdict(np.zeros(0, dtype=np.float32), samples)}
    for country in RINGS:
        judged[country] = _verdict(ringing(country, level, rng), samples)
    return judged


def _verdict(lead: Samples, samples: Samples) -> tuple[Party, float]:
    policy = dataclasses.replace(PRESETS["balanced"], early_media=lead.size > 0)
    detector = Detector(policy)
    detector.feed(np.concatenate([lead, samples]))
    detector.finish()
    verdict = detector.verdict
    if verdict is None:
        raise RuntimeError("a finished call has a verdict")
    return verdict.party, verdict.known_s - lead.size / RATE_HZ

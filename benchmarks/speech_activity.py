"""``python -m benchmarks speech SET...``: what is said to be speech, against the clean speech of composed calls.

Frames: precision, recall and F1 of frames of 16 ms, by signal to noise, and F1 by what is behind the call. Runs:
the mask of each system goes through the same `amd.cadence.Cadence`; the truth is the clean speech, pauses up to
its hang bridged. A true run is found if one overlaps it; a run that overlaps no true one is false.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ, Samples
from amd.cadence import HANG_FRAMES, Cadence
from amd.evaluation.manifest import read_manifest
from amd.framing import HOP_SAMPLES
from amd.speech import shipped
from amd.training.calls import in_samples, speech_mask
from amd.training.truth import read_truth
from benchmarks.peers import activity
from benchmarks.peers.activity import Mask

SNR_DB: Final = {"under 5 dB": 5.0, "5-10 dB": 10.0, "10-20 dB": 20.0, "20-30 dB": 30.0, "30 dB and more": np.inf}
"""Each name, and where it ends."""
BRIDGED_S: Final = HANG_FRAMES * HOP_SAMPLES / RATE_HZ
SHORTEST_S: Final = 0.1
"""True runs shorter than what confirms a run are neither missed nor found."""

Spans = list[tuple[float, float]]


@dataclass(slots=True)
class Counts:
    """Frames of one system under one condition."""

    both: int = 0
    said: int = 0
    true: int = 0

    def add(self, judged: Mask, truth: Mask) -> None:
        """Count one call."""
        self.both += int(np.sum(judged & truth))
        self.said += int(np.sum(judged))
        self.true += int(np.sum(truth))

    @property
    def f1(self) -> float:
        """NaN where there is nothing to find."""
        return 2 * self.both / (self.said + self.true) if self.true else float("nan")

    @property
    def precision(self) -> float:
        """Share of what is said to be speech that is."""
        return self.both / self.said if self.said else float("nan")

    @property
    def recall(self) -> float:
        """Share of speech that is said to be."""
        return self.both / self.true if self.true else float("nan")


@dataclass(slots=True)
class Score:
    """What one system made of a set."""

    frames: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    start_errors_s: list[float] = field(default_factory=list)
    end_errors_s: list[float] = field(default_factory=list)
    n_true: int = 0
    n_missed: int = 0
    n_false: int = 0
    n_false_leads: int = 0
    judged_s: float = 0.0
    audio_s: float = 0.0

    def add_runs(self, found: Spans, true: Spans) -> None:
        """Match the runs of one call."""
        for start_s, end_s in true:
            hits = [run for run in found if run[0] < end_s and run[1] > start_s]
            self.n_true += end_s - start_s >= SHORTEST_S
            if hits:
                self.start_errors_s.append(hits[0][0] - start_s)
                self.end_errors_s.append(hits[-1][1] - end_s)
            else:
                self.n_missed += end_s - start_s >= SHORTEST_S
        false = [run for run in found if not any(run[0] < end_s and run[1] > start_s for start_s, end_s in true)]
        self.n_false += len(false)
        first_s = true[0][0] if true else np.inf
        self.n_false_leads += any(run[0] < first_s for run in false)


def run(folders: Sequence[Path], out: Path | None = None) -> None:
    """Print the tables of each set, and write the figures as JSON if asked to."""
    console = Console(width=10_000)
    figures = {}
    for folder in folders:
        scores = score(folder, {"amd": activity.ours, **activity.peers()})
        console.print(f"[bold]{folder.name}[/bold]", "")
        for table in (_by_snr(scores), _by_noise(scores), _of_runs(scores)):
            console.print(table, "")
        figures[folder.name] = {name: _figures(one) for name, one in scores.items()}
    if out is not None:
        out.write_text(
            json.dumps({"network": shipped().version, "sets": figures}, indent=1) + "\n", encoding="utf-8"
        )


def score(folder: Path, systems: dict[str, Callable[[Samples], Mask]]) -> dict[str, Score]:
    """Run every system over every call."""
    scores = {name: Score() for name in systems}
    noises = {call.file: call.columns["noise"].partition("+hum")[0] for call in read_manifest(folder)}
    for truth in read_truth(folder):
        samples, _ = soundfile.read(folder / truth["file"], dtype="float32")
        for name, system in systems.items():
            began_s = perf_counter()
            judged = system(samples)
            scores[name].judged_s += perf_counter() - began_s
            _add(scores[name], truth, noises[truth["file"]], judged)
            scores[name].audio_s += samples.size / RATE_HZ
    return scores


def runs_of(judged: Mask) -> Spans:
    """Return the runs of a mask, as `Cadence` makes them, in seconds."""
    cadence, runs = Cadence(), []
    for index, active in enumerate(judged.tolist()):
        _, ended = cadence.step(index, active=active, voiced=active, hold=False)
        runs += [ended] if ended else []
    last = cadence.close()
    return [(one.on / RATE_HZ, one.off / RATE_HZ) for one in (*runs, *([last] if last else []))]


def bridged(spans_s: Sequence[Sequence[float]]) -> Spans:
    """Return spans with short pauses between them closed.

    Examples
    --------
    >>> bridged([[0.0, 1.0], [1.2, 2.0], [3.0, 4.0]])
    [(0.0, 2.0), (3.0, 4.0)]
    """
    closed: Spans = []
    for start_s, end_s in spans_s:
        if closed and start_s - closed[-1][1] <= BRIDGED_S:
            closed[-1] = (closed[-1][0], end_s)
        else:
            closed.append((start_s, end_s))
    return closed


def _add(score: Score, truth: dict[str, Any], noise: str, judged: Mask) -> None:
    mask = speech_mask(in_samples(truth["speech"]), judged.size) > 0
    for condition in ("all", _bucket(truth["snr_db"]), f"noise {noise}"):
        score.frames[condition].add(judged, mask)
    score.add_runs(runs_of(judged), bridged(truth["speech"]))


def _bucket(snr_db: float) -> str:
    return next(name for name, end_db in SNR_DB.items() if snr_db < end_db)


def _by_snr(scores: dict[str, Score]) -> Table:
    table = _table("frames, F1", "system", "precision", "recall", "F1", *SNR_DB, "µs per s of audio")
    for name, one in scores.items():
        total = one.frames["all"]
        by_snr = [f"{one.frames[bucket].f1:.3f}" for bucket in SNR_DB]
        cost = f"{1e6 * one.judged_s / max(one.audio_s, 1e-9):.0f}"
        table.add_row(name, f"{total.precision:.3f}", f"{total.recall:.3f}", f"{total.f1:.3f}", *by_snr, cost)
    return table


def _by_noise(scores: dict[str, Score]) -> Table:
    kinds = sorted({name for one in scores.values() for name in one.frames if name.startswith("noise ")})
    table = _table("frames, F1, by what is behind the call", "system", *(name[6:] for name in kinds))
    for name, one in scores.items():
        table.add_row(name, *(f"{one.frames[kind].f1:.3f}" for kind in kinds))
    return table


def _of_runs(scores: dict[str, Score]) -> Table:
    table = _table(
        "runs of speech; errors in s, 10 %, 50 %, 90 %",
        *("system", "missed", "false", "calls with a false lead", "start error", "end error"),
    )
    for name, one in scores.items():
        starts, ends = (_quantiles(errors) for errors in (one.start_errors_s, one.end_errors_s))
        missed = f"{one.n_missed}/{one.n_true}"
        texts = (" ".join(f"{value:+.2f}" for value in errors) for errors in (starts, ends))
        table.add_row(name, missed, str(one.n_false), str(one.n_false_leads), *texts)
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")


def _quantiles(values: Sequence[float]) -> list[float]:
    return [float(np.quantile(values, share)) if values else float("nan") for share in (0.1, 0.5, 0.9)]


def _figures(one: Score) -> dict[str, Any]:
    counts = {"true": one.n_true, "missed": one.n_missed, "false": one.n_false, "false_leads": one.n_false_leads}
    return {
        "f1": {name: round(frames.f1, 4) for name, frames in sorted(one.frames.items()) if frames.true},
        "runs": counts,
        "start_error_s": [round(value, 3) for value in _quantiles(one.start_errors_s)],
        "end_error_s": [round(value, 3) for value in _quantiles(one.end_errors_s)],
    }

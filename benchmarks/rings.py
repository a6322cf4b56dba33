"""``python -m benchmarks rings SET...``: does ringback before an answer change what is said of it?

Each composed call of a person or a machine is judged as it is, and after rings of each country: none to two whole
ones and one that the answer cuts, from as loud as the voice to 12 dB below it. These rings are pure tones.

Any change of the audio changes some verdicts: those that were close. So the same calls are judged after changes
that are no rings (`CONTROLS`): as long a stretch of nothing, or of noise like their own, before them, 7 ms, and
noise far below their own.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
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
from benchmarks.accuracy import models
from benchmarks.scoring import HEADERS, SLICES, Scored, as_data, cells, figures, share_data

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
DELAY_SAMPLES: Final = 56
"""7 ms, a little less than half a frame's step."""
QUIET_SHARE: Final = 0.2
"""The quietest frames of a call that are not digital silence tell what its noise is like."""
NOISE_BELOW_DB: Final = 15.0
PARTS: Final = ("snr", "noise")

Made = tuple[Samples, Samples]
"""What is heard before a call, and the call."""


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
    scored: dict[str, list[Scored]] = {name: [] for name in (PLAIN, *RINGS, *CONTROLS)}
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
        data[name] = {
            "same": share_data(same),
            "parts": {part: _same_by(part, scored[PLAIN], rows) for part in PARTS},
            **as_data(found),
        }
    Console(width=10_000).print(table)
    if out is not None:
        told = {
            "command": "python -m benchmarks rings",
            "sets": [folder.name for folder in folders],
            **models(),
            "systems": data,
        }
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def same_verdict(plain: Sequence[Scored], changed: Sequence[Scored]) -> Share:
    """Share of calls of which the same is said either way."""
    pairs = zip(plain, changed, strict=True)
    return wilson(sum(one.party is other.party for one, other in pairs), len(plain))


def _same_by(part: str, plain: Sequence[Scored], changed: Sequence[Scored]) -> dict[str, Any]:
    """Return the same of the parts of the set, as `benchmarks.scoring` has them."""
    pairs = defaultdict(list)
    for one, other in zip(plain, changed, strict=True):
        pairs[SLICES[part](one.call)].append((one, other))
    return {
        name: share_data(same_verdict([one for one, _ in found], [other for _, other in found]))
        for name, found in sorted(pairs.items())
    }


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


def noise_like(samples: Samples, size: int, rng: np.random.Generator) -> Samples:
    """Noise with the spectrum of the quietest frames of a call; silence where all are digital silence."""
    frames = _frames(samples)
    power = np.mean(frames**2, axis=1)
    if not power.any():
        return np.zeros(size, dtype=np.float32)
    quiet = (power > 0) & (power <= np.quantile(power[power > 0], QUIET_SHARE))
    size_hz = np.sqrt(np.mean(np.abs(np.fft.rfft(frames[quiet] * np.hanning(FRAME_SAMPLES))) ** 2, axis=0))
    white = np.fft.rfft(rng.standard_normal(size))
    places = np.linspace(0, 1, white.size), np.linspace(0, 1, size_hz.size)
    shaped = np.fft.irfft(white * np.interp(*places, size_hz), size)
    level = np.sqrt(np.mean(power[quiet]) / np.mean(shaped**2))
    made: Samples = (level * shaped).astype(np.float32)
    return made


def _nothing(call: Samples, size: int, _: np.random.Generator) -> Made:
    return np.zeros(size, dtype=np.float32), call


def _own_noise(call: Samples, size: int, rng: np.random.Generator) -> Made:
    return noise_like(call, size, rng), call


def _delayed(call: Samples, _: int, __: np.random.Generator) -> Made:
    return np.zeros(0, dtype=np.float32), np.concatenate([np.zeros(DELAY_SAMPLES, dtype=np.float32), call])


def _noisier(call: Samples, _: int, rng: np.random.Generator) -> Made:
    noise = noise_like(call, call.size, rng) * np.float32(10 ** (-NOISE_BELOW_DB / 20))
    return np.zeros(0, dtype=np.float32), call + noise


CONTROLS: Final[dict[str, Callable[[Samples, int, np.random.Generator], Made]]] = {
    "nothing, as long as the US rings": _nothing,
    "noise like its own, as long": _own_noise,
    "7 ms": _delayed,
    f"noise {NOISE_BELOW_DB:g} dB below its own, over all of it": _noisier,
}
"""Changes that are no rings. What is as long as rings is heard in early media, as rings are: without a ring the
waits count from the first speech."""


def _frames(samples: Samples) -> Samples:
    return samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def _judged(task: tuple[int, Path]) -> dict[str, tuple[Party, float]]:
    """Verdict on one call as it is and changed, and when it was known, counted from the answer."""
    number, path = task
    samples = samples_of(path)
    rng = np.random.default_rng((SEED, number))
    loud = float(np.sqrt(np.percentile(np.mean(_frames(samples) ** 2, axis=1), LOUD_PERCENTILE)))
    level = loud * 10 ** (-rng.uniform(*BELOW_VOICE_DB) / 20)
    leads = {country: ringing(country, level, rng) for country in RINGS}
    judged = {PLAIN: _verdict(np.zeros(0, dtype=np.float32), samples)}
    judged |= {country: _verdict(lead, samples) for country, lead in leads.items()}
    for name, changed in CONTROLS.items():
        judged[name] = _verdict(*changed(samples, leads["US"].size, rng))
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

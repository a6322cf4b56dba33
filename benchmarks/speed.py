"""``python -m benchmarks speed``: CPU time of each system for a second of audio, on one core, as ratios.

A ratio travels between machines better than a time: the yardstick is one real FFT of each frame of `amd` (256
samples every 16 ms). Each system is given the same samples whole; `amd` also as a call streams, in packets of
20 ms. It stops listening soon after its verdict, and is timed by what it heard; the others by all that they were
given. The least of some rounds counts: what else runs on the machine only ever adds.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ, Samples
from amd.detector import Detector
from amd.evaluation.manifest import read_manifest
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES
from amd.policy import PRESETS
from amd.sources import samples_of
from benchmarks import systems
from benchmarks.accuracy import models
from benchmarks.peers import activity

SAMPLES: Final = Path(__file__).parents[1] / "datasets" / "samples"
PACKET_SAMPLES: Final = RATE_HZ // 50
YARDSTICK: Final = "one FFT a frame"
ROUNDS: Final = 5


def run(folder: Path, *, out: Path | None = None, rounds: int = ROUNDS) -> None:
    """Time every system that is installed on the calls of a set; print the table, write it as JSON if asked to."""
    calls = [samples_of(folder / call.file) for call in read_manifest(folder)]
    audio_s = sum(samples.size for samples in calls) / RATE_HZ
    times_s = {name: best_s(partial(_all, work, calls), rounds) for name, work in works().items()}
    yardstick_s = times_s.pop(YARDSTICK)
    data = {
        "command": "python -m benchmarks speed",
        "set": folder.name,
        "audio_s": round(audio_s, 1),
        **models(),
        "peers": systems.versions(systems.chosen("all")),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one core",
        "yardstick": YARDSTICK,
        "yardstick_us_an_audio_second": round(1e6 * yardstick_s, 1),
        "ratios": {name: round(time_s / yardstick_s, 1) for name, time_s in times_s.items()},
        "calls_a_core": {name: int(1 / time_s) for name, time_s in times_s.items()},
    }
    table = Table(
        "system", "over the yardstick", "calls a core, here", box=None, pad_edge=False, header_style="bold"
    )
    for name, ratio in data["ratios"].items():
        table.add_row(name, f"{ratio:.1f}", str(data["calls_a_core"][name]))
    Console(width=10_000).print(f"CPU time for a second of audio, {data['machine']}", table)
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def works() -> dict[str, Callable[[Samples], object]]:
    """Return what is timed, by name; the yardstick first."""
    found: dict[str, Callable[[Samples], object]] = {
        YARDSTICK: transform,
        "amd, whole call": partial(stream, packet_samples=0),
        "amd, packets of 20 ms": partial(stream, packet_samples=PACKET_SAMPLES),
        "Asterisk's rules": systems.PEERS["asterisk"].judge,
    }
    if activity.has_webrtc():
        found["webrtcvad, mode 3, the mask alone"] = partial(activity.webrtc, 3)
    if activity.has_silero():
        found["silero-vad, the mask alone"] = activity.silero
    return found


def transform(samples: Samples) -> object:
    """Take one real FFT of each frame."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    return np.fft.rfft(frames)


def stream(samples: Samples, *, packet_samples: int) -> float:
    """Feed one call to the detector until it is done, whole for 0; return how much it heard, in seconds."""
    detector = Detector(PRESETS["balanced"])
    step = packet_samples or max(1, samples.size)
    for at in range(0, samples.size, step):
        detector.feed(samples[at : at + step])
        if detector.done:
            break
    detector.finish()
    return detector.heard_s


def best_s(work: Callable[[], float], rounds: int) -> float:
    """Return the least CPU time of some rounds for a second of audio; ``work`` tells the seconds that it heard."""
    times_s = []
    for _ in range(rounds):
        start_s = time.process_time()
        heard_s = work()
        times_s.append((time.process_time() - start_s) / heard_s)
    return min(times_s)


def _all(work: Callable[[Samples], object], calls: Sequence[Samples]) -> float:
    heard = ((work(samples), samples.size / RATE_HZ) for samples in calls)
    return sum(found if isinstance(found, float) else given_s for found, given_s in heard)

"""``python -m benchmarks scale``: what a bank costs as calls become more, stage by stage and beside peers.

A call's second of audio is the unit, on one core. Times are CPU times, the least of some rounds for every packet's
turn, beside a bare batched FFT of the same frames in the same run: a ratio travels better than a time.
"""

from __future__ import annotations

import gc
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import fft

from amd.audio import RATE_HZ, Encoding
from amd.bank import DetectorBank
from amd.detector import Detector
from amd.framing import FRAME_SAMPLES, HOP_SAMPLES
from amd.sources import samples_of
from benchmarks.crowd import BEFORE_THE_MODEL, PACKET_SAMPLES, SAMPLES, Times, drive, least, packets
from benchmarks.peers import activity

CALLS: Final = (1, 10, 100, 300, 1000, 2000)
STAGED_CALLS: Final = 1000
SECONDS: Final = 4.0
ROUNDS: Final = 3
BATCH_FRAMES: Final = 256
MICRO: Final = 1e6


def run(out: Path | None = None, plot: Path | None = None, *, calls: Sequence[int] = CALLS) -> None:
    """Measure; print tables, write them as JSON and draw them if asked to."""
    gc.collect()
    yardstick_us = MICRO * _least_s(_transform, _frames(), ROUNDS * 5) * _frames_a_second() / len(_frames())
    turns, stages = least(ROUNDS, partial(drive, packets(STAGED_CALLS, SECONDS), staged=True))
    share = MICRO / (STAGED_CALLS * SECONDS)
    by_stage = {name: float(times.sum() * share) for name, times in stages.items()}
    by_stage["call by call"] = float(turns.sum() * share) - sum(by_stage.values())
    data: dict[str, Any] = {
        "command": "python -m benchmarks scale",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one core",
        "unit": "CPU microseconds for a second of a call, 20 ms packets of mu-law",
        "batched_fft": round(yardstick_us, 1),
        "bank": {"calls": STAGED_CALLS, "all": round(float(turns.sum() * share), 1)},
        "before_the_model": round(sum(by_stage[name] for name in BEFORE_THE_MODEL), 1),
        "stages": {name: round(us, 1) for name, us in by_stage.items()},
        "detector": {name: round(us, 1) for name, us in _detectors().items()},
        "peers": {name: round(us, 1) for name, us in _peers().items()},
        "calls": [_row(n_calls) for n_calls in calls],
        "two_processes": round(_two_processes(), 2),
        "state_bytes": _state_bytes(),
        "import_s": round(_least_import_s(), 3),
    }
    _print(data)
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        draw(data, plot)


def _row(n_calls: int) -> dict[str, float]:
    """Cost with so many calls, and CPU time of a packet's turn: how long it takes on a core of its own."""
    turns, _ = least(ROUNDS, partial(drive, packets(n_calls, SECONDS), staged=False))
    return {
        "calls": n_calls,
        "us": round(float(turns.sum() * MICRO / (n_calls * SECONDS)), 1),
        "turn_ms_p50": round(1e3 * float(np.median(turns)), 3),
        "turn_ms_p99": round(1e3 * float(np.percentile(turns, 99)), 3),
        "turn_ms_max": round(1e3 * float(turns.max()), 3),
    }


def _frames_a_second() -> float:
    return RATE_HZ / HOP_SAMPLES


def _frames() -> Times:
    samples = np.concatenate([samples_of(path) for path in sorted(SAMPLES.glob("human*.wav"))])
    windows = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]
    return np.ascontiguousarray(windows[: len(windows) // BATCH_FRAMES * BATCH_FRAMES])


def _transform(frames: Times) -> None:
    for at in range(0, len(frames), BATCH_FRAMES):
        fft.rfft(frames[at : at + BATCH_FRAMES])


def _least_s(work: Callable[[Any], object], given: Any, rounds: int = ROUNDS) -> float:
    times_s = []
    for _ in range(rounds):
        start_s = time.process_time()
        work(given)
        times_s.append(time.process_time() - start_s)
    return min(times_s)


def _detectors() -> dict[str, float]:
    """One call alone: packets of 20 ms, and a whole file at once."""
    calls = [samples_of(path) for path in sorted(SAMPLES.glob("*.wav"))]

    def stream(size: int, samples: Any) -> None:
        detector = Detector(encoding=Encoding.PCM16)
        for at in range(0, samples.size, size):
            detector.feed(samples[at : at + size])

    return {
        name: MICRO
        * sum(_least_s(partial(stream, size), samples) for samples in calls)
        / sum(samples.size / RATE_HZ for samples in calls)
        for name, size in {"20 ms packets": PACKET_SAMPLES, "whole file": 1 << 30}.items()
    }


def _peers() -> dict[str, float]:
    """Bare voice-activity detectors, the decision of each of their frames alone."""
    samples = np.concatenate([samples_of(path) for path in sorted(SAMPLES.glob("human*.wav"))])
    found: dict[str, Callable[[Any], object]] = {}
    if activity.has_webrtc():
        found["webrtcvad, mode 3"] = partial(activity.webrtc, 3)
    if activity.has_silero():
        found["silero-vad"] = activity.silero
    return {name: MICRO * _least_s(work, samples) / (samples.size / RATE_HZ) for name, work in found.items()}


def _two_processes(n_calls: int = 300) -> float:
    """How many times as many calls two processes carry as one, in the same time."""
    work = f"from benchmarks.scale import _work; print(_work({n_calls}))"

    def slowest_s(n_processes: int) -> float:
        command = [sys.executable, "-c", work]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(n_processes)]  # noqa: S603
        return max(float(process.communicate()[0]) for process in started)

    alone_s, both_s = (min(slowest_s(n) for _ in range(2)) for n in (1, 2))
    return 2 * alone_s / both_s


def _work(n_calls: int) -> float:
    turns = packets(n_calls, SECONDS)
    drive(turns[:10], staged=False)
    start_s = time.perf_counter()
    drive(turns, staged=False)
    return time.perf_counter() - start_s


def _state_bytes(n_calls: int = 50) -> dict[str, int]:
    """What a call takes: in the arrays of the bank, and beside them after some seconds and after half a minute."""
    found = {}
    turns = packets(n_calls, 30.0)
    bank = DetectorBank(capacity=n_calls)
    slots = [bank.open(encoding=Encoding.MULAW) for _ in range(n_calls)]
    arrays = sum(array.nbytes for array in _arrays(bank, set()))
    for n_turns, turn in enumerate(turns):
        bank.feed(slots, turn)
        if n_turns in (250, len(turns) - 1):
            shared = {id(bank._ears), id(bank._gate), id(bank._model), id(bank._policy)}  # noqa: SLF001
            beside = [size_of(call, set(shared)) for call in bank._calls.values()]  # noqa: SLF001
            found[f"objects, {n_turns // 50} s, greatest"] = max(beside)
    return {"arrays": arrays // n_calls, **found}


def _arrays(thing: Any, seen: set[int]) -> list[np.ndarray[Any, Any]]:
    """Every array of the bank that has a row a call."""
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return [thing] if thing.base is None else []
    if isinstance(thing, tuple):
        return [array for part in thing for array in _arrays(part, seen)]
    if type(thing).__module__.startswith("amd.") and hasattr(thing, "__dict__") and "n_units" not in dir(thing):
        parts = {name: part for name, part in vars(thing).items() if name not in ("_model", "_policy", "_calls")}
        return [array for part in parts.values() for array in _arrays(part, seen)]
    return []


def size_of(thing: Any, seen: set[int]) -> int:
    """Bytes of an object and all that it alone holds."""
    if id(thing) in seen or thing is None or isinstance(thing, (type, bool)):
        return 0
    seen.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, (list, tuple, set)):
        size += sum(size_of(part, seen) for part in thing)
    elif isinstance(thing, np.ndarray):
        size = 0 if thing.base is not None else thing.nbytes + 100
    elif type(thing).__module__.startswith("amd."):
        names = getattr(type(thing), "__slots__", ()) or vars(thing)
        size += sum(
            size_of(getattr(thing, name, None), seen) for name in names if name not in ("policy", "_model")
        )
    return size


def _least_import_s() -> float:
    command = [
        sys.executable,
        "-c",
        "import time; s = time.process_time(); import amd; print(time.process_time() - s)",
    ]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(ROUNDS))  # noqa: S603


def _print(data: dict[str, Any]) -> None:
    console = Console(width=10_000)
    table = Table("stage", "us", "over the FFT", box=None, pad_edge=False, header_style="bold")
    rows = {
        "batched FFT": data["batched_fft"],
        **data["stages"],
        "before the model": data["before_the_model"],
        f"all, {data['bank']['calls']} calls": data["bank"]["all"],
        **{f"one Detector, {name}": us for name, us in data["detector"].items()},
        **data["peers"],
    }
    for name, us in rows.items():
        table.add_row(name, f"{us:.1f}", f"{us / data['batched_fft']:.1f}")
    console.print(data["unit"], table)
    table = Table("calls", "us", "turn p50 ms", "p99", "max", box=None, pad_edge=False, header_style="bold")
    for row in data["calls"]:
        table.add_row(*(f"{value}" for value in row.values()))
    console.print(table)
    console.print({name: data[name] for name in ("two_processes", "state_bytes", "import_s")})


def draw(data: dict[str, Any], path: Path) -> None:
    """Draw CPU and the time of a packet's turn against calls."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    rows = data["calls"]
    calls = [row["calls"] for row in rows]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    cost, turn = figure.subplots(1, 2)
    cost.plot(calls, [row["us"] for row in rows], "o-", label="DetectorBank")
    for name, us in {"one Detector": data["detector"]["20 ms packets"], **data["peers"]}.items():
        cost.axhline(us, linestyle=":", linewidth=1, color="0.4")
        cost.annotate(name, (calls[-1], us), fontsize=7, va="bottom", ha="right")
    cost.set(xscale="log", yscale="log", xlabel="calls", ylabel="CPU µs for a second of a call")
    for name, label in {"turn_ms_p50": "median", "turn_ms_p99": "99 of 100"}.items():
        turn.plot(calls, [row[name] for row in rows], "o-", label=label)
    turn.axhline(20, linestyle=":", color="0.4")
    turn.annotate("a packet: saturation", (calls[0], 20), fontsize=7, va="bottom")
    turn.set(xscale="log", yscale="log", xlabel="calls", ylabel="CPU ms for one packet of each")
    turn.legend(frameon=False)
    figure.savefig(path, dpi=110)

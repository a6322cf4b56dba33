"""``python -m benchmarks pauses``: how long a bank's turns last over minutes, and what a call holds over an hour.

Calls come and go: each is a sample of some seconds in mu-law packets of 20 ms; the next one begins in its place.
A turn's time is CPU time of the process, so it is what the turn takes on a core of its own, garbage collection
included; how long the collector ran is told beside it, once as Python has it, and once after `gc.freeze`, with
which a server sets aside what it loaded before its first call.
"""

from __future__ import annotations

import gc
import json
import platform
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ, Encoding
from amd.bank import DetectorBank
from amd.hearing import Hearing
from amd.model import shipped
from amd.sources import samples_of
from benchmarks.crowd import PACKET_SAMPLES, SAMPLES, mulaw
from benchmarks.scale import size_of

CALLS: Final = 1000
MINUTES: Final = 10.0
WARM_TURNS: Final = 50
_MILLI: Final = 1e3


class Collector:
    """Notes how long each run of the garbage collector takes."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self._since_s = 0.0

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        """Take the beginning or the end of a run."""
        if phase == "start":
            self._since_s = time.process_time()
        else:
            self.times_s.append(time.process_time() - self._since_s)


def run(out: Path | None = None, *, n_calls: int = CALLS, minutes: float = MINUTES) -> None:
    """Measure; print a table, write it as JSON if asked to."""
    data: dict[str, Any] = {
        "command": "python -m benchmarks pauses",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one core",
        "unit": "CPU milliseconds of one turn: a packet of 20 ms of every call",
        "calls": n_calls,
        "minutes": minutes,
        "turns": {"as it is": turns(n_calls, minutes)},
    }
    gc.collect()
    gc.freeze()
    data["turns"]["after gc.freeze()"] = turns(n_calls, minutes)
    gc.unfreeze()
    data["state_bytes_of_a_call"] = held()
    table = Table("", *data["turns"]["as it is"], box=None, pad_edge=False, header_style="bold")
    for name, row in data["turns"].items():
        table.add_row(name, *(f"{value}" for value in row.values()))
    Console(width=10_000).print(data["unit"], table, data["state_bytes_of_a_call"])
    if out is not None:
        out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def turns(n_calls: int, minutes: float) -> dict[str, float]:
    """Feed a bank for some minutes, and tell how long its turns were."""
    audios = [mulaw(samples_of(path)) for path in sorted(SAMPLES.glob("*.wav"))]
    rng = np.random.default_rng(1)
    of = [call % len(audios) for call in range(n_calls)]
    at = [int(rng.integers(0, len(audios[audio]))) for audio in of]
    bank = DetectorBank(capacity=n_calls)
    slots = [bank.open(encoding=Encoding.MULAW) for _ in range(n_calls)]
    times_s: list[float] = []
    collector = Collector()
    gc.callbacks.append(collector)
    for turn in range(WARM_TURNS + round(minutes * 60 * RATE_HZ / PACKET_SAMPLES)):
        packets = [audios[audio][start : start + PACKET_SAMPLES] for audio, start in zip(of, at, strict=True)]
        begun_s = time.process_time()
        bank.feed(slots, packets)
        for call in range(n_calls):
            at[call] += PACKET_SAMPLES
            if at[call] >= len(audios[of[call]]):
                bank.close(slots[call])
                slots[call], of[call], at[call] = (
                    bank.open(encoding=Encoding.MULAW),
                    (of[call] + 1) % len(audios),
                    0,
                )
        if turn >= WARM_TURNS:
            times_s.append(time.process_time() - begun_s)
    gc.callbacks.remove(collector)
    found = {f"p{share}": round(_MILLI * float(np.percentile(times_s, share)), 2) for share in (50, 99, 99.9)}
    longest_s = max(collector.times_s, default=0.0)
    return {
        **found,
        "longest": round(_MILLI * max(times_s), 2),
        "collections": len(collector.times_s),
        "longest collection": round(_MILLI * longest_s, 2),
    }


def held() -> dict[str, int]:
    """Bytes that one call holds, its arrays and its objects, after minutes of listening."""
    hearing, found = Hearing(shipped().network), {}
    audio = np.concatenate([samples_of(path) for path in sorted(SAMPLES.glob("*.wav"))])
    heard = 0
    for minute in (1, 10, 60):
        while heard < minute * 60 * RATE_HZ:
            heard += audio.size
            for _ in hearing.feed(audio):
                pass
        found[f"after {minute} min"] = size_of(hearing, set())
    return found

"""Many calls at once for a bank: the samples, each from another place on, in mu-law packets of 20 ms."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Encoding, decode
from amd.bank import DetectorBank
from amd.sources import samples_of

Times = npt.NDArray[np.float64]

SAMPLES: Final = Path(__file__).parents[1] / "datasets" / "samples"
PACKET_SAMPLES: Final = RATE_HZ // 50
TICK_SAMPLES: Final = 768
"""A call's networks are asked once so often: calls that began together would all ask at once."""
STAGES: Final = {
    "decode": ("_decode",),
    "frames and spectrum": ("_ears", "_analyse"),
    "tones, and what speech is told by": ("_ears", "_follow"),
    "speech's network": ("_ears", "_speech", "judge"),
    "verdict's network": ("_ears", "_answer", "feed"),
    "cadence, and whom to look at": ("_ears", "_judge"),
}
"""What a bank does, stage by stage; the rest is what is done call by call, and what binds it together."""
BEFORE_THE_MODEL: Final = tuple(name for name in STAGES if name != "verdict's network")


@dataclass
class Clocked:
    """CPU time of each packet's turn, in seconds, and of the stages in it."""

    turns: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)


def packets(n_calls: int, seconds: float, seed: int = 1) -> list[list[bytes]]:
    """Return what each turn brings each call; the first turn cuts them so that the calls are out of step."""
    rng = np.random.default_rng(seed)
    audios = [mulaw(samples_of(path)) for path in sorted(SAMPLES.glob("*.wav"))]
    n_turns = round(seconds * RATE_HZ) // PACKET_SAMPLES
    calls = []
    for call in range(n_calls):
        audio = audios[call % len(audios)]
        at = int(rng.integers(0, len(audio)))
        turned = audio[at:] + audio * (1 + n_turns * PACKET_SAMPLES // len(audio))
        first = int(rng.integers(0, TICK_SAMPLES))
        ends = [first + turn * PACKET_SAMPLES for turn in range(n_turns + 1)]
        calls.append([turned[:first], *(turned[end : end + PACKET_SAMPLES] for end in ends[:-1])])
    return [list(turn) for turn in zip(*calls, strict=True)]


def drive(turns: list[list[bytes]], clock: Callable[[], float] = time.process_time, *, staged: bool) -> Clocked:
    """Feed a bank all turns; the first is not clocked."""
    bank = DetectorBank(capacity=len(turns[0]))
    slots = [bank.open(encoding=Encoding.MULAW) for _ in turns[0]]
    bank.feed(slots, turns[0])
    clocked = Clocked()
    if staged:
        for name, path in STAGES.items():
            _clock(bank, path, clocked.stages.setdefault(name, []), clock)
    for turn in turns[1:]:
        start_s = clock()
        bank.feed(slots, turn)
        clocked.turns.append(clock() - start_s)
    return clocked


def least(n_rounds: int, run: Callable[[], Clocked]) -> tuple[Times, dict[str, Times]]:
    """Return the least of some rounds for every turn, and stage of it: what else runs only ever adds."""
    rounds = [run() for _ in range(n_rounds)]
    turns = np.min([found.turns for found in rounds], axis=0)
    stages = {name: np.min([found.stages[name] for found in rounds], axis=0) for name in rounds[0].stages}
    return turns, stages


def _clock(bank: DetectorBank, path: tuple[str, ...], taken: list[float], clock: Callable[[], float]) -> None:
    """Clock a method of a part of the bank from now on."""
    part: Any = bank
    for name in path[:-1]:
        part = getattr(part, name)
    method = getattr(part, path[-1])

    def clocked(*args: Any) -> Any:
        start_s = clock()
        found = method(*args)
        taken.append(clock() - start_s)
        return found

    setattr(part, path[-1], clocked)


def mulaw(samples: npt.NDArray[np.float32]) -> bytes:
    """Encode samples: the code whose sample is nearest."""
    table = decode(bytes(range(256)), Encoding.MULAW)
    order = np.argsort(table, kind="stable")
    middles = (table[order][1:] + table[order][:-1]) / 2
    return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()

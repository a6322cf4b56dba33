"""``python -m benchmarks recognise CLIPS``: is a greeting known again, and is a person ever taken for it?

Each number has a greeting of `datasets/compose.py`. At the first call it is heard until `amd` says machine: that
is what is kept. At the second call it comes over another line (noise, codec, loss, level) after another silence.
Then a person answers, with the same voice where the speaker has other clips; and other numbers' greetings come.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from amd.audio import RATE_HZ, Samples
from amd.detector import Detector
from amd.evaluation.scores import wilson
from amd.events import Party, Verdict
from amd.fingerprint import VOTES_MIN, Fingerprint, Recogniser
from amd.policy import PRESETS
from amd.workers import spread

DATASETS: Final = Path(__file__).parents[1] / "datasets"
GREETINGS: Final = ("personal", "prompts", "first_word", "short_greeting", "greeting", "screening")
ANSWERS: Final = ("business", "hello_name", "hello", "hello_twice")
VOTES: Final = tuple(range(4, 41))
"""Thresholds whose times are kept."""
OTHERS: Final = 10
"""Other numbers' greetings that each number's is held against."""
CHUNK: Final = 800
LONGEST_S: Final = 24.0
LEAD_S: Final = (0.2, 2.0)
PEOPLE: Final = 8
"""Answers in person that each number is asked for."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Heard:
    """What one call came to: how long each number of votes took from the first word (s), and the detector."""

    at_s: dict[int, float]
    machine_s: float | None = None


@dataclass(frozen=True)
class Number:
    """The calls of one number."""

    kept: bytes | None
    again: Heard | None
    people: tuple[Heard, ...]
    query: Samples | None


def run(clips: Path, *, split: str, n_numbers: int, seed: int, jobs: int | None, out: Path | None) -> None:
    """Call, print, and write as JSON if asked to."""
    tasks = [(clips, split, seed, index) for index in range(n_numbers)]
    numbers = list(spread(_called, tasks, jobs=jobs))
    kept = [number for number in numbers if number.kept is not None]
    pairs = [
        (number.kept, kept[(index + 1 + by * 7) % len(kept)].query)
        for index, number in enumerate(kept)
        for by in range(OTHERS)
        if (1 + by * 7) % len(kept)
    ]
    others = list(spread(_held_against, pairs, jobs=jobs))
    data = figures(kept, others) | {"numbers": n_numbers, "split": split, "seed": seed}
    _print(data)
    if out is not None:
        out.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def figures(numbers: Iterable[Number], others: list[Heard]) -> dict[str, Any]:
    """Return the shares and times, for each threshold."""
    again = [number.again for number in numbers if number.again is not None]
    people = [person for number in numbers for person in number.people]
    rows = {}
    for votes in VOTES:
        times = [one.at_s[votes] for one in again if votes in one.at_s]
        both = [
            (one.at_s[votes], one.machine_s) for one in again if votes in one.at_s and one.machine_s is not None
        ]
        rows[votes] = {
            "known": _share(len(times), len(again)),
            "after_first_word_s": _quantiles(times),
            "saved_s": _quantiles([max(0.0, machine - known) for known, machine in both]),
            "missed_by_amd_and_known": sum(votes in one.at_s and one.machine_s is None for one in again),
            "people": _share(sum(votes in one.at_s for one in people), len(people)),
            "others": _share(sum(votes in one.at_s for one in others), len(others)),
        }
    machine = [one.machine_s for one in again if one.machine_s is not None]
    return {
        "votes_min": VOTES_MIN,
        "kept": len(again),
        "amd_says_machine": _share(len(machine), len(again)),
        "amd_after_first_word_s": _quantiles(machine),
        "by_votes": rows,
    }


def _print(data: dict[str, Any]) -> None:
    table = Table("votes", "known", "p50, p90 s", "saved p50 s", "people", "others", box=None, pad_edge=False)
    table.title = f"{data['kept']} greetings of composed calls, {data['split']}, called a second time"
    table.title_justify = "left"
    for votes, row in data["by_votes"].items():
        if votes % 4 == 0 or votes == data["votes_min"]:
            shares = [
                f"{row[name]['value']:.1%} ({row[name]['low']:.1%}-{row[name]['high']:.1%})"
                for name in ("known", "people", "others")
            ]
            after, saved = row["after_first_word_s"], row["saved_s"]
            times = f"{after[0]:.2f}, {after[1]:.2f}" if after else "-"
            table.add_row(
                f"{votes}{' *' if votes == data['votes_min'] else ''}",
                shares[0],
                times,
                f"{saved[0]:.2f}" if saved else "-",
                *shares[1:],
            )
    console = Console(width=130)
    console.print(table)
    after = data["amd_after_first_word_s"]
    console.print(f"amd by itself: machine {data['amd_says_machine']['value']:.1%}, p50, p90 {after}")


def _called(task: tuple[Path, str, int, int]) -> Number:
    clips_path, split, seed, index = task
    clips = _clips(clips_path, split)
    rng = np.random.default_rng((seed, index))
    name = str(rng.choice(GREETINGS))
    scene = _scene(clips, name, (seed, index, 0))
    first, _ = _over_a_line(scene, clips, rng)
    n_heard = _machine_at(first)
    if n_heard is None:
        return Number(None, None, (), None)
    known = Fingerprint.of(first[:n_heard])
    second, spoken = _over_a_line(scene, clips, rng)
    said = _machine_at(second)
    again = _hear([known], second, spoken)
    again = Heard(again.at_s, None if said is None else said / RATE_HZ - spoken)
    return Number(known.to_bytes(), again, tuple(_people(clips, scene, known, (seed, index, 1), rng)), second)


def _held_against(pair: tuple[bytes | None, Samples | None]) -> Heard:
    known, heard = pair
    return Heard({}) if known is None or heard is None else _hear([Fingerprint.from_bytes(known)], heard, 0.0)


def _people(clips: Any, scene: Any, known: Fingerprint, key: tuple[int, ...], rng: Rng) -> Iterator[Heard]:
    """Let the voice of the greeting answer in person a few times, with other clips, as far as it has some."""
    mine = _OnlyVoice(clips, {clip.group for clip in scene.used}, {clip.path for clip in scene.used})
    for turn in range(PEOPLE):
        try:
            answer = _scene(mine, ANSWERS[turn % len(ANSWERS)], (*key, turn))
        except _script("clips").ClipsError:
            continue
        heard, spoken = _over_a_line(answer, clips, rng)
        yield _hear([known], heard, spoken)


class _OnlyVoice:
    """The clips of some speakers, without some of them."""

    def __init__(self, clips: Any, groups: set[str], without: set[Path]) -> None:
        self._clips, self._groups, self._without = clips, groups, without
        self.split = clips.split

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clips, name)

    def of(self, kind: str, group: str, *lengths: float) -> list[Any]:
        return [clip for clip in self._clips.of(kind, group, *lengths) if clip.path not in self._without]

    def groups(self, kind: str) -> list[str]:
        found = self._clips.groups(kind)
        spoken = kind.startswith(("human", "machine"))
        return [group for group in found if not spoken or group in self._groups]

    def speaker(self, *args: Any, **kwargs: Any) -> list[Any]:
        return type(self._clips).speaker(self, *args, **kwargs)  # type: ignore[no-any-return]


def _scene(clips: Any, name: str, key: tuple[int, ...]) -> Any:
    """Return the scene of one content, without what comes before the first word."""
    scene = _empty(clips, np.random.default_rng(key))
    _script("compose").SCENES[name](scene)
    return scene


def _empty(clips: Any, rng: Rng) -> Any:
    return _script("scene").Scene(clips, _script("timing").Timing(), rng)


def _over_a_line(scene: Any, clips: Any, rng: Rng) -> tuple[Samples, float]:
    """Send a scene over a line of its own, after a silence of its own; say when the first word comes (s)."""
    sent, lines = _empty(clips, np.random.default_rng(rng.integers(2**63))), _script("lines")
    sent.call.pause(float(sent.rng.uniform(*LEAD_S)))
    start = sent.call.size
    sent.call.say(scene.call.clean)
    sent.call.speech = [(first + start, end + start) for first, end in scene.call.speech]
    sent.call.mute = [(first + start, end + start) for first, end in scene.call.mute]
    sent.used = scene.used
    sent.call.fill()
    sent.call.cut(LONGEST_S)
    samples = lines.over_a_line(sent, lines.codecs(sent.timing.codecs, ffmpeg=False)).samples
    first_word = sent.call.speech[0][0] if sent.call.speech else start
    return samples.astype(np.float32), first_word / RATE_HZ


def _machine_at(samples: Samples) -> int | None:
    """Return how many samples the detector hears until its final verdict, if that is a machine."""
    detector = Detector(PRESETS["balanced"])
    for event in (*detector.feed(samples), *detector.finish()):
        if isinstance(event, Verdict) and event.final:
            return round(event.known_s * RATE_HZ) if event.party is Party.MACHINE else None
    return None


def _hear(known: list[Fingerprint], samples: Samples, spoken: float) -> Heard:
    at_s: dict[int, float] = {}
    listening = Recogniser(known, votes_min=VOTES[-1])
    for start in range(0, samples.size, CHUNK):
        listening.feed(samples[start : start + CHUNK])
        for votes in VOTES:
            if votes <= listening.votes and votes not in at_s:
                at_s[votes] = min(start + CHUNK, samples.size) / RATE_HZ - spoken
    return Heard(at_s)


@functools.lru_cache(maxsize=2)
def _clips(path: Path, split: str) -> Any:
    return _script("clips").Clips(path, split)


def _script(name: str) -> Any:
    """Import one of the scripts that make data, by its plain name."""
    if str(DATASETS) not in sys.path:
        sys.path.append(str(DATASETS))
    return importlib.import_module(name)


def _share(count: int, total: int) -> dict[str, float]:
    return dataclasses.asdict(wilson(count, total))


def _quantiles(values: list[float]) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(values, [0.5, 0.9])] if values else []

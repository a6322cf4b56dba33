"""Customers who behave by a script: they let it ring, answer with some audio, press a key, hang up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from callback.errors import CallbackError
from callback.states import Outcome

RATE_HZ: Final = 8000
SAMPLES: Final = "callback.demo.samples"
"""`datasets/samples`, as it is installed."""
Sound = NDArray[np.int16]
"""Audio of shape (n,), 8 kHz, mono."""


class ScriptError(CallbackError, ValueError):
    """A script, or a habit, that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that a customer does, ``after_s`` after the one before it."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rings(Act):
    """It rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails(Act):
    """It is not answered, for this reason."""

    outcome: Outcome
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers(Act):
    """It is answered; this is heard, then line noise. None: nothing but the noise."""

    sound: Sound | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presses(Act):
    """A key, once it is asked for: ``after_s`` counts from the end of the question."""

    key: str = "1"
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds(Act):
    """Wait for an agent for ``patience_s``, then hang up; talk with one for ``talk_s``, then hang up."""

    patience_s: float
    talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HangsUp(Act):
    """The end."""


Script = Sequence[Act]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How often customers do what. The shares count from 0 to 1; what is left of them is no answer.

    Parameters
    ----------
    person, machine, fax, busy, bad_number, refused, network, silent : float
        What comes of a call. ``silent`` people say nothing, and press the key when asked.
    ring_s : tuple of two float, s
        It rings for so long, the least and the most.
    patience_s, talk_s : tuple of two float, s
        As long on hold, and as long with an agent.
    """

    person: float = 0.55
    machine: float = 0.2
    fax: float = 0.01
    busy: float = 0.05
    bad_number: float = 0.01
    refused: float = 0.01
    network: float = 0.02
    silent: float = 0.03
    ring_s: tuple[float, float] = (2.0, 15.0)
    patience_s: tuple[float, float] = (60.0, 300.0)
    talk_s: tuple[float, float] = (20.0, 120.0)

    def __post_init__(self) -> None:
        shares = [getattr(self, entry.name) for entry in fields(self) if entry.type == "float"]
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ScriptError(
                f"the shares must be at least 0 and at most 1 together, not {sum(shares)}: percentages?"
            )
        for name in ("ring_s", "patience_s", "talk_s"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ScriptError(f"{name}=({low}, {high}) must be the least and the most, in seconds: swapped?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounds:
    """What is heard of those who answer, by who it is."""

    person: Sequence[Sound]
    machine: Sequence[Sound]
    fax: Sequence[Sound] = ()


class Customers:
    """Draw what each call comes to: the same for the same seed, number and count of calls to it.

    Parameters
    ----------
    sounds : Sounds
    habits : Habits, optional
    seed : int
    """

    def __init__(self, sounds: Sounds, habits: Habits | None = None, *, seed: int = 0) -> None:
        self._sounds = sounds
        self._habits = habits or Habits()
        self._seed = seed
        self._calls: dict[str, int] = {}

    def script(self, number: str) -> Script:
        """Return the script of the next call to a number."""
        self._calls[number] = count = self._calls.get(number, 0) + 1
        rng = random.Random(f"{self._seed}/{number}/{count}")  # noqa: S311 -- a play, no secret
        habits = self._habits
        rings = Rings(after_s=1.0)
        wait_s = rng.uniform(*habits.ring_s)
        holds = Holds(patience_s=rng.uniform(*habits.patience_s), talk_s=rng.uniform(*habits.talk_s))
        kinds: Mapping[str, Script] = {
            "person": (rings, Answers(after_s=wait_s, sound=_one(rng, self._sounds.person)), holds),
            "machine": (
                rings,
                Answers(after_s=wait_s, sound=_one(rng, self._sounds.machine)),
                HangsUp(after_s=60.0),
            ),
            "fax": (rings, Answers(after_s=wait_s, sound=_one(rng, self._sounds.fax)), HangsUp(after_s=60.0)),
            "silent": (rings, Answers(after_s=wait_s), Presses(after_s=1.5, asked=True), holds),
            "busy": (Fails(after_s=1.0, outcome=Outcome.BUSY, cause="simulated busy"),),
            "bad_number": (Fails(after_s=1.0, outcome=Outcome.BAD_NUMBER, cause="simulated no such number"),),
            "refused": (rings, Fails(after_s=wait_s, outcome=Outcome.REFUSED, cause="simulated refusal")),
            "network": (Fails(after_s=0.5, outcome=Outcome.NETWORK, cause="simulated failure"),),
            "rings": (rings,),
        }
        shares = [getattr(habits, kind, 0.0) for kind in kinds]
        shares[-1] = max(0.0, 1.0 - sum(shares))
        (kind,) = rng.choices(list(kinds), shares)
        return kinds[kind]


def _one(rng: random.Random, sounds: Sequence[Sound]) -> Sound | None:
    return rng.choice(sounds) if sounds else None


def read_sound(path: Path) -> Sound:
    """Read a WAV file of 8 kHz, mono.

    Raises
    ------
    ScriptError
        It is another kind of file.
    """
    try:
        sound, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.SoundFileError:
        raise ScriptError(f"{path.name} cannot be read as audio: a missing file?") from None
    if rate_hz != RATE_HZ or sound.shape[1] != 1:
        raise ScriptError(f"{path.name} has {sound.shape[1]} channels at {rate_hz} Hz, need one at {RATE_HZ}")
    return np.ascontiguousarray(sound[:, 0])


def read_sounds(folder: Path) -> Sounds:
    """Read the samples of a folder: ``human-*.wav``, ``machine-*.wav``, ``fax-*.wav``."""
    found = {
        kind: tuple(read_sound(path) for path in sorted(folder.glob(f"{kind}-*.wav")))
        for kind in ("human", "machine", "fax")
    }
    if not found["human"] or not found["machine"]:
        raise ScriptError(f"folder {folder.name!r} has no human-*.wav and machine-*.wav: another folder?")
    return Sounds(person=found["human"], machine=found["machine"], fax=found["fax"])


def shipped_sounds() -> Sounds:
    """Read the samples that this package comes with (`datasets/samples`)."""
    try:
        installed = files(SAMPLES)
    except ModuleNotFoundError:  # a checkout
        return read_sounds(Path(__file__).parents[2] / "datasets" / "samples")
    with as_file(installed) as there:
        return read_sounds(there)

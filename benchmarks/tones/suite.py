"""The generated suite: which tones are sent over which lines, and where they truly lie."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.audio import RATE_HZ
from benchmarks.tones import line, signals
from benchmarks.tones.line import Floats

SNRS_DB: Final[tuple[float | None, ...]] = (6.0, 10.0, 15.0, 20.0, None)
"""Power of the tone against noise from 300 to 3400 Hz; None is no noise."""
IN_SPECIFICATION_SNRS_DB: Final[tuple[float | None, ...]] = (10.0, 15.0, 20.0, None)
LOSSES: Final = (0.0, 0.03)
LEVELS_DB: Final = (-30.0, -8.0)
AFTER_S: Final = 0.7
FOLLOWED_SHARE: Final = 0.15
FOLLOWED_AFTER_S: Final = (0.1, 0.4)
"""Some beeps are followed by a voice, which speaks after a breath."""
GUARD_SAMPLES: Final = 800
"""Between two trials that share a run of the codec."""
FAMILIES: Final = (
    "sit",
    "lone first tone",
    "fax",
    "dtmf",
    "nearly dtmf",
    "ringback",
    "busy",
    "reorder",
    "dial tone",
    "no beep",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work for one process: one codec over all other conditions once; ``repeat`` makes them differ."""

    family: str
    codec: str
    repeat: int
    seed: int

    def rng(self) -> np.random.Generator:
        """Randomness that depends on nothing but what the task is."""
        family, codec = ("beep", "signal").index(self.family), line.CODECS.index(self.codec)
        return np.random.default_rng([self.seed, family, codec, self.repeat])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One short call that holds one signal.

    ``expected`` is a tone's kind, or a SIT's sub-state; two kinds with a ``|`` between them where countries give
    one cadence two meanings.
    """

    family: str
    kind: str
    expected: str
    codec: str
    snr_db: float | None
    loss: float
    level_db: float
    background: str
    after: str
    spans_s: tuple[tuple[float, float], ...]
    freqs_hz: tuple[float, ...]
    samples: Floats


def tasks(seed: int, *, n_beep: int, n_signal: int) -> tuple[list[Task], int]:
    """Tasks that this machine can run, and how many were left out for want of a codec."""
    wanted = [
        Task(family=family, codec=codec, repeat=repeat, seed=seed)
        for family, n in (("beep", n_beep), ("signal", n_signal))
        for repeat, codec in itertools.product(range(n), line.CODECS)
    ]
    able = [task for task in wanted if task.codec in line.available_codecs()]
    return able, len(wanted) - len(able)


def trials(task: Task) -> list[Trial]:
    """Make the calls of a task and send them over its line."""
    rng = task.rng()
    clean = list(_beeps(task, rng) if task.family == "beep" else _signals(task, rng))
    guard = np.zeros(GUARD_SAMPLES)
    sent = line.round_trip(np.concatenate([part for one in clean for part in (one.samples, guard)]), task.codec)
    heard, at = [], 0
    for one in clean:
        samples = line.lose_packets(sent[at : at + one.samples.size], one.loss, rng)
        at += one.samples.size + GUARD_SAMPLES
        values = {name: getattr(one, name) for name in Trial.__dataclass_fields__}
        heard.append(Trial(**(values | {"samples": samples})))
    return heard


def _beeps(task: Task, rng: np.random.Generator) -> Iterator[Trial]:
    for kind, snr_db, loss in itertools.product(signals.BEEP_KINDS, SNRS_DB, LOSSES):
        spoken = rng.random() < 0.7
        made, spans_s, freqs_hz = signals.beep(kind, rng, after_speech=spoken)
        level_db = float(rng.uniform(*LEVELS_DB))
        lead = np.zeros(round(rng.uniform(0.6, 1.5) * RATE_HZ))
        if spoken:
            said = line.speech_like(round(rng.uniform(0.8, 1.6) * RATE_HZ), rng)
            speech_db = float(np.clip(level_db + rng.uniform(-10, 6), -34, -16))
            pause = np.zeros(round(rng.uniform(0.1, 0.8) * RATE_HZ))
            lead = np.concatenate([lead[: RATE_HZ // 4], line.gain_of(speech_db) * said, pause])
        before_s = lead.size / RATE_HZ
        parts = [lead, line.gain_of(level_db) * made, np.zeros(round(AFTER_S * RATE_HZ))]
        followed = rng.random() < FOLLOWED_SHARE
        if followed:
            parts[-1] = parts[-1][: round(rng.uniform(*FOLLOWED_AFTER_S) * RATE_HZ)]
            parts.append(line.gain_of(level_db + rng.uniform(-10, 6)) * line.speech_like(RATE_HZ // 2, rng))
        yield Trial(
            family="beep",
            kind=kind,
            expected="beep",
            codec=task.codec,
            snr_db=snr_db,
            loss=loss,
            level_db=level_db,
            background="speech" if spoken else "noise",
            after="speech" if followed else "noise",
            spans_s=tuple((on_s + before_s, off_s + before_s) for on_s, off_s in spans_s),
            freqs_hz=freqs_hz,
            samples=_with_noise(np.concatenate(parts), level_db, snr_db, rng),
        )


def _signals(task: Task, rng: np.random.Generator) -> Iterator[Trial]:
    for index, (family, kind, expected, made) in enumerate(_catalogue(rng)):
        snr_db = IN_SPECIFICATION_SNRS_DB[(index + task.repeat) % len(IN_SPECIFICATION_SNRS_DB)]
        loss = LOSSES[int(rng.integers(len(LOSSES)))]
        level_db = float(rng.uniform(*LEVELS_DB))
        lead = np.zeros(round(rng.uniform(0.2, 0.8) * RATE_HZ))
        parts = [lead, line.gain_of(level_db) * made, np.zeros(RATE_HZ)]
        yield Trial(
            family=family,
            kind=kind,
            expected=expected,
            codec=task.codec,
            snr_db=snr_db,
            loss=loss,
            level_db=level_db,
            background="noise",
            after="noise",
            spans_s=((lead.size / RATE_HZ, (lead.size + made.size) / RATE_HZ),),
            freqs_hz=(),
            samples=_with_noise(np.concatenate(parts), level_db, snr_db, rng),
        )


def _catalogue(rng: np.random.Generator) -> Iterator[tuple[str, str, str, Floats]]:
    """Everything but beeps: family, name, what should be said of it, samples."""
    for name, (state, _, _) in signals.SITS.items():
        yield "sit", name, state, signals.sit(name)
    for hz in (913.8, 950.0, 985.2):
        yield "lone first tone", f"{hz:.0f} Hz", "no sit", signals.tone([hz], signals.SHORT_S)
    for name, expected in (("CNG", "fax_cng"), ("CED", "fax_ced"), ("ANSam", "fax_ced")):
        yield "fax", name, expected, signals.fax(name)
    for digit in signals.DTMF_DIGITS:
        yield "dtmf", digit, "dtmf", signals.dtmf(digit, rng)
        yield "nearly dtmf", digit, "no dtmf", signals.no_dtmf(digit, rng)
    for row in signals.CADENCES:
        yield row[0], row[1], "|".join(signals.meanings(row)), signals.cadence(row)
    yield "no beep", "singing", "no beep", signals.sung(rng)
    yield "no beep", "hum", "no beep", signals.hum(rng)
    yield "dial tone", "one tone", "dial_tone", signals.tone([425.0], 4.0)
    yield "dial tone", "US", "dial_tone", signals.tone([350.0, 440.0], 4.0)


def _with_noise(clean: Floats, level_db: float, snr_db: float | None, rng: np.random.Generator) -> Floats:
    if snr_db is None:
        return clean
    behind = line.noise(clean.size, rng, pink=bool(rng.random() < 0.5))
    return np.asarray(clean + line.gain_of(level_db - snr_db) * behind)

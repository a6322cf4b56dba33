"""Generated tones of the telephone network with their truths, and the tables that they are made from.

Tones have unit power while they are on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from amd.audio import RATE_HZ
from benchmarks.tones.line import Floats

BEEP_KINDS: Final = ("single", "double", "two-tone", "harmonics", "swept")
SHORT_S, LONG_S = 0.274, 0.380
SITS: Final[dict[str, tuple[str, tuple[float, float, float], tuple[float, float, float]]]] = {
    "intercept": ("sit_intercept", (913.8, 1370.6, 1776.7), (SHORT_S, SHORT_S, LONG_S)),
    "vacant code": ("sit_vacant_code", (985.2, 1370.6, 1776.7), (LONG_S, SHORT_S, LONG_S)),
    "reorder, local": ("sit_reorder", (913.8, 1428.5, 1776.7), (SHORT_S, LONG_S, LONG_S)),
    "no circuit, local": ("sit_no_circuit", (985.2, 1428.5, 1776.7), (LONG_S, LONG_S, LONG_S)),
    "reorder, long distance": ("sit_reorder", (985.2, 1370.6, 1776.7), (SHORT_S, LONG_S, LONG_S)),
    "no circuit, long distance": ("sit_no_circuit", (913.8, 1370.6, 1776.7), (LONG_S, LONG_S, LONG_S)),
    "ITU-T E.180": ("sit_generic", (950.0, 1400.0, 1800.0), (0.33, 0.33, 0.33)),
    "German": ("sit_generic", (900.0, 1400.0, 1800.0), (0.33, 0.33, 0.33)),
}
"""Sub-state that it should give, frequencies in Hz, lengths in s."""
DTMF_ROWS_HZ: Final = (697.0, 770.0, 852.0, 941.0)
DTMF_COLUMNS_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
DTMF_DIGITS: Final = "123A456B789C*0#D"

Cadence = tuple[str, str, tuple[float, ...], float, tuple[int, ...]]
CADENCES: Final[tuple[Cadence, ...]] = (
    ("ringback", "US", (440, 480), 0, (2000, 4000)),
    ("ringback", "UK", (400, 450), 0, (400, 200, 400, 2000)),
    *(
        ("ringback", country, (425.0,), 0.0, (1000, 4000))
        for country in ("DE", "IT", "NL", "BR", "MX", "PL", "RU")
    ),
    ("ringback", "ES", (425,), 0, (1500, 3000)),
    ("ringback", "FR", (440,), 0, (1500, 3500)),
    ("ringback", "SE", (425,), 0, (1000, 5000)),
    ("ringback", "JP", (400,), 15, (1000, 2000)),
    ("ringback", "AU", (413, 438), 0, (400, 200, 400, 2000)),
    ("ringback", "IN", (400,), 25, (400, 200, 400, 2000)),
    ("ringback", "CN", (450,), 0, (1000, 4000)),
    ("ringback", "ZA", (400,), 33, (400, 200, 400, 2000)),
    ("busy", "US", (480, 620), 0, (500, 500)),
    ("busy", "UK", (400,), 0, (375, 375)),
    ("busy", "DE", (425,), 0, (480, 480)),
    ("busy", "ES", (425,), 0, (200, 200)),
    ("busy", "FR", (440,), 0, (500, 500)),
    *(("busy", country, (425.0,), 0.0, (500, 500)) for country in ("IT", "NL", "PL")),
    *(("busy", country, (425.0,), 0.0, (250, 250)) for country in ("BR", "MX", "SE")),
    ("busy", "RU", (425,), 0, (350, 350)),
    ("busy", "AU", (425,), 0, (375, 375)),
    ("busy", "CN", (450,), 0, (350, 350)),
    ("busy", "IN", (400,), 0, (750, 750)),
    ("busy", "JP", (400,), 0, (500, 500)),
    ("reorder", "US", (480, 620), 0, (250, 250)),
    ("reorder", "UK", (400,), 0, (400, 350, 225, 525)),
    ("reorder", "DE", (425,), 0, (240, 240)),
    ("reorder", "ES", (425,), 0, (200, 200, 200, 200, 200, 600)),
    ("reorder", "IT", (425,), 0, (200, 200)),
    ("reorder", "NL", (425,), 0, (250, 250)),
    ("reorder", "BR", (425,), 0, (250, 250, 750, 250)),
    ("reorder", "SE", (425,), 0, (250, 750)),
    ("reorder", "RU", (425,), 0, (175, 175)),
    ("reorder", "CN", (450,), 0, (700, 700)),
)
"""Kind, country, frequencies in Hz, rate of its amplitude modulation in Hz (0: none), on and off times in ms."""
SAME_WITHIN: Final = 0.05
NAMED_WITHIN: Final = 0.035
"""A pair so near to a network's is that one: ITU-T Q.24 lets receivers take a key's tones up to 3.5 % off."""
NAMED_PAIRS_HZ: Final = (
    *((row, column) for row in DTMF_ROWS_HZ for column in DTMF_COLUMNS_HZ),
    (350.0, 440.0),
    (400.0, 450.0),
    (440.0, 480.0),
    (480.0, 620.0),
)
PROGRESS_HZ: Final = (370.0, 500.0)
CNG_HZ: Final = (1050.0, 1150.0)
CNG_S: Final = (0.4, 0.6)
CADENCE_S: Final = {"ringback": 11.0, "busy": 5.5, "reorder": 5.5}
"""Long enough for two rings, or for more than three of anything else."""


def log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw from a law that gives every octave the same weight."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def tone(
    freqs_hz: Sequence[float],
    duration_s: float,
    *,
    amplitudes: Sequence[float] | None = None,
    end_ratio: float = 1.0,
    ramp_s: float = 0.005,
    am_hz: float = 0.0,
    am_depth: float = 0.8,
    phase_rad: float = 0.0,
) -> Floats:
    """Return a sum of sines with raised-cosine ramps, from its frequencies to ``end_ratio`` times them."""
    n = round(duration_s * RATE_HZ)
    time_s = np.arange(n) / RATE_HZ
    turns = time_s + (end_ratio - 1) * time_s**2 / (2 * duration_s)
    weights = np.asarray(amplitudes or [1.0] * len(freqs_hz))
    made = np.zeros(n)
    for order, (hz, weight) in enumerate(zip(freqs_hz, weights, strict=True)):
        made += weight * np.sin(2 * np.pi * hz * turns + phase_rad * (order + 1))
    made *= np.sqrt(2 / np.sum(weights**2))
    if am_hz:
        made *= (1 + am_depth * np.sin(2 * np.pi * am_hz * time_s)) / np.sqrt(1 + am_depth**2 / 2)
    size = min(round(ramp_s * RATE_HZ), n // 2)
    if size:
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / size)
        made[:size] *= rise
        made[-size:] *= rise[::-1]
    return made


def is_named(freqs_hz: Sequence[float]) -> bool:
    """Whether these tones are a key's or the network's, which no beep can be told from."""
    return len(freqs_hz) == 2 and any(
        abs(low - freqs_hz[0]) <= NAMED_WITHIN * low and abs(high - freqs_hz[1]) <= NAMED_WITHIN * high
        for low, high in NAMED_PAIRS_HZ
    )


def is_progress(freqs_hz: Sequence[float], duration_s: float) -> bool:
    """Whether such a tone, before anyone spoke, is ringback or CNG for all that anyone can tell."""
    low, high = PROGRESS_HZ
    return low <= freqs_hz[0] <= high or (
        CNG_HZ[0] <= freqs_hz[0] <= CNG_HZ[1] and CNG_S[0] <= duration_s <= CNG_S[1]
    )


def beep(
    kind: str, rng: np.random.Generator, *, after_speech: bool = True
) -> tuple[Floats, tuple[tuple[float, float], ...], tuple[float, ...]]:
    """Return one of `BEEP_KINDS`: samples, its spans in s (at half of the ramps' height), its frequencies.

    Where nobody spoke before it, it is none that could as well be ringback or a calling fax.
    """
    while True:
        made, spans_s, freqs_hz = _beep(kind, rng)
        if after_speech or not is_progress(freqs_hz, spans_s[0][1] - spans_s[0][0]):
            return made, spans_s, freqs_hz


def _beep(
    kind: str, rng: np.random.Generator
) -> tuple[Floats, tuple[tuple[float, float], ...], tuple[float, ...]]:
    ramp_s = float(rng.uniform(0.001, 0.012))
    duration_s = log_uniform(0.07, 1.5, rng) + ramp_s
    phase_rad = float(rng.uniform(0, 2 * np.pi))
    hz = log_uniform(350, 3400, rng)
    freqs_hz: tuple[float, ...] = (hz,)
    amplitudes, ratio = [1.0], 1.0
    if kind == "two-tone":
        while len(freqs_hz) < 2 or is_named(freqs_hz):
            hz = log_uniform(350, 2800, rng)
            freqs_hz = (hz, log_uniform(max(1.2 * hz, hz + 120), min(3400.0, 3 * hz), rng))
        amplitudes = [1.0, float(10 ** (rng.uniform(-6, 6) / 20))]
    elif kind == "harmonics":
        hz = log_uniform(350, 1130, rng)
        freqs_hz = (hz, 2 * hz, 3 * hz)
        amplitudes = [1.0, float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.1, 0.7))]
    elif kind == "swept":
        ratio = 1 + float(rng.choice([-1, 1]) * rng.uniform(0.03, 0.2))
        hz = log_uniform(350 / min(1, ratio), 3400 / max(1, ratio), rng)
        freqs_hz = (hz,)
    one = tone(freqs_hz, duration_s, amplitudes=amplitudes, end_ratio=ratio, ramp_s=ramp_s, phase_rad=phase_rad)
    span = (ramp_s / 2, one.size / RATE_HZ - ramp_s / 2)
    if kind != "double":
        return one, (span,), freqs_hz
    gap = np.zeros(round(rng.uniform(0.06, 0.25) * RATE_HZ))
    later_s = (one.size + gap.size) / RATE_HZ
    return np.concatenate([one, gap, one]), (span, (later_s + span[0], later_s + span[1])), freqs_hz


def sit(name: str) -> Floats:
    """Return the three tones of one of `SITS`."""
    _, freqs_hz, lengths_s = SITS[name]
    return np.concatenate([tone([hz], s, ramp_s=0.002) for hz, s in zip(freqs_hz, lengths_s, strict=True)])


def meanings(row: Cadence) -> list[str]:
    """Kinds that one of `CADENCES` stands for in any country: nobody can tell without knowing which."""
    _, _, freqs_hz, _, times_ms = row
    return sorted(
        {
            kind
            for kind, _, other_hz, _, other_ms in CADENCES
            if other_hz == freqs_hz
            and len(other_ms) == len(times_ms)
            and all(abs(a - b) <= SAME_WITHIN * b for a, b in zip(other_ms, times_ms, strict=True))
        }
    )


def sung(rng: np.random.Generator) -> Floats:
    """Return 5 s of sung notes: harmonics behind three formants, a pitch that sways as singers' do.

    Vibrato is 5 to 6.5 Hz, 30 to 100 cents (Prame 1994, 1997, doi:10.1121/1.410141, doi:10.1121/1.419735).
    """
    made = np.zeros(0)
    while made.size < 5 * RATE_HZ:
        n = round(rng.uniform(0.25, 1.2) * RATE_HZ)
        time_s = np.arange(n) / RATE_HZ
        pitch_hz = log_uniform(110, 700, rng)
        cents = rng.uniform(30, 100) * np.sin(2 * np.pi * rng.uniform(5.0, 6.5) * time_s + rng.uniform(0, 6))
        turns = np.cumsum(pitch_hz * 2 ** (cents / 1200)) / RATE_HZ
        formants_hz = (rng.uniform(300, 800), rng.uniform(900, 2200), rng.uniform(2300, 3000))
        note = np.zeros(n)
        for order in range(1, int(3600 / pitch_hz) + 1):
            hz = order * pitch_hz
            gain = sum(
                share / (1 + ((hz - f) / 120) ** 2) for f, share in zip(formants_hz, (1, 0.5, 0.2), strict=True)
            )
            note += (gain + 0.01) / order**0.5 * np.sin(2 * np.pi * order * turns)
        size = round(0.03 * RATE_HZ)
        note[:size] *= np.linspace(0, 1, size)
        note[-size:] *= np.linspace(1, 0, size)
        made = np.concatenate([made, note / (note.std() + 1e-9), np.zeros(round(rng.uniform(0, 0.15) * RATE_HZ))])
    return made[: 5 * RATE_HZ]


def hum(rng: np.random.Generator) -> Floats:
    """Return 5 s of mains hum with its harmonics, which reach into the telephone band."""
    time_s = np.arange(5 * RATE_HZ) / RATE_HZ
    mains_hz = float(rng.choice([50.0, 60.0]))
    made = np.zeros(time_s.size)
    for order in range(1, 20):
        made += rng.uniform(0.2, 1) / order * np.sin(2 * np.pi * order * mains_hz * time_s + rng.uniform(0, 6))
    return np.asarray(made / made.std())


def cadence(row: Cadence) -> Floats:
    """Return some cycles of one of `CADENCES`, beginning with a tone."""
    kind, _, freqs_hz, am_hz, times_ms = row
    pieces = [
        np.zeros(ms * RATE_HZ // 1000) if index % 2 else tone(freqs_hz, ms / 1000, am_hz=am_hz)
        for index, ms in enumerate(times_ms)
    ]
    cycle = np.concatenate(pieces)
    n = round(CADENCE_S[kind] * RATE_HZ)
    return np.asarray(np.tile(cycle, n // cycle.size + 1)[:n])


def fax(name: str) -> Floats:
    """Return CNG twice, CED, or ANSam (15 Hz at a fifth of the amplitude, its phase turned each 450 ms)."""
    if name == "CNG":
        one = tone([1100.0], 0.5)
        return np.concatenate([one, np.zeros(3 * RATE_HZ), one])
    if name == "CED":
        return tone([2100.0], 3.0)
    made = tone([2100.0], 3.3, am_hz=15.0, am_depth=0.2)
    turned = (np.arange(made.size) / RATE_HZ / 0.45).astype(int) % 2 == 1
    return np.asarray(np.where(turned, -made, made))


DTMF_OFF_MAX: Final = 0.015
DTMF_OFF_NONE: Final = 0.04
DTMF_LENGTHS_S: Final = (0.04, 0.12)
DTMF_TWIST_DB: Final = (-8.0, 4.0)
"""ITU-T Q.24: what a receiver takes at least (frequency off, length, higher tone against the lower one), and a
frequency that it must not take (from 3.5 % on)."""


def dtmf(digit: str, rng: np.random.Generator) -> Floats:
    """Return a digit somewhere within the limits of ITU-T Q.24."""
    row, column = divmod(DTMF_DIGITS.index(digit), 4)
    freqs_hz = [
        hz * (1 + rng.uniform(-DTMF_OFF_MAX, DTMF_OFF_MAX)) for hz in (DTMF_ROWS_HZ[row], DTMF_COLUMNS_HZ[column])
    ]
    twist = float(10 ** (rng.uniform(*DTMF_TWIST_DB) / 20))
    return tone(freqs_hz, rng.uniform(*DTMF_LENGTHS_S), amplitudes=[1.0, twist], ramp_s=0.001)


def no_dtmf(digit: str, rng: np.random.Generator) -> Floats:
    """Return what is nearly a digit: one of its tones 4 % off."""
    row, column = divmod(DTMF_DIGITS.index(digit), 4)
    off = 1 + DTMF_OFF_NONE * float(rng.choice([-1, 1]))
    freqs_hz = [DTMF_ROWS_HZ[row], DTMF_COLUMNS_HZ[column]]
    freqs_hz[int(rng.integers(2))] *= off
    return tone(freqs_hz, 0.08, ramp_s=0.001)

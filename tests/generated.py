"""Signals whose truth is known, and what the floors make of them.

Levels are mean squares in dB of full scale 1: a full-scale sine has -3 dB. All randomness comes from the caller.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

from amd.cadence import Run
from amd.callprogress import Heard
from amd.framing import Framer
from amd.hearing import Hearing, Moment
from amd.model import shipped
from amd.networks import Network
from amd.spectrum import FrameFacts, SpectrumAnalyser
from amd.tones import Tone, ToneTracker

RATE_HZ = 8000
Floats = npt.NDArray[np.float64]
DC_300 = 300 / 32768
SAMPLES = Path(__file__).parents[1] / "datasets" / "samples"


def size(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def times_s(seconds: float) -> Floats:
    return np.arange(size(seconds)) / RATE_HZ


def noise(rng: np.random.Generator, seconds: float, level_db: float) -> Floats:
    """White and Gaussian."""
    return rng.standard_normal(size(seconds)) * 10 ** (level_db / 20)


def dark_noise(rng: np.random.Generator, seconds: float, level_db: float, end_hz: float) -> Floats:
    """Noise below ``end_hz``, with slopes of 12 dB an octave."""
    sections = signal.butter(2, end_hz, fs=RATE_HZ, output="sos")
    dark = signal.sosfilt(sections, noise(rng, seconds, 0.0))
    return dark * 10 ** (level_db / 20) / np.sqrt(np.mean(dark**2))


def tone(freqs_hz: Sequence[float], seconds: float, level_db: float = -20.0, phase: float = 0.0) -> Floats:
    """Equal sines that start and end at once; ``level_db`` is their sum's."""
    amplitude = np.sqrt(2 / len(freqs_hz)) * 10 ** (level_db / 20)
    waves = [np.sin(2 * np.pi * freq_hz * times_s(seconds) + phase) for freq_hz in freqs_hz]
    return amplitude * np.sum(waves, axis=0)


def hum(seconds: float, level_db: float, freq_hz: float = 50.0) -> Floats:
    return tone([freq_hz], seconds, level_db)


def silence(seconds: float) -> Floats:
    return np.zeros(size(seconds))


def swept(low_hz: float, high_hz: float, seconds: float, level_db: float = -20.0) -> Floats:
    """A sine that goes from one frequency to the other at an even pace."""
    turns = np.cumsum(np.linspace(low_hz, high_hz, size(seconds))) / RATE_HZ
    return np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * turns)


def harmonics(freqs_hz: Sequence[float], overtones: float, seconds: float, level_db: float = -20.0) -> Floats:
    """A tone whose further frequencies have ``overtones`` times the amplitude of its first."""
    down_db = 20 * np.log10(overtones)
    waves = [tone([hz], seconds, level_db + (down_db if order else 0)) for order, hz in enumerate(freqs_hz)]
    return np.sum(waves, axis=0)


def pulses(pitch_hz: Floats) -> Floats:
    """A pulse each time that the phase of ``pitch_hz`` (one value per sample) passes a whole turn."""
    turns = np.floor(np.cumsum(pitch_hz) / RATE_HZ)
    return np.diff(turns, prepend=0.0)


def formants(excitation: Floats, places: Sequence[tuple[float, float]]) -> Floats:
    """Resonances at ``(frequency, bandwidth)`` in Hz, one after the other."""
    for freq_hz, width_hz in places:
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        angle = 2 * np.pi * freq_hz / RATE_HZ
        excitation = signal.lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], excitation)
    return excitation


VOWEL = ((600.0, 90.0), (1400.0, 120.0), (2500.0, 200.0))


def voice(rng: np.random.Generator, seconds: float, level_db: float, pitch_hz: float = 120.0) -> Floats:
    """A vowel whose pitch sways by a twentieth, up and down in half a second: 75 Hz/s at 120 Hz."""
    sway = 0.05 * np.sin(2 * np.pi * 2.0 * times_s(seconds) + rng.uniform(0, 2 * np.pi))
    vowel = formants(pulses(pitch_hz * (1 + sway)), VOWEL)
    return vowel * 10 ** (level_db / 20) / np.sqrt(np.mean(vowel**2))


def words(rng: np.random.Generator, seconds: float, level_db: float, pitch_hz: float = 120.0) -> Floats:
    """A voice with four syllables a second, 20 dB deep between them; loud at its first and its last sample."""
    dips = 0.5 - 0.5 * np.cos(2 * np.pi * round(4 * seconds) * times_s(seconds) / seconds)
    return voice(rng, seconds, level_db, pitch_hz) * (1 - 0.9 * dips)


def sentence(seconds: float, level_db: float, file: str = "machine-03.wav") -> Floats:
    """What a sample says, over and over, nearly without noise: a vowel alone is no speech to `amd.speech`."""
    rows = csv.DictReader((SAMPLES / "manifest.csv").read_text().splitlines())
    row = next(row for row in rows if row["file"] == file)
    start, end = (size(float(row[column])) for column in ("speech_start_s", "greeting_end_s"))
    said = soundfile.read(SAMPLES / file, dtype="float64")[0][start:end]
    return np.resize(said * 10 ** (level_db / 20) / np.sqrt(np.mean(said**2)), size(seconds))


def faded(samples: Floats, rise_s: float, fall_s: float) -> Floats:
    """``samples`` with a smooth start and end."""
    place = np.arange(samples.size) / RATE_HZ
    share = np.minimum(1, np.minimum(place / rise_s, place[::-1] / fall_s))
    return samples * np.sin(np.pi / 2 * share) ** 2


def placed(seconds: float, pieces: Iterable[tuple[float, Floats]]) -> Floats:
    """Silence with each piece added at its start in seconds."""
    out = silence(seconds)
    for start_s, piece in pieces:
        start = size(start_s)
        out[start : start + piece.size] += piece[: out.size - start]
    return out


def float32(samples: Floats) -> npt.NDArray[np.float32]:
    return samples.astype(np.float32)


def cut(samples: npt.NDArray[Any], at: Iterable[int]) -> Iterator[npt.NDArray[Any]]:
    """``samples`` in pieces that end at each of ``at`` and at the end."""
    edges = [0, *sorted(min(place, len(samples)) for place in at), len(samples)]
    return (samples[start:end] for start, end in pairwise(edges))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listened:
    """What `Hearing` made of a call: runs of speech (the last one closed), tones, moments."""

    runs: list[Run]
    tones: list[Heard]
    moments: list[Moment]

    @property
    def kinds(self) -> list[str]:
        return [str(heard.kind) for heard in self.tones]


def listen(samples: Floats) -> Listened:
    hearing = Hearing(shipped().network)
    moments = list(hearing.feed(float32(samples)))
    told = [*moments, hearing.finish()]
    runs = [moment.ended for moment in told if moment.ended is not None]
    tones = [heard for moment in told for heard in moment.tones]
    return Listened(runs=runs, tones=tones, moments=moments)


def facts_of(samples: Floats) -> FrameFacts:
    return SpectrumAnalyser().feed(Framer().feed(float32(samples)))


TONE_FACTS = ("tone_db", "noise_db", "peak_hz", "second_hz", "peak_share", "pair_share", "clarity")


def runs_of(samples: Floats) -> list[Tone]:
    """Everything like a tone in ``samples``, what their end cut off included."""
    facts, tracker = facts_of(samples), ToneTracker()
    columns = [facts.level_db, *(getattr(facts.tonal, name) for name in TONE_FACTS)]
    names = ("level_db", *TONE_FACTS)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    found = [tracker.step(index, **dict(zip(names, row, strict=True))) for index, row in enumerate(rows)]
    return [tone for tone in (*found, tracker.finish(facts.level_db.size)) if tone is not None]


def tones_of(samples: Floats) -> list[Tone]:
    """Those of them that stood still, above the noise."""
    return [tone for tone in runs_of(samples) if tone.steady and tone.over_noise_db > 6]


def steady_tone(**changes: Any) -> Tone:
    """A tone of 0.3 s as it is measured in near silence, but for what is changed."""
    place = {"on": 8000, "off": 10_400, "known": 10_800, "freqs_hz": (1000.0,), "steady": True, "n_frames": 17}
    power = {"level_db": -20.0, "clarity": 0.99, "clarity_min": 0.98, "spread_db": 0.1, "second_db": -30.0}
    course = {"sweep_hz_s": 0.5, "wander_hz": 0.5, "wander_max_hz": 0.5, "gaps": 0.0, "second_wander_hz": 0.0}
    edges = {"attack_frames": 1, "release_frames": 1}
    sides = dict.fromkeys(("rise_db", "fall_db", "rise_near_db", "fall_near_db"), 40.0)
    around = {"share_db": 0.0, "over_noise_db": 40.0, "alone_s": 2.0, "n_notes": 0}
    freqs_hz = changes.get("freqs_hz", place["freqs_hz"])
    pairs = {"pairs_hz": ((freqs_hz[0], freqs_hz[1] if len(freqs_hz) > 1 else 0.0),) * 12}
    return Tone(**{**place, **power, **course, **edges, **sides, **around, **pairs, **changes})


def state_size(thing: object) -> int:
    """How many values an object holds, through everything it refers to: what must not grow with a call."""
    if isinstance(thing, np.ndarray):
        return int(thing.size if thing.dtype.names is None else thing.nbytes // 8)  # records hold many
    if isinstance(thing, Network):
        return 0  # all calls share it
    if isinstance(thing, dict):
        return sum(state_size(value) for value in thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        return sum(state_size(value) for value in thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return sum(state_size(getattr(thing, field.name)) for field in dataclasses.fields(thing))
    if type(thing).__module__.startswith("amd.") and hasattr(thing, "__dict__"):
        return state_size(vars(thing))
    return 1

"""What the line sounds like in the first speech of a composed call: level, spectrum, noise, codec; no times.

Where speech is comes from the composer's truth, so no detector's errors are in it. Every call gives as much speech
as any other: how much there is would tell the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile

from amd.framing import Framer
from amd.spectrum import MEL_EDGES_BINS, SpectrumAnalyser
from amd.training.calls import in_samples, speech_mask
from benchmarks.fit_peers import Job

Floats = npt.NDArray[np.float64]

N_MEL: Final = len(MEL_EDGES_BINS) - 1
FRAMES_PER_S: Final = 62.5
NOT_NOISE: Final = ("ring", "music", "tone", "beep", "digital_silence", "own_voice")
"""What the composer puts on a call that is neither speech nor the line's noise."""
NOISE_FRAMES_MIN: Final = 3
TILT_BANDS: Final = slice(3, 18)
"""200 to 3200 Hz: what every telephone line carries."""
LOW_BANDS: Final = slice(0, 3)
HIGH_BANDS: Final = slice(18, N_MEL)
FAMILIES: Final = {
    "noise level": ("noise_db", "noise_below_speech_db"),
    "noise spectrum": tuple(f"noise_band_{band}" for band in range(N_MEL)),
    "speech spectrum": tuple(f"speech_band_{band}" for band in range(N_MEL)),
    "level": ("speech_db", "peak_above_db"),
    "tilt": ("speech_tilt", "noise_tilt"),
    "bandwidth": ("below_200_db", "above_3200_db"),
    "codec": ("share_zero", "share_repeated", "share_distinct", "step_median"),
}
FEATURES: Final = tuple(name for names in FAMILIES.values() for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call: its features (NaN where there is no noise to measure), who answered, and its speakers."""

    features: Floats
    machine: bool
    group: str


def channel_of(job: Job, speech_s: float) -> Heard | None:
    """Measure one call; None if there is not so much speech, or neither a person nor a machine answered."""
    if str(job.call.label) not in ("human", "machine"):
        return None
    samples, _ = soundfile.read(job.path, dtype="float64")
    facts = SpectrumAnalyser().feed(Framer().feed(samples.astype(np.float32)))
    n_frames = facts.level_db.size
    speech = np.flatnonzero(speech_mask(in_samples(job.truth["speech"]), n_frames))
    n_speech = round(speech_s * FRAMES_PER_S)
    if speech.size < n_speech:
        return None
    speech = speech[:n_speech]
    features = measure(samples, facts, speech, _noise(job.truth, speech, n_frames))
    return Heard(
        features=np.array([features[name] for name in FEATURES]),
        machine=str(job.call.label) == "machine",
        group=job.call.columns["group"],
    )


def _noise(truth: dict[str, Any], speech: npt.NDArray[np.intp], n_frames: int) -> npt.NDArray[np.intp]:
    """Frames before and between that speech in which there is nothing but the line and what is behind it."""
    spans = [span for name in NOT_NOISE for span in truth.get(name, []) if len(span) == 2]
    taken = speech_mask(in_samples(truth["speech"]), n_frames) | speech_mask(in_samples(spans), n_frames)
    near = (
        np.convolve(taken, np.ones(3), mode="same") > 0
    )  # frames overlap by half: their neighbours hold some of it
    return np.flatnonzero(~near[: speech[-1] + 1])


def measure(
    samples: Floats, facts: Any, speech: npt.NDArray[np.intp], noise: npt.NDArray[np.intp]
) -> dict[str, float]:
    """Measure speech and noise frames, by name."""
    said = 10 * np.log10(np.mean(10 ** (facts.mel_db[speech] / 10), axis=0))
    said_db = _mean_db(facts.level_db[speech])
    pieces = np.concatenate([samples[index * 128 : index * 128 + 128] for index in speech.tolist()])
    found = {
        "speech_db": said_db,
        "peak_above_db": float(np.max(facts.level_db[speech]) - said_db),
        "speech_tilt": _tilt(said),
        "below_200_db": float(said[LOW_BANDS].mean() - said.mean()),
        "above_3200_db": float(said[HIGH_BANDS].mean() - said.mean()),
        "share_zero": float(np.mean(pieces == 0)),
        "share_repeated": float(np.mean(np.diff(pieces) == 0)),
        "share_distinct": np.unique(pieces).size / pieces.size,
        "step_median": float(np.median(np.diff(np.unique(np.abs(pieces))))) if np.ptp(pieces) else 0.0,
        **{f"speech_band_{band}": float(value) for band, value in enumerate(said - said.mean())},
    }
    if noise.size < NOISE_FRAMES_MIN:
        return dict.fromkeys(FEATURES, float("nan")) | found
    behind = 10 * np.log10(np.mean(10 ** (facts.mel_db[noise] / 10), axis=0))
    noise_db = _mean_db(facts.level_db[noise])
    return found | {
        "noise_db": noise_db,
        "noise_below_speech_db": said_db - noise_db,
        "noise_tilt": _tilt(behind),
        **{f"noise_band_{band}": float(value) for band, value in enumerate(behind - behind.mean())},
    }


def _mean_db(levels_db: npt.NDArray[Any]) -> float:
    return float(10 * np.log10(np.mean(10 ** (levels_db.astype(np.float64) / 10))))


def _tilt(bands_db: Floats) -> float:
    """Slope of the bands that every line carries, in dB a band."""
    bands = bands_db[TILT_BANDS]
    return float(np.polyfit(np.arange(bands.size), bands, 1)[0])

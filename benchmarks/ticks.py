"""Calls as ticks with labels, for baselines: what the shipped network is compared to gets the same ticks.

Evidence is that of `amd.evidence` without what the network says, and beside it the mean and spread of the spectrum
over the speech so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from amd.audio import Samples
from amd.evidence import NAMES, TICK_FRAMES
from amd.framing import Framer
from amd.spectrum import MEL_EDGES_BINS, SpectrumAnalyser
from amd.training import calls
from amd.training.answer import PARTIES, Heard, heard_of, lesson_of
from amd.training.listening import Recorded, hear
from amd.workers import spread
from benchmarks import fit_peers
from benchmarks.fit_peers import Job, Timed
from benchmarks.peers import activity, asterisk
from benchmarks.peers.asterisk import PeerVerdict

Floats = npt.NDArray[np.float32]

N_MEL: Final = len(MEL_EDGES_BINS) - 1
EVIDENCE: Final = tuple(name for name in NAMES if name != "voice_log_odds")
SPECTRAL: Final = (
    *(f"mean_{band}" for band in range(N_MEL)),
    *(f"spread_{band}" for band in range(N_MEL)),
    *("voicing", "pitch_octaves", "pitch_spread"),
)
FEATURES: Final = (*EVIDENCE, *SPECTRAL)
"""Bands are in dB, against the mean of the frame's bands: the gain of the line is not in them."""
PITCH_MIDDLE_HZ: Final = 160.0
VOICING_MIN: Final = 0.36


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """One call: what was heard, the features of each tick, and how much its verdict counts.

    Parameters
    ----------
    heard : Recorded
    features : ndarray of float32, shape (n_ticks, len(FEATURES))
        NaN before anyone spoke.
    end_features : ndarray of float32, shape (len(FEATURES),)
        At the end of the audio.
    weight : ndarray of float32, shape (n_ticks,)
        As the network was fitted: most in the wait after the greeting (`amd.training.answer`).
    lesson : amd.training.answer.Heard
        What a network of the verdict learns from the call.
    asterisk : PeerVerdict
        What Asterisk's rules say.
    timed : Timed or None
        The masks of others on the call, and fifteen times of one; None where webrtcvad or silero-vad is missing.
    """

    heard: Recorded
    features: Floats
    end_features: Floats
    weight: Floats
    lesson: Heard
    asterisk: PeerVerdict
    timed: Timed | None

    @property
    def machine(self) -> bool:
        """Whether a machine answered."""
        return self.heard.call is not None and str(self.heard.call.label) == "machine"

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """Ticks of people and machines that count, once someone spoke."""
        answered = self.heard.call is not None and str(self.heard.call.label) in PARTIES
        return np.asarray((self.weight > 0) & ~np.isnan(self.heard.machine_probability) & answered)

    def judged(self, p_machine: npt.NDArray[np.float64], end_p: float) -> Recorded:
        """Return the call with another opinion at each tick, and at the end."""
        spoken = ~np.isnan(self.heard.machine_probability)
        end = end_p if self.heard.end is None else float("nan")
        return replace(self.heard, machine_probability=np.where(spoken, p_machine, np.nan), end_probability=end)


def ticks_of(job: Job) -> Ticks:
    """Hear one call."""
    heard = hear(job.path, call=job.call)
    samples, _ = soundfile.read(job.path, dtype="float32")
    rows = spectral(samples)[: heard.n_ticks]
    if rows.shape[0] != heard.n_ticks:
        raise ValueError(
            f"{job.path}: {rows.shape[0]} ticks of spectra where {heard.n_ticks} were heard; 8 kHz mono?"
        )
    columns = [NAMES.index(name) for name in EVIDENCE]
    last = rows[-1] if rows.shape[0] else np.full(len(SPECTRAL), np.nan)
    return Ticks(
        heard=heard,
        features=np.concatenate([heard.evidence[:, columns], rows], axis=1).astype(np.float32),
        end_features=np.concatenate([heard.end_evidence[columns], last]).astype(np.float32),
        weight=lesson_of(job.truth, heard.n_ticks)[1].astype(np.float32),
        lesson=heard_of(next(calls.ticks_of([samples])), job.truth),
        asterisk=asterisk.judge(samples),
        timed=fit_peers.hear(job) if fit_peers.can_hear() else None,
    )


def spectral(samples: Samples) -> Floats:
    """Mean and spread of the spectrum over the speech so far, at each tick; NaN before any."""
    facts = SpectrumAnalyser().feed(Framer().feed(samples))
    active = activity.ours(samples)
    shape = facts.mel_db - facts.mel_db.mean(axis=1, keepdims=True)
    voiced = active & (facts.voicing >= VOICING_MIN)
    octaves = np.log2(np.maximum(facts.pitch_hz, 1.0) / PITCH_MIDDLE_HZ)[:, None]
    mean, spread = _so_far(shape, active)
    voicing, _ = _so_far(facts.voicing[:, None], active)
    pitch, pitch_spread = _so_far(octaves, voiced)
    rows = np.concatenate([mean, spread, voicing, pitch, pitch_spread], axis=1)
    return np.asarray(rows[TICK_FRAMES - 1 :: TICK_FRAMES], dtype=np.float32)


def _so_far(
    values: Floats, kept: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of the rows kept up to each row; NaN before the first."""
    taken = np.where(kept[:, None], values, 0.0).astype(np.float64)
    n = np.cumsum(kept)[:, None].astype(np.float64)
    n[n == 0] = np.nan
    mean = np.cumsum(taken, axis=0) / n
    return mean, np.sqrt(np.maximum(np.cumsum(taken**2, axis=0) / n - mean**2, 0.0))


def hear_all(jobs: Sequence[Job], n_jobs: int | None) -> list[Ticks]:
    """Hear calls in order, on as many cores as there are unless told."""
    return list(spread(ticks_of, jobs, jobs=n_jobs))

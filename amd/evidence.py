"""Everything known so far as one fixed, named vector: what the model sees, and nothing else.

A value that is not known (no speech yet, say) is NaN, never zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from amd.audio import RATE_HZ, Samples
from amd.cadence import Cadence

TICK_FRAMES: Final = 6
"""Evidence is taken every 96 ms: about ten times a second."""

DOCS: Final = {
    "time_s": "since answer: the start of the audio, or, where it rang on, the end of ringback",
    "onset_s": "from answer, as above, to the first speech",
    "since_onset_s": "since the first speech began",
    "speech_s": "speech so far, pauses within runs counted, pauses between runs not",
    "span_s": "from the first speech to the last speech so far",
    "gap_s": "silence since the last speech",
    "longest_pause_s": "longest pause after which speech went on",
    "n_runs": "runs of speech so far",
    "voiced_share": "share of speech frames that are periodic",
    "snr_db": "level above the noise floor, mean over the frames of speech",
    "voice_log_odds": "log-odds of a recording by all that was heard, from the network of `amd.answer`",
}
"""What each value means; the order is the order of the vector."""
NAMES: Final = tuple(DOCS)
_FROM_ANSWER: Final = tuple(NAMES.index(name) for name in ("time_s", "onset_s"))


class EvidenceTaker:
    """Keep the sums that the vector needs beyond what `Cadence` keeps."""

    def __init__(self) -> None:
        self._n_active = 0
        self._n_voiced = 0
        self._snr_sum_db = 0.0
        self._voice_log_odds = 0.0

    def step(self, *, active: bool, voiced: bool, snr_db: float) -> None:
        """Take the next frame."""
        if active:
            self._n_active += 1
            self._n_voiced += voiced
            self._snr_sum_db += snr_db

    def listen(self, voice_log_odds: float) -> None:
        """Take what the network made of the last tick."""
        self._voice_log_odds = voice_log_odds

    def vector(self, now: int, cadence: Cadence) -> Samples:
        """Evidence as of sample ``now``: float32 of shape ``(len(NAMES),)``."""
        time_s = now / RATE_HZ
        if cadence.first_on is None:
            return np.array([time_s] + [np.nan] * (len(NAMES) - 1), dtype=np.float32)
        onset_s = cadence.first_on / RATE_HZ
        last_s = cadence.last_off / RATE_HZ
        values = {
            "time_s": time_s,
            "onset_s": onset_s,
            "since_onset_s": time_s - onset_s,
            "speech_s": cadence.speech_samples / RATE_HZ,
            "span_s": last_s - onset_s,
            "gap_s": max(0.0, time_s - last_s),
            "longest_pause_s": cadence.longest_pause_samples / RATE_HZ,
            "n_runs": float(cadence.n_runs),
            "voiced_share": self._n_voiced / max(1, self._n_active),
            "snr_db": self._snr_sum_db / max(1, self._n_active),
            "voice_log_odds": self._voice_log_odds,
        }
        return np.array([values[name] for name in NAMES], dtype=np.float32)


def counted_from(answer: int, vector: Samples) -> Samples:
    """Count the times of evidence that is as of the audio's start from sample ``answer`` instead."""
    counted = vector.copy()
    counted[list(_FROM_ANSWER)] -= np.float32(answer / RATE_HZ)
    return counted

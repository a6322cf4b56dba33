"""Everything known so far as one fixed, named vector: what the model sees, and nothing else.

A value that is not known (no speech yet, say) is NaN, never zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.audio import RATE_HZ, Samples
from amd.cadence import FIRST_ON, LONGEST, N_RUNS, Cells, last_off, speech_samples, spoken
from amd.compiled import exact

Doubles = npt.NDArray[np.float64]

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
"""What each value means; the order is the order of the vector, which `fill` keeps."""
NAMES: Final = tuple(DOCS)
_FROM_ANSWER: Final = tuple(NAMES.index(name) for name in ("time_s", "onset_s"))


N_SUMS: Final = 4
N_ACTIVE, N_VOICED, SNR_DB, VOICE = range(N_SUMS)
"""What is kept of a call beyond its cadence: frames of speech and of voice, the sum of their levels above the
floor, and what the network made of the last tick."""


@exact
def fill(now: int, cells: Cells, sums: Doubles, vector: Samples) -> None:
    """Write evidence as of sample ``now``: float32 of shape ``(len(NAMES),)``, from a call's cadence and sums."""
    time_s = now / RATE_HZ
    vector[:] = np.nan
    vector[0] = time_s
    if not spoken(cells):
        return
    onset_s, last_s = cells[FIRST_ON] / RATE_HZ, last_off(cells) / RATE_HZ
    n_active = max(1.0, sums[N_ACTIVE])
    vector[1] = onset_s
    vector[2] = time_s - onset_s
    vector[3] = speech_samples(cells) / RATE_HZ
    vector[4] = last_s - onset_s
    vector[5] = max(0.0, time_s - last_s)
    vector[6] = cells[LONGEST] / RATE_HZ
    vector[7] = cells[N_RUNS]
    vector[8] = sums[N_VOICED] / n_active
    vector[9] = sums[SNR_DB] / n_active
    vector[10] = sums[VOICE]


def counted_from(answer: int, vector: Samples) -> Samples:
    """Count the times of evidence that is as of the audio's start from sample ``answer`` instead."""
    counted = vector.copy()
    counted[list(_FROM_ANSWER)] -= np.float32(answer / RATE_HZ)
    return counted

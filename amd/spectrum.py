"""Per-frame facts: level, band energies, periodicity and spectral peaks.

Everything here is a function of one row, but for the periodicity, which is averaged over three frames, and the
facts for tones, which are taken above the noise that was heard so far. Rows are computed independently of how many
there are and of whose they are, so the facts do not depend on how the stream was cut, nor on other calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from amd.compiled import exact
from amd.framing import FRAME_SAMPLES, Slots
from amd.peaks import peaks
from amd.powers import (
    BAND_EDGES_BINS,
    BANDS,
    BIN_HZ,
    COSINES,
    END_BIN,
    FIRST_BIN,
    LEVEL,
    LEVEL_MIN_DB,
    MEL_EDGES_BINS,
    N_LEVELS,
    N_MEL,
    NOISE,
    TONE,
    WINDOW,
    Floats,
    periodicity,
    powers,
)
from amd.products import Matrix, multiply
from amd.transform import N_PARTS, transform, transform_few
from amd.whitening import Noises, NoiseShape, follow

__all__ = [
    "BAND_EDGES_BINS",
    "BIN_HZ",
    "END_BIN",
    "FIRST_BIN",
    "LEVEL",
    "LEVEL_MIN_DB",
    "MEL_EDGES_BINS",
    "NOISE",
    "TONE",
    "Floats",
    "FrameFacts",
    "SpectrumAnalyser",
    "Table",
    "TonalFacts",
]

_TEN: Final = np.float32(10)
BLOCK_FRAMES: Final = 256
"""So many at once stay in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TonalFacts:
    """What `amd.tones` follows: the peaks as in `FrameFacts`, but above the line's noise; arrays of ``(n,)``.

    Parameters
    ----------
    peak_hz, second_hz : float32
        The two strongest peaks of the power over that of the noise.
    peak_share, pair_share, clarity : float32
        As there, of the power over the noise, less what noise alone would leave beside them.
    tone_db : float32
        Power that the tone has, in dB of full scale.
    noise_db : float32
        Power of the noise that is expected, in dB of full scale.
    """

    peak_hz: Floats
    second_hz: Floats
    peak_share: Floats
    pair_share: Floats
    clarity: Floats
    tone_db: Floats
    noise_db: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFacts:
    """Facts of ``n`` successive frames, each an array of shape ``(n,)`` unless it says otherwise.

    Parameters
    ----------
    level_db : float32
        Mean square from 250 to 3500 Hz, in dB of full scale.
    bands_db : float32, shape (n, 6)
        The same, band by band.
    mel_db : float32, shape (n, 20)
        The same in bands of `MEL_EDGES_BINS`, from `MEL_MIN_DB` on.
    voicing : float32
        Highest normalised autocorrelation at the lags of voices, averaged over three frames: 0 (noise) to
        about 1 (a steady vowel or a tone).
    pitch_hz : float32
        The rate of that lag.
    peak_hz, second_hz : float32
        Frequencies of the strongest spectral peak and of the strongest one well apart from it.
    peak_share, pair_share : float32
        Share of the power that lies in the strongest peak, and in both.
    clarity : float32
        How much of the power one generated tone can explain: the most of both peaks, of a wider neighbourhood
        of the strongest one (a sweep), and of it with its harmonics.
    tonal : TonalFacts
        Peaks above the noise.
    """

    level_db: Floats
    bands_db: Floats
    mel_db: Floats
    voicing: Floats
    pitch_hz: Floats
    peak_hz: Floats
    second_hz: Floats
    peak_share: Floats
    pair_share: Floats
    clarity: Floats
    tonal: TonalFacts


class Table(NamedTuple):
    """Facts of ``n`` frames, as columns side by side.

    Parameters
    ----------
    levels_db : ndarray of float32, shape (n, N_LEVELS)
        Levels of the mel bands, of the frame (`LEVEL`), of six bands, of a tone (`TONE`), of the noise (`NOISE`).
    plain, tonal : ndarray of float32, shape (n, 5)
        Frequencies of both peaks, their shares, clarity: of the power, and above the noise.
    voiced : ndarray of float32, shape (n, 2)
        Voicing, and pitch in Hz.
    """

    levels_db: Floats
    plain: Floats
    tonal: Floats
    voiced: Floats

    def facts(self) -> FrameFacts:
        """The same, by name."""
        levels_db, plain, tonal, voiced = self
        return FrameFacts(
            level_db=levels_db[:, LEVEL],
            bands_db=levels_db[:, BANDS:TONE],
            mel_db=levels_db[:, :N_MEL],
            voicing=voiced[:, 0],
            pitch_hz=voiced[:, 1],
            peak_hz=plain[:, 0],
            second_hz=plain[:, 1],
            peak_share=plain[:, 2],
            pair_share=plain[:, 3],
            clarity=plain[:, 4],
            tonal=TonalFacts(
                peak_hz=tonal[:, 0],
                second_hz=tonal[:, 1],
                peak_share=tonal[:, 2],
                pair_share=tonal[:, 3],
                clarity=tonal[:, 4],
                tone_db=levels_db[:, TONE],
                noise_db=levels_db[:, NOISE],
            ),
        )


class SpectrumAnalyser:
    """Frames of some calls in, facts out; keeps their last two frames' powers, and what their noise is like."""

    def __init__(self, n_calls: int = 1) -> None:
        self.recent: Floats = np.zeros((n_calls, 2, END_BIN - FIRST_BIN), dtype=np.float32)
        self._noise = NoiseShape(FIRST_BIN, END_BIN, n_calls)
        self.noises = self._noise.calls

    def clear(self, slot: int) -> None:
        """Forget what was heard on a call: another one begins."""
        self.recent[slot] = 0
        self._noise.clear(slot)

    def feed(self, frames: Floats, slots: Slots | None = None) -> FrameFacts:
        """Analyse ``frames`` of shape ``(n, FRAME_SAMPLES)``.

        ``slots`` says whose frame each is, call 0's unless given; those of one call are in order.
        """
        if slots is None:
            slots = np.zeros(frames.shape[0], dtype=np.intp)
        return self.analyse(frames, slots).facts()

    def analyse(self, frames: Floats, slots: Slots) -> Table:
        """The same, as columns side by side."""
        table = table_of(frames.shape[0])
        for at in range(0, frames.shape[0], BLOCK_FRAMES):
            rows = slice(at, at + BLOCK_FRAMES)
            self._analyse(frames[rows], slots[rows], *(columns[rows] for columns in table))
        in_decibels(table.levels_db)
        return table

    def _analyse(
        self, frames: Floats, slots: Slots, levels: Floats, plain: Floats, tonal: Floats, voiced: Floats
    ) -> None:
        """Fill the rows of some frames."""
        power = np.empty((frames.shape[0], END_BIN), dtype=np.float32)
        mean = np.empty((frames.shape[0], END_BIN - FIRST_BIN), dtype=np.float32)
        powers(transform(frames * WINDOW), slots, self.recent, power, mean, levels)
        periodicity(cosines().times(mean), voiced)
        peaks(power, self._noise.feed(power, slots), levels, plain, tonal)


def table_of(n_frames: int) -> Table:
    """Set aside a table, to be filled."""
    return Table(
        np.empty((n_frames, N_LEVELS), dtype=np.float32),
        np.empty((n_frames, 5), dtype=np.float32),
        np.empty((n_frames, 5), dtype=np.float32),
        np.empty((n_frames, 2), dtype=np.float32),
    )


def in_decibels(levels: Floats) -> None:
    """Tell powers in dB, in place: by numpy, whose logarithm takes many at a time."""
    np.log10(levels, out=levels)
    np.multiply(levels, _TEN, out=levels)


@cache
def cosines() -> Matrix:
    """Return what makes a spectrum's periodicity of its power."""
    return Matrix(COSINES)


@exact
def analyse_few(
    frames: Floats,
    slots: Slots,
    recent: Floats,
    noises: Noises,
    lags: Floats,
    last_lags: Floats,
    levels: Floats,
    plain: Floats,
    tonal: Floats,
    voiced: Floats,
) -> None:
    """As `SpectrumAnalyser.analyse`, to powers in place of dB, with nothing of a library's: for some frames alone.

    The frames are weighted by the window in place.
    """
    n = frames.shape[0]
    parts = np.empty((n, N_PARTS), dtype=np.float32)
    power = np.empty((n, END_BIN), dtype=np.float32)
    mean = np.empty((n, END_BIN - FIRST_BIN), dtype=np.float32)
    noise = np.empty((n, END_BIN - FIRST_BIN), dtype=np.float32)
    correlations = np.empty((n, lags.shape[1] + last_lags.shape[0]), dtype=np.float32)
    for row in range(n):
        for at in range(FRAME_SAMPLES):
            frames[row, at] *= WINDOW[at]
    transform_few(frames, parts)
    powers(parts, slots, recent, power, mean, levels)
    multiply(mean, lags, last_lags, correlations)
    periodicity(correlations, voiced)
    follow(power, FIRST_BIN, slots, noises, noise)
    peaks(power, noise, levels, plain, tonal)

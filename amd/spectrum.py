"""Per-frame facts: level, band energies, periodicity and spectral peaks.

Everything here is a function of one row, but for the periodicity, which is averaged over three frames, and the
facts for tones, which are taken above the noise that was heard so far. Rows are computed independently of how many
there are, so the facts do not depend on how the stream was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from amd.audio import RATE_HZ
from amd.framing import FRAME_SAMPLES
from amd.whitening import NoiseShape

Floats = npt.NDArray[np.float32]
Bins = npt.NDArray[np.intp]

BIN_HZ: Final = RATE_HZ / FRAME_SAMPLES
FIRST_BIN: Final = 8
"""250 Hz: above mains hum and its first harmonics, and above what DC leaks into the window's main lobe."""
END_BIN: Final = 112
"""3500 Hz: the end of the telephone band."""
BAND_EDGES_BINS: Final = (8, 13, 20, 30, 44, 66, 112)
"""Six bands, 250 to 3500 Hz, of about equal width on the Bark scale."""
MEL_EDGES_BINS: Final = (3, 5, 8, 11, 14, 17, 20, 24, 28, 33, 38, 44, 50, 56, 63, 71, 80, 89, 99, 110, 122)
"""Twenty bands, 94 to 3812 Hz, of about equal width on the mel scale and two bins at least: what a voice's pitch
and a wide band's end hold is kept; a DC offset reaches bin 1 only."""
MEL_MIN_DB: Final = -160.0
"""A quiet line's noise, 40 dB down and in one band, is above it: the shape of a spectrum does not depend on the
gain."""
LEVEL_MIN_DB: Final = -120.0
"""Levels stop here, give or take the rounding of float32."""
LAG_MIN_SAMPLES: Final = 20
LAG_MAX_SAMPLES: Final = 100
"""Voices from 80 to 400 Hz: beyond lag 100 a 32 ms window holds too little of a period pair."""
_LOBE_BINS: Final = 2
"""A Hann window's main lobe reaches two bins to either side of a tone."""
_WIDE_BINS: Final = 5
"""A tone that sweeps by 5 kHz a second, or whose phase a lost packet breaks, stays within 156 Hz of its peak."""
_HARMONICS: Final = (2, 3, 4)
WHITENED_TO: Final = 0.03
"""Noise counts as no quieter than this share of a frame's mean power a bin, 15 dB below it: what is far louder
than the noise, as speech on a good line, keeps its shape. From 0.01 to 0.3 it matters little."""
NOISE_KNOWN: Final = 0.7
"""Share of the expected noise that does not count against a tone: all of it would leave as many frames of plain
noise with a clear peak as there are of speech. The rest counts where less is left than the noise would leave, too:
after a call that begins within a word, what is quieter than that word is no tone for that."""

_WINDOW: Final = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)).astype(np.float32)
_POWER_SCALE: Final = np.float32(2.0 / (FRAME_SAMPLES * float(np.sum(_WINDOW.astype(np.float64) ** 2))))
_WINDOW_LAG: Final = np.sqrt(
    (np.correlate(_WINDOW, _WINDOW, "full")[FRAME_SAMPLES - 1 :] / np.sum(_WINDOW**2)).astype(np.float32)
)
"""Square root of the window's autocorrelation: half of Boersma's correction (1993, "Accurate short-term
analysis of the fundamental frequency"), since all of it lifts noise at long lags more than it helps voices."""


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


class SpectrumAnalyser:
    """Frames in, facts out; keeps the autocorrelations of the last two frames, and what the noise is like."""

    def __init__(self) -> None:
        self._autocorrelations: Floats = np.zeros((2, LAG_MAX_SAMPLES + 1), dtype=np.float32)
        self._noise = NoiseShape(FIRST_BIN, END_BIN)

    def feed(self, frames: Floats) -> FrameFacts:
        """Analyse ``frames`` of shape ``(n, FRAME_SAMPLES)``."""
        spectrum = fft.rfft(frames * _WINDOW)
        power = (spectrum.real**2 + spectrum.imag**2) * _POWER_SCALE
        mel = np.add.reduceat(power[:, : MEL_EDGES_BINS[-1]], MEL_EDGES_BINS[:-1], axis=1)
        power[:, :FIRST_BIN] = 0
        power[:, END_BIN:] = 0
        bands = np.add.reduceat(power, BAND_EDGES_BINS[:-1], axis=1)
        total = np.sum(bands, axis=1)
        voicing, pitch_hz = self._periodicity(power)
        peak_hz, peak_share, second_hz, pair_share, clarity = _peaks(power, total)
        return FrameFacts(
            level_db=_decibels(total),
            bands_db=_decibels(bands),
            mel_db=_decibels(mel, MEL_MIN_DB),
            voicing=voicing,
            pitch_hz=pitch_hz,
            peak_hz=peak_hz,
            second_hz=second_hz,
            peak_share=peak_share,
            pair_share=pair_share,
            clarity=clarity,
            tonal=self._tonal(power, total),
        )

    def _tonal(self, power: Floats, total: Floats) -> TonalFacts:
        """Peaks of ``power`` over the noise's, which is a shape only: its level cancels out."""
        noise = self._noise.feed(power)
        least = np.float32(WHITENED_TO / (END_BIN - FIRST_BIN)) * total + np.float32(1e-20)
        weights = 1 / (noise + least[:, None])
        white = np.zeros_like(power)
        white[:, FIRST_BIN:END_BIN] = power[:, FIRST_BIN:END_BIN] * weights
        whole = np.sum(white, axis=1)
        peak_hz, peak_share, second_hz, pair_share, clarity = _peaks(white, whole)
        explained = clarity * whole
        expected = np.sum(noise * weights, axis=1)
        unknown = np.float32(1 - NOISE_KNOWN) * expected
        counted = np.maximum(np.maximum(whole - expected, explained) + unknown, np.float32(1e-20))
        scale = whole / counted
        bins = np.clip(np.rint(peak_hz / BIN_HZ).astype(np.intp), FIRST_BIN, END_BIN - 1) - FIRST_BIN
        weight = np.take_along_axis(weights, bins[:, None], axis=1)[:, 0]
        return TonalFacts(
            peak_hz=peak_hz,
            second_hz=second_hz,
            peak_share=np.minimum(peak_share * scale, 1),
            pair_share=np.minimum(pair_share * scale, 1),
            clarity=explained / counted,
            tone_db=_decibels(np.minimum(explained / weight, total)),
            noise_db=_decibels(np.sum(noise, axis=1)),
        )

    def _periodicity(self, power: Floats) -> tuple[Floats, Floats]:
        """Normalised autocorrelation (Wiener-Khinchin) of the last three frames, at its best voice lag."""
        now = fft.irfft(power, FRAME_SAMPLES)[:, : LAG_MAX_SAMPLES + 1]
        history = np.concatenate([self._autocorrelations, now])
        self._autocorrelations = history[-2:].copy()
        mean = history[:-2] + history[1:-1] + history[2:]
        normalised = mean / (np.maximum(mean[:, :1], np.float32(1e-20)) * _WINDOW_LAG[: LAG_MAX_SAMPLES + 1])
        lags = np.argmax(normalised[:, LAG_MIN_SAMPLES:], axis=1) + LAG_MIN_SAMPLES
        best = np.take_along_axis(normalised, lags[:, None], axis=1)[:, 0]
        return best, (RATE_HZ / lags).astype(np.float32)


def _decibels(power: Floats, least_db: float = LEVEL_MIN_DB) -> Floats:
    """Power to dB of full scale, from ``least_db`` on."""
    floor = np.float32(10 ** (least_db / 10))
    return np.float32(10) * np.log10(np.maximum(power, floor))


def _peaks(power: Floats, total: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Frequencies of the two strongest peaks, the first one's share of the power, the share of both, clarity."""
    safe_total = np.maximum(total, np.float32(1e-20))
    first_hz, first_power, first_bins = _strongest(power)
    rest = power.copy()
    lobe = first_bins[:, None] + np.arange(-_LOBE_BINS - 1, _LOBE_BINS + 2)
    np.put_along_axis(rest, lobe, 0, axis=1)
    second_hz, second_power, _ = _strongest(rest)
    comb = first_power.copy()
    for order in _HARMONICS:
        bins = np.minimum(np.rint(first_hz * np.float32(order / BIN_HZ)).astype(np.intp), END_BIN + _LOBE_BINS)
        comb += _around(power, bins, _LOBE_BINS)
    both = first_power + second_power
    most = np.maximum(np.maximum(both, comb), _around(power, first_bins, _WIDE_BINS))
    first_share, both_share, clarity = (
        np.divide(part, safe_total, dtype=np.float32) for part in (first_power, both, most)
    )
    return first_hz, first_share, second_hz, both_share, clarity


def _around(power: Floats, bins: Bins, n_bins: int) -> Floats:
    """Power within so many bins of one bin a row; there is none outside the telephone band."""
    lobe = bins[:, None] + np.arange(-n_bins, n_bins + 1)
    found: Floats = np.sum(np.take_along_axis(power, lobe, axis=1), axis=1, dtype=np.float32)
    return found


def _strongest(power: Floats) -> tuple[Floats, Floats, Bins]:
    """The strongest peak of each row: its frequency by a parabola through the log power, its power, its bin."""
    bins = np.argmax(power, axis=1)
    lobe = bins[:, None] + np.arange(-_LOBE_BINS, _LOBE_BINS + 1)
    around = np.take_along_axis(power, lobe, axis=1)
    log_power = np.log(np.maximum(around[:, 1:4], np.float32(1e-20)))
    left, middle, right = log_power[:, 0], log_power[:, 1], log_power[:, 2]
    bend = np.minimum(left - 2 * middle + right, np.float32(-1e-3))
    offset = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    return (
        ((bins + offset) * np.float32(BIN_HZ)).astype(np.float32),
        np.sum(around, axis=1, dtype=np.float32),
        bins,
    )

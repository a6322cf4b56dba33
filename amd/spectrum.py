"""Per-frame facts: level, band energies, periodicity and spectral peaks.

Everything here is a function of one row, but for the periodicity, which is averaged over three frames, and the
facts for tones, which are taken above the noise that was heard so far. Rows are computed independently of how many
there are and of whose they are, so the facts do not depend on how the stream was cut, nor on other calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

from amd.audio import RATE_HZ
from amd.compiled import compiled, exact
from amd.framing import FRAME_SAMPLES, Slots
from amd.products import product
from amd.whitening import NoiseShape

Floats = npt.NDArray[np.float32]

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


TINY: Final = np.float32(1e-20)
_TINY_SUM: Final = TINY * np.float32(FRAME_SAMPLES / 2)
"""`TINY` as a mean square: a sum over the bins is so many times an autocorrelation."""
LAGS: Final = np.arange(LAG_MIN_SAMPLES, LAG_MAX_SAMPLES + 1)
_COSINES: Final = (
    np.cos(2 * np.pi * np.outer(np.arange(FIRST_BIN, END_BIN), np.append(LAGS, 0)) / FRAME_SAMPLES)
    / np.append(_WINDOW_LAG[LAGS], 1.0)
).astype(np.float32)
"""From the band's power to its autocorrelation (Wiener-Khinchin), corrected for the window; lag 0 is the last."""
BLOCK_FRAMES: Final = 256
"""So many at once stay in a processor's cache."""
_BIN_HZ: Final = np.float32(BIN_HZ)
_LEVEL_MIN: Final = np.float32(10 ** (LEVEL_MIN_DB / 10))
_MEL_MIN: Final = np.float32(10 ** (MEL_MIN_DB / 10))
_N_MEL: Final = len(MEL_EDGES_BINS) - 1
_N_BANDS: Final = len(BAND_EDGES_BINS) - 1
LEVEL, _BANDS, TONE, NOISE = _N_MEL, _N_MEL + 1, _N_MEL + 1 + _N_BANDS, _N_MEL + 2 + _N_BANDS
N_LEVELS: Final = NOISE + 1
"""Columns of what is told in dB."""


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
            bands_db=levels_db[:, _BANDS:TONE],
            mel_db=levels_db[:, :_N_MEL],
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
        self._recent: Floats = np.zeros((n_calls, 2, END_BIN - FIRST_BIN), dtype=np.float32)
        self._noise = NoiseShape(FIRST_BIN, END_BIN, n_calls)

    def clear(self, slot: int) -> None:
        """Forget what was heard on a call: another one begins."""
        self._recent[slot] = 0
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
        n = frames.shape[0]
        levels = np.empty((n, N_LEVELS), dtype=np.float32)
        plain, tonal = (np.empty((n, 5), dtype=np.float32) for _ in range(2))
        voiced = np.empty((n, 2), dtype=np.float32)
        for at in range(0, n, BLOCK_FRAMES):
            rows = slice(at, at + BLOCK_FRAMES)
            self._analyse(frames[rows], slots[rows], levels[rows], plain[rows], tonal[rows], voiced[rows])
        np.log10(levels, out=levels)
        levels *= np.float32(10)
        return Table(levels, plain, tonal, voiced)

    def _analyse(
        self, frames: Floats, slots: Slots, levels: Floats, plain: Floats, tonal: Floats, voiced: Floats
    ) -> None:
        """Fill the rows of some frames."""
        power = np.empty((frames.shape[0], END_BIN), dtype=np.float32)
        mean = np.empty((frames.shape[0], END_BIN - FIRST_BIN), dtype=np.float32)
        _powers(fft.rfft(frames * _WINDOW).view(np.float32), slots, self._recent, power, mean, levels)
        _periodicity(product(mean, _COSINES), voiced)
        _peaks(power, self._noise.feed(power, slots), levels, plain, tonal)


@exact
def _power(real: np.float32, imag: np.float32) -> np.float32:
    """Of a bin; rounded the same wherever it stands, since a click is as strong in every bin."""
    return (real * real + imag * imag) * _POWER_SCALE


@compiled
def _powers(parts: Floats, slots: Slots, recent: Floats, power: Floats, mean: Floats, levels: Floats) -> None:
    """Power of each bin and band, and the mean of three frames' by which the periodicity is told."""
    for row in range(parts.shape[0]):
        for at in range(END_BIN):
            power[row, at] = _power(parts[row, 2 * at], parts[row, 2 * at + 1])
        for band in range(_N_MEL):
            total = np.float32(0)
            for at in range(MEL_EDGES_BINS[band], MEL_EDGES_BINS[band + 1]):
                total += _power(parts[row, 2 * at], parts[row, 2 * at + 1])
            levels[row, band] = max(total, _MEL_MIN)
        whole = np.float32(0)
        for band in range(_N_BANDS):
            total = np.float32(0)
            for at in range(BAND_EDGES_BINS[band], BAND_EDGES_BINS[band + 1]):
                total += power[row, at]
            whole += total
            levels[row, _BANDS + band] = max(total, _LEVEL_MIN)
        levels[row, LEVEL] = whole
        before = recent[slots[row]]
        for at in range(END_BIN - FIRST_BIN):
            now = power[row, FIRST_BIN + at]
            mean[row, at] = before[0, at] + before[1, at] + now
            before[0, at] = before[1, at]
            before[1, at] = now


@compiled
def _periodicity(correlations: Floats, voiced: Floats) -> None:
    """The greatest normalised autocorrelation of each row, and its rate in Hz."""
    n_lags = correlations.shape[1] - 1
    for row in range(correlations.shape[0]):
        best = _greatest(correlations[row], 0, n_lags)
        voiced[row, 0] = correlations[row, best] / max(correlations[row, n_lags], _TINY_SUM)
        voiced[row, 1] = np.float32(RATE_HZ) / np.float32(LAG_MIN_SAMPLES + best)


@compiled
def _peaks(power: Floats, noise: Floats, levels: Floats, plain: Floats, tonal: Floats) -> None:
    """Peaks of the power, and of the power over the noise's, which is a shape only: its level cancels out."""
    n_bins = END_BIN - FIRST_BIN
    spectrum = np.zeros(END_BIN + _WIDE_BINS + 1, dtype=np.float32)  # there is no power outside the telephone band
    weights = np.empty(n_bins, dtype=np.float32)
    for row in range(power.shape[0]):
        total = levels[row, LEVEL]
        levels[row, LEVEL] = max(total, _LEVEL_MIN)
        for at in range(FIRST_BIN, END_BIN):
            spectrum[at] = power[row, at]
        _take_peaks(spectrum, total, plain, row)
        least = np.float32(WHITENED_TO / (END_BIN - FIRST_BIN)) * total + TINY
        whole, expected, noise_power = np.float32(0), np.float32(0), np.float32(0)
        for at in range(n_bins):
            weights[at] = np.float32(1) / (noise[row, at] + least)
        for at in range(n_bins):
            white = power[row, FIRST_BIN + at] * weights[at]
            spectrum[FIRST_BIN + at] = white
            whole += white
            expected += noise[row, at] * weights[at]
            noise_power += noise[row, at]
        _take_peaks(spectrum, whole, tonal, row)
        explained = tonal[row, 4] * whole
        unknown = np.float32(1 - NOISE_KNOWN) * expected
        counted = max(max(whole - expected, explained) + unknown, TINY)
        nearest = min(max(int(np.rint(tonal[row, 0] / _BIN_HZ)), FIRST_BIN), END_BIN - 1) - FIRST_BIN
        tonal[row, 2] = min(tonal[row, 2] * (whole / counted), np.float32(1))
        tonal[row, 3] = min(tonal[row, 3] * (whole / counted), np.float32(1))
        tonal[row, 4] = explained / counted
        levels[row, TONE] = max(min(explained / weights[nearest], total), _LEVEL_MIN)
        levels[row, NOISE] = max(noise_power, _LEVEL_MIN)


@compiled
def _take_peaks(power: Floats, total: np.float32, found: Floats, row: int) -> None:
    """Frequencies of the two strongest peaks, the first one's share of the power, the share of both, clarity."""
    first_hz, first_power, first = _strongest(power)
    most = first_power
    for order in _HARMONICS:
        at = min(int(np.rint(first_hz * np.float32(order / BIN_HZ))), END_BIN + _LOBE_BINS)
        most += _around(power, at, _LOBE_BINS)
    most = max(most, _around(power, first, _WIDE_BINS))
    kept = np.empty(2 * _LOBE_BINS + 3, dtype=np.float32)
    for at in range(kept.size):
        kept[at] = power[first - _LOBE_BINS - 1 + at]
        power[first - _LOBE_BINS - 1 + at] = 0
    second_hz, second_power, _ = _strongest(power)
    for at in range(kept.size):
        power[first - _LOBE_BINS - 1 + at] = kept[at]
    safe_total = max(total, TINY)
    found[row, 0] = first_hz
    found[row, 1] = second_hz
    found[row, 2] = first_power / safe_total
    found[row, 3] = (first_power + second_power) / safe_total
    found[row, 4] = max(first_power + second_power, most) / safe_total


@compiled
def _around(power: Floats, middle: int, n_bins: int) -> np.float32:
    """Power within so many bins of one."""
    total = np.float32(0)
    for at in range(middle - n_bins, middle + n_bins + 1):
        total += power[at]
    return total


@compiled
def _greatest(values: Floats, first: int, end: int) -> int:
    """Place of the greatest value, the first of equal ones: four maxima at a time do not wait for each other."""
    one = two = three = four = values[first]
    for at in range(first, end - 3, 4):
        one = values[at] if values[at] > one else one
        two = values[at + 1] if values[at + 1] > two else two
        three = values[at + 2] if values[at + 2] > three else three
        four = values[at + 3] if values[at + 3] > four else four
    for at in range(max(first, end - 3), end):
        one = values[at] if values[at] > one else one
    greatest = max(one, two, three, four)
    at = first
    while at < end - 1 and values[at] != greatest:
        at += 1
    return at


@compiled
def _strongest(power: Floats) -> tuple[np.float32, np.float32, int]:
    """The strongest peak: its frequency by a parabola through the log power, its power, its bin."""
    best = _greatest(power, FIRST_BIN, END_BIN)
    if power[best] <= 0:
        return np.float32(0), np.float32(0), FIRST_BIN
    left = np.log(max(power[best - 1], TINY))
    middle = np.log(max(power[best], TINY))
    right = np.log(max(power[best + 1], TINY))
    bend = min(left - np.float32(2) * middle + right, np.float32(-1e-3))
    offset = min(max(np.float32(0.5) * (left - right) / bend, np.float32(-0.5)), np.float32(0.5))
    return (np.float32(best) + offset) * _BIN_HZ, _around(power, best, _LOBE_BINS), best

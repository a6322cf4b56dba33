"""The two strongest peaks of a spectrum, as it is and above the line's noise, and how much one tone explains."""

from __future__ import annotations

from typing import Final

import numpy as np

from amd.compiled import compiled
from amd.powers import BIN_HZ, END_BIN, FIRST_BIN, LEVEL, LEVEL_MIN, NOISE, TINY, TONE, Floats, greatest

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
_BIN_HZ: Final = np.float32(BIN_HZ)


@compiled
def peaks(power: Floats, noise: Floats, levels: Floats, plain: Floats, tonal: Floats) -> None:
    """Peaks of the power, and of the power over the noise's, which is a shape only: its level cancels out."""
    n_bins = END_BIN - FIRST_BIN
    spectrum = np.zeros(END_BIN + _WIDE_BINS + 1, dtype=np.float32)  # there is no power outside the telephone band
    weights = np.empty(n_bins, dtype=np.float32)
    for row in range(power.shape[0]):
        total = levels[row, LEVEL]
        levels[row, LEVEL] = max(total, LEVEL_MIN)
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
        levels[row, TONE] = max(min(explained / weights[nearest], total), LEVEL_MIN)
        levels[row, NOISE] = max(noise_power, LEVEL_MIN)


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
def _strongest(power: Floats) -> tuple[np.float32, np.float32, int]:
    """The strongest peak: its frequency by a parabola through the log power, its power, its bin."""
    best = greatest(power, FIRST_BIN, END_BIN)
    if power[best] <= 0:
        return np.float32(0), np.float32(0), FIRST_BIN
    left = np.log(max(power[best - 1], TINY))
    middle = np.log(max(power[best], TINY))
    right = np.log(max(power[best + 1], TINY))
    bend = min(left - np.float32(2) * middle + right, np.float32(-1e-3))
    offset = min(max(np.float32(0.5) * (left - right) / bend, np.float32(-0.5)), np.float32(0.5))
    return (np.float32(best) + offset) * _BIN_HZ, _around(power, best, _LOBE_BINS), best

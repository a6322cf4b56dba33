"""The real Fourier transform of frames, with the same bits for one frame as for thousands.

A frame alone is transformed by the loops here, many at once by scipy, in half the time: pocketfft takes the same
four passes over the same sums. It is tried once, and where any of its bits is another, the loops take all.

References
----------
Swarztrauber (1982), "Vectorizing the FFTs", for the real transform of radix 4: each pass joins four transforms of
real sequences, of which only the first half is kept, to one.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.framing import FRAME_SAMPLES

Floats = npt.NDArray[np.float32]

N_PARTS: Final = FRAME_SAMPLES + 2
"""Real and imaginary part of each bin, by turns."""
FEW_FRAMES: Final = 8
"""So many the loops take as fast as scipy is called."""
_RADIX: Final = 4
_N_QUARTERS: Final = FRAME_SAMPLES // _RADIX
_HALF_ROOT: Final = np.float32(0.5**0.5)


def _turns(n_joined: int) -> Floats:
    """Cosine and sine by turns, as three sequences of ``n_joined`` values are turned: ``(3, n_joined)``."""
    step = FRAME_SAMPLES // (_RADIX * n_joined)
    angle = 2 * np.pi * np.outer(np.arange(1, _RADIX), step * np.arange(1, n_joined // 2)) / FRAME_SAMPLES
    turns = np.zeros((_RADIX - 1, n_joined), dtype=np.float32)
    turns[:, 0 : n_joined - 2 : 2], turns[:, 1 : n_joined - 2 : 2] = np.cos(angle), np.sin(angle)
    return turns


_TURNS_4, _TURNS_16, _TURNS_64 = _turns(4), _turns(16), _turns(64)


def transform(frames: Floats) -> Floats:
    """Return the transform of frames of shape ``(n, FRAME_SAMPLES)``: float32 of shape ``(n, N_PARTS)``."""
    if frames.shape[0] > FEW_FRAMES and _scipy_agrees():
        return _by_scipy(frames)
    parts: Floats = np.empty((frames.shape[0], N_PARTS), dtype=np.float32)
    transform_few(frames, parts)
    return parts


@cache
def _scipy_agrees() -> bool:
    """Whether scipy's bits are those of the loops, in whole vector registers and in what is left over."""
    frames = np.random.default_rng(1).standard_normal((43, FRAME_SAMPLES)).astype(np.float32)
    parts = np.empty((frames.shape[0], N_PARTS), dtype=np.float32)
    transform_few(frames, parts)
    return np.array_equal(parts, _by_scipy(frames))


def _by_scipy(frames: Floats) -> Floats:
    from scipy import fft  # noqa: PLC0415 - a quarter second, which one call alone does without

    parts: Floats = fft.rfft(frames).view(np.float32)
    return parts


@exact
def transform_few(frames: Floats, parts: Floats) -> None:
    """Fill the parts of some frames, one after the other."""
    one = np.empty(FRAME_SAMPLES, dtype=np.float32)
    other = np.empty(FRAME_SAMPLES, dtype=np.float32)
    for row in range(frames.shape[0]):
        _join_values(frames[row], one)
        _join(one, other, _TURNS_4)
        _join(other, one, _TURNS_16)
        _join(one, other, _TURNS_64)
        parts[row, 0], parts[row, 1] = other[0], 0
        for at in range(1, FRAME_SAMPLES):
            parts[row, at + 1] = other[at]
        parts[row, N_PARTS - 1] = 0


@exact
def _join_values(values: Floats, found: Floats) -> None:
    """The first pass: transforms of four values each, a quarter of the frame apart."""
    for at in range(_N_QUARTERS):
        first, second = values[at], values[at + _N_QUARTERS]
        third, fourth = values[at + 2 * _N_QUARTERS], values[at + 3 * _N_QUARTERS]
        odd, even = fourth + second, first + third
        found[4 * at] = even + odd
        found[4 * at + 1] = first - third
        found[4 * at + 2] = fourth - second
        found[4 * at + 3] = even - odd


@exact
def _join(values: Floats, found: Floats, turns: Floats) -> None:
    """Join each four transforms, of as many values as are turned, to one: real and imaginary parts by turns."""
    n, apart = turns.shape[1], FRAME_SAMPLES // _RADIX
    for start in range(0, apart, n):
        one, two = values[start : start + n], values[start + apart : start + apart + n]
        three, four = values[start + 2 * apart :][:n], values[start + 3 * apart :][:n]
        out = found[4 * start : 4 * start + 4 * n]
        odd, even = four[0] + two[0], one[0] + three[0]
        out[0], out[4 * n - 1] = even + odd, even - odd
        out[2 * n - 1], out[2 * n] = one[0] - three[0], four[0] - two[0]
        last = n - 1  # half way between two bins: an eighth of a turn
        turned, side = _HALF_ROOT * (two[last] - four[last]), -_HALF_ROOT * (two[last] + four[last])
        out[n - 1], out[3 * n - 1] = one[last] + turned, one[last] - turned
        out[n], out[3 * n] = side - three[last], side + three[last]
        for at in range(1, n - 1, 2):
            mirrored = n - 2 - at
            cosine, sine = turns[0, at - 1], turns[0, at]
            real2, imag2 = cosine * two[at] + sine * two[at + 1], cosine * two[at + 1] - sine * two[at]
            cosine, sine = turns[1, at - 1], turns[1, at]
            real3, imag3 = cosine * three[at] + sine * three[at + 1], cosine * three[at + 1] - sine * three[at]
            cosine, sine = turns[2, at - 1], turns[2, at]
            real4, imag4 = cosine * four[at] + sine * four[at + 1], cosine * four[at + 1] - sine * four[at]
            real_odd, real_side = real4 + real2, real4 - real2
            imag_odd, imag_side = imag2 + imag4, imag2 - imag4
            real_even, real_rest = one[at] + real3, one[at] - real3
            imag_even, imag_rest = one[at + 1] + imag3, one[at + 1] - imag3
            out[at], out[3 * n + mirrored] = real_even + real_odd, real_even - real_odd
            out[at + 1], out[3 * n + mirrored + 1] = imag_odd + imag_even, imag_odd - imag_even
            out[2 * n + at], out[n + mirrored] = real_rest + imag_side, real_rest - imag_side
            out[2 * n + at + 1], out[n + mirrored + 1] = real_side + imag_rest, real_side - imag_rest

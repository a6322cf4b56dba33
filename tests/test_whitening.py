"""The noise's shape is learned from what is wide and stays; a tone never becomes noise."""

import numpy as np
import pytest

from amd.whitening import BLOCK_FRAMES, NARROW_BINS, NoiseShape

FIRST, END = 8, 112


def rows(n, *, level=1e-6, at=None, width=1, height=1e-3):
    power = np.full((n, 129), level, dtype=np.float32)
    if at is not None:
        power[:, at : at + width] = height
    return power


def learned(*pieces):
    shape = NoiseShape(FIRST, END)
    return np.concatenate([shape.feed(piece) for piece in pieces])


def test_a_frame_is_held_against_what_was_heard_before_its_block():
    noise = learned(rows(BLOCK_FRAMES), rows(BLOCK_FRAMES, level=1.0))
    assert (noise[:BLOCK_FRAMES] == 0).all()
    np.testing.assert_allclose(noise[BLOCK_FRAMES:], 1e-6)


@pytest.mark.parametrize("cut", [1, 3, 8, 13])
def test_the_shape_is_equal_however_the_stream_is_cut(cut):
    power = np.random.default_rng(1).exponential(1e-6, (50, 129)).astype(np.float32)
    pieces = [power[at : at + cut] for at in range(0, 50, cut)]
    np.testing.assert_array_equal(learned(*pieces), learned(power))


@pytest.mark.parametrize("width", [1, 5, NARROW_BINS - 1])
def test_what_is_narrow_is_no_noise(width):
    noise = learned(rows(400, at=50, width=width))
    np.testing.assert_allclose(noise[-1], 1e-6, rtol=1e-3)


def test_what_is_wide_is_noise_soon_when_quieter_and_late_when_louder():
    quieter = learned(rows(8, level=1e-4), rows(24, level=1e-6))[-1]
    louder = learned(rows(8, level=1e-6), rows(24, level=1e-4))[-1]
    assert (quieter < 1.1e-5).all()
    assert (louder < 2e-6).all()
    assert (learned(rows(8, level=1e-6), rows(2000, level=1e-4))[-1] > 9e-5).all()


def test_silence_teaches_nothing():
    np.testing.assert_array_equal(learned(rows(8), rows(80, level=0.0))[-1], learned(rows(9))[-1])

"""A frame alone, and a row alone, has the bits that it has beside thousands."""

import numpy as np
import pytest

from amd import products, transform
from amd.framing import FRAME_SAMPLES
from amd.products import Matrix


def frames_of(n, seed=1):
    return np.random.default_rng(seed).standard_normal((n, FRAME_SAMPLES)).astype(np.float32)


def test_the_transform_is_that_of_the_literature():
    frames = frames_of(5)
    parts = transform.transform(frames).view(np.complex64)
    np.testing.assert_allclose(parts, np.fft.rfft(frames.astype(np.float64)), atol=2e-5)


@pytest.mark.parametrize("n", [9, 16, 43, 300])
def test_a_frame_is_transformed_alone_as_beside_others(n):
    frames = frames_of(n)
    many = transform.transform(frames)
    for at in range(n):
        np.testing.assert_array_equal(transform.transform(frames[at : at + 1])[0], many[at])


def test_where_scipy_has_other_bits_it_is_not_asked(monkeypatch):
    monkeypatch.setattr(
        transform, "_by_scipy", lambda frames: frames[:, :1] + np.zeros(transform.N_PARTS, np.float32)
    )
    transform._scipy_agrees.cache_clear()
    found = transform.transform(frames_of(20)).view(np.complex64)
    assert not transform._scipy_agrees()
    transform._scipy_agrees.cache_clear()
    np.testing.assert_allclose(found, np.fft.rfft(frames_of(20)), atol=2e-5)


@pytest.mark.parametrize(("n_inner", "n_columns"), [(276, 48), (104, 82), (64, 6), (96, 1), (7, 5), (5, 16)])
def test_a_row_is_multiplied_alone_as_beside_others(n_inner, n_columns):
    rng = np.random.default_rng(2)
    weight, rows = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((n_inner, n_columns), (37, n_inner))
    )
    matrix = Matrix(weight)
    many = matrix.times(rows)
    np.testing.assert_allclose(many, rows.astype(np.float64) @ weight, atol=1e-4)
    for at in range(rows.shape[0]):
        np.testing.assert_array_equal(matrix.times(rows[at : at + 1])[0], many[at])


def test_where_the_library_adds_in_another_order_it_is_not_asked(monkeypatch):
    weight, rows = np.eye(40, 20, dtype=np.float32), np.ones((30, 40), np.float32)
    monkeypatch.setattr(
        products.np, "matmul", lambda one, other: np.full((*one.shape[:2], other.shape[1]), 7, np.float32)
    )
    np.testing.assert_array_equal(Matrix(weight).times(rows), np.ones((30, 20), np.float32))

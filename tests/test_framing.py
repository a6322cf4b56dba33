"""Any cut of the stream in, the same frames out, each known by its absolute index."""

import generated as gen
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd.framing import (
    FRAME_SAMPLES,
    HOP_SAMPLES,
    Framer,
    frame_end_sample,
    frame_known_sample,
    frame_start_sample,
)


@given(n_samples=st.integers(0, 3000), cuts=st.lists(st.integers(0, 3000), max_size=40))
def test_any_cut_gives_equal_frames_at_their_absolute_places(n_samples, cuts):
    samples = np.arange(n_samples, dtype=np.float32)  # each sample says where it belongs
    framer, frames = Framer(), []
    for piece in gen.cut(samples, cuts):
        frames += list(framer.feed(piece))
    assert len(frames) == framer.n_frames == max(0, (n_samples - 256) // 128 + 1)
    assert framer.n_samples == n_samples
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame, np.arange(index * 128, index * 128 + 256))


def test_single_samples_give_equal_frames():
    samples = np.arange(1000, dtype=np.float32)
    framer = Framer()
    single = np.concatenate([framer.feed(samples[i : i + 1]) for i in range(samples.size)])
    np.testing.assert_array_equal(single, Framer().feed(samples))


@given(n_samples=st.integers(0, 2000))
def test_a_frame_comes_out_with_its_last_sample_and_not_before(n_samples):
    framer = Framer()
    framer.feed(np.zeros(n_samples, np.float32))
    if framer.n_frames:
        assert frame_known_sample(framer.n_frames - 1) <= n_samples
    assert n_samples < frame_known_sample(framer.n_frames)


@given(index=st.integers(0, 10**9))
def test_frames_count_for_consecutive_stretches_around_their_middles(index):
    assert frame_end_sample(index) == frame_start_sample(index + 1)
    assert frame_end_sample(index) - frame_start_sample(index) == HOP_SAMPLES
    middle = index * HOP_SAMPLES + FRAME_SAMPLES // 2
    assert frame_start_sample(index) + frame_end_sample(index) == 2 * middle
    assert frame_known_sample(index) == index * HOP_SAMPLES + FRAME_SAMPLES
    assert frame_end_sample(index) <= frame_known_sample(index)


@pytest.mark.parametrize("chunk", [1, 127, 128, 160, 255, 257, 8000])
def test_less_than_a_frame_is_held_between_calls(chunk):
    framer = Framer()
    for _ in range(50):
        framer.feed(np.zeros(chunk, np.float32))
        assert framer.n_samples - framer.n_frames * HOP_SAMPLES < FRAME_SAMPLES
        assert framer.streams["held"].shape == (1, FRAME_SAMPLES)


def test_a_caller_may_reuse_its_buffer():
    framer, buffer = Framer(), np.ones(200, np.float32)
    framer.feed(buffer)
    buffer[:] = 7
    assert (framer.feed(buffer[:56])[0, :200] == 1).all()

"""A network gives a call the same bits alone and beside others, and a file that was changed is refused."""

import dataclasses
import io
import json

import numpy as np
import pytest

from amd.errors import ModelError
from amd.networks import Network, parse, save

SHAPES = {
    "dense_weight": (7, 5),
    "dense_bias": (5,),
    "in_weight": (5, 12),
    "in_bias": (12,),
    "state_weight": (4, 12),
    "state_bias": (12,),
    "out_weight": (4, 2),
    "out_bias": (2,),
}
INPUTS = tuple(f"in_{index}" for index in range(7))
OUTPUTS = ("one", "other")


def small(seed=1):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
    return Network(version="test-1", inputs=INPUTS, outputs=OUTPUTS, arrays=arrays, recipe="drawn at random")


def written(network, tmp_path):
    save(network, tmp_path / "network.npz")
    return (tmp_path / "network.npz").read_bytes()


def changed(data, **changes):
    """The file again with some arrays replaced, or left out where the change is None."""
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files} | changes
    out = io.BytesIO()
    np.savez(out, **{name: array for name, array in arrays.items() if array is not None})
    return out.getvalue()


def with_meta(data, **changes):
    with np.load(io.BytesIO(data)) as file:
        meta = json.loads(str(file["meta"])) | changes
    return changed(data, meta=np.array(json.dumps(meta)))


def refused(data, match, *, inputs=INPUTS, outputs=OUTPUTS):
    with pytest.raises(ModelError, match=match):
        parse(data, inputs=inputs, outputs=outputs)


def test_what_was_saved_is_read(tmp_path):
    network = small()
    read = parse(written(network, tmp_path), inputs=INPUTS, outputs=OUTPUTS)
    assert (read.version, read.recipe, read.n_units) == ("test-1", "drawn at random", 4)
    assert all(np.array_equal(read.arrays[name], array) for name, array in network.arrays.items())
    assert read.n_products == 7 * 5 + 5 * 12 + 4 * 12 + 4 * 2


def test_the_gates_are_those_of_the_literature():
    network, rng = small(), np.random.default_rng(2)
    arrays = {name: array.astype(float) for name, array in network.arrays.items()}
    state, ours = np.zeros((1, 4)), network.start(1)
    for _ in range(20):
        inputs = rng.standard_normal((1, 7)).astype(np.float32)
        out, ours = network.step(inputs, ours)
        dense = np.maximum(inputs @ arrays["dense_weight"] + arrays["dense_bias"], 0)
        new = dense @ arrays["in_weight"] + arrays["in_bias"]
        old = state @ arrays["state_weight"] + arrays["state_bias"]
        reset, update = (1 / (1 + np.exp(-(new[:, part] + old[:, part]))) for part in (slice(0, 4), slice(4, 8)))
        state = (1 - update) * np.tanh(new[:, 8:] + reset * old[:, 8:]) + update * state
        np.testing.assert_allclose(ours, state, atol=1e-5)
        np.testing.assert_allclose(out, state @ arrays["out_weight"] + arrays["out_bias"], atol=1e-4)


@pytest.mark.parametrize("n_beside", [1, 2, 3, 7, 16, 33, 64])
def test_a_call_is_the_same_to_the_last_bit_alone_and_beside_others(n_beside):
    network, rng = small(), np.random.default_rng(3)
    inputs = rng.standard_normal((10, 64, 7)).astype(np.float32)
    together, state = [], network.start(64)
    for tick in inputs:
        out, state = network.step(tick, state)
        together.append(out)
    for first in range(0, 64, n_beside):
        calls, state = slice(first, first + n_beside), network.start(min(n_beside, 64 - first))
        for tick, both in zip(inputs, together, strict=True):
            out, state = network.step(tick[calls], state)
            assert np.array_equal(out, both[calls])


def test_inputs_beyond_all_measure_give_finite_numbers():
    network = small()
    out, state = network.step(np.full((1, 7), 1e30, np.float32), network.start(1))
    assert np.all(np.isfinite(out))
    assert np.all(np.abs(state) <= 1)


def test_a_changed_weight_is_found_out(tmp_path):
    data = written(small(), tmp_path)
    refused(changed(data, out_bias=np.zeros(2, np.float32)), "checksum does not fit")


def test_a_changed_story_is_found_out(tmp_path):
    refused(with_meta(written(small(), tmp_path), version="test-2"), "checksum does not fit")


def test_another_format_is_refused(tmp_path):
    data = with_meta(written(small(), tmp_path), format="amd recurrent network 9")
    refused(data, "format is .*9.*another version")


@pytest.mark.parametrize("data", [b"", b"PK", b"{}", b"\x80\x04N."], ids=["empty", "cut", "JSON", "pickle"])
def test_what_is_no_network_is_refused(data):
    refused(data, "cannot be read")


def test_a_file_cut_short_is_refused(tmp_path):
    refused(written(small(), tmp_path)[:-200], "cannot be read")


def test_nothing_is_unpickled(tmp_path):
    data = written(small(), tmp_path)
    refused(changed(data, out_bias=np.array([{}, {}], dtype=object)), "cannot be read")


def test_a_file_without_its_story_is_refused(tmp_path):
    refused(changed(written(small(), tmp_path), meta=None), "cannot be read")


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_other_inputs_and_outputs_are_refused(tmp_path, what):
    ours = {"inputs": INPUTS, "outputs": OUTPUTS}
    refused(written(small(), tmp_path), f"the network's {what}", **{**ours, what: ours[what][::-1]})


@pytest.mark.parametrize("name", SHAPES)
def test_layers_that_do_not_fit_are_refused(tmp_path, name):
    network = small()
    for arrays in (
        {other: array for other, array in network.arrays.items() if other != name},
        {**network.arrays, name: network.arrays[name][..., :-1]},
    ):
        refused(written(dataclasses.replace(network, arrays=arrays), tmp_path), "layers are")


@pytest.mark.parametrize("bad", [np.float32(np.nan), np.float32(np.inf)])
def test_weights_that_are_no_numbers_are_refused(tmp_path, bad):
    network = small()
    broken = {**network.arrays, "out_bias": np.array([0, bad], np.float32)}
    refused(written(dataclasses.replace(network, arrays=broken), tmp_path), "finite float32")

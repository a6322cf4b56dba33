"""Small recurrent networks in numpy: a dense layer, a gated recurrent unit, a dense layer; weights are data.

Its products are taken by `amd.products`: a call's row comes out the same to the last bit whatever calls are beside
it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.errors import ModelError
from amd.products import FEW_ROWS, Matrix, multiply

Floats = npt.NDArray[np.float32]

FORMAT: Final = "amd recurrent network 1"
_META: Final = "meta"
_GATES: Final = 3
BLOCK_CALLS: Final = 128
"""So many at once stay in a processor's cache."""
_TOLD_MAX: Final = 4
"""More names than that would hide what an error says."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that is asked once a tick and remembers what it was asked before.

    Parameters
    ----------
    version : str
    inputs, outputs : tuple of str
        What goes in and comes out, in order.
    arrays : mapping of str to ndarray of float32
        ``dense_weight`` (n_inputs, n_dense), ``dense_bias``; ``in_weight`` (n_dense, 3 n_units), ``in_bias``,
        ``state_weight`` (n_units, 3 n_units), ``state_bias``, gates in the order reset, update, new;
        ``out_weight`` (n_units, n_outputs), ``out_bias``.
    recipe : str
        How it was fitted.
    more : mapping
        What else its file holds, as JSON knows it; the checksum covers it.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179; the reset gate acts after the product, as in cuDNN.
    """

    version: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arrays: Mapping[str, Floats]
    recipe: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_units(self) -> int:
        """How many values it remembers of a call."""
        return int(self.arrays["state_weight"].shape[0])

    @property
    def n_products(self) -> int:
        """Multiplications of one tick of one call."""
        return sum(int(array.size) for array in self.arrays.values() if array.ndim > 1)

    def start(self, n_calls: int) -> Floats:
        """Return the state before anything was heard, of shape ``(n_calls, n_units)``."""
        return np.zeros((n_calls, self.n_units), dtype=np.float32)

    def step(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Take one tick of each call.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n_calls, n_inputs)
        state : ndarray of float32, shape (n_calls, n_units)

        Returns
        -------
        outputs : ndarray of float32, shape (n_calls, n_outputs)
            Log-odds.
        state : ndarray of float32, shape (n_calls, n_units)
            A call's row of either depends on its own rows only, to the last bit.
        """
        blocks = [slice(at, at + BLOCK_CALLS) for at in range(0, inputs.shape[0], BLOCK_CALLS)]
        found = [self._step(inputs[block], state[block]) for block in blocks]
        if len(found) == 1:
            return found[0]
        outputs, states = zip(*found, strict=True) if found else ([inputs[:, : len(self.outputs)]], [state])
        return np.concatenate(outputs), np.concatenate(states)

    def _step(self, inputs: Floats, state: Floats) -> tuple[Floats, Floats]:
        n_calls, n_units, layers = inputs.shape[0], self.n_units, self._layers
        gates: Floats = np.empty((n_calls, 2 * n_units), dtype=np.float32)
        if n_calls <= FEW_ROWS:
            new: Floats = np.empty((n_calls, _GATES * n_units), dtype=np.float32)
            old: Floats = np.empty_like(new)
            open_few(inputs, state, *layers.dense.parts, *layers.new.parts, *layers.old.parts, new, old, gates)
        else:
            dense = layers.dense.matrix.times(inputs)
            rectify(dense, layers.dense.bias)
            new, old = layers.new.matrix.times(dense), layers.old.matrix.times(state)
            halve_gates(new, layers.new.bias, old, layers.old.bias, gates)
        np.tanh(gates, out=gates)
        fresh: Floats = np.empty((n_calls, n_units), dtype=np.float32)
        renew(gates, new, old, fresh)
        np.tanh(fresh, out=fresh)
        pass_on(fresh, gates, state)
        out = layers.out.matrix.times(fresh)
        out += layers.out.bias
        return out, fresh

    @cached_property
    def _layers(self) -> _Layers:
        names = ("dense", "in", "state", "out")
        return _Layers._make(
            _Layer(Matrix(self.arrays[f"{name}_weight"]), self.arrays[f"{name}_bias"]) for name in names
        )


class _Layer(NamedTuple):
    """A layer of a network, laid out for its products."""

    matrix: Matrix
    bias: Floats

    @property
    def parts(self) -> tuple[Floats, Floats, Floats]:
        """What a loop is given of it."""
        return self.matrix.whole, self.matrix.rest, self.bias


class _Layers(NamedTuple):
    dense: _Layer
    new: _Layer
    old: _Layer
    out: _Layer


@exact
def open_few(
    inputs: Floats,
    state: Floats,
    dense_whole: Floats,
    dense_rest: Floats,
    dense_bias: Floats,
    new_whole: Floats,
    new_rest: Floats,
    new_bias: Floats,
    old_whole: Floats,
    old_rest: Floats,
    old_bias: Floats,
    new: Floats,
    old: Floats,
    gates: Floats,
) -> None:
    """Fill what the gates are told by, of a few calls."""
    dense = np.empty((inputs.shape[0], dense_bias.size), dtype=np.float32)
    multiply(inputs, dense_whole, dense_rest, dense)
    rectify(dense, dense_bias)
    multiply(dense, new_whole, new_rest, new)
    multiply(state, old_whole, old_rest, old)
    halve_gates(new, new_bias, old, old_bias, gates)


@exact
def rectify(values: Floats, bias: Floats) -> None:
    """Add the bias; nothing is below zero then."""
    for row in range(values.shape[0]):
        for at in range(bias.size):
            values[row, at] = max(values[row, at] + bias[at], np.float32(0))


@exact
def halve_gates(new: Floats, new_bias: Floats, old: Floats, old_bias: Floats, gates: Floats) -> None:
    """Add the biases, and fill half of what goes into the logistic function: reset, update."""
    half = np.float32(0.5)
    for row in range(new.shape[0]):
        for at in range(new_bias.size):
            new[row, at] += new_bias[at]
            old[row, at] += old_bias[at]
        for at in range(gates.shape[1]):
            gates[row, at] = half * (new[row, at] + old[row, at])


@exact
def renew(gates: Floats, new: Floats, old: Floats, fresh: Floats) -> None:
    """Make gates of tangents, a form that does not overflow, and fill what the new state is made of."""
    half, n_units = np.float32(0.5), fresh.shape[1]
    for row in range(fresh.shape[0]):
        for at in range(2 * n_units):
            gates[row, at] = half + half * gates[row, at]
        for at in range(n_units):
            fresh[row, at] = new[row, 2 * n_units + at] + gates[row, at] * old[row, 2 * n_units + at]


@exact
def pass_on(fresh: Floats, gates: Floats, state: Floats) -> None:
    """Make the new state of what is fresh, in place."""
    n_units = fresh.shape[1]
    for row in range(fresh.shape[0]):
        for at in range(n_units):
            fresh[row, at] += gates[row, n_units + at] * (state[row, at] - fresh[row, at])


def save(network: Network, path: Path) -> None:
    """Write a network as ``.npz``, with the checksum of its content."""
    meta: dict[str, Any] = {
        "format": FORMAT,
        "version": network.version,
        "inputs": list(network.inputs),
        "outputs": list(network.outputs),
        "recipe": network.recipe,
        "more": dict(network.more),
    }
    meta["sha256"] = _checksum(meta, network.arrays)
    arrays: dict[str, Any] = {_META: np.array(json.dumps(meta)), **network.arrays}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def parse(data: bytes, *, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    """Read a network from the bytes of an ``.npz`` file.

    Parameters
    ----------
    data : bytes
    inputs, outputs : sequence of str
        What this version gives it and takes from it.

    Raises
    ------
    ModelError
        If it is no such network, was changed since its checksum was taken, or is one of other inputs or outputs.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop(_META)))
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"the network cannot be read: {error}") from error
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != FORMAT:
        raise ModelError(f"the network's format is {found!r}, need {FORMAT!r}: another version's file?")
    if meta.get("sha256") != _checksum(meta, arrays):
        raise ModelError("the network's checksum does not fit its content: edited, or cut short?")
    for what, ours in (("inputs", inputs), ("outputs", outputs)):
        theirs = meta.get(what)
        if theirs != list(ours):
            raise ModelError(
                f"the network's {what} are {_told(theirs)}, this version's are {_told(ours)}: refit it?"
            )
    _check_shapes(arrays, len(inputs), len(outputs))
    return Network(
        version=str(meta.get("version")),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        arrays=arrays,
        recipe=str(meta.get("recipe")),
        more=meta.get("more", {}),
    )


def _told(names: object) -> str:
    """The first of many names, and how many there are."""
    if isinstance(names, Sequence) and not isinstance(names, str) and len(names) > _TOLD_MAX:
        return f"{list(names[:_TOLD_MAX])} and {len(names) - _TOLD_MAX} more"
    return f"{names!r}"


def _check_shapes(arrays: Mapping[str, Floats], n_inputs: int, n_outputs: int) -> None:
    """Raise `ModelError` unless the layers fit one another, and are finite."""
    n_dense = arrays["dense_bias"].size if "dense_bias" in arrays else 0
    n_units = arrays["state_weight"].shape[0] if "state_weight" in arrays else 0
    shapes = {
        "dense_weight": (n_inputs, n_dense),
        "dense_bias": (n_dense,),
        "in_weight": (n_dense, _GATES * n_units),
        "in_bias": (_GATES * n_units,),
        "state_weight": (n_units, _GATES * n_units),
        "state_bias": (_GATES * n_units,),
        "out_weight": (n_units, n_outputs),
        "out_bias": (n_outputs,),
    }
    found = {name: array.shape for name, array in arrays.items()}
    if found != shapes:
        raise ModelError(f"the network's layers are {found}, need {shapes}")
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.all(np.isfinite(array)):
            raise ModelError(f"the network's {name} must be finite float32, is {array.dtype}")


def _checksum(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 of everything but the checksum itself."""
    kept = {name: value for name, value in meta.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

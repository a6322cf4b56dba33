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
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.errors import ModelError
from amd.products import product

Floats = npt.NDArray[np.float32]

FORMAT: Final = "amd recurrent network 1"
_META: Final = "meta"
_GATES: Final = 3
BLOCK_CALLS: Final = 128
"""So many at once stay in a processor's cache."""
_TOLD_MAX: Final = 4
"""More names than that would hide what an error says."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
        arrays, n_units = self.arrays, self.n_units
        dense = np.maximum(product(inputs, arrays["dense_weight"]) + arrays["dense_bias"], np.float32(0))
        new = product(dense, arrays["in_weight"]) + arrays["in_bias"]
        old = product(state, arrays["state_weight"]) + arrays["state_bias"]
        gates = _logistic(new[:, : 2 * n_units] + old[:, : 2 * n_units])
        reset, update = gates[:, :n_units], gates[:, n_units:]
        fresh = np.tanh(new[:, 2 * n_units :] + reset * old[:, 2 * n_units :])
        state = fresh + update * (state - fresh)
        return product(state, arrays["out_weight"]) + arrays["out_bias"], state


def _logistic(values: Floats) -> Floats:
    half = np.float32(0.5)
    logistic: Floats = half + half * np.tanh(half * values)  # this form does not overflow
    return logistic


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

"""Layers in torch, as both networks are fitted by, and how `amd.networks` takes them.

Two things make a fit some times faster: inputs of zero mean and unit spread, and a memory that begins as one of
many spans (Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", arXiv 1804.11188).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.errors import MissingExtraError
from amd.networks import Floats, Network

SPAN_MAX_TICKS: Final = 40
"""The memory begins with spans of up to 4 s: as long as a person's answer and the wait after it."""
SPREAD_MIN: Final = 0.05
"""An input that hardly moves is not blown up."""


def torch_module() -> Any:
    """Import torch, which detecting must not need.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError("fitting needs torch: pip install 'amd-callback[train]'") from error


class Layers:
    """A dense layer, a gated recurrent unit, a dense layer; some of its outputs may serve the fit alone.

    Parameters
    ----------
    n_dense, n_units, n_outputs : int
    seed : int
        Of the weights that it begins with.
    inputs : ndarray of shape (n_ticks, n_inputs)
        Some of what it will hear, for the scale.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """

    def __init__(
        self, *, n_dense: int, n_units: int, n_outputs: int, seed: int, inputs: npt.NDArray[np.floating[Any]]
    ) -> None:
        torch = torch_module()
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(mode=True)
        self._dense = torch.nn.Linear(inputs.shape[1], n_dense)
        self._memory = torch.nn.GRU(n_dense, n_units, batch_first=True)
        self._out = torch.nn.Linear(n_units, n_outputs)
        heard = np.asarray(inputs, dtype=np.float32)
        self._mean = torch.from_numpy(heard.mean(axis=0))
        self._spread = torch.from_numpy(heard.std(axis=0) + np.float32(SPREAD_MIN))
        self.parameters = [
            *self._dense.parameters(),
            *self._memory.parameters(),
            *self._out.parameters(),
        ]
        with torch.no_grad():
            spans = 2.0 + (SPAN_MAX_TICKS - 2.0) * torch.rand(n_units)
            self._memory.bias_ih_l0[n_units : 2 * n_units] = torch.log(spans - 1.0)
            self._memory.bias_hh_l0[n_units : 2 * n_units] = 0.0

    def __call__(self, inputs: Any) -> Any:
        """Outputs of each tick, from inputs of shape ``(n_calls, n_ticks, n_inputs)``."""
        scaled = (inputs - self._mean) / self._spread
        return self._out(self._memory(self._dense(scaled).relu())[0])

    def begin_with(self, network: Network) -> None:
        """Go on from a network of the same sizes; outputs that it lacks begin anew."""
        torch = torch_module()

        def put(parameter: Any, name: str) -> None:
            value = torch.from_numpy(np.ascontiguousarray(network.arrays[name].T))
            parameter[: value.shape[0]] = value

        with torch.no_grad():
            self._mean, self._spread = torch.zeros_like(self._mean), torch.ones_like(self._spread)
            put(self._dense.weight, "dense_weight")
            put(self._dense.bias, "dense_bias")
            put(self._memory.weight_ih_l0, "in_weight")
            put(self._memory.bias_ih_l0, "in_bias")
            put(self._memory.weight_hh_l0, "state_weight")
            put(self._memory.bias_hh_l0, "state_bias")
            put(self._out.weight, "out_weight")
            put(self._out.bias, "out_bias")

    def network(self, *, inputs: Sequence[str], outputs: Sequence[str], version: str, recipe: str) -> Network:
        """Take the weights of the first outputs, which are named; the scale goes into the first layer.

        Parameters
        ----------
        inputs : sequence of str
            Names of the inputs.
        outputs : sequence of str
            Names of the outputs that are kept.
        version, recipe : str
        """

        def weights(tensor: Any) -> npt.NDArray[np.float64]:
            return np.asarray(tensor.detach().numpy(), dtype=np.float64).T

        mean, spread = (tensor.numpy().astype(np.float64) for tensor in (self._mean, self._spread))
        dense_weight = weights(self._dense.weight) / spread[:, None]
        arrays = {
            "dense_weight": dense_weight,
            "dense_bias": weights(self._dense.bias) - mean @ dense_weight,
            "in_weight": weights(self._memory.weight_ih_l0),
            "in_bias": weights(self._memory.bias_ih_l0),
            "state_weight": weights(self._memory.weight_hh_l0),
            "state_bias": weights(self._memory.bias_hh_l0),
            "out_weight": weights(self._out.weight)[:, : len(outputs)],
            "out_bias": weights(self._out.bias)[: len(outputs)],
        }
        kept: dict[str, Floats] = {
            name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()
        }
        return Network(version=version, inputs=tuple(inputs), outputs=tuple(outputs), arrays=kept, recipe=recipe)

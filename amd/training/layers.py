"""A fitted network out of torch, as `amd.networks` reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from amd.networks import Floats, Network
from amd.speech import TICK_INPUTS


def taken(dense: Any, memory: Any, out: Any, *, outputs: tuple[str, ...], version: str, recipe: str) -> Network:
    """Take the weights of the first outputs; the heads that only steadied the fit stay behind.

    Parameters
    ----------
    dense, out : torch.nn.Linear
    memory : torch.nn.GRU
    outputs : tuple of str
        Names of the outputs that are kept, which come first.
    version, recipe : str
    """

    def weights(tensor: Any) -> Floats:
        return np.ascontiguousarray(tensor.detach().numpy().T, dtype=np.float32)

    arrays = {
        "dense_weight": weights(dense.weight),
        "dense_bias": weights(dense.bias),
        "in_weight": weights(memory.weight_ih_l0),
        "in_bias": weights(memory.bias_ih_l0),
        "state_weight": weights(memory.weight_hh_l0),
        "state_bias": weights(memory.bias_hh_l0),
        "out_weight": np.ascontiguousarray(weights(out.weight)[:, : len(outputs)]),
        "out_bias": np.ascontiguousarray(weights(out.bias)[: len(outputs)]),
    }
    return Network(version=version, inputs=TICK_INPUTS, outputs=outputs, arrays=arrays, recipe=recipe)

"""Boosted decision trees as tables of numbers: read from a model's content, walked by many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.errors import ModelError

Floats = npt.NDArray[np.float64]

_PACK: Final = 1024
"""More nodes than a tree has, and measures than are taken."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as one table of shape ``(n_trees, n_nodes, 2)``, so that a question is read from one place.

    A node asks whether a measure is at most its first number, and goes on where the second says: the measure and
    both ways, packed. A leaf goes on to itself; its first number is its answer.
    """

    version: str
    nodes: Floats
    depth: int
    base: float

    @classmethod
    def of(cls, content: dict[str, Any], measures: Sequence[str]) -> Self:
        """Build trees from the content of a model's file.

        Raises
        ------
        ModelError
            If they ask about other measurements than ``measures``, or their numbers cannot be used.
        """
        if content.get("measures") != list(measures):
            raise ModelError(
                f"the model asks about {content.get('measures')}, this version measures {list(measures)}:"
                " fit them again"
            )
        try:
            n_nodes = max(len(tree) for tree in content["trees"])
            table = np.zeros((len(content["trees"]), n_nodes, 5))
            for index, tree in enumerate(content["trees"]):
                table[index, : len(tree)] = tree
            measure, yes, no = (table[:, :, column].astype(np.int64) for column in (0, 2, 3))
            if (
                measure.max() >= min(len(measures), _PACK)
                or max(yes.max(), no.max()) >= min(n_nodes, _PACK)
                or table[:, :, [0, 2, 3]].min() < 0
            ):
                raise ModelError("the model's trees point outside their tables")
            is_leaf = (yes == no) & (yes == np.arange(n_nodes))
            values = np.where(is_leaf, table[:, :, 4], table[:, :, 1])
            nodes = np.stack([values, (measure * _PACK + yes) * _PACK + no], axis=2)
            return cls(
                version=str(content["version"]),
                nodes=nodes,
                depth=int(content["depth"]),
                base=float(content["base"]),
            )
        except KeyError as error:
            raise ModelError(f"the model lacks {error}") from error
        except (TypeError, ValueError) as error:
            raise ModelError(f"the model's numbers cannot be used: {error}") from error

    def log_odds(self, rows: Floats) -> Floats:
        """Sum of the base and one answer of each tree: ``(n,)`` for rows of shape ``(n, n_measures)``."""
        found = np.empty(rows.shape[0])
        _walk(rows, self.nodes, self.depth, self.base, found)
        return found


@exact
def _walk(rows: Floats, nodes: Floats, depth: int, base: float, found: Floats) -> None:
    """Walk all trees a step at a time: what one has to be waited for from memory, others need not."""
    at = np.empty(nodes.shape[0], dtype=np.intp)
    for row in range(rows.shape[0]):
        at[:] = 0
        for _ in range(depth):
            for tree in range(at.size):
                limit, ways = nodes[tree, at[tree], 0], int(nodes[tree, at[tree], 1])
                asked = rows[row, ways // (_PACK * _PACK)] <= limit
                at[tree] = ways // _PACK % _PACK if asked else ways % _PACK
        total = 0.0
        for tree in range(at.size):
            total += nodes[tree, at[tree], 0]
        found[row] = base + total

"""Boosted decision trees as tables of numbers: read from a model's content, walked by many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.errors import ModelError

Floats = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as tables; arrays of shape ``(n_trees, n_nodes)``.

    A node asks whether ``measure`` is at most ``limit`` and goes on at ``yes`` or ``no``; a leaf stays there.
    """

    version: str
    measure: Nodes
    limit: Floats
    yes: Nodes
    no: Nodes
    answer: Floats
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
            measure, yes, no = (table[:, :, column].astype(np.int16) for column in (0, 2, 3))
            if (
                measure.max() >= len(measures)
                or max(yes.max(), no.max()) >= n_nodes
                or table[:, :, [0, 2, 3]].min() < 0
            ):
                raise ModelError("the model's trees point outside their tables")
            return cls(
                version=str(content["version"]),
                measure=measure,
                limit=table[:, :, 1],
                yes=yes,
                no=no,
                answer=table[:, :, 4],
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
        _walk(rows, self.measure, self.limit, self.yes, self.no, self.answer, self.depth, self.base, found)
        return found


@exact
def _walk(
    rows: Floats,
    measure: Nodes,
    limit: Floats,
    yes: Nodes,
    no: Nodes,
    answer: Floats,
    depth: int,
    base: float,
    found: Floats,
) -> None:
    """Walk all trees a step at a time: what one has to be waited for from memory, others need not."""
    nodes = np.empty(measure.shape[0], dtype=np.intp)
    for row in range(rows.shape[0]):
        nodes[:] = 0
        for _ in range(depth):
            for tree in range(nodes.size):
                node = nodes[tree]
                asked = rows[row, measure[tree, node]] <= limit[tree, node]
                nodes[tree] = yes[tree, node] if asked else no[tree, node]
        total = 0.0
        for tree in range(nodes.size):
            total += answer[tree, nodes[tree]]
        found[row] = base + total

"""Gradient-boosted trees as tables, of many rows at once: what `amd.beeps` does for one tone.

Fitting needs scikit-learn; scoring does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from amd.errors import ModelError
from amd.models import checksum, content_of

FORMAT: Final = "amd peer trees 1"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Decision trees as tables; arrays of shape ``(n_trees, n_nodes)``.

    A node asks whether ``measure`` is at most ``limit`` and goes on at ``yes`` or ``no``; a leaf stays there.
    """

    measures: tuple[str, ...]
    measure: npt.NDArray[np.intp]
    limit: Floats
    yes: npt.NDArray[np.intp]
    no: npt.NDArray[np.intp]
    answer: Floats
    depth: int
    base: float
    extra: dict[str, Any]

    def log_odds(self, rows: Floats) -> Floats:
        """Log-odds of a machine: float64 of shape ``(n,)`` for rows of shape ``(n, len(measures))``."""
        total = np.full(rows.shape[0], self.base)
        at = np.arange(rows.shape[0])
        for measure, limit, yes, no, answer in zip(
            self.measure, self.limit, self.yes, self.no, self.answer, strict=True
        ):
            node = np.zeros(rows.shape[0], dtype=np.intp)
            for _ in range(self.depth):
                node = np.where(rows[at, measure[node]] <= limit[node], yes[node], no[node])
            total += answer[node]
        return total


def content_from(fitted: Any, measures: Sequence[str], **extra: Any) -> dict[str, Any]:
    """Take the trees out of a fitted ``HistGradientBoostingClassifier`` of two classes, as JSON content."""
    tables = [_table(stage[0].nodes) for stage in fitted._predictors]  # noqa: SLF001 - it has no public tables
    content = {
        "format": FORMAT,
        "measures": list(measures),
        "depth": int(max(stage[0].get_max_depth() for stage in fitted._predictors)),  # noqa: SLF001
        "base": float(fitted._baseline_prediction.ravel()[0]),  # noqa: SLF001
        "trees": tables,
        **extra,
    }
    return content | {"sha256": checksum(content)}


def _table(nodes: npt.NDArray[Any]) -> list[list[float]]:
    """Nodes as (measure, limit, yes, no, answer); leaves go on at themselves."""
    rows: list[list[float]] = []
    for index, node in enumerate(nodes):
        if node["is_leaf"]:
            rows.append([0, 0.0, index, index, round(float(node["value"]), 4)])
        else:
            limit = float(f"{node['num_threshold']:.6g}")
            rows.append([int(node["feature_idx"]), limit, int(node["left"]), int(node["right"]), 0.0])
    return rows


def parse(text: str, measures: Sequence[str]) -> Trees:
    """Build trees from their JSON.

    Raises
    ------
    ModelError
        If the text is not such a model, or asks about other measurements than these.
    """
    content = content_of(text, FORMAT)
    try:
        if content["measures"] != list(measures):
            raise ModelError(
                f"the trees ask about {content['measures']}, there is {list(measures)}: fit them again"
            )
        n_nodes = max(len(tree) for tree in content["trees"])
        table = np.zeros((len(content["trees"]), n_nodes, 5))
        for index, tree in enumerate(content["trees"]):
            table[index, : len(tree)] = tree
        measure, yes, no = (table[:, :, column].astype(np.intp) for column in (0, 2, 3))
        if (
            measure.max() >= len(measures)
            or max(yes.max(), no.max()) >= n_nodes
            or table[:, :, [0, 2, 3]].min() < 0
        ):
            raise ModelError("the trees point outside their tables")
        known = ("format", "measures", "depth", "base", "trees", "sha256")
        return Trees(
            measures=tuple(measures),
            measure=measure,
            limit=table[:, :, 1],
            yes=yes,
            no=no,
            answer=table[:, :, 4],
            depth=int(content["depth"]),
            base=float(content["base"]),
            extra={name: value for name, value in content.items() if name not in known},
        )
    except KeyError as error:
        raise ModelError(f"the trees lack {error}") from error

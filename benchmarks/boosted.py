"""Gradient-boosted trees that scikit-learn fitted, as the content of a model's file; `amd.trees` walks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from amd.models import checksum


def content_from(fitted: Any, measures: Sequence[str], model_format: str, **extra: Any) -> dict[str, Any]:
    """Take the trees out of a fitted ``HistGradientBoostingClassifier`` of two classes, as JSON content."""
    tables = [_table(stage[0].nodes) for stage in fitted._predictors]  # noqa: SLF001 - it has no public tables
    content = {
        "format": model_format,
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

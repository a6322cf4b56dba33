"""Matrix products whose rows do not depend on one another, to the last bit.

A linear algebra library sums in an order that it chooses by the shapes, so a call beside others would round
differently than alone. Rows are multiplied in tiles of one shape, the last one filled with zeros: then the library
does the same for every row. `tests/test_networks.py` holds it so, place by place.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

TILE_ROWS: Final = 8
"""For one call alone a product costs as much as for eight; more rows a tile are hardly faster for many calls
(docs/decisions/0010)."""


def product(rows: Floats, weight: Floats) -> Floats:
    """Multiply ``rows`` (n, k) by ``weight`` (k, m): float32 of shape (n, m).

    Examples
    --------
    >>> product(np.ones((1, 3), np.float32), np.ones((3, 2), np.float32)).tolist()
    [[3.0, 3.0]]
    """
    n_rows, n_inner = rows.shape
    n_tiles = -(-n_rows // TILE_ROWS)
    if n_tiles * TILE_ROWS != n_rows:
        filled = np.zeros((n_tiles * TILE_ROWS, n_inner), dtype=np.float32)
        filled[:n_rows] = rows
        rows = filled
    tiles = np.ascontiguousarray(rows).reshape(n_tiles, TILE_ROWS, n_inner)
    found: Floats = np.matmul(tiles, weight).reshape(n_tiles * TILE_ROWS, weight.shape[1])[:n_rows]
    return found

"""Matrix products whose rows do not depend on one another, to the last bit.

The loops here take one row after the other. A linear algebra library is many times as fast where there are many
rows; but it sums in an order that it chooses by the shapes, so it is given tiles of one shape, the last one filled
with zeros; and each matrix is tried once: where the library has the bits of the loops, it takes many rows.
`tests/test_networks.py` holds rows so, place by place.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from amd.compiled import in_order

Floats = npt.NDArray[np.float32]

TILE_ROWS: Final = 8
"""More rows a tile are hardly faster for many calls (docs/decisions/0010)."""
FEW_ROWS: Final = 4
"""So many rows the loop takes as fast as the library takes a tile."""
_LINE: Final = 16
"""Columns are taken so many together, each summed in the order of the rows. What is left over is summed column by
column in so many lanes, half as many where there is but one: as OpenBLAS does with registers of 512 bits."""
_UNROLLED: Final = 4


class Matrix:
    """A matrix that rows are multiplied by.

    Parameters
    ----------
    weight : ndarray of float32, shape (k, m)

    Examples
    --------
    >>> Matrix(np.ones((3, 2), np.float32)).times(np.ones((1, 3), np.float32)).tolist()
    [[3.0, 3.0]]
    """

    def __init__(self, weight: Floats) -> None:
        n_inner, n_columns = weight.shape
        n_whole = n_columns - n_columns % _LINE
        self.weight: Floats = np.ascontiguousarray(weight, dtype=np.float32)
        self.whole: Floats = np.ascontiguousarray(self.weight[:, :n_whole])
        self.rest: Floats = np.ascontiguousarray(self.weight[:, n_whole:].T)
        rows = np.random.default_rng(1).standard_normal((TILE_ROWS, n_inner)).astype(np.float32)
        self._by_library = np.array_equal(self._by_loop(rows), np.matmul(rows[None], self.weight)[0])

    def _by_loop(self, rows: Floats) -> Floats:
        found: Floats = np.empty((rows.shape[0], self.weight.shape[1]), dtype=np.float32)
        multiply(rows, self.whole, self.rest, found)
        return found

    def times(self, rows: Floats) -> Floats:
        """Multiply ``rows`` (n, k) by the matrix: float32 of shape (n, m)."""
        n_rows, n_inner = rows.shape
        if n_rows <= FEW_ROWS or not self._by_library:
            return self._by_loop(np.ascontiguousarray(rows))
        n_tiles = -(-n_rows // TILE_ROWS)
        if n_tiles * TILE_ROWS != n_rows:
            filled = np.zeros((n_tiles * TILE_ROWS, n_inner), dtype=np.float32)
            filled[:n_rows] = rows
            rows = filled
        tiles = np.ascontiguousarray(rows).reshape(n_tiles, TILE_ROWS, n_inner)
        found: Floats = np.matmul(tiles, self.weight).reshape(n_tiles * TILE_ROWS, -1)[:n_rows]
        return found


@in_order
def multiply(rows: Floats, whole: Floats, rest: Floats, found: Floats) -> None:
    """Fill ``found`` (n, m) with the product of ``rows`` (n, k) and a matrix.

    Of the matrix, ``whole`` has the columns that are taken together, and ``rest`` those that are left, as rows.
    """
    n_inner, n_whole = whole.shape
    unrolled = n_inner - n_inner % _UNROLLED
    for row in range(rows.shape[0]):
        values, sums = rows[row], found[row, :n_whole]
        for at in range(n_whole):
            sums[at] = np.float32(0)
        for inner in range(0, unrolled, _UNROLLED):
            one, two, three, four = values[inner], values[inner + 1], values[inner + 2], values[inner + 3]
            first, second = whole[inner], whole[inner + 1]
            third, fourth = whole[inner + 2], whole[inner + 3]
            for at in range(n_whole):
                total = sums[at] + one * first[at]
                total = total + two * second[at]
                total = total + three * third[at]
                sums[at] = total + four * fourth[at]
        for inner in range(unrolled, n_inner):
            one, first = values[inner], whole[inner]
            for at in range(n_whole):
                sums[at] = sums[at] + one * first[at]
        for column in range(rest.shape[0]):
            found[row, n_whole + column] = _in_lanes(values, rest[column], found.shape[1] == 1)


@in_order
def _in_lanes(one: Floats, other: Floats, lone: bool) -> np.float32:  # noqa: FBT001 - compiled code has no keywords
    """Sum of products, in lanes that are added two and two at the end."""
    sums = np.zeros(_LINE, dtype=np.float32)
    n_lanes = _LINE // 2 if lone else _LINE
    whole = one.size - one.size % n_lanes
    for start in range(0, whole, n_lanes):
        for lane in range(n_lanes):
            sums[lane] = sums[lane] + one[start + lane] * other[start + lane]
    for lane in range(one.size - whole):
        sums[lane] = sums[lane] + one[whole + lane] * other[whole + lane]
    if lone:
        for lane in range(4):
            sums[lane] += sums[lane + 4]
        n_lanes = 4
    while n_lanes > 1:
        n_lanes //= 2
        for lane in range(n_lanes):
            sums[lane] = sums[2 * lane] + sums[2 * lane + 1]
    total: np.float32 = sums[0]
    return total

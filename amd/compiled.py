"""Loops over rows and calls, compiled when they are first called and kept on disk for the next time (numba).

What is compiled takes arrays and scalars only, and gives a row the same bits wherever it stands: sums may be
reordered to fit vector registers, but in one way for every row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function without the interpreter's lock, and without its checks of indices."""
    made: F = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})(function)
    return made


def inlined(function: F) -> F:
    """The same for what others call a row at a time."""
    made: F = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}, inline="always")(function)
    return made

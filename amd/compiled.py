"""Loops over rows and calls, compiled when they are first called and kept on disk for the next time (numba).

What is compiled takes arrays and scalars only, and gives a row the same bits wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function of float32; the interpreter's lock is released while it runs.

    Sums may be taken in the order that suits vector registers: one and the same for every row.
    """
    reordered = {"reassoc", "contract", "nsz"}
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=reordered)(function))


def exact(function: F) -> F:
    """The same, but every operation as it is written, as the interpreter does it."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))

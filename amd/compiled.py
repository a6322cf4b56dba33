"""Loops over rows and calls, compiled when they are first called and kept on disk for the next time (numba).

What is compiled takes arrays, records and scalars only, and gives a row the same bits wherever it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function of float32; the interpreter's lock is released while it runs.

    Sums may be taken in the order that suits vector registers: one and the same for every row.
    """
    return _kept(function, fastmath={"reassoc", "contract", "nsz"})


def in_order(function: F) -> F:
    """The same, but sums are taken in the order in which they are written.

    A product and the sum that it goes into may be one operation, rounded once.
    """
    return _kept(function, fastmath={"contract"})


def exact(function: F) -> F:
    """The same, but every operation as it is written, as the interpreter does it.

    Numba would let a function take its caller's way with sums, unless it is told otherwise.
    """
    return _kept(function, fastmath=False)


def _kept(function: F, **options: Any) -> F:
    """Keep what is compiled beside the source, else in the user's cache, else in memory only.

    What is kept holds the code of the functions that it calls, in other files too: numba, which looks at one file
    only, is told to compile anew when any of the package has changed.
    """
    make: Any = numba.njit
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, **options}
    try:
        kept = make(cache=True, **options)(function)
        index = kept._cache._cache_file  # noqa: SLF001 - there is no public way
        index._source_stamp = (index._source_stamp, sources())  # noqa: SLF001
    except (RuntimeError, AttributeError, OSError):  # nothing can be written, or not in this way
        kept = make(**options)(function)
    return cast(F, kept)


@cache
def sources() -> str:
    """Return a checksum of the sources that have compiled functions."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        if b"amd.compiled" in source:
            digest.update(source)
    return digest.hexdigest()

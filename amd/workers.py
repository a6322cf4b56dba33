"""The same work on many things: in worker processes here, or on a Dask cluster; results in order, as they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any, Final, TypeVar

from amd.errors import AmdError, MissingExtraError

Thing = TypeVar("Thing")
Outcome = TypeVar("Outcome")

POOL_MIN_THINGS: Final = 24
"""Fewer things are done sooner than worker processes start."""


def spread(
    work: Callable[[Thing], Outcome],
    things: Iterable[Thing],
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Iterator[Outcome]:
    """Do ``work`` on each of ``things``, and yield what comes of it in their order.

    ``things`` are taken a few at a time, so that a million of them need no memory.

    Parameters
    ----------
    work : callable
        Can be pickled: a function of a module, or a `functools.partial` of one.
    things : iterable
    jobs : int, optional
        Worker processes; as many as cores unless given. Few things are done in this process.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers then do it. They need this package, and the same files under the
        same paths. What a lost worker had in hand is done again by another.

    Raises
    ------
    MissingExtraError
        If ``scheduler`` is given and Dask is not installed.
    AmdError
        If no scheduler answers there.
    """
    coming = iter(things)
    first = list(itertools.islice(coming, POOL_MIN_THINGS))
    if scheduler is None and (jobs == 1 or len(first) < POOL_MIN_THINGS):
        yield from map(work, itertools.chain(first, coming))
        return
    import joblib  # noqa: PLC0415 - few things need no workers

    with ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(joblib.parallel_config(backend="loky", n_jobs=jobs or -1))
        else:
            stack.enter_context(closing(_client(scheduler)))
            stack.enter_context(joblib.parallel_config(backend="dask"))
        parallel = joblib.Parallel(return_as="generator")
        yield from parallel(joblib.delayed(work)(thing) for thing in itertools.chain(first, coming))


def _client(address: str) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 - only a cluster needs it
    except ImportError as error:
        raise MissingExtraError(
            "a scheduler needs Dask: pip install 'amd-callback[cluster]', here and on its workers"
        ) from error
    try:
        return Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise AmdError(f"no Dask scheduler answers at {address!r}: an address is like tcp://HOST:8786") from error

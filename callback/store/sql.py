"""The store: whatever a transaction writes is there as a whole, or not at all, on SQLite and PostgreSQL alike.

An event, the row that it changed, the attempt it began or ended and the commands it asks for are one write.
Claims are taken one after another within a queue, in the order of the line: a lock that others skip over would let
a later place overtake an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.errors import StoreError
from callback.store import migrations
from callback.store.engines import READING, engine_of, translated
from callback.store.overview import Overview
from callback.store.reads import Reads
from callback.store.telling import Telling, ToldBefore
from callback.store.writes import Writes

WAIT_MAX_S: Final = 5.0


class Transaction(Writes, Telling):
    """One transaction: read, decide, and `save`."""


class Reading(Reads, Overview, ToldBefore):
    """One transaction that only reads."""


class Store:
    """Callbacks, on a SQLite file or a PostgreSQL server.

    Parameters
    ----------
    url : str
        A path, ``sqlite:///path`` or ``postgresql://host/name``.
    wait_max_s : float
        How long a transaction waits for others before it raises `StoreBusy`. Default 5 s: a claim takes
        milliseconds, so somebody hangs.
    """

    def __init__(self, url: str, *, wait_max_s: float = WAIT_MAX_S) -> None:
        if not 0 < wait_max_s <= 3600:
            raise StoreError(f"wait_max_s={wait_max_s} must be above 0 and at most 3600 s: milliseconds?")
        self.engine = engine_of(url, wait_max_s=wait_max_s)
        still = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reading = self.engine.execution_options(**READING, **still)

    def __repr__(self) -> str:
        return f"Store({self.engine.url.render_as_string(hide_password=True)!r})"

    def migrate(self, *, to: int = migrations.LATEST) -> tuple[int, int]:
        """Bring the schema forward; returns the versions before and after."""
        with translated(), self.engine.begin() as connection:
            return migrations.migrate(connection, to=to)

    def check(self) -> None:
        """Raise SchemaError unless the schema is the one that this program works with."""
        with self._connected(self._reading) as connection:
            migrations.check(connection)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read and write as one; an exception inside leaves everything as it was."""
        with self._connected(self.engine) as connection:
            yield Transaction(connection)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Read a state that holds still, without keeping anyone from writing."""
        with self._connected(self._reading) as connection:
            yield Reading(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _connected(self, engine: sa.Engine) -> Iterator[Connection]:
        with translated(), engine.begin() as connection:
            yield connection

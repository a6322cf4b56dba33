"""Connections to SQLite and PostgreSQL that mean the same by a transaction, and their errors in our own words.

No text of a database is passed on: it may name the number that it tripped over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError

from callback.errors import (
    MissingExtraError,
    SchemaError,
    StaleVersion,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

READING: Final = {"callback_reading": True}
"""Execution options of a connection that only reads: on SQLite it takes no lock that keeps others from writing."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",  # readers never wait for a writer
    "PRAGMA synchronous=FULL",  # what is committed outlives a power cut
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # what is erased is overwritten
)
_RACED: Final = (
    "attempts",
    "events",
    "ux_callbacks_open",
    "callbacks.queue",
    "callbacks_queue",
    "requests",
    "inbox",
    "told",
)
"""What a broken unique constraint names when two transactions did the same thing at once."""
_DIALECTS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def url_of(text: str) -> URL:
    """Read a database URL; a bare path is a SQLite file.

    Raises
    ------
    StoreError
        If it is neither SQLite nor PostgreSQL.
    """
    try:
        url = make_url(text if "://" in text else f"sqlite:///{text}")
    except ArgumentError:
        raise StoreError(
            "this is no database URL, need a path or postgresql://host/name: a typing slip?"
        ) from None
    kind = url.get_backend_name()
    if kind not in _DIALECTS:
        raise StoreError(f"a {kind} database is not supported, need sqlite or postgresql")
    return url.set(drivername=_DIALECTS[kind])


def engine_of(text: str, *, wait_max_s: float) -> Engine:
    """Return the engine of a URL; a writer waits ``wait_max_s`` for others, then raises `StoreBusy`."""
    url = url_of(text)
    sqlite = url.get_backend_name() == "sqlite"
    wait_ms = round(1000 * wait_max_s)
    options: dict[str, Any] = (
        {"timeout": wait_max_s}
        if sqlite
        else {
            "connect_timeout": max(1, round(wait_max_s)),
            "options": f"-c lock_timeout={wait_ms} -c timezone=UTC",
        }
    )
    try:
        engine = sa.create_engine(url, connect_args=options, hide_parameters=True)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise MissingExtraError("PostgreSQL needs psycopg: pip install 'amd-callback[postgres]'") from None
    if sqlite:
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = (
        None  # BEGIN is ours: the driver's own one starts by reading, and then cannot write
    )
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("callback_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of a database into ours."""
    try:
        yield
    except IntegrityError as error:
        raise _broken(error) from None
    except DBAPIError as error:
        raise _failed(error) from None


def _broken(error: IntegrityError) -> StoreError | StaleVersion:
    """Say which rule of the schema was broken; one that another transaction was faster at is a stale version."""
    diagnosis = getattr(error.orig, "diag", None)
    rule = getattr(diagnosis, "constraint_name", None) or str(error.orig)
    if "ck_" not in rule and "fkey" not in rule and any(name in rule for name in _RACED):
        return StaleVersion("another transaction came first: read the callback again")
    return StoreError(f"the schema forbids this ({rule}): nothing was written")


def _failed(error: DBAPIError) -> StoreError:
    if isinstance(error.orig, sqlite3.Error):
        return _failed_sqlite(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if state in {"53100", "53200", "53300"}:
        return StoreFull(f"PostgreSQL is out of disk, memory or connections ({state}): nothing was written")
    if state in {"55P03", "40001", "40P01"}:
        return StoreBusy(f"others hold what this needs in PostgreSQL ({state}): try again")
    if state in {"42P01", "42703"}:
        return SchemaError(f"tables are missing in PostgreSQL ({state}): run `callback migrate`?")
    if error.connection_invalidated or isinstance(error, OperationalError):
        return StoreUnavailable(
            f"the connection to PostgreSQL broke ({state or 'no answer'}); is the server up? Trying again is safe"
        )
    return StoreError(f"PostgreSQL refused this ({state}): nothing was written")


def _failed_sqlite(error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", "unknown")
    if code == sqlite3.SQLITE_FULL:
        return StoreFull("the disk of the SQLite file is full: nothing was written; make room, then go on")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy("others hold the SQLite file: try again, or give `wait_max_s` more time")
    if code == sqlite3.SQLITE_NOTADB:
        return SchemaError("this file is no SQLite database: another path?")
    if "no such table" in str(error) or "no such column" in str(error):
        return SchemaError("tables are missing in the SQLite file: run `callback migrate`?")
    return StoreUnavailable(
        f"the SQLite file cannot be read or written ({name}): a folder that is not there, or not yours?"
    )

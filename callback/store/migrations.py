"""Versions of the schema. Each is a file of SQL that stays as it is; a new database goes through them all."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.errors import SchemaError

_MAKE: Final = "CREATE TABLE IF NOT EXISTS callback_schema (version BIGINT NOT NULL)"
_LOCK: Final = "LOCK TABLE callback_schema IN EXCLUSIVE MODE"


def _versions() -> dict[int, str]:
    folder = files("callback.store") / "versions"
    return {
        int(file.name.removesuffix(".sql")): file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if re.fullmatch(r"\d{4}\.sql", file.name)
    }


VERSIONS: Final[dict[int, str]] = _versions()
LATEST: Final = max(VERSIONS)


def statements(text: str) -> list[str]:
    """Cut a file of SQL into its statements, without comments."""
    bare = re.sub(r"--[^\n]*", "", text)
    return [one.strip() for one in bare.split(";") if one.strip()]


def version_of(connection: Connection) -> int:
    """Return the version of a database; 0 when nothing is in it."""
    if not sa.inspect(connection).has_table("callback_schema"):
        return 0
    return int(connection.execute(sa.text("SELECT max(version) FROM callback_schema")).scalar() or 0)


def migrate(connection: Connection, *, to: int = LATEST) -> tuple[int, int]:
    """Bring a database forward to a version, in the transaction of the connection: all of it, or nothing.

    Returns
    -------
    tuple of int
        The versions before and after.

    Raises
    ------
    SchemaError
        If the database is of a later version: there is no way back.
    """
    connection.execute(sa.text(_MAKE))
    if connection.dialect.name == "postgresql":  # on SQLite the transaction is the lock
        connection.execute(sa.text(_LOCK))
    before = version_of(connection)
    if before > to:
        raise SchemaError(f"the database has version {before}, need {to} or earlier: a newer program wrote it?")
    for version in range(before + 1, to + 1):
        for statement in statements(VERSIONS[version]):
            connection.exec_driver_sql(statement)
        connection.execute(
            sa.text("INSERT INTO callback_schema (version) VALUES (:version)"), {"version": version}
        )
    return before, max(before, to)


def check(connection: Connection) -> None:
    """Raise SchemaError unless the database has the version that this program works with."""
    version = version_of(connection)
    if version != LATEST:
        slip = "run `callback migrate`" if version < LATEST else "a newer program wrote it: update this one"
        raise SchemaError(f"the database has version {version}, need {LATEST}: {slip}")

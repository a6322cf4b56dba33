"""The durable store: one schema and one set of queries, on a SQLite file or a PostgreSQL server."""

from callback.store.sql import Change, Note, Store, Transaction

__all__ = ["Change", "Note", "Store", "Transaction"]

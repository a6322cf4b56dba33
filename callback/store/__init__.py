"""The durable store: one schema and one set of queries, on a SQLite file or a PostgreSQL server."""

from callback.store.reads import InLine, Reads
from callback.store.sql import Store, Transaction
from callback.store.writes import Change, Errand, Note

__all__ = ["Change", "Errand", "InLine", "Note", "Reads", "Store", "Transaction"]

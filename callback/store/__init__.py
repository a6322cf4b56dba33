"""The durable store: one schema and one set of queries, on a SQLite file or a PostgreSQL server."""

from callback.store.outbox import DURABLE, Errand
from callback.store.reads import InLine, Reads
from callback.store.sql import Reading, Store, Transaction
from callback.store.writes import Change, Note

__all__ = ["DURABLE", "Change", "Errand", "InLine", "Note", "Reading", "Reads", "Store", "Transaction"]

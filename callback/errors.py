"""What can go wrong: each error names the value, the need, and the likely slip; never a number or a name."""


class CallbackError(Exception):
    """Base of every error this package raises on purpose."""


class IllegalTransition(CallbackError, ValueError):  # noqa: N818 -- the name of what happened
    """An event that cannot happen in the state the callback is in; the message says what can."""


class StaleFence(CallbackError):  # noqa: N818
    """Who acts has lost the callback: its lease ran out, and others have taken over."""


class StaleVersion(CallbackError):  # noqa: N818
    """The callback changed since it was read. Read it again."""


class BookingRefused(CallbackError, ValueError):  # noqa: N818
    """A booking that cannot be kept; the message says why."""


class AlreadyBooked(BookingRefused):
    """The number has an open callback in this queue; ``callback_id`` names it."""

    def __init__(self, message: str, *, callback_id: str) -> None:
        super().__init__(message)
        self.callback_id = callback_id


class UnknownCallback(CallbackError, LookupError):  # noqa: N818
    """No callback has this id."""


class StoreError(CallbackError):
    """The store could not do it; nothing of it was written."""


class StoreFull(StoreError):  # noqa: N818
    """The disk that the store is on is full."""


class StoreBusy(StoreError):  # noqa: N818
    """Others held the store for longer than this one may wait."""


class StoreUnavailable(StoreError):  # noqa: N818
    """The store cannot be reached, or the connection was lost.

    What was being written may have been written or not: doing it again with the same key or event id is safe.
    """


class SchemaError(StoreError):
    """The database is of another version than this program, or is no callback store at all."""


class MissingExtraError(CallbackError, ImportError):
    """A feature needs an optional dependency; the message says which extra installs it."""

"""Fingerprints of greetings, kept with the number that played them, for as long as its callback is not erased."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.log import to_us
from callback.states import Callback
from callback.store.tables import greetings

GREETINGS_MAX: Final = 3
"""Of one number: people change their greeting, and carriers have one for each reason."""

_OF: Final = (
    sa.select(greetings.c.kept_at_us, greetings.c.fingerprint)
    .where(greetings.c.number == sa.bindparam("number"))
    .order_by(greetings.c.kept_at_us.desc())
)
_HAS: Final = sa.select(greetings.c.dial_id).where(greetings.c.dial_id == sa.bindparam("dial_id"))
_ADD: Final = sa.insert(greetings)
_DROP: Final = sa.delete(greetings).where(
    greetings.c.number == sa.bindparam("whose"), greetings.c.kept_at_us < sa.bindparam("oldest")
)
FORGET: Final = sa.delete(greetings).where(greetings.c.callback_id == sa.bindparam("which"))


class GreetingReads:
    """What is known of a number's greetings."""

    _connection: Connection

    def greetings_of(self, number: str) -> list[bytes]:
        """Return the fingerprints of the greetings that a number played, the last one first."""
        rows = self._connection.execute(_OF, {"number": number})
        return [bytes(fingerprint) for _, fingerprint in rows][:GREETINGS_MAX]


class GreetingWrites(GreetingReads):
    """Keeping greetings."""

    def keep_greeting(self, callback: Callback, dial_id: str, fingerprint: bytes, now: datetime) -> bool:
        """Keep the greeting that a call met; say whether it was. One a call, the last `GREETINGS_MAX` a number."""
        known = self._connection.execute(_HAS, {"dial_id": dial_id}).scalar() is not None
        if callback.person is None or known:
            return False
        number = callback.person.number
        row: dict[str, str | int | bytes] = {"dial_id": dial_id, "callback_id": callback.id, "number": number}
        row |= {"kept_at_us": to_us(now), "fingerprint": fingerprint}
        self._connection.execute(_ADD, row)
        kept_at_us = [at_us for at_us, _ in self._connection.execute(_OF, {"number": number})]
        if len(kept_at_us) > GREETINGS_MAX:
            self._connection.execute(_DROP, {"whose": number, "oldest": kept_at_us[GREETINGS_MAX - 1]})
        return True

"""What workers remember together of dials by Twilio: one row each, in a database that all of them use.

Twilio has no key for a call but its own, which it gives in the reply: a lost reply could be placed twice, and no
other worker could find the call by its dial id. A row is written before the call is; its primary key refuses a
second one. It holds no number: a keyed hash of it, by which a call whose reply was lost is recognised in Twilio's
list.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from callback.dialing import Ended
from callback.states import Outcome

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_META: Final = sa.MetaData()
_DIALS: Final = sa.Table(
    "twilio_dials",
    _META,
    sa.Column("dial_id", sa.String(128), primary_key=True),
    sa.Column("sid", sa.String(34), unique=True),
    sa.Column("hashed", sa.String(64), nullable=False, default=""),
    sa.Column("claimed_us", sa.BigInteger, nullable=False),
    sa.Column("given_up", sa.Boolean, nullable=False, default=False),
    sa.Column("talked", sa.Boolean, nullable=False, default=False),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("failed", sa.String(32)),
    sa.Column("cause", sa.String(64), nullable=False, default=""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """What is remembered of a dial; ``sid`` is Twilio's, once it is known."""

    dial_id: str
    sid: str | None
    hashed: str
    claimed_at: datetime
    given_up: bool
    talked: bool
    ended: Ended | None


def hashed(token: str, number: str) -> str:
    """Return what stands for a number: nobody without the token can tell which."""
    return hmac.new(token.encode(), number.encode(), hashlib.sha256).hexdigest()


class TwilioMemory:
    """The rows; methods block.

    Parameters
    ----------
    url : str
        A database by its SQLAlchemy URL, the same for all workers; the callbacks' own will do.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)

    def open(self) -> None:
        """Make the table, if it is not there."""
        _META.create_all(self._engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def claim(self, dial_id: str, hashed: str, now: datetime) -> bool:
        """Write a dial down; False where it was before."""
        return self._insert(dial_id=dial_id, hashed=hashed, claimed_us=_us(now))

    def find(self, dial_id: str) -> Dial | None:
        """Return what is remembered."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_DIALS).where(_DIALS.c.dial_id == dial_id)).mappings().first()
        return None if row is None else _dial(row)

    def learn(self, dial_id: str, sid: str) -> Dial | None:
        """Remember Twilio's own name of a call, unless one was told before; None where nothing is remembered."""
        self._update(dial_id, _DIALS.c.sid.is_(None), sid=sid)
        return self.find(dial_id)

    def is_known(self, sid: str) -> bool:
        """Whether a call is some dial's."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(_DIALS.c.dial_id).where(_DIALS.c.sid == sid)).first() is not None

    def give_up(self, dial_id: str, now: datetime) -> Dial:
        """Remember that a dial is not to be placed, unless its call is known."""
        self._insert(dial_id=dial_id, claimed_us=_us(now), given_up=True)
        self._update(dial_id, _DIALS.c.sid.is_(None), given_up=True)
        found = self.find(dial_id)
        assert found is not None  # noqa: S101 -- it was written
        return found

    def talk(self, dial_id: str) -> None:
        """Remember that an agent was put through."""
        self._update(dial_id, sa.true(), talked=True)

    def end(self, ended: Ended) -> Dial | None:
        """Remember how a call ended; what was remembered first stays."""
        failed = None if ended.failed is None else ended.failed.value
        values = {"ended_us": _us(ended.at), "failed": failed, "cause": ended.cause[:64]}
        self._update(ended.dial_id, _DIALS.c.ended_us.is_(None), **values)
        return self.find(ended.dial_id)

    def forget(self, before: datetime) -> None:
        """Remember nothing of dials that were written down before."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_DIALS).where(_DIALS.c.claimed_us < _us(before)))

    def _insert(self, **values: Any) -> bool:
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_DIALS).values(**values))
        except sa.exc.IntegrityError:
            return False
        return True

    def _update(self, dial_id: str, condition: sa.ColumnElement[bool], **values: Any) -> None:
        statement = sa.update(_DIALS).where(_DIALS.c.dial_id == dial_id, condition).values(**values)
        try:
            with self._engine.begin() as connection:
                connection.execute(statement)
        except sa.exc.IntegrityError:
            return  # the call is another dial's


def _dial(row: Mapping[Any, Any]) -> Dial:
    ended = None
    if row["ended_us"] is not None:
        ended = Ended(
            source_id=f"{row['dial_id']}:ended",
            dial_id=row["dial_id"],
            at=_EPOCH + timedelta(microseconds=row["ended_us"]),
            failed=None if row["failed"] is None else Outcome(row["failed"]),
            talked=row["talked"],
            cause=row["cause"],
        )
    return Dial(
        dial_id=row["dial_id"],
        sid=row["sid"],
        hashed=row["hashed"],
        claimed_at=_EPOCH + timedelta(microseconds=row["claimed_us"]),
        given_up=row["given_up"],
        talked=row["talked"],
        ended=ended,
    )


def _us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)

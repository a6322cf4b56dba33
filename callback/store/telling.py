"""What customers were told of their wait: kept with their callback, so that no restart takes it back."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from callback.errors import StaleVersion
from callback.estimate import Reason, Told, Wait
from callback.store.tables import told

_WAIT: Final = ("p10_s", "p50_s", "p90_s", "mean_s")
_TOLD: Final = (*_WAIT, "n_ahead", "agents", "handling_s")
_READ: Final = sa.select(*[told.c[name] for name in (*_TOLD, "grown")]).where(
    told.c.callback_id == sa.bindparam("which")
)
_ADD: Final = sa.insert(told)
_CHANGE: Final = (
    sa.update(told)
    .where(told.c.callback_id == sa.bindparam("which"), told.c.p90_s == sa.bindparam("p90_before_s"))
    .values({name: sa.bindparam(name) for name in (*_TOLD, "grown")})
)


class ToldBefore:
    """Reading what was told."""

    _connection: Connection

    def told(self, callback_id: str) -> Told | None:
        """Return what the customer of a callback was told last; None before the first time."""
        row = self._connection.execute(_READ, {"which": callback_id}).mappings().one_or_none()
        if row is None:
            return None
        return Told(
            wait=Wait(**{name: row[name] for name in _WAIT}),
            n_ahead=row["n_ahead"],
            agents=row["agents"],
            handling_s=row["handling_s"],
            grown=row["grown"] and Reason(row["grown"]),
        )


class Telling(ToldBefore):
    """Writing it, before it is told."""

    def keep_told(self, callback_id: str, before: Told | None, now: Told) -> None:
        """Write down what a customer is told now.

        Raises
        ------
        StaleVersion
            Meanwhile they were told something else than ``before``: read it, and estimate again.
        """
        values: dict[str, Any] = {name: getattr(now.wait, name) for name in _WAIT}
        values |= {"n_ahead": now.n_ahead, "agents": now.agents, "handling_s": now.handling_s}
        values |= {"grown": now.grown and now.grown.value}
        if before is None:  # that nobody was faster, the primary key sees to
            if self.told(callback_id) is not None:
                raise StaleVersion(f"callback {callback_id!r} was told its wait meanwhile")
            self._connection.execute(_ADD, {"callback_id": callback_id, **values})
            return
        which = {"which": callback_id, "p90_before_s": before.wait.p90_s}
        if self._connection.execute(_CHANGE, {**which, **values}).rowcount != 1:
            raise StaleVersion(f"callback {callback_id!r} was told another wait meanwhile")

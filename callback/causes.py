"""What telephone systems say of a call that was not answered, and what that means for the customer.

Codes of ITU-T Q.850 and of SIP (RFC 3261; RFC 8197 for 607, RFC 8688 for 608), in the classes of the retry policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from callback.states import Outcome


def _table(classes: Mapping[Outcome, tuple[int, ...]]) -> Mapping[int, Outcome]:
    return MappingProxyType({code: outcome for outcome, codes in classes.items() for code in codes})


Q850: Final = _table(
    {
        Outcome.BUSY: (17,),
        Outcome.NO_ANSWER: (18, 19, 20),
        Outcome.NETWORK: (3, 27, 34, 38, 41, 42, 44),
        Outcome.BAD_NUMBER: (1, 22, 28),
        Outcome.REFUSED: (21,),
    }
)
"""Cause codes of ITU-T Q.850."""

SIP: Final = _table(
    {
        Outcome.BUSY: (486, 600),
        Outcome.NO_ANSWER: (408, 480, 487),
        Outcome.NETWORK: (500, 502, 503, 504),
        Outcome.BAD_NUMBER: (404, 410, 484, 604),
        Outcome.REFUSED: (403, 603),
        Outcome.SUPPRESSED: (607, 608),
    }
)
"""Status codes of SIP."""


def failure(code: int, table: Mapping[int, Outcome], *, rang: bool) -> Outcome:
    """Return what an unanswered call came to.

    Parameters
    ----------
    code : int
    table : mapping
        `Q850` or `SIP`.
    rang : bool
        Whether it rang at the customer's. A code that is not in the table burns an attempt only if it did: who was
        disturbed is not to be called ten times, and what never reached them is our own trouble.

    Examples
    --------
    >>> str(failure(17, Q850, rang=True)), str(failure(31, Q850, rang=False)), str(failure(31, Q850, rang=True))
    ('busy', 'network', 'no_answer')
    """
    return table.get(code, Outcome.NO_ANSWER if rang else Outcome.NETWORK)

"""What the rules on abandoned calls ask of an answering-machine detector, counted on labeled calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from amd.evaluation.scores import Share, wilson
from amd.evaluation.significance import upper_bound
from amd.evaluation.summary import Tally
from amd.events import Party

ALLOWED_S: Final = 2.0
"""A live answer must be spoken to within this of its completed greeting: 47 CFR 64.1200(a)(7)."""
ABANDONED_MAX: Final = 0.03
"""So many live answers may be abandoned, of a campaign in 30 days: 47 CFR 64.1200(a)(7), 16 CFR 310.4(b)(4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """Live answers, and what became of them.

    Parameters
    ----------
    false_positives : Share
        Of all live answers, those that were called anything but human or unsure: hung up on.
    unsure : Share
        Of all live answers.
    in_time, late : Share
        Of live answers whose greeting's end is known: called human within `ALLOWED_S` of it, or later.
    abandoned : Share
        Of the same: hung up on, or late.
    false_positives_at_most, abandoned_at_most : float
        One-sided exact 95 % bounds; NaN of no calls.
    """

    false_positives: Share
    unsure: Share
    in_time: Share
    late: Share
    abandoned: Share
    false_positives_at_most: float
    abandoned_at_most: float


def compliance(tally: Tally) -> Compliance:
    """Count live answers."""
    live = tally.labelled(Party.HUMAN)
    told, unsure = live & tally.called(Party.HUMAN), live & tally.called(Party.UNSURE)
    lost = live & ~told & ~unsure
    after_s = tally.times("from_greeting_end_s")
    timed = live & ~np.isnan(after_s)
    late = told & timed & (after_s > ALLOWED_S)
    counts = [int(calls.sum()) for calls in (live, lost, unsure, timed, late, timed & (lost | late))]
    n_live, n_lost, n_unsure, n_timed, n_late, n_abandoned = counts
    return Compliance(
        false_positives=wilson(n_lost, n_live),
        unsure=wilson(n_unsure, n_live),
        in_time=wilson(int((told & timed & ~late).sum()), n_timed),
        late=wilson(n_late, n_timed),
        abandoned=wilson(n_abandoned, n_timed),
        false_positives_at_most=upper_bound(n_lost, n_live),
        abandoned_at_most=upper_bound(n_abandoned, n_timed),
    )

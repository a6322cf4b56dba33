"""What is compared on the same calls: opinions with the stopping rule that is cheapest for them, and their scores.

Some calls choose the stopping rule by `benchmarks.cost`, others are scored with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from amd.evaluation.manifest import Call
from amd.events import Party
from amd.training.listening import Recorded
from amd.training.replay import Decided, Stack
from benchmarks.cost import mean_cost, truths_of
from benchmarks.peers.timing import POLICY_FIELDS
from benchmarks.scoring import Scored, as_data, figures
from benchmarks.search import RuleStack, best_policy, best_rule
from benchmarks.ticks import Ticks

Judge = Callable[[Sequence[Ticks]], list[Recorded]]

P_LEAST: Final = 1e-6
UNHEARD_P: Final = 0.5
"""What a system counts for, in the cross-entropy, at ticks at which it has heard nobody yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One system on the scored calls.

    Parameters
    ----------
    scored : list of Scored
    cost : float
        Mean cost of the scored calls of people and machines.
    stop : dict of str to float
        The constants that were chosen for it; empty where nothing was.
    cross_entropy : float
        A tick, in nats; NaN of systems without probabilities.
    """

    scored: list[Scored]
    cost: float
    stop: dict[str, float]
    cross_entropy: float

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        cross_entropy = None if np.isnan(self.cross_entropy) else round(self.cross_entropy, 4)
        return {
            "cross_entropy": cross_entropy,
            "stop": self.stop,
            "cost": round(self.cost, 4),
            **as_data(figures(self.scored)),
        }


def calls_of(heard: Sequence[Ticks]) -> list[Call]:
    """Return what the manifest says of the calls."""
    return [one.heard.call for one in heard if one.heard.call is not None]


def of_decided(
    calls: Sequence[Call], decided: Decided, *, stop: dict[str, float], cross_entropy: float = float("nan")
) -> Candidate:
    """Score verdicts that were replayed."""
    said = [decided.said(index) for index in range(len(calls))]
    return Candidate(
        scored=[
            Scored(call=call, party=one.party, known_s=one.known_s) for call, one in zip(calls, said, strict=True)
        ],
        cost=mean_cost(truths_of(calls), decided),
        stop=stop,
        cross_entropy=cross_entropy,
    )


def with_best_stop(judge: Judge, choosing: Sequence[Ticks], heard: Sequence[Ticks]) -> Candidate:
    """Choose the stopping rule on some calls, and score the others with it."""
    _, policy = best_policy(Stack(judge(choosing)), truths_of(calls_of(choosing)))
    judged = judge(heard)
    return of_decided(
        calls_of(heard),
        Stack(judged).decide(policy),
        stop={field: getattr(policy, field) for field in POLICY_FIELDS},
        cross_entropy=cross_entropy(heard, judged),
    )


def with_best_times(masks: Sequence[str], choosing: Sequence[Ticks], heard: Sequence[Ticks]) -> Candidate:
    """Choose the mask and the two times of `benchmarks.peers.cadence` on some calls, and score the others.

    Parameters
    ----------
    masks : sequence of str
        Names of `benchmarks.fit_peers.Timed.runs`, as the modes of webrtcvad are.
    """
    truths = truths_of(calls_of(choosing))
    found = [(*best_rule(_rule_stack(name, choosing), truths), number) for number, name in enumerate(masks)]
    _, rule, number = min(found, key=lambda one: one[0])
    stop: dict[str, float] = {"gap_s": rule.gap_s, "longest_s": rule.longest_s}
    stop |= {"mode": number} if len(masks) > 1 else {}
    return of_decided(calls_of(heard), _rule_stack(masks[number], heard).decide(rule), stop=stop)


def _rule_stack(mask: str, heard: Sequence[Ticks]) -> RuleStack:
    timed = [one.timed for one in heard if one.timed is not None]
    return RuleStack([one.runs[mask] for one in timed], [one.duration_s for one in timed])


def of_rules(heard: Sequence[Ticks]) -> Candidate:
    """Score Asterisk's rules with its defaults: nothing is chosen for them."""
    calls = calls_of(heard)
    scored = [
        Scored(call=call, party=one.asterisk.party, known_s=one.asterisk.known_s)
        for call, one in zip(calls, heard, strict=True)
    ]
    parties = tuple(Party)
    decided = Decided(
        party=np.array([parties.index(one.party) for one in scored], dtype=np.int8),
        known_s=np.array([one.known_s for one in scored]),
        cause=np.zeros(len(scored), dtype=np.int8),
        probability=np.full(len(scored), np.nan),
    )
    cost = mean_cost(truths_of(calls), decided)
    return Candidate(scored=scored, cost=cost, stop={}, cross_entropy=float("nan"))


def cross_entropy(heard: Sequence[Ticks], judged: Sequence[Recorded]) -> float:
    """Cross-entropy a tick in nats, weighted as the network was fitted."""
    total = weights = 0.0
    for one, opinion in zip(heard, judged, strict=True):
        counts = one.counts
        p_machine = np.nan_to_num(opinion.machine_probability[counts], nan=UNHEARD_P)
        p_machine = np.clip(p_machine, P_LEAST, 1 - P_LEAST)
        total -= float(np.sum(one.weight[counts] * np.log(p_machine if one.machine else 1 - p_machine)))
        weights += float(np.sum(one.weight[counts]))
    return total / weights if weights else float("nan")

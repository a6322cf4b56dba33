"""Constants by cost: of the rule of times on a mask, and of the stopping rule on probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from amd.events import Cause, Party
from amd.policy import PRESETS, Policy
from amd.training.replay import CAUSES, NEVER, PARTIES, Decided, Stack
from benchmarks.cost import Truths, mean_cost
from benchmarks.peers.cadence import SILENT_S, Rule, Runs
from benchmarks.peers.timing import FORCED_P

GAPS_S: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0)
LONGEST_S: Final = (0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0)
HUMAN_P: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
MACHINE_P: Final = (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
BASE: Final = replace(PRESETS["balanced"], forced_probability_min=FORCED_P)
HUMAN_GAPS_S: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4)

Floats = npt.NDArray[np.float64]


class RuleStack:
    """The runs of one mask over many calls, laid end to end: `benchmarks.peers.cadence.decide` of all at once."""

    def __init__(self, runs: Sequence[Runs], durations_s: Sequence[float]) -> None:
        sizes = np.array([one.speech_s.size for one in runs])
        self.some = sizes > 0
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.places = np.arange(int(sizes.sum())) - np.repeat(self.starts, sizes)
        self.known_s, self.speech_s, self.gap_s = (
            np.concatenate([getattr(one, name) for one in runs]) for name in ("known_s", "speech_s", "gap_s")
        )
        self.durations_s = np.array(durations_s)
        self.spoken_end = np.array([bool(one.speech_s.size) and not np.isnan(one.speech_s[-1]) for one in runs])
        self.silent = np.isnan(self.speech_s) & (self.known_s >= SILENT_S)

    def decide(self, rule: Rule) -> Decided:
        """Give each call the rule's verdict."""
        machine = self.speech_s >= rule.longest_s
        human = (self.gap_s >= rule.gap_s) & ~machine
        decides = machine | human | self.silent
        first = np.minimum.reduceat(np.where(decides, self.places, NEVER), self.starts[self.some])
        found = np.flatnonzero(self.some)[first != NEVER]
        rows = self.starts[found] + first[first != NEVER]
        party = np.where(self.spoken_end, _HUMAN, _SILENCE)
        known_s = self.durations_s.copy()
        known_s[found] = self.known_s[rows]
        party[found] = np.where(self.silent[rows], _SILENCE, np.where(machine[rows], _MACHINE, _HUMAN))
        cause = np.full(party.size, CAUSES.index(Cause.GREETING_THEN_SILENCE), dtype=np.int8)
        unknown = np.full(party.size, np.nan)
        return Decided(party=party.astype(np.int8), known_s=known_s, cause=cause, probability=unknown)


_HUMAN, _MACHINE, _SILENCE = (PARTIES.index(party) for party in (Party.HUMAN, Party.MACHINE, Party.SILENCE))


def best_rule(stack: RuleStack, truths: Truths, *, mode: int = 0) -> tuple[float, Rule]:
    """Return the cheapest rule on these calls, and its cost."""
    rules = [Rule(gap_s=gap_s, longest_s=longest_s, mode=mode) for gap_s in GAPS_S for longest_s in LONGEST_S]
    costs = [mean_cost(truths, stack.decide(rule)) for rule in rules]
    return min(costs), rules[int(np.argmin(costs))]


def stopping_rules(base: Policy) -> Iterator[Policy]:
    """Yield what is tried for the stopping rule: two probabilities and the least silence of a person."""
    for human, machine, gap_s in itertools.product(HUMAN_P, MACHINE_P, HUMAN_GAPS_S):
        yield replace(base, human_probability_min=human, machine_probability_min=machine, human_gap_min_s=gap_s)


def best_policy(stack: Stack, truths: Truths, base: Policy = BASE) -> tuple[float, Policy]:
    """Return the cheapest stopping rule on these calls, and its cost."""
    policies = list(stopping_rules(base))
    costs = [mean_cost(truths, stack.decide(policy)) for policy in policies]
    return min(costs), policies[int(np.argmin(costs))]

"""Boosted decision trees as tables of numbers: read from a model's content, walked by many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from amd.compiled import exact
from amd.errors import ModelError

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]
Places = npt.NDArray[np.intp]

_WAY_BITS: Final = 10
_MEASURE_BITS: Final = 6
_N_WAYS: Final = 1 << _WAY_BITS
_N_MEASURES: Final = 1 << _MEASURE_BITS
_N_RANKS: Final = 1 << 16
"""A question is one number of 32 bits: the rank of its limit, its measure, where its first way leads."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as a table of shape ``(n_trees, n_nodes)``, small enough to stay in a processor's cache.

    A node asks whether a measure is at most a limit, told by its rank among all limits of that measure, and goes
    on at one way or, if it is more, at the next. A leaf goes on to itself, and has an answer.
    """

    version: str
    nodes: Words
    answers: Floats
    limits: Floats
    firsts: Places
    depth: int
    base: float

    @classmethod
    def of(cls, content: dict[str, Any], measures: Sequence[str]) -> Self:
        """Build trees from the content of a model's file.

        Raises
        ------
        ModelError
            If they ask about other measurements than ``measures``, or their numbers cannot be used.
        """
        if content.get("measures") != list(measures):
            raise ModelError(
                f"the model asks about {content.get('measures')}, this version measures {list(measures)}:"
                " fit them again"
            )
        try:
            trees, depth = [np.array(tree, dtype=np.float64) for tree in content["trees"]], int(content["depth"])
            _check(trees, min(len(measures), _N_MEASURES))
            by_measure = _limits_of(trees, len(measures))
            laid = [_laid_out(tree.tolist(), _ranks(tree, by_measure), depth) for tree in trees]
            n_nodes = max(len(nodes) for nodes, _ in laid)
            nodes = np.zeros((len(laid), n_nodes), dtype=np.uint32)
            answers = np.zeros((len(laid), n_nodes))
            for row, (words, said) in enumerate(laid):
                nodes[row, : len(words)], answers[row, : len(said)] = words, said
            return cls(
                version=str(content["version"]),
                nodes=nodes,
                answers=answers,
                limits=np.concatenate(by_measure),
                firsts=np.concatenate([[0], np.cumsum([limits.size for limits in by_measure])]),
                depth=depth,
                base=float(content["base"]),
            )
        except KeyError as error:
            raise ModelError(f"the model lacks {error}") from error
        except (TypeError, ValueError, IndexError) as error:
            raise ModelError(f"the model's numbers cannot be used: {error}") from error

    def log_odds(self, rows: Floats) -> Floats:
        """Sum of the base and one answer of each tree: ``(n,)`` for rows of shape ``(n, n_measures)``."""
        found = np.empty(rows.shape[0])
        if found.size:
            walk(rows, self.limits, self.firsts, self.nodes, self.answers, self.depth, self.base, found)
        return found


def _check(trees: Sequence[Floats], n_measures: int) -> None:
    """Raise `ModelError` if a tree points outside its table, or there is none."""
    if not trees:
        raise ValueError("there are no trees")
    for tree in trees:
        if tree.ndim != 2 or tree.shape[1] != 5 or not len(tree):
            raise ValueError(f"a tree has the shape {tree.shape}, not (n_nodes, 5)")
        measure, yes, no = tree[:, 0], tree[:, 2], tree[:, 3]
        if measure.max() >= n_measures or max(yes.max(), no.max()) >= len(tree) or tree[:, [0, 2, 3]].min() < 0:
            raise ModelError("the model's trees point outside their tables")


def _limits_of(trees: Sequence[Floats], n_measures: int) -> list[Floats]:
    """Every limit that is asked of each measure, in rising order."""
    asked = np.concatenate(trees)
    found = [np.unique(asked[asked[:, 0] == measure, 1]) for measure in range(n_measures)]
    if max(limits.size for limits in found) >= _N_RANKS:
        raise ValueError("too many limits of one measure")
    return found


def _ranks(tree: Floats, by_measure: Sequence[Floats]) -> list[int]:
    """Rank of each node's limit among all limits of its measure."""
    ranks = np.zeros(len(tree), dtype=np.intp)
    for measure in np.unique(tree[:, 0]).astype(int).tolist():
        is_asked = tree[:, 0] == measure
        ranks[is_asked] = np.searchsorted(by_measure[measure], tree[is_asked, 1])
    return ranks.tolist()


def _laid_out(tree: list[list[float]], ranks: list[int], depth: int) -> tuple[list[int], list[float]]:
    """Lay out a tree with the two ways of each question side by side, level by level."""
    places = [0]
    words: list[int] = []
    level_end = 1
    for level in range(depth + 1):
        for at in range(len(words), level_end):
            place = places[at]
            measure, _, yes, no, _ = tree[place]
            if level == depth or yes == no == place:
                words.append((_N_RANKS - 1) << 16 | at)
                continue
            words.append(ranks[place] << 16 | int(measure) << _WAY_BITS | len(places))
            places += [int(yes), int(no)]
        level_end = len(places)
        if level_end >= _N_WAYS:
            raise ValueError(f"a tree has more than {_N_WAYS} nodes")
    return words, [tree[place][4] for place in places]


@exact
def walk(
    rows: Floats,
    limits: Floats,
    firsts: Places,
    nodes: Words,
    answers: Floats,
    depth: int,
    base: float,
    found: Floats,
) -> None:
    """Walk all trees a step at a time: what one has to be waited for from memory, others need not."""
    n_trees, n_nodes = nodes.shape
    ranks = np.zeros(_N_MEASURES, dtype=np.uint32)
    words, flat = np.empty(n_trees, dtype=np.uint32), nodes.ravel()
    for row in range(rows.shape[0]):
        for measure in range(rows.shape[1]):
            ranks[measure] = _rank(rows[row, measure], limits[firsts[measure] : firsts[measure + 1]])
        for tree in range(n_trees):
            words[tree] = nodes[tree, 0]
        for _ in range(depth):
            for tree in range(n_trees):
                word = words[tree]
                above = ranks[word >> _WAY_BITS & (_N_MEASURES - 1)] > word >> 16
                words[tree] = flat[tree * n_nodes + (word & (_N_WAYS - 1)) + above]
        total = 0.0
        for tree in range(n_trees):
            total += answers[tree, words[tree] & (_N_WAYS - 1)]
        found[row] = base + total


@exact
def _rank(value: float, limits: Floats) -> int:
    """How many limits are below a value; above them all what is no number."""
    low, high = 0, limits.size
    while low < high:
        middle = (low + high) // 2
        if limits[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if value == value else _N_RANKS - 2

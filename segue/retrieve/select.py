"""Selection: which strategies to ask, how many candidates of each, and which of the union to keep.

A policy `choose`s before anything is retrieved and `spend`s the budget afterwards. What it chose is logged with the
probability it had, so that any other policy can be judged from the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np

from segue.errors import InvalidInput
from segue.records import Candidates, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query

DEPTH = 50
"""Candidates asked of each strategy: enough for fusion to find what several of them agree on."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"text": 2.0, "title": 1.0, "dense": 1.0, "structured": 5.0, "grams": 0.5, "memory": 5.0, "popular": 0.02}
)

SURE = frozenset({"structured"})
"""Strategies whose scores are in [0, 1] and say how sure they are: the best score multiplies their weight."""


class Policy(Protocol):
    """Decides what is asked and what is kept."""

    def choose(
        self, query: Query, catalogue: Snapshot, strategies: Sequence[str], budget: int
    ) -> tuple[Selection, ...]: ...

    def spend(self, candidates: Sequence[Candidates], budget: int) -> Candidates: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class ReciprocalRankFusion:
    """Ask every strategy for `depth` candidates and keep those with the highest Σ weight / (constant + rank).

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet" (SIGIR 2009), with a weight for
    each strategy and a smaller constant than the paper's 60, so that the first ranks tell more. A strategy that did not
    return an item adds nothing to it. The choice is deterministic: every propensity is 1.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    constant: float = 5.0
    depth: int = DEPTH

    def __post_init__(self) -> None:
        if self.constant < 0 or self.depth < 1 or any(weight < 0 for weight in self.weights.values()):
            raise InvalidInput(
                "Reciprocal rank fusion was given a negative weight or constant, or a depth below 1.",
                expected="weights and constant from 0 up, depth from 1 up",
            )

    def choose(
        self, query: Query, catalogue: Snapshot, strategies: Sequence[str], budget: int
    ) -> tuple[Selection, ...]:
        depth = max(self.depth, budget)
        return tuple(
            Selection(catalogue.domain, name, depth, 1.0) for name in strategies if self.weights.get(name, 1.0) > 0
        )

    def spend(self, candidates: Sequence[Candidates], budget: int) -> Candidates:
        return fuse(candidates, [self._weight(found) for found in candidates], self.constant, budget)

    def describe(self) -> str:
        """For people: the formula with its numbers."""
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"reciprocal rank fusion, weight / ({self.constant:g} + rank); {weights}"

    def _weight(self, found: Candidates) -> float:
        sure = float(found.scores[0]) if found.strategy in SURE and len(found) else 1.0
        return self.weights.get(found.strategy, 1.0) * sure


def fuse(candidates: Sequence[Candidates], weights: Sequence[float], constant: float, budget: int) -> Candidates:
    """The `budget` items with the highest Σ_lists weight / (constant + rank), rank from 1; ties by number.

    >>> import numpy as np
    >>> a = Candidates("a", np.array([7, 8]), np.array([2.0, 1.0], np.float32))
    >>> b = Candidates("b", np.array([8, 9]), np.array([5.0, 4.0], np.float32))
    >>> fuse([a, b], [1, 1], 60, 10).numbers.tolist()
    [8, 7, 9]
    """
    if not candidates:
        return Candidates("fused", np.zeros(0, np.int64), np.zeros(0, np.float32))
    gains = np.concatenate(
        [weight / (constant + np.arange(1, len(found) + 1)) for found, weight in zip(candidates, weights, strict=True)]
    )
    numbers, place = np.unique(np.concatenate([found.numbers for found in candidates]), return_inverse=True)
    smallest_first = np.argsort(
        gains, kind="stable"
    )  # one order of adding, so that the order of the lists cannot matter
    scores = np.bincount(place[smallest_first], weights=gains[smallest_first], minlength=len(numbers)).round(12)
    order = np.lexsort((numbers, -scores))[:budget]
    return Candidates("fused", numbers[order], scores[order].astype(np.float32))

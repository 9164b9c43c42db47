"""Selection: which strategies to ask, how many candidates of each, and which of the union to keep.

A policy `choose`s before anything is retrieved, may choose again when it has seen what the first strategies brought, and
`spend`s the budget afterwards. What it chose is logged with the probability it had, so that any other policy can be judged
from the log.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from segue.errors import InvalidInput
from segue.records import Candidates, Numbers, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query
from segue.retrieve.union import Floats, Places, Union, unite

DEPTH = 50
"""Candidates asked of each strategy: enough for fusion to find what several of them agree on."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "text": 2.0,
        "title": 0.1,
        "dense": 1.75,
        "sparse": 1.25,
        "structured": 15.0,
        "misspelt": 12.0,
        "related": 0.1,
        "grams": 0.75,
        "memory": 3.0,
        "popular": 0.02,
        "new": 0.02,
        "personal": 0.5,
    }
)

SURE = frozenset({"structured", "misspelt"})
"""Strategies whose scores are in [0, 1] and say how sure they are: the best score multiplies their weight."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a policy kept of a domain's union, best first, and why.

    `contributions` float64 [kept, parts] add up to `totals` float64 [kept], by which the kept items are ordered;
    `parts` names the columns. `learning` is what the policy wants to be told again when the answer is learned from, as plain
    data, with a row for each kept item.
    """

    kept: Candidates
    totals: Floats
    parts: tuple[str, ...]
    contributions: Floats
    learning: Mapping[str, Any] = field(default_factory=dict)


class Policy(Protocol):
    """Decides what is asked and what is kept."""

    def choose(
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        """What to ask first; given what was `found`, what to ask next: nothing when that is enough."""
        ...

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent: ...

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
        self,
        query: Query,
        catalogue: Snapshot,
        strategies: Sequence[str],
        budget: int,
        found: Sequence[Candidates] | None = None,
    ) -> tuple[Selection, ...]:
        if found is not None:
            return ()
        depth = max(self.depth, budget)
        return tuple(
            Selection(catalogue.domain, name, depth, 1.0) for name in strategies if self.weights.get(name, 1.0) > 0
        )

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        return self.merge(found, budget)

    def merge(self, found: Sequence[Candidates], budget: int) -> Spent:
        """What is kept; it depends on nothing but the lists. Ties go by number.

        >>> import numpy as np
        >>> a = Candidates("a", np.array([7, 8]), np.array([2.0, 1.0], np.float32))
        >>> b = Candidates("b", np.array([8, 9]), np.array([5.0, 4.0], np.float32))
        >>> ReciprocalRankFusion().merge([a, b], 10).kept.numbers.tolist()
        [8, 7, 9]
        """
        union = unite(found)
        gains = self.gains(union, found)
        kept, totals, places = best_of(union, union.add(gains).round(12), budget)
        return Spent(
            Candidates("fused", kept, totals.astype(np.float32)),
            totals,
            tuple(one.strategy for one in found),
            by_strategy(union, gains, places, len(found)),
        )

    def gains(self, union: Union, found: Sequence[Candidates]) -> Floats:
        """What each entry of the union adds to its item, float64 [entries]."""
        weights = np.array([self._weight(one) for one in found])
        gains: Floats = weights[union.strategy] / (self.constant + union.rank)
        return gains

    def describe(self) -> str:
        """For people: the formula with its numbers."""
        weights = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"reciprocal rank fusion, weight / ({self.constant:g} + rank); {weights}"

    def _weight(self, found: Candidates) -> float:
        sure = float(found.scores[0]) if found.strategy in SURE and len(found) else 1.0
        return self.weights.get(found.strategy, 1.0) * sure


def retrieve(
    policy: Policy,
    query: Query,
    catalogue: Snapshot,
    strategies: Sequence[str],
    budget: int,
    ask: Callable[[Selection], Candidates],
    each: Callable[[Callable[[Selection], Candidates], Sequence[Selection]], Iterable[Candidates]] = map,
) -> tuple[list[Selection], list[Candidates]]:
    """`ask` what the policy chooses, until it has seen enough: what was chosen, and what each returned. Nobody is asked twice.

    What is chosen at a time may be asked in any order: `each` does so, and returns what came in the order of the choice."""
    chosen, found = list[Selection](), list[Candidates]()
    more = policy.choose(query, catalogue, strategies, budget)
    while more:
        found += each(ask, more)
        chosen += more
        asked = {one.strategy for one in chosen}
        more = tuple(
            one for one in policy.choose(query, catalogue, strategies, budget, found) if one.strategy not in asked
        )
    return chosen, found


def best_of(union: Union, totals: Floats, budget: int) -> tuple[Numbers, Floats, Places]:
    """The `budget` items of the highest totals, ties by number: their numbers, their totals, their places in the union."""
    places = np.lexsort((union.numbers, -totals))[:budget]
    return union.numbers[places], totals[places], places


def by_strategy(union: Union, values: Floats, places: Places, strategies: int) -> Floats:
    """The entries' values of some items, a row for each item and a column for each list: float64 [places, strategies]."""
    table = np.zeros((len(union.numbers), strategies))
    table[union.item, union.strategy] = values
    rows: Floats = table[places]
    return rows

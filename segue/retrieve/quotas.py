"""How many candidates to take of each strategy: a policy that does so whatever the request, and ways to find the numbers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from segue.errors import InvalidInput
from segue.records import Candidates, Selection
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.layout import BUCKETS, bucket
from segue.retrieve.query import Query
from segue.retrieve.select import Spent, by_strategy
from segue.retrieve.tuning import Examples
from segue.retrieve.union import Floats, Places, unite

_OVERLAP, _BELIEVED = 0.5, 4.0
"""Share of what a strategy finds that another is taken to hold down to its end, before so many have been seen."""

_SMOOTHING = 0.2
"""Share of the elite's frequencies in the next round's chances: the more, the sooner the search ends, and in a poorer place. Of
20 problems with one best allocation among 293,930 it was found in all 20 at this, in 8 at .5 and in 3 at .7."""


@dataclass(frozen=True)
class StaticQuotas:
    """Keep the first `quotas[a]` items of each strategy a, and ask no others.

    The lists are read in turn: everybody's first, everybody's second, and so on, at equal ranks in the order of `quotas`. The
    places that duplicates leave free are filled in the same order from beyond the quotas. An item's score is 1 / its place;
    all of it is to the credit of the strategy whose turn it was.
    """

    quotas: Mapping[str, int]
    _order: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(quota != int(quota) or quota < 0 for quota in self.quotas.values()) or not any(self.quotas.values()):
            raise InvalidInput(
                f"The quotas are {dict(self.quotas)}.", expected="whole numbers from 0 up, one of them above 0"
            )
        object.__setattr__(self, "_order", {name: place for place, name in enumerate(self.quotas)})

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
        asked = {name: self.quotas[name] for name in strategies if self.quotas.get(name)}
        return tuple(Selection(catalogue.domain, name, max(quota, budget), 1.0) for name, quota in asked.items())

    def spend(self, query: Query, catalogue: Snapshot, found: Sequence[Candidates], budget: int) -> Spent:
        union, names = unite(found), [one.strategy for one in found]
        turn = turns(
            union.rank,
            np.array([self.quotas.get(name, 0) for name in names], dtype=np.int64)[union.strategy],
            np.array([self._place(name, names) for name in names], dtype=np.int64)[union.strategy],
        )
        first = np.full(len(union.numbers), np.iinfo(np.int64).max)
        np.minimum.at(first, union.item, turn)
        places = np.argsort(first)[:budget]
        value = np.zeros(len(first))
        value[places] = 1.0 / np.arange(1, len(places) + 1)
        credited = np.where(turn == first[union.item], value[union.item], 0.0)
        return Spent(
            Candidates("quotas", union.numbers[places], value[places].astype(np.float32)),
            value[places],
            tuple(names),
            by_strategy(union, credited, places, len(found)),
        )

    def describe(self) -> str:
        """For people: the quotas."""
        return f"static quotas: {', '.join(f'{name} {quota}' for name, quota in self.quotas.items() if quota)}"

    def _place(self, name: str, names: Sequence[str]) -> int:
        """Whose turn it is at equal ranks: in the order of `quotas`, then by name."""
        others = sorted(other for other in names if other not in self._order)
        return self._order[name] if name in self._order else len(self._order) + others.index(name)


def turns(ranks: Places, quotas: Places, order: Places) -> Places:
    """When each entry's turn is, int64 [entries]: within its strategy's quota before beyond it, then by rank, then by order."""
    strategies = int(order.max(initial=0)) + 1
    deepest = int(ranks.max(initial=0)) + 1
    turn: Places = ((ranks > quotas) * deepest + ranks) * strategies + order
    return turn


def tune_quotas(
    lists: Sequence[Sequence[Candidates]],
    relevant: Sequence[Collection[int]],
    budget: int,
    *,
    seed: int = 0,
    population: int = 100,
    elite: int = 10,
    rounds: int = 30,
) -> StaticQuotas:
    """The quotas, `budget` in sum, that find most of what is relevant for judged queries (recall@budget)."""
    examples = Examples(lists, relevant)
    names = np.arange(len(examples.names))

    def recall(quotas: Mapping[str, int]) -> float:
        own = np.array([quotas[name] for name in examples.names])
        turn = turns(examples.rank, own[examples.strategy], names[examples.strategy])
        return examples.recall(-examples.least(turn), budget)

    found = cross_entropy_method(
        recall, examples.names, budget, seed=seed, population=population, elite=elite, rounds=rounds
    )
    return StaticQuotas(found)


def cross_entropy_method(
    objective: Callable[[Mapping[str, int]], float],
    names: Sequence[str],
    budget: int,
    *,
    seed: int,
    population: int = 100,
    elite: int = 10,
    rounds: int = 30,
) -> dict[str, int]:
    """The best quotas that were tried: numbers from 0 up for `names`, `budget` in sum, with the highest `objective`.

    Source: Rubinstein, "The Cross-Entropy Method for Combinatorial and Continuous Optimization" (1999); de Boer, Kroese,
    Mannor and Rubinstein, "A Tutorial on the Cross-Entropy Method" (2005). Every slot of the budget has its own chances
    of each name; a round draws `population` allocations and moves the chances towards the `elite` best. Differs: the
    slots of an allocation are sorted by name, so that an allocation is one point, whatever the order of its slots.

    >>> cross_entropy_method(lambda quotas: -abs(quotas["a"] - 3), ["a", "b"], 5, seed=0)
    {'a': 3, 'b': 2}
    """
    if not names or budget < 1 or not 1 <= elite <= population or rounds < 1:
        raise InvalidInput(
            f"{len(names)} names, a budget of {budget}, {rounds} rounds with {elite} of {population} cannot be searched.",
            expected="names, a budget and rounds from 1 up, and an elite of the population",
        )
    random, values = np.random.default_rng(seed), dict[tuple[int, ...], float]()
    chances = np.full((budget, len(names)), 1.0 / len(names))
    for _ in range(rounds):
        drawn = (random.random((population, budget, 1)) > chances.cumsum(axis=1)).sum(axis=2)
        slots = np.sort(np.minimum(drawn, len(names) - 1), axis=1)[:, :, None] == np.arange(len(names))
        allocations: list[tuple[int, ...]] = [tuple(quotas) for quotas in slots.sum(axis=1).tolist()]
        for quotas in allocations:
            if quotas not in values:
                values[quotas] = objective(dict(zip(names, quotas, strict=True)))
        best = np.argsort([-values[quotas] for quotas in allocations], kind="stable")[:elite]
        chances = _SMOOTHING * slots[best].mean(axis=0) + (1 - _SMOOTHING) * chances
    best_of_all, _ = max(values.items(), key=lambda tried: tried[1])
    return dict(zip(names, best_of_all, strict=True))


def greedy(chances: Floats, missed: Floats) -> Places:
    """Quotas int64 [strategies, draws] that sum to the budget: each place to the highest chance times what the others miss.

    `chances` [strategies, budget, draws] of what stands at each rank; `missed` [strategies, strategies, levels] is the chance
    that what the first one finds is not in the second's list down to a level: 0 for nothing of it, then the depth buckets.
    """
    strategies, budget, draws = chances.shape
    quotas = np.zeros((strategies, draws), dtype=np.int64)
    each, every = np.arange(strategies), np.arange(draws)
    for _ in range(budget if strategies else 0):
        level = np.where(quotas > 0, bucket(np.maximum(quotas, 1)) + 1, 0)
        alone = missed[each[:, None, None], each[None, :, None], level[None]].prod(axis=1)
        best = (chances[each[:, None], quotas, every] * alone).argmax(axis=0)
        quotas[best, every] += 1
    return quotas


@dataclass(slots=True)
class Overlap:
    """What of the taken items that a strategy had found stood how high with another: `tried` [a, b] counts them, `held`
    [a, b, bucket] those that b returned down to a bucket."""

    tried: Floats
    held: Floats
    missed: Floats

    @classmethod
    def new(cls, strategies: int) -> Self:
        held = np.tile(_BELIEVED * np.linspace(0, _OVERLAP, len(BUCKETS)), (strategies, strategies, 1))
        overlap = cls(np.full((strategies, strategies), _BELIEVED), held, np.ones(0))
        overlap.learn(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
        return overlap

    def learn(self, strategies: Places, ranks: Places) -> None:
        """`ranks` [taken, lists] of what was taken, 0 where a list does not hold it."""
        there = ranks > 0
        reached = there[:, :, None] & (bucket(np.maximum(ranks, 1))[:, :, None] <= np.arange(len(BUCKETS)))
        pairs = np.ix_(strategies, strategies)
        self.tried[pairs] += there.sum(axis=0)[:, None]
        self.held[pairs] += np.einsum("ia,ibl->abl", there, reached)
        held = self.held / self.tried[:, :, None]
        own = np.arange(len(held))
        held[own, own] = 0.0
        self.missed = np.concatenate([np.ones((*held.shape[:2], 1)), 1 - held], axis=2)

"""Judged queries to tune on what does not learn, and the weights of rank fusion tuned on them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from segue.errors import InvalidInput
from segue.records import Candidates
from segue.retrieve.select import SURE, ReciprocalRankFusion
from segue.retrieve.union import Floats, Places

_STEPS = (0.0, 0.5, 0.7, 1.4, 2.0)
"""A weight, or the constant, is tried at these multiples of itself; one of 0 at `_AGAIN`."""

_AGAIN = (0.1, 0.5, 2.0)


class Examples:
    """Judged queries with what the strategies returned for them, as one table: an entry for every item of every list.

    `lists` has the lists of each query, `relevant` the numbers of the items that are right (among them, perhaps, some that
    nothing found). `strategy` int64 [entries] is a place in `names`; `rank` counts from 1; `sure` is the best score of the
    list for strategies that say how sure they are, else 1.
    """

    def __init__(self, lists: Sequence[Sequence[Candidates]], relevant: Sequence[Collection[int]]) -> None:
        if len(lists) != len(relevant) or not any(relevant):
            raise InvalidInput(
                f"{len(lists)} queries with {len(relevant)} judgements cannot be tuned on.",
                expected="lists and relevant items of as many queries, and an item that is relevant",
            )
        flat = [(query, one) for query, found in enumerate(lists) for one in found if len(one)]
        self.names = tuple(sorted({one.strategy for found in lists for one in found}))
        lengths = [len(one) for _, one in flat]
        sure = [float(one.scores[0]) if one.strategy in SURE else 1.0 for _, one in flat]
        self.strategy = np.repeat([self.names.index(one.strategy) for _, one in flat], lengths).astype(np.int64)
        self.rank = np.concatenate([np.zeros(0, np.int64), *(np.arange(1, length + 1) for length in lengths)])
        self.sure = np.repeat(sure, lengths)
        queries = np.repeat([query for query, _ in flat], lengths).astype(np.int64)
        numbers = np.concatenate([np.zeros(0, np.int64), *(one.numbers for _, one in flat)])
        items, self.item = np.unique(np.stack([queries, numbers]), axis=1, return_inverse=True)
        self._query = items[0]
        self._starts = np.searchsorted(self._query, np.arange(len(lists)))
        self._right = np.array([number in relevant[query] for query, number in items.T.tolist()], dtype=bool)
        self._wanted = np.array([len(one) for one in relevant], dtype=np.float64)

    def recall(self, values: Floats | Places, budget: int) -> float:
        """Mean over queries with a relevant item of the share of them among the `budget` items of the highest `values` [items],
        ties by number."""
        order = np.lexsort((-values, self._query))
        kept = order[np.arange(len(order)) - self._starts[self._query] < budget]
        hits = np.bincount(self._query[kept], weights=self._right[kept], minlength=len(self._wanted))
        asked = self._wanted > 0
        return float((hits[asked] / self._wanted[asked]).mean())

    def least(self, values: Places) -> Places:
        """The least of the entries' `values` for each item, int64 [items]."""
        least = np.full(len(self._query), np.iinfo(np.int64).max)
        np.minimum.at(least, self.item, values)
        return least

    def fused(self, policy: ReciprocalRankFusion) -> Floats:
        """What rank fusion gives each item, float64 [items]."""
        weights = np.array([policy.weights.get(name, 1.0) for name in self.names])
        gains = weights[self.strategy] * self.sure / (policy.constant + self.rank)
        totals = np.bincount(self.item, weights=gains, minlength=len(self._query))
        return np.asarray(totals, dtype=np.float64).round(12)


def tune_fusion(
    lists: Sequence[Sequence[Candidates]],
    relevant: Sequence[Collection[int]],
    budget: int,
    *,
    start: ReciprocalRankFusion | None = None,
    rounds: int = 3,
) -> ReciprocalRankFusion:
    """Rank fusion with the weights and the constant that find more of what is relevant, by coordinate ascent on recall@budget.

    From `start` on, one number at a time is moved as long as recall on these queries rises, in at most `rounds` through
    all of them; so it is never worse on them. Weights of strategies that returned nothing here stay as they are.

    >>> import numpy as np
    >>> good = Candidates("good", np.array([1]), np.ones(1, np.float32))
    >>> bad = Candidates("bad", np.array([2]), np.ones(1, np.float32))
    >>> tuned = tune_fusion([[good, bad]], [{1}], 1, start=ReciprocalRankFusion({"good": 1.0, "bad": 2.0}))
    >>> tuned.weights
    {'good': 1.0, 'bad': 0.0}
    """
    examples, best = Examples(lists, relevant), start or ReciprocalRankFusion()
    highest = examples.recall(examples.fused(best), budget)
    for _ in range(rounds):
        before = highest
        for name in (*examples.names, None):
            for tried in list(_moved(best, name)):
                recall = examples.recall(examples.fused(tried), budget)
                if recall > highest + 1e-12:
                    best, highest = tried, recall
        if highest == before:
            break
    return best


def _moved(policy: ReciprocalRankFusion, name: str | None) -> Iterator[ReciprocalRankFusion]:
    """The policy with one weight, or for None its constant, at other values."""
    value = policy.constant if name is None else policy.weights.get(name, 1.0)
    for other in [value * step for step in _STEPS] if value else _AGAIN:
        if name is None:
            yield replace(policy, constant=other)
        else:
            yield replace(policy, weights={**policy.weights, name: other})

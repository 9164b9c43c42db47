"""Where each weight of the selection model stands, and what its features are.

The utility of a candidate is w · (incumbent's confidence, popularity, taken before) + Σ over the strategies that returned it of
v[strategy, depth bucket] + s[strategy] · share of the list's best score + u[strategy] · (request, strategy's list). The last
part makes it contextual: what a strategy is worth depends on the request and on how its list looks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.retrieve.context import LEVELS, REQUEST, STRATEGY, levels
from segue.retrieve.union import Floats, Places, Union

BUCKETS = np.array([1, 2, 3, 4, 6, 9, 11, 21])
"""Depth buckets start at these ranks: 1, 2, 3, 4–5, 6–8, 9–10, 11–20, 21 and beyond."""

_ITEM = 4 + len(LEVELS)
_BLOCK = len(BUCKETS) + 1 + len(REQUEST) + len(STRATEGY)

_FUSION, _FUSION_DEVIATION = 1.0, 0.3
"""Prior of the weight of the incumbent's confidence: at 1 an item with half the best one's score is half as likely taken."""

_TAKEN, _TAKEN_DEVIATION = 1.0, 0.05
"""Prior of the weight of the log rate at which an item was taken before: as the chance to be taken is modelled, that is 1."""

_POPULARITY_DEVIATION = 0.1
_STRATEGY_DEVIATION, _REQUEST_DEVIATION = 0.1, 0.075
"""Prior standard deviations of what popularity, and what a strategy, is worth beyond the incumbent's opinion; by depth and by
how its list looks, and by the request. Chosen in simulations: wider learns more from people who make few mistakes, and loses
points of recall at the start among people who make many."""


def bucket(rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """The depth bucket of a rank from 1.

    >>> bucket(np.array([1, 4, 5, 6, 20, 21])).tolist()
    [0, 3, 3, 4, 6, 7]
    """
    found: NDArray[np.int64] = np.searchsorted(BUCKETS, rank, side="right") - 1
    return found


@dataclass(frozen=True, slots=True)
class Layout:
    """The weights of a model over so many `strategies`: those of the item, then a block for each strategy."""

    strategies: int

    def __len__(self) -> int:
        return _ITEM + self.strategies * _BLOCK

    def prior(self) -> tuple[Floats, Floats]:
        """Means and standard deviations [weights]: the incumbent's order, and doubt about everything else."""
        mean = np.zeros(len(self))
        block = np.full(_BLOCK, _STRATEGY_DEVIATION)
        block[len(BUCKETS) + 1 : len(BUCKETS) + 1 + len(REQUEST)] = _REQUEST_DEVIATION
        deviation = np.concatenate([np.full(_ITEM, _POPULARITY_DEVIATION), np.tile(block, self.strategies)])
        mean[0], deviation[0] = _FUSION, _FUSION_DEVIATION
        mean[_ITEM - 1], deviation[_ITEM - 1] = _TAKEN, _TAKEN_DEVIATION
        return mean, deviation

    def block(self, strategy: int) -> NDArray[np.int64]:
        """Places of the weights of one strategy."""
        start = _ITEM + strategy * _BLOCK
        return np.arange(start, start + _BLOCK)

    def of_items(self, items: Floats, weights: Floats) -> Floats:
        """What items are worth whoever returned them, [n, draws]; `items` [n, 5] as in `context.ITEM`."""
        worth: Floats = _item_features(items) @ weights[:_ITEM]
        return worth

    def of_entries(self, union: Union, strategies: Places, request: Floats, lists: Floats, weights: Floats) -> Floats:
        """What each entry of a union adds: [entries, draws]. `strategies` [lists] says which strategy each list is of."""
        blocks = weights[_ITEM:].reshape(self.strategies, _BLOCK, -1)[strategies]
        depth, share, context = np.split(blocks, [len(BUCKETS), len(BUCKETS) + 1], axis=1)
        told = np.column_stack([np.tile(request, (len(lists), 1)), lists])
        contextual = np.einsum("lf,lfd->ld", told, context)
        worth: Floats = (
            depth[union.strategy, bucket(union.rank)]
            + share[union.strategy, 0] * union.share[:, None]
            + contextual[union.strategy]
        )
        return worth

    def rows(
        self, items: Floats, strategies: Places, ranks: Places, shares: Floats, request: Floats, lists: Floats
    ) -> Floats:
        """The features [n, weights] of items: `ranks` and `shares` [n, lists], 0 where a list does not hold the item."""
        rows = np.zeros((len(items), len(self)))
        rows[:, :_ITEM] = _item_features(items)
        item, place = np.nonzero(ranks)
        start = _ITEM + strategies[place] * _BLOCK
        rows[item, start + bucket(ranks[item, place])] = 1.0
        rows[item, start + len(BUCKETS)] = shares[item, place]
        told = np.column_stack([np.tile(request, (len(lists), 1)), lists])
        rows[item[:, None], (start + len(BUCKETS) + 1)[:, None] + np.arange(told.shape[1])] = told[place]
        return rows


def _item_features(items: Floats) -> Floats:
    return np.column_stack([items[:, :3], levels(items[:, 3]), items[:, 4]])

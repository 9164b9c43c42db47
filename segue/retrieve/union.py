"""The union of what several strategies returned: every item once, with its place in each list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.records import Candidates, Numbers

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


_DIGITS = 12
"""Sums are rounded to so many digits where the order of adding is that of the lists."""


@dataclass(frozen=True, slots=True)
class Union:
    """`numbers` int64 [n] ascending; and an entry for every item of every list: its list's place among the lists
    (`strategy`), its `item`'s place in `numbers`, its `rank` there from 1, and its score's `share` of the list's best
    (0 of a negative score, which a cosine may be)."""

    numbers: Numbers
    strategy: Places
    item: Places
    rank: Places
    share: Floats

    def add(self, values: Floats) -> Floats:
        """Sum of the entries' `values` for each item: float64 [n] from [entries], [n, draws] from [entries, draws].

        The order of the lists cannot matter: a column is added smallest value first, several are rounded.
        """
        if values.ndim > 1:
            by_item = np.argsort(self.item, kind="stable")
            starts = np.searchsorted(self.item[by_item], np.arange(len(self.numbers)))
            columns: Floats = np.add.reduceat(values[by_item], starts, axis=0).round(_DIGITS) if len(starts) else values
            return columns
        order = np.argsort(values, kind="stable")
        total = np.bincount(self.item[order], weights=values[order], minlength=len(self.numbers))
        return total.astype(np.float64)


def unite(found: Sequence[Candidates]) -> Union:
    """The union of lists.

    >>> a = Candidates("a", np.array([7, 8]), np.array([2.0, 1.0], np.float32))
    >>> b = Candidates("b", np.array([8, 9]), np.array([5.0, 4.0], np.float32))
    >>> both = unite([a, b])
    >>> both.numbers.tolist(), both.item.tolist(), both.rank.tolist(), both.share.tolist()
    ([7, 8, 9], [0, 1, 1, 2], [1, 2, 1, 2], [1.0, 0.5, 1.0, 0.800000011920929])
    """
    lengths = [len(one) for one in found]
    if not sum(lengths):
        empty = np.zeros(0, np.int64)
        return Union(empty, empty, empty, empty, np.zeros(0))
    numbers, item = np.unique(np.concatenate([one.numbers for one in found]), return_inverse=True)
    bests = [one.scores.max(initial=0.0) or np.float32(1) for one in found]
    shares = [np.maximum(one.scores, 0) / best for one, best in zip(found, bests, strict=True)]
    return Union(
        numbers,
        np.repeat(np.arange(len(found)), lengths),
        item,
        np.concatenate([np.arange(1, length + 1) for length in lengths]),
        np.concatenate(shares).astype(np.float64),
    )

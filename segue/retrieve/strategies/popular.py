"""Popular: what people take most, whatever was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query

_HALF = 50.0
"""Weighted actions that raise an item half as much as being the catalogue's most popular would."""


@dataclass(frozen=True)
class Popular:
    """Popularity share from the catalogue, plus a share in [0, 1) that grows with the actions seen here."""

    memory: Memory
    name: str = "popular"
    _last: dict[tuple[str, int], tuple[int, Mapping[str, float], Candidates]] = field(
        default_factory=dict, compare=False
    )

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        """The same for every query, so it is found anew only when something was taken or the catalogue has changed."""
        taken = self.memory.most_taken(catalogue.domain, k)
        last = self._last.get((catalogue.domain, k))
        if last is None or last[0] != catalogue.version or last[1] is not taken:
            last = catalogue.version, taken, self._found(taken, catalogue, k)
            self._last[catalogue.domain, k] = last
        return last[2]

    def _found(self, taken: Mapping[str, float], catalogue: Snapshot, k: int) -> Candidates:
        numbers = catalogue.numbers_of(list(taken))
        if not numbers:
            return Candidates(self.name, catalogue.popular.numbers[:k], catalogue.popular.scores[:k])
        acted = np.array(list(numbers.values()), dtype=np.int64)
        actions = np.array([taken[id] for id in numbers], dtype=np.float32)
        union = np.union1d(catalogue.popular.numbers[: 2 * k], acted)
        scores = catalogue.shares[catalogue.places(union)].copy()
        scores[np.searchsorted(union, acted)] += actions / (actions + _HALF)
        order = np.lexsort((union, -scores))[:k]
        return Candidates(self.name, union[order], scores[order])

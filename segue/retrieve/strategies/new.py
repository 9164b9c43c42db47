"""New: items added lately, so that they get a chance to be seen before anyone has taken them."""

from dataclasses import dataclass

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query

_KNOWN = 5.0
"""Weighted actions from which on an item needs no help to be seen."""

_LOOKED_AT = 200
"""Most taken items that are asked for: as many as the memory keeps at hand."""


@dataclass(frozen=True)
class New:
    """Cosine between the request's vector and those of the items added last, without those that are taken often already.

    An item is new when its id was not there before, so an update makes nothing new, and neither does the first indexing.
    """

    memory: Memory
    name: str = "new"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        if not len(catalogue.new):
            return Candidates(self.name, np.zeros(0, np.int64), np.zeros(0, np.float32))
        taken = self.memory.most_taken(catalogue.domain, _LOOKED_AT)
        known = catalogue.numbers_of([id for id, weight in taken.items() if weight >= _KNOWN])
        unknown = np.setdiff1d(catalogue.new, list(known.values())) if known else catalogue.new
        return catalogue.vectors.search(self.name, query.vector, k, allowed=unknown)

"""The memory index: what people took when they asked this before."""

from dataclasses import dataclass

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query


@dataclass(frozen=True)
class Remembered:
    """Query → entity scores from the log (see `Memory`); silent about a query that nobody has acted on."""

    memory: Memory
    name: str = "memory"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        scores = self.memory.recall(catalogue.domain, query.text)
        numbers = catalogue.numbers_of(list(scores)) if scores else {}
        best = sorted(((-scores[id], number) for id, number in numbers.items()))[:k]
        return Candidates(
            self.name,
            np.array([number for _, number in best], dtype=np.int64),
            np.array([-score for score, _ in best], dtype=np.float32),
        )

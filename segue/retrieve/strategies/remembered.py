"""The memory index: what people took when they asked this before, and what they can be expected to ask for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.predicted import expected
from segue.retrieve.memory import Memory, Seen
from segue.retrieve.query import Query

_SLIP = 3
"""A word in fewer texts of a catalogue than this, and in no title, may be misspelt there, too."""


@dataclass(frozen=True)
class Remembered:
    """Query → entity scores from the log (see `Memory`), begun with the queries that the catalogue predicts.

    The score is the rate at which an item is taken when it is looked at; a predicted query counts as actions that real ones
    soon outweigh. Silent about a query that is neither remembered nor predicted, and about items that people turned down.
    """

    memory: Memory
    name: str = "memory"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        seen = seen_before(query, catalogue, self.memory)
        counts = expected(query.text, catalogue.text)
        ids = catalogue.ids_of(list(counts)) if seen else {}
        scores = {number: seen.get(ids.get(number, ""), Seen()).estimate(count) for number, count in counts.items()}
        taken = [id for id, one in seen.items() if one.units > 0]
        for id, number in (catalogue.numbers_of(taken) if taken else {}).items():
            scores[number] = seen[id].estimate(counts.get(number, 0.0))
        best = sorted((-score, number) for number, score in scores.items() if score > 0)[:k]
        return Candidates(
            self.name,
            np.array([number for _, number in best], dtype=np.int64),
            np.array([-score for score, _ in best], dtype=np.float32),
        )


def seen_before(query: Query, catalogue: Snapshot, memory: Memory) -> Mapping[str, Seen]:
    """What the memory holds for a query or for those nearest to it (see `Memory.remembered`), looked up once a request."""
    if catalogue.domain not in query.remembered:
        query.remembered[catalogue.domain] = memory.remembered(
            catalogue.domain, query.text, lambda word: _is_word(word, catalogue)
        )
    return query.remembered[catalogue.domain]


def _is_word(word: str, catalogue: Snapshot) -> bool:
    return catalogue.text.frequency("title", word) > 0 or catalogue.text.frequency("body", word) >= _SLIP

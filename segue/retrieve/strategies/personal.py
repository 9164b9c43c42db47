"""What suits the person who asks: near to their words and to what they took before, and what goes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.people import Floats, People
from segue.retrieve.query import Query

_NEAR = 100
"""Items nearest to the person and the words, and items that go with theirs, that are scored; more when more are asked for."""


@dataclass(frozen=True)
class Personal:
    """Nearest to unit(words + `blend` · taste), plus `share` of how well an item goes with what the person took.

    Silent about everybody of whom nothing is known.
    """

    people: People
    blend: float = 0.5
    share: float = 0.5
    name: str = "personal"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        context, domain = query.request.context, catalogue.domain
        nothing = Candidates(self.name, np.zeros(0, np.int64), np.zeros(0, np.float32))
        if not self.people.knows(context):
            return nothing
        state = catalogue.version, catalogue.vectors.state
        taste = self.people.taste(context, domain, state, lambda ids: _vectors(ids, catalogue))
        if taste is None:
            return nothing
        wanted = query.vector + self.blend * taste
        wanted /= np.linalg.norm(wanted)
        near = catalogue.vectors.search(self.name, wanted, max(k, _NEAR))
        together = self.people.together(context, domain, max(k, _NEAR))
        numbers = catalogue.numbers_of(list(together))
        beside = {numbers[id]: score for id, score in together.items() if id in numbers}
        union = np.union1d(near.numbers, np.array(list(beside), dtype=np.int64))
        found = catalogue.vectors.search(self.name, wanted, len(union), allowed=union)
        scores = found.scores + self.share * np.array([beside.get(number, 0.0) for number in found.numbers.tolist()])
        order = np.lexsort((found.numbers, -scores))[:k]
        return Candidates(self.name, found.numbers[order], scores[order].astype(np.float32))


def _vectors(ids: Sequence[str], catalogue: Snapshot) -> Mapping[str, Floats]:
    """The vectors of those of the items that are in the catalogue."""
    numbers = catalogue.numbers_of(ids)
    there = {id: number for id, number in numbers.items() if number < len(catalogue.vectors)}
    vectors = catalogue.vectors.of(np.array(list(there.values()), dtype=np.int64))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)  # not 1 for all while one encoder takes over from another
    return dict(zip(there, vectors / np.maximum(lengths, 1e-12), strict=True))

"""Character trigrams of the title: finds what is misspelt."""

from dataclasses import dataclass

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query

_RARE = 24
"""Trigrams asked for at most; of a longer query the rarest, which tell the most."""


@dataclass(frozen=True)
class Grams:
    """BM25 over the three-letter pieces of the title, rare pieces counting more."""

    name: str = "grams"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        known = [(catalogue.text.frequency("grams", gram), gram) for gram in query.trigrams]
        rare = sorted((frequency, gram) for frequency, gram in known if frequency)[:_RARE]
        return catalogue.text.search(
            self.name, catalogue.text.any_of(("grams", gram, 1.0) for _, gram in rare), k, by_popularity=True
        )

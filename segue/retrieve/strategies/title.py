"""Title: BM25 over titles alone, biased by how popular an item is."""

from dataclasses import dataclass

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query


@dataclass(frozen=True)
class Title:
    """The well-known thing of that name: BM25 of the title × (1 + popularity share)."""

    name: str = "title"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        terms = [("title", word, 1.0) for word in query.words]
        return catalogue.text.search_any(self.name, terms, k)

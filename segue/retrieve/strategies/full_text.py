"""Full text: BM25 over every field of a document, the title counting double."""

from dataclasses import dataclass

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query


@dataclass(frozen=True)
class FullText:
    """Words anywhere in the document: `title_weight` × BM25 of the title + BM25 of the rest.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with k1 1.2, b .75.
    """

    name: str = "text"
    title_weight: float = 2.0

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        terms = [
            (field, word, weight)
            for word in query.words
            for field, weight in (("title", self.title_weight), ("body", 1.0))
        ]
        return catalogue.text.search_any(self.name, terms, k)

"""Dense vectors: finds what means the same in other words."""

from dataclasses import dataclass

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query


@dataclass(frozen=True)
class Dense:
    """Cosine between the request's vector and those of the documents."""

    name: str = "dense"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        return catalogue.vectors.search(self.name, query.vector, k)

"""Related: what belongs to the item that the words name: the other songs of its artist, the rest of its series."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segue.records import Candidates
from segue.retrieve.catalogue import Document, Snapshot
from segue.retrieve.catalogue.terms import phrase, value_term, words
from segue.retrieve.query import Query
from segue.retrieve.readings import barely_read

_NAMED = 0.3
"""Share of the words, by how much they tell, that a title must have for its item to be the one that is named."""

_COMMON, _AT_LEAST = 0.02, 10
"""What more than this share of the items has in common, and more than so many, makes them no relatives."""

_TERMS, _MOST = 30, 50_000
"""Of the named item's values and title words the rarest are asked for: so many at most, of so many items in all."""


@dataclass(frozen=True)
class Related:
    """BM25 over the values and the words of its title that the named item shares with others; itself it is left out.

    The named item is the one of exactly that title, else the best for its title if that holds enough of the words. Measured
    on films with human labels, to leave the named item out, which every other strategy finds, adds most to their union.
    """

    name: str = "related"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        named = _named(query, catalogue)
        document = None if named is None else catalogue.documents([named]).get(named)
        shared = [] if document is None else _shared(document, catalogue)
        found = catalogue.text.search(self.name, catalogue.text.any_of(shared), k + 1)
        others = found.numbers != named
        return Candidates(self.name, found.numbers[others], found.scores[others]).top(k)


def _named(query: Query, catalogue: Snapshot) -> int | None:
    """The number of the item that the words name."""
    text, whole = catalogue.text, phrase(query.text)
    exact = text.most_popular("whole", text.term("whole", whole), 1, few=True).numbers.tolist() if whole else []
    if exact:
        return int(exact[0])
    asked = barely_read(query.text, catalogue).rest or tuple(query.words)
    best = text.search_any("title", [("title", word, 1.0) for word in asked], 1).numbers.tolist()
    if not best:
        return None
    there = set(words(catalogue.documents(best)[best[0]].title))
    tells = np.log((len(catalogue) + 1) / np.array([text.frequency("title", word) + 1 for word in asked]))
    held = tells[[word in there for word in asked]].sum()
    return best[0] if held >= _NAMED * tells.sum() else None


def _shared(document: Document, catalogue: Snapshot) -> list[tuple[str, str, float]]:
    """The item's terms that other items have too, the rarest first."""
    known = {(field, term): catalogue.text.frequency(field, term) for field, term in _terms(document)}
    common = max(_AT_LEAST, _COMMON * len(catalogue))
    rare = sorted((count, field, term) for (field, term), count in known.items() if 2 <= count <= common)[:_TERMS]
    enough = int(np.searchsorted(np.cumsum([count for count, _, _ in rare]), _MOST, side="right"))
    return [(field, term, 1.0) for _, field, term in rare[:enough]]


def _terms(document: Document) -> Iterator[tuple[str, str]]:
    for name, members in document.categories.items():
        yield from (("value_of", value_term(name, member)) for member in members)
    yield from (("title", word) for word in words(document.title))

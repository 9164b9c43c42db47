"""Structured search: the request read as constraints on the catalogue's own fields."""

from dataclasses import dataclass

import numpy as np
from tantivy import FieldType, Occur
from tantivy import Query as TextQuery

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import value_term
from segue.retrieve.query import Query
from segue.retrieve.readings import Range, Reading

_FAR = 1e300
"""tantivy takes no infinite bound."""


@dataclass(frozen=True)
class Structured:
    """Every likely reading is searched; an item scores what the best reading gives it: probability × share of the words
    explained × its score there as a share of the best. So a score is in [0, 1] and says how sure this strategy is.

    Inside a reading the constraints must hold; items are ordered by the rest of the words that the catalogue knows, else by
    1 + popularity share. Readings are not added up: an item that has a genre's name as its tag too is no better comedy. A
    request that can only be read as plain words gets nothing from here: full text has it.
    """

    name: str = "structured"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        numbers, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for reading in query.readings(catalogue):
            found = self._search(reading, catalogue, k)
            numbers.append(found.numbers)
            scores.append(reading.probability * reading.explained * found.scores / found.scores[:1])
        union, place = np.unique(np.concatenate(numbers), return_inverse=True)
        best = np.zeros(len(union), np.float32)
        np.maximum.at(best, place, np.concatenate(scores))
        order = np.lexsort((union, -best))[:k]
        return Candidates(self.name, union[order], best[order])

    def _search(self, reading: Reading, catalogue: Snapshot, k: int) -> Candidates:
        text = catalogue.text
        clauses = constraints(reading, catalogue)
        known = [word for word in reading.rest if text.frequency("title", word) or text.frequency("body", word)]
        if not known:
            found = text.most_popular(self.name, TextQuery.boolean_query(clauses), k)
            return Candidates(self.name, found.numbers, 1 + found.scores)
        filters = [(occur, TextQuery.const_score_query(clause, 0.0)) for occur, clause in clauses]
        wanted = text.any_of(
            [(field, word, weight) for word in known for field, weight in (("title", 2.0), ("body", 1.0))]
        )
        return text.search(self.name, TextQuery.boolean_query([*filters, (Occur.Must, wanted)]), k, by_popularity=True)


def constraints(reading: Reading, catalogue: Snapshot) -> list[tuple[Occur, TextQuery]]:
    """The constraints of a reading as clauses; when all of them are negated, every item is a clause too."""
    clauses = [
        (
            Occur.MustNot if value.negated else Occur.Must,
            catalogue.text.term("value_of", value_term(value.field, value.text)),
        )
        for value in reading.values
    ]
    clauses += [(Occur.Must, _in_range(limit, catalogue)) for limit in reading.ranges]
    if all(occur is Occur.MustNot for occur, _ in clauses):
        clauses.append((Occur.Must, TextQuery.all_query()))
    return clauses


def _in_range(limit: Range, catalogue: Snapshot) -> TextQuery:
    slot = f"number{catalogue.slots.index(limit.field)}"
    low, high = max(limit.low, -_FAR), min(limit.high, _FAR)
    return TextQuery.range_query(catalogue.text.schema, slot, FieldType.Float, low, high)

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
    """Every likely reading is searched; an item scores Σ_readings probability × share of the words explained × its score there
    as a share of the best. So a score is in [0, 1] and says how sure this strategy is.

    Inside a reading the constraints must hold; items are ordered by the rest of the words, else by popularity. A request
    that can only be read as plain words gets nothing from here: full text has it.
    """

    name: str = "structured"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        numbers, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for reading in query.readings(catalogue):
            found = self._search(reading, catalogue, k)
            sure = reading.probability * reading.explained
            if len(found) and found.scores[0] > 0:
                numbers.append(found.numbers)
                scores.append(sure * found.scores / found.scores[0])
            elif len(found):
                numbers.append(found.numbers)
                scores.append(np.full(len(found), sure / 2, np.float32))
        union, place = np.unique(np.concatenate(numbers), return_inverse=True)
        total = np.bincount(place, weights=np.concatenate(scores), minlength=len(union))
        order = np.lexsort((union, -total))[:k]
        return Candidates(self.name, union[order], total[order].astype(np.float32))

    def _search(self, reading: Reading, catalogue: Snapshot, k: int) -> Candidates:
        text = catalogue.text
        clauses = [
            (Occur.MustNot if value.negated else Occur.Must, text.term("value_of", value_term(value.field, value.text)))
            for value in reading.values
        ]
        clauses += [(Occur.Must, _in_range(limit, catalogue)) for limit in reading.ranges]
        if not reading.rest:
            if all(occur is Occur.MustNot for occur, _ in clauses):
                clauses.append((Occur.Must, TextQuery.all_query()))
            return text.most_popular(self.name, TextQuery.boolean_query(clauses), k)
        filters = [(occur, TextQuery.const_score_query(clause, 0.0)) for occur, clause in clauses]
        wanted = text.any_of(
            [(field, word, weight) for word in reading.rest for field, weight in (("title", 2.0), ("body", 1.0))]
        )
        return text.search(self.name, TextQuery.boolean_query([*filters, (Occur.Must, wanted)]), k, by_popularity=True)


def _in_range(limit: Range, catalogue: Snapshot) -> TextQuery:
    slot = f"number{catalogue.slots.index(limit.field)}"
    low, high = max(limit.low, -_FAR), min(limit.high, _FAR)
    return TextQuery.range_query(catalogue.text.schema, slot, FieldType.Float, low, high)

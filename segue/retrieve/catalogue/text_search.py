"""Searching the text index: snapshots of it, and the shortcuts that keep a search among a million documents short."""

from collections.abc import Iterable, Iterator

import numpy as np
import tantivy
from tantivy import Occur, Query

from segue.records import Candidates, Scores
from segue.retrieve.catalogue.terms import phrase

BOOST = 1.0
"""Popularity multiplies a score by at most 1 + BOOST."""

_COMMON = 20_000
"""A term in more documents than this is common: to score them all takes a millisecond or more."""

_COUNTED = 100_000
"""Terms whose frequency is kept at hand: some 20 MB."""

_RAISED = 500
LEVELS = 10
"""Steps of popularity, each a term of the field `known`, so that the well-known documents can be looked at first."""

Weighted = tuple[str, str, float]
"""A term to search for: its field, the term, and what its BM25 is multiplied by."""


class TextSearcher:
    """A snapshot of the index at one version."""

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._searcher = searcher
        self.schema = schema
        self._ceilings: dict[tuple[str, str, float], float] = {}
        self._frequencies: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return self._searcher.num_docs

    def frequency(self, field: str, term: str) -> int:
        """In how many documents `term` stands in `field`. A request asks some hundred times, most of them again and again."""
        known = self._frequencies.get((field, term))
        if known is None:
            if len(self._frequencies) >= _COUNTED:
                self._frequencies.clear()
            known = self._frequencies[field, term] = self._searcher.doc_freq(field, term)
        return known

    def holds_title(self, text: str) -> bool:
        """Whether the whole of `text` is the title of a document."""
        whole = phrase(text)
        return bool(whole) and self.frequency("whole", whole) > 0

    def term(self, field: str, term: str) -> Query:
        return Query.term_query(
            self.schema, field, term, index_option="freq" if field in ("title", "body", "sparse", "grams") else "basic"
        )

    def near(self, field: str, term: str, slips: int) -> Query:
        """Documents with a term that is at most `slips` (0 to 2) letters put in, left out, replaced or swapped away."""
        return Query.fuzzy_term_query(self.schema, field, term, distance=slips) if slips else self.term(field, term)

    def any_of(self, weighted: Iterable[Weighted]) -> Query:
        """Documents with any of the terms, scored by the weighted sum of BM25."""
        return Query.boolean_query([(Occur.Should, self._weighted(one)) for one in weighted])

    def _weighted(self, one: Weighted) -> Query:
        field, term, weight = one
        return self.term(field, term) if weight == 1 else Query.boost_query(self.term(field, term), weight)

    def all_of(self, terms: Iterable[tuple[str, str]]) -> Query:
        """Documents with every one of the (field, term)."""
        return Query.boolean_query([(Occur.Must, self.term(field, term)) for field, term in terms])

    def search(self, strategy: str, query: Query, k: int, *, by_popularity: bool = False) -> Candidates:
        """The best `k`. With `by_popularity`, scores are multiplied by 1 for unknown items up to 1 + BOOST for the best known."""
        by_popularity = by_popularity and self.frequency("known", "0") > 0
        hits = self._searcher.search(
            query, limit=k, count=False, weight_by_field="boost" if by_popularity else None
        ).hits
        return self._candidates(strategy, hits)

    def search_then_raise(self, strategy: str, query: Query, k: int) -> Candidates:
        """`search` by popularity among the best 500 by BM25 alone: for many common terms, to raise every match takes long."""
        hits = self._searcher.search(query, limit=max(_RAISED, 4 * k), count=False).hits
        addresses = [address for _, address in hits]
        shares = np.array(self._searcher.fast_field_values("popularity", addresses), dtype=np.float32)
        scores = np.array([score for score, _ in hits], dtype=np.float32) * (1 + BOOST * shares)
        return self._in_order(strategy, addresses, scores).top(k)

    def search_any(self, strategy: str, weighted: Iterable[Weighted], k: int) -> Candidates:
        """The best `k` for `any_of` the terms, by popularity: what `search` finds, mostly without a look at every document.

        Documents with a rare word are scored first, then well-known ones. The rest has only common words, and needs no look
        when the `k`th found is above the most that these can reach: the sum of the common terms' highest BM25, times the
        highest multiplier left.

        Source: Turtle and Flood, "Query Evaluation: Strategies and Optimizations" (1995), MaxScore; the bound on
        popularity is ours.
        """
        terms = list(weighted)
        common = [one for one in terms if self.frequency(one[0], one[1]) > _COMMON]
        if common and self.frequency("known", "0"):
            most = sum(map(self._ceiling, common))
            found = self._candidates(strategy, [])
            for query, highest in self._shortcuts(terms, common, k):
                found = _merged(found, self.search(strategy, query, k, by_popularity=True), k)
                if len(found) == k and found.scores[-1] > highest * most:
                    return found
        return self.search(strategy, self.any_of(terms), k, by_popularity=True)

    def _shortcuts(self, terms: list[Weighted], common: list[Weighted], k: int) -> Iterator[tuple[Query, float]]:
        """Queries for a part of the documents, each with the highest multiplier of what is left out by it and those before."""
        rare = [one for one in terms if one not in common and self.frequency(one[0], one[1])]
        if rare:
            beside = [(Occur.Should, self._weighted(one)) for one in common]
            yield Query.boolean_query([(Occur.Must, self.any_of(rare)), *beside]), 1.0 + BOOST
        if level := self._level(k):
            yield self._well_known(self.any_of(terms), level), 1.0 + BOOST * level / LEVELS

    def most_popular(self, strategy: str, query: Query, k: int, *, few: bool = False) -> Candidates:
        """The `k` most popular documents that match; the score is the popularity share in [0, 1].

        With `few`, not many are expected to match, and no shortcut over the well-known ones is tried first.
        """
        level = 0 if few else self._level(k)
        for wanted in (self._well_known(query, level), query) if level else (query,):
            hits = self._searcher.search(wanted, limit=k, count=False, order_by_field="popularity").hits
            if len(hits) == k:
                break
        return self._candidates(strategy, [(0.0 if score is None else score, address) for score, address in hits])

    def _level(self, k: int) -> int:
        """The highest level of popularity that so many documents reach that `k` with a common word can be expected among them."""
        enough = max(200 * k, len(self) // 100)
        return next((level for level in range(LEVELS, 0, -1) if self.frequency("known", str(level)) > enough), 0)

    def _well_known(self, query: Query, level: int) -> Query:
        known = Query.const_score_query(self.term("known", str(level)), 0.0)
        return Query.boolean_query([(Occur.Must, known), (Occur.Must, query)])

    def _ceiling(self, one: Weighted) -> float:
        """The highest score that a term gives to any document; found once in a snapshot."""
        if one not in self._ceilings:
            hits = self._searcher.search(self._weighted(one), limit=1, count=False).hits
            self._ceilings[one] = hits[0][0] if hits else 0.0
        return self._ceilings[one]

    def _candidates(self, strategy: str, hits: list[tuple[float, tantivy.DocAddress]]) -> Candidates:
        scores = np.array([score for score, _ in hits], dtype=np.float32)
        return self._in_order(strategy, [address for _, address in hits], scores)

    def _in_order(self, strategy: str, addresses: list[tantivy.DocAddress], scores: Scores) -> Candidates:
        """By score; equal scores by number, so that it does not matter in how many runs the index was made."""
        numbers = np.array(self._searcher.fast_field_values("number", addresses), dtype=np.int64)
        order = np.lexsort((numbers, -scores))
        return Candidates(strategy, numbers[order], scores[order])


def _merged(one: Candidates, other: Candidates, k: int) -> Candidates:
    """The best `k` of both; an item in both has the same score there."""
    numbers, first = np.unique(np.concatenate([one.numbers, other.numbers]), return_index=True)
    scores = np.concatenate([one.scores, other.scores])[first]
    order = np.lexsort((numbers, -scores))[:k]
    return Candidates(other.strategy, numbers[order], scores[order])

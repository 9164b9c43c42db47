"""The inverted index of one domain: words, character trigrams, whole values and numbers of every document, in tantivy.

It is derived from the catalogue's rows and knows the version it has seen; `catch_up` brings it to any later one and is
safe to repeat, so that a process killed between the catalogue's commit and this one's is repaired at the next opening.
"""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import tantivy
from tantivy import Filter, Occur, Query, Tokenizer

from segue.errors import Corrupt, Unavailable
from segue.records import Candidates, Scores
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items

SLOTS = 16
"""Numeric columns that can be searched by range."""

BOOST = 1.0
"""Popularity multiplies a score by at most 1 + BOOST."""

_COMMON = 20_000
"""A term in more documents than this is common: to score them all takes a millisecond or more."""

_RAISED = 500
_LEVELS = 10
"""Steps of popularity, each a term of the field `known`, so that the well-known documents can be looked at first."""

_SEPARATOR = "\x1f"
_analyzer = (
    tantivy.TextAnalyzerBuilder(Tokenizer.simple())
    .filter(Filter.remove_long(60))
    .filter(Filter.lowercase())
    .filter(Filter.ascii_fold())
    .filter(Filter.stemmer("English"))
    .build()
)
_grams = (
    tantivy.TextAnalyzerBuilder(Tokenizer.ngram(3, 3)).filter(Filter.lowercase()).filter(Filter.ascii_fold()).build()
)


def words(text: str) -> list[str]:
    """The words of a text as the index knows them: lower case, without accents, stemmed.

    >>> words("Amélie's Running Comedies")
    ['ameli', 's', 'run', 'comedi']
    """
    return _analyzer.analyze(text)


def trigrams(text: str) -> list[str]:
    """Every three letters in a row, each once; a space marks the ends.

    >>> trigrams("Psycho")
    [' ps', 'psy', 'syc', 'ych', 'cho', 'ho ']
    """
    return list(dict.fromkeys(_grams.analyze(_padded(text))))


def phrase(text: str) -> str:
    """A whole value as one term, so that "Science Fiction" is found by "science fictions"."""
    return " ".join(words(text))


def value_term(field: str, text: str) -> str:
    return f"{field}{_SEPARATOR}{phrase(text)}"


Weighted = tuple[str, str, float]
"""A term to search for: its field, the term, and what its BM25 is multiplied by."""


class TextIndex:
    """An opened index in a folder. A `searcher` is a snapshot: take a new one after `catch_up` or `reload`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "meta.json").exists():  # nothing is here, whatever version was written down
            (folder / "segue-version").unlink(missing_ok=True)
        try:
            self._index = tantivy.Index(_schema(), path=str(folder))
        except ValueError as error:
            raise Corrupt(
                f"The text index in {folder} cannot be opened: {error}.", fix="delete that folder: it is rebuilt"
            ) from error
        self._index.config_reader("manual")
        self._index.register_tokenizer("words", _analyzer)
        self._index.register_tokenizer("grams", _grams)
        self.schema = self._index.schema

    @classmethod
    def open_or_clear(cls, folder: Path) -> "TextIndex":
        """Open the index; one that cannot be opened is emptied, for the caller to fill again from the catalogue."""
        try:
            return cls(folder)
        except Corrupt:
            shutil.rmtree(folder)
            return cls(folder)

    @property
    def version(self) -> int:
        """The catalogue's version that this index has seen; 0 when unknown."""
        try:
            return int((self._folder / "segue-version").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def searcher(self) -> "TextSearcher":
        self._index.reload()
        return TextSearcher(self._index.searcher(), self.schema)

    def catch_up(
        self, items: Items, *, slots: Sequence[str], scale: float, progress: Callable[[int], None] | None = None
    ) -> None:
        """Bring the index to the catalogue's version. `slots`: the numeric columns in order; `scale`: see `popularity_share`."""
        seen, version = self.version, items.version
        if seen == version:
            return
        try:
            self._write(items, seen, version, slots=slots, scale=scale, progress=progress)
        except ValueError as error:  # the one error of tantivy, whatever happened
            raise Unavailable(
                f"The text index in {self._folder} could not be written: {error}.",
                expected="a disk with free space and files that this process may write",
                fix="free some space or correct the rights, then run the same command again: it goes on where it stopped",
            ) from error
        _write_small(self._folder / "segue-version", str(version))

    def _write(
        self,
        items: Items,
        seen: int,
        version: int,
        *,
        slots: Sequence[str],
        scale: float,
        progress: Callable[[int], None] | None,
    ) -> None:
        """Take what was retired between two versions out, and put in what was born."""
        first = items.first_born_after(seen)
        last = items.last_number(version)
        bulk = first is not None and last - first > 20_000
        writer = self._index.writer(heap_size=256_000_000 if bulk else 15_000_000, num_threads=2 if bulk else 1)
        for number in items.retired_between(seen, version):
            writer.delete_documents_by_term("number", number)
        if first is not None:
            # A catch-up that was cut short may have left these behind.
            writer.delete_documents_by_query(
                Query.range_query(
                    self.schema, "number", tantivy.FieldType.Integer, lower_bound=first, upper_bound=2**62
                )
            )
            whole = lru_cache(100_000)(phrase)  # values come again and again
            for number, document in items.documents(first, last, version=version):
                writer.add_document(_entry(number, document, slots, scale, whole))
                if progress is not None:
                    progress(1)
        writer.commit()
        if bulk:
            writer.wait_merging_threads()


class TextSearcher:
    """A snapshot of the index at one version."""

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._searcher = searcher
        self.schema = schema
        self._ceilings: dict[tuple[str, str, float], float] = {}

    def __len__(self) -> int:
        return self._searcher.num_docs

    def frequency(self, field: str, term: str) -> int:
        """In how many documents `term` stands in `field`."""
        return self._searcher.doc_freq(field, term)

    def holds_title(self, text: str) -> bool:
        """Whether the whole of `text` is the title of a document."""
        whole = phrase(text)
        return bool(whole) and self.frequency("whole", whole) > 0

    def term(self, field: str, term: str) -> Query:
        return Query.term_query(
            self.schema, field, term, index_option="freq" if field in ("title", "body", "grams") else "basic"
        )

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
            yield self._well_known(self.any_of(terms), level), 1.0 + BOOST * level / _LEVELS

    def most_popular(self, strategy: str, query: Query, k: int) -> Candidates:
        """The `k` most popular documents that match; the score is the popularity share in [0, 1]."""
        level = self._level(k)
        for wanted in (self._well_known(query, level), query) if level else (query,):
            hits = self._searcher.search(wanted, limit=k, count=False, order_by_field="popularity").hits
            if len(hits) == k:
                break
        return self._candidates(strategy, [(0.0 if score is None else score, address) for score, address in hits])

    def _level(self, k: int) -> int:
        """The highest level of popularity that so many documents reach that `k` with a common word can be expected among them."""
        enough = max(200 * k, len(self) // 100)
        return next((level for level in range(_LEVELS, 0, -1) if self.frequency("known", str(level)) > enough), 0)

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


def popularity_share(popularity: float, scale: float) -> float:
    """Popularity on a scale from 0 (unknown) to 1 (as popular as the catalogue's best), logarithmic.

    `scale` is the catalogue's highest popularity when it was first indexed; what is beyond counts as 1.
    """
    return min(1.0, math.log1p(popularity) / math.log1p(scale)) if scale > 0 else 0.0


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("number", indexed=True, fast=True)
    builder.add_float_field("boost", fast=True)
    builder.add_float_field("popularity", fast=True)
    for name in ("title", "body"):
        builder.add_text_field(name, tokenizer_name="words", index_option="freq")
    builder.add_text_field("grams", tokenizer_name="grams", index_option="freq")
    for name in ("whole", "value", "value_of", "known"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for slot in range(SLOTS):
        builder.add_float_field(f"number{slot}", fast=True, indexed=True)
    return builder.build()


def _entry(
    number: int, document: Document, slots: Sequence[str], scale: float, whole: Callable[[str], str]
) -> tantivy.Document:
    entry = tantivy.Document()
    entry.add_integer("number", number)
    share = popularity_share(document.popularity, scale)
    entry.add_float("popularity", share)
    entry.add_float("boost", 2.0 ** (1.0 + BOOST * share) - 2.0)  # tantivy multiplies by log2(2 + boost)
    if share > 0:
        for level in range(int(share * _LEVELS) + 1):
            entry.add_text("known", str(level))
    entry.add_text("title", document.title)
    entry.add_text("grams", _padded(document.title))
    entry.add_text("whole", phrase(document.title))
    for text in document.text:
        entry.add_text("body", text)
    for field, members in document.categories.items():
        for member in members:
            entry.add_text("body", member)
            if len(member) <= 80:
                known_as = whole(member)
                entry.add_text("value", known_as)
                entry.add_text("value_of", f"{field}{_SEPARATOR}{known_as}")
    for slot, name in enumerate(slots):
        value = document.numbers.get(name)
        if value is not None:
            entry.add_float(f"number{slot}", value)
            if value.is_integer() and 1000 <= value < 2200:  # a year is also a word that people type
                entry.add_text("body", str(int(value)))
    return entry


def _padded(text: str) -> str:
    return f" {' '.join(text.split())} "


def _write_small(file: Path, text: str) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(file)

"""The inverted index of one domain: words, character trigrams, whole values and numbers of every document, in tantivy.

It is derived from the catalogue's rows and knows the version it has seen; `catch_up` brings it to any later one and is
safe to repeat, so that a process killed between the catalogue's commit and this one's is repaired at the next opening.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tantivy
from tantivy import Filter, Occur, Query, Tokenizer

from segue.errors import Corrupt
from segue.records import Candidates
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items

SLOTS = 16
"""Numeric columns that can be searched by range."""

BOOST = 1.0
"""Popularity multiplies a score by at most 1 + BOOST."""

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


class TextIndex:
    """An opened index in a folder. A `searcher` is a snapshot: take a new one after `catch_up` or `reload`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
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
            for number, document in items.documents(first, last, version=version):
                writer.add_document(_entry(number, document, slots, scale))
                if progress is not None:
                    progress(1)
        writer.commit()
        if bulk:
            writer.wait_merging_threads()
        _write_small(self._folder / "segue-version", str(version))


class TextSearcher:
    """A snapshot of the index at one version."""

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self._searcher = searcher
        self.schema = schema

    def __len__(self) -> int:
        return self._searcher.num_docs

    def frequency(self, field: str, term: str) -> int:
        """In how many documents `term` stands in `field`."""
        return self._searcher.doc_freq(field, term)

    def holds_title(self, text: str) -> bool:
        """Whether the whole of `text` is the title of a document."""
        return self.frequency("whole", phrase(text)) > 0

    def term(self, field: str, term: str) -> Query:
        return Query.term_query(
            self.schema, field, term, index_option="freq" if field in ("title", "body", "grams") else "basic"
        )

    def any_of(self, weighted: Iterable[tuple[str, str, float]]) -> Query:
        """Documents with any of the (field, term, weight), scored by the weighted sum of BM25."""
        return Query.boolean_query(
            [
                (
                    Occur.Should,
                    self.term(field, term) if weight == 1 else Query.boost_query(self.term(field, term), weight),
                )
                for field, term, weight in weighted
            ]
        )

    def all_of(self, terms: Iterable[tuple[str, str]]) -> Query:
        """Documents with every one of the (field, term)."""
        return Query.boolean_query([(Occur.Must, self.term(field, term)) for field, term in terms])

    def search(self, strategy: str, query: Query, k: int, *, by_popularity: bool = False) -> Candidates:
        """The best `k`. `by_popularity` multiplies a score by 1 for an unknown item up to 1 + BOOST for the best known."""
        hits = self._searcher.search(
            query, limit=k, count=False, weight_by_field="boost" if by_popularity else None
        ).hits
        return self._candidates(strategy, hits)

    def most_popular(self, strategy: str, query: Query, k: int) -> Candidates:
        """The `k` most popular documents that match; the score is the popularity share in [0, 1]."""
        hits = self._searcher.search(query, limit=k, count=False, order_by_field="popularity").hits
        return self._candidates(strategy, [(0.0 if score is None else score, address) for score, address in hits])

    def _candidates(self, strategy: str, hits: list[tuple[float, tantivy.DocAddress]]) -> Candidates:
        numbers = self._searcher.fast_field_values("number", [address for _, address in hits])
        return Candidates(
            strategy, np.array(numbers, dtype=np.int64), np.array([score for score, _ in hits], dtype=np.float32)
        )


def popularity_share(popularity: float, scale: float) -> float:
    """Popularity on a scale from 0 (unknown) to 1 (as popular as the catalogue's best), logarithmic.

    `scale` is the catalogue's highest popularity when it was first indexed; what is beyond counts as 1.
    """
    return float(min(1.0, np.log1p(popularity) / np.log1p(scale))) if scale > 0 else 0.0


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("number", indexed=True, fast=True)
    builder.add_float_field("boost", fast=True)
    builder.add_float_field("popularity", fast=True)
    for name in ("title", "body"):
        builder.add_text_field(name, tokenizer_name="words", index_option="freq")
    builder.add_text_field("grams", tokenizer_name="grams", index_option="freq")
    for name in ("whole", "value", "value_of"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for slot in range(SLOTS):
        builder.add_float_field(f"number{slot}", fast=True, indexed=True)
    return builder.build()


def _entry(number: int, document: Document, slots: Sequence[str], scale: float) -> tantivy.Document:
    entry = tantivy.Document()
    entry.add_integer("number", number)
    share = popularity_share(document.popularity, scale)
    entry.add_float("popularity", share)
    entry.add_float("boost", 2.0 ** (1.0 + BOOST * share) - 2.0)  # tantivy multiplies by log2(2 + boost)
    entry.add_text("title", document.title)
    entry.add_text("grams", _padded(document.title))
    entry.add_text("whole", phrase(document.title))
    for text in document.text:
        entry.add_text("body", text)
    for field, members in document.categories.items():
        for member in members:
            entry.add_text("body", member)
            if len(member) <= 80:
                known_as = phrase(member)
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

"""The inverted index of one domain: words, character trigrams, whole values and numbers of every document, in tantivy.

It is derived from the catalogue's rows and knows the version it has seen; `catch_up` brings it to any later one and is
safe to repeat, so that a process killed between the catalogue's commit and this one's is repaired at the next opening.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import tantivy
from tantivy import Query, TextAnalyzerBuilder, Tokenizer

from segue.errors import Corrupt, Unavailable
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items
from segue.retrieve.catalogue.learned import Learned, learn, load, represented, save
from segue.retrieve.catalogue.predicted import asked
from segue.retrieve.catalogue.terms import SEPARATOR, gram_analyzer, padded, phrase, word_analyzer
from segue.retrieve.catalogue.text_search import BOOST, LEVELS, TextSearcher
from segue.retrieve.catalogue.vectors import VectorFile

SLOTS = 16
"""Numeric columns that can be searched by range."""

_BULK = 1_600_000_000
"""Bytes that may wait in memory while many documents are indexed, taken only as they are needed (about 1 kB a document). Each
of the two writing threads makes a part of the index when its half is full, and every search looks into each part: with a
sixth of this a million documents lay in eight parts, and a look-up of a term took four times as long."""


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
        self._index.register_tokenizer("words", word_analyzer)
        self._index.register_tokenizer("grams", gram_analyzer)
        self._index.register_tokenizer("terms", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
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

    def searcher(self) -> TextSearcher:
        self._index.reload()
        return TextSearcher(self._index.searcher(), self.schema)

    def catch_up(
        self,
        items: Items,
        *,
        slots: Sequence[str],
        scale: float,
        vectors: VectorFile | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Bring the index to the catalogue's version. `slots`: the numeric columns in order; `scale`: see `popularity_share`.

        `vectors`, those of every document, are what the field `sparse` is learned from; without them it holds plain words.
        """
        seen, version = self.version, items.version
        if seen == version:
            return
        try:
            learned = self._head(items, seen, version, vectors) if vectors is not None else None
            seen = 0 if self._anew.exists() else seen
            self._write(items, seen, version, learned, vectors, slots=slots, scale=scale, progress=progress)
        except ValueError as error:  # the one error of tantivy, whatever happened
            raise Unavailable(
                f"The text index in {self._folder} could not be written: {error}.",
                expected="a disk with free space and files that this process may write",
                fix="free some space or correct the rights, then run the same command again: it goes on where it stopped",
            ) from error
        _write_small(self._folder / "segue-version", str(version))
        self._anew.unlink(missing_ok=True)

    @property
    def _anew(self) -> Path:
        """A file that stands there while every document is to be written again, in one commit, under another head."""
        return self._folder / "segue-anew"

    def _head(self, items: Items, seen: int, version: int, vectors: VectorFile) -> Learned | None:
        """The head under which new documents are written; None when there are none, or too few documents to learn from."""
        if items.first_born_after(seen) is None and not self._anew.exists():
            return None
        file = self._folder / "segue-head"
        learned = load(file)
        if learned is None or learned.outdated(items.alive(version)[0], vectors):
            learned = learn(items, version, vectors)
            if learned is not None:
                self._anew.touch()
                save(learned, file)
        return learned

    def _write(
        self,
        items: Items,
        seen: int,
        version: int,
        learned: Learned | None,
        vectors: VectorFile | None,
        *,
        slots: Sequence[str],
        scale: float,
        progress: Callable[[int], None] | None,
    ) -> None:
        """Take what was retired between two versions out, and put in what was born."""
        first = items.first_born_after(seen)
        last = items.last_number(version)
        bulk = first is not None and last - first > 20_000
        writer = self._index.writer(heap_size=_BULK if bulk else 15_000_000, num_threads=2 if bulk else 1)
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
            documents = items.documents(first, last, version=version)
            for number, document, terms in represented(documents, learned, vectors):
                writer.add_document(_entry(number, document, slots, scale, whole, terms))
                if progress is not None:
                    progress(1)
        writer.commit()
        if bulk:
            writer.wait_merging_threads()


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
    builder.add_text_field("sparse", tokenizer_name="terms", index_option="freq")
    builder.add_text_field("grams", tokenizer_name="grams", index_option="freq")
    for name in ("whole", "value", "value_of", "known", "asked"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for slot in range(SLOTS):
        builder.add_float_field(f"number{slot}", fast=True, indexed=True)
    return builder.build()


def _entry(
    number: int, document: Document, slots: Sequence[str], scale: float, whole: Callable[[str], str], terms: str
) -> tantivy.Document:
    entry = tantivy.Document()
    entry.add_integer("number", number)
    share = popularity_share(document.popularity, scale)
    entry.add_float("popularity", share)
    entry.add_float("boost", 2.0 ** (1.0 + BOOST * share) - 2.0)  # tantivy multiplies by log2(2 + boost)
    if share > 0:
        for level in range(int(share * LEVELS) + 1):
            entry.add_text("known", str(level))
    entry.add_text("title", document.title)
    entry.add_text("sparse", terms)
    entry.add_text("grams", padded(document.title))
    entry.add_text("whole", phrase(document.title))
    for query in asked(document):
        entry.add_text("asked", query)
    for text in document.text:
        entry.add_text("body", text)
    for field, members in document.categories.items():
        for member in members:
            entry.add_text("body", member)
            if len(member) <= 80:
                known_as = whole(member)
                entry.add_text("value", known_as)
                entry.add_text("value_of", f"{field}{SEPARATOR}{known_as}")
    for slot, name in enumerate(slots):
        value = document.numbers.get(name)
        if value is not None:
            entry.add_float(f"number{slot}", value)
            if value.is_integer() and 1000 <= value < 2200:  # a year is also a word that people type
                entry.add_text("body", str(int(value)))
    return entry


def _write_small(file: Path, text: str) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(file)

"""Queries that people can be expected to ask for a document, before anyone has: made from its own fields when it is indexed.

Source: Nogueira, Yang, Lin and Cho, "Document Expansion by Query Prediction" (2019). They let a trained sequence-to-sequence
model write the queries and add their words to the text. We have no such model to ship, so ours are templates over the
fields, and they fill the memory index as pseudo-counts, which real clicks overrule.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.terms import SEPARATOR, words
from segue.retrieve.catalogue.text_search import TextSearcher

WHOLE, PART, VALUE = 1.0, 0.5, 0.25
"""How many actions a predicted query is worth: one that names the title whole, a part of it, or a value that others share.

In the order of how often the most popular document of such a query was judged right: on half of msrd's human judgements
.92 for titles (373 queries), .95 with the year (213), .92 with the director (165), .7 to .8 for parts (103), .5 for a
person's name alone (21)."""

_COUNTS = (WHOLE, PART, VALUE)
_PEOPLE = frozenset(
    "actor artist author band by cast composer creator director maker performer singer starring writer".split()
)
_YEARS = ("year", "released", "published", "date")
"""How the names of columns with a year end."""

_NAMED = 2
"""People of one column that are asked for beside a title: the first ones."""

_LONGEST = 200
"""Characters of a key; nobody types a longer query by heart."""

_CONSIDERED = 50
"""Documents that share a predicted query at most: the most popular."""

_EVEN = 0.1
"""Added to every popularity share, so that unknown documents can be expected too."""

_ARTICLES = ("the", "a", "an")
_BRACKETS = re.compile(r"\s*(\([^)]*\)|\[[^]]*\])")
_SUBTITLE = re.compile(r":\s+|\s+[-–—]\s+")


def same_words(text: str) -> str:
    """What texts with the same stemmed words have in common, whatever their order; empty for a text without a word.

    >>> same_words("The Birds"), same_words("birds, the")
    ('bird the', 'bird the')
    """
    return _key(words(text))


def predicted(document: Document) -> list[tuple[str, float]]:
    """Expected queries as keys (`same_words`) with pseudo-counts, each once: the title, with and without what stands in
    brackets; the title with the year or with a person; parts of it; and a person alone.

    >>> night = Document("1", "The Night: Again", (), {"director": ("Ana Lee",)}, {"year": 1964.0}, 0.0, {})
    >>> predicted(night)[:3]
    [('again night the', 1.0), ('1964 again night the', 1.0), ('again ana lee night the', 1.0)]
    >>> predicted(night)[-4:]
    [('again night', 0.5), ('night the', 0.5), ('again', 0.5), ('ana lee', 0.25)]
    """
    people = list(_people(document))
    bare = words(_BRACKETS.sub("", document.title))
    named = [bare, bare[1:]] if bare[:1] and bare[0] in _ARTICLES else [bare]
    counted = {_key(words(document.title)): WHOLE, _key(bare): WHOLE}
    for name, beside in product(named, [*_years(document), *people]):
        counted.setdefault(_key([*name, *beside]), WHOLE)
    for part in [*named[1:], *_parts(document.title)]:
        counted.setdefault(_key(part), PART)
    for person in people:
        counted.setdefault(_key(person), VALUE)
    return [(key, count) for key, count in counted.items() if 0 < len(key) <= _LONGEST]


def asked(document: Document) -> Iterator[str]:
    """The terms of the field `asked`: a key, and behind it which of the pseudo-counts it has."""
    return (_term(key, count) for key, count in predicted(document))


def expected(text: str, catalogue: TextSearcher) -> dict[int, float]:
    """Item number → pseudo-count of the items whose predicted queries have the words of `text`.

    One query is worth its count in all: items that share it share the count, in proportion to their popularity.
    """
    counts: dict[int, float] = {}
    if not (key := same_words(text)):
        return counts
    for count in _COUNTS:
        term = _term(key, count)
        if catalogue.frequency("asked", term):
            found = catalogue.most_popular("asked", catalogue.term("asked", term), _CONSIDERED)
            weights = found.scores.astype(float) + _EVEN
            for number, share in zip(found.numbers.tolist(), (count * weights / weights.sum()).tolist(), strict=True):
                counts.setdefault(number, share)
    return counts


def _key(stems: Sequence[str]) -> str:
    return " ".join(sorted(set(stems)))


def _term(key: str, count: float) -> str:
    return f"{key}{SEPARATOR}{count}"


def _parts(title: str) -> list[list[str]]:
    """The words before a subtitle, and those of the subtitle."""
    split = _SUBTITLE.split(_BRACKETS.sub("", title), maxsplit=1)
    return [words(part) for part in split] if len(split) == 2 else []


def _people(document: Document) -> Iterator[list[str]]:
    for column, members in document.categories.items():
        if column.lower().removesuffix("_name").removesuffix("s") in _PEOPLE:
            yield from (_stems(member) for member in members[:_NAMED])


def _years(document: Document) -> list[list[str]]:
    named = (value for column, value in document.numbers.items() if column.lower().endswith(_YEARS))
    return [[str(int(value))] for value in named if 1000 <= value < 2200][:1]


@lru_cache(100_000)
def _stems(name: str) -> list[str]:
    """The words of a person's name: the same people come again and again."""
    return words(name)

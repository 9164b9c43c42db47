"""How text becomes terms: words, trigrams, and whole values. The index and the queries must agree on it, so it stands once."""

from functools import lru_cache

import tantivy
from tantivy import Filter, Tokenizer

SEPARATOR = "\x1f"

_SHORT = 200
"""Characters of a text that may be asked for again."""

word_analyzer = (
    tantivy.TextAnalyzerBuilder(Tokenizer.simple())
    .filter(Filter.remove_long(60))
    .filter(Filter.lowercase())
    .filter(Filter.ascii_fold())
    .filter(Filter.stemmer("English"))
    .build()
)
gram_analyzer = (
    tantivy.TextAnalyzerBuilder(Tokenizer.ngram(3, 3)).filter(Filter.lowercase()).filter(Filter.ascii_fold()).build()
)


def words(text: str) -> list[str]:
    """The words of a text as the index knows them: lower case, without accents, stemmed.

    >>> words("Amélie's Running Comedies")
    ['ameli', 's', 'run', 'comedi']
    """
    return list(_analyzed(text)) if len(text) <= _SHORT else word_analyzer.analyze(text)


@lru_cache(20_000)
def _analyzed(text: str) -> tuple[str, ...]:
    """Of what people type: a request takes the same words apart a few dozen times."""
    return tuple(word_analyzer.analyze(text))


def trigrams(text: str) -> list[str]:
    """Every three letters in a row, each once; a space marks the ends.

    >>> trigrams("Psycho")
    [' ps', 'psy', 'syc', 'ych', 'cho', 'ho ']
    """
    return list(dict.fromkeys(gram_analyzer.analyze(padded(text))))


def phrase(text: str) -> str:
    """A whole value as one term, so that "Science Fiction" is found by "science fictions"."""
    return " ".join(words(text))


def value_term(field: str, text: str) -> str:
    return f"{field}{SEPARATOR}{phrase(text)}"


def padded(text: str) -> str:
    """A text with single spaces, and one at each end, so that the ends make trigrams of their own."""
    return f" {' '.join(text.split())} "

"""How text becomes terms: words, trigrams, and whole values. The index and the queries must agree on it, so it stands once."""

import tantivy
from tantivy import Filter, Tokenizer

SEPARATOR = "\x1f"
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
    return word_analyzer.analyze(text)


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

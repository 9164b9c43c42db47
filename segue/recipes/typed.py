"""How people type a title or a name: without accents and apostrophes, without what follows a colon, misspelt now and then."""

import re
import unicodedata
from string import whitespace

from numpy.random import Generator

_ARTICLE = re.compile(r"^(?:the|a|an)\s+(?=\S)", re.IGNORECASE)
_UNACCENTED, _NO_APOSTROPHE, _NO_ARTICLE, _NO_SUBTITLE, _PARTIAL, _MISSPELT = 0.7, 0.25, 0.12, 0.5, 0.06, 0.04
_SURNAME, _NO_DOTS = 0.25, 0.7
_LONG = 5
"""Letters of the shortest title that is misspelt."""


def key(title: str) -> str:
    """What two titles have in common that are the same to people.

    >>> key("The Godfather") == key("godfather"), key("Amélie")
    (True, 'amelie')
    """
    words = re.findall(r"\w+", _ARTICLE.sub("", unaccented(title).replace("'", "")).lower())
    return " ".join(words)


def unaccented(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def whole(title: str) -> str:
    """A title without remarks in brackets, and where the data cut it off ("..."), without the word that was cut.

    >>> whole("Baby Don't Cry (Keep..."), whole("The Hardest Part Of ...")
    ("Baby Don't Cry", 'The Hardest Part Of')
    """
    if title.endswith("...") and not title.endswith(" ..."):
        title = title[:-3].rpartition(" ")[0] or title[:-3]
    title = re.sub(r"\s*[(\[][^)\]]*[)\]]?", " ", title.removesuffix("..."))
    return " ".join(title.split()).strip("-,:&" + whitespace)


def typed_title(title: str, random: Generator) -> str:
    """A title as someone may type it."""
    text = plain(title, random)
    head = text.partition(":")[0]
    if head != text and len(head) > 2 and random.random() < _NO_SUBTITLE:
        text = head
    if random.random() < _NO_ARTICLE:
        text = _ARTICLE.sub("", text)
    words = text.split()
    if len(words) > 3 and random.random() < _PARTIAL:
        text = " ".join(words[: int(random.integers(2, len(words)))])
    return misspelt(text, random) if len(text) >= _LONG and random.random() < _MISSPELT else text


def typed_name(name: str, random: Generator) -> str:
    """A person as someone may type them: at times by the surname alone, mostly without dots."""
    text = plain(name, random)
    if random.random() < _NO_DOTS:
        text = " ".join(text.replace(".", " ").split())
    words = text.split()
    return words[-1] if len(words) > 1 and len(words[-1]) > 3 and random.random() < _SURNAME else text


def plain(text: str, random: Generator) -> str:
    """Often without accents, at times without apostrophes."""
    if random.random() < _UNACCENTED:
        text = unaccented(text)
    return text.replace("'", "") if random.random() < _NO_APOSTROPHE else text


def misspelt(text: str, random: Generator) -> str:
    """One letter left out, typed twice, or changed with the one behind it; never the first."""
    at = int(random.integers(1, len(text) - 1))
    if not (text[at].isalpha() and text[at + 1].isalpha()):
        return text
    return (
        text[:at]
        + (text[at + 1 :], text[at] + text[at:], text[at + 1] + text[at] + text[at + 2 :])[int(random.integers(3))]
    )

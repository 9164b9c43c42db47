"""The remembered query that is spelt most like another: one with a slip of the finger, a word joined or split, a little
word more or less. Never one that asks for something else: numbers are the same, and no word stands for a different one."""

import math
import re
from array import array
from collections.abc import Callable

import numpy as np
import tantivy
from tantivy import Filter, Tokenizer

from segue.retrieve.catalogue.terms import words
from segue.state import State, cut_array, sizes

Known = Callable[[str], bool]
"""Whether a stemmed word is one, and no slip: because it stands in a catalogue, or in another query."""

Words = dict[str, str]
"""The words of a query by their stems, in order: slips are seen in the words, and forms of a word by the stem."""

_MOST = 3_000
"""Places of a trigram looked at in all; the rarest trigrams come first, which tell the most."""

_FEW = 4
"""Trigrams looked at at the least, however common they are."""

_LIKELY, _SHARED = 20, 2
"""Queries with the most rare trigrams in common, and at least two, are compared word by word: so many of them."""

_ALIKE = 0.35
"""Similarity from which on a query is near. A short word with one slip has .4 or so; see `_slip` for what else is asked."""

_POOLED = 5

_GLUE = frozenset("a an and at by for from in of on the to with".split())
_NUMBER = re.compile(r"\d+")
_ROMAN = re.compile(r"[ivxlcdm]+")
_LETTERS = "\u2e80"
"""Scripts behind this character write a word in one or two: there a single other one makes a different word."""

_plain = (
    tantivy.TextAnalyzerBuilder(Tokenizer.simple())
    .filter(Filter.remove_long(60))
    .filter(Filter.lowercase())
    .filter(Filter.ascii_fold())
    .build()
)


class Queries:
    """Remembered queries of one domain, in an inverted index of their trigrams that grows with them.

    It is derived from what was learned, in the log's order, and is the same online and by replay. To read it while another
    thread adds to it is safe: at worst the newest query is not yet found.
    """

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._words: list[Words] = []
        self._places: dict[str, array[int]] = {}
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Take in a query; `key` is what `near` will call it. Call once for each key."""
        place, spelt = len(self._keys), _words(text)
        self._words.append(spelt)
        self._keys.append(key)
        self._known.update(spelt)
        for gram in sorted(_grams(spelt)):
            self._places.setdefault(gram, array("i")).append(place)

    def state(self) -> State:
        """The queries and their index."""
        places = list(self._places.values())
        together = np.frombuffer(b"".join(place.tobytes() for place in places), np.intc)
        return State(
            {"keys": list(self._keys), "words": list(self._words), "grams": list(self._places)},
            {"sizes": sizes(places), "places": together},
        )

    def restore(self, state: State) -> None:
        """Know what a `state` knew, and nothing else."""
        data, arrays = state.data, state.arrays
        self._keys, self._words = list(data["keys"]), list(data["words"])
        self._known = {stem for spelt in self._words for stem in spelt}
        places = cut_array(arrays["places"].astype(np.intc), arrays["sizes"])
        self._places = {gram: array("i", one.tobytes()) for gram, one in zip(data["grams"], places, strict=True)}

    def near(self, text: str, known: Known | None = None) -> list[tuple[str, float]]:
        """(key, similarity in [0, 1]) of the most similar queries that ask for the same, at most 5, best first.

        Similarity is the Dice coefficient of the sets of trigrams, rare ones counting more (by the logarithm of how rare).
        Without `known`, the words of the queries here are what is known.
        """
        spelt = _words(text)
        grams = _grams(spelt)
        similar = [
            (self._similarity(grams, _grams(self._words[place])), place)
            for place in self._likely(grams)
            if _same_request(spelt, self._words[place], known or self._known.__contains__)
        ]
        best = sorted((-similarity, place) for similarity, place in similar if similarity >= _ALIKE)
        return [(self._keys[place], -similarity) for similarity, place in best[:_POOLED]]

    def _likely(self, grams: set[str]) -> list[int]:
        """The queries that share the most of the rarest trigrams."""
        rare = sorted((len(places), gram) for gram in grams if (places := self._places.get(gram)))
        upto = np.cumsum([count for count, _ in rare])
        rare = rare[: max(_FEW, int(np.searchsorted(upto, _MOST)))]
        if not rare:
            return []
        copied = b"".join(self._places[gram].tobytes() for _, gram in rare)  # the arrays may be growing
        queries, counts = np.unique(np.frombuffer(copied, dtype=np.intc), return_counts=True)
        queries, counts = queries[counts >= _SHARED], counts[counts >= _SHARED]
        order = np.argsort(-counts.astype(np.int16), kind="stable")[:_LIKELY]
        likely: list[int] = queries[order].tolist()
        return likely

    def _similarity(self, one: set[str], other: set[str]) -> float:
        both = self._weight(one) + self._weight(other)
        return 2 * self._weight(one & other) / both if both else 0.0

    def _weight(self, grams: set[str]) -> int:
        """Σ log(1 + N / (1 + n)) in whole thousandths: exact, so that the order of a set cannot matter."""
        size = len(self._keys)
        return sum(round(1000 * math.log1p(size / (1 + len(self._places.get(gram, ()))))) for gram in grams)


def _words(text: str) -> Words:
    return dict(zip(words(text), _plain.analyze(text), strict=True))


def _grams(spelt: Words) -> set[str]:
    """Three letters in a row of every word, with a space at its ends: the order of words does not matter."""
    return {
        padded[at : at + 3] for word in spelt.values() for padded in (f" {word} ",) for at in range(len(padded) - 2)
    }


def _same_request(one: Words, other: Words, known: Known) -> bool:
    """Whether two queries differ only in slips, in joined or split words, and in little words."""
    left, right = sorted(one.keys() - other.keys() - _GLUE), sorted(other.keys() - one.keys() - _GLUE)
    alike = _joined(one) == _joined(other) or (len(left) == len(right) and _slips(one, other, left, right, known))
    return alike and not one.keys() <= _GLUE and _numbers(one) == _numbers(other)


def _slips(one: Words, other: Words, left: list[str], right: list[str], known: Known) -> bool:
    """Whether each word that is left of the one is a slip of another word of the other, or the other way round."""
    for stem in left:
        match = next(
            (like for like in right if _slip(one[stem], other[like]) and not (known(stem) and known(like))), None
        )
        if match is None:
            return False
        right.remove(match)
    return True


def _joined(spelt: Words) -> str:
    return "".join(word for stem, word in spelt.items() if stem not in _GLUE)


def _numbers(spelt: Words) -> list[str]:
    return sorted(_NUMBER.findall(" ".join(spelt.values())))


def _slip(one: str, other: str) -> bool:
    """Whether one word can be a slip of the other: 1 edit from 4 letters on, 2 from 8; never in digits and Roman numerals."""
    if any(_ROMAN.fullmatch(word) or max(word) >= _LETTERS or not word.isalpha() for word in (one, other)):
        return False
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < 4 else 1 if shorter < 8 else 2
    return abs(len(one) - len(other)) <= allowed and edits(one, other) <= allowed


def edits(one: str, other: str) -> int:
    """Letters to insert, leave out or replace, and neighbours to swap, to make one word of another.

    Optimal string alignment: no piece is edited twice. Source: Damerau, "A technique for computer detection and correction
    of spelling errors" (1964).

    >>> edits("poppins", "popins"), edits("psycho", "pyscho"), edits("heat", "heat")
    (1, 1, 0)
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        last, before, row = before, row, [place]
        for at, opposite in enumerate(other, 1):
            best = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != opposite))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == opposite:
                best = min(best, last[at - 2] + 1)
            row.append(best)
    return row[-1]

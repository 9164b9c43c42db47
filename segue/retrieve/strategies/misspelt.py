"""Misspelt values: structured search over values that are nearly what was typed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from tantivy import Occur
from tantivy import Query as TextQuery

from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import words
from segue.retrieve.query import Query
from segue.retrieve.readings import KIND_WORDS, Reading, barely_read, kind_named
from segue.retrieve.strategies.structured import constraints

_SHORTEST = {0: 1, 1: 4, 2: 8}
"""Letters that must have been typed for a value with so many slips to be recognised."""

_LONGEST = 8
"""Words of a value that may be misspelt."""

_KINDS = sorted((word for word in KIND_WORDS if word.endswith("s")), key=lambda word: (-len(word), word))


@dataclass(frozen=True)
class Misspelt:
    """Runs of words that are no value of the catalogue, but one or two slips from one: a letter left out, put in, replaced, or
    swapped with its neighbour. A space is a letter like any other, so "sophi ekinsella" finds Sophie Kinsella. A word for
    the kind of item at the end may be misspelt too ("kevin hearne ooks", "sam raimimovies").

    The nearest values are taken, their items by popularity. The best item's score is closeness × share of the words explained,
    the others' in proportion to 1 + popularity share: in [0, 1]. Nothing is found when the request is a title, when values
    explain all of it, or when no value is near.

    Source: Damerau, "A Technique for Computer Detection and Correction of Spelling Errors" (1964); the dictionary is searched
    with an automaton: Schulz and Mihov, "Fast String Correction with Levenshtein Automata" (2002), as built into tantivy.
    """

    name: str = "misspelt"

    def retrieve(self, query: Query, catalogue: Snapshot, k: int) -> Candidates:
        readings = query.readings(catalogue)
        if not (catalogue.text.holds_title(query.text) or any(_explains_all(reading) for reading in readings)):
            literal = barely_read(query.text, catalogue)
            ways = [literal, *(reading for reading in readings[:1] if _has_value(reading))]
            mended = [] if literal.values else list(_with_kind_mended(literal, catalogue))
            for slips, tried in ((1, ways), (0, mended), (1, mended), (2, mended or [literal])):
                for reading in tried:
                    found = self._search(reading, slips, catalogue, k)
                    if len(found):
                        return found
        return Candidates(self.name, np.zeros(0, np.int64), np.zeros(0, np.float32))

    def _search(self, reading: Reading, slips: int, catalogue: Snapshot, k: int) -> Candidates:
        """Items with a value so many slips from the longest run of words left, and with all that the reading asks for."""
        run = max(reading.left, key=len, default="")
        typed = _terms(run, slips, catalogue)
        if not typed:
            return Candidates(self.name, np.zeros(0, np.int64), np.zeros(0, np.float32))
        near = TextQuery.boolean_query([(Occur.Should, catalogue.text.near("value", term, slips)) for term in typed])
        asked = constraints(reading, catalogue) if reading.values or reading.ranges else []
        found = catalogue.text.most_popular(
            self.name, TextQuery.boolean_query([*asked, (Occur.Must, near)]), k, few=True
        )
        closeness = 1 - 2 * slips / len(run)
        explained = reading.explained + (1 - reading.explained) * len(run) / sum(map(len, reading.left))
        scores = closeness * explained * (1 + found.scores) / (1 + found.scores[:1])
        return Candidates(self.name, found.numbers, scores.astype(np.float32))


def _terms(run: str, slips: int, catalogue: Snapshot) -> list[str]:
    """What to look for: the stemmed run; with a word that stands nowhere in the catalogue also the run as typed, since a
    misspelt word may end like an inflected one. Only then two slips are looked for: that takes five times as long as one.
    """
    if len(run.split()) > _LONGEST or len(run) < _SHORTEST[slips]:
        return []
    stems, known = words(run), catalogue.text.frequency
    if all(known("title", stem) or known("body", stem) for stem in stems):
        return [" ".join(stems)] if slips < 2 else []
    return list(dict.fromkeys([" ".join(stems), run])) if slips < 2 else [" ".join(stems)]


def _has_value(reading: Reading) -> bool:
    """Whether it has a value other than a kind of item."""
    return any(value.text not in KIND_WORDS for value in reading.values)


def _explains_all(reading: Reading) -> bool:
    return _has_value(reading) and not reading.rest


def _with_kind_mended(reading: Reading, catalogue: Snapshot) -> Iterator[Reading]:
    """The reading with what may be a misspelt word for a kind taken off the end of the words."""
    run = reading.left[-1] if reading.left else ""
    for word in _KINDS:
        kind = kind_named(word, catalogue)
        for shorter in _without_last(run, word):
            values = reading.values if kind is None else (*reading.values, kind)
            yield replace(reading, values=values, left=(*reading.left[:-1], shorter))


def _without_last(run: str, word: str) -> list[str]:
    """What may stand before a word at the end that is joined to what is before, or misspelt.

    >>> _without_last("kevin hearne ooks", "books"), _without_last("dave barryb ooks", "books")
    (['kevin hearne'], ['dave barry', 'dave barryb'])
    """
    found = []
    if run.replace(" ", "").endswith(word):
        upto, letters = len(run), len(word)
        while letters:
            upto -= 1
            letters -= run[upto] != " "
        found.append(run[:upto].strip())
    start, _, last = run.rpartition(" ")
    if _one_slip(last, word):
        found.append(start)
    return [shorter for shorter in found if shorter]


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter was left out, put in or replaced, or two neighbours swapped.

    >>> [_one_slip(typed, "books") for typed in ("boks", "boooks", "bokos", "hooks", "books", "bosk")]
    [True, True, True, True, False, False]
    """
    while typed and meant and typed[0] == meant[0]:
        typed, meant = typed[1:], meant[1:]
    while typed and meant and typed[-1] == meant[-1]:
        typed, meant = typed[:-1], meant[:-1]
    return max(len(typed), len(meant)) == 1 or (len(typed) == 2 and typed == meant[::-1])

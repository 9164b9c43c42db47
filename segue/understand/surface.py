"""What is on the surface of a text: features of the whole, and of every word, as strings that need nothing learned.

They are computed once a request and looked up in every domain's table. A string's first character says what it is.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from segue.understand.words import Span

BEFORE, AFTER = ("<2", "<1"), (">1", ">2")
"""What stands at the two places before the first and after the last word; no word looks like it."""

PHRASE = 6
"""Words of the longest phrase that is looked up among values of slots."""

_LONGEST = 32
"""Characters of a word that are looked at: a longer one is no word."""


def lowered(text: str, spans: Sequence[Span]) -> list[str]:
    """The words, in lower case."""
    return [text[start:end].lower() for start, end in spans]


def of_text(lower: Sequence[str]) -> dict[str, float]:
    """Features of the whole text: words and pairs of neighbours, and runs of 2 to 5 characters within words.

    Each of the two kinds has length 1 in space, so that long and short texts weigh the same: (1 + log count) / length.

    >>> round(sum(value**2 for value in of_text(["play", "jazz"]).values()), 6)
    2.0
    """
    line = [BEFORE[1], *lower, AFTER[0]]
    named = Counter(f"w{word}" for word in lower)
    named.update(f"2{one} {other}" for one, other in itertools.pairwise(line))
    runs = Counter(run for word in lower for run in _runs(word[:_LONGEST]))
    return _unit(named) | _unit(runs)


def _runs(word: str) -> Iterator[str]:
    padded = f" {word} "
    for size in (2, 3, 4, 5):
        for start in range(max(1, len(padded) - size + 1)):
            yield "c" + padded[start : start + size]


def _unit(counts: Counter[str]) -> dict[str, float]:
    values = {key: 1 + math.log(count) for key, count in counts.items()}
    length = math.sqrt(sum(value * value for value in values.values()))
    return {key: value / length for key, value in values.items()}


def of_words(text: str, spans: Sequence[Span], lower: Sequence[str]) -> list[list[str]]:
    """Features of every word: itself, its neighbours, its beginnings and ends, its shape."""
    line = [*BEFORE, *lower, *AFTER]
    found = []
    for place, ((start, end), word) in enumerate(zip(spans, lower, strict=True)):
        before, after = line[place + 1], line[place + 3]
        features = [
            *(f"w{word}", f"p{before}", f"n{after}", f"P{line[place]}", f"N{line[place + 4]}"),
            *(f"l{before} {word}", f"r{word} {after}", f"s{_shape(text[start:end])}"),
        ]
        for size in range(1, min(4, len(word)) + 1):
            features += (f"<{word[:size]}", f">{word[-size:]}")
        found.append(features)
    return found


def _shape(word: str) -> str:
    """Letters as a or A, digits as 0, repeats once.

    >>> _shape("iPhone15")
    'aAa0'
    """
    kinds = ("0" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in word[:_LONGEST])
    return re.sub(r"(.)\1+", r"\1", "".join(kinds))


def phrases(lower: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Every run of up to `PHRASE` words: first, last (exclusive), the words with spaces between."""
    for first in range(len(lower)):
        for last in range(first + 1, min(len(lower), first + PHRASE) + 1):
            yield first, last, " ".join(lower[first:last])

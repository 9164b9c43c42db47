"""Query understanding: likely readings of a request as constraints on the catalogue's own fields, with probabilities.

"comedies from 1995 with steve martin" → genre = comedy, year = 1995, actor = steve martin. "love" → a title word, or an
artist, or a genre. Nothing is trained and no list is kept: what counts as a value is what stands in the catalogue.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import phrase, value_term, words

_LONGEST = 5
"""Words in one value."""

_GLUE = frozenset(
    "a an the of in on at by with from for to and or is are was starring featuring feat directed written called named about"
    " some any my me film films movie movies song songs book books best top good new old great".split()
)
_NOT = frozenset("not no without except excluding minus".split())
_AT_LEAST = frozenset("after since over above".split())
_AT_MOST = frozenset("before until under below till".split())
_YEAR_NAMES = ("year", "release_year", "released", "date", "published", "publication_year", "original_publication_year")
_DECADE = re.compile(r"^(1[0-9]{2}0|20[0-9]0|[0-9]0)s$")
_NUMBER = re.compile(r"^[0-9]+(?:\.[0-9]+)?$")
_TOKEN = re.compile(r"[^\W_]+(?:\.[0-9]+)?", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Value:
    """A whole value of a category column; `negated` when it must not be there."""

    field: str
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A numeric column between `low` and `high`, both included."""

    field: str
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand a request: the constraints, the `rest` of the words (stemmed), and how likely it is.

    `explained` is the share of the words that the constraints take up, glue such as "from" and "the" not counted.
    """

    values: tuple[Value, ...]
    ranges: tuple[Range, ...]
    rest: tuple[str, ...]
    probability: float
    explained: float

    def slots(self) -> dict[str, str]:
        """For people and for hypotheses: field → what was understood."""
        slots = {value.field: ("not " if value.negated else "") + value.text for value in self.values}
        for limit in self.ranges:
            low, high = f"{limit.low:g}", f"{limit.high:g}"
            slots[limit.field] = low if low == high else f"{low}..{high}".replace("-inf", "").replace("inf", "")
        return slots


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    value: Value
    probability: float


def read(text: str, catalogue: Snapshot, *, most: int = 3) -> tuple[Reading, ...]:
    """The likeliest readings that have at least one constraint, best first; probabilities sum to at most 1."""
    tokens = _TOKEN.findall(text.lower())[:32]
    ranges, tokens = _ranges(tokens, catalogue)
    spans = _disjoint(_spans(tokens, catalogue))
    if not spans and not ranges:
        return ()
    certain = [span for span in spans if span.value.negated]
    doubtful = sorted((span for span in spans if not span.value.negated), key=lambda span: -span.probability)[:3]
    readings = []
    for taken in _subsets(doubtful):
        if not taken and not certain and not ranges:
            continue
        probability = 1.0
        for span in doubtful:
            probability *= span.probability if span in taken else 1 - span.probability
        readings.append(_reading([*certain, *taken], ranges, tokens, probability))
    return tuple(sorted(readings, key=lambda reading: -reading.probability)[:most])


def _reading(spans: Sequence[_Span], ranges: Sequence[Range], tokens: Sequence[str], probability: float) -> Reading:
    used = {place for span in spans for place in range(span.start, span.end)}
    rest = [
        token for place, token in enumerate(tokens) if place not in used and token not in _GLUE and token not in _NOT
    ]
    constraints = sum(span.end - span.start for span in spans) + len(ranges)
    return Reading(
        tuple(span.value for span in sorted(spans, key=lambda span: span.start)),
        tuple(ranges),
        tuple(dict.fromkeys(words(" ".join(rest)))),
        probability,
        constraints / (constraints + len(rest)),
    )


def _subsets(spans: Sequence[_Span]) -> Iterator[tuple[_Span, ...]]:
    for size in range(len(spans), -1, -1):
        yield from combinations(spans, size)


def _spans(tokens: Sequence[str], catalogue: Snapshot) -> list[_Span]:
    """Every run of words that is a whole value of some column, with the chance that it is meant as one."""
    found = []
    for start in range(len(tokens)):
        for end in range(min(len(tokens), start + _LONGEST), start, -1):
            run = " ".join(tokens[start:end])
            known_as = phrase(run)
            if (end - start == 1 and run in _GLUE) or not known_as or not catalogue.text.frequency("value", known_as):
                continue
            field, count = max(
                ((name, catalogue.text.frequency("value_of", value_term(name, run))) for name in catalogue.categories),
                key=lambda pair: pair[1],
            )
            if not count:
                continue
            negated = start > 0 and tokens[start - 1] in _NOT
            found.append(_Span(start, end, Value(field, run, negated), _meant(run, count, end - start, catalogue)))
    return found


def _meant(run: str, count: int, length: int, catalogue: Snapshot) -> float:
    """Chance that the words mean the value and not a title: how often they are the one and the other in this catalogue."""
    in_title = min(catalogue.text.frequency("title", word) for word in words(run)) / 4.0 ** (length - 1)
    return (count + 0.5) / (count + in_title + 1.0)


def _disjoint(spans: Sequence[_Span]) -> list[_Span]:
    """Spans that do not overlap: the longest first, then the likeliest."""
    chosen: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, -span.probability)):
        if all(span.end <= other.start or span.start >= other.end for other in chosen):
            chosen.append(span)
    return chosen


def _ranges(tokens: list[str], catalogue: Snapshot) -> tuple[list[Range], list[str]]:
    """Numeric constraints, and the words that are left when they are taken out."""
    year = next((slot for name in _YEAR_NAMES for slot in catalogue.slots if slot.lower() == name), None)
    ranges, rest, place = [], [], 0
    while place < len(tokens):
        limit, length = _range_at(tokens, place, year, catalogue.slots)
        if limit is not None:
            ranges.append(limit)
        else:
            rest.append(tokens[place])
        place += length
    return ranges, rest


def _range_at(tokens: Sequence[str], at: int, year: str | None, slots: Sequence[str]) -> tuple[Range | None, int]:
    """The range that starts at a word and how many words it takes; (None, 1) when none does."""
    word, after = tokens[at], list(tokens[at + 1 : at + 5])
    if year and word in ("from", "between") and len(after) >= 3 and after[1] in ("to", "and", "until"):
        low, high = _year(after[0]), _year(after[2])
        if low and high:
            return Range(year, low[0], high[1]), 4
    if after and (word in _AT_LEAST or word in _AT_MOST):
        slot = _slot(after[1], slots) if len(after) > 1 else None
        if slot and _NUMBER.match(after[0]):
            return _compared(slot, word, float(after[0])), 3
    if year and (spoken := _year(word)):
        if after and (end := _year(after[0])) and spoken[1] < end[0] and tokens[at] != after[0]:
            return Range(year, spoken[0], end[1]), 2
        return Range(year, *spoken), 1
    if after and (word in _AT_LEAST or word in _AT_MOST) and year and (spoken := _year(after[0])):
        inclusive = word in ("since", "until", "till")
        if word in _AT_LEAST:
            return Range(year, low=spoken[0] if inclusive else spoken[1] + 1), 2
        return Range(year, high=spoken[1] if inclusive else spoken[0] - 1), 2
    slot = _slot(word, slots)
    if slot and len(after) >= 2 and (after[0] in _AT_LEAST or after[0] in _AT_MOST) and _NUMBER.match(after[1]):
        return _compared(slot, after[0], float(after[1])), 3
    return None, 1


def _compared(slot: str, word: str, value: float) -> Range:
    return Range(slot, low=value) if word in _AT_LEAST else Range(slot, high=value)


def _slot(word: str, slots: Sequence[str]) -> str | None:
    return next((slot for slot in slots if slot.lower().rstrip("s") == word.rstrip("s")), None)


def _year(word: str) -> tuple[float, float] | None:
    """First and last year that a word speaks of.

    >>> _year("1995"), _year("1990s"), _year("80s"), _year("7")
    ((1995.0, 1995.0), (1990.0, 1999.0), (1980.0, 1989.0), None)
    """
    if re.fullmatch(r"1[0-9]{3}|20[0-9]{2}", word):
        return float(word), float(word)
    if _DECADE.match(word):
        start = float(word[:-1])
        start += 0 if start >= 100 else (2000 if start <= 20 else 1900)
        return start, start + 9
    return None

"""Query understanding: likely readings of a request as constraints on the catalogue's own fields, with probabilities.

"comedies from 1995 with steve martin" → genre = comedy, year = 1995, actor = steve martin. "love" → a title word, or an
artist, or a genre. Nothing is trained and no list is kept: what counts as a value is what stands in the catalogue.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import SEPARATOR, value_term, words

_LONGEST = 5
"""Words in one value."""

_GLUE = frozenset(
    "a an the of in on at by with from for to and or is are was starring featuring feat directed written called named about"
    " some any my me best top good new old great".split()
)
_KINDS = (("film", "movie"), ("song",), ("book",))
KIND_WORDS = {word + end: names for names in _KINDS for word in names for end in ("", "s")}
"""Words that name a kind of item, and what catalogues call it. Where no column says so they mean nothing."""

_LISTS = frozenset(["best", "top", *(word for word in KIND_WORDS if word.endswith("s"))])
"""Words of a request for several items: then a word is rather a value than a part of a title, by the factor `_LISTED`."""

_LISTED = 4.0
_BEAM = 12
"""Ways to read the first words that are kept while reading on."""

NEGATIONS = frozenset("not no without except excluding minus".split())
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

    `explained` is the share of the words that the constraints take up, glue such as "from" and "the" not counted. `left`
    holds the runs of words that are not taken up as they were typed, without the glue at their ends.
    """

    values: tuple[Value, ...]
    ranges: tuple[Range, ...]
    rest: tuple[str, ...]
    probability: float
    explained: float
    left: tuple[str, ...] = ()

    def slots(self) -> dict[str, str]:
        """For people and for hypotheses: field → what was understood."""
        slots = {value.field: ("not " if value.negated else "") + value.text for value in self.values}
        for limit in self.ranges:
            low, high = f"{limit.low:g}", f"{limit.high:g}"
            slots[limit.field] = low if low == high else f"{low}..{high}".replace("-inf", "").replace("inf", "")
        return slots


@dataclass(frozen=True, slots=True)
class _Span:
    """A run of words that is a value: of which columns, and the weight of each."""

    start: int
    end: int
    meanings: tuple[tuple[tuple[Value, ...], float], ...]


@dataclass(frozen=True, slots=True)
class _Path:
    """A way to read the first words: the spans taken so far as (start, end, values), and its weight."""

    weight: float = 1.0
    taken: tuple[tuple[int, int, tuple[Value, ...]], ...] = ()
    plain: bool = False
    """Whether the last word is left plain; two plain runs are never neighbours, so each way is counted once."""


def read(text: str, catalogue: Snapshot, *, most: int = 4) -> tuple[Reading, ...]:
    """The likeliest readings that have at least one constraint, best first; probabilities sum to at most 1.

    A way to read the words cuts them into runs, each a value of one column or plain. It weighs the product of its runs'
    frequencies in this catalogue: a value's, among all values; a plain run's, in titles. Its probability is its share of the
    weight of all ways, a semi-Markov model: Sarawagi and Cohen, "Semi-Markov Conditional Random Fields" (2004), with
    frequencies instead of trained weights.
    """
    tokens = _TOKEN.findall(text.lower())[:32]
    ranges, tokens = _ranges(tokens, catalogue)
    stems = [words(token) for token in tokens]
    spans = _spans(tokens, stems, catalogue, whole_title=catalogue.text.holds_title(text))
    if not spans and not ranges:
        return ()
    paths, total = _paths(tokens, stems, spans, catalogue)
    readings = [_reading(path, ranges, tokens, stems, path.weight / total) for path in paths if path.taken or ranges]
    return tuple(readings[:most])


def barely_read(text: str, catalogue: Snapshot) -> Reading:
    """The reading of ranges and kinds alone: every other word is left, whether or not it is a value."""
    tokens = _TOKEN.findall(text.lower())[:32]
    ranges, tokens = _ranges(tokens, catalogue)
    taken = tuple(
        (place, place + 1, (kind,))
        for place, token in enumerate(tokens)
        if (kind := kind_named(token, catalogue)) is not None
    )
    return _reading(_Path(taken=taken), ranges, tokens, [words(token) for token in tokens], 1.0)


def _reading(
    path: _Path, ranges: Sequence[Range], tokens: Sequence[str], stems: Sequence[Sequence[str]], probability: float
) -> Reading:
    used = {place for start, end, _ in path.taken for place in range(start, end)}
    rest = [
        place
        for place, token in enumerate(tokens)
        if place not in used and token not in _GLUE and token not in NEGATIONS and token not in KIND_WORDS
    ]
    constraints = len(used) + len(ranges)
    return Reading(
        tuple(dict.fromkeys(value for _, _, values in path.taken for value in values)),
        tuple(ranges),
        tuple(dict.fromkeys(stem for place in rest for stem in stems[place])),
        probability,
        constraints / (constraints + len(rest)) if constraints else 0.0,
        tuple(_runs(tokens, used, set(rest))),
    )


def _runs(tokens: Sequence[str], used: Set[int], rest: Set[int]) -> Iterator[str]:
    """Neighbouring words that are not used, from the first to the last of each run that is no glue."""
    free = groupby(range(len(tokens)), key=lambda place: place not in used)
    for run in (list(places) for is_free, places in free if is_free):
        told = [place for place in run if place in rest]
        if told:
            yield " ".join(tokens[told[0] : told[-1] + 1])


def _paths(
    tokens: Sequence[str], stems: Sequence[Sequence[str]], spans: Sequence[_Span], catalogue: Snapshot
) -> tuple[list[_Path], float]:
    """The heaviest ways to read the words, and the weight of all ways together."""
    inside = {place for span in spans for place in range(span.start, span.end)}
    certain = {span.start: span for span in spans if span.meanings[0][0][0].negated}
    best: list[list[_Path]] = [[_Path()], *([] for _ in tokens)]
    sums = np.zeros((len(tokens) + 1, 2))  # by whether the last word is plain
    sums[0, 0] = 1.0
    for place in range(len(tokens)):
        best[place] = sorted(best[place], key=lambda path: -path.weight)[:_BEAM]
        everything = sums[place].sum()
        if place not in inside or (tokens[place] in NEGATIONS and place + 1 in certain):
            best[place + 1] += [replace(path, plain=False) for path in best[place]]
            sums[place + 1, 0] += everything
            continue
        for span in (certain[place],) if place in certain else (one for one in spans if one.start == place):
            for values, weight in span.meanings:
                taken = (span.start, span.end, values)
                best[span.end] += [_Path(path.weight * weight, (*path.taken, taken)) for path in best[place]]
                sums[span.end, 0] += everything * weight
        for end in () if place in certain else range(place + 1, min(len(tokens), place + _LONGEST) + 1):
            if end - 1 not in inside or end - 1 in certain:
                break
            weight = _plain(stems[place:end], catalogue)
            best[end] += [_Path(path.weight * weight, path.taken, True) for path in best[place] if not path.plain]
            sums[end, 1] += sums[place, 0] * weight
    return sorted(best[-1], key=lambda path: -path.weight), float(sums[-1].sum())


def _plain(stems: Sequence[Sequence[str]], catalogue: Snapshot) -> float:
    """How often the words stand in titles, as a share of the catalogue; of several, how often they are likely to together."""
    known = [catalogue.text.frequency("title", stem) for some in stems for stem in some]
    return (min(known, default=0) / 4.0 ** (len(stems) - 1) + 0.5) / (len(catalogue) + 1.0)


def _spans(
    tokens: Sequence[str], stems: Sequence[Sequence[str]], catalogue: Snapshot, *, whole_title: bool
) -> list[_Span]:
    """Every run of words that is a whole value of some column, and every word that names a kind of item here."""
    size, found = len(catalogue) + 1.0, []
    listed = _LISTED if any(token in _LISTS for token in tokens) else 1.0
    for start in range(len(tokens)):
        negated = start > 0 and tokens[start - 1] in NEGATIONS
        for end in range(min(len(tokens), start + _LONGEST), start, -1):
            if end - start == 1 and tokens[start] in KIND_WORDS:
                counts = {} if whole_title else _kinds(tokens[start], catalogue)
                raised = 1.0
            else:
                counts = _values(tokens[start:end], stems[start:end], catalogue)
                raised = listed
            if not counts:
                continue
            if negated:
                found.append(_Span(start, end, ((tuple(replace(value, negated=True) for value in counts), 1.0),)))
                break
            weight = raised * (sum(counts.values()) + 0.5) / size / sum(counts.values())
            found.append(_Span(start, end, tuple(((value,), weight * count) for value, count in counts.items())))
    return found


def _values(tokens: Sequence[str], stems: Sequence[Sequence[str]], catalogue: Snapshot) -> dict[Value, int]:
    """The columns of which the words are a value, each with how many items have it."""
    known_as = " ".join(stem for some in stems for stem in some)
    if (len(tokens) == 1 and tokens[0] in _GLUE) or not known_as or not catalogue.text.frequency("value", known_as):
        return {}
    run = " ".join(tokens)
    counts = {
        Value(name, run): catalogue.text.frequency("value_of", f"{name}{SEPARATOR}{known_as}")
        for name in catalogue.categories
    }
    return {value: count for value, count in counts.items() if count}


def _kinds(word: str, catalogue: Snapshot) -> dict[Value, int]:
    kind = kind_named(word, catalogue)
    return {} if kind is None else {kind: catalogue.text.frequency("value_of", value_term(kind.field, kind.text))}


def kind_named(word: str, catalogue: Snapshot) -> Value | None:
    """The kind of item that a word names, as this catalogue calls it: a value of at least one item in a hundred."""
    counts = {
        Value(name, kind): catalogue.text.frequency("value_of", value_term(name, kind))
        for name in catalogue.categories
        for kind in KIND_WORDS.get(word, ())
    }
    value = max(counts, key=lambda value: counts[value], default=None)
    return value if value and 100 * counts[value] > len(catalogue) else None


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

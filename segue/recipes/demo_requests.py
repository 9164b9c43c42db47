"""Labelled requests for the demo's readers, made from its catalogues and from ways to ask that were written by hand.

Films, songs, books and the home; and requests for nobody, which every reader learns to keep quiet at. What is popular is asked
for more often. A title that several domains have ("mary poppins") is asked for in the same words in each of them, so that a
reader learns how sure it may be. The same catalogues and seed make the same requests.
"""

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from segue.recipes.request_templates import Phrasebook, Template, phrasebook, said
from segue.recipes.typed import key, typed_name, typed_title, whole
from segue.understand.hypotheses import NOBODY, Utterance

_Thing = TypeVar("_Thing")

DOMAINS = ("books", "films", "home", "songs")
COUNTS = {"films": 1250, "songs": 900, "books": 1100, "home": 850, NOBODY: 450}
"""Requests of each domain."""

_COLUMNS = {"title": "title", "artist": "artist", "author": "author", "year": "year", "genres": "genre"}
"""Columns of a catalogue that people ask for, and the slots that hold them."""

_POPULARITY = {"votes": 1.0, "plays": 0.5, "popularity": 2.0}
"""Items are drawn by this column to this power. The last is a judgement from 1 to 100, not a count."""

_PEOPLE = frozenset({"author", "director"})
_MOST, _KNOWN, _LONGEST = 15_000, 5000, 8
"""The best known items of a catalogue are asked for, and the very best for titles that are shared; words of a title at most."""

_LISTED = 0.35
"""How often a value is of the hand-written list where the catalogue has one too."""

_LOWER, _TRIES, _HELD_OUT, _SHARED = 0.8, 8, 5, 0.2
"""Requests in lower case; draws until one is new; one title and template in so many is kept out; requests for shared titles."""


@dataclass(frozen=True, slots=True)
class Items:
    """What can be asked for in a catalogue, the best known first: `slots` has the values of each item by slot; `weights` float64
    [n] sums to 1."""

    slots: Sequence[Mapping[str, Sequence[str]]]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Material:
    """What a domain's requests are made from."""

    book: Phrasebook
    items: Items

    @property
    def domain(self) -> str:
        return self.book.domain


def materials(catalogues: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Material]:
    """One a domain, in alphabetical order, from rows such as `demo_data` yields; a domain without rows has its lists alone."""
    return [Material(phrasebook(domain), _items(catalogues.get(domain, ()))) for domain in sorted((*DOMAINS, NOBODY))]


def split(made_from: Sequence[Material]) -> tuple[list[Material], list[Material]]:
    """Material to train on and material to test on: neither a title nor a template of the one is in the other.

    A title is held out in all domains or in none. A template without words of its own, such as a title alone, is in both.
    """
    return [_part(one, held_out=False) for one in made_from], [_part(one, held_out=True) for one in made_from]


def requests(made_from: Sequence[Material], counts: Mapping[str, int] = COUNTS, *, seed: int = 0) -> list[Utterance]:
    """At most so many of each domain, no two of a domain with the same text; domains in the order of `made_from`.

    Where there is little to make them from there are fewer. What one domain draws does not depend on what another draws, but for
    the titles that they share.
    """
    shared = _shared(made_from, counts, seed)
    return [one for material in made_from for one in _of_one(material, shared[material.domain], counts, seed)]


def as_json_lines(utterances: Iterable[Utterance]) -> str:
    """As `segue train reader` takes them."""
    return "".join(f"{json.dumps(_row(one), ensure_ascii=False)}\n" for one in utterances)


def _row(one: Utterance) -> dict[str, Any]:
    slots = [
        {"name": slot.name, "start": slot.start, "end": slot.end, "value": one.text[slot.start : slot.end]}
        for slot in one.meaning.slots
    ]
    return {"text": one.text, "domain": one.domain, "intent": one.meaning.intent, "slots": slots}


# -- what can be asked for ---------------------------------------------------------------------------------------------


def _items(rows: Iterable[Mapping[str, Any]]) -> Items:
    known = sorted(rows, key=_weight, reverse=True)[:_MOST]
    asked = [(slots, _weight(row)) for row in known if "title" in (slots := _slots(row))]
    weights = np.array([weight for _, weight in asked], dtype=np.float64)
    return Items([slots for slots, _ in asked], weights / weights.sum() if len(weights) else weights)


def _slots(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """What people may ask for an item by, by slot."""
    slots = {name: _values(row[column]) for column, name in _COLUMNS.items() if column in row}
    slots["title"] = [title for title in map(whole, slots.get("title", ())) if _typeable(title)]
    slots["year"] = [year for year in slots.get("year", ()) if re.fullmatch(r"\d{4}", year)]
    return {name: values for name, values in slots.items() if values}


def _values(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]


def _typeable(title: str) -> bool:
    return any(c.isalpha() for c in title) and len(title.split()) <= _LONGEST


def _weight(row: Mapping[str, Any]) -> float:
    return next((float(row[name]) ** power for name, power in _POPULARITY.items() if name in row), 1.0)


# -- held out ---------------------------------------------------------------------------------------------------------


def _part(material: Material, *, held_out: bool) -> Material:
    book, items = material.book, material.items
    kept = [place for place, slots in enumerate(items.slots) if _kept_out(key(slots["title"][0])) == held_out]
    weights = items.weights[kept]
    values = {
        name: [value for value in listed if name != "title" or _kept_out(key(value)) == held_out]
        for name, listed in book.values.items()
    }
    share = 1 / _HELD_OUT if held_out else 1 - 1 / _HELD_OUT
    templates = [
        replace(one, weight=one.weight * share) if one.wordless else one
        for one in book.templates
        if one.wordless or _kept_out(one.text) == held_out
    ]
    meant = {one.intent for one in templates}
    shares = {intent: share for intent, share in book.shares.items() if intent in meant}
    return Material(
        replace(book, templates=templates, shares=shares, values=values),
        Items([items.slots[place] for place in kept], weights / weights.sum() if len(kept) else weights),
    )


def _kept_out(text: str) -> bool:
    return zlib.crc32(text.encode()) % _HELD_OUT == 0


# -- one domain -------------------------------------------------------------------------------------------------------


def _of_one(
    material: Material, shared: Sequence[Utterance], counts: Mapping[str, int], seed: int
) -> Iterator[Utterance]:
    random = np.random.default_rng([seed, zlib.crc32(material.domain.encode())])
    draw = _drawing(material, random)
    yield from shared
    there = {one.text for one in shared}
    for _ in range(counts.get(material.domain, 0) - len(shared)):
        for _ in range(_TRIES):
            made = draw()
            if made is not None and made.text not in there:
                there.add(made.text)
                yield made
                break


def _drawing(material: Material, random: Generator) -> Callable[[], Utterance | None]:
    """Draws a request: an intent by its share, a way to ask by its weight, an item by how well known it is."""
    book, items = material.book, material.items
    of_intent: defaultdict[str, list[Template]] = defaultdict(list)
    for one in book.templates:
        of_intent[one.intent].append(one)
    intents = _by_weight(list(book.shares), np.array(list(book.shares.values())))
    templates = {
        intent: _by_weight(listed, np.array([one.weight for one in listed])) for intent, listed in of_intent.items()
    }
    slots = _by_weight(items.slots, items.weights)

    def draw() -> Utterance | None:
        template = templates[intents(random)](random)
        return _made(material, template, slots(random) if len(items.slots) else {}, random)

    return draw


def _made(
    material: Material, template: Template, item: Mapping[str, Sequence[str]], random: Generator
) -> Utterance | None:
    def value(name: str) -> str | None:
        listed, own = material.book.values.get(name, ()), item.get(name, ())
        chosen = listed if listed and (not own or random.random() < _LISTED) else own
        return _typed(name, chosen[int(random.integers(len(chosen)))], random) if chosen else None

    made = said(template, value, random, lower=random.random() < _LOWER)
    return None if made is None else Utterance(made[0], material.domain, made[1])


def _typed(name: str, value: str, random: Generator) -> str:
    if name == "title":
        return typed_title(value, random)
    return typed_name(value, random) if name in _PEOPLE else value


def _by_weight(things: Sequence[_Thing], weights: NDArray[np.float64]) -> Callable[[Generator], _Thing]:
    ends = np.cumsum(weights)
    return lambda random: things[
        min(int(np.searchsorted(ends, random.random() * ends[-1], side="right")), len(ends) - 1)
    ]


# -- titles that several domains have -----------------------------------------------------------------------------------


def _shared(made_from: Sequence[Material], counts: Mapping[str, int], seed: int) -> dict[str, list[Utterance]]:
    """Requests for titles that more than one domain knows, in words that are used in each: the same text in all of them.

    Where a title is best known, it is asked for once more.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"shared")])
    made: dict[str, dict[str, Utterance]] = {one.domain: {} for one in made_from}
    ways = _ways(made_from)
    places = {one.domain: one for one in made_from}
    for ranks in _ranks(made_from):
        domains = [domain for domain in ranks if len(made[domain]) < _SHARED * counts.get(domain, 0)]
        if len(domains) < 2:
            continue
        best = min(domains, key=lambda domain: ranks[domain])
        title = typed_title(places[best].items.slots[ranks[best]]["title"][0], random)
        usable = [text for text in ways if all(domain in ways[text] for domain in domains)]
        weights = np.array([min(ways[text][domain].weight for domain in domains) for text in usable])
        for asked in (domains, [best]):
            text = _by_weight(usable, weights)(random)
            lower, draw = random.random() < _LOWER, int(random.integers(2**31))
            for domain in asked:
                request = _titled(ways[text][domain], domain, title, np.random.default_rng(draw), lower=lower)
                made[domain][request.text] = request
    return {domain: list(by_text.values()) for domain, by_text in made.items()}


def _titled(template: Template, domain: str, title: str, random: Generator, *, lower: bool) -> Utterance:
    made = said(template, lambda name: title, random, lower=lower)
    if made is None:
        raise ValueError(f"{template.text!r} has a title and makes no request")
    return Utterance(made[0], domain, made[1])


def _ways(made_from: Sequence[Material]) -> dict[str, dict[str, Template]]:
    """By their text, what is asked alike in several domains and has a title as its only value."""
    ways: defaultdict[str, dict[str, Template]] = defaultdict(dict)
    for material in made_from:
        for one in material.book.templates:
            if one.blanks == [("title", "title")]:
                ways[one.text][material.domain] = one
    return {text: by_domain for text, by_domain in sorted(ways.items()) if len(by_domain) > 1}


def _ranks(made_from: Sequence[Material]) -> list[dict[str, int]]:
    """For every title that several domains know, how many items of each are better known; what all know best comes first."""
    ranks: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for material in made_from:
        for rank, slots in enumerate(material.items.slots[:_KNOWN]):
            ranks[key(slots["title"][0])].setdefault(material.domain, rank)
    shared = [(max(by_domain.values()), title) for title, by_domain in ranks.items() if title and len(by_domain) > 1]
    return [ranks[title] for _, title in sorted(shared)]

"""What a domain's own catalogue says for or against a hypothesis: local features for re-rankers.

Source: Wang and others, "Optimizing NLU Reranking Using Entity Resolution Signals in Multi-domain Dialog Systems" (NAACL 2021,
industry papers). Ours look at whole titles and whole values; and, beside each hypothesis' slots, at the request as it is, without
its verb: a reader that cuts a title in two has not hidden it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segue.records import Request
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import phrase
from segue.retrieve.evidence import FEATURES, evidence
from segue.retrieve.query import Query
from segue.understand.interpreter import Guess, Resolution
from segue.understand.language import Spoken, listen

_TITLE = "title"
_ALL = "a title is all that is asked"

SLOTS = (
    "share of slots in the catalogue",
    "a slot is a title",
    "popularity of that title",
    "a slot is a value",
    "a title that is none",
    _ALL,
)
"""Of a hypothesis. *In the catalogue*: the slot's text is the whole of a title or of a value of some column. *A title that is
none*: a slot called so is no title here; of other slots it may be usual that no catalogue holds them. *All that is asked*: the
slot is a title, and nothing else is said but the verb."""

NAMES = (*(f"request: {name}" for name in FEATURES), *SLOTS)

Asked = Callable[[str, Snapshot], Query]
"""What is searched for in a catalogue when a text is asked."""


def searched(spoken: Spoken, text: str, catalogue: Snapshot) -> str:
    """What to search for: without the verb, unless the whole of it is a title ("Play Misty for Me")."""
    if spoken.rest == text or catalogue.text.holds_title(text):
        return text
    return spoken.rest


def asked(text: str, catalogue: Snapshot) -> Query:
    """A query that is looked at and not searched for."""
    return Query(Request("", text), searched(listen(text), text, catalogue), _never)


def resolution(catalogues: Mapping[str, Snapshot], query: Asked = asked) -> Resolution:
    """Look requests and slots up in these catalogues, by domain: the features `NAMES`."""

    def resolve(domain: str, text: str, readings: Sequence[Sequence[tuple[str, str]]]) -> Sequence[Sequence[float]]:
        catalogue = catalogues[domain]
        request = query(text, catalogue)
        known = evidence(request, catalogue).tolist()
        return [[*known, *looked_up(catalogue, slots, request.text)] for slots in readings]

    return Resolution(NAMES, frozenset(catalogues), resolve, blocks=(_ALL,))


def settled(
    guesses: Mapping[str, Sequence[Guess]], queries: Sequence[Query], catalogues: Sequence[Snapshot]
) -> dict[str, list[Guess]]:
    """What each domain's best guesses are when the catalogues have been heard together; each domain's best first.

    A re-ranker knows its own catalogue alone. Where all that is asked is a title in one catalogue, a guess in another that names
    nothing which that one has is ruled out, and its confidence goes to those who have the title: "Hands Up!" may sound like a
    song, but there is only a film called so. Domains without a catalogue keep what they have ("lights out").
    """
    held = [catalogue.text.holds_title(query.text) for query, catalogue in zip(queries, catalogues, strict=True)]
    found = {name: list(few) for name, few in guesses.items()}
    if not any(held) or all(held):
        return found
    moved = 0.0
    for query, catalogue, here in zip(queries, catalogues, held, strict=True):
        for place, guess in enumerate(() if here else found[catalogue.domain]):
            if guess.meaning.slots and not looked_up(catalogue, _said(guess, query))[0]:
                moved += guess.confidence
                found[catalogue.domain][place] = replace(guess, confidence=0.0)
    holders = [
        (catalogue.domain, place, guess.confidence)
        for query, catalogue, here in zip(queries, catalogues, held, strict=True)
        for place, guess in enumerate(found[catalogue.domain] if here else ())
        if looked_up(catalogue, _said(guess, query), query.text)[SLOTS.index(_ALL)]
    ]
    total = sum(confidence for _, _, confidence in holders)
    for name, place, confidence in holders:
        more = moved * confidence / total if total else moved / len(holders)
        found[name][place] = replace(found[name][place], confidence=min(1.0, confidence + more))
    return {name: sorted(few, key=lambda guess: -guess.confidence) for name, few in found.items()}


def _said(guess: Guess, query: Query) -> list[tuple[str, str]]:
    text = query.request.text
    return [(slot.name, text[slot.start : slot.end]) for slot in guess.meaning.slots]


def looked_up(catalogue: Snapshot, slots: Sequence[tuple[str, str]], said: str = "") -> tuple[float, ...]:
    """What a catalogue knows of slots, each a name and a text, of which `said` is all that was said, in the order of `SLOTS`; of
    none, nothing."""
    found, title, popularity, value, none, everything = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for name, text in slots:
        whole = phrase(text)
        is_title = bool(whole) and catalogue.text.frequency("whole", whole) > 0
        is_value = bool(whole) and catalogue.text.frequency("value", whole) > 0
        found += is_title or is_value
        none = max(none, float(name == _TITLE and not is_title))
        if is_title:
            title = 1.0
            leading = catalogue.text.most_popular("whole", catalogue.text.term("whole", whole), 1).scores
            popularity = max(popularity, float(leading.sum()))
            everything = max(everything, float(name == _TITLE and whole == phrase(said)))
        if is_value:
            value = 1.0
    return found / max(1, len(slots)), title, popularity, value, none, everything


def _never(texts: Sequence[str]) -> NDArray[np.float32]:
    raise AssertionError(f"no strategy is asked for {texts}")

"""Labelled requests, prepared once for the training of every domain: words, features, what the encoder says of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segue.encode.states import States
from segue.understand import surface
from segue.understand.hypotheses import NOBODY, Utterance
from segue.understand.words import Span, words

Floats = NDArray[np.float64]


class WordEncoder(Protocol):
    """What a reader needs of an encoder; `segue.encode.states.StatesEncoder` is one."""

    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> list[States]: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as the encoder sees them: `texts` float64 [n, d], unit rows, and `words` float64 [m, d], the mean over a word's
    pieces, of all texts' words one after the other; zeros where a word has no piece."""

    texts: Floats
    words: Floats


@dataclass(frozen=True, slots=True)
class Corpus:
    """n utterances with m words. `features` [n, f] are those of the whole texts, named by `vocabulary`; `phrases` is how often a
    run of words was a slot of each kind, in any domain."""

    utterances: Sequence[Utterance]
    spans: Sequence[Sequence[Span]]
    vocabulary: Sequence[str]
    features: sparse.csr_array
    encoded: Encoded | None
    encoder: str | None
    phrases: Mapping[str, Mapping[str, int]]

    @property
    def domains(self) -> list[str]:
        """In alphabetical order; what is for nobody is no domain."""
        return sorted({one.domain for one in self.utterances} - {NOBODY})


def prepare(utterances: Sequence[Utterance], encoder: WordEncoder | None = None) -> Corpus:
    """Take the texts apart; with an encoder, encode each once."""
    spans = [words(one.text) for one in utterances]
    lowers = [surface.lowered(one.text, found) for one, found in zip(utterances, spans, strict=True)]
    named = [surface.of_text(lower) for lower in lowers]
    count = Counter(key for features in named for key in features)
    # A run of characters that only one text has is that text's own; its words say as much.
    vocabulary = sorted(key for key, often in count.items() if often > 1 or key[0] != "c")
    return Corpus(
        utterances,
        spans,
        vocabulary,
        looked_up(named, {key: place for place, key in enumerate(vocabulary)}),
        None if encoder is None else encode(encoder, [one.text for one in utterances], spans),
        None if encoder is None else encoder.fingerprint,
        _phrases(utterances, spans, lowers),
    )


def looked_up(named: Sequence[Mapping[str, float]], places: Mapping[str, int]) -> sparse.csr_array:
    """Features by name → [n, f]; names without a place are left out."""
    found = [(places[key], value) for features in named for key, value in features.items() if key in places]
    ends = np.cumsum([0, *(sum(key in places for key in features) for features in named)])
    columns = np.array([place for place, _ in found], dtype=np.int32)
    values = np.array([value for _, value in found], dtype=np.float64)
    return sparse.csr_array((values, columns, ends.astype(np.int32)), shape=(len(named), len(places)))


def encode(encoder: WordEncoder, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> Encoded:
    """What the encoder says of texts and of their words."""
    known = encoder.encode(texts)
    width = len(known[0].vector) if known else 0
    return Encoded(
        np.array([one.vector for one in known], dtype=np.float64).reshape(len(known), width),
        np.concatenate(
            [np.zeros((0, width)), *(_by_word(one, found) for one, found in zip(known, spans, strict=True))]
        ),
    )


def _by_word(known: States, spans: Sequence[Span]) -> Floats:
    states = np.zeros((len(spans), known.states.shape[1]))
    if not spans or not len(known.spans):
        return states
    starts = np.array([start for start, _ in spans])
    word = np.searchsorted(starts, known.spans[:, 0], side="right") - 1
    inside = word >= 0
    np.add.at(states, word[inside], known.states[inside])
    count = np.bincount(word[inside], minlength=len(spans))
    return states / np.maximum(count, 1)[:, None]


def _phrases(
    utterances: Sequence[Utterance], spans: Sequence[Sequence[Span]], lowers: Sequence[Sequence[str]]
) -> dict[str, dict[str, int]]:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one, places, lower in zip(utterances, spans, lowers, strict=True):
        for name, phrase in slot_phrases(one, places, lower):
            found[phrase][name] += 1
    return {phrase: dict(counts) for phrase, counts in found.items()}


def slot_phrases(utterance: Utterance, spans: Sequence[Span], lower: Sequence[str]) -> list[tuple[str, str]]:
    """The kind and the words of every slot, in lower case."""
    return [
        (
            slot.name,
            " ".join(
                word for (start, end), word in zip(spans, lower, strict=True) if start < slot.end and end > slot.start
            ),
        )
        for slot in utterance.meaning.slots
    ]

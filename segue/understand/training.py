"""Train the reader of one domain: on its own utterances, with the other domains' as what it is not.

One-against-rest for the domain, softmax for the intent, a conditional random field for the slots. Nothing is random. The tagger's
features that depend on the domain's data (is a word unknown here, is a phrase a known value) are added into the weights of the
words and phrases themselves, so that reading is one look-up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segue.errors import InvalidInput
from segue.understand import linear, surface, tagger
from segue.understand.corpus import Corpus, slot_phrases
from segue.understand.reader import Reader, Table
from segue.understand.seen import see
from segue.understand.words import OUTSIDE, tags

Floats = NDArray[np.float64]

_RIDGE, _VECTOR = 0.1, 2.0
"""Of domain and intents; the encoder's unit vector is stretched to this length, beside √2 of the sparse features."""

_WORD_RIDGE, _STATE, _STEPS = 0.3, 0.1, 80
"""Of the tagger; the encoder's states are stretched to this deviation."""

_STATE_RIDGE = 0.1
_LEAST = 3e-3
"""Weights smaller than this are left out."""

_EAGER = 0.3
"""Taken off the score of "in no slot". Maximum likelihood leaves out more slots than it invents, and both are errors alike: on
a fold of HWU64 that was kept for such choices, SemER fell from 20.5 to 19.8."""

_PLACES = ("", "-", "+")
"""This word, the one before, the one after: the kinds of "unknown", and of the word's own features."""
_OWN = ("w", "p", "n")


def train(domain: str, corpus: Corpus) -> Reader:
    """The reader of `domain`. Raises `InvalidInput` where the corpus has no utterance of it, or of no other domain."""
    own = np.array([one.domain == domain for one in corpus.utterances])
    if not own.any() or own.all():
        raise InvalidInput(
            f"The data holds {'only' if own.any() else 'no'} utterances of the domain {domain!r}.",
            expected="utterances of the domain, and of others to tell it from",
            fix="add labelled requests",
        )
    mine = [corpus.utterances[place] for place in np.flatnonzero(own).tolist()]
    intents = tuple(sorted({one.meaning.intent for one in mine}))
    names = tagger.tag_names(sorted({slot.name for one in mine for slot in one.meaning.slots}))
    words, field = _tagger(corpus, np.flatnonzero(own).tolist(), names)
    return Reader(
        domain,
        intents,
        tuple(names),
        _texts(corpus, own, intents),
        words,
        field.start.astype(np.float32),
        field.pairs.astype(np.float32),
        see(mine),
        corpus.encoder,
    )


# -- the whole text ---------------------------------------------------------------------------------------------------


def _texts(corpus: Corpus, own: NDArray[np.bool_], intents: Sequence[str]) -> Table:
    vectors = np.zeros((len(own), 0)) if corpus.encoded is None else corpus.encoded.texts * _VECTOR
    domain = linear.one_against_rest(corpus.features, vectors, own, ridge=_RIDGE)
    rows = sparse.csr_array(corpus.features[np.flatnonzero(own)])
    used = np.unique(rows.indices)
    numbers = {intent: place for place, intent in enumerate(intents)}
    meant = [one.meaning.intent for one, mine in zip(corpus.utterances, own.tolist(), strict=True) if mine]
    intent = linear.among(
        sparse.csr_array(rows[:, used]),
        vectors[own],
        np.array([numbers[name] for name in meant]),
        len(intents),
        ridge=_RIDGE,
    )
    weights = np.zeros((len(corpus.vocabulary), 1 + len(intents)))
    weights[:, :1] = domain.weights
    weights[used, 1:] = intent.weights
    weights[np.abs(weights) < _LEAST] = 0
    kept = np.flatnonzero(weights.any(axis=1))
    return Table(
        [corpus.vocabulary[place] for place in kept.tolist()],
        weights[kept].astype(np.float32),
        (np.concatenate([domain.dense, intent.dense], axis=1) * _VECTOR).astype(np.float32),
        np.concatenate([domain.bias, intent.bias]).astype(np.float32),
    )


# -- words ------------------------------------------------------------------------------------------------------------


def _tagger(corpus: Corpus, own: Sequence[int], names: Sequence[str]) -> tuple[Table, tagger.Field]:
    lowers = [surface.lowered(corpus.utterances[place].text, corpus.spans[place]) for place in own]
    often = Counter(word for lower in lowers for word in set(lower))
    named: list[list[str]] = []
    for place, lower in zip(own, lowers, strict=True):
        named += _features(corpus, place, lower, often)
    vocabulary = sorted({name for features in named for name in features})
    places = {name: number for number, name in enumerate(vocabulary)}
    numbers = {name: number for number, name in enumerate(names)}
    tagged = [tags(corpus.spans[place], corpus.utterances[place].meaning.slots) for place in own]
    lengths = np.array([len(corpus.spans[place]) for place in own])
    states, middle, stretch = _states(corpus, own)
    field = tagger.fit(
        rows(named, places),
        (states - middle) * stretch,
        np.array([numbers[tag] for line in tagged for tag in line], dtype=np.int64),
        lengths,
        names,
        ridge=_WORD_RIDGE,
        dense_ridge=_STATE_RIDGE,
        steps=_STEPS,
    )
    weights, bias = _added(corpus, dict(zip(vocabulary, field.words, strict=True)), often, len(names))
    weights = {name: np.where(np.abs(row) < _LEAST, 0, row) for name, row in weights.items()}
    kept = [name for name, row in weights.items() if row.any()]
    bias = bias - middle @ (dense := field.dense * stretch[:, None])
    bias[names.index(OUTSIDE)] -= _EAGER
    table = Table(
        kept,
        np.array([weights[name] for name in kept]).reshape(len(kept), len(names)).astype(np.float32),
        dense.astype(np.float32),
        bias.astype(np.float32),
    )
    return table, field


def _states(corpus: Corpus, own: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    """The encoder's states of the domain's own words [m, d], their mean [d], and what stretches their deviation."""
    lengths = np.array([len(found) for found in corpus.spans])
    ends = np.cumsum(lengths)
    place = np.concatenate([np.arange(ends[one] - lengths[one], ends[one]) for one in own])
    if corpus.encoded is None:
        return np.zeros((len(place), 0)), np.zeros(0), np.zeros(0)
    states = corpus.encoded.words[place]
    if not len(states):
        return states, np.zeros(states.shape[1]), np.ones(states.shape[1])
    return states, states.mean(axis=0), _STATE / (states.std(axis=0) + 1e-6)


def rows(named: Sequence[Sequence[str]], places: Mapping[str, int]) -> sparse.csr_array:
    """Names of features → [m, f] of ones; names without a place are left out."""
    found = [[places[name] for name in features if name in places] for features in named]
    ends = np.cumsum([0, *map(len, found)])
    columns = np.array([place for line in found for place in line], dtype=np.int32)
    return sparse.csr_array((np.ones(len(columns)), columns, ends.astype(np.int32)), shape=(len(named), len(places)))


def _features(corpus: Corpus, place: int, lower: Sequence[str], often: Mapping[str, int]) -> list[list[str]]:
    """Of every word of an utterance to learn from: what is known of it without this utterance.

    "?" marks words that no other utterance of the domain has; "b" and "i" words that begin, or stand in, a run of words that was
    a slot in another utterance.
    """
    utterance, spans = corpus.utterances[place], corpus.spans[place]
    found = surface.of_words(utterance.text, spans, lower)
    for number, word in enumerate(lower):
        if often[word] <= 1:
            for kind, other in zip(_PLACES, (number, number + 1, number - 1), strict=True):
                if 0 <= other < len(found):
                    found[other].append(f"?{kind}")
    here = Counter(slot_phrases(utterance, spans, lower))
    for first, last, phrase in surface.phrases(lower):
        for name, count in corpus.phrases.get(phrase, {}).items():
            if count > here[name, phrase]:
                found[first].append(_begins(name, phrase))
                for inside in range(first + 1, last):
                    found[inside].append(f"i{name}")
    return found


def _begins(name: str, phrase: str) -> str:
    return f"b{'+' if ' ' in phrase else ' '}{name}"


def _added(
    corpus: Corpus, learned: dict[str, Floats], often: Mapping[str, int], count: int
) -> tuple[dict[str, Floats], Floats]:
    """Weights by the names that reading looks up. Unknown becomes the rule, in the bias, and every known word an exception."""
    nothing = np.zeros(count)
    unknown = [learned.pop(f"?{kind}", nothing) for kind in _PLACES]
    about = {name: learned.pop(name) for name in list(learned) if name[0] in "bi"}
    edges = {"p": surface.BEFORE[1], "n": surface.AFTER[0], "w": None}
    for letter, weights in zip(_OWN, unknown, strict=True):
        for word in [*often, *([edges[letter]] if edges[letter] else [])]:
            learned[f"{letter}{word}"] = learned.get(f"{letter}{word}", nothing) - weights
    for phrase, counts in corpus.phrases.items():
        learned[f"B{phrase}"] = sum((about.get(_begins(name, phrase), nothing) for name in counts), nothing)
        if " " in phrase:
            learned[f"I{phrase}"] = sum((about.get(f"i{name}", nothing) for name in counts), nothing)
    return learned, np.sum(unknown, axis=0)

"""How well requests are read: the measures of what readers, or what re-rankers make of them, answer first.

*Domain accuracy*: share of requests whose first interpretation is of the right domain. *Intent F1*: micro-averaged over pairs of
domain and intent; with one answer a request it is the share of requests with both right. *Entity F1*: micro-averaged over slots,
right if name and span are, whatever the domain; *overlapping* if the name is right and the spans share a character, which is how
Liu et al. (2019) and those who compare with them count. *SemER*: Σ (wrong intent + slots substituted, inserted, left out) / Σ
(1 + reference slots); an interpretation in another domain has the wrong intent. *Interpretation error rate*: share of requests
with anything wrong. *Calibration*: of the confidence that the first interpretation is right in every part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from segue.understand.calibration import brier, calibration_floor, expected_calibration_error
from segue.understand.hypotheses import Hypotheses, Interpretation, Slot, Utterance, semantic_errors

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Read:
    """What a request is taken to mean first, and how sure that is: a probability of being right in every part."""

    domain: str
    meaning: Interpretation
    confidence: float


def first(hypotheses: Sequence[Hypotheses], requests: int, confidences: Sequence[Floats] | None = None) -> list[Read]:
    """The most confident hypothesis of each of so many requests over all domains; without `confidences`, one [n] a table, by the
    product of its probabilities."""
    if confidences is None:
        confidences = [np.exp(found.logs.sum(axis=1)) for found in hypotheses]
    scores = np.concatenate(confidences)
    request = np.concatenate([found.request for found in hypotheses])
    owner = np.concatenate([np.full(len(found), place) for place, found in enumerate(hypotheses)])
    number = np.concatenate([np.arange(len(found)) for found in hypotheses])
    order = np.lexsort((-scores, request))
    _, places = np.unique(request[order], return_index=True)
    best = order[places]
    if len(best) != requests:
        raise ValueError(f"{len(best)} of {requests} requests have a hypothesis")
    return [
        Read(hypotheses[domain].domain, hypotheses[domain].meanings[place], score)
        for domain, place, score in zip(owner[best].tolist(), number[best].tolist(), scores[best].tolist(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of each of n requests, int64 [n]: right domain, right domain and intent; slots right, right but for where they begin or
    end, guessed and in the reference; semantic errors. `confidence` float64 [n]. Enough for every measure and for a bootstrap."""

    domain: NDArray[np.int64]
    intent: NDArray[np.int64]
    hits: NDArray[np.int64]
    overlapping: NDArray[np.int64]
    guessed: NDArray[np.int64]
    slots: NDArray[np.int64]
    errors: NDArray[np.int64]
    confidence: Floats

    def take(self, places: NDArray[np.int64]) -> "Counts":
        """Of these requests only."""
        return Counts(**{one.name: getattr(self, one.name)[places] for one in fields(self)})


def count(read: Sequence[Read], utterances: Sequence[Utterance]) -> Counts:
    """What was read beside what was right."""
    rows = []
    for guess, said in zip(read, utterances, strict=True):
        own = guess.domain == said.domain
        right = own and guess.meaning.intent == said.meaning.intent
        same_intent = Interpretation(said.meaning.intent, guess.meaning.slots)
        hits = len(set(guess.meaning.slots) & set(said.meaning.slots))
        errors = semantic_errors(same_intent, said.meaning) + (not right)
        around = overlapping(guess.meaning.slots, said.meaning.slots)
        rows.append((own, right, hits, around, len(guess.meaning.slots), len(said.meaning.slots), errors))
    confidence = np.array([guess.confidence for guess in read], dtype=np.float64)
    domain, intent, shared, near, guessed, slots, wrong = np.array(rows, dtype=np.int64).reshape(-1, 7).T
    return Counts(domain, intent, shared, near, guessed, slots, wrong, confidence)


def overlapping(guessed: Sequence[Slot], right: Sequence[Slot]) -> int:
    """How many slots of the one are paired with a slot of the same name in the other that shares a character; each once.

    >>> overlapping([Slot("date", 0, 8)], [Slot("date", 5, 12), Slot("date", 20, 24)])
    1
    """
    left = list(right)
    for one in guessed:
        found = next((other for other in left if other.name == one.name and _meet(one, other)), None)
        if found is not None:
            left.remove(found)
    return len(right) - len(left)


def _meet(one: Slot, other: Slot) -> bool:
    return one.start < other.end and other.start < one.end


def measured(counts: Counts, *, seed: int = 0) -> Mapping[str, float]:
    """Every measure by its name, as shares from 0 to 1."""
    right = counts.errors == 0
    return {
        "domain accuracy": float(counts.domain.mean()),
        "intent F1": float(counts.intent.mean()),
        "entity F1": _f1(counts, counts.hits),
        "entity F1, overlapping": _f1(counts, counts.overlapping),
        "entity precision": float(counts.hits.sum() / max(1, counts.guessed.sum())),
        "entity recall": float(counts.hits.sum() / max(1, counts.slots.sum())),
        "SemER": float(counts.errors.sum() / (1 + counts.slots).sum()),
        "interpretation error rate": float(1 - right.mean()),
        "ECE": expected_calibration_error(counts.confidence, right),
        "ECE floor": calibration_floor(counts.confidence, seed=seed),
        "Brier": brier(counts.confidence, right),
    }


def _f1(counts: Counts, found: NDArray[np.int64]) -> float:
    total = counts.guessed.sum() + counts.slots.sum()
    return float(2 * found.sum() / total) if total else 1.0

"""How well requests are read: the measures of what readers, or what re-rankers make of them, answer first.

*Domain accuracy*: share of requests whose first interpretation is of the right domain. *Intent F1*: micro-averaged over pairs of
domain and intent; with one answer a request it is the share of requests with both right. *Entity F1*: micro-averaged over slots,
right if name and span are, whatever the domain. *SemER*: Σ (wrong intent + slots substituted, inserted, left out) / Σ (1 +
reference slots); an interpretation in another domain has the wrong intent. *Interpretation error rate*: share of requests with
anything wrong. *Calibration*: of the confidence that the first interpretation is right in every part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from segue.understand.calibration import expected_calibration_error
from segue.understand.hypotheses import Hypotheses, Interpretation, Utterance, semantic_errors

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Read:
    """What a request is taken to mean first, and how sure that is: a probability of being right in every part."""

    domain: str
    meaning: Interpretation
    confidence: float


def first(hypotheses: Sequence[Hypotheses], requests: int) -> list[Read]:
    """The best hypothesis of each of so many requests over all domains, by the product of its probabilities."""
    scores = np.concatenate([found.logs.sum(axis=1) for found in hypotheses])
    request = np.concatenate([found.request for found in hypotheses])
    owner = np.concatenate([np.full(len(found), place) for place, found in enumerate(hypotheses)])
    number = np.concatenate([np.arange(len(found)) for found in hypotheses])
    order = np.lexsort((-scores, request))
    _, places = np.unique(request[order], return_index=True)
    best = order[places]
    if len(best) != requests:
        raise ValueError(f"{len(best)} of {requests} requests have a hypothesis")
    return [
        Read(hypotheses[domain].domain, hypotheses[domain].meanings[place], float(np.exp(score)))
        for domain, place, score in zip(owner[best].tolist(), number[best].tolist(), scores[best].tolist(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of each of n requests, int64 [n]: right domain, right domain and intent; slots right, guessed and in the reference;
    semantic errors. `confidence` float64 [n]. Enough for every measure and for a bootstrap."""

    domain: NDArray[np.int64]
    intent: NDArray[np.int64]
    hits: NDArray[np.int64]
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
        rows.append((own, right, hits, len(guess.meaning.slots), len(said.meaning.slots), errors))
    domain, intent, shared, guessed, slots, wrong = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    confidence = np.array([guess.confidence for guess in read], dtype=np.float64)
    return Counts(domain, intent, shared, guessed, slots, wrong, confidence)


def measured(counts: Counts, *, seed: int = 0) -> Mapping[str, float]:
    """Every measure by its name, as shares from 0 to 1."""
    right = counts.errors == 0
    return {
        "domain accuracy": float(counts.domain.mean()),
        "intent F1": float(counts.intent.mean()),
        "entity F1": _f1(counts),
        "entity precision": float(counts.hits.sum() / max(1, counts.guessed.sum())),
        "entity recall": float(counts.hits.sum() / max(1, counts.slots.sum())),
        "SemER": float(counts.errors.sum() / (1 + counts.slots).sum()),
        "interpretation error rate": float(1 - right.mean()),
        "ECE": expected_calibration_error(counts.confidence, right),
        "ECE floor": calibration_floor(counts.confidence, seed=seed),
        "Brier": float(((counts.confidence - right) ** 2).mean()),
    }


def _f1(counts: Counts) -> float:
    total = counts.guessed.sum() + counts.slots.sum()
    return float(2 * counts.hits.sum() / total) if total else 1.0


def calibration_floor(confidence: Floats, *, draws: int = 200, seed: int = 0) -> float:
    """The ECE that perfectly calibrated confidences would show, from chance alone: truth is drawn from them, `draws` times."""
    random = np.random.default_rng(seed)
    drawn = (random.random(len(confidence)) < confidence for _ in range(draws))
    return float(np.mean([expected_calibration_error(confidence, right) for right in drawn]))

"""Two versions of every domain's reader, and what the old one thinks of the new one's candidates: intent and slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.understand.corpus import prepare
from segue.understand.hypotheses import Interpretation, Utterance
from segue.understand.labelled import load
from segue.understand.reader import Reader
from segue.understand.readers import Readers
from segue.understand.training import train

VALIDATION, TESTED = (2,), (1, 3, 4)
"""HWU64's folds that settings are chosen on, and those that are reported; both models learn from the others."""

CANDIDATES, REMEMBERED = 10, 50
"""Of the new model; and of the old one's list, in which they are looked up: what is not there has −∞."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Of r requests, the new model's k best, best first. `old` and `new` float64 [r, k] log probabilities (−∞ for none), `right`
    bool [r, k], and `old_right` bool [r]: the old model's own answer is right."""

    old: NDArray[np.float64]
    new: NDArray[np.float64]
    right: NDArray[np.bool_]
    old_right: NDArray[np.bool_]


def updated(file: Path, *, seed: int, most: int) -> dict[str, Candidates]:
    """Candidates of the "validation" and the "test" folds. The new readers learn from two thirds of the other folds, which the
    seed draws, the old ones from two fifths of that. The domain is known: each reader reads its own requests."""
    labelled = load(file)
    folds = np.array(labelled.folds)
    pool = np.flatnonzero(~np.isin(folds, VALIDATION + TESTED))
    drawn = np.random.default_rng(seed).permutation(pool)[: min(most, len(pool) * 2 // 3)]
    new = _readers([labelled.utterances[place] for place in drawn.tolist()])
    old = _readers([labelled.utterances[place] for place in drawn[: len(drawn) * 2 // 5].tolist()])
    found = {}
    for name, which in (("validation", VALIDATION), ("test", TESTED)):
        asked = [labelled.utterances[place] for place in np.flatnonzero(np.isin(folds, which))[:most].tolist()]
        parts = [
            _candidates([one for one in asked if one.domain == domain], old[domain], new[domain])
            for domain in sorted({one.domain for one in asked} & old.keys() & new.keys())
        ]
        found[name] = Candidates(
            *(np.concatenate([getattr(part, field) for part in parts]) for field in Candidates.__dataclass_fields__)
        )
    return found


def _readers(utterances: Sequence[Utterance]) -> dict[str, Reader]:
    corpus = prepare(utterances)
    return {domain: train(domain, corpus) for domain in corpus.domains}


def _candidates(asked: Sequence[Utterance], old: Reader, new: Reader) -> Candidates:
    before, after = (_best(reader, asked, most) for reader, most in ((old, REMEMBERED), (new, CANDIDATES)))
    shape = (len(asked), CANDIDATES)
    found = Candidates(
        np.full(shape, -np.inf), np.full(shape, -np.inf), np.zeros(shape, dtype=bool), np.zeros(len(asked), dtype=bool)
    )
    for row, one in enumerate(asked):
        known = dict(before[row])
        found.old_right[row] = before[row][0][0] == one.meaning
        for place, (meaning, log) in enumerate(after[row]):
            found.old[row, place] = known.get(meaning, -np.inf)
            found.new[row, place] = log
            found.right[row, place] = meaning == one.meaning
    return found


def _best(reader: Reader, asked: Sequence[Utterance], most: int) -> list[list[tuple[Interpretation, float]]]:
    """The reader's best meanings of each request, best first, with log P(intent) + log P(tagging)."""
    (table,) = Readers([reader]).read([one.text for one in asked], most=most)
    found: list[list[tuple[Interpretation, float]]] = [[] for _ in asked]
    for row, meaning, logs in zip(table.request.tolist(), table.meanings, table.logs.tolist(), strict=True):
        found[row].append((meaning, logs[1] + logs[2]))
    return found

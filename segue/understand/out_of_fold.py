"""Hypotheses to train re-rankers on: every utterance is read by readers that have not seen it."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.understand.corpus import Corpus, WordEncoder, prepare
from segue.understand.hypotheses import Hypotheses, Utterance, together
from segue.understand.reader import Reader
from segue.understand.readers import Readers
from segue.understand.training import train

Trained = Callable[[Corpus], Sequence[Reader]]


def train_all(corpus: Corpus) -> list[Reader]:
    """A reader a domain, one after the other."""
    return [train(domain, corpus) for domain in corpus.domains]


def read_out_of_fold(
    utterances: Sequence[Utterance],
    *,
    folds: int = 5,
    seed: int = 0,
    encoder: WordEncoder | None = None,
    most: int = 6,
    trained: Trained = train_all,
) -> list[Hypotheses]:
    """One table a domain, over all utterances: readers are trained on all parts but one and read that one.

    `trained` may train in parallel. The same text is never in two parts. Raises `InvalidInput` where there is too little.
    """
    part = parts(utterances, folds=folds, seed=seed)
    read: dict[str, list[tuple[NDArray[np.int64], Hypotheses]]] = {}
    for fold in range(folds):
        held_out = np.flatnonzero(part == fold)
        corpus = prepare([utterances[place] for place in np.flatnonzero(part != fold).tolist()], encoder)
        readers = Readers(trained(corpus), encoder)
        for found in readers.read([utterances[place].text for place in held_out.tolist()], most=most):
            read.setdefault(found.domain, []).append((held_out, found))
    return [together(read[domain]) for domain in sorted(read)]


def parts(utterances: Sequence[Utterance], *, folds: int, seed: int = 0) -> NDArray[np.int64]:
    """The part of each utterance [n], from 0: drawn within each domain and intent, so that all parts have some of it; utterances
    of one text, but for case and white space, go together."""
    if not 2 <= folds <= max(2, len(utterances)):
        raise InvalidInput(f"folds is {folds}.", expected=f"2 to {len(utterances):,}, the number of utterances")
    random = np.random.default_rng(seed)
    of_text: dict[str, int] = {}
    dealt: dict[tuple[str, str], int] = {}
    part = np.empty(len(utterances), dtype=np.int64)
    for place in random.permutation(len(utterances)).tolist():
        one = utterances[place]
        key = (one.domain, one.meaning.intent)
        text = re.sub(r"\s+", " ", one.text.lower()).strip()
        if text not in of_text:
            first = dealt.setdefault(key, int(random.integers(folds)))
            of_text[text] = first % folds
            dealt[key] = first + 1
        part[place] = of_text[text]
    return part

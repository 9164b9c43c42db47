"""One logistic regression over all classes together, on the words and characters that readers see: what domains that are trained
apart are compared with."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from segue.understand import linear, surface
from segue.understand.corpus import looked_up, prepare
from segue.understand.hypotheses import Floats, Utterance
from segue.understand.words import words

_RIDGE = 0.1
"""As readers have it for intents."""


def scored(
    said: Sequence[Utterance], classes: Sequence[str], asked: Sequence[Utterance], *, contexts: bool = False
) -> tuple[list[str], Floats]:
    """Learn the class of each request that was `said`, and score what is `asked`: the classes' names, and float64 [n, classes].

    A softmax makes probabilities of the scores. With `contexts`, each value of each key of a request's context is a feature too.
    """
    corpus = prepare(said)
    places = {name: place for place, name in enumerate(corpus.vocabulary)}
    lowers = [surface.lowered(one.text, words(one.text)) for one in asked]
    learned, tested = corpus.features, looked_up([surface.of_text(lower) for lower in lowers], places)
    if contexts:
        pairs = sorted({pair for one in said for pair in one.context.items()})
        values = {pair: place for place, pair in enumerate(map(str, pairs))}
        learned, tested = (
            sparse.csr_array(
                sparse.hstack(
                    [rows, looked_up([{str(pair): 1.0 for pair in one.context.items()} for one in of], values)]
                )
            )
            for rows, of in ((learned, said), (tested, asked))
        )
    names = sorted(set(classes))
    numbers = np.searchsorted(names, list(classes)).astype(np.int64)
    model = linear.among(learned, np.zeros((len(said), 0)), numbers, len(names), ridge=_RIDGE)
    scores: Floats = tested @ model.weights + model.bias
    return names, scores

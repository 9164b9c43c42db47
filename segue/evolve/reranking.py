"""BCR, backward-congruent re-ranking: the old model chooses among what the new one holds possible. Nothing is trained.

For output with parts (taggings, parses), where an old and a new model rarely agree on the whole. The new model gives candidates
(its n best, a beam, or samples with dropout left on), the old one says how likely it finds each of them. What the new model would
never say cannot be chosen, so its gains stay; of what it holds possible, the old model's own answer wins.

Source: Cai et al., "Measuring and Reducing Model Update Regression in Structured Prediction for NLP" (NeurIPS 2022), section 5.
Shapes: `r` requests, `k` candidates of each, the new model's best first.
"""

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput

Floats = NDArray[np.float64]


def backward_congruent(old: Floats, new: Floats | None = None, *, trust: float = 0.0) -> NDArray[np.int64]:
    """The place of the candidate to answer with, int64 [r].

    `old` [r, k] is the old model's log probability of each candidate; −∞ where it has none, or where there is no candidate. The
    paper takes the highest, which is `trust` 0. We allow a mixture, old + trust · new, with the new model's log probabilities
    `new` [r, k]: as the trust grows, the answer goes to the new model's own. Of equals the first is taken, so where the old model
    knows none of the candidates it is the new model's best. Raises `InvalidInput` for shapes that differ, no candidates, +∞ or
    NaN, or a trust that is negative or has no `new`.

    >>> old = np.array([[-1.6, -0.4, -2.3], [-9.2, -np.inf, -8.5]])
    >>> backward_congruent(old).tolist()
    [1, 2]
    >>> backward_congruent(old, np.log([[0.5, 0.4, 0.1], [0.9, 0.05, 0.05]]), trust=1).tolist()
    [1, 0]
    """
    _check(old, "old")
    if not (np.isfinite(trust) and trust >= 0) or (trust > 0 and new is None):
        raise InvalidInput(
            f"The trust in the new model is {trust}, with{'out' if new is None else ''} its scores.",
            expected="0, or more with `new`",
            fix="pass the new model's log probabilities",
        )
    if new is None or trust == 0:
        return np.asarray(old.argmax(axis=1))
    _check(new, "new")
    if new.shape != old.shape:
        raise InvalidInput(f"Old scores are {old.shape}, new ones {new.shape}.", expected="the same candidates")
    mixed = old + trust * new
    # What the old model cannot score at all is chosen only where that holds for every candidate.
    unknown = np.isneginf(old).all(axis=1)
    return np.where(unknown, 0, mixed.argmax(axis=1))


def _check(scores: Floats, whose: str) -> None:
    if scores.ndim != 2 or not scores.size:
        raise InvalidInput(
            f"The {whose} model's scores have the shape {scores.shape}.", expected="[requests, candidates]"
        )
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise InvalidInput(f"A score of the {whose} model is NaN or +∞.", expected="log probabilities, −∞ for none")

"""Logistic regression: one class against the rest, and among several, on sparse features with dense ones beside them.

Maximum likelihood with a ridge, by L-BFGS from zero: convex, and nothing is random. Shapes: `n` examples, `f` sparse features,
`d` dense ones, `c` classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_STEPS, _MEMORY = 100, 8


@dataclass(frozen=True, slots=True)
class Linear:
    """Scores = sparse @ weights [f, c] + dense @ dense [d, c] + bias [c]."""

    weights: Floats
    dense: Floats
    bias: Floats


def one_against_rest(features: sparse.csr_array, dense: Floats, own: NDArray[np.bool_], *, ridge: float) -> Linear:
    """P(own) = σ(score), one column. `features` [n, f], `dense` [n, d], where d may be 0; `own` [n]."""
    size, width = features.shape[1], dense.shape[1]
    transposed = sparse.csr_array(features.T)
    target = own.astype(np.float64)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, wide = flat[:size], flat[size:-1]
        score = features @ weights + dense @ wide + flat[-1]
        chance = log_expit(score)
        wrong = np.exp(chance) - target
        value = (score * (1 - target) - chance).sum() + ridge / 2 * (flat[:-1] @ flat[:-1])
        slope = np.concatenate([transposed @ wrong + ridge * weights, dense.T @ wrong + ridge * wide, [wrong.sum()]])
        return float(value), slope

    found = minimized(loss, size + width + 1)
    return Linear(found[:size, None], found[size:-1, None], found[-1:])


def among(features: sparse.csr_array, dense: Floats, classes: Places, count: int, *, ridge: float) -> Linear:
    """P(class) = softmax of the scores, `count` columns. `classes` [n] are numbers from 0."""
    examples, size = features.shape
    width = dense.shape[1]
    transposed = sparse.csr_array(features.T)
    cuts = (size * count, (size + width) * count)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, wide = flat[: cuts[0]].reshape(size, count), flat[cuts[0] : cuts[1]].reshape(width, count)
        logs = log_softmax(features @ weights + dense @ wide + flat[cuts[1] :], axis=1)
        wrong = np.exp(logs)
        value = -logs[np.arange(examples), classes].sum() + ridge / 2 * (flat[: cuts[1]] @ flat[: cuts[1]])
        wrong[np.arange(examples), classes] -= 1
        slopes = (transposed @ wrong + ridge * weights, dense.T @ wrong + ridge * wide, wrong.sum(axis=0))
        return float(value), np.concatenate([slope.ravel() for slope in slopes])

    found = minimized(loss, cuts[1] + count)
    return Linear(
        found[: cuts[0]].reshape(size, count), found[cuts[0] : cuts[1]].reshape(width, count), found[cuts[1] :]
    )


def minimized(loss: Callable[[Floats], tuple[float, Floats]], size: int, *, steps: int = _STEPS) -> Floats:
    """Where `loss`, which returns its value and slope, is least."""
    options = {"maxiter": steps, "maxcor": _MEMORY, "ftol": 1e-6, "gtol": 1e-3}
    return np.asarray(minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options=options).x, dtype=np.float64)

"""Post-hoc bridges: old vectors stay as they are, and a map that is fitted afterwards lets a new encoder's queries look among
them.

They cost minutes and no training of an encoder, and are what others publish (Drift-Adapter, Vejendla 2025: Procrustes, affine,
a small residual network). They raise the mean and lose what was found exactly: that is what the gate is for. `Fusion` keeps the
old score beside the mapped one and loses little.

Vectors are float32 rows of unit length; n items, all that both encoders have embedded, fit a map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput

Vectors = NDArray[np.float32]
_PENALTIES = tuple(10.0**power for power in range(-3, 4))


@dataclass(frozen=True, slots=True)
class LinearMap:
    """One encoder's vectors → another's: `matrix` [d_from, d_to], the result at unit length again."""

    matrix: Vectors

    def __call__(self, vectors: Vectors) -> Vectors:
        """[n, d_from] → [n, d_to]. Raises `InvalidInput` for another width."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.matrix):
            raise InvalidInput(
                f"The vectors have the shape {vectors.shape}.",
                expected=f"[n, {len(self.matrix)}], as the map was fitted",
            )
        return unit(vectors @ self.matrix)


def procrustes(source: Vectors, target: Vectors) -> LinearMap:
    """The rotation that brings `source` [n, d_from] nearest to `target` [n, d_to] (Schönemann 1966); where one has fewer
    dimensions, into, or out of, a subspace. Raises `InvalidInput` for rows that do not match or are not finite.

    >>> turned = np.array([[0, 1], [-1, 0]], dtype=np.float32)
    >>> procrustes(np.eye(2, dtype=np.float32), turned).matrix.tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    _check(source, target)
    left, _, right = np.linalg.svd(source.T.astype(np.float64) @ target, full_matrices=False)
    return LinearMap(np.asarray(left @ right, dtype=np.float32))


def ridge(source: Vectors, target: Vectors, *, penalties: Sequence[float] = _PENALTIES) -> LinearMap:
    """The linear map with the smallest squared error and a penalty on its size: of `penalties` the one whose error is smallest
    when each row is predicted by the map of all others (in closed form: Golub, Heath and Wahba 1979). Raises what `procrustes`
    raises."""
    _check(source, target)
    if not penalties or not all(penalty > 0 for penalty in penalties):
        raise InvalidInput(f"The penalties are {tuple(penalties)}.", expected="one or more, each above 0")
    left, values, right = np.linalg.svd(source.astype(np.float64), full_matrices=False)
    rotated = left.T @ target
    best = np.inf
    for penalty in penalties:
        kept = values**2 / (values**2 + penalty)
        leverage = (left**2 * kept).sum(axis=1)
        left_out = (target - left @ (kept[:, None] * rotated)) / np.maximum(1 - leverage, 1e-9)[:, None]
        if (error := float((left_out**2).mean())) < best:
            best, shrunk = error, values / (values**2 + penalty)
    return LinearMap(np.asarray(right.T @ (shrunk[:, None] * rotated), dtype=np.float32))


@dataclass(frozen=True, slots=True)
class Fusion:
    """The old score counts beside the new encoder's, whether an item's new vector is mapped or real.

    score(q, g) = (1 − w) · cos(old(q), old(g)) + w · cos(new(q), new(g)), where w is `weight` for items whose new vector is
    mapped and `real` for those that the new encoder has embedded, None for the same: a mapped vector is worth less. It is one
    product of two vectors, so that any index can search it: `queries` and `gallery` make them, [.., d_old + d_new].
    """

    weight: float
    real: float | None = None

    def __post_init__(self) -> None:
        for weight in (self.weight, self.weight if self.real is None else self.real):
            if not 0 <= weight <= 1:
                raise InvalidInput(
                    f"The weight is {weight}.", expected="0, the old score alone, to 1, the new one alone"
                )

    def queries(self, old: Vectors, new: Vectors) -> Vectors:
        """Of the old and the new vectors of the same queries, [b, d_old] and [b, d_new]."""
        return np.concatenate([old, new], axis=1)

    def gallery(self, old: Vectors, new: Vectors, real: NDArray[np.bool_] | None = None) -> Vectors:
        """Of stored vectors [n, d_old] and the new ones of the same items, [n, d_new]; `real` [n] says which of these are not
        mapped."""
        weights = np.full(len(old), self.weight, dtype=np.float32)
        if real is not None and self.real is not None:
            weights[real] = self.real
        return np.concatenate([(1 - weights)[:, None] * old, weights[:, None] * new], axis=1)


def unit(vectors: Vectors) -> Vectors:
    """Rows at unit length; a row of zeros stays what it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _check(source: Vectors, target: Vectors) -> None:
    if source.ndim != 2 or target.ndim != 2 or len(source) != len(target) or not len(source):
        raise InvalidInput(
            f"There are vectors of the shapes {source.shape} and {target.shape}.",
            expected="[n, d_from] and [n, d_to] of the same n items, at least one",
        )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InvalidInput("A vector is not finite.", fix="embed its item again")

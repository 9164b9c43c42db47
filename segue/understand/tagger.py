"""The slot tagger of one domain: a linear-chain conditional random field, trained on that domain's utterances.

Its scores: a weight a feature and tag, one a pair of neighbouring tags, one a first tag. An I- tag that continues nothing has
probability 0, in training as in use, so that every chain is a different set of slots.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segue.understand.chains import Packing, expectations, packed
from segue.understand.linear import minimized
from segue.understand.words import OUTSIDE

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Field:
    """Weights of the field, for `l` tags: `words` [f, l], `dense` [d, l], `start` [l], and `pairs` [l, l] from row to column."""

    words: Floats
    dense: Floats
    start: Floats
    pairs: Floats


def tag_names(slots: Sequence[str]) -> list[str]:
    """The tags for slots of these names.

    >>> tag_names(["time"])
    ['O', 'B-time', 'I-time']
    """
    return [OUTSIDE, *(f"{kind}-{name}" for name in slots for kind in "BI")]


def allowed(names: Sequence[str]) -> tuple[Floats, Floats]:
    """1 where a tag may stand first, [l], and where one may follow another, [l, l]; else 0."""
    inside = np.array([name[0] == "I" for name in names])
    kinds = np.array([name[2:] for name in names])
    follows = ~inside[None, :] | (kinds[:, None] == kinds[None, :])
    return (~inside).astype(np.float64), follows.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Observed:
    """What the labelled sentences hold, packed: tag of every word, how often a tag is first, how often one follows another."""

    tags: Places
    start: Floats
    pairs: Floats


def fit(
    features: sparse.csr_array,
    dense: Floats,
    tagged: Places,
    lengths: Places,
    names: Sequence[str],
    *,
    ridge: float,
    dense_ridge: float,
    steps: int,
) -> Field:
    """Maximum likelihood with a ridge, by L-BFGS from zero.

    `features` [m, f] and `dense` [m, d] of the words of all sentences one after the other, `tagged` [m] their tags as places in
    `names`, `lengths` how many words each sentence has.
    """
    packing = packed(lengths)
    rows, wide = sparse.csr_array(features[packing.order]), np.ascontiguousarray(dense[packing.order])
    transposed = sparse.csr_array(rows.T)
    seen = _observed(tagged[packing.order], packing, len(names))
    may_start, may_follow = allowed(names)
    size, width, count = rows.shape[1], wide.shape[1], len(names)
    shapes = ((size, count), (width, count), (count,), (count, count))
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])
    ridges = (ridge, dense_ridge, ridge, ridge)
    place = np.arange(len(tagged))

    def loss(flat: Floats) -> tuple[float, Floats]:
        parts = [part.reshape(shape) for part, shape in zip(np.split(flat, cuts[:-1]), shapes, strict=True)]
        words, inner, start, pairs = parts
        scores = rows @ words + wide @ inner
        expected = expectations(scores, np.exp(start) * may_start, np.exp(pairs) * may_follow, packing)
        value = expected.log_total - scores[place, seen.tags].sum() - (pairs * seen.pairs).sum() - start @ seen.start
        value += sum(weight / 2 * float((part * part).sum()) for weight, part in zip(ridges, parts, strict=True))
        wrong = expected.tags
        first = wrong[: packing.active[0]].sum(axis=0) - seen.start
        wrong[place, seen.tags] -= 1
        slopes = (transposed @ wrong, wide.T @ wrong, first, expected.pairs - seen.pairs)
        slope = [(slope + weight * part).ravel() for slope, weight, part in zip(slopes, ridges, parts, strict=True)]
        return float(value), np.concatenate(slope)

    found = np.split(minimized(loss, int(cuts[-1]), steps=steps), cuts[:-1])
    return Field(*(part.reshape(shape) for part, shape in zip(found, shapes, strict=True)))


def _observed(tags: Places, packing: Packing, count: int) -> _Observed:
    steps = packing.steps
    pairs = np.zeros((count, count))
    for (before, _), (first, last) in itertools.pairwise(steps):
        np.add.at(pairs, (tags[before : before + last - first], tags[first:last]), 1)
    return _Observed(tags, np.bincount(tags[: packing.active[0]], minlength=count).astype(np.float64), pairs)

"""Tables of many domains side by side: one sparse product scores them all.

A domain's columns do not depend on which others are there, to the last bit: a request's features are added up in the request's
own order, and vectors are multiplied domain by domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from segue.understand.reader import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stack:
    """`places` name → row; `weights` [f, c], sparse; `dense` by domain [d, its columns]; `bias` [c]."""

    places: Mapping[str, int]
    weights: sparse.csr_array
    dense: Sequence[Floats]
    bias: Floats

    def scores(self, features: sparse.csr_array, vectors: Floats | None) -> Floats:
        """[n, c], from features [n, f] and, where a table wants them, vectors [n, d]."""
        found = product(features, self.weights) + self.bias
        first = 0
        for dense in self.dense:
            last = first + dense.shape[1]
            if len(dense) and vectors is not None:
                found[:, first:last] += vectors @ dense
            first = last
        return found


def product(features: sparse.csr_array, weights: sparse.csr_array) -> Floats:
    """`features` [n, f] @ `weights` [f, c], dense: a few rows of many. For a request 8 times as fast as scipy's product, which
    keeps its result sparse.

    >>> product(sparse.csr_array([[0.0, 2.0]]), sparse.csr_array([[1.0, 1.0], [0.0, 3.0]])).tolist()
    [[0.0, 6.0]]
    """
    examples, columns = features.shape[0], weights.shape[1]
    starts = weights.indptr[features.indices]
    lengths = weights.indptr[features.indices + 1] - starts
    ends = np.cumsum(lengths, dtype=np.int64)
    place = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    example = np.repeat(np.arange(examples), np.diff(features.indptr))
    cells = np.repeat(example * columns, lengths) + weights.indices[place]
    values = weights.data[place] * np.repeat(features.data, lengths)
    added = np.bincount(cells, values, examples * columns).astype(np.float64)
    return added.reshape(examples, columns)


def stacked(tables: Sequence[Table]) -> Stack:
    """Side by side, in the order given."""
    places: dict[str, int] = {}
    rows, columns, values = [], [], []
    first = 0
    for table in tables:
        width = table.weights.shape[1]
        numbers = np.array([places.setdefault(name, len(places)) for name in table.names], dtype=np.int32)
        row, column = np.nonzero(table.weights)
        rows.append(numbers[row] if len(numbers) else numbers)
        columns.append((column + first).astype(np.int32))
        values.append(table.weights[row, column])
        first += width
    weights = sparse.coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(places), first)
    )
    return Stack(
        places,
        sparse.csr_array(weights),
        [table.dense.astype(np.float64) for table in tables],
        np.concatenate([table.bias for table in tables]).astype(np.float64),
    )

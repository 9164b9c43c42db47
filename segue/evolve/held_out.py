"""Held-out queries: which they are, and what they find among stored vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_K = 10
_DISCOUNT = 1 / torch.arange(2, _K + 2).log2()

Places = NDArray[np.int64]
Right = tuple[Places, NDArray[np.float32]]
"""The items that are right for a query: places, ascending, and shares, which add up to 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """What held-out queries find among the stored vectors: mean nDCG@10 over the whole gallery; share of queries with a right
    item among the first ten, and of those that the old encoder's had one for and these have none (`lost`). `agreement`: mean
    cosine of held-out documents' vectors and the old encoder's, None without documents."""

    queries: int
    ndcg: float
    found: float
    lost: float
    agreement: float | None


def is_held_out(text: str, share: float) -> bool:
    """By the text alone, but for case and spaces: the same today and when the log has grown.

    >>> is_held_out("Mary  Poppins", 0.2) == is_held_out("mary poppins", 0.2)
    True
    """
    return int.from_bytes(sha256(" ".join(text.casefold().split()).encode()).digest()[:4], "big") < share * 2**32


def ranked(vectors: Tensor, gallery: Tensor, right: Sequence[Right]) -> tuple[Tensor, Tensor]:
    """nDCG@10 of queries [b, d] over a whole gallery [n, d], [b], and whether a right item is among the first ten, [b]."""
    values, found = [], []
    for vector, (places, share) in zip(vectors, right, strict=True):
        best = (gallery @ vector).topk(min(_K, len(gallery))).indices
        gains = torch.zeros(len(gallery))
        gains[places] = torch.from_numpy(share)
        ideal = gains.topk(len(best)).values @ _DISCOUNT[: len(best)]
        values.append(gains[best] @ _DISCOUNT[: len(best)] / ideal)
        found.append(gains[best].any())
    return torch.stack(values), torch.stack(found)


def shares_of(right: Mapping[int, float]) -> Right:
    """The places that are right for a query, from place → weight.

    >>> shares_of({9: 3.0, 4: 1.0})[1].tolist()
    [0.25, 0.75]
    """
    places = np.array(sorted(right), dtype=np.int64)
    weights = np.array([right[place] for place in places.tolist()], dtype=np.float32)
    return places, weights / weights.sum()

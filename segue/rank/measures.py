"""How good a ranking is against judgements: recall, nDCG, MRR, judged share. Grades above 0 are relevant."""

from collections.abc import Mapping, Sequence

import numpy as np


def recall(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Share of the relevant items that stand among the first `k`. Above 1 in `k` relevant items it cannot reach 1.

    >>> recall(["a", "x", "b"], {"a": 1, "b": 1}, 2)
    0.5
    """
    relevant = {item for item, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def ndcg(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain: Σ (2^grade − 1) / log2(rank + 1), divided by that of the best order.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with the exponential gain.

    >>> round(ndcg(["x", "a"], {"a": 1}, 10), 4)  # 1 / log2(3)
    0.6309
    """
    best = _gain(sorted(grades.values(), reverse=True)[:k])
    return _gain([grades.get(item, 0.0) for item in ranked[:k]]) / best if best > 0 else 0.0


def condensed(ranked: Sequence[str], grades: Mapping[str, float]) -> list[str]:
    """The ranking without the items that nobody judged.

    Source: Sakai, "Alternatives to Bpref" (SIGIR 2007).
    """
    return [item for item in ranked if item in grades]


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """1 / rank of the first relevant item among the first `k`, else 0."""
    return next((1 / rank for rank, item in enumerate(ranked[:k], 1) if grades.get(item, 0) > 0), 0.0)


def judged(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Share of the first `k` that somebody judged; where it is low, the other measures say little."""
    top = ranked[:k]
    return sum(item in grades for item in top) / len(top) if top else 0.0


def _gain(grades: Sequence[float]) -> float:
    values = np.asarray(grades, dtype=np.float64)
    return float(((2.0**values - 1) / np.log2(np.arange(2, len(values) + 2))).sum())

"""One page for several domains: places are shared in proportion to how likely each domain is meant."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segue.records import Scores


def share_page(confidence: Sequence[float], scores: Sequence[Scores], limit: int) -> NDArray[np.float64]:
    """Deal `limit` places among domains: the j-th result (from 1) of a domain bids √confidence · score_j / score_1 / (2j − 1).

    `scores` are each domain's own, descending. Returns float64 [places, 3]: domain index, place inside the domain (from 0)
    and the bid, best bid first. A domain's own order is kept, and a likely second domain is never crowded out.

    Source: Sainte-Laguë, "La représentation proportionnelle et la méthode des moindres carrés" (1910); the square root is
    Penrose's, "The Elementary Statistics of Majority Voting" (1946): a page hedges more than a probability does. We add
    the score's share of the domain's best, so that a domain with one good result does not fill its places with poor ones.

    >>> flat = np.ones(10, np.float32)
    >>> share_page([.6, .2], [flat, flat], 3)[:, :2].astype(int).tolist()
    [[0, 0], [1, 0], [0, 1]]
    """
    bids = [
        (float(np.sqrt(share)) * float(score) / float(own[0] or 1) / (2 * place + 1), -domain, -place)
        for domain, (share, own) in enumerate(zip(confidence, scores, strict=True))
        for place, score in enumerate(own[:limit])
    ]
    best = sorted(bids, reverse=True)[:limit]
    return np.array([(-domain, -place, bid) for bid, domain, place in best], dtype=np.float64).reshape(-1, 3)

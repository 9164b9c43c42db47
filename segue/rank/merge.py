"""One page for several domains: places are shared in proportion to how likely each domain is meant."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def share_page(confidence: Sequence[float], available: Sequence[int], limit: int) -> NDArray[np.float64]:
    """Deal `limit` places among domains by Sainte-Laguë: the j-th result (from 1) of a domain bids confidence / (2j − 1).

    Returns float64 [places, 3]: domain index, place inside the domain (from 0) and the bid, best bid first. A domain's own
    order is kept, a likelier domain never gets fewer places, and a likely second domain is never crowded out.

    Source: Sainte-Laguë, "La représentation proportionnelle et la méthode des moindres carrés" (1910).

    >>> share_page([.6, .3], [10, 10], 3)[:, :2].astype(int).tolist()
    [[0, 0], [1, 0], [0, 1]]
    """
    bids = [
        (share / (2 * place + 1), -domain, -place)
        for domain, (share, count) in enumerate(zip(confidence, available, strict=True))
        for place in range(min(count, limit))
    ]
    best = sorted(bids, reverse=True)[:limit]
    return np.array([(-domain, -place, bid) for bid, domain, place in best], dtype=np.float64).reshape(-1, 3)

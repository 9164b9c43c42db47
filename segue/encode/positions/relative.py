"""A learned bias by distance."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Span


class RelativePositions(nn.Module):
    """T5's relative bias: one learned number a head and bucket of distance, the same in every block (Raffel et al. 2020,
    section 2.1).

    Half of the buckets are for one distance each, the others grow by powers up to `farthest`, beyond which all share the
    last. Bidirectional families have their own buckets for what comes later. Unlike T5's, our scores stay divided by √(d/h).
    """

    def __init__(self, heads: int, *, causal: bool = False, buckets: int = 32, farthest: int = 128) -> None:
        super().__init__()
        self.causal, self.buckets, self.farthest = causal, buckets, farthest
        self.table = nn.Parameter(torch.randn(heads, buckets) * 0.02)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        queries, keys = span.queries(), span.keys()
        found = bucket(
            keys[None, :] - queries[:, None], causal=self.causal, buckets=self.buckets, farthest=self.farthest
        )
        return Effects(scores=self.table.to(span.like)[:, found])


def bucket(ahead: Tensor, *, causal: bool, buckets: int, farthest: int) -> Tensor:
    """How far a key stands ahead of its query → its bucket, int64 in [0, buckets).

    >>> bucket(torch.tensor([0, -1, -7, -8, -20, -500, 3]), causal=True, buckets=16, farthest=128).tolist()
    [0, 1, 7, 8, 10, 15, 0]
    """
    later: int | Tensor = 0
    if causal:
        behind = (-ahead).clamp(min=0)
    else:
        buckets //= 2
        later, behind = (ahead > 0).long() * buckets, ahead.abs()
    exact = buckets // 2
    growth = torch.log(behind.double().clamp(min=exact) / exact) / math.log(farthest / exact)
    far = (exact + (growth * (buckets - exact)).long()).clamp(max=buckets - 1)
    return torch.where(behind < exact, behind.long(), far) + later

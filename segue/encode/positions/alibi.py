"""A fixed penalty on distance."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from segue.encode.positions.effects import Effects, Span


class AlibiPositions:
    """−mₕ |i − j| is added to the score of query i and key j (Press et al. 2022, section 3).

    The slopes mₕ are 2^(−8/H), 2^(−16/H), …; where H is no power of two, those of the power below and then every other one
    of the power above, as the authors' code has it. The paper is causal; here the distance counts both ways.
    """

    def __init__(self, heads: int) -> None:
        self.slopes = slopes(heads)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        queries, keys = span.queries(), span.keys()
        distance = (queries[:, None] - keys[None, :]).abs()
        steep = torch.tensor(self.slopes).to(span.like)
        return Effects(scores=-steep[:, None, None] * distance.to(span.like))


def slopes(heads: int) -> list[float]:
    """One slope a head.

    >>> slopes(4)
    [0.25, 0.0625, 0.015625, 0.00390625]
    >>> slopes(3)
    [0.0625, 0.00390625, 0.25]
    """
    power = 2 ** int(math.log2(heads))
    steep = [2.0 ** (-8 * (head + 1) / power) for head in range(power)]
    return steep if power == heads else steep + slopes(2 * power)[0::2][: heads - power]

"""No positions at all."""

from collections.abc import Callable

from torch import Tensor

from segue.encode.positions.effects import Effects, Span


class NoPositions:
    """NoPE (Kazemnejad et al. 2023): a causal transformer can tell places apart without being told them.

    A bidirectional one cannot: there this is a bag of words.
    """

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        return Effects()

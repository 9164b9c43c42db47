"""Sines and cosines of fixed frequencies."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Span
from segue.errors import InvalidInput


class SinusoidalPositions(nn.Module):
    """p(i)[2j] = sin(i c^(−2j/d)), p(i)[2j + 1] = cos(i c^(−2j/d)), c = 10,000 (Vaswani et al. 2017, section 3.5).

    Nothing is learned; any place ≥ 0, whole or not, of a text of any length.
    """

    frequencies: Tensor
    _table: Tensor

    def __init__(self, width: int, *, base: float = 10_000.0) -> None:
        super().__init__()
        if width % 2:
            raise InvalidInput(f"The width is {width}.", expected="an even number", fix="pass a width of pairs")
        self.register_buffer("frequencies", base ** (-torch.arange(0, width, 2) / width), persistent=False)
        self.register_buffer("_table", torch.empty(0, width), persistent=False)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        if span.places is not None:
            return Effects(added=self._waves(span.queries()).to(span.like))
        if span.stop > len(self._table) or self._table.dtype != span.like.dtype:
            # Twice as long as asked, so that step-by-step decoding does not make it anew at every step.
            places = torch.arange(max(64, 2 * span.stop), device=span.like.device)
            self._table = self._waves(places).to(span.like)
        return Effects(added=self._table[span.start : span.stop])

    def _waves(self, places: Tensor) -> Tensor:
        # In float64: at place 10,000 a float32 product is off by 1e-3.
        angles = places.double()[:, None] * self.frequencies.double()
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)

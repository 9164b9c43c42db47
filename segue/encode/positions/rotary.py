"""Queries and keys turned by an angle that grows with the place."""

from collections.abc import Callable

import torch
from torch import Tensor

from segue.encode.positions.effects import Effects, Span
from segue.errors import InvalidInput


class RotaryPositions:
    """Pairs of a head's numbers are turned by i θₖ, θₖ = base^(−2k/w), so that a score depends on the distance i − j
    (Su et al. 2021, equation 15). A pair is (k, k + w/2) of a head of width w, as GPT-NeoX lays it out, not (2k, 2k + 1).
    """

    def __init__(self, width: int, heads: int, *, base: float = 10_000.0) -> None:
        if width % (2 * heads):
            raise InvalidInput(
                f"The width is {width} with {heads} heads.", expected="heads of an even width", fix="use fewer heads"
            )
        one = width // heads
        self.frequencies = base ** (-torch.arange(0, one, 2, dtype=torch.float64) / one)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        places = span.queries()
        angles = (places[:, None] * self.frequencies.to(span.like.device)).repeat(1, 2)
        return Effects(rotation=(angles.cos().to(span.like), angles.sin().to(span.like)))


def rotate(vectors: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Vectors [.., n, w] turned by cosines and sines [n, w]."""
    cosines, sines = rotation
    first, second = vectors.chunk(2, dim=-1)
    return vectors * cosines + torch.cat([-second, first], dim=-1) * sines

"""Where tokens stand, and what a position family may do to a transformer: four effects, each optional.

Shapes: `n` tokens, `m` tokens that they may look at, `d` width, `h` heads, `N` blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from segue.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens `start` … `stop` − 1 of a text, which look at tokens 0 … `stop` − 1.

    `places` [stop] says where every token stands, in units of one token; None is 0, 1, 2, … A whole text has `start` 0;
    in step-by-step decoding `start` is the number of tokens already seen. Effects are of `like`'s type and on its device.
    """

    start: int
    stop: int
    like: Tensor
    places: Tensor | None = None

    def keys(self) -> Tensor:
        """Where the tokens stand that may be looked at, float64 [m]."""
        if self.places is not None:
            return self.places.to(self.like.device, torch.float64)
        return torch.arange(self.stop, device=self.like.device, dtype=torch.float64)

    def queries(self) -> Tensor:
        """Where the tokens of the span stand, float64 [n]."""
        return self.keys()[self.start :]


def span(start: int, stop: int, like: Tensor, places: Tensor | None = None) -> Span:
    """A checked `Span`; raises `InvalidInput` for places that are not `stop` increasing numbers, 0 or above."""
    if places is not None:
        expected = f"{stop} increasing numbers, 0 or above, one a token"
        if places.shape != (stop,) or not bool(torch.isfinite(places).all()):
            raise InvalidInput(
                f"The places are of shape {tuple(places.shape)}.", expected=expected, fix="pass a vector of numbers"
            )
        if bool((places.diff() <= 0).any()) or bool((places < 0).any()):
            raise InvalidInput(
                "The places of the tokens do not increase.", expected=expected, fix="sort them and drop repeated ones"
            )
    return Span(start, stop, like, places)


@dataclass(frozen=True, slots=True)
class Effects:
    """What positions do to one forward pass; None leaves things as they are.

    - `added` [n, d]: to the token vectors, before the first block;
    - `scores` [h, n, m]: to the attention scores of every block;
    - `rotation`, cosines and sines [n, d / h]: of queries and keys;
    - `biases`, one [n, 3d] a block: to its queries, keys and values, beside its own.
    """

    added: Tensor | None = None
    scores: Tensor | None = None
    rotation: tuple[Tensor, Tensor] | None = None
    biases: tuple[Tensor, ...] | None = None

    def with_biases(self, biases: Tensor) -> "Effects":
        """The same effects and `biases` [N, n, 3d]; where there are some already, their sum."""
        if self.biases is not None:
            biases = biases + torch.stack(self.biases)
        # Not taken out one by one in the blocks: the gradient of that is a tensor of zeros for each.
        return replace(self, biases=biases.unbind())

    def cut(self, start: int, stop: int) -> "Effects":
        """Those of tokens `start` … `stop` − 1 of a span that began at 0."""
        return Effects(
            None if self.added is None else self.added[start:stop],
            None if self.scores is None else self.scores[:, start:stop, :stop],
            None if self.rotation is None else (self.rotation[0][start:stop], self.rotation[1][start:stop]),
            None if self.biases is None else tuple(biases[start:stop] for biases in self.biases),
        )


class Positions(Protocol):
    """A position family; an `nn.Module` where it has parameters."""

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """What the tokens of `span` are given by where they stand.

        `own()` are the blocks' own biases of queries, keys and values, [N, 3, d], from which FLOATER starts. Raises
        `InvalidInput` where the family cannot express a place.
        """
        ...

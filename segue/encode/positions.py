"""Where a token stands: what a position family may do to a transformer, and the learned table.

A family acts at one or more of three places, and leaves the others as they are:

- `embed`, once, on the token vectors (sinusoidal, learned table);
- `project`, in every block, on queries, keys and values (rotary, FLOATER's biases);
- `mask`, in every block, on what is added to the scores (T5 relative bias, ALiBi).

Shapes: `b` texts, `n` tokens, `d` width, `h` heads.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from segue.errors import InvalidInput


class Positions(Protocol):
    """A position family; an `nn.Module` where it has parameters."""

    def embed(self, vectors: Tensor) -> Tensor:
        """Token vectors [b, n, d] → the same with positions, before the first block."""
        ...

    def project(self, block: int, queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [b, h, n, d/h] of block number `block` → the same with positions."""
        ...

    def mask(self, block: int, mask: Tensor | None, queries: Tensor) -> Tensor | None:
        """The mask that is added to the scores, broadcast to [b, h, n, n] (None is all zeros) → with positions."""
        ...


class LearnedPositions(nn.Module):
    """A table of one vector a position, added to the token vectors (Devlin et al. 2019, BERT)."""

    def __init__(self, longest: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, width) * 0.02)

    def embed(self, vectors: Tensor) -> Tensor:
        length, longest = vectors.shape[1], self.table.shape[0]
        if length > longest:
            raise InvalidInput(
                f"A text has {length} tokens.",
                expected=f"at most {longest}, the length of the learned position table",
                fix="cut the text, or use a position family without a longest input",
            )
        return vectors + self.table[:length]

    def project(self, block: int, queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return queries, keys, values

    def mask(self, block: int, mask: Tensor | None, queries: Tensor) -> Tensor | None:
        return mask

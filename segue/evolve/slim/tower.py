"""A query tower: token ids → a unit vector in the gallery's space.

Shapes: `b` texts, `n` tokens, `V` vocabulary, `d` the tower's width, `E` the gallery's dimensions.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.positions.effects import Effects
from segue.encode.shape import Shape
from segue.encode.transformer import Block, Pass, hide_padding
from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture

_FIRST, _SECOND = 1_000_003, 8_191
"""Two primes that spread pairs of ids over the hashed table."""

_SPREAD = 0.02


class Tower(nn.Module):
    """ids int64 [b, n], mask int64 [b, n] (1 at a token, 0 at padding; None: no padding) → float32 [b, E], unit rows.

    The token table's rows, with those of pairs if there are any, go through a convolution and transformer blocks if there are
    any, are pooled, and projected by one matrix. The tables' gradients are sparse: use `training.optimisers`. A text has at
    most `longest` tokens.
    """

    def __init__(
        self, architecture: Architecture, *, vocabulary: int, dimensions: int, longest: int = 64, buckets: int = 2**15
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.vocabulary, self.dimensions, self.longest, self.buckets = vocabulary, dimensions, longest, buckets
        width = architecture.width
        self.table = nn.Parameter(torch.randn(vocabulary, width) * _SPREAD)
        if architecture.pairs:
            self.pairs = nn.Parameter(torch.zeros(buckets, width))
        if architecture.weighted:
            self.importance = nn.Parameter(torch.zeros(vocabulary, 1))
        if architecture.window > 1:
            self.mixing = nn.Parameter(torch.zeros(width, 1, architecture.window))
        if architecture.depth:
            shape = Shape(vocabulary, width, architecture.depth, architecture.heads, architecture.inner * width)
            self.positions = nn.Parameter(torch.zeros(longest, width))
            self.norm = nn.LayerNorm(width, eps=shape.epsilon)
            self.blocks = nn.ModuleList(_calm(Block(shape)) for _ in range(architecture.depth))
        self.project = nn.Linear(width, dimensions, bias=False)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        check_batch(ids, mask, longest=self.longest)
        weights = None if mask is None else mask.to(torch.float32)
        vectors = self._looked_up(ids)
        if self.architecture.window > 1:
            vectors = vectors + self._mixed(vectors if weights is None else vectors * weights[:, :, None])
        if self.architecture.depth:
            vectors = self.norm(vectors + self.positions[: ids.shape[1]])
            added = None if mask is None else hide_padding(mask, vectors)
            shared = Pass(added, Effects(), Effects(), False, None, 0.0)
            for number, block in enumerate(self.blocks):
                vectors = cast(Tensor, block(vectors, shared, number))
        if self.architecture.weighted:
            learned = functional.embedding(ids, self.importance, sparse=True)[..., 0].exp()
            weights = learned if weights is None else weights * learned
        # The mean's divisor falls out in the normalisation, as the projection has no bias.
        pooled = vectors.sum(dim=1) if weights is None else torch.bmm(weights[:, None, :], vectors)[:, 0]
        return functional.normalize(self.project(pooled))

    def _mixed(self, vectors: Tensor) -> Tensor:
        window, width = self.architecture.window, self.architecture.width
        return functional.conv1d(vectors.transpose(1, 2), self.mixing, padding=window // 2, groups=width).transpose(
            1, 2
        )

    def _looked_up(self, ids: Tensor) -> Tensor:
        vectors = self._cut(functional.embedding(ids, self.table, sparse=True))
        if self.architecture.pairs:
            rows = pair_rows(ids, self.buckets)
            found = self._cut(functional.embedding(rows, self.pairs, sparse=True))
            vectors = vectors + functional.pad(found, (0, 0, 1, 0))
        return vectors

    def _cut(self, rows: Tensor) -> Tensor:
        # A super-net's tables are wider; cutting a row that was looked up keeps the table's gradient sparse.
        return rows if rows.shape[-1] == self.architecture.width else rows[..., : self.architecture.width]


def pair_rows(ids: Tensor, buckets: int) -> Tensor:
    """The row of each token with the one before it, int64 [b, n] → [b, n − 1]."""
    return (ids[:, :-1] * _FIRST + ids[:, 1:] * _SECOND) % buckets


def check_batch(ids: Tensor, mask: Tensor | None, *, longest: int) -> None:
    """Raises `InvalidInput` for anything but texts that a tower can read."""
    if ids.ndim != 2 or not 1 <= ids.shape[1] <= longest or (mask is not None and mask.shape != ids.shape):
        raise InvalidInput(
            f"Ids of shape {tuple(ids.shape)} came with a mask of shape {None if mask is None else tuple(mask.shape)}.",
            expected=f"both [texts, tokens], of 1 to {longest} tokens",
            fix="cut the texts",
        )


def _calm(block: Block) -> Block:
    """A block that begins by adding nothing, so that what the table knows is not lost at first."""
    nn.init.zeros_(block.attention.merge.weight)
    nn.init.zeros_(block.narrow.weight)
    return block

"""A BERT-like encoder: token ids → one vector a token → one unit vector a text (Devlin et al. 2019).

Post-norm, exact GELU, no dropout: training and inference are the same function.
Shapes: `b` texts, `n` tokens, `d` width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.attention import Attention
from segue.encode.positions import Positions


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a transformer. `inner` is the width inside the feed-forward part, `types` the token types."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    inner: int
    types: int = 2
    epsilon: float = 1e-12


class Block(nn.Module):
    """Attention and a feed-forward part, each added to its input and then normalised: [b, n, d] → [b, n, d]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape.width, shape.heads)
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.widen = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)

    def forward(self, vectors: Tensor, mask: Tensor | None, positions: Positions, block: int) -> Tensor:
        vectors = self.attention_norm(vectors + self.attention(vectors, mask, positions, block))
        result: Tensor = self.norm(vectors + self.narrow(functional.gelu(self.widen(vectors))))
        return result


class Transformer(nn.Module):
    """Ids int64 [b, n] → float32 [b, n, d]. The family of `positions` is an object, see `segue.encode.positions`."""

    def __init__(self, shape: Shape, positions: Positions) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.types = nn.Embedding(shape.types, shape.width)
        self.positions = positions
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))

    def forward(self, ids: Tensor, mask: Tensor | None = None, types: Tensor | None = None) -> Tensor:
        """`mask` int64 [b, n] is 0 at padding (None: no padding); `types` int64 [b, n] (None: all of type 0)."""
        return self.states(ids, mask, types)[-1]

    def states(self, ids: Tensor, mask: Tensor | None = None, types: Tensor | None = None) -> list[Tensor]:
        """The vectors before the first block and after each, float32 [b, n, d] each."""
        typed = self.types.weight[0] if types is None else self.types(types)
        vectors: Tensor = self.norm(self.positions.embed(self.words(ids) + typed))
        added = None if mask is None else hide_padding(mask, vectors)
        found = [vectors]
        for number, block in enumerate(self.blocks):
            found.append(block(found[-1], added, self.positions, number))
        return found


def hide_padding(mask: Tensor, like: Tensor) -> Tensor:
    """Mask [b, n] → what is added to the scores, [b, 1, 1, n]: 0 at a token, the lowest number at padding."""
    lowest = torch.finfo(like.dtype).min
    return (1 - mask[:, None, None, :].to(like.dtype)) * lowest


def pool(vectors: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over a text's tokens, divided by its length in space: [b, n, d] → unit rows [b, d]."""
    if mask is None:
        return functional.normalize(vectors.mean(dim=1))
    weights = mask[:, :, None].to(vectors.dtype)
    # The mean's divisor falls out in the normalisation.
    return functional.normalize((vectors * weights).sum(dim=1))

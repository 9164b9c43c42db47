"""Self-attention of many heads (Vaswani et al. 2017, section 3.2)."""

from torch import Tensor, nn
from torch.nn import functional

from segue.encode.positions import Positions


class Attention(nn.Module):
    """Every token looks at every token of its text: [b, n, d] → [b, n, d], in `heads` heads of width d / heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # One matrix in place of three: one product instead of three, which counts for short texts.
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, vectors: Tensor, mask: Tensor | None, positions: Positions, block: int) -> Tensor:
        """`mask` is added to the scores, broadcast to [b, h, n, n]; `positions` of block number `block` are added."""
        texts, length, width = vectors.shape
        split = self.project(vectors).view(texts, length, 3, self.heads, width // self.heads)
        queries, keys, values = positions.project(block, *split.permute(2, 0, 3, 1, 4).unbind(0))
        mask = positions.mask(block, mask, queries)
        seen = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        merged: Tensor = self.merge(seen.transpose(1, 2).reshape(texts, length, width))
        return merged

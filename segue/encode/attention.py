"""Attention of many heads (Vaswani et al. 2017, section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.cache import Seen
from segue.encode.positions.effects import Effects
from segue.encode.positions.rotary import rotate


class Attention(nn.Module):
    """Every token looks at tokens: [b, n, d] → [b, n, d], in `heads` heads of width d / heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # One matrix in place of three: one product instead of three, which counts for short texts.
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)

    def forward(
        self,
        vectors: Tensor,
        mask: Tensor | None,
        effects: Effects,
        block: int,
        *,
        causal: bool = False,
        seen: Seen | None = None,
    ) -> Tensor:
        """A text looks at itself. `mask` is added to the scores, broadcast to [b, h, n, m]; with `causal`, which goes with
        no mask, no token sees a later one. `seen` holds the tokens before these, which are seen too, and takes these in."""
        texts, length, width = vectors.shape
        projected = self.project(vectors)
        if effects.biases is not None:
            projected = _plus(projected, effects.biases[block])
        split = projected.view(texts, length, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).unbind(0)
        if effects.rotation is not None:
            queries, keys = rotate(queries, effects.rotation), rotate(keys, effects.rotation)
        if seen is not None:
            keys, values = seen.extended(keys, values)
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        merged: Tensor = self.merge(found.transpose(1, 2).reshape(texts, length, width))
        return merged

    def read(self, vectors: Tensor, mask: Tensor | None, effects: Effects, block: int, memory: Seen) -> Tensor:
        """A text looks at another one, `memory`, made by `remember`; `effects` are those of the text's own places."""
        width = vectors.shape[2]
        queries = functional.linear(vectors, self.project.weight[:width], self.project.bias[:width])
        if effects.biases is not None:
            queries = _plus(queries, effects.biases[block][:, :width])
        queries = self._heads(queries)
        if effects.rotation is not None:
            queries = rotate(queries, effects.rotation)
        found = functional.scaled_dot_product_attention(queries, *memory.pair(), attn_mask=mask)
        merged: Tensor = self.merge(found.transpose(1, 2).reshape(vectors.shape))
        return merged

    def remember(self, memory: Tensor, effects: Effects, block: int) -> Seen:
        """Keys and values of the text [b, m, d] that is read, made once; `effects` are those of its places."""
        width = memory.shape[2]
        projected = functional.linear(memory, self.project.weight[width:], self.project.bias[width:])
        if effects.biases is not None:
            projected = _plus(projected, effects.biases[block][:, width:])
        keys, values = (self._heads(part) for part in projected.chunk(2, dim=2))
        return Seen(keys if effects.rotation is None else rotate(keys, effects.rotation), values)

    def _heads(self, vectors: Tensor) -> Tensor:
        texts, length, width = vectors.shape
        return vectors.view(texts, length, self.heads, width // self.heads).transpose(1, 2)


def _plus(made: Tensor, biases: Tensor) -> Tensor:
    """In place where nothing learns, which saves a pass over memory; in torch's graph that would cost four."""
    return made + biases if torch.is_grad_enabled() else made.add_(biases)

"""The transformer: token ids → one vector a token; bidirectional or causal, with or without another text that it reads.

As an encoder it is BERT's (Devlin et al. 2019): post-norm, exact GELU. Causal, it is a decoder (Vaswani et al. 2017).
Shapes: `b` texts, `n` tokens, `m` tokens that they look at, `d` width, `h` heads, `N` blocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.attention import Attention
from segue.encode.cache import Cache
from segue.encode.positions.effects import Effects, Positions, span
from segue.encode.shape import Shape
from segue.errors import InvalidInput

__all__ = ["Block", "Shape", "Transformer", "hide_padding", "pool"]


@dataclass(frozen=True, slots=True)
class Pass:
    """What the blocks of one forward pass share. `mask` is added to the scores, [b or 1, h or 1, n, m]; `effects` are those
    of the text's places, `reading` those of its places where it reads another text."""

    mask: Tensor | None
    effects: Effects
    reading: Effects
    causal: bool
    cache: Cache | None
    dropout: float


class Block(nn.Module):
    """Attention, with `reads` a look at another text, and a feed-forward part, each added to its input and then normalised:
    [b, n, d] → [b, n, d]."""

    def __init__(self, shape: Shape, *, reads: bool = False) -> None:
        super().__init__()
        self.attention = Attention(shape.width, shape.heads)
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        if reads:
            self.cross = Attention(shape.width, shape.heads)
            self.cross_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.widen = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)

    def forward(self, vectors: Tensor, shared: Pass, block: int) -> Tensor:
        cache = shared.cache
        own = None if cache is None else cache.own[block]
        found = self.attention(vectors, shared.mask, shared.effects, block, causal=shared.causal, seen=own)
        vectors = self.attention_norm(vectors + self._dropped(found, shared))
        if cache is not None and cache.memory is not None:
            found = self.cross.read(vectors, cache.mask, shared.reading, block, cache.memory[block])
            vectors = self.cross_norm(vectors + self._dropped(found, shared))
        found = self.narrow(functional.gelu(self.widen(vectors)))
        result: Tensor = self.norm(vectors + self._dropped(found, shared))
        return result

    def _dropped(self, vectors: Tensor, shared: Pass) -> Tensor:
        # On what each part adds, not on attention's weights: those are never laid out by the fused kernel.
        return functional.dropout(vectors, shared.dropout, self.training) if shared.dropout else vectors


class Transformer(nn.Module):
    """Ids int64 [b, n] → float32 [b, n, d]. The family of `positions` is an object, see `segue.encode.positions`.

    With `causal`, no token sees a later one. With `reading`, every block also reads another text, which `cached` is given;
    `reading` is the position family of that look, `NoPositions()` in all but FLOATER. `dropout` is for training.
    """

    def __init__(
        self,
        shape: Shape,
        positions: Positions,
        *,
        causal: bool = False,
        reading: Positions | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise InvalidInput(
                f"The width is {shape.width} with {shape.heads} heads.", expected="a width that the heads divide"
            )
        self.shape, self.causal, self.dropout = shape, causal, dropout
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.types = nn.Embedding(shape.types, shape.width)
        self.positions = positions
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.blocks = nn.ModuleList(Block(shape, reads=reading is not None) for _ in range(shape.blocks))
        if reading is not None:
            self.reading = reading

    def forward(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        types: Tensor | None = None,
        *,
        places: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """`mask` int64 [b, n] is 0 at padding (None: no padding); `types` int64 [b, n] (None: all of type 0).

        `places` [n], increasing, say where the tokens stand (None: 0, 1, 2, …). A `cache`, made by `cached`, holds what went
        before: then `ids` are the tokens that follow. Raises `InvalidInput` for places or lengths that the family cannot
        express.
        """
        return self.states(ids, mask, types, places=places, cache=cache)[-1]

    def states(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        types: Tensor | None = None,
        *,
        places: Tensor | None = None,
        cache: Cache | None = None,
    ) -> list[Tensor]:
        """The vectors before the first block and after each, float32 [b, n, d] each."""
        typed = self.types.weight[0] if types is None else self.types(types)
        vectors: Tensor = self.words(ids) + typed
        start, stop = 0, vectors.shape[1]
        if cache is not None:
            start, stop = cache.length, cache.length + stop
        effects = self.positions.at(span(start, stop, vectors, places), self.own_biases)
        if effects.added is not None:
            vectors = vectors + effects.added
        vectors = self.norm(vectors)
        if self.dropout:
            vectors = functional.dropout(vectors, self.dropout, self.training)
        found = [vectors]
        added, causal = self._mask(vectors, mask, effects, start)
        shared = Pass(added, effects, self._reading(cache, start, stop), causal, cache, self.dropout)
        for number, block in enumerate(self.blocks):
            found.append(block(found[-1], shared, number))
        if cache is not None:
            cache.length = stop
        return found

    def cached(self, memory: Tensor | None = None, mask: Tensor | None = None, *, ahead: int = 0) -> Cache:
        """A new state of decoding, for texts that read `memory` float32 [b, m, d], with `mask` int64 [b, m] 0 at its padding.

        `ahead` tokens are known to follow: the places of both texts are then worked out once. Raises `InvalidInput` where a
        transformer that reads is given nothing to read, or one that does not is given something.
        """
        if (memory is not None) != hasattr(self, "reading"):
            raise InvalidInput(
                "A text to read was passed." if memory is not None else "No text to read was passed.",
                expected="a memory exactly where the transformer was made with reading=",
                fix="pass reading=NoPositions() to Transformer, or leave the memory out",
            )
        if memory is None:
            return Cache(self.shape.blocks)
        length = memory.shape[1]
        effects = self.reading.at(span(0, max(length, ahead), memory), self._reading_biases)
        theirs = effects.cut(0, length)
        seen = [block.cross.remember(memory, theirs, number) for number, block in enumerate(self._each())]
        return Cache(
            self.shape.blocks, seen, None if mask is None else hide_padding(mask, memory), effects, max(length, ahead)
        )

    def own_biases(self) -> Tensor:
        """The blocks' own biases of queries, keys and values, [N, 3, d]."""
        return _biases([block.attention for block in self._each()])

    def _reading_biases(self) -> Tensor:
        """The same of their look at another text."""
        return _biases([block.cross for block in self._each()])

    def _each(self) -> Iterable[Block]:
        return cast(Iterable[Block], self.blocks)

    def _reading(self, cache: Cache | None, start: int, stop: int) -> Effects:
        """What the places of tokens `start` … `stop` − 1 do to their look at another text."""
        if cache is None or cache.memory is None:
            return Effects()
        if stop <= cache.ahead:
            return cache.reading.cut(start, stop)
        return self.reading.at(span(start, stop, self.words.weight), self._reading_biases)

    def _mask(self, vectors: Tensor, mask: Tensor | None, effects: Effects, start: int) -> tuple[Tensor | None, bool]:
        """What is added to the scores, and whether the fused kernel is to hide later tokens by itself."""
        added = None if mask is None else hide_padding(mask, vectors)
        if effects.scores is not None:
            added = effects.scores[None] if added is None else added + effects.scores
        length = vectors.shape[1]
        if not self.causal or (start and length == 1):
            return added, False
        if added is None and not start:
            return None, True
        later = hide_later(start, start + length, vectors)
        return (later if added is None else added + later), False


def _biases(parts: list[Attention]) -> Tensor:
    return torch.stack([part.project.bias for part in parts]).view(len(parts), 3, -1)


def hide_later(start: int, stop: int, like: Tensor) -> Tensor:
    """What is added to the scores of tokens `start` … `stop` − 1, [n, m]: the lowest number at what comes later."""
    lowest = torch.full((stop - start, stop), -torch.inf, dtype=like.dtype, device=like.device)
    return lowest.triu(start + 1)


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

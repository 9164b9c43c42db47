"""What step-by-step decoding keeps between its steps."""

import torch
from torch import Tensor

from segue.encode.positions.effects import Effects
from segue.errors import InvalidInput


class Seen:
    """Keys and values [b, h, m, d / h] of tokens that one attention has seen; `None` before the first."""

    def __init__(self, keys: Tensor | None = None, values: Tensor | None = None) -> None:
        self.keys, self.values = keys, values

    def extended(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Take in more tokens; returns all of them."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values

    def pair(self) -> tuple[Tensor, Tensor]:
        """Keys and values; raises `InvalidInput` where nothing was taken in."""
        if self.keys is None or self.values is None:
            raise InvalidInput("Nothing has been seen yet.", fix="pass the text that is read first")
        return self.keys, self.values

    def chosen(self, rows: Tensor) -> "Seen":
        """Those of texts `rows` only, int64 [k], in that order; a text may come more than once."""
        keys, values = self.pair()
        return Seen(keys[rows], values[rows])


class Cache:
    """The state of decoding b texts: how many tokens were seen, and what each block keeps of them.

    `own` holds one `Seen` a block; `memory` those of the text that is read, made once, `mask` what hides its padding, and
    `reading` what the first `ahead` places do to that look.
    """

    def __init__(
        self,
        blocks: int,
        memory: list[Seen] | None = None,
        mask: Tensor | None = None,
        reading: Effects | None = None,
        ahead: int = 0,
    ) -> None:
        self.length = 0
        self.own = [Seen() for _ in range(blocks)]
        self.memory, self.mask = memory, mask
        self.reading, self.ahead = reading or Effects(), ahead

    def chosen(self, rows: Tensor) -> "Cache":
        """The state of texts `rows` only, int64 [k], in that order: how beam search keeps its best."""
        memory = None if self.memory is None else [seen.chosen(rows) for seen in self.memory]
        kept = Cache(len(self.own), memory, None if self.mask is None else self.mask[rows], self.reading, self.ahead)
        kept.length = self.length
        if self.length:
            kept.own = [seen.chosen(rows) for seen in self.own]
        return kept

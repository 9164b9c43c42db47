"""FLOATER as tables: what it does up to a longest text, solved for once. Serving needs no solver."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Span, span
from segue.encode.positions.floater import FloaterPositions
from segue.errors import InvalidInput


class StoredPositions(nn.Module):
    """The effects of a `FloaterPositions` at places 0 … `longest` − 1: rows of a table instead of a solution.

    `own` [N, 3, d] are the blocks' own biases. Up to its `since` all places share the first row, of zeros. Raises `InvalidInput`
    where its base does more than add vectors, as those of other families grow with the square of the length.
    """

    added: Tensor | None
    offsets: Tensor

    def __init__(self, positions: FloaterPositions, own: Tensor, *, longest: int) -> None:
        super().__init__()
        self.longest, self.since, self.sizes = longest, positions.since, (len(own), own[0].numel())
        with torch.no_grad():
            effects = positions.at(span(0, longest, own), lambda: own)
        if effects.scores is not None or effects.rotation is not None:
            raise InvalidInput(
                f"Positions over {type(positions.base).__name__} cannot be stored as tables.",
                expected="a base that adds vectors: a learned table, sinusoids, or none",
            )
        rows = torch.zeros(max(1, longest - positions.since), len(own) * own[0].numel())
        if effects.biases is not None:
            rows = torch.cat(effects.biases, dim=1)[positions.since :]
        self.register_buffer("added", effects.added)
        self.register_buffer("offsets", rows)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """Raises `InvalidInput` for a text longer than the tables, and for given places."""
        if span.places is not None or span.stop > self.longest:
            raise InvalidInput(
                f"A text has {span.stop} tokens, or places of its own.",
                expected=f"at most {self.longest} tokens at places 0, 1, 2, …: that much was stored",
                fix="store more, or use the positions that these were made from",
            )
        places = torch.arange(span.start, span.stop, device=self.offsets.device)
        rows = self.offsets[(places - self.since).clamp(min=0)]
        added = None if self.added is None else self.added[span.start : span.stop]
        return Effects(added=added, biases=rows.view(-1, *self.sizes).unbind(dim=1))

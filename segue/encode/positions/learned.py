"""A learned table of positions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Span
from segue.errors import InvalidInput


class LearnedPositions(nn.Module):
    """A table of one vector a position, added to the token vectors (Devlin et al. 2019, BERT)."""

    def __init__(self, longest: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, width) * 0.02)

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """Raises `InvalidInput` for a text longer than the table, and for places that are not whole numbers."""
        longest = self.table.shape[0]
        if span.stop > longest:
            raise InvalidInput(
                f"A text has {span.stop} tokens.",
                expected=f"at most {longest}, the length of the learned position table",
                fix="cut the text, or use a position family without a longest input",
            )
        if span.places is None:
            return Effects(added=self.table[span.start : span.stop])
        places = span.queries()
        if bool((places != places.round()).any()) or float(places[-1]) >= longest:
            raise InvalidInput(
                f"The places reach {float(places[-1]):g}.",
                expected=f"whole numbers below {longest}, the length of the learned position table",
                fix="round the places, make the table longer, or use a continuous family such as FLOATER",
            )
        return Effects(added=self.table[places.long()])

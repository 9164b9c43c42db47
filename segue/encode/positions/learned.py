"""A learned table of positions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Span
from segue.errors import InvalidInput


class LearnedPositions(nn.Module):
    """A table of one vector a position, added to the token vectors (Devlin et al. 2019, BERT).

    Where the table ends, its first `repeats` rows begin anew, at the second: the first has only ever stood for [CLS]. A text of
    any length can then be read; tokens of one row are left for another family to tell apart, see `FloaterPositions`. With 0
    nothing stands beyond the table.
    """

    def __init__(self, longest: int, width: int, *, repeats: int = 0) -> None:
        super().__init__()
        if repeats and not 2 <= repeats <= longest:
            raise InvalidInput(
                f"Of a table of {longest} rows, {repeats} are to be repeated.",
                expected="two rows or more, and no more than there are",
            )
        self.table = nn.Parameter(torch.randn(longest, width) * 0.02)
        self.repeats = repeats

    def extra_repr(self) -> str:
        return f"repeats={self.repeats}" if self.repeats else ""

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """Raises `InvalidInput` for a text longer than the table, and for places that are not whole numbers."""
        longest = self.table.shape[0]
        if span.stop > longest and not self.repeats:
            raise InvalidInput(
                f"A text has {span.stop} tokens.",
                expected=f"at most {longest}, the length of the learned position table",
                fix="cut the text, or use a position family without a longest input",
            )
        if span.places is None and span.stop <= longest:
            return Effects(added=self.table[span.start : span.stop])
        places = span.queries()
        if bool((places != places.round()).any()) or (float(places[-1]) >= longest and not self.repeats):
            raise InvalidInput(
                f"The places reach {float(places[-1]):g}.",
                expected=f"whole numbers below {longest}, the length of the learned position table",
                fix="round the places, make the table longer, or use a continuous family such as FLOATER",
            )
        rows = places.long()
        if self.repeats:
            rows = torch.where(rows < longest, rows, (rows - longest) % (self.repeats - 1) + 1)
        return Effects(added=self.table[rows])

"""Any family, trained at random places."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segue.encode.positions.effects import Effects, Positions, Span
from segue.errors import InvalidInput


class RandomisedPositions(nn.Module):
    """While training, the n tokens of a batch stand at n sorted random places out of 0 … `reach` − 1 (Ruoss et al. 2023,
    section 3), so that every place of a text `reach` tokens long is met with short texts.

    `inner` is any family that takes places: a learned table needs `reach` rows; FLOATER is native to it, and there `whole`
    may be False: real numbers instead of whole ones. The draw is by torch's generator: `torch.manual_seed` repeats it.
    Where we differ: the authors draw in evaluation too. Here a text is spread evenly over the range then, the mean of the
    draws, so that the same text gives the same answer. Step-by-step decoding does not know how long its text will be:
    with `horizon`, every text is spread as one of `horizon` tokens would be.
    """

    def __init__(self, inner: Positions, *, reach: int, horizon: int | None = None, whole: bool = True) -> None:
        super().__init__()
        self.inner, self.reach, self.horizon, self.whole = inner, reach, horizon, whole

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """Raises `InvalidInput` for a text longer than the range, for places given from outside, and without `horizon` for
        step-by-step decoding."""
        longest = self.horizon or self.reach
        if span.stop > longest:
            raise InvalidInput(
                f"A text has {span.stop} tokens.",
                expected=f"at most {longest}, the range of the random places",
                fix="train with a larger reach or horizon",
            )
        if span.places is not None:
            raise InvalidInput(
                "Places were passed to a family that draws its own.", fix="use the inner family for that"
            )
        places = self._draw(span) if self.training else self._spread(span)
        return self.inner.at(Span(span.start, span.stop, span.like, places), own)

    def _draw(self, span: Span) -> Tensor:
        if span.start:
            raise InvalidInput("A text is decoded step by step while training.", fix="call .eval() first")
        if self.whole:
            return torch.randperm(self.reach)[: span.stop].sort().values.double()
        return (torch.rand(span.stop, dtype=torch.float64) * (self.reach - 1)).sort().values

    def _spread(self, span: Span) -> Tensor:
        if span.start and self.horizon is None:
            raise InvalidInput(
                "Random positions without a horizon cannot be decoded step by step.",
                expected="the number of tokens over which the range is spread",
                fix="pass horizon=, the longest text to be decoded",
            )
        spread = torch.arange(span.stop, dtype=torch.float64) * (
            (self.reach - 1) / max(1, (self.horizon or span.stop) - 1)
        )
        return spread.floor() if self.whole else spread

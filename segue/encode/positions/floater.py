"""FLOATER: positions as a continuous dynamical system, in the biases of every block."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.encode.dynamics.biases import BiasDynamics
from segue.encode.dynamics.flow import Flow
from segue.encode.dynamics.parallel import Parallel
from segue.encode.positions.effects import Effects, Positions, Span
from segue.errors import InvalidInput


class FloaterPositions(nn.Module):
    """The biases of queries, keys and values move along a learned differential equation (Liu et al. 2020, equations 4 and 5).

    Places may be any increasing numbers. `base` is the family that the model was trained with, kept as it is: FLOATER changes
    the biases only. For a look at another text (`Transformer(reading=…)`) the same class gives queries their biases by
    the place in the text that looks, keys and values by the place in the text looked at.

    Time begins at place `since`: up to there nothing moves, and texts that end there cost nothing. A model with a table of
    positions is so carried on past it, and stays what it was inside.

    >>> from segue.encode.dynamics.flow import Flow
    >>> from segue.encode.dynamics.sequential import Sequential
    >>> positions = FloaterPositions(BiasDynamics(Flow(8), Sequential(step=0.02)))
    >>> sum(parameter.numel() for parameter in positions.parameters()) == 2 * (8 * 9 + 8)
    True
    """

    def __init__(self, dynamics: BiasDynamics, *, base: Positions | None = None, since: int = 0) -> None:
        super().__init__()
        if since < 0:
            raise InvalidInput(f"Time begins at place {since}.", expected="0 or above")
        self.dynamics, self.base, self.since = dynamics, base, since

    def extra_repr(self) -> str:
        return f"since={self.since}" if self.since else ""

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        effects = Effects() if self.base is None else self.base.at(span, own)
        if span.places is not None:
            moved = (span.places - self.since).clamp(min=0)
            return effects.with_biases(self.dynamics.offsets(span.stop, own(), moved)[:, span.start :])
        later = span.stop - self.since
        if later <= 1 and self.since:
            return effects
        offsets = self.dynamics.offsets(later, own())
        return effects.with_biases(functional.pad(offsets, (0, 0, self.since, 0))[:, span.start :])


def flowing(
    width: int,
    base: Positions | None,
    *,
    spacing: float = 0.1,
    stride: int = 2,
    scale: float = 0.01,
    bound: float | None = None,
    decay: float = 0.0,
    since: int = 0,
) -> FloaterPositions:
    """FLOATER over `base` as here recommended: all places solved at once, a node every `stride` tokens, `spacing` apart.

    `scale`, `bound` and `decay` are the flow's, see `Flow`.
    """
    flow = Flow(width, scale=scale, bound=bound, decay=decay)
    return FloaterPositions(BiasDynamics(flow, Parallel(stride * spacing), spacing=spacing), base=base, since=since)


class GridFloaterPositions(nn.Module):
    """FLOATER in two dimensions: tokens in reading order on a grid `columns` wide; b(r, c) = b(0) + ∫₀ʳ h₁ + ∫₀ᶜ h₂.

    The two axes' integrals are added, not taken one after the other: the result does not depend on which axis comes first,
    costs two short solves for a grid of any size, and a place keeps its bias when the grid grows. What it gives up is an
    interplay of row and column inside the biases; attention makes that from their sum.
    """

    def __init__(
        self, down: BiasDynamics, across: BiasDynamics, *, columns: int, base: Positions | None = None
    ) -> None:
        super().__init__()
        if columns < 1:
            raise InvalidInput(f"The grid has {columns} columns.", expected="1 or more")
        self.down, self.across, self.columns, self.base = down, across, columns, base

    def at(self, span: Span, own: Callable[[], Tensor]) -> Effects:
        """Raises `InvalidInput` for places that are not 0, 1, 2, …: a token's place is its number in reading order."""
        if span.places is not None:
            raise InvalidInput(
                "Places were passed to a family on a grid.", fix="leave them out, or use FloaterPositions"
            )
        effects = Effects() if self.base is None else self.base.at(span, own)
        numbers, initial = torch.arange(span.start, span.stop, device=span.like.device), own()
        down = self.down.offsets(-(-span.stop // self.columns), initial)
        across = self.across.offsets(min(span.stop, self.columns), initial)
        return effects.with_biases(down[:, numbers // self.columns] + across[:, numbers % self.columns])

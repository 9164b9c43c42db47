"""Forward-compatible training: what is stored beside a vector today lets tomorrow's model make its own vector of it.

Source: FCT, Ramanujan et al., "Forward Compatible Training for Large-Scale Embedding Retrieval Systems" (CVPR 2022). The old
vector alone does not hold what a better model would see; a small *side* vector, kept when an item is indexed, holds some of the
rest. A transformation h(old, side) → new is trained later on items that both models have embedded, and the stored items pass
through it: none is embedded anew. Where we differ: the side vector may be anything that is cheap to keep (the paper trains an
unsupervised image model for it): of texts, a table of tokens does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.errors import InvalidInput


class ForwardTransformation(nn.Module):
    """h(old [n, d_old], side [n, d_side]) → vectors of the new model's space at unit length, [n, d_new].

    Each input passes through a layer of its own, then both together through two. A linear map of both goes around these, so
    that a transformation that has learned nothing else is at least the best linear one (`start`); the paper's has none.
    """

    def __init__(self, old: int, side: int, new: int, *, hidden: int = 512) -> None:
        super().__init__()
        if min(old, new, hidden) < 1 or side < 0:
            raise InvalidInput(
                f"The widths are {old}, {side} and {new}, hidden {hidden}.",
                expected="1 or more; side may be 0, for none",
            )
        self.straight = nn.Linear(old + side, new)
        self.of_old, self.of_side = nn.Linear(old, hidden), nn.Linear(side, hidden) if side else None
        self.mixed = nn.Sequential(
            nn.LayerNorm(hidden * (2 if side else 1)),
            nn.Linear(hidden * (2 if side else 1), hidden),
            nn.GELU(),
            last := nn.Linear(hidden, new),
        )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, old: Tensor, side: Tensor | None = None) -> Tensor:
        """Raises `InvalidInput` where side vectors are missing, or there are some and none were expected."""
        if (side is None) != (self.of_side is None):
            raise InvalidInput(
                "There are no side vectors." if side is None else "There are side vectors.",
                expected="some, as the transformation was made for" if side is None else "none",
            )
        if side is None or self.of_side is None:
            both, hidden = old, self.of_old(old)
        else:
            both, hidden = torch.cat([old, side], dim=1), torch.cat([self.of_old(old), self.of_side(side)], dim=1)
        return functional.normalize(self.straight(both) + self.mixed(hidden), dim=1)

    @torch.no_grad()
    def start(self, old: Tensor, side: Tensor | None, new: Tensor, *, penalty: float = 1.0) -> None:
        """Begin at the ridge regression of the new vectors [n, d_new] of the items."""
        both = old if side is None else torch.cat([old, side], dim=1)
        mean, target = both.mean(dim=0), new.mean(dim=0)
        centred = (both - mean).double()
        square = centred.T @ centred + penalty * torch.eye(centred.shape[1], dtype=torch.float64)
        weight = torch.linalg.solve(square, centred.T @ (new - target).double()).T.to(both.dtype)
        self.straight.weight.copy_(weight)
        self.straight.bias.copy_(target - weight @ mean)


def forward_loss(made: Tensor, new: Tensor) -> Tensor:
    """Mean squared distance of what the transformation makes, [b, d], to the new model's vectors at unit length (FCT, equation
    4)."""
    return (made - functional.normalize(new, dim=1)).pow(2).sum(dim=1).mean()

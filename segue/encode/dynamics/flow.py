"""The dynamics h of FLOATER (Liu et al. 2020, section 3.3), its value and its derivatives.

Shapes: `g` nodes in time, `r` rows (a block's queries, keys or values each), `d` width. Times are in the equation's own unit,
in which tokens stand Δ apart. Rows are given as `anchor` [r, d], where they start, and offsets from it [g, r, d].
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segue.errors import InvalidInput

Gradients = tuple[Tensor, Tensor, Tensor, Tensor]
Pulled = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation keeps for its derivative: times [g], states, hidden layer and, where the flow is bounded, the slope
    of the bound, [g, r, d] each."""

    times: Tensor
    states: Tensor
    hidden: Tensor
    slope: Tensor | None


class Flow(nn.Module):
    """h(t, p) = W2 [ReLU(W1 [p; t] + b1); t] + b2, hidden width d: 2(d(d + 1) + d) parameters, for all rows the same.

    `scale` multiplies the initial W2: 0 is no dynamics at all, so that a warm start is exactly the model it started from;
    W2 learns from there. Two things beyond the paper keep p from growing without end, as ReLU is linear far from what was
    trained: h is passed through `bound` · tanh(h / bound), and `decay` · (p − p(0)) is taken from it. With both,
    |p(t) − p(0)| ≤ bound / decay for every t.
    """

    def __init__(self, width: int, *, scale: float = 1.0, bound: float | None = None, decay: float = 0.0) -> None:
        super().__init__()
        if decay < 0 or (bound is not None and bound <= 0):
            raise InvalidInput(
                f"The flow has bound {bound} and decay {decay}.", expected="a bound above 0, a decay of 0 or above"
            )
        self.width, self.bound, self.decay = width, bound, decay
        self.inward = nn.Linear(width + 1, width)
        self.outward = nn.Linear(width + 1, width)
        for layer in (self.inward, self.outward):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.outward.weight *= scale

    def extra_repr(self) -> str:
        return f"bound={self.bound}, decay={self.decay}"

    def forward(self, times: Tensor, anchor: Tensor, offsets: Tensor) -> Tensor:
        """dp/dt at times [g], of rows that started at `anchor` [r, d] and are `offsets` [g, r, d] from it: [g, r, d]."""
        pushed, _ = self.push(times, anchor + offsets)
        return pushed - self.decay * offsets if self.decay else pushed

    def along(self, times: Tensor, anchor: Tensor) -> Callable[[int, Tensor], Tensor]:
        """The same, one time after the other: number in `times` [g], offsets [r, d] → dp/dt [r, d], without overhead."""
        first, last = (self._shift(layer, times).unbind() for layer in (self.inward, self.outward))
        into, out = self.inward.weight[:, :-1].T, self.outward.weight[:, :-1].T

        def slope(number: int, offsets: Tensor) -> Tensor:
            pushed = torch.addmm(last[number], torch.addmm(first[number], anchor + offsets, into).relu(), out)
            if self.bound is not None:
                pushed = torch.tanh(pushed / self.bound) * self.bound
            return torch.sub(pushed, offsets, alpha=self.decay) if self.decay else pushed

        return slope

    def push(self, times: Tensor, states: Tensor) -> tuple[Tensor, Evaluated]:
        """The learned part of dp/dt, without decay, at states [g, r, d], and what its derivative needs."""
        hidden = torch.relu(self._affine(self.inward, times, states))
        pushed, slope = self._affine(self.outward, times, hidden), None
        if self.bound is not None:
            squashed = torch.tanh(pushed / self.bound)
            pushed, slope = squashed * self.bound, 1 - squashed * squashed
        return pushed, Evaluated(times, states, hidden, slope)

    def pull(self, kept: Evaluated, cotangent: Tensor) -> Pulled:
        """Vᵀ ∂push/∂p for V [g, r, d]; also what reached the two layers, from which `gradients` are made."""
        outer = cotangent if kept.slope is None else cotangent * kept.slope
        # Of what came out of a ReLU, the sign is its derivative.
        inner = (outer @ self.outward.weight[:, :-1]) * kept.hidden.sign()
        return inner @ self.inward.weight[:, :-1], inner, outer

    def gradients(self, kept: Evaluated, inner: Tensor, outer: Tensor) -> Gradients:
        """Vᵀ ∂push/∂θ, in the order of `parameters()`, from what `pull` returned for all nodes."""
        found = []
        for reached, entered in ((inner, kept.states), (outer, kept.hidden)):
            rows = reached.reshape(-1, self.width)
            weight = rows.T @ entered.reshape(-1, self.width)
            by_time = reached.sum(dim=1)
            found += [torch.cat([weight, (kept.times @ by_time)[:, None]], dim=1), by_time.sum(dim=0)]
        return found[0], found[1], found[2], found[3]

    def _affine(self, layer: nn.Linear, times: Tensor, rows: Tensor) -> Tensor:
        """`layer` of [rows; t], without laying the two out beside each other."""
        product: Tensor = rows @ layer.weight[:, :-1].T
        product += self._shift(layer, times)[:, None, :]
        return product

    def _shift(self, layer: nn.Linear, times: Tensor) -> Tensor:
        return torch.addcmul(layer.bias, times[:, None], layer.weight[:, -1])

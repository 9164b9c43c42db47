"""Few-shot fine-tuning solved exactly, with what every example did to it: influence, leave-one-out, removal without training.

Source: Achille et al., "LQF: Linear Quadratic Fine-Tuning" (CVPR 2021); leave-one-out of ridge regression in closed form by
Allen's PRESS (1974), here a block of c rows for each example. With J the Jacobian of all n·c outputs and K = JJᵀ the tangent
kernel,

    Δw = Jᵀ α,        α = (K + λ1)⁻¹ (targets − f_w0),

minimises Σ ‖f − target‖² + λ‖Δw‖², the loss of `segue.evolve.linear.fit`. With M = (K + λ1)⁻¹, leaving out example i takes
M[:, i] M[i, i]⁻¹ α[i] from α: no training, and no approximation.

Cost: n·c rows as long as the model's weights, and a matrix [n·c, n·c]; for n·c up to some thousands.
Shapes: n examples, m others, c outputs, P weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segue.errors import InvalidInput
from segue.evolve.linear import Linearised, Weights, parts


@dataclass(frozen=True, slots=True)
class Solution:
    """The optimum of n examples: `dual` α [n, c] and `change` Δw; behind it `rows` J [n·c, P] and `inverse` M [n·c, n·c]."""

    linear: Linearised
    targets: Tensor
    at_rest: Tensor = field(repr=False)
    rows: Tensor = field(repr=False)
    inverse: Tensor = field(repr=False)
    dual: Tensor = field(repr=False)

    @property
    def change(self) -> Weights:
        """Δw = Jᵀα, for `linear(inputs, change)`."""
        flat = self.dual.flatten().to(self.rows.dtype) @ self.rows
        found, start = {}, 0
        for name, value in self.linear.weights.items():
            found[name] = flat[start : start + value.numel()].reshape(value.shape)
            start += value.numel()
        return found

    def leave_one_out(self) -> Tensor:
        """What each example is answered by the optimum of all the others: [n, c]."""
        return torch.stack(
            [
                target - torch.linalg.solve(self._block(place), dual).to(target.dtype)
                for place, (target, dual) in enumerate(zip(self.targets, self.dual, strict=True))
            ]
        )

    def influence(self, inputs: Tensor) -> Tensor:
        """What leaving out each of n examples adds to the outputs of m others: [n, m, c]."""
        kernel = tangent_rows(self.linear, inputs).double() @ self.rows.double().T  # [m·c, n·c]
        spread = kernel @ self.inverse
        examples, outputs = self.dual.shape
        return torch.stack(
            [
                -(spread[:, self._span(place)] @ torch.linalg.solve(self._block(place), self.dual[place]))
                .reshape(len(inputs), outputs)
                .to(self.targets.dtype)
                for place in range(examples)
            ]
        )

    def influence_on_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """What leaving out each of n examples adds to the squared loss of m others: [n, m]."""
        outputs = self.linear.predict(inputs, self.change)
        before = (outputs - targets).square().sum(dim=-1)
        return (outputs + self.influence(inputs) - targets).square().sum(dim=-1) - before

    def without(self, places: Sequence[int]) -> "Solution":
        """The optimum without those examples, as if they had never been there: by block inversion, not by training.

        Raises `InvalidInput` for places that do not exist or are named twice, and when none is left.
        """
        examples, outputs = self.dual.shape
        if len(set(places)) != len(places) or not all(0 <= place < examples for place in places):
            raise InvalidInput(
                f"Examples {list(places)} are to be removed of {examples}.", expected="different places from 0"
            )
        if len(places) == examples:
            raise InvalidInput("All examples are to be removed.", expected="at least one that is left")
        left = [place for place in range(examples) if place not in set(places)]
        kept, gone = _spans(left, outputs), _spans(places, outputs)
        crossing = self.inverse[kept][:, gone]
        correction = torch.linalg.solve(self.inverse[gone][:, gone], crossing.T)
        inverse = self.inverse[kept][:, kept] - crossing @ correction
        return _solution(self.linear, self.targets[left], self.at_rest[left], self.rows[kept], inverse)

    def _span(self, place: int) -> slice:
        outputs = self.dual.shape[1]
        return slice(place * outputs, (place + 1) * outputs)

    def _block(self, place: int) -> Tensor:
        span = self._span(place)
        return self.inverse[span, span]


def solve(linear: Linearised, inputs: Tensor, targets: Tensor, *, ridge: float) -> Solution:
    """The Δw that minimises Σ ‖f − target‖² + `ridge`·‖Δw‖²: inputs [n, …], targets [n, c].

    Raises `InvalidInput` when shapes do not match, there are no examples, a target is no number, or ridge is not above 0.

    >>> linear = Linearised(torch.nn.Linear(2, 1), centred=True)
    >>> found = solve(linear, torch.eye(2), torch.tensor([[1.0], [-1.0]]), ridge=1.0)
    >>> [round(value, 3) for value in linear(torch.eye(2), found.change).flatten().tolist()]
    [0.5, -0.5]
    """
    if targets.ndim != 2 or len(inputs) != len(targets) or not len(targets):
        raise InvalidInput(
            f"{len(inputs)} inputs and targets of the shape {tuple(targets.shape)}.", expected="[n, c], n at least 1"
        )
    if not bool(torch.isfinite(targets).all()):
        raise InvalidInput("A target is not a number.", expected="finite targets")
    if not ridge > 0:
        raise InvalidInput(f"ridge is {ridge}.", expected="more than 0")
    at_rest = linear.at_rest(inputs)
    if at_rest.shape != targets.shape:
        raise InvalidInput(
            f"The model has {at_rest.shape[1]} outputs, the targets {targets.shape[1]}.", expected="as many"
        )
    rows = tangent_rows(linear, inputs)
    kernel = rows.double() @ rows.double().T
    if not bool(torch.isfinite(kernel).all()):
        raise InvalidInput("The model's slopes are not numbers for some input.", expected="finite inputs and weights")
    shrunk = kernel + ridge * torch.eye(len(kernel), dtype=kernel.dtype)
    return _solution(linear, targets, at_rest, rows, torch.linalg.inv(shrunk))


def tangent_rows(linear: Linearised, inputs: Tensor, *, batch: int = 50) -> Tensor:
    """The Jacobian as rows, [n·c, P]: rows of an example stand together, weights in the model's order."""
    found = []
    for part in parts(inputs, batch):
        slopes = linear.jacobian(part)
        found.append(torch.cat([slopes[name].flatten(2) for name in linear.weights], dim=2).flatten(0, 1))
    return torch.cat(found)


def _solution(linear: Linearised, targets: Tensor, at_rest: Tensor, rows: Tensor, inverse: Tensor) -> Solution:
    dual = inverse @ (targets - at_rest).double().flatten()
    return Solution(linear, targets, at_rest, rows, inverse, dual.reshape(targets.shape))


def _spans(places: Sequence[int], outputs: int) -> list[int]:
    return [place * outputs + column for place in places for column in range(outputs)]

"""A flow and its solver as the biases of every block (Liu et al. 2020, equations 4 and 5)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from segue.encode.dynamics.flow import Flow
from segue.errors import InvalidInput


class Solver(Protocol):
    """What integrates a flow."""

    def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
        """Offsets from `anchor` [r, d] at increasing `times` [n] ≥ 0: [n, r, d]. Zero at time 0."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """Biases [N, n, 3d] of the first n places, and what they were made from."""

    biases: Tensor
    own: Tensor
    versions: tuple[tuple[int, int], ...]


class BiasDynamics(nn.Module):
    """b⁽ⁿ⁾(t) − b⁽ⁿ⁾(0) = ∫₀ᵗ h(τ, b⁽ⁿ⁾(τ)) dτ of the queries, keys and values of all N blocks: one flow, solved for all 3N rows
    in one batch. A block's initial value b⁽ⁿ⁾(0) is its own bias, so with h = 0 nothing is changed.

    Tokens stand `spacing` (the paper's Δ) apart. Where gradients are off, the biases are stored, and made anew only when a
    parameter has changed or a text is longer than any before. While training they are solved for at every step, or, as
    in the paper, at every `every`-th: then the steps between use what was found last, and teach the flow nothing. Unlike the
    authors' code, the blocks' own biases learn at those steps too.
    """

    def __init__(self, flow: Flow, solver: Solver, *, spacing: float = 0.1, every: int = 1) -> None:
        super().__init__()
        if spacing <= 0 or every < 1:
            raise InvalidInput(
                f"The spacing is {spacing} and every is {every}.", expected="a spacing above 0, every of 1 or more"
            )
        self.flow, self.solver, self.spacing, self.every = flow, solver, spacing, every
        self._steps = 0
        self._stored: Stored | None = None
        self._stale: Tensor | None = None

    def extra_repr(self) -> str:
        return f"spacing={self.spacing}"

    def offsets(self, length: int, own: Tensor, places: Tensor | None = None) -> Tensor:
        """b(t) − b(0) at the first `length` places, or at increasing `places` [length]: [N, length, 3d].

        `own` [N, 3, d] are the initial values. Raises `InvalidInput` where its width is not the flow's.
        """
        if own.shape[-1] != self.flow.width:
            raise InvalidInput(
                f"The flow is {self.flow.width} wide and the blocks {own.shape[-1]}.", expected="one width"
            )
        if places is not None:
            return self._solve(own, places)
        if not torch.is_grad_enabled():
            return self._kept(length, own).biases[:, :length]
        if not (self.training and self.every > 1):
            return self._solve(own, self._places(length, own))
        return self._scheduled(length, own)

    def log_largest(self, length: int, own: Tensor) -> Tensor:
        """log max |b(t)| at the first `length` places, float [length]: whether the flow stays in bounds far from training."""
        with torch.no_grad():
            biases = self._solve(own, self._places(length, own)) + own.flatten(1)[:, None]
            return biases.abs().amax(dim=(0, 2)).log()

    def _scheduled(self, length: int, own: Tensor) -> Tensor:
        due = self._steps % self.every == 0
        self._steps += 1
        if due or self._stale is None or self._stale.shape[1] < length:
            longest = length if self._stale is None else max(length, self._stale.shape[1])
            found = self._solve(own, self._places(longest, own))
            self._stale = found.detach()
            return found[:, :length]
        return self._stale[:, :length]

    def _kept(self, length: int, own: Tensor) -> Stored:
        versions = tuple((parameter.data_ptr(), parameter._version) for parameter in self.flow.parameters())
        stored = self._stored
        if (
            stored is None
            or stored.biases.shape[1] < length
            or stored.versions != versions
            or stored.own.dtype != own.dtype
            or not torch.equal(stored.own, own)
        ):
            # Twice as far as asked, so that step-by-step decoding does not solve anew at every step.
            ahead = length if stored is None else 2 * length
            stored = Stored(self._solve(own, self._places(max(64, ahead), own)), own.detach().clone(), versions)
            self._stored = stored
        return stored

    def _places(self, length: int, own: Tensor) -> Tensor:
        return torch.arange(length, dtype=torch.float64, device=own.device)

    def _solve(self, own: Tensor, places: Tensor) -> Tensor:
        blocks, parts, width = own.shape
        found = self.solver.solve(self.flow, own.reshape(blocks * parts, width), places.double() * self.spacing)
        return found.view(len(places), blocks, parts * width).transpose(0, 1).contiguous()

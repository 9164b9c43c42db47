"""Explicit Runge–Kutta on a fixed grid, one step after the other, and its exact adjoint."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segue.encode.dynamics.flow import Evaluated, Flow
from segue.encode.dynamics.interpolation import at_times, steps_to
from segue.errors import InvalidInput

Method = Literal["rk4", "midpoint"]

_STAGES: dict[Method, list[tuple[float, float]]] = {
    "rk4": [(0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)],
    "midpoint": [(0.0, 0.0), (0.5, 1.0)],
}
"""Of each stage: how much of the step lies before it, which is also how far it goes along the stage before; its weight."""


class Sequential:
    """Runge–Kutta 4 or midpoint with steps of `step`; the paper's is a fifth of Δ.

    The gradient is that of the discrete recurrence, exact in both ways. `adjoint` keeps the nodes only and works the steps out
    again on the way back: a = a ∂Φ/∂p from the last node to the first, the discrete form of the paper's a' = −aᵀ ∂h/∂p.
    `autodiff` keeps everything and goes through torch's graph. The authors' code integrates the state backwards as well,
    which drifts from the trajectory that the loss has seen; here the nodes are kept.
    """

    def __init__(
        self, step: float, *, method: Method = "rk4", gradient: Literal["adjoint", "autodiff"] = "adjoint"
    ) -> None:
        if step <= 0 or method not in _STAGES or gradient not in ("adjoint", "autodiff"):
            raise InvalidInput(
                f"The solver has step {step}, method {method!r} and gradient {gradient!r}.",
                expected=f"a step above 0, a method out of {', '.join(_STAGES)}, adjoint or autodiff",
            )
        self.step, self.method, self.gradient = step, method, gradient

    def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
        """Offsets from `anchor` [r, d] at increasing `times` [n] ≥ 0: [n, r, d]. Zero at time 0."""
        nodes = self.trajectory(flow, anchor, steps_to(float(times[-1]), self.step))
        return at_times(times, nodes, lambda: flow(self.grid(nodes), anchor, nodes), self.step)

    def trajectory(self, flow: Flow, anchor: Tensor, count: int) -> Tensor:
        """The nodes at 0, step, …, count · step: [count + 1, r, d]."""
        if self.gradient == "autodiff":
            return _unrolled(flow, self.step, self.method, count, anchor)
        nodes: Tensor = _Adjoint.apply(  # type: ignore[no-untyped-call]
            flow, self.step, self.method, count, anchor, *flow.parameters()
        )
        return nodes

    def grid(self, nodes: Tensor) -> Tensor:
        """The times of the nodes."""
        return torch.arange(len(nodes), dtype=nodes.dtype, device=nodes.device) * self.step


def _unrolled(flow: Flow, step: float, method: Method, count: int, anchor: Tensor) -> Tensor:
    halves = torch.arange(2 * count + 1, dtype=anchor.dtype, device=anchor.device) * (step / 2)
    slope_at = flow.along(halves, anchor)
    nodes = [torch.zeros_like(anchor)]
    for number in range(count):
        start = moved = nodes[-1]
        slope = start
        for before, weight in _STAGES[method]:
            slope = slope_at(
                2 * number + int(2 * before), torch.add(start, slope, alpha=before * step) if before else start
            )
            moved = torch.add(moved, slope, alpha=weight * step)
        nodes.append(moved)
    return torch.stack(nodes)


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, flow: Flow, step: float, method: Method, count: int, anchor: Tensor, *parameters: Tensor
    ) -> Tensor:
        nodes = _unrolled(flow, step, method, count, anchor)
        ctx.save_for_backward(anchor, nodes)
        ctx.flow, ctx.step, ctx.stages = flow, step, _STAGES[method]
        return nodes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, reached: Tensor) -> Any:
        anchor, nodes = ctx.saved_tensors
        flow, step = ctx.flow, ctx.step
        kept = _linearised(flow, step, ctx.stages, anchor, nodes[:-1])
        pulls = [_Pull(flow, stage) for stage in kept]
        by_anchor, total = torch.zeros_like(anchor), torch.zeros_like(anchor)
        for number in range(len(nodes) - 2, -1, -1):
            total = total + reached[number + 1]
            carried, later = total, torch.zeros_like(anchor)
            for (before, weight), pull in zip(reversed(ctx.stages), reversed(pulls), strict=True):
                slope = torch.add(later, carried, alpha=weight * step)
                pulled = pull(number, slope)
                by_anchor += pulled
                turned = torch.sub(pulled, slope, alpha=flow.decay) if flow.decay else pulled
                total = total + turned
                later = turned * (before * step)
        found = [flow.gradients(stage, *pull.reached) for stage, pull in zip(kept, pulls, strict=True)]
        return None, None, None, None, by_anchor, *(torch.stack(parts).sum(dim=0) for parts in zip(*found, strict=True))


class _Pull:
    """`Flow.pull` of one node at a time, which keeps what reached the two layers, [g, r, d] each."""

    def __init__(self, flow: Flow, kept: Evaluated) -> None:
        self.into, self.out = flow.inward.weight[:, :-1], flow.outward.weight[:, :-1]
        self.masks = kept.hidden.sign().unbind()
        self.slopes = None if kept.slope is None else kept.slope.unbind()
        self.reached = torch.empty_like(kept.hidden), torch.empty_like(kept.hidden)
        self._inner, self._outer = (part.unbind() for part in self.reached)

    def __call__(self, number: int, cotangent: Tensor) -> Tensor:
        outer = cotangent if self.slopes is None else cotangent * self.slopes[number]
        inner = torch.mm(outer, self.out).mul_(self.masks[number])
        self._inner[number].copy_(inner)
        self._outer[number].copy_(outer)
        return torch.mm(inner, self.into)


def _linearised(
    flow: Flow, step: float, stages: list[tuple[float, float]], anchor: Tensor, nodes: Tensor
) -> list[Evaluated]:
    """Every stage of every step at once, as the nodes are known."""
    found, slope = [], torch.zeros_like(nodes)
    numbers = torch.arange(len(nodes), dtype=anchor.dtype, device=anchor.device)
    for before, _ in stages:
        offsets = nodes + before * step * slope
        pushed, kept = flow.push((numbers + before) * step, anchor + offsets)
        slope = pushed - flow.decay * offsets
        found.append(kept)
    return found

"""The whole trajectory at once: sweeps over an implicit equation instead of one step after the other.

The trajectory u(t) = p(t) − p(0) solves u = ∫ h. On a grid of nodes the integral becomes a matrix, by Simpson's rule and its
half (Lobatto IIIA of order 4 on every pair of intervals): u = E s + K h(u), with s the value where a window begins. One sweep
evaluates h at all nodes of the window in one product and puts the result in again (Picard). DEER (Lim et al. 2024)
takes Newton's steps, whose matrix of d × d a node would cost more here than all the sweeps it saves; what of the derivative is
known without it, the decay, is inside E and K. Windows keep the sweeps few: their number grows with the time a window spans,
their cost does not depend on it.

Sweeps start from the trajectory of the last call, which while training is nearly the new one. The gradient is exact: by the
implicit function theorem the adjoint solves λ = g + (∂h/∂u)ᵀ Kᵀ λ, by the same sweeps, at the converged trajectory.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segue.encode.dynamics.flow import Evaluated, Flow, Pulled
from segue.encode.dynamics.interpolation import at_times, steps_to
from segue.encode.dynamics.sequential import Sequential
from segue.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Report:
    """Of the last call: sweeps and adjoint sweeps of the window that took most, and whether it fell back."""

    sweeps: int = 0
    pulls: int = 0
    fell_back: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Nodes `start` … `stop` of the grid, the first known: E [m], K [m, m + 1] of the equation, and what was found."""

    start: int
    stop: int
    carry: Tensor
    integral: Tensor
    kept: Evaluated


class Parallel:
    """Simpson's rule on a grid of `step`, solved by sweeps until no node moves by more than `tolerance` (relative to 1 or its
    largest offset), the adjoint's by ten times that, relative to the largest. One evaluation a node and sweep, where
    Runge–Kutta 4 takes four.

    `window` intervals, an even number, are solved together. Where `most` sweeps are not enough the call falls back
    on `Sequential` Runge–Kutta 4 with the same step: another discretisation of the same order, with its own exact gradient.
    `report` says what the last call took.
    """

    def __init__(self, step: float, *, window: int = 16, tolerance: float = 1e-5, most: int = 20) -> None:
        if step <= 0 or window < 2 or window % 2 or tolerance <= 0 or most < 1:
            raise InvalidInput(
                f"The solver has step {step}, window {window}, tolerance {tolerance} and at most {most} sweeps.",
                expected="a step and a tolerance above 0, an even window, one sweep or more",
            )
        self.step, self.window, self.tolerance, self.most = step, window, tolerance, most
        self.report = Report()
        self._fallback = Sequential(step)
        self._last: Tensor | None = None

    def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
        """Offsets from `anchor` [r, d] at increasing `times` [n] ≥ 0: [n, r, d]. Zero at time 0."""
        count = steps_to(float(times[-1]), self.step)
        nodes, slopes = self.trajectory(flow, anchor, count + count % 2)
        return at_times(times, nodes, lambda: slopes, self.step)

    def trajectory(self, flow: Flow, anchor: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The nodes at 0, step, …, count · step, `count` even, and their slopes, [count + 1, r, d] both."""
        # Where nothing learns, from nothing: then the same call gives the same result whatever was called before.
        last = self._last if torch.is_grad_enabled() else None
        with torch.no_grad():
            solved = self._swept(flow, anchor, count, last)
        if solved is None:
            self.report = Report(self.most, 0, fell_back=True)
            nodes = self._fallback.trajectory(flow, anchor, count)
            return nodes, flow(self._fallback.grid(nodes), anchor, nodes)
        nodes, slopes, windows = solved
        if torch.is_grad_enabled():
            self._remember(nodes)
        found: tuple[Tensor, Tensor] = _Implicit.apply(  # type: ignore[no-untyped-call]
            self, flow, windows, nodes, slopes, anchor, *flow.parameters()
        )
        return found

    def _remember(self, nodes: Tensor) -> None:
        """Keep the trajectory as the next guess; of a longer one before, what lies beyond."""
        last = self._last
        if last is not None and last.shape[1:] == nodes.shape[1:] and len(last) > len(nodes):
            self._last = torch.cat([nodes, last[len(nodes) :].to(nodes)])
        else:
            self._last = nodes.clone()

    def _swept(
        self, flow: Flow, anchor: Tensor, count: int, last: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Window]] | None:
        """Nodes, slopes and windows, or None where sweeps did not converge."""
        times = torch.arange(count + 1, dtype=anchor.dtype, device=anchor.device) * self.step
        nodes = anchor.new_zeros(count + 1, *anchor.shape)
        slopes, windows, used = torch.zeros_like(nodes), [], 0
        sizes = {min(self.window, count - start) for start in range(0, count, self.window)}
        equations = {size: _equation(size, self.step, flow.decay, anchor) for size in sizes}
        for start in range(0, count, self.window):
            stop = min(start + self.window, count)
            carry, integral = equations[stop - start]
            self._guess(nodes, slopes, start, stop, last)
            for sweep in range(1, self.most + 1):
                used = max(used, sweep)
                pushed, kept = flow.push(times[start : stop + 1], anchor + nodes[start : stop + 1])
                better = torch.tensordot(integral, pushed, 1)
                better.addcmul_(carry[:, None, None], nodes[start])
                # Node by node: where a flow grows fast, its early nodes must not be judged by its late ones.
                largest = better.abs().amax(dim=(1, 2)).clamp(min=1.0)
                moved = (better - nodes[start + 1 : stop + 1]).abs().amax(dim=(1, 2))
                slopes[start : stop + 1] = pushed - flow.decay * nodes[start : stop + 1]
                nodes[start + 1 : stop + 1] = better
                if bool((moved <= self.tolerance * largest).all()):
                    break
            else:
                return None
            windows.append(Window(start, stop, carry, integral, kept))
        self.report = Report(used)
        return nodes, slopes, windows

    def _guess(self, nodes: Tensor, slopes: Tensor, start: int, stop: int, last: Tensor | None) -> None:
        """Fill a window: with the last trajectory, moved to begin where this one does; or straight on along the slope."""
        if last is not None and len(last) > stop and last.shape[1:] == nodes.shape[1:]:
            nodes[start + 1 : stop + 1] = last[start + 1 : stop + 1].to(nodes) + (nodes[start] - last[start].to(nodes))
        else:
            ahead = torch.arange(1, stop - start + 1, dtype=nodes.dtype, device=nodes.device) * self.step
            nodes[start + 1 : stop + 1] = nodes[start] + ahead[:, None, None] * slopes[start]

    def adjoint(self, flow: Flow, window: Window, reached: Tensor, by_slope: Tensor) -> tuple[Tensor, Pulled]:
        """λ = `reached` + (∂h/∂u)ᵀ (Kᵀ λ + `by_slope`) of one window, by sweeps, and what the flow pulled in the last one."""
        found, used = reached, 0
        while True:
            used += 1
            pulled = flow.pull(window.kept, torch.tensordot(window.integral.T, found, 1) + by_slope)
            better = reached + pulled[0][1:]
            moved, largest = float((better - found).abs().max()), float(better.abs().max())
            found = better
            if moved <= 10 * self.tolerance * largest or used == 4 * self.most:
                break
        self.report = replace(self.report, pulls=max(self.report.pulls, used))
        return found, pulled


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        solver: Parallel,
        flow: Flow,
        windows: list[Window],
        nodes: Tensor,
        slopes: Tensor,
        anchor: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.solver, ctx.flow, ctx.windows = solver, flow, windows
        return nodes.view_as(nodes), slopes.view_as(slopes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_nodes: Tensor, by_slopes: Tensor) -> Any:
        flow = ctx.flow
        # A slope is h minus the decay of its node.
        by_nodes = by_nodes - flow.decay * by_slopes
        carried = by_anchor = torch.zeros_like(by_nodes[0])
        found: list[Tensor] = []
        for window in reversed(ctx.windows):
            inside = slice(window.start + 1, window.stop + 1)
            reached, by_slope = by_nodes[inside].clone(), by_slopes[window.start : window.stop + 1].clone()
            reached[-1] += carried
            if found:
                by_slope[-1] = 0  # the slope where two windows meet is the later one's
            adjoint, (pulled, inner, outer) = ctx.solver.adjoint(flow, window, reached, by_slope)
            carried = torch.tensordot(window.carry, adjoint, 1) + pulled[0]
            by_anchor = by_anchor + pulled.sum(dim=0)
            added = flow.gradients(window.kept, inner, outer)
            found = [one + other for one, other in zip(found, added, strict=True)] if found else list(added)
        return None, None, None, None, None, by_anchor, *found


def _equation(count: int, step: float, decay: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """E [m] and K [m, m + 1] of u = E s + K h over `count` intervals, the decay solved for.

    Lobatto IIIA on each pair of intervals: the first node by (5, 8, −1)/12, the second by Simpson's (1, 4, 1)/3.
    """
    pairs = torch.arange(0, count, 2)
    half, whole = torch.zeros(2, count // 2, count + 1, dtype=torch.float64)
    for ahead, (first, second) in enumerate(((5 / 12, 1 / 3), (8 / 12, 4 / 3), (-1 / 12, 1 / 3))):
        half[pairs // 2, pairs + ahead], whole[pairs // 2, pairs + ahead] = first, second
    before = whole.cumsum(dim=0) - whole
    integral = torch.stack([before + half, before + whole], dim=1).reshape(count, count + 1) * step
    carry = 1 - decay * integral[:, 0]
    if decay:
        inverse = torch.linalg.inv(torch.eye(count, dtype=torch.float64) + decay * integral[:, 1:])
        carry, integral = inverse @ carry, inverse @ integral
    return carry.to(like), integral.to(like)

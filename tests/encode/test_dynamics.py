"""The solvers against closed forms and against torch's graph."""

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from segue.encode.dynamics.adaptive import Adaptive
from segue.encode.dynamics.biases import Solver
from segue.encode.dynamics.flow import Flow
from segue.encode.dynamics.interpolation import at_times
from segue.encode.dynamics.parallel import Parallel
from segue.encode.dynamics.sequential import Sequential
from segue.errors import InvalidInput, Unavailable

BOUNDS: list[dict[str, float]] = [{}, {"decay": 0.4}, {"bound": 0.7, "decay": 0.4}]


def linear(matrix: Tensor) -> Flow:
    """The flow p' = A p: ReLU made linear by a large bias, taken off again behind."""
    width = len(matrix)
    flow = Flow(width).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
        flow.inward.weight[:, :width] = torch.eye(width)
        flow.inward.bias.fill_(50)
        flow.outward.weight[:, :width] = matrix
        flow.outward.bias.copy_(-50 * matrix.sum(dim=1))
    return flow


def stirred(width: int, **bounds: float) -> Flow:
    torch.manual_seed(0)
    flow = Flow(width, **bounds).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return flow


def sinusoid(steps: int, *, method: str = "rk4") -> float:
    """The largest error over 512 positions, Δ = .1, of a pair that turns by one radian a position, as the fastest sinusoid."""
    flow = linear(torch.tensor([[0.0, 10.0], [-10.0, 0.0]], dtype=torch.float64))
    anchor = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    places = torch.arange(512, dtype=torch.float64)
    with torch.no_grad():
        found = anchor + Sequential(0.1 / steps, method=method).solve(flow, anchor, 0.1 * places)[:, 0]  # type: ignore[arg-type]
    return float((found - torch.stack([places.sin(), places.cos()], dim=1)).abs().max())


def test_the_sinusoid_is_a_special_case() -> None:
    assert sinusoid(5) == pytest.approx(6.7e-3, rel=0.05)
    assert sinusoid(20) == pytest.approx(2.7e-5, rel=0.05)
    assert sinusoid(5, method="midpoint") > 1


@pytest.mark.parametrize(
    ("solver", "error"),
    [
        (Sequential(0.02), 1e-7),
        (Sequential(0.02, gradient="autodiff"), 1e-7),
        (Sequential(0.02, method="midpoint"), 1e-3),
        (Parallel(0.02, tolerance=1e-12), 1e-8),
        (Parallel(0.04, window=4, tolerance=1e-12), 1e-7),
        (Adaptive(tolerance=1e-9), 1e-6),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_linear_equation_is_the_exponential_of_its_matrix(solver: Solver, error: float, decay: float) -> None:
    if isinstance(solver, Adaptive):
        pytest.importorskip("torchdiffeq")
    torch.manual_seed(1)
    matrix, anchor = torch.randn(3, 3, dtype=torch.float64) * 0.5, torch.randn(2, 3, dtype=torch.float64)
    flow, times = linear(matrix), torch.tensor([0.0, 0.1, 0.7, 2.0], dtype=torch.float64)
    flow.decay = decay
    # c' = A (p0 + c) − decay c: with a one beside it, linear in c.
    whole = torch.zeros(2, 4, 4, dtype=torch.float64)
    whole[:, :3, :3], whole[:, :3, 3] = matrix - decay * torch.eye(3), anchor @ matrix.T
    expected = torch.stack([torch.linalg.matrix_exp(whole * time)[:, :3, 3] for time in times])
    with torch.no_grad():
        assert float((solver.solve(flow, anchor, times) - expected).abs().max()) < error


@pytest.mark.parametrize(
    ("make", "order"), [(Sequential, 4), (lambda step: Parallel(step, tolerance=1e-13, most=80), 4)]
)
def test_the_error_falls_with_the_fourth_power_of_the_step(make: Callable[[float], Solver], order: int) -> None:
    flow = linear(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64))
    anchor, times = torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.tensor([3.2], dtype=torch.float64)
    exact = torch.stack([times.sin(), times.cos()], dim=1) - anchor
    with torch.no_grad():
        errors = [float((make(step).solve(flow, anchor, times)[0] - exact).abs().max()) for step in (0.2, 0.1)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


def gradients(solver: Solver, flow: Flow, times: Tensor) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(2)
    anchor = torch.randn(4, flow.width, dtype=torch.float64, requires_grad=True)
    found = solver.solve(flow, anchor, times)
    weights = torch.randn_like(found)
    return found, list(torch.autograd.grad((found * weights).sum(), (anchor, *flow.parameters())))


def assert_near(found: list[Tensor], expected: list[Tensor], relative: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm() / other.norm()) < relative


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("method", ["rk4", "midpoint"])
def test_the_adjoint_is_the_gradient_through_the_graph(bounds: dict[str, float], method: Any) -> None:
    flow, times = stirred(6, **bounds), torch.arange(30, dtype=torch.float64) * 0.07
    through, graph = gradients(Sequential(0.02, method=method, gradient="autodiff"), flow, times)
    found, adjoint = gradients(Sequential(0.02, method=method), flow, times)
    torch.testing.assert_close(found, through)
    assert_near(adjoint, graph, 1e-12)


def unrolled(solver: Parallel, flow: Flow, times: Tensor, sweeps: int) -> tuple[Tensor, list[Tensor]]:
    """The same equation, its sweeps taken one by one through torch's graph."""

    class Unrolled:
        def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
            count = 2 * math.ceil(float(times[-1]) / solver.step / 2 - 1e-9)
            grid = torch.arange(count + 1, dtype=torch.float64) * solver.step
            nodes = torch.zeros(count + 1, *anchor.shape, dtype=torch.float64)
            for _ in range(sweeps):
                slopes, found = flow(grid, anchor, nodes), [torch.zeros_like(anchor)]
                for start in range(0, count, 2):
                    first, middle, last = slopes[start : start + 3]
                    found.append(found[start] + solver.step / 12 * (5 * first + 8 * middle - last))
                    found.append(found[start] + solver.step / 3 * (first + 4 * middle + last))
                nodes = torch.stack(found)
            return at_times(times, nodes, lambda: flow(grid, anchor, nodes), solver.step)

    return gradients(Unrolled(), flow, times)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("window", [2, 6, 64])
def test_the_parallel_gradient_is_that_of_many_sweeps_through_the_graph(bounds: dict[str, float], window: int) -> None:
    flow, times = stirred(6, **bounds), torch.arange(25, dtype=torch.float64) * 0.1 + 0.03
    solver = Parallel(0.1, window=window, tolerance=1e-13, most=90)
    expected, graph = unrolled(solver, flow, times, sweeps=90)
    found, exact = gradients(solver, flow, times)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert_near(exact, graph, 1e-9)
    assert_near(gradients(Parallel(0.1, window=window), flow, times)[1], graph, 1e-3)


def test_parallel_and_sequential_agree_with_the_step() -> None:
    flow, times = stirred(24), torch.arange(20, dtype=torch.float64) * 0.1
    exact, through = gradients(Sequential(0.1 / 64, gradient="autodiff"), flow, times)
    for step, error in ((0.1, 2e-3), (0.02, 1e-3)):
        found, gradient = gradients(Parallel(step, tolerance=1e-10, most=60), flow, times)
        assert (found - exact).norm() < error * exact.norm()
        assert_near(gradient, through, 10 * error)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("solver", [Sequential(0.05), Parallel(0.05, window=4, tolerance=1e-14, most=90)])
def test_gradcheck(bounds: dict[str, float], solver: Solver) -> None:
    flow, times = stirred(3, **bounds), torch.tensor([0.02, 0.1, 0.31], dtype=torch.float64)
    anchor = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def solve(anchor: Tensor, *parameters: Tensor) -> Tensor:
        return solver.solve(flow, anchor, times)

    assert torch.autograd.gradcheck(solve, (anchor, *flow.parameters()))


def test_sweeps_start_from_the_last_trajectory() -> None:
    flow, times, solver = stirred(16), torch.arange(64, dtype=torch.float64) * 0.1, Parallel(0.1)
    anchor = torch.zeros(3, 16, dtype=torch.float64)
    solver.solve(flow, anchor, times)
    cold = solver.report.sweeps
    with torch.no_grad():
        flow.outward.bias.add_(1e-4)
    near = solver.solve(flow, anchor, times)
    assert solver.report.sweeps < cold
    assert not solver.report.fell_back
    exact = Parallel(0.1, tolerance=1e-12, most=60).solve(flow, anchor, times)
    for found in (near, solver.solve(flow, anchor, times[:9])):
        assert (found - exact[: len(found)]).abs().max() < 1e-4 * exact.abs().max()


def test_a_flow_too_steep_for_sweeps_is_solved_one_step_after_the_other() -> None:
    flow, times = linear(torch.tensor([[0.0, 9.0], [-9.0, 0.0]], dtype=torch.float64)), torch.tensor([1.0]).double()
    anchor = torch.ones(1, 2, dtype=torch.float64)
    steep = Parallel(0.02, most=3)
    found = steep.solve(flow, anchor, times)
    assert steep.report.fell_back
    torch.testing.assert_close(found, Sequential(0.02).solve(flow, anchor, times))
    fell, gradient = gradients(steep, flow, times)
    expected, through = gradients(Sequential(0.02, gradient="autodiff"), flow, times)
    torch.testing.assert_close(fell, expected)
    assert_near(gradient, through, 1e-10)


def test_between_nodes_the_cubic_is_exact_for_cubics() -> None:
    grid = torch.arange(4, dtype=torch.float64) * 0.5
    nodes, slopes = (grid**3 - grid)[:, None, None], (3 * grid**2 - 1)[:, None, None]
    times = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.5], dtype=torch.float64)
    torch.testing.assert_close(at_times(times, nodes, lambda: slopes, 0.5)[:, 0, 0], times**3 - times)


def test_float32_is_near_float64() -> None:
    flow, times = stirred(16), torch.arange(50, dtype=torch.float64) * 0.1
    exact = Parallel(0.1, tolerance=1e-12, most=60).solve(flow, torch.zeros(3, 16, dtype=torch.float64), times)
    found = Parallel(0.1).solve(flow.float(), torch.zeros(3, 16), times)
    assert (found - exact).abs().max() < 1e-4 * exact.abs().max()


def test_without_torchdiffeq_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(Unavailable, match=r"segue\[ode\]"):
        Adaptive().solve(Flow(2), torch.zeros(1, 2), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("adjoint", [True, False])
def test_adaptive_steps_give_the_gradient_too(adjoint: bool) -> None:
    pytest.importorskip("torchdiffeq")
    flow, times = stirred(4, bound=1.0, decay=0.2), torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    _, expected = gradients(Sequential(0.005, gradient="autodiff"), flow, times)
    # Where a ReLU opens within a step, each solver has its own gradient, as near as its steps are small.
    assert_near(gradients(Adaptive(tolerance=1e-10, adjoint=adjoint), flow, times)[1], expected, 1e-2)


def test_wrong_method() -> None:
    with pytest.raises(InvalidInput, match="euler"):
        Sequential(0.1, method="euler")  # type: ignore[arg-type]

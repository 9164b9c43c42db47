"""FLOATER as the paper has it: size, warm start, schedule, and what is stored."""

import pytest
import torch
from torch import Tensor

from segue.encode.decoding import greedy
from segue.encode.dynamics.biases import BiasDynamics
from segue.encode.dynamics.flow import Flow
from segue.encode.dynamics.parallel import Parallel
from segue.encode.dynamics.sequential import Sequential
from segue.encode.positions import (
    FloaterPositions,
    GridFloaterPositions,
    NoPositions,
    SinusoidalPositions,
    Span,
    floater,
)
from segue.encode.positions.learned import LearnedPositions
from segue.encode.pretrained import TorchEncoder
from segue.encode.seq2seq import Seq2Seq
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer
from segue.errors import InvalidInput

SHAPE = Shape(vocabulary=20, width=16, blocks=3, heads=2, inner=32)


class Counting(Sequential):
    """A solver that counts its calls."""

    calls = 0

    def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
        self.calls += 1
        return super().solve(flow, anchor, times)


def ids(length: int = 10) -> Tensor:
    return torch.randint(1, 20, (2, length), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("width", "count"), [(512, 526_336), (384, 296_448), (8, 160)])
def test_parameters_of_a_flow(width: int, count: int) -> None:
    assert (
        sum(parameter.numel() for parameter in Flow(width).parameters()) == count == 2 * (width * (width + 1) + width)
    )


def test_a_model_has_the_parameters_of_its_flow_more() -> None:
    def size(positions: SinusoidalPositions | FloaterPositions) -> int:
        return sum(parameter.numel() for parameter in Transformer(SHAPE, positions).parameters())

    assert size(floater(16)) - size(SinusoidalPositions(16)) == 2 * (16 * 17 + 16)


def test_the_function_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    flow, states = Flow(5), torch.randn(2, 3, 5)
    times = torch.tensor([0.3, 2.0])
    (w1, b1), (w2, b2) = ((layer.weight, layer.bias) for layer in (flow.inward, flow.outward))
    for number, time in enumerate(times):
        for row in range(3):
            hidden = torch.relu(w1 @ torch.cat([states[number, row], time[None]]) + b1)
            expected = w2 @ torch.cat([hidden, time[None]]) + b2
            torch.testing.assert_close(flow(times, torch.zeros(3, 5), states)[number, row], expected)


@torch.no_grad()
@pytest.mark.parametrize("bounds", [{}, {"bound": 1.0, "decay": 0.5}])
def test_warm_start_is_the_model_that_it_started_from(bounds: dict[str, float]) -> None:
    torch.manual_seed(0)
    for base in (SinusoidalPositions(16), LearnedPositions(30, 16)):
        before = Seq2Seq(Transformer(SHAPE, base), Transformer(SHAPE, base, causal=True, reading=NoPositions())).eval()
        for parameter in before.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))

        def flowing(base: SinusoidalPositions | LearnedPositions | None) -> FloaterPositions:
            return FloaterPositions(BiasDynamics(Flow(16, scale=0, **bounds), Parallel(0.1)), base=base)

        after = Seq2Seq(
            Transformer(SHAPE, flowing(base)), Transformer(SHAPE, flowing(base), causal=True, reading=flowing(None))
        ).eval()
        lacking, _ = after.load_state_dict(before.state_dict(), strict=False)
        assert all("dynamics" in key or "base" in key for key in lacking)
        assert torch.equal(before(ids(9), ids()), after(ids(9), ids()))
        written = [
            greedy(model.writer, model.start(ids(9)), ids()[:, :1], end=0, longest=15) for model in (before, after)
        ]
        assert written[0] == written[1]


@torch.no_grad()
def test_warm_start_of_a_pretrained_encoder(reference: TorchEncoder) -> None:
    before = reference.transformer
    assert isinstance(before.positions, LearnedPositions)
    positions = FloaterPositions(BiasDynamics(Flow(384, scale=0), Parallel(0.1)), base=before.positions)
    after = Transformer(before.shape, positions).eval()
    after.load_state_dict(before.state_dict(), strict=False)
    given = torch.tensor(reference.tokenizer.tokenize(["mary poppins and the birds"]))
    assert torch.equal(before(given), after(given))


def test_stored_biases_are_solved_for_once_and_follow_every_change() -> None:
    solver = Counting(0.02)
    model = Transformer(SHAPE, FloaterPositions(BiasDynamics(Flow(16), solver))).eval()
    with torch.no_grad():
        first = model(ids())
        model(ids(3))
        model(ids(50))
        assert solver.calls == 1
        longer = model(ids(100))
        assert solver.calls == 2
        for key in ("positions.dynamics.flow.outward.bias", "blocks.0.attention.project.bias"):
            model.get_parameter(key).add_(0.5)
            assert not torch.allclose(model(ids()), first, atol=1e-3)
            fresh = Transformer(SHAPE, FloaterPositions(BiasDynamics(Flow(16), Sequential(0.02)))).eval()
            fresh.load_state_dict(model.state_dict())
            torch.testing.assert_close(model(ids()), fresh(ids()))
        assert longer.isfinite().all()


def test_the_schedule_solves_every_few_steps_and_its_first_gradient_is_exact() -> None:
    names = ("positions.dynamics.flow.inward.weight", "blocks.0.attention.project.bias")

    def gradients(every: int, solver: Counting, steps: int) -> list[Tensor]:
        torch.manual_seed(0)
        model = Transformer(SHAPE, FloaterPositions(BiasDynamics(Flow(16), solver, every=every)))
        found = []
        for _ in range(steps):
            model.zero_grad()
            model(ids()).square().sum().backward()
            weight, bias = (model.get_parameter(key).grad for key in names)
            found.append(torch.zeros(1) if weight is None else weight.clone())
            assert bias is not None
            assert bias.abs().sum() > 0
        return found

    solver = Counting(0.02)
    scheduled, exact = gradients(3, solver, 7), gradients(1, Counting(0.02), 1)
    assert solver.calls == 3
    assert [bool(found.abs().sum() > 0) for found in scheduled] == [True, False, False, True, False, False, True]
    torch.testing.assert_close(scheduled[0], exact[0])


def test_a_bounded_flow_stays_within_its_bound_at_fifty_times_the_length() -> None:
    torch.manual_seed(0)
    own = torch.randn(2, 3, 8) * 0.1
    bounded = BiasDynamics(Flow(8, scale=4, bound=1.0, decay=0.5), Parallel(0.1))
    grown = bounded.log_largest(50 * 64, own)
    assert grown.shape == (3200,)
    assert grown.max() <= torch.log(own.abs().max() + 2.0)
    free = BiasDynamics(bounded.flow, Sequential(0.1))
    free.flow.bound, free.flow.decay = None, 0.0
    assert not free.log_largest(3200, own)[-1] < grown[-1] + 5


def test_on_a_grid_rows_and_columns_add() -> None:
    torch.manual_seed(0)
    down, across = (BiasDynamics(Flow(16), Parallel(0.1)) for _ in range(2))
    own = torch.randn(3, 3, 16)
    model = Transformer(SHAPE, GridFloaterPositions(down, across, columns=4))
    biases = model.positions.at(Span(0, 10, own), lambda: own).biases
    assert biases is not None
    for token in range(10):
        expected = down.offsets(3, own)[:, token // 4] + across.offsets(4, own)[:, token % 4]
        torch.testing.assert_close(torch.stack(biases)[:, token], expected)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InvalidInput, match="spacing"):
        BiasDynamics(Flow(8), Parallel(0.1), spacing=0)
    with pytest.raises(InvalidInput, match="every"):
        BiasDynamics(Flow(8), Parallel(0.1), every=0)
    with pytest.raises(InvalidInput, match="decay"):
        Flow(8, decay=-1)
    with pytest.raises(InvalidInput, match="window"):
        Parallel(0.1, window=5)
    with pytest.raises(InvalidInput, match="step"):
        Sequential(0.0)
    with pytest.raises(InvalidInput, match="columns"):
        GridFloaterPositions(BiasDynamics(Flow(8), Parallel(0.1)), BiasDynamics(Flow(8), Parallel(0.1)), columns=0)
    with pytest.raises(InvalidInput, match="8 wide and the blocks 16"):
        Transformer(SHAPE, FloaterPositions(BiasDynamics(Flow(8), Parallel(0.1))))(ids())

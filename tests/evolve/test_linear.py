"""Linear fine-tuning against finite differences, the closed form of ridge regression, and itself with another seed."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segue.errors import InvalidInput
from segue.evolve.linear import (
    Course,
    Linearised,
    Loss,
    Optimiser,
    Weights,
    cross_entropy,
    fit,
    leaky,
    one_hot,
    probe,
    sharpness,
    squared,
)
from segue.evolve.tangent import solve


def network(seed: int = 0, *, activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Module:
    """A convolution, a layer and an output layer, of doubles: images [n, 2, 5, 5] → [n, 3]."""
    torch.manual_seed(seed)
    parts = (nn.Conv2d(2, 3, 3, stride=2), activation(), nn.Flatten(), nn.Linear(12, 6), activation(), nn.Linear(6, 3))
    return nn.Sequential(*parts).double()


def examples(count: int = 9, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 2, 5, 5, generator=generator, dtype=torch.float64)
    return images, torch.arange(count) % 3


def drawn(linear: Linearised, seed: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype) for name, value in linear.weights.items()
    }


def descending(rate: float, momentum: float = 0.9) -> Optimiser:
    return lambda changes: torch.optim.SGD(changes, lr=rate, momentum=momentum)


def moved(model: nn.Module, change: dict[str, Tensor], by: float) -> nn.Module:
    weights = {name: value + by * change[name] for name, value in model.named_parameters()}
    found = network()
    found.load_state_dict(weights)
    return found


def test_tangent_is_the_finite_difference() -> None:
    model, (images, _) = network(), examples()
    linear = Linearised(model)
    change, by = drawn(linear), 1e-5
    with torch.no_grad():
        slope = (moved(model, change, by)(images) - moved(model, change, -by)(images)) / (2 * by)
        expected = model(images) + slope
    torch.testing.assert_close(linear(images, change), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(Linearised(model, centred=True)(images, change), slope, rtol=1e-6, atol=1e-7)


def test_outputs_are_linear_in_the_change_and_the_models_own_without_one() -> None:
    model, (images, _) = network(), examples()
    linear = Linearised(model)
    first, second = drawn(linear, 2), drawn(linear, 3)
    both = {name: 2 * first[name] - 5 * second[name] for name in first}
    at_rest = linear(images, linear.zeros())
    torch.testing.assert_close(at_rest, model(images).detach())
    expected = at_rest + 2 * (linear(images, first) - at_rest) - 5 * (linear(images, second) - at_rest)
    torch.testing.assert_close(linear(images, both), expected)
    torch.testing.assert_close(linear.predict(images, both, batch=4), expected)


def test_pull_back_is_the_transpose_of_the_jacobian() -> None:
    linear, (images, _) = Linearised(network()), examples()
    slopes = torch.randn(len(images), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    jacobian = linear.jacobian(images)
    for name, row in linear.pull_back(images, slopes).items():
        torch.testing.assert_close(row, torch.einsum("nc,nc...->...", slopes, jacobian[name]))
    change = drawn(linear)
    pushed = sum(torch.einsum("nc...,...->nc", jacobian[name], change[name]) for name in change)
    torch.testing.assert_close(linear(images, change) - linear.at_rest(images), pushed)


def test_what_requires_no_gradient_stays() -> None:
    model = network()
    for value in model[0].parameters():  # type: ignore[index]
        value.requires_grad_(False)
    linear = Linearised(model)
    assert list(linear.weights) == ["3.weight", "3.bias", "5.weight", "5.bias"]
    assert linear(examples()[0], linear.zeros()).shape == (9, 3)


def test_normalisation_stands_still() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).double()
    linear = Linearised(model.train())
    rows = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = linear(rows, drawn(linear))
    torch.testing.assert_close(whole[:1], linear(rows[:1], drawn(linear)))
    assert model.training


def test_fit_reaches_the_optimum_of_ridge_regression_with_any_optimiser() -> None:
    linear, (images, labels) = Linearised(network()), examples()
    targets = one_hot(labels, 3, scale=2.0).double()
    rows = torch.cat([value.flatten(2) for value in linear.jacobian(images).values()], dim=2).flatten(0, 1)
    residual = (targets - linear.at_rest(images)).flatten()
    ridge = 10.0
    best = torch.linalg.solve(rows.T @ rows + ridge * torch.eye(rows.shape[1]), rows.T @ residual)
    expected = (rows @ best).reshape(9, 3) + linear.at_rest(images)
    optimisers: list[Optimiser] = [descending(0.1), lambda changes: torch.optim.Adam(changes, lr=0.05)]
    for optimiser in optimisers:
        fitted = fit(
            linear,
            images,
            labels,
            loss=squared(scale=2.0),
            ridge=ridge,
            optimiser=optimiser,
            course=Course(steps=120, batch=9),
        )
        torch.testing.assert_close(linear(images, fitted.change), expected, rtol=1e-3, atol=1e-3)


def test_two_seeds_end_in_one_optimum_the_nearer_the_more_is_remembered() -> None:
    linear, (images, labels) = Linearised(network()), examples(20)

    def answers(course: Course) -> Tensor:
        found = fit(
            linear, images, labels, loss=squared(scale=1.0), ridge=20.0, optimiser=descending(0.1, 0.0), course=course
        )
        return linear(images, found.change)

    exact = solve(linear, images, one_hot(labels, 3, scale=1.0).double(), ridge=20.0)
    best = linear(images, exact.change)

    def away(seed: int, *, averaged: float, forgetful: bool) -> float:
        course = Course(40, batch=10, seed=seed, constant=True, averaged=averaged, forgetful=forgetful)
        return float((answers(course) - best).abs().max())

    for seed in (1, 2):
        near = away(seed, averaged=0.5, forgetful=True)
        assert near < 0.02 * float(best.abs().max())
        assert near < away(seed, averaged=0.0, forgetful=True) / 3
        assert away(seed, averaged=0.0, forgetful=False) < near / 50


@pytest.mark.parametrize("loss", [squared(scale=1.0), cross_entropy])
def test_what_is_remembered_of_all_is_their_gradient(loss: Loss) -> None:
    linear, (images, labels) = Linearised(network()), examples(9)
    seen: list[Weights] = []

    def watched(gradient: Weights) -> Weights:
        seen.append(gradient)
        return {name: torch.zeros_like(row) for name, row in gradient.items()}  # Δw stays 0

    options: dict[str, Any] = {
        "loss": loss,
        "ridge": 1.0,
        "optimiser": descending(0.1),
        "precondition": watched,
    }
    fit(linear, images, labels, course=Course(10, batch=2), **options)  # the second pass of five batches
    fit(linear, images, labels, course=Course(1, batch=9), **options)
    for gradient in seen[5:10]:
        for name, row in seen[-1].items():
            torch.testing.assert_close(gradient[name], row)


def test_sharpness_is_the_largest_eigenvalue() -> None:
    linear, (images, _) = Linearised(network()), examples(12)
    rows = torch.cat([value.flatten(2) for value in linear.jacobian(images).values()], dim=2).flatten(0, 1)
    largest = float(torch.linalg.eigvalsh(2 / 12 * rows @ rows.T)[-1])
    assert sharpness(linear, images, iterations=60) == pytest.approx(largest, rel=1e-3)
    halved = sharpness(linear, images, precondition=lambda of: {name: row / 2 for name, row in of.items()})
    assert halved == pytest.approx(largest / 2, rel=0.05)


def test_same_seed_same_bits_and_nothing_is_changed() -> None:
    model, (images, labels) = network(), examples()
    linear = Linearised(model)
    before, weights = images.clone(), {name: value.clone() for name, value in linear.weights.items()}
    options = {"loss": cross_entropy, "ridge": 0.1, "optimiser": descending(0.1), "course": Course(7, batch=4, seed=3)}
    first, second = (fit(linear, images, labels, **options) for _ in range(2))  # type: ignore[arg-type]
    assert all(torch.equal(first.change[name], second.change[name]) for name in weights)
    assert first.losses == second.losses
    assert len(first.losses) == 7
    assert torch.equal(images, before)
    assert all(torch.equal(value, linear.weights[name]) for name, value in weights.items())


def test_progress_sees_every_step() -> None:
    linear, (images, labels) = Linearised(network()), examples()
    seen: list[int] = []
    fit(
        linear,
        images,
        labels,
        loss=squared(scale=1.0),
        ridge=0.1,
        optimiser=descending(0.01),
        course=Course(5, batch=4),
        progress=lambda step, change: seen.append(step),
    )
    assert seen == [1, 2, 3, 4, 5]


def test_leaky_copies() -> None:
    model = network(activation=nn.ReLU)
    copied = leaky(model, slope=0.3)
    kinds = [type(module) for module in copied.modules()]
    assert nn.ReLU not in kinds
    assert kinds.count(nn.LeakyReLU) == 2
    assert nn.ReLU in [type(module) for module in model.modules()]
    assert torch.equal(copied[0].weight, model[0].weight)  # type: ignore[index]
    with pytest.raises(InvalidInput, match=r"no nn\.ReLU"):
        leaky(nn.Linear(2, 2))


def test_probe_is_ridge_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    targets = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    layer = probe(features, targets, ridge=2.0)
    weight, bias = layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()
    loss = (features @ weight.T + bias - targets).square().sum() + 2.0 * weight.square().sum()
    slopes = torch.autograd.grad(loss, (weight, bias))
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-10


def test_bad_input_is_named() -> None:
    linear, (images, labels) = Linearised(network()), examples()
    course = Course(3, batch=4)
    with pytest.raises(InvalidInput, match="No parameter"):
        Linearised(nn.ReLU())
    with pytest.raises(InvalidInput, match="0 inputs"):
        fit(linear, images[:0], labels[:0], loss=cross_entropy, ridge=0, optimiser=descending(1), course=course)
    with pytest.raises(InvalidInput, match="8 labels"):
        fit(linear, images, labels[:8], loss=cross_entropy, ridge=0, optimiser=descending(1), course=course)
    with pytest.raises(InvalidInput, match="loss is nan"):
        fit(linear, images * torch.nan, labels, loss=cross_entropy, ridge=0, optimiser=descending(1), course=course)
    with pytest.raises(InvalidInput, match="from 0 to 2"):
        one_hot(torch.tensor([0, 3]), 3, scale=1.0)
    with pytest.raises(InvalidInput, match="0 rows"):
        probe(torch.zeros(0, 2), torch.zeros(0, 2), ridge=1.0)
    with pytest.raises(InvalidInput, match="ridge is 0"):
        probe(torch.zeros(1, 2), torch.zeros(1, 2), ridge=0)
    with pytest.raises(InvalidInput, match="shape"):
        Linearised(nn.Conv2d(2, 1, 1).double()).at_rest(images)

"""Kronecker factors against the Hessian written out, example by example and place by place."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.kronecker import Preconditioner, factors
from segue.evolve.linear import Course, Linearised, Weights, fit, squared


def rows(count: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hessian(linear: Linearised, inputs: Tensor, names: list[str]) -> Tensor:
    """2·mean over examples of Σ over outputs of ∇f ∇fᵀ, of a layer's matrix [p, q] with its bias."""
    jacobian = linear.jacobian(inputs)
    parts = [jacobian[name].flatten(3) if name.endswith("weight") else jacobian[name][..., None] for name in names]
    flat = torch.cat(parts, dim=3).flatten(2).flatten(0, 1)
    return 2 * flat.T @ flat / len(inputs)


def test_one_linear_layer_is_exact() -> None:
    """Its own outputs are the model's: the Hessian is a Kronecker product."""
    torch.manual_seed(0)
    linear, inputs = Linearised(nn.Linear(4, 3).double()), rows(11, 4)
    found = factors(linear, inputs, batch=4)[""]
    torch.testing.assert_close(2 * torch.kron(found.outputs, found.inputs), hessian(linear, inputs, ["weight", "bias"]))


def test_a_hidden_layer_is_exact_where_inputs_and_slopes_do_not_vary_together() -> None:
    """All examples have one input, so A is of rank one, and the mean of the products is the product of the means."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    linear, inputs = Linearised(model), rows(1, 4).expand(6, 4)
    found = factors(linear, inputs)["0"]
    expected = hessian(linear, inputs, ["0.weight", "0.bias"])
    torch.testing.assert_close(2 * torch.kron(found.outputs, found.inputs), expected)


def test_a_convolution_against_a_loop_over_places() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, 3, stride=2, padding=1)
    linear = Linearised(nn.Sequential(layer, nn.Tanh(), nn.Flatten(), nn.Linear(27, 4)).double())
    images = rows(5, 2, 5, 5)
    found = factors(linear, images, batch=2)["0"]
    copied = linear.model
    padded = functional.pad(images, (1, 1, 1, 1))
    inputs, outputs = torch.zeros(19, 19, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for place in range(5):
        made = copied[0](images[place : place + 1]).detach().requires_grad_()  # type: ignore[index]
        answers = copied[1:](made)[0]  # type: ignore[index]
        slopes = [torch.autograd.grad(answer, made, retain_graph=True)[0][0] for answer in answers]
        for row in range(3):
            for column in range(3):
                patch = padded[place, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].flatten()
                met = torch.cat([patch, torch.ones(1, dtype=torch.float64)])
                inputs += torch.outer(met, met) / 5
                outputs += sum(torch.outer(slope[:, row, column], slope[:, row, column]) for slope in slopes) / (9 * 5)
    torch.testing.assert_close(found.inputs, inputs)
    torch.testing.assert_close(found.outputs, outputs)


def test_a_convolution_of_one_place_is_a_linear_layer() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 3, 2).double()
    layer = nn.Linear(8, 3).double()
    with torch.no_grad():
        layer.weight.copy_(convolution.weight.flatten(1))
        layer.bias.copy_(convolution.bias)  # type: ignore[arg-type]
    images = rows(6, 2, 2, 2)
    first = factors(Linearised(nn.Sequential(convolution, nn.Flatten())), images)["0"]
    second = factors(Linearised(nn.Sequential(nn.Flatten(), layer)), images)["1"]
    torch.testing.assert_close(first.inputs, second.inputs)
    torch.testing.assert_close(first.outputs, second.outputs)


@pytest.mark.parametrize("corrected", [False, True])
def test_the_preconditioner_inverts_the_damped_product(corrected: bool) -> None:
    torch.manual_seed(0)
    linear, inputs = Linearised(nn.Linear(4, 3).double()), rows(11, 4)
    gradient = {"weight": rows(3, 4, seed=1), "bias": rows(3, seed=2)}
    direction = Preconditioner(linear, inputs, damping=0.1, corrected=corrected)(gradient)
    flat = torch.cat([gradient["weight"], gradient["bias"][:, None]], dim=1).flatten()
    curvature = hessian(linear, inputs, ["weight", "bias"]) + 0.1 * torch.eye(15)
    expected = torch.linalg.solve(curvature, flat).reshape(3, 5)
    torch.testing.assert_close(direction["weight"], expected[:, :-1])
    torch.testing.assert_close(direction["bias"], expected[:, -1])


def test_corrected_eigenvalues_are_the_hessians_along_the_eigenvectors() -> None:
    torch.manual_seed(0)
    linear = Linearised(nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)).double())
    images = rows(6, 2, 3, 3)
    gradient = {name: torch.ones_like(value) for name, value in linear.weights.items()}
    direction = Preconditioner(linear, images, damping=0.2, batch=4)(gradient)
    found = factors(linear, images)["0"]
    vectors = torch.kron(torch.linalg.eigh(found.outputs)[1], torch.linalg.eigh(found.inputs)[1])
    values = (vectors.T @ hessian(linear, images, ["0.weight", "0.bias"]) @ vectors).diagonal()
    expected = vectors @ ((vectors.T @ torch.ones(27, dtype=torch.float64)) / (values + 0.2))
    torch.testing.assert_close(direction["0.weight"].flatten(1), expected.reshape(3, 9)[:, :-1])
    torch.testing.assert_close(direction["0.bias"], expected.reshape(3, 9)[:, -1])


def test_other_parameters_have_their_diagonal() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.LayerNorm(3), nn.Conv1d(1, 2, 3)).double()
    model = nn.Sequential(model[0], model[1], nn.Unflatten(1, (1, 3)), model[2], nn.Flatten())
    linear, inputs = Linearised(model), rows(7, 4)
    gradient = {name: torch.ones_like(value) for name, value in linear.weights.items()}
    direction = Preconditioner(linear, inputs, damping=0.5, batch=3)(gradient)
    assert list(direction) == list(gradient)
    jacobian = linear.jacobian(inputs)
    for name in ("1.weight", "1.bias", "3.weight", "3.bias"):
        curvature = 2 * jacobian[name].square().sum(dim=1).mean(dim=0)
        torch.testing.assert_close(direction[name], 1 / (curvature + 0.5))


def test_fewer_steps_than_plain_descent() -> None:
    """On features of very different sizes: one Newton step is nearly enough where plain descent crawls."""
    torch.manual_seed(0)
    linear = Linearised(nn.Linear(6, 2).double(), centred=True)
    inputs = rows(40, 6) * torch.logspace(0, -2, 6, dtype=torch.float64)
    labels = (inputs[:, -1] > 0).long()

    def loss(rate: float, precondition: Preconditioner | None) -> float:
        found = fit(
            linear,
            inputs,
            labels,
            loss=squared(scale=1.0),
            ridge=1e-6,
            optimiser=lambda changes: torch.optim.SGD(changes, lr=rate),
            course=Course(30, batch=40, constant=True),
            precondition=precondition,
        )
        return found.losses[-1]

    assert loss(1.0, Preconditioner(linear, inputs, damping=1e-7)) < 0.7 * loss(0.3, None)


def test_bad_input_is_named() -> None:
    linear = Linearised(nn.Linear(4, 3).double())
    with pytest.raises(InvalidInput, match="no examples"):
        factors(linear, rows(0, 4))
    with pytest.raises(InvalidInput, match="not a number"):
        Preconditioner(linear, rows(2, 4) * torch.nan, damping=1.0)
    with pytest.raises(InvalidInput, match="damping is 0"):
        Preconditioner(linear, rows(2, 4), damping=0)


def test_the_direction_has_the_gradients_shapes() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(18, 2)).double()
    linear = Linearised(model)
    gradient: Weights = {name: torch.ones_like(value) for name, value in linear.weights.items()}
    direction = Preconditioner(linear, rows(4, 1, 5, 5), damping=1.0)(gradient)
    assert {name: row.shape for name, row in direction.items()} == {name: row.shape for name, row in gradient.items()}


def test_a_layer_that_is_not_used_is_only_damped() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(2, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            found: Tensor = self.used(inputs)
            return found

    linear = Linearised(Idle().double())
    gradient: Weights = {name: torch.ones_like(value) for name, value in linear.weights.items()}
    direction = Preconditioner(linear, rows(5, 4), damping=0.5)(gradient)
    torch.testing.assert_close(direction["idle.weight"], torch.full((2, 2), 2.0, dtype=torch.float64))

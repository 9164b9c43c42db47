"""The exact solution against ridge regression in the weights, and its influences against really leaving out."""

import pytest
import torch
from torch import Tensor, nn

from segue.errors import InvalidInput
from segue.evolve.linear import Course, Linearised, fit, one_hot, squared
from segue.evolve.tangent import Solution, solve, tangent_rows

RIDGE = 0.3


def problem(*, centred: bool = False) -> tuple[Linearised, Tensor, Tensor, Tensor]:
    """Seven examples of three classes in random order, and four others."""
    torch.manual_seed(0)
    linear = Linearised(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double(), centred=centred)
    inputs, others = torch.randn(7, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    targets = one_hot(torch.tensor([0, 2, 1, 1, 0, 2, 1]), 3, scale=2.0).double()
    return linear, inputs, targets, others


def rest(tensor: Tensor, place: int) -> Tensor:
    return torch.cat([tensor[:place], tensor[place + 1 :]])


def same(first: Solution, second: Solution) -> None:
    torch.testing.assert_close(first.dual, second.dual)
    torch.testing.assert_close(first.change, second.change)
    torch.testing.assert_close(first.inverse, second.inverse)


@pytest.mark.parametrize("centred", [False, True])
def test_kernel_and_weights_have_one_optimum(centred: bool) -> None:
    linear, inputs, targets, others = problem(centred=centred)
    found = solve(linear, inputs, targets, ridge=RIDGE)
    rows = tangent_rows(linear, inputs, batch=3)
    residual = (targets - linear.at_rest(inputs)).flatten()
    best = torch.linalg.solve(rows.T @ rows + RIDGE * torch.eye(rows.shape[1]), rows.T @ residual)
    torch.testing.assert_close(torch.cat([value.flatten() for value in found.change.values()]), best)
    expected = linear.at_rest(others) + (tangent_rows(linear, others) @ best).reshape(4, 3)
    torch.testing.assert_close(linear(others, found.change), expected)


def test_training_ends_at_the_exact_solution() -> None:
    linear, inputs, targets, others = problem()
    exact = solve(linear, inputs, targets, ridge=10.0)
    fitted = fit(
        linear,
        inputs,
        targets.argmax(dim=1),
        loss=squared(scale=2.0),
        ridge=10.0,
        optimiser=lambda changes: torch.optim.SGD(changes, lr=0.1, momentum=0.9),
        course=Course(150, batch=7),
    )
    torch.testing.assert_close(linear(others, fitted.change), linear(others, exact.change), rtol=1e-3, atol=1e-3)


def test_leave_one_out_is_what_leaving_out_gives() -> None:
    linear, inputs, targets, _ = problem()
    predicted = solve(linear, inputs, targets, ridge=RIDGE).leave_one_out()
    for place in range(7):
        left = solve(linear, rest(inputs, place), rest(targets, place), ridge=RIDGE)
        torch.testing.assert_close(predicted[place], linear(inputs[place : place + 1], left.change)[0])


def test_influence_is_what_leaving_out_gives() -> None:
    linear, inputs, targets, others = problem()
    found = solve(linear, inputs, targets, ridge=RIDGE)
    before = linear(others, found.change)
    goals = one_hot(torch.tensor([0, 1, 2, 0]), 3, scale=2.0).double()
    influence, on_loss = found.influence(others), found.influence_on_loss(others, goals)
    assert influence.shape == (7, 4, 3)
    for place in range(7):
        left = solve(linear, rest(inputs, place), rest(targets, place), ridge=RIDGE)
        after = linear(others, left.change)
        torch.testing.assert_close(influence[place], after - before)
        difference = (after - goals).square().sum(dim=1) - (before - goals).square().sum(dim=1)
        torch.testing.assert_close(on_loss[place], difference)


def test_removal_is_never_having_seen() -> None:
    linear, inputs, targets, _ = problem()
    found = solve(linear, inputs, targets, ridge=RIDGE)
    left = [0, 2, 3, 5]
    same(found.without([6, 1, 4]), solve(linear, inputs[left], targets[left], ridge=RIDGE))
    same(found.without([1]).without([3, 5]), solve(linear, inputs[[0, 2, 3, 5]], targets[[0, 2, 3, 5]], ridge=RIDGE))
    same(found.without([]), found)


def test_removal_agrees_with_influence() -> None:
    linear, inputs, targets, others = problem()
    found = solve(linear, inputs, targets, ridge=RIDGE)
    after = linear(others, found.without([2]).change)
    torch.testing.assert_close(found.influence(others)[2], after - linear(others, found.change))


def test_bad_input_is_named() -> None:
    linear, inputs, targets, _ = problem()
    found = solve(linear, inputs, targets, ridge=RIDGE)
    for bad, match in (
        ((inputs[:0], targets[:0]), "0 inputs"),
        ((inputs, targets[:5]), "7 inputs"),
        ((inputs, targets[:, :2]), "3 outputs"),
        ((inputs, targets * torch.nan), "not a number"),
        ((inputs * torch.nan, targets), "not numbers"),
    ):
        with pytest.raises(InvalidInput, match=match):
            solve(linear, *bad, ridge=RIDGE)
    with pytest.raises(InvalidInput, match="ridge is 0"):
        solve(linear, inputs, targets, ridge=0.0)
    for places in ([7], [1, 1], [-1]):
        with pytest.raises(InvalidInput, match="to be removed of 7"):
            found.without(places)
    with pytest.raises(InvalidInput, match="All examples"):
        found.without(range(7))

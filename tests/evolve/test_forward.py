"""The forward transformation: where it starts, and what side vectors are for."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.forward import ForwardTransformation, forward_loss


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [0, 3])
def test_it_starts_at_ridge_regression(side: int) -> None:
    old, beside, new = drawn(40, 4), drawn(40, side, seed=1) if side else None, drawn(40, 5, seed=2)
    transformation = ForwardTransformation(4, side, 5, hidden=8)
    transformation.start(old, beside, new, penalty=0.5)
    both = old if beside is None else torch.cat([old, beside], dim=1)
    # With a column of ones whose weight is not penalised.
    design = torch.cat([both, torch.ones(40, 1)], dim=1).double()
    penalty = 0.5 * torch.eye(len(design.T), dtype=torch.float64)
    penalty[-1, -1] = 0
    weights = torch.linalg.solve(design.T @ design + penalty, design.T @ new.double())
    made = transformation(old, beside).detach()
    torch.testing.assert_close(made, functional.normalize((design @ weights).float(), dim=1), atol=1e-5, rtol=1e-4)


def test_the_loss_is_the_squared_distance_of_unit_vectors() -> None:
    made, new = functional.normalize(drawn(3, 4), dim=1), 5 * drawn(3, 4, seed=1)
    by_hand = sum(float((one - other / other.norm()).pow(2).sum()) for one, other in zip(made, new, strict=True)) / 3
    assert float(forward_loss(made, new)) == pytest.approx(by_hand)


def test_side_vectors_hold_what_the_old_one_does_not() -> None:
    """The new space sees two things, the old one only the first; the side vector the second."""
    torch.manual_seed(0)
    first, second = drawn(300, 3), drawn(300, 3, seed=1)
    new = functional.normalize(torch.cat([first, second], dim=1), dim=1)
    left: dict[int, float] = {}
    for side in (0, 3):
        transformation = ForwardTransformation(3, side, 6, hidden=16)
        beside = second if side else None
        transformation.start(first[:200], None if beside is None else beside[:200], new[:200])
        optimiser = torch.optim.Adam(transformation.parameters(), lr=3e-3)
        for _ in range(100):
            loss = forward_loss(transformation(first[:200], None if beside is None else beside[:200]), new[:200])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            made = transformation(first[200:], None if beside is None else beside[200:])
            left[side] = float(forward_loss(made, new[200:]))
    assert left[3] < 0.2 * left[0]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(InvalidInput, match="no side vectors"):
        ForwardTransformation(3, 2, 4)(drawn(5, 3))
    with pytest.raises(InvalidInput, match="are side vectors"):
        ForwardTransformation(3, 0, 4)(drawn(5, 3), drawn(5, 2))
    with pytest.raises(InvalidInput, match="widths"):
        ForwardTransformation(0, 2, 4)

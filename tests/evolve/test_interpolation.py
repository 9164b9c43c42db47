"""Between two models' weights; Fisher information against one backward pass a sample; the choice against a loop."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.interpolation import fewest_flips, fisher_information, interpolated


def _model(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).eval()


def test_the_ends_are_the_models() -> None:
    old, new = _model(0).state_dict(), _model(1).state_dict()
    importance = {name: torch.rand_like(value) for name, value in old.items() if value.is_floating_point()}
    for weights in (None, importance):
        for share, end in ((0.0, new), (1.0, old)):
            found = interpolated(old, new, share, weights)
            assert list(found) == list(new)
            assert all(torch.allclose(found[name], end[name], atol=1e-6) for name in found)


def test_it_is_the_equation_and_loads() -> None:
    old, new = _model(0).state_dict(), _model(1).state_dict()
    new["1.num_batches_tracked"] += 7
    found = interpolated(old, new, 0.3)
    for name in ("0.weight", "3.bias", "1.running_var"):
        assert torch.allclose(found[name], 0.3 * old[name] + 0.7 * new[name])
    assert found["1.num_batches_tracked"] == 7
    _model(2).load_state_dict(found)
    importance = {"0.weight": torch.rand(6, 4) * 3}
    weighted = interpolated(old, new, 0.3, importance)
    share = 0.3 * importance["0.weight"] / (0.3 * importance["0.weight"] + 0.7)
    assert torch.allclose(weighted["0.weight"], share * old["0.weight"] + (1 - share) * new["0.weight"])
    assert torch.equal(weighted["3.bias"], found["3.bias"])


def test_importance_of_one_is_none() -> None:
    old, new = _model(0).state_dict(), _model(1).state_dict()
    ones = {name: torch.ones_like(value) for name, value in old.items()}
    one, other = interpolated(old, new, 0.4), interpolated(old, new, 0.4, ones)
    assert all(torch.allclose(one[name], other[name]) for name in one)


def test_nothing_is_changed_in_place() -> None:
    old, new = _model(0).state_dict(), _model(1).state_dict()
    before = {name: value.clone() for name, value in {**old}.items()}
    for value in interpolated(old, new, 1.0).values():
        value.zero_()
    assert all(torch.equal(old[name], before[name]) for name in old)


def test_what_does_not_matter_to_the_old_model_comes_from_the_new() -> None:
    found = interpolated(
        {"w": torch.tensor([0.0, 0.0])}, {"w": torch.tensor([1.0, 1.0])}, 0.5, {"w": torch.tensor([0.0, 1e6])}
    )
    assert found["w"].tolist() == pytest.approx([1.0, 0.0], abs=1e-5)


def test_fisher_information_is_one_backward_pass_a_sample() -> None:
    model, inputs = _model(3), torch.randn(70, 4)
    total = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for one in inputs:
        model.zero_grad()
        logits = model(one[None])
        functional.cross_entropy(logits, logits.argmax(dim=1)).backward()  # type: ignore[no-untyped-call]
        for name, value in model.named_parameters():
            assert value.grad is not None
            total[name] += value.grad.square()
    mean = torch.cat([value.flatten() for value in total.values()]).mean()
    found = fisher_information(model, inputs)
    assert found.keys() == total.keys()
    assert all(torch.allclose(found[name], total[name] / mean, rtol=1e-4, atol=1e-6) for name in found)
    # Squared gradients of a batch's mean would be another quantity.
    assert torch.cat([value.flatten() for value in found.values()]).mean().item() == pytest.approx(1)


def test_the_choice_is_a_loop() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        old, untreated = random.random(40) < 0.7, random.random(40) < 0.75
        right = random.random((6, 40)) < 0.72
        found = fewest_flips(old, right, untreated, budget=0.05)
        errors, flips = (~right).mean(axis=1), (old & ~right).mean(axis=1)
        within = [k for k in range(6) if errors[k] <= (~untreated).mean() + 0.05 + 1e-9]
        if within:
            assert found == min(within, key=lambda k: (flips[k], errors[k], k))
        else:
            assert found == int(errors.argmin())


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_is_between_the_models(share: float) -> None:
    with pytest.raises(InvalidInput, match="share"):
        interpolated({}, {}, share)


def test_what_cannot_be_used_is_refused() -> None:
    one, flags = {"w": torch.zeros(2)}, np.ones(3, dtype=bool)
    for wrong, match in (
        (lambda: interpolated(one, {"v": torch.zeros(2)}, 0.5), "Only one"),
        (lambda: interpolated(one, {"w": torch.zeros(3)}, 0.5), "w is"),
        (lambda: interpolated(one, one, 0.5, {"w": torch.tensor([1.0, math.nan])}), "importance of w"),
        (lambda: interpolated(one, one, 0.5, {"w": torch.tensor([1.0, -1.0])}), "importance of w"),
        (lambda: interpolated(one, one, 0.5, {"w": torch.ones(1)}), "importance of w"),
        (lambda: fisher_information(_model(0), torch.zeros(0, 4)), "no input"),
        (lambda: fisher_information(nn.Linear(2, 2), torch.full((3, 2), math.nan)), "Fisher"),
        (lambda: fewest_flips(flags, np.ones((2, 4), dtype=bool), flags, budget=0), "cases"),
        (lambda: fewest_flips(flags, np.ones((0, 3), dtype=bool), flags, budget=0), "cases"),
    ):
        with pytest.raises(InvalidInput, match=match):
            wrong()

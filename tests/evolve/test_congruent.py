"""The extra loss term against loops over samples and classes, and the released code's mistakes."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.congruent import (
    focal_distillation,
    focal_weights,
    logit_distance,
    softened_divergence,
    weighted_cross_entropy,
)

N, C = 9, 5


def _made(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    new, old = (torch.randn(N, C, generator=random, dtype=torch.float64) for _ in range(2))
    return new, old, torch.randint(0, C, (N,), generator=random)


def _softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def _divergence(new: list[float], old: list[float], temperature: float) -> float:
    p, q = (_softmax([value / temperature for value in row]) for row in (old, new))
    return temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def _squared(new: list[float], old: list[float]) -> float:
    middle = sum(a - b for a, b in zip(new, old, strict=True)) / C
    return sum((a - b - middle) ** 2 for a, b in zip(new, old, strict=True)) / (2 * C)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 100.0])
def test_softened_divergence_is_a_loop(temperature: float) -> None:
    new, old, labels = _made()
    right = old.argmax(1) == labels
    expected = sum(
        (1 + 5 * bool(right[i])) * _divergence(new[i].tolist(), old[i].tolist(), temperature) for i in range(N)
    )
    found = focal_distillation(new, old, labels, softened_divergence(temperature))
    assert found.item() == pytest.approx(expected / N, rel=1e-6)


def test_logit_distance_is_a_loop() -> None:
    new, old, labels = _made(1)
    right = old.argmax(1) == labels
    expected = sum((0.5 + 2 * bool(right[i])) * _squared(new[i].tolist(), old[i].tolist()) for i in range(N))
    found = focal_distillation(new, old, labels, logit_distance, base=0.5, focus=2)
    assert found.item() == pytest.approx(expected / N)


def test_naive_is_a_loop() -> None:
    new, old, labels = _made(2)
    right = old.argmax(1) == labels
    expected = sum(-math.log(_softmax(new[i].tolist())[labels[i]]) for i in range(N) if right[i])
    assert weighted_cross_entropy(new, old, labels).item() == pytest.approx(expected / N)


def test_weights_go_with_their_own_sample() -> None:
    # Broadcasting distances [n] against weights [n, 1] gives the product of both means instead.
    old = torch.tensor([[4.0, 0.0], [4.0, 0.0]])
    labels = torch.tensor([0, 1])
    new = torch.tensor([[0.0, 4.0], [4.0, 0.0]])
    found = focal_distillation(new, old, labels, logit_distance)
    assert found.item() == pytest.approx(6 * 8 / 2)
    assert found.item() != pytest.approx(((6 + 1) / 2) * (8 / 2))


def test_the_focus_follows_the_old_model() -> None:
    _, old, labels = _made(3)
    weights = focal_weights(old, labels)
    assert weights.tolist() == [6.0 if old[i].argmax() == labels[i] else 1.0 for i in range(N)]
    for seed in range(3):
        new = _made(10 + seed)[0].requires_grad_()
        one = focal_distillation(new, old, labels, lambda a, b: (a - b).sum(1).abs() * 0 + a.sum(1))
        (slope,) = torch.autograd.grad(one, new)
        assert torch.equal(slope[:, 0] * N, weights)


def test_a_high_temperature_matches_logits() -> None:
    new, old, _ = _made(4)
    assert torch.allclose(softened_divergence(1e4)(new, old), logit_distance(new, old), rtol=1e-3)


def test_a_common_part_of_the_logits_costs_nothing() -> None:
    new, old, _ = _made(5)
    shift = torch.arange(N, dtype=torch.float64)[:, None]
    assert torch.allclose(logit_distance(new + shift, old), logit_distance(new, old))
    assert torch.allclose(softened_divergence(2.0)(new + shift, old), softened_divergence(2.0)(new, old))


def test_slopes_are_those_of_finite_differences_and_reach_the_new_model_only() -> None:
    new, old, labels = _made(6)
    old.requires_grad_()
    for distance in (logit_distance, softened_divergence(3.0)):
        assert torch.autograd.gradcheck(
            lambda logits, d=distance: focal_distillation(logits, old, labels, d), new.clone().requires_grad_()
        )
    focal_distillation(new.requires_grad_(), old, labels, logit_distance).backward()  # type: ignore[no-untyped-call]
    assert old.grad is None
    assert new.grad is not None


def test_the_same_logits_cost_nothing() -> None:
    new, _, labels = _made(7)
    assert focal_distillation(new, new, labels, logit_distance).item() == 0
    assert focal_distillation(new, new, labels, softened_divergence()).item() == pytest.approx(0, abs=1e-12)


def test_training_with_it_keeps_what_was_right() -> None:
    # The labels have changed; the untreated model follows them, the treated one stays with the old where that was right.
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 6, generator=random)
    old_weights = torch.randn(6, 3, generator=random)
    old = inputs @ old_weights
    labels = (inputs @ (old_weights + 0.8 * torch.randn(6, 3, generator=random))).argmax(1)
    flips = {}
    for strength in (0.0, 1.0):
        weights = torch.zeros(6, 3, requires_grad=True)
        optimizer = torch.optim.Adam([weights], lr=0.05)
        for _ in range(150):
            logits = inputs @ weights
            loss = functional.cross_entropy(logits, labels)
            loss = loss + strength * focal_distillation(logits, old, labels, logit_distance)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        new = (inputs @ weights.detach()).argmax(1)
        flips[strength] = int(((old.argmax(1) == labels) & (new != labels)).sum())
    assert flips[1.0] < flips[0.0]


@pytest.mark.parametrize(
    ("new", "old", "labels", "match"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), torch.tensor([0, 1]), "old one's"),
        (torch.zeros(2, 3), torch.zeros(3, 3), torch.tensor([0, 1]), "old one's"),
        (torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), "shape"),
        (torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([0, 0]), "shape"),
        (torch.zeros(2, 3), torch.full((2, 3), math.nan), torch.tensor([0, 1]), "finite"),
        (torch.full((2, 3), math.inf), torch.zeros(2, 3), torch.tensor([0, 1]), "finite"),
        (torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0]), "labels"),
        (torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0, 3]), "from 0 to 3"),
        (torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0.0, 1.0]), "float32"),
    ],
)
def test_what_cannot_be_used_is_refused(new: Tensor, old: Tensor, labels: Tensor, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        focal_distillation(new, old, labels, logit_distance)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_is_positive(temperature: float) -> None:
    with pytest.raises(InvalidInput, match="temperature"):
        softened_divergence(temperature)

"""Logit difference inhibition against loops; the classes are chosen in each row."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from segue.errors import InvalidInput
from segue.evolve.ensembles import ensemble_logits, logit_difference_inhibition

N, C = 7, 5


def _made() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    new, reference = (2 * torch.randn(N, C, generator=random, dtype=torch.float64) for _ in range(2))
    return new, reference


@pytest.mark.parametrize("margin", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("classes", [None, 1, 2, C])
def test_it_is_a_loop(margin: float, classes: int | None) -> None:
    new, reference = _made()
    total = []
    for row, wanted in zip(new.tolist(), reference.tolist(), strict=True):
        order = sorted(range(C), key=row.__getitem__, reverse=True)[:classes]
        total += [max(abs(row[c] - wanted[c]) - margin, 0) ** 2 for c in order]
    found = logit_difference_inhibition(new, reference, margin=margin, classes=classes)
    assert found.item() == pytest.approx(sum(total) / len(total))


def test_every_sample_counts_whatever_the_batch() -> None:
    # Slicing the batch in place of the classes makes a sample's part depend on what it is batched with.
    new, reference = _made()
    alone = torch.stack(
        [logit_difference_inhibition(new[i : i + 1], reference[i : i + 1], classes=2) for i in range(N)]
    )
    assert logit_difference_inhibition(new, reference, classes=2).item() == pytest.approx(alone.mean().item())
    slope = torch.autograd.grad(logit_difference_inhibition(new.requires_grad_(), reference, classes=2), new)[0]
    assert (slope != 0).sum(dim=1).tolist() == [2] * N


def test_all_classes_are_the_same_as_none_chosen() -> None:
    new, reference = _made()
    one, other = (logit_difference_inhibition(new, reference, margin=0.3, classes=k) for k in (None, C))
    assert torch.allclose(one, other)


def test_within_the_margin_nothing_pulls() -> None:
    _, reference = _made()
    new = (reference + 0.4).requires_grad_()
    loss = logit_difference_inhibition(new, reference, margin=0.5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert new.grad is not None
    assert not new.grad.any()


def test_slopes_are_those_of_finite_differences() -> None:
    new, reference = _made()
    assert torch.autograd.gradcheck(
        lambda logits: logit_difference_inhibition(logits, reference, margin=0.3, classes=3), new.requires_grad_()
    )


def test_an_ensemble_is_its_members_mean() -> None:
    members = [torch.randn(N, C, requires_grad=True) for _ in range(4)]
    mean = ensemble_logits(members)
    assert torch.allclose(mean, sum(members[1:], members[0]) / 4)
    assert not mean.requires_grad


def test_an_ensemble_of_more_members_varies_less() -> None:
    random = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, 8, 500, C, generator=random)
    apart = [(ensemble_logits(list(drawn[0, :k])) - ensemble_logits(list(drawn[1, :k]))).std().item() for k in (1, 8)]
    assert apart[1] == pytest.approx(apart[0] / math.sqrt(8), rel=0.1)


def test_what_cannot_be_used_is_refused() -> None:
    new, reference = _made()
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: logit_difference_inhibition(new, reference[:3]), "shape"),
        (lambda: logit_difference_inhibition(new[:0], reference[:0]), "shape"),
        (lambda: logit_difference_inhibition(new, reference * math.nan), "finite"),
        (lambda: logit_difference_inhibition(new, reference, margin=-1), "margin"),
        (lambda: logit_difference_inhibition(new, reference, classes=0), "classes"),
        (lambda: logit_difference_inhibition(new, reference, classes=C + 1), "classes"),
        (lambda: ensemble_logits([]), "members"),
        (lambda: ensemble_logits([new, new[:2]]), "shape"),
    ]
    for wrong, match in refused:
        with pytest.raises(InvalidInput, match=match):
            wrong()

"""Compatible training: every loss against a loop, and what it is there for."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.compatible import (
    CosineHead,
    alike,
    class_gallery_loss,
    feature_matching,
    gallery_loss,
    influence_loss,
    ract,
    synthesised_columns,
    with_new_classes,
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / one.norm() / other.norm())


def test_cosines_are_of_the_first_components() -> None:
    new, old = drawn(3, 7), drawn(4, 5, seed=1)
    found = alike(new, old)
    for row in range(3):
        for column in range(4):
            assert float(found[row, column]) == pytest.approx(cosine(new[row, :5], old[column]))
    with pytest.raises(InvalidInput, match="at least as many"):
        alike(old, new)


def test_columns_are_means_of_unit_old_vectors() -> None:
    old, labels = drawn(9, 4), torch.tensor([0, 1, 2, 0, 1, 2, 2, 2, 0])
    found = synthesised_columns(old, labels, 3)
    for name in range(3):
        of = [row / row.norm() for row, label in zip(old, labels.tolist(), strict=True) if label == name]
        torch.testing.assert_close(found[name], sum(of, torch.zeros(4, dtype=torch.float64)) / len(of))
    with pytest.raises(InvalidInput, match=r"without vectors: \[3\]"):
        synthesised_columns(old, labels, 4)
    with pytest.raises(InvalidInput, match="highest label is 2"):
        synthesised_columns(old, labels, 2)


def test_an_old_head_keeps_its_columns_and_gets_those_of_new_classes() -> None:
    old, labels, columns = drawn(9, 4), torch.tensor([0, 1, 2] * 3), 3 * drawn(2, 4, seed=1)
    found = with_new_classes(columns, old, labels, 3)
    assert torch.equal(found[:2], columns)
    assert cosine(found[2], synthesised_columns(old, labels, 3)[2]) == pytest.approx(1)
    assert float(found[2].norm()) == pytest.approx(float(columns.norm(dim=1).mean()))


def test_the_influence_loss_is_the_old_heads_cross_entropy() -> None:
    vectors, labels = drawn(5, 6).requires_grad_(), torch.tensor([0, 2, 1, 1, 0])
    head = CosineHead(drawn(3, 4, seed=1), scale=7, frozen=True)
    by_hand = 0.0
    for vector, label in zip(vectors.detach(), labels.tolist(), strict=True):
        scores = [7 * cosine(vector[:4], column) for column in head.columns]
        by_hand += math.log(sum(math.exp(score) for score in scores)) - scores[label]
    loss = influence_loss(vectors, labels, head)
    assert float(loss.detach()) == pytest.approx(by_hand / 5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    assert float(vectors.grad[:, :4].abs().sum()) > 0  # through the frozen head
    assert float(vectors.grad[:, 4:].abs().sum()) == 0
    assert head.columns.grad is None
    with pytest.raises(InvalidInput, match="would learn"):
        influence_loss(vectors, labels, CosineHead(drawn(3, 4)))
    with pytest.raises(InvalidInput, match="shape"):
        CosineHead(drawn(3))


def test_matching_is_the_squared_distance_of_unit_vectors() -> None:
    new, old = drawn(3, 7), drawn(3, 5, seed=1)
    by_hand = sum(float((a[:5] / a[:5].norm() - b / b.norm()).pow(2).sum()) for a, b in zip(new, old, strict=True))
    assert float(feature_matching(new, old)) == pytest.approx(by_hand / 3)
    with pytest.raises(InvalidInput, match="same texts"):
        feature_matching(new, old[:2])


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, 0, 2])])
@pytest.mark.parametrize("own", [True, False])
def test_ract_equals_a_loop(labels: Tensor | None, own: bool) -> None:
    new, old, names = drawn(4, 5), drawn(4, 5, seed=1), (labels.tolist() if labels is not None else [0, 1, 2, 3])
    by_hand = 0.0
    for place in range(4):
        right = cosine(new[place], old[place]) / 0.1
        against = [right]
        for other in range(4):
            if names[other] != names[place]:
                against.append(cosine(new[place], old[other]) / 0.1)
                if own:
                    against.append(cosine(new[place], new[other]) / 0.1)
        by_hand += math.log(sum(math.exp(one) for one in against)) - right
    assert float(ract(new, old, labels, temperature=0.1, own_negatives=own)) == pytest.approx(by_hand / 4)
    with pytest.raises(InvalidInput, match="same texts"):
        ract(new, old[:2])


def test_items_are_classes_and_their_stored_vectors_the_columns() -> None:
    queries, gallery, items = drawn(3, 4), drawn(6, 4, seed=1), torch.tensor([5, 0, 2])
    head = CosineHead(gallery, scale=20, frozen=True)
    torch.testing.assert_close(gallery_loss(queries, items, gallery), influence_loss(queries, items, head))


def test_several_items_may_be_right_for_a_query() -> None:
    queries, gallery = drawn(4, 7), drawn(9, 5, seed=1)
    shares = torch.zeros(4, 9, dtype=torch.float64)
    shares[:, 2], shares[:, 6] = 0.25, 0.75
    alone = [gallery_loss(queries, torch.full((4,), item), gallery, temperature=0.1) for item in (2, 6)]
    torch.testing.assert_close(
        gallery_loss(queries, shares, gallery, temperature=0.1), 0.25 * alone[0] + 0.75 * alone[1]
    )


def test_every_stored_vector_of_the_class_is_to_be_found() -> None:
    queries, gallery = drawn(3, 6).requires_grad_(), drawn(7, 4, seed=1)
    labels, stored = torch.tensor([0, 2, 0]), torch.tensor([0, 1, 2, 0, 1, 0, 2])
    by_hand = 0.0
    for query, label in zip(queries.detach(), labels.tolist(), strict=True):
        scores = [cosine(query[:4], one) / 0.1 for one in gallery]
        whole = math.log(sum(math.exp(score) for score in scores))
        right = [score for score, name in zip(scores, stored.tolist(), strict=True) if name == label]
        by_hand += sum(whole - score for score in right) / len(right)
    loss = class_gallery_loss(queries, labels, gallery, stored, temperature=0.1)
    assert float(loss.detach()) == pytest.approx(by_hand / 3)
    with pytest.raises(InvalidInput, match=r"Nothing is stored of the classes \[3\]"):
        class_gallery_loss(queries, torch.tensor([0, 3, 3]), gallery, stored)
    with pytest.raises(InvalidInput, match="a label for each"):
        class_gallery_loss(queries, labels, gallery, stored[:5])


def test_where_each_item_is_its_class_both_gallery_losses_are_one() -> None:
    queries, gallery, items = drawn(3, 4), drawn(6, 4, seed=1), torch.tensor([5, 0, 2])
    found = class_gallery_loss(queries, items, gallery, torch.arange(6))
    torch.testing.assert_close(found, gallery_loss(queries, items, gallery))


def test_what_is_trained_so_is_found_among_old_vectors() -> None:
    """A rotated copy of the old space, and a new head of its own: with the influence loss, new queries find old vectors."""
    labels = torch.arange(6).repeat(20)
    old = functional.normalize(4 * torch.eye(6, dtype=torch.float64)[labels] + drawn(120, 6), dim=1)
    rotation, _ = torch.linalg.qr(drawn(6, 6, seed=2))
    seen = old @ rotation
    agreement = {}
    for weight in (0.0, 1.0):
        layer = torch.nn.Linear(6, 6, bias=False, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(6))
        new_head = CosineHead(drawn(6, 6, seed=3))
        old_head = CosineHead(synthesised_columns(old, labels, 6), frozen=True)
        optimiser = torch.optim.Adam([*layer.parameters(), *new_head.parameters()], lr=0.05)
        for _ in range(100):
            vectors = layer(seen)
            loss = functional.cross_entropy(new_head(vectors), labels)
            loss = loss + weight * influence_loss(vectors, labels, old_head)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        near = alike(layer(seen), old).detach()
        near.fill_diagonal_(-1)
        agreement[weight] = float((labels[near.argmax(dim=1)] == labels).double().mean())
    assert agreement[1.0] > 0.9
    assert agreement[0.0] < 0.5

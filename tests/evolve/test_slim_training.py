"""The losses against loops, and training: compatible with the gallery, the same for a seed, one path a step."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space
from segue.evolve.slim.losses import as_the_gallery_sees, contrastive, frozen_head, matching
from segue.evolve.slim.supernet import SuperNet
from segue.evolve.slim.tower import Tower
from segue.evolve.slim.training import Batch, Rates, composite, train, train_supernet

SPACE = Space(width=(4, 8), heads=(1,), inner=(1,))


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_the_losses_equal_loops() -> None:
    queries, teacher, gallery, items = units(4, 6), units(4, 6, seed=1), units(9, 6, seed=2), units(4, 6, seed=3)
    targets = as_the_gallery_sees(teacher, gallery, scale=5.0)
    about = torch.tensor([3, 7, 3, 1])
    head, distance, own = 0.0, 0.0, 0.0
    for row in range(4):
        logits = [5.0 * float(queries[row] @ one) for one in gallery]
        wanted = np.exp([5.0 * float(teacher[row] @ one) for one in gallery])
        head -= float((wanted / wanted.sum()) @ (np.array(logits) - np.log(np.exp(logits).sum()))) / 4
        distance += float((queries[row] - teacher[row]).square().sum()) / 8
        others = [column for column in range(4) if column == row or about[column] != about[row]]
        scores = np.array([5.0 * float(queries[row] @ items[column]) for column in others])
        own -= float(scores[others.index(row)] - np.log(np.exp(scores).sum())) / 4
    assert float(frozen_head(queries, gallery, targets, scale=5.0)) == pytest.approx(head, rel=1e-4)
    assert float(matching(queries, teacher)) == pytest.approx(distance, rel=1e-4)
    assert float(contrastive(queries, items, about, scale=5.0)) == pytest.approx(own, rel=1e-4)


def test_the_gallery_is_frozen() -> None:
    queries, gallery = units(3, 6).requires_grad_(), units(5, 6, seed=1).requires_grad_()
    frozen_head(queries, gallery, torch.full((3, 5), 0.2)).backward()  # type: ignore[no-untyped-call]
    assert queries.grad is not None
    assert gallery.grad is None


def lessons(seed: int) -> Iterator[Batch]:
    """Texts of three tokens whose teacher is the mean of fixed vectors; the gallery are such vectors too."""
    random = torch.Generator().manual_seed(seed)
    known = units(30, 6, seed=9)
    gallery = normalize(known[torch.randint(0, 30, (50, 3), generator=random)].mean(dim=1), dim=-1)
    while True:
        ids = torch.randint(0, 30, (32, 3), generator=random)
        teacher = normalize(known[ids].mean(dim=1), dim=-1)
        items = ids.flip(1)
        yield Batch(ids, torch.ones_like(ids), teacher, gallery, items, torch.ones_like(items), torch.arange(32))


def towers() -> tuple[Tower, Tower]:
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(Tower(Architecture(8, pairs=True), vocabulary=30, dimensions=6, longest=4, buckets=16))
    return made[0], made[1]


def test_the_gallery_s_side_makes_a_tower_compatible_and_its_own_loss_alone_does_not() -> None:
    both, alone = towers()
    rates = Rates(tables=0.05, matrices=0.03)
    train(both, lessons(0), steps=60, rates=rates)
    train(alone, lessons(0), steps=60, rates=rates, compatibility=0.0)
    batch = next(lessons(5))
    with torch.no_grad():
        near, far = (float(matching(one(batch.ids, batch.mask), batch.teacher)) for one in (both, alone))
    assert near < 0.2
    assert far > 0.5


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = towers()
    assert train(first, lessons(3), steps=5, rates=Rates()) == train(second, lessons(3), steps=5, rates=Rates())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])


def test_a_super_net_learns_its_affordable_paths_only() -> None:
    nets, losses = [], []
    for _ in range(2):
        torch.manual_seed(1)
        nets.append(SuperNet(SPACE, vocabulary=30, dimensions=6, longest=4, buckets=16))
        losses.append(
            train_supernet(
                nets[-1],
                lessons(0),
                steps=60,
                rates=Rates(tables=0.05, matrices=0.03),
                random=np.random.default_rng(0),
                affordable=lambda one: one.depth < 2 and one.width == 4,
            )
        )
    assert losses[0] == losses[1]
    assert np.mean(losses[0][-10:]) < np.mean(losses[0][:10]) - 0.3
    torch.manual_seed(1)
    before = SuperNet(SPACE, vocabulary=30, dimensions=6, longest=4, buckets=16).largest.state_dict()
    after = nets[0].largest.state_dict()
    assert torch.equal(before["blocks.1.widen.weight"], after["blocks.1.widen.weight"])
    assert torch.equal(before["table"][:, 4:], after["table"][:, 4:])
    assert not torch.equal(before["table"][:, :4], after["table"][:, :4])
    with pytest.raises(InvalidInput, match="affordable"):
        train_supernet(
            nets[0],
            lessons(0),
            steps=1,
            rates=Rates(),
            random=np.random.default_rng(0),
            affordable=lambda _: False,
        )


def test_composite_adds_the_two_sides() -> None:
    tower, _ = towers()
    batch = next(lessons(0))
    own, gallery, both = (
        float(composite(tower, batch, own=a, compatibility=b).detach()) for a, b in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0))
    )
    assert both == pytest.approx(2 * own + 3 * gallery, rel=1e-5)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="Targets"):
        frozen_head(units(2, 6), units(3, 6), torch.ones(3, 2))
    with pytest.raises(InvalidInput, match="compare"):
        matching(units(2, 6), units(3, 6))
    with pytest.raises(InvalidInput, match="go together"):
        contrastive(units(2, 6), units(3, 6), torch.zeros(2))

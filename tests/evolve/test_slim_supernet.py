"""A super-net's path is the tower that is cut out of it; a tower is what its docstring says, text by text."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space
from segue.evolve.slim.supernet import SuperNet
from segue.evolve.slim.tower import Tower, pair_rows

SPACE = Space(width=(8, 16), depth=(0, 1, 2), heads=(1, 2), inner=(1, 2), window=(1, 3, 5))


SOME = [*[*SPACE][::17], Architecture(8, 1, 1, 2, 3, True, False), SPACE.largest()]


@pytest.fixture(scope="module")
def supernet() -> SuperNet:
    """Of random weights everywhere, so that no part is without effect."""
    torch.manual_seed(0)
    net = SuperNet(SPACE, vocabulary=40, dimensions=12, longest=9, buckets=32)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def batch() -> tuple[Tensor, Tensor]:
    ids = torch.randint(0, 40, (5, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    mask[3, 2:] = 0
    return ids, mask


@pytest.mark.parametrize("architecture", SOME)
def test_a_path_is_the_tower_cut_out_of_it(supernet: SuperNet, architecture: Architecture) -> None:
    ids, mask = batch()
    tower = supernet.cut(architecture)
    path = supernet.path(architecture, ids, mask)
    torch.testing.assert_close(path, tower(ids, mask))
    own = {name: tuple(tensor.shape) for name, tensor in tower.named_parameters()}
    alone = Tower(architecture, vocabulary=40, dimensions=12, longest=9, buckets=32)
    assert own == {name: tuple(tensor.shape) for name, tensor in alone.named_parameters()}


def test_a_path_s_gradient_is_that_of_the_tower_in_its_slice_and_zero_elsewhere(supernet: SuperNet) -> None:
    supernet.zero_grad()
    architecture = Architecture(8, 1, 2, 1, 3, True, True)
    ids, mask = batch()
    tower = supernet.cut(architecture)
    aim = torch.randn(5, 12)
    (supernet.path(architecture, ids, mask) * aim).sum().backward()  # type: ignore[no-untyped-call]
    (tower(ids, mask) * aim).sum().backward()
    big = supernet.largest
    assert big.table.grad is not None
    assert big.table.grad.is_sparse
    whole = big.table.grad.to_dense()
    assert tower.table.grad is not None
    torch.testing.assert_close(whole[:, :8], tower.table.grad.to_dense())
    assert not whole[:, 8:].any()
    shared = dict(big.named_parameters())["blocks.0.attention.project.weight"].grad
    own = dict(tower.named_parameters())["blocks.0.attention.project.weight"].grad
    assert shared is not None
    assert own is not None
    for part in range(3):
        torch.testing.assert_close(shared[16 * part : 16 * part + 8, :8], own[8 * part : 8 * part + 8])
    assert torch.count_nonzero(shared) == torch.count_nonzero(own)
    assert dict(big.named_parameters())["blocks.1.widen.weight"].grad is None


def test_cutting_copies(supernet: SuperNet) -> None:
    tower = supernet.cut(Architecture(16))
    with torch.no_grad():
        tower.table.zero_()
        tower.importance.zero_()
    assert supernet.largest.table.any()
    assert supernet.largest.importance.any()


def test_a_static_tower_is_a_weighted_mean_of_rows_projected(supernet: SuperNet) -> None:
    ids, mask = batch()
    tower = supernet.cut(Architecture(8, pairs=True))
    found = tower(ids, mask)
    for row in range(len(ids)):
        length = int(mask[row].sum())
        total = torch.zeros(8)
        for place in range(length):
            vector = tower.table[ids[row, place]]
            if place:
                vector = vector + tower.pairs[pair_rows(ids[row, place - 1 : place + 1][None], 32)[0, 0]]
            total = total + tower.importance[ids[row, place], 0].exp() * vector
        made = tower.project.weight @ (total / length)
        torch.testing.assert_close(found[row], made / made.norm())


@pytest.mark.parametrize("architecture", [Architecture(8), Architecture(16, 2, 2, 2, 5, True, True)])
def test_a_text_s_vector_does_not_depend_on_its_batch(supernet: SuperNet, architecture: Architecture) -> None:
    ids, mask = batch()
    tower = supernet.cut(architecture)
    found = tower(ids, mask)
    for row in range(len(ids)):
        alone = ids[row : row + 1, : int(mask[row].sum())]
        torch.testing.assert_close(tower(alone)[0], found[row])


def test_it_begins_as_the_best_table_of_every_rank() -> None:
    vectors = torch.randn(40, 12, generator=torch.Generator().manual_seed(2)) @ torch.diag(torch.linspace(3, 0.1, 12))
    net = SuperNet(Space(width=(4, 12), heads=(1,)), vocabulary=40, dimensions=12, longest=9, buckets=8)
    net.begin(vectors, torch.arange(40.0))
    values = np.linalg.svd(vectors.numpy(), compute_uv=False)
    for width in (4, 12):
        tower = net.cut(Architecture(width))
        left = (tower.table @ tower.project.weight.T - vectors).detach().square().sum()
        assert float(left) == pytest.approx(float((values[width:] ** 2).sum()), rel=1e-3, abs=1e-6)
    assert net.cut(Architecture(4)).importance[:, 0].tolist() == list(range(40))
    one = net.cut(Architecture(12))(torch.tensor([[5]]))
    torch.testing.assert_close(one[0], vectors[5] / vectors[5].norm(), rtol=1e-4, atol=1e-4)


def test_bad_input_is_refused(supernet: SuperNet) -> None:
    with pytest.raises(InvalidInput, match="not of this super-net"):
        supernet.path(Architecture(4), *batch())
    with pytest.raises(InvalidInput, match="Token vectors"):
        supernet.begin(torch.zeros(40, 3))
    with pytest.raises(InvalidInput, match="Token vectors"):
        supernet.begin(torch.full((40, 12), torch.nan))
    with pytest.raises(InvalidInput, match="mask"):
        supernet.cut(Architecture(8))(torch.zeros(2, 10, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="mask"):
        supernet.cut(Architecture(8))(torch.zeros(2, 3, dtype=torch.int64), torch.ones(2, 4))

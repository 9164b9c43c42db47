"""Spaces of towers, and the cost formula against what torch counts."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from segue.encode.positions.none import NoPositions
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer, pool
from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space, encoder_multiply_adds, multiply_adds
from segue.evolve.slim.tower import Tower

SPACE = Space(width=(8, 16), depth=(0, 1, 2), heads=(1, 2), inner=(1, 2), window=(1, 3))


@pytest.mark.parametrize("architecture", [*SPACE][::13])
def test_the_formula_counts_what_torch_counts(architecture: Architecture) -> None:
    tower = Tower(architecture, vocabulary=50, dimensions=12, longest=9, buckets=16)
    ids = torch.arange(7)[None]
    # The mean of equal weights is a sum, not a product; with weights of one it is counted as one.
    mask = torch.ones_like(ids)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        tower(ids, mask)
    assert multiply_adds(architecture, tokens=7, dimensions=12) == counted.get_total_flops() // 2


def test_the_encoder_s_formula_counts_what_torch_counts() -> None:
    encoder = Transformer(Shape(50, 16, 3, 2, 40), NoPositions())
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        pool(encoder(torch.arange(6)[None]))
    assert encoder_multiply_adds(tokens=6, width=16, inner=40, blocks=3) == counted.get_total_flops() // 2 + 6 * 16


def test_every_tower_of_a_space_is_listed_once() -> None:
    listed = list(SPACE)
    static, deep = 2 * 2 * 2 * 2, 2 * 2 * 2 * 2 * 2 * 2 * 2
    assert len(listed) == len(set(listed)) == static + deep
    assert all(one == one.canonical() for one in listed)
    assert SPACE.largest() == Architecture(16, 2, 2, 2, 3, True, True)


def test_what_is_drawn_mutated_and_crossed_stays_in_the_space() -> None:
    random = np.random.default_rng(0)
    every = set(SPACE)
    one, other = SPACE.sample(random), SPACE.sample(random)
    for _ in range(300):
        one, other = SPACE.cross(one, other, random), SPACE.mutate(one, random, rate=0.5)
        assert {one, other, SPACE.sample(random)} <= every


def test_a_space_where_static_towers_name_no_heads_that_blocks_may_have_still_crosses() -> None:
    space = Space(width=(8,), heads=(2,), inner=(2,))
    random = np.random.default_rng(0)
    static, deep = Architecture(8), Architecture(8, depth=1, heads=2, inner=2)
    assert all(space.cross(static, deep, random) in set(space) for _ in range(100))


@pytest.mark.parametrize(
    ("width", "depth", "heads", "window"), [(8, 0, 3, 1), (8, 0, 1, 2), (0, 0, 1, 1), (8, -1, 1, 1)]
)
def test_there_is_no_such_tower(width: int, depth: int, heads: int, window: int) -> None:
    with pytest.raises(InvalidInput, match="no tower"):
        Architecture(width, depth, heads, window=window)


def test_bad_spaces_and_sizes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="offers no depth"):
        Space(width=(8,), depth=())
    with pytest.raises(InvalidInput, match="no tower"):
        Space(width=(6,), heads=(4,))
    with pytest.raises(InvalidInput, match="0 tokens"):
        multiply_adds(Architecture(8), tokens=0, dimensions=8)

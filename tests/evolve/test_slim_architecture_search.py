"""Evolution finds the optimum of a space small enough to look at whole, under the cap, and the same for a seed."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture, Space, multiply_adds
from segue.evolve.slim.architecture_search import evolve

SPACE = Space(width=(8, 16, 32, 64), heads=(1, 2, 4), inner=(1, 2, 4))


def cost(one: Architecture) -> float:
    return multiply_adds(one, tokens=6, dimensions=32)


def worth(one: Architecture) -> float:
    """Larger is better and dearer, with an optimum of other choices at every cost."""
    return float(
        np.log(one.width) + 0.7 * one.depth + 0.1 * one.heads - 0.2 * abs(one.inner - 2) + 0.5 * one.pairs
        - 0.3 * (one.window == 3) * (one.depth == 1) + 0.2 * one.weighted
    )  # fmt: skip


@pytest.mark.parametrize("cap", [3_000, 30_000, 100_000, 10_000_000])
def test_it_finds_the_optimum_under_the_cap(cap: int) -> None:
    best = max((one for one in SPACE if cost(one) <= cap), key=worth)
    for seed in range(2):
        found = evolve(SPACE, worth, cost=cost, cap=cap, random=np.random.default_rng(seed), generations=15)
        assert found.reward == pytest.approx(worth(best))
        assert cost(found.best) <= cap
        assert all(cost(one) <= cap for one in found.seen)
        assert len(found.seen) < len(list(SPACE))


def test_a_seed_decides_all_and_each_is_looked_at_once() -> None:
    looked: list[Architecture] = []

    def counted(one: Architecture) -> float:
        looked.append(one)
        return worth(one)

    first, again = (evolve(SPACE, counted, cost=cost, cap=50_000, random=np.random.default_rng(4)) for _ in range(2))
    assert list(first.seen.items()) == list(again.seen.items())
    assert first.best == again.best
    half = looked[: len(looked) // 2]
    assert len(half) == len(set(half)) == len(first.seen)


def test_it_ends_where_nothing_is_new() -> None:
    small = Space(width=(8,), depth=(0,))
    found = evolve(small, worth, cost=cost, cap=1e9, random=np.random.default_rng(0), generations=50)
    assert set(found.seen) == set(small)


def test_bad_input_is_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="raise the cap"):
        evolve(SPACE, worth, cost=cost, cap=1, random=random)
    with pytest.raises(InvalidInput, match="finite"):
        evolve(SPACE, lambda _: float("nan"), cost=cost, cap=1e9, random=random)
    with pytest.raises(InvalidInput, match="parents"):
        evolve(SPACE, worth, cost=cost, cap=1e9, random=random, parents=0)

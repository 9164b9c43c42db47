"""The weights' layout: what a page is scored by and what it is learned from must be the same sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.records import Candidates
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.layout import BUCKETS, Layout, bucket
from segue.retrieve.select import by_strategy
from segue.retrieve.union import unite

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, known=st.integers(1, 6), draws=st.integers(1, 3))
def test_serving_and_learning_add_up_the_same(seed: int, known: int, draws: int) -> None:
    """Σ over the entries of `of_entries`, and `of_items`, are `rows` @ weights, whatever the lists and the weights."""
    random, layout = np.random.default_rng(seed), Layout(known)
    asked = random.permutation(known)[: random.integers(1, known + 1)]
    lists = [
        Candidates(str(name), random.permutation(60)[:size], np.sort(random.uniform(0.1, 9, size))[::-1])
        for name, size in zip(asked.tolist(), random.integers(0, 40, len(asked)).tolist(), strict=True)
    ]
    union = unite(lists)
    items = random.uniform(0, 1, (len(union.numbers), len(ITEM)))
    request, told = random.normal(size=len(REQUEST)), random.normal(size=(len(lists), len(STRATEGY)))
    weights = random.normal(size=(len(layout), draws))
    entries = layout.of_entries(union, asked, request, told, weights)
    served = layout.of_items(items, weights) + np.column_stack([union.add(values) for values in entries.T])
    places = np.arange(len(union.numbers))
    ranks = by_strategy(union, union.rank.astype(np.float64), places, len(lists)).astype(np.int64)
    shares = by_strategy(union, union.share, places, len(lists))
    rows = layout.rows(items, asked, ranks, shares, request, told)
    assert rows.shape == (len(union.numbers), len(layout))
    np.testing.assert_allclose(rows @ weights, served, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, rank=st.integers(1, 100), share=st.floats(0, 1))
def test_a_row_holds_one_depth_the_share_and_what_was_told(seed: int, rank: int, share: float) -> None:
    """Of the strategies that returned the item; nothing of the others."""
    random, layout = np.random.default_rng(seed), Layout(3)
    request, told = random.normal(size=len(REQUEST)), random.normal(size=(2, len(STRATEGY)))
    items = random.uniform(0, 1, (1, len(ITEM)))
    ranks, shares = np.array([[rank, 0]]), np.array([[share, 0.0]])
    row = layout.rows(items, np.array([2, 0]), ranks, shares, request, told)[0]
    assert (row[layout.block(0)] == 0).all()
    assert (row[layout.block(1)] == 0).all()
    block = row[layout.block(2)].tolist()
    depth = [0.0] * len(BUCKETS)
    depth[max(place for place, start in enumerate(BUCKETS.tolist()) if start <= rank)] = 1.0
    assert block == [*depth, share, *request.tolist(), *told[0].tolist()]


@pytest.mark.parametrize("known", [1, 5])
def test_blocks_share_nothing_and_leave_out_only_the_items_weights(known: int) -> None:
    layout = Layout(known)
    blocks = np.concatenate([layout.block(strategy) for strategy in range(known)])
    first = int(blocks.min())
    assert blocks.tolist() == list(range(first, len(layout)))
    rows = layout.rows(
        np.ones((1, len(ITEM))), np.arange(known), np.zeros((1, known), int), np.zeros((1, known)),
        np.ones(len(REQUEST)), np.ones((known, len(STRATEGY))),
    )  # fmt: skip
    assert (rows[0, first:] == 0).all()
    assert rows[0, :first].any()


def test_the_prior_is_the_incumbents_confidence_and_what_was_taken_before() -> None:
    layout = Layout(4)
    mean, deviation = layout.prior()
    assert len(mean) == len(deviation) == len(layout)
    assert (deviation > 0).all()
    items = np.random.default_rng(0).uniform(0, 1, (7, len(ITEM)))
    np.testing.assert_allclose(layout.of_items(items, mean[:, None])[:, 0], items[:, 0] + items[:, 4])
    assert (mean[np.concatenate([layout.block(strategy) for strategy in range(4)])] == 0).all()


@given(rank=st.integers(1, 10_000))
def test_buckets_are_those_named(rank: int) -> None:
    named = [(1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 10), (11, 20), (21, 10_000)]
    assert [low <= rank <= high for low, high in named].index(True) == bucket(np.array([rank]))[0]

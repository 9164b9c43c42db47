"""Reciprocal rank fusion, against ten lines of brute force."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.records import Candidates
from segue.retrieve.select import ReciprocalRankFusion


def listed(name: str, numbers: Sequence[int], scores: Sequence[float] | None = None) -> Candidates:
    values = np.linspace(1, 0.1, len(numbers)) if scores is None else np.asarray(scores)
    return Candidates(name, np.array(numbers, np.int64), values.astype(np.float32))


def fuse(found: Sequence[Candidates], weights: Sequence[float], constant: float, budget: int) -> Candidates:
    by_name = {one.strategy: weight for one, weight in zip(found, weights, strict=True)}
    return ReciprocalRankFusion(by_name, constant).merge(found, budget).kept


def brute(found: Sequence[Candidates], weights: Sequence[float], constant: float) -> dict[int, float]:
    scores: dict[int, float] = defaultdict(float)
    for one, weight in zip(found, weights, strict=True):
        for rank, number in enumerate(one.numbers.tolist(), 1):
            scores[number] += weight / (constant + rank)
    return scores


LISTS = st.lists(st.lists(st.integers(1, 12), unique=True, max_size=10), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(numbers=LISTS, data=st.data(), constant=st.sampled_from([0.0, 1.0, 10.0, 60.0]), budget=st.integers(1, 15))
def test_fuse_is_the_sum_of_weight_over_rank(
    numbers: list[list[int]], data: st.DataObject, constant: float, budget: int
) -> None:
    found = [listed(str(place), one) for place, one in enumerate(numbers)]
    weights = data.draw(st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=len(found), max_size=len(found)))
    expected = brute(found, weights, constant)
    fused = fuse(found, weights, constant, budget)
    assert len(fused) == min(budget, len(expected))
    assert set(fused.numbers.tolist()) <= set(expected)
    np.testing.assert_allclose(fused.scores, [expected[number] for number in fused.numbers.tolist()], rtol=1e-6)
    best = sorted(expected.values(), reverse=True)[:budget]
    np.testing.assert_allclose(fused.scores, best, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(numbers=LISTS, data=st.data())
def test_the_order_of_the_lists_does_not_matter(numbers: list[list[int]], data: st.DataObject) -> None:
    found = [listed(str(place), one) for place, one in enumerate(numbers)]
    weights = [1.0, 2.0, 5.0, 1.0, 0.5][: len(found)]
    order = data.draw(st.permutations(range(len(found))))
    fused = fuse(found, weights, 10, 20)
    other = fuse([found[place] for place in order], [weights[place] for place in order], 10, 20)
    assert fused.numbers.tolist() == other.numbers.tolist()


def test_what_is_equal_stands_in_order_of_number() -> None:
    """Three lists, each item first, second and third once: the sums are equal, whatever order they are added in."""
    circle = [listed("a", [9, 5, 7]), listed("b", [5, 7, 9]), listed("c", [7, 9, 5])]
    for constant in (0, 1, 3, 10, 60):
        assert fuse(circle, [1, 1, 1], constant, 3).numbers.tolist() == [5, 7, 9], constant
    twice = [listed("a", [1, 4, 5, 2, 6, 7]), listed("b", [3, 5, 1, 2, 6, 4]), listed("c", [2, 5, 3, 1, 6, 4])]
    for order in (
        [0, 1, 2],
        [1, 2, 0],
        [2, 1, 0],
    ):  # 4 and 6 both have .5/12 + 2/16, or .5/15 + 2/15: equal but for rounding
        fused = fuse([twice[place] for place in order], [[0.5, 1.0, 1.0][place] for place in order], 10, 7)
        assert fused.numbers.tolist() == [5, 2, 1, 3, 4, 6, 7], order
    assert fuse([listed("a", [3]), listed("b", [2]), listed("c", [1])], [1, 1, 1], 10, 3).numbers.tolist() == [1, 2, 3]


@settings(max_examples=100, deadline=None)
@given(numbers=LISTS, data=st.data())
def test_an_item_that_moves_up_in_one_list_never_falls(numbers: list[list[int]], data: st.DataObject) -> None:
    movable = [place for place, one in enumerate(numbers) if len(one) > 1]
    if not movable:
        return
    chosen = data.draw(st.sampled_from(movable))
    rank = data.draw(st.integers(1, len(numbers[chosen]) - 1))
    moved = [list(one) for one in numbers]
    item = moved[chosen].pop(rank)
    moved[chosen].insert(data.draw(st.integers(0, rank - 1)), item)
    weights = [1.0] * len(numbers)

    def place_of(lists: list[list[int]]) -> int:
        fused = fuse([listed(str(place), one) for place, one in enumerate(lists)], weights, 10, 50)
        return int(fused.numbers.tolist().index(item))

    assert place_of(moved) <= place_of(numbers)


@settings(max_examples=60, deadline=None)
@given(numbers=LISTS)
def test_an_item_is_not_rewarded_by_a_list_that_lacks_it(numbers: list[list[int]]) -> None:
    found = [listed(str(place), one) for place, one in enumerate(numbers)]
    fused = fuse(found, [1.0] * len(found), 10, 50)
    with_other = fuse([*found, listed("other", [100, 101])], [1.0] * (len(found) + 1), 10, 50)
    before = dict(zip(fused.numbers.tolist(), fused.scores.tolist(), strict=True))
    after = dict(zip(with_other.numbers.tolist(), with_other.scores.tolist(), strict=True))
    assert {number: after[number] for number in before} == before
    assert fuse([*found, listed("none", [])], [1.0] * (len(found) + 1), 10, 50).numbers.tolist() == list(before)


def test_nothing_to_fuse() -> None:
    for found in ([], [listed("a", [])], [listed("a", []), listed("b", [])]):
        fused = fuse(found, [1.0] * len(found), 10, 5)
        assert len(fused) == 0
        assert fused.numbers.dtype == np.int64


def test_a_strategy_that_says_how_sure_it_is_counts_by_that() -> None:
    policy = ReciprocalRankFusion(weights={"structured": 4.0, "text": 1.0}, constant=0.0)
    text = listed("text", [1, 2])
    sure = policy.merge([text, listed("structured", [2], [1.0])], 2).kept
    unsure = policy.merge([text, listed("structured", [2], [0.05])], 2).kept
    assert sure.numbers.tolist() == [2, 1]
    assert sure.scores.tolist() == [4.5, 1.0]
    assert unsure.numbers.tolist() == [1, 2]
    assert unsure.scores.tolist() == pytest.approx([1.0, 0.7])


def test_a_strategy_without_a_weight_counts_one() -> None:
    policy = ReciprocalRankFusion(weights={"text": 0.0}, constant=0.0)
    assert policy.merge([listed("text", [1]), listed("mine", [2])], 2).kept.scores.tolist() == [1.0, 0.0]

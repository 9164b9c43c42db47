"""The union of lists against dictionaries."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.records import Candidates
from segue.retrieve.select import by_strategy
from segue.retrieve.union import Union, unite

Lists = list[list[tuple[int, float]]]


@st.composite
def lists(draw: st.DrawFn) -> Lists:
    """Up to five lists of (number, score), best first; some empty, some with nothing but zeros or negative scores."""
    made = []
    for _ in range(draw(st.integers(0, 5))):
        numbers = draw(st.lists(st.integers(0, 15), unique=True, max_size=10))
        score = st.floats(-1, 20, width=32)
        scores = sorted(draw(st.lists(score, min_size=len(numbers), max_size=len(numbers))), reverse=True)
        made.append(list(zip(numbers, scores, strict=True)))
    return made


def found(drawn: Lists) -> list[Candidates]:
    return [
        Candidates(
            str(place), np.array([n for n, _ in one], np.int64), np.array([score for _, score in one], np.float32)
        )
        for place, one in enumerate(drawn)
    ]


@settings(max_examples=100, deadline=None)
@given(drawn=lists())
def test_every_entry_is_in_the_union_once(drawn: Lists) -> None:
    union = unite(found(drawn))
    assert union.numbers.tolist() == sorted({number for one in drawn for number, _ in one})
    expected = {
        (place, number, rank): max(score, 0.0) / one[0][1] if one[0][1] > 0 else 0.0
        for place, one in enumerate(drawn)
        for rank, (number, score) in enumerate(one, 1)
    }
    numbers = union.numbers[union.item].tolist()
    keys = list(zip(union.strategy.tolist(), numbers, union.rank.tolist(), strict=True))
    assert len(keys) == len(expected)
    assert dict(zip(keys, union.share.tolist(), strict=True)) == pytest.approx(expected, abs=1e-6)
    assert ((union.share >= 0) & (union.share <= 1)).all()


@settings(max_examples=100, deadline=None)
@given(drawn=lists(), seed=st.integers(0, 1000))
def test_adding_and_laying_out_entries(drawn: Lists, seed: int) -> None:
    union = unite(found(drawn))
    values = np.random.default_rng(seed).normal(size=len(union.item))
    sums: dict[int, float] = defaultdict(float)
    cells: dict[tuple[int, int], float] = {}
    for item, strategy, value in zip(union.item.tolist(), union.strategy.tolist(), values.tolist(), strict=True):
        sums[item] += value
        cells[item, strategy] = value
    np.testing.assert_allclose(union.add(values), [sums[item] for item in range(len(union.numbers))], atol=1e-12)
    several = union.add(np.column_stack([values, 2 * values]))
    np.testing.assert_allclose(several, np.outer(union.add(values), [1, 2]), atol=1e-9)
    places = np.arange(len(union.numbers))[::-1]
    table = by_strategy(union, values, places, len(drawn))
    for row, item in enumerate(places.tolist()):
        assert table[row].tolist() == [cells.get((item, strategy), 0.0) for strategy in range(len(drawn))]


@settings(max_examples=100, deadline=None)
@given(drawn=lists(), data=st.data(), seed=st.integers(0, 1000))
def test_the_order_of_the_lists_does_not_change_a_bit(drawn: Lists, data: st.DataObject, seed: int) -> None:
    order = data.draw(st.permutations(range(len(drawn))))
    table = np.random.default_rng(seed).normal(size=(len(drawn), 11)) * 10.0 ** np.arange(-8, 3)

    def added(places: Sequence[int]) -> tuple[Union, bytes]:
        listed = found(drawn)
        union = unite([listed[place] for place in places])
        values = table[np.array(places, dtype=np.int64)[union.strategy], union.rank] if len(union.item) else np.zeros(0)
        return union, union.add(values).tobytes() + union.add(values[:, None]).tobytes()

    one, sums = added(range(len(drawn)))
    other, same = added(order)
    assert one.numbers.tolist() == other.numbers.tolist()
    assert sums == same


@pytest.mark.parametrize("drawn", [[], [[]], [[], []]])
def test_a_union_of_nothing(drawn: Lists) -> None:
    union = unite(found(drawn))
    assert len(union.numbers) == len(union.item) == len(union.strategy) == len(union.rank) == len(union.share) == 0
    assert union.add(np.zeros(0)).tolist() == []

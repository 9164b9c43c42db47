"""How good a ranking is: by hand, by brute force and by what must always hold."""

import math
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.rank.measures import condensed, judged, ndcg, recall, reciprocal_rank

GRADES = {"a": 3.0, "b": 2.0, "c": 0.0, "d": 1.0}


def test_recall_by_hand() -> None:
    assert recall(["a", "x", "b", "c", "d"], GRADES, 1) == pytest.approx(1 / 3)
    assert recall(["a", "x", "b", "c", "d"], GRADES, 3) == pytest.approx(2 / 3)
    assert recall(["a", "x", "b", "c", "d"], GRADES, 100) == 1
    assert recall(["c", "x"], GRADES, 10) == 0
    assert recall([], GRADES, 10) == 0
    assert recall(["a"], {}, 10) == recall(["a"], {"a": 0.0}, 10) == 0


def test_ndcg_by_hand() -> None:
    gain = (2**2 - 1) / math.log2(2) + (2**3 - 1) / math.log2(4)
    best = (2**3 - 1) / math.log2(2) + (2**2 - 1) / math.log2(3) + (2**1 - 1) / math.log2(4)
    assert ndcg(["b", "x", "a"], GRADES, 3) == pytest.approx(gain / best)
    assert ndcg(["b", "x", "a"], GRADES, 10) == pytest.approx(gain / best)
    assert ndcg(["b"], GRADES, 1) == pytest.approx(3 / 7)
    assert ndcg(["a", "b", "d"], GRADES, 3) == 1
    assert ndcg([], GRADES, 3) == ndcg(["a"], {"a": 0.0}, 3) == ndcg(["a"], {}, 3) == 0


def test_reciprocal_rank_by_hand() -> None:
    assert reciprocal_rank(["x", "c", "d", "a"], GRADES, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "c", "d"], GRADES, 2) == 0
    assert reciprocal_rank(["a"], GRADES, 1) == 1
    assert reciprocal_rank([], GRADES, 1) == 0


def test_judged_and_condensed_by_hand() -> None:
    assert judged(["a", "x", "c", "y"], GRADES, 3) == pytest.approx(2 / 3)
    assert judged(["a"], GRADES, 10) == 1
    assert judged([], GRADES, 10) == 0
    assert condensed(["x", "c", "y", "a"], GRADES) == ["c", "a"]
    assert condensed([], GRADES) == []


RANKED = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
JUDGED = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=1)


@settings(max_examples=100, deadline=None)
@given(ranked=RANKED, grades=JUDGED, k=st.integers(1, 9))
def test_what_always_holds(ranked: list[str], grades: dict[str, float], k: int) -> None:
    measures = (recall, ndcg, reciprocal_rank, judged)
    assert all(0 <= measure(ranked, grades, k) <= 1 + 1e-12 for measure in measures)
    assert recall(ranked, grades, k) <= recall(ranked, grades, k + 1)
    assert reciprocal_rank(ranked, grades, k) <= reciprocal_rank(ranked, grades, k + 1)
    assert judged(condensed(ranked, grades), grades, k) in (0, 1)
    assert ndcg(ranked[:k], grades, k) == ndcg(ranked, grades, k)


@settings(max_examples=40, deadline=None)
@given(
    grades=st.dictionaries(st.sampled_from("abcde"), st.sampled_from([0.0, 1.0, 2.0]), min_size=1), k=st.integers(1, 6)
)
def test_the_best_of_all_orders_has_ndcg_1(grades: dict[str, float], k: int) -> None:
    best = max(ndcg(order, grades, k) for order in permutations(grades))
    assert best == pytest.approx(1 if any(grades.values()) else 0)


@settings(max_examples=60, deadline=None)
@given(ranked=RANKED.filter(lambda ranked: len(ranked) > 1), grades=JUDGED, data=st.data())
def test_swapping_a_better_item_up_never_hurts_ndcg(
    ranked: list[str], grades: dict[str, float], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(ranked) - 2))
    if grades.get(ranked[at], 0) < grades.get(ranked[at + 1], 0):
        swapped = [*ranked[:at], ranked[at + 1], ranked[at], *ranked[at + 2 :]]
        assert ndcg(swapped, grades, 10) >= ndcg(ranked, grades, 10)

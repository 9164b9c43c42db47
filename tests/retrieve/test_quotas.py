"""Quotas, and what is tuned on judged queries, against brute force."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import InvalidInput
from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.layout import BUCKETS, bucket
from segue.retrieve.query import Query
from segue.retrieve.quotas import Overlap, StaticQuotas, cross_entropy_method, greedy, tune_quotas
from segue.retrieve.select import ReciprocalRankFusion
from segue.retrieve.tuning import Examples, tune_fusion

ANY: Any = cast(Any, None)
"""Neither policy looks at the query or the catalogue."""


def listed(name: str, numbers: Sequence[int]) -> Candidates:
    return Candidates(name, np.array(numbers, np.int64), np.linspace(0.9, 0.1, len(numbers)).astype(np.float32))


def kept(quotas: Mapping[str, int], found: Sequence[Candidates], budget: int) -> list[int]:
    numbers: list[int] = StaticQuotas(quotas).spend(ANY, ANY, found, budget).kept.numbers.tolist()
    return numbers


NAMES = ("a", "structured", "c")
LISTS = st.lists(st.lists(st.integers(1, 15), unique=True, max_size=10), min_size=3, max_size=3).map(
    lambda numbers: [listed(name, one) for name, one in zip(NAMES, numbers, strict=True)]
)
QUOTAS = (
    st.lists(st.integers(0, 6), min_size=3, max_size=3).filter(any).map(lambda own: dict(zip(NAMES, own, strict=True)))
)


def test_the_first_of_each_list_in_turn() -> None:
    found = [listed("a", [1, 2, 3, 4]), listed("c", [9, 8, 7, 6])]
    assert kept({"a": 2, "c": 2}, found, 4) == [1, 9, 2, 8]
    assert kept({"c": 1, "a": 3}, found, 4) == [9, 1, 2, 3]
    assert kept({"a": 4, "c": 0}, found, 4) == [1, 2, 3, 4]


def test_duplicates_leave_room_for_what_is_beyond_the_quotas() -> None:
    found = [listed("a", [1, 2, 3]), listed("c", [1, 2, 5])]
    assert kept({"a": 2, "c": 2}, found, 4) == [1, 2, 3, 5]


@settings(max_examples=150, deadline=None)
@given(found=LISTS, quotas=QUOTAS, budget=st.integers(1, 20), random=st.randoms())
def test_quotas_against_brute_force(found: list[Candidates], quotas: dict[str, int], budget: int, random: Any) -> None:
    """The budget is spent to the last place, within the quotas first."""
    within = [
        (rank, place, one) for place, one in enumerate(found) for rank in range(min(quotas[one.strategy], len(one)))
    ]
    beyond = [(rank, place, one) for place, one in enumerate(found) for rank in range(quotas[one.strategy], len(one))]
    turns = [*sorted(within, key=lambda turn: turn[:2]), *sorted(beyond, key=lambda turn: turn[:2])]
    expected = list(dict.fromkeys(int(one.numbers[rank]) for rank, _, one in turns))[:budget]
    spent = StaticQuotas(quotas).spend(ANY, ANY, random.sample(found, len(found)), budget)
    assert spent.kept.numbers.tolist() == expected
    np.testing.assert_allclose(spent.totals, [1 / place for place in range(1, len(expected) + 1)])
    np.testing.assert_allclose(spent.contributions.sum(axis=1), spent.totals)
    assert ((spent.contributions > 0).sum(axis=1) == 1).all()


def test_only_those_with_a_quota_are_asked() -> None:
    class Named:
        domain = "films"

    policy, catalogue = StaticQuotas({"a": 3, "b": 0, "c": 30}), cast(Snapshot, Named())
    chosen = policy.choose(cast(Query, None), catalogue, ["c", "b", "a", "d"], 10)
    assert [(one.strategy, one.k, one.propensity) for one in chosen] == [("c", 30, 1.0), ("a", 10, 1.0)]
    assert policy.choose(cast(Query, None), catalogue, ["a"], 10, []) == ()


@pytest.mark.parametrize("wrong", [{}, {"a": 0}, {"a": -1, "b": 2}, {"a": 1.5}])
def test_quotas_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="quotas are"):
        StaticQuotas(wrong)


# -- the cross-entropy method -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_cross_entropy_method_finds_the_best_of_all(seed: int) -> None:
    """On a problem small enough to be enumerated, 4 names, 8 slots, 165 allocations: what share of five kinds of request is
    answered when each candidate of a name answers each kind with a chance of its own."""
    names, budget, random = ["a", "b", "c", "d"], 8, np.random.default_rng(seed)
    misses = 1 - random.random((5, 4)) ** 2

    def objective(quotas: Mapping[str, int]) -> float:
        return float((1 - (misses ** [quotas[name] for name in names]).prod(axis=1)).mean())

    every = [own for own in product(range(budget + 1), repeat=4) if sum(own) == budget]
    best = max(objective(dict(zip(names, own, strict=True))) for own in every)
    found = cross_entropy_method(objective, names, budget, seed=seed)
    assert sum(found.values()) == budget
    assert objective(found) == best
    assert found == cross_entropy_method(objective, names, budget, seed=seed)


def test_the_cross_entropy_method_gets_better_than_chance() -> None:
    """A problem with 293,930 allocations of which one is best: as many random ones as it may look at do not find it."""
    names, wanted = list("abcdefghij"), dict(zip("abcdefghij", (5, 0, 0, 3, 0, 0, 0, 2, 2, 0), strict=True))

    def objective(quotas: Mapping[str, int]) -> float:
        return -sum(abs(quotas[name] - wanted[name]) for name in names)

    assert cross_entropy_method(objective, names, 12, seed=0) == wanted
    random = np.random.default_rng(0).multinomial(12, np.full(10, 0.1), 100 * 30)
    assert max(objective(dict(zip(names, own, strict=True))) for own in random.tolist()) < 0


@pytest.mark.parametrize("wrong", [{"names": []}, {"budget": 0}, {"elite": 101}, {"elite": 0}, {"rounds": 0}])
def test_a_search_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="cannot be searched"):
        cross_entropy_method(**{"objective": len, "names": ["a"], "budget": 3, "seed": 0, **wrong})


# -- judged queries -----------------------------------------------------------------------------------------------------

QUERIES = st.lists(st.tuples(LISTS, st.sets(st.integers(1, 20), max_size=4)), min_size=1, max_size=6).filter(
    lambda queries: any(wanted for _, wanted in queries)
)


def recall(keep: Any, queries: Sequence[tuple[Sequence[Candidates], set[int]]]) -> float:
    shares = [len(wanted & set(keep(found))) / len(wanted) for found, wanted in queries if wanted]
    return float(np.mean(shares))


@settings(max_examples=100, deadline=None)
@given(queries=QUERIES, budget=st.integers(1, 8), constant=st.sampled_from([0.0, 1.0, 5.0]), data=st.data())
def test_the_recall_tuned_on_is_that_of_the_policy(
    queries: list[tuple[list[Candidates], set[int]]], budget: int, constant: float, data: st.DataObject
) -> None:
    weights = {name: data.draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])) for name in NAMES}
    policy = ReciprocalRankFusion(weights, constant)
    examples = Examples([found for found, _ in queries], [wanted for _, wanted in queries])
    expected = recall(lambda found: policy.merge(found, budget).kept.numbers.tolist(), queries)
    assert examples.recall(examples.fused(policy), budget) == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(queries=QUERIES, budget=st.integers(1, 8))
def test_tuned_fusion_is_never_worse_on_its_queries(
    queries: list[tuple[list[Candidates], set[int]]], budget: int
) -> None:
    start = ReciprocalRankFusion({"a": 1.0, "structured": 3.0})
    tuned = tune_fusion([found for found, _ in queries], [wanted for _, wanted in queries], budget, start=start)
    before, after = (
        recall(lambda found, policy=policy: policy.merge(found, budget).kept.numbers.tolist(), queries)
        for policy in (start, tuned)
    )
    assert after >= before - 1e-12
    assert min(tuned.weights.values()) >= 0


def test_fusion_is_tuned_to_what_is_right() -> None:
    """One strategy is right at rank 3, the other never: its weight has to outdo the other's for the first place."""
    queries = [([listed("a", [1, 2, 3]), listed("c", [7, 8, 3])], {3})] * 2
    start = ReciprocalRankFusion({"a": 1.0, "c": 1.0}, constant=0.0)
    lists, relevant = [found for found, _ in queries], [wanted for _, wanted in queries]
    tuned = tune_fusion(lists, relevant, 1, start=start)
    assert recall(lambda found: start.merge(found, 1).kept.numbers.tolist(), queries) == 0
    assert recall(lambda found: tuned.merge(found, 1).kept.numbers.tolist(), queries) == 1


@settings(max_examples=10, deadline=None)
@given(queries=QUERIES, budget=st.integers(1, 4))
def test_tuned_quotas_are_the_best_there_are(queries: list[tuple[list[Candidates], set[int]]], budget: int) -> None:
    lists, relevant = [found for found, _ in queries], [wanted for _, wanted in queries]
    names = sorted({one.strategy for found in lists for one in found if len(one)} | {"a", "c", "structured"})
    every = [own for own in product(range(budget + 1), repeat=3) if sum(own) == budget]
    tuned = tune_quotas(lists, relevant, budget)
    values = [
        recall(lambda found, own=own: kept(dict(zip(names, own, strict=True)), found, budget), queries) for own in every
    ]
    reached = recall(lambda found: kept(tuned.quotas, found, budget), queries)
    assert reached == pytest.approx(max(values))


@pytest.mark.parametrize(("lists", "relevant"), [([], []), ([[]], [set()]), ([[], []], [{1}])])
def test_judgements_that_say_nothing_are_refused(lists: Any, relevant: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot be tuned on"):
        tune_fusion(lists, relevant, 10)


# -- greedy quotas ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(strategies=st.integers(1, 5), budget=st.integers(1, 12), seed=st.integers(0, 1000))
def test_greedy_spends_the_budget_as_by_hand(strategies: int, budget: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    chances = random.random((strategies, budget, 3))
    missed = random.random((strategies, strategies, len(BUCKETS) + 1))
    missed[..., 0] = 1.0
    missed[np.arange(strategies), np.arange(strategies)] = 1.0
    quotas = greedy(chances, missed)
    assert (quotas.sum(axis=0) == budget).all()
    for draw in range(3):
        own = [0] * strategies
        for _ in range(budget):
            gains = []
            for one in range(strategies):
                gain = chances[one, own[one], draw]
                for other in range(strategies):
                    gain *= missed[one, other, int(bucket(np.array(own[other]))) + 1 if own[other] else 0]
                gains.append(gain)
            own[int(np.argmax(gains))] += 1
        assert quotas[:, draw].tolist() == own


def test_greedy_does_not_pay_twice() -> None:
    """Two strategies that find the same, and a poorer one that finds something else."""
    chances = np.array([[0.6, 0.3], [0.59, 0.3], [0.2, 0.1]])[:, :, None]
    missed = np.ones((3, 3, len(BUCKETS) + 1))
    assert greedy(chances, missed)[:, 0].tolist() == [1, 1, 0]
    missed[0, 1, 1:] = missed[1, 0, 1:] = 0.05
    assert greedy(chances, missed)[:, 0].tolist() == [2, 0, 0]
    chances[0, 1] = 0.1
    assert greedy(chances, missed)[:, 0].tolist() == [1, 0, 1]


def test_overlap_is_the_share_of_what_was_taken() -> None:
    """Of what 0 found, 1 held half at rank 2, the rest never; of what 1 found, 0 held everything first."""
    overlap = Overlap.new(3)
    for _ in range(2000):
        overlap.learn(np.array([0, 1]), np.array([[1, 2], [1, 0]]))
    np.testing.assert_allclose(overlap.missed[0, 1], [1, 1, *[0.5] * (len(BUCKETS) - 1)], atol=0.01)
    np.testing.assert_allclose(overlap.missed[1, 0], [1, *[0] * len(BUCKETS)], atol=0.01)
    np.testing.assert_allclose(overlap.missed[0, 2], Overlap.new(3).missed[0, 2])
    assert (overlap.missed[[0, 1, 2], [0, 1, 2]] == 1).all()

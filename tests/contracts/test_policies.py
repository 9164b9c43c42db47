"""The contract of a selection policy, over every policy there is."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.arms import GreedyQuotas, NoisyOr
from segue.retrieve.bandit import Bandit
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.quotas import StaticQuotas
from segue.retrieve.select import WEIGHTS, Policy, ReciprocalRankFusion
from segue.retrieve.strategies import family
from segue.store import ACTIONS

NAMES = list(family(Memory({})))
ITEMS = 40


def bandit(**settings: Any) -> Bandit:
    return Bandit(NAMES, Memory(ACTIONS), ACTIONS, **settings)


POLICIES: dict[str, Callable[[], Policy]] = {
    "fusion": ReciprocalRankFusion,
    "fusion as in the paper": lambda: ReciprocalRankFusion(weights={}, constant=60.0),
    "shallow": lambda: ReciprocalRankFusion(depth=1),
    "constant 0": lambda: ReciprocalRankFusion(constant=0.0),
    "some": lambda: ReciprocalRankFusion(weights={**WEIGHTS, "grams": 0.0, "popular": 0.0}),
    "bandit": bandit,
    "bandit that does not explore": lambda: bandit(explore=False),
    "economical": lambda: bandit(mode="economical"),
    "apprentice": lambda: bandit(mode="apprentice"),
    "noisy-or": lambda: NoisyOr(NAMES, Memory(ACTIONS), ACTIONS),
    "greedy quotas": lambda: GreedyQuotas(NAMES, Memory(ACTIONS), ACTIONS),
    "static quotas": lambda: StaticQuotas({"text": 5, "title": 3, "dense": 2}),
}


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("policies"), encoder)
    rows = [{"id": str(place), "title": f"mary {place}", "votes": place * 3 % 17} for place in range(ITEMS)]
    opened.index(from_mappings(rows), fingerprint="1")
    yield opened.snapshot
    opened.close()


@pytest.fixture(scope="module")
def query(encoder: OnnxEncoder) -> Query:
    return Query(Request("", "mary"), "mary", encoder.encode)


@pytest.fixture(params=POLICIES, scope="module")
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]()


@pytest.mark.parametrize("budget", [1, 10, 100])
def test_what_is_chosen(policy: Policy, query: Query, catalogue: Snapshot, budget: int) -> None:
    """Strategies are asked once each, in as many rounds as the policy likes, and the same is chosen again."""
    asked, found = list[str](), None
    while chosen := policy.choose(query, catalogue, NAMES, budget, found):
        assert chosen == policy.choose(query, catalogue, NAMES, budget, found)
        for one in chosen:
            assert one.strategy in NAMES
            assert one.domain == "films"
            assert one.k >= budget
            assert 0 < one.propensity <= 1
        fresh = [one.strategy for one in chosen if one.strategy not in asked]
        if not fresh:
            break
        asked += fresh
        none = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        found = [Candidates(name, *none) for name in asked]
    assert 0 < len(asked) == len(set(asked))
    assert policy.choose(query, catalogue, [], budget) == ()


def test_a_strategy_of_weight_0_is_not_asked(query: Query, catalogue: Snapshot) -> None:
    asked = {one.strategy for one in POLICIES["some"]().choose(query, catalogue, NAMES, 10)}
    assert asked == set(NAMES) - {"grams", "popular"}


@st.composite
def lists(draw: st.DrawFn) -> list[tuple[str, list[int], list[float]]]:
    found = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        places = draw(st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=15))
        scores = sorted(draw(st.lists(st.floats(0, 1, width=32), min_size=len(places), max_size=len(places))))
        found.append((name, places, scores[::-1]))
    return found


@settings(max_examples=60, deadline=None)
@given(drawn=lists(), budget=st.integers(1, 50))
def test_what_is_kept(
    policy: Policy, query: Query, catalogue: Snapshot, drawn: list[tuple[str, list[int], list[float]]], budget: int
) -> None:
    found: Sequence[Candidates] = [
        Candidates(name, catalogue.numbers[places], np.array(scores, np.float32)) for name, places, scores in drawn
    ]
    given_before = deepcopy(found)
    spent = policy.spend(query, catalogue, found, budget)
    kept = spent.kept
    union = {number for one in found for number in one.numbers.tolist()}
    assert len(kept) == min(budget, len(union))
    assert len(set(kept.numbers.tolist())) == len(kept)
    assert set(kept.numbers.tolist()) <= union
    assert kept.numbers.dtype == np.int64
    assert kept.scores.dtype == np.float32
    assert (np.diff(kept.scores) <= 0).all()
    assert (kept.scores >= 0).all()
    assert spent.contributions.shape == (len(kept), len(spent.parts))
    np.testing.assert_allclose(spent.contributions.sum(axis=1), spent.totals, atol=1e-9)
    again = policy.spend(query, catalogue, found, budget)
    assert again.kept.numbers.tolist() == kept.numbers.tolist()
    for before, after in zip(given_before, found, strict=True):
        assert before.numbers.tolist() == after.numbers.tolist()
        assert before.scores.tolist() == after.scores.tolist()


@settings(max_examples=60, deadline=None)
@given(drawn=lists(), budget=st.integers(1, 50), random=st.randoms())
def test_the_order_of_the_lists_does_not_matter(
    policy: Policy, query: Query, catalogue: Snapshot, drawn: list[Any], budget: int, random: Any
) -> None:
    found = [
        Candidates(name, catalogue.numbers[places], np.array(scores, np.float32)) for name, places, scores in drawn
    ]
    shuffled = random.sample(found, len(found))
    one, other = (policy.spend(query, catalogue, lists, budget) for lists in (found, shuffled))
    assert one.kept.numbers.tolist() == other.kept.numbers.tolist()


def test_propensities_are_those_of_the_draws(query: Query, catalogue: Snapshot) -> None:
    """Over many seeds an item is on the page, and at its place, as often as was logged."""
    found = [
        Candidates("text", catalogue.numbers[:30], np.linspace(3, 1, 30).astype(np.float32)),
        Candidates("dense", catalogue.numbers[39:5:-1], np.linspace(0.9, 0.5, 34).astype(np.float32)),
    ]
    policy = bandit()
    seeds, there, first = 1000, np.zeros(ITEMS), np.zeros((ITEMS, 10))
    logged: dict[int, set[float]] = {}
    at: dict[tuple[int, int], set[float]] = {}
    for seed in range(seeds):
        asked = Query(Request("", "mary", seed=seed), "mary", lambda texts: np.zeros((len(texts), 384), np.float32))
        spent = policy.spend(asked, catalogue, found, 10)
        places = np.searchsorted(catalogue.numbers, spent.kept.numbers)
        there[places] += 1
        first[places, np.arange(10)] += 1
        for place, item in enumerate(places.tolist()):
            logged.setdefault(item, set()).add(spent.learning["propensity"][place][0])
            at.setdefault((item, place), set()).add(spent.learning["propensity"][place][1])
    assert all(len(values) == 1 for values in [*logged.values(), *at.values()])
    for item, values in logged.items():
        assert there[item] / seeds == pytest.approx(min(values), abs=0.06)
    for (item, place), values in at.items():
        assert first[item, place] / seeds == pytest.approx(min(values), abs=0.06)


def test_no_answer_teaches_nothing() -> None:
    policy = bandit()
    before = policy.lessons.digest()
    policy.learn(Event("a", "answer", 0.0, {"results": [], "shown": [], "learning": {}}))
    policy.learn(Event("f", "feedback", 0.0, {"answer": "a", "domain": "films", "item": "1", "action": "click"}))
    assert policy.lessons.digest() == before


@pytest.mark.parametrize("wrong", [{"constant": -1.0}, {"depth": 0}, {"weights": {"text": -1.0}}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="from 0 up"):
        ReciprocalRankFusion(**wrong)

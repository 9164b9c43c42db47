"""The arms and the two ways of spending by them, against closed forms, known probabilities and brute force."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.arms import DRAWS, Arms, GreedyQuotas, NoisyOr
from segue.retrieve.bandit import Bandit
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.context import ITEM, REQUEST, STRATEGY, describe_strategies
from segue.retrieve.memory import Memory
from segue.retrieve.pages import LearningPolicy, Told
from segue.retrieve.query import Query
from segue.retrieve.select import ReciprocalRankFusion
from segue.retrieve.strategies import family
from segue.store import ACTIONS

NAMES = list(family(Memory({})))
TWO = ("text", "dense")
FUSION = ReciprocalRankFusion({"text": 2.0, "dense": 1.0}, constant=5.0)
NOTHING = np.zeros(len(REQUEST))


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("arms"), encoder)
    opened.index(from_mappings([{"id": str(place), "title": f"mary {place}"} for place in range(60)]), fingerprint="1")
    yield opened.snapshot
    opened.close()


def asked(text: str = "mary", seed: int = 0) -> Query:
    return Query(Request("", text, seed=seed), text, lambda texts: np.zeros((len(texts), 384), np.float32))


def listed(catalogue: Snapshot, name: str, places: Sequence[int]) -> Candidates:
    return Candidates(name, catalogue.numbers[list(places)], np.linspace(2, 1, len(places)).astype(np.float32))


def arms(*, sees_lists: bool = True) -> Arms:
    return Arms(TWO, FUSION, sees_lists=sees_lists, seed=0)


def told(ranks: list[list[int]], request: Any = NOTHING, lists: Any = None) -> Told:
    table = np.array(ranks, dtype=np.int64).reshape(-1, 2)
    described = np.full((2, len(STRATEGY)), 0.5) if lists is None else lists
    return Told(np.arange(2), table, table / 1.0, request, described, np.zeros((len(table), len(ITEM))))


def chance(learned: Arms, strategy: int, rank: int, request: Any = NOTHING) -> float:
    lists = np.full((2, len(STRATEGY)), 0.5)
    return float(learned.chances(np.array([strategy]), np.array([rank]), request, lists, drawn=False)[0, 0])


def test_it_starts_as_rank_fusion() -> None:
    for strategy, name in enumerate(TWO):
        for rank in range(1, 51):
            assert chance(arms(), strategy, rank) == pytest.approx(FUSION.weights[name] / (5 + rank))


@pytest.mark.parametrize("sees_lists", [True, False])
def test_chances_are_recovered_from_clicks(*, sees_lists: bool) -> None:
    """Clicks at r^-.5 times a chance that depends on strategy, depth and request: what is learned is that chance."""
    random, learned = np.random.default_rng(0), arms(sees_lists=sees_lists)
    begun, feature = {"text": (0.6, 0.2), "dense": (0.3, 0.05)}, REQUEST.index("digits")
    decay = {rank: 6 / (5 + rank) for rank in (1, 5)}

    def true(strategy: int, rank: int, digits: float) -> float:
        return decay[rank] * (begun[TWO[strategy]][int(rank == 5)] + (0.2 if strategy else -0.1) * digits)

    for _ in range(120):
        pages = []
        for _ in range(25):
            request = NOTHING.copy()
            request[feature] = digits = float(random.random() < 0.5)
            order = random.permutation(4)
            entries = np.array([(0, 1), (0, 5), (1, 1), (1, 5)])[order]
            looked = np.arange(1.0, 5.0) ** -0.5
            wanted = np.array([true(strategy, rank, digits) for strategy, rank in entries])
            taken = (random.random(4) < wanted * looked).astype(np.float64)
            ranks = [[rank if one == strategy else 0 for one in range(2)] for strategy, rank in entries]
            pages.append((told(ranks, request), looked, taken, 1.0))
        learned.learn(pages)
    for strategy, rank, digits in product((0, 1), (1, 5), (0.0, 1.0)):
        request = NOTHING.copy()
        request[feature] = digits
        assert chance(learned, strategy, rank, request) == pytest.approx(true(strategy, rank, digits), abs=0.05)


def test_every_strategy_that_returned_an_item_is_credited() -> None:
    before, learned = arms(), arms()
    learned.learn([(told([[1, 3], [2, 0]]), np.array([1.0, 0.5]), np.array([1.0, 0.0]), 1.0)])
    assert chance(learned, 0, 1) > chance(before, 0, 1)
    assert chance(learned, 1, 3) > chance(before, 1, 3)
    ignored = arms()
    ignored.learn([(told([[2, 0]]), np.array([0.5]), np.array([0.0]), 1.0)])
    assert chance(ignored, 0, 2) < chance(before, 0, 2)
    assert chance(ignored, 1, 2) == pytest.approx(chance(before, 1, 2))


def test_what_stands_where_hardly_anybody_looks_teaches_little() -> None:
    moved = []
    for looked in (1.0, 0.1):
        learned = arms()
        learned.learn([(told([[1, 0]]), np.array([looked]), np.array([0.0]), 1.0)])
        moved.append(chance(arms(), 0, 1) - chance(learned, 0, 1))
    assert 0 < moved[1] < moved[0] / 5


def test_finding_nothing_counts_only_where_nothing_is_known_of_the_list() -> None:
    lists = np.array([np.zeros(len(STRATEGY)), np.full(len(STRATEGY), 0.5)])
    page = (told([[0, 1]], lists=lists), np.array([1.0]), np.array([1.0]), 1.0)
    for sees_lists in (True, False):
        learned, before = arms(sees_lists=sees_lists), arms(sees_lists=sees_lists)
        learned.learn([page])
        assert (chance(learned, 0, 1) < chance(before, 0, 1)) is not sees_lists


def test_a_page_of_weight_two_counts_as_two() -> None:
    page = (told([[1, 2]]), np.array([3.0]), np.array([1.0]))
    once, twice = arms(), arms()
    once.learn([(*page, 2.0)])
    twice.learn([(*page, 1.0), (*page, 1.0)])
    np.testing.assert_allclose(once.mean, twice.mean, atol=1e-12)


def test_noisy_or_is_its_closed_form(catalogue: Snapshot) -> None:
    """Every total is −log Π (1 − p), and the kept items are those of the highest 1 − Π (1 − p)."""
    policy = NoisyOr(NAMES, Memory(ACTIONS), ACTIONS)
    found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(50, 10, -1))]
    spent = policy.spend(asked(), catalogue, found, 10)
    lists = np.zeros((len(NAMES), len(STRATEGY)))
    places = [NAMES.index(one.strategy) for one in found]
    lists[places] = describe_strategies(found, catalogue)
    request = np.array(spent.learning["context"])
    misses = np.ones((len(catalogue), DRAWS))
    for place, one in zip(places, found, strict=True):
        ranks = np.arange(1, len(one) + 1)
        strategies = np.full(len(one), place)
        chances = policy.of("films").arms.chances(strategies, ranks, request, lists)
        misses[np.searchsorted(catalogue.numbers, one.numbers)] *= 1 - chances
    kept = np.searchsorted(catalogue.numbers, spent.kept.numbers)
    (draw,) = [one for one in range(DRAWS) if np.allclose(-np.log(misses[kept, one]), spent.totals)]
    best = np.lexsort((np.arange(len(misses)), misses[:, draw].round(12)))[:10]
    assert kept.tolist() == best.tolist()
    np.testing.assert_allclose(spent.kept.scores, 1 - misses[kept, draw], rtol=1e-6)
    np.testing.assert_allclose(spent.contributions.sum(axis=1), spent.totals)


@pytest.mark.parametrize("kind", [NoisyOr, GreedyQuotas])
def test_propensities_are_those_of_the_draws(kind: type[NoisyOr | GreedyQuotas], catalogue: Snapshot) -> None:
    """Over many seeds an item is on the page, and at its place, as often as was logged."""
    policy = kind(NAMES, Memory(ACTIONS), ACTIONS)
    arms_of = policy.of("films").arms
    arms_of.batches = 10**6  # the incumbent hardly ever answers; the draws stay as they are
    found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(50, 10, -1))]
    seeds, there, logged = 2000, dict[tuple[int, int], int](), dict[tuple[int, int], set[float]]()
    for seed in range(seeds):
        spent = policy.spend(asked(seed=seed), catalogue, found, 10)
        if isinstance(policy, GreedyQuotas) and policy._decide(asked(seed=seed), catalogue)[1]:
            continue
        for place, (number, row) in enumerate(
            zip(spent.kept.numbers.tolist(), spent.learning["propensity"], strict=True)
        ):
            for key, value in (((number, -1), row[0]), ((number, place), row[1])):
                there[key] = there.get(key, 0) + 1
                logged.setdefault(key, set()).add(value)
    pages = sum(count for (_, place), count in there.items() if place == 0)
    assert pages > 0.9 * seeds
    assert all(len(values) == 1 for values in logged.values())
    for key, values in logged.items():
        assert there[key] / pages == pytest.approx(min(values), abs=0.05)
    assert any(0 < min(values) < 1 for values in logged.values())


def test_greedy_quotas_ask_whom_they_give_a_quota(catalogue: Snapshot) -> None:
    """Over many seeds a strategy is asked as often as its propensity says; quotas spend the budget under every draw."""
    policy = GreedyQuotas(NAMES, Memory(ACTIONS), ACTIONS)
    assert len(policy.choose(asked(), catalogue, NAMES, 10)) == len(NAMES)  # at the start the incumbent asks everybody
    policy.of("films").arms.batches = 3
    seeds, counts, propensities = 3000, dict[str, int](), dict[str, set[float]]()
    for seed in range(seeds):
        for one in policy.choose(asked(seed=seed), catalogue, NAMES, 10):
            counts[one.strategy] = counts.get(one.strategy, 0) + 1
            propensities.setdefault(one.strategy, set()).add(one.propensity)
    assert set(counts) == set(NAMES)
    for name, values in propensities.items():
        (propensity,) = values
        assert counts[name] / seeds == pytest.approx(propensity, abs=0.04)
    for budget in (1, 7, 10, 50):
        assert (policy.quotas(asked(), catalogue, NAMES, budget).sum(axis=0) == budget).all()


def test_both_learn_from_each_others_pages_and_from_the_bandits(catalogue: Snapshot) -> None:
    """A log of any of the three is learned from by all three, online as by replay."""
    made = (NoisyOr, GreedyQuotas, Bandit)
    for kind in made:
        policy, log = kind(NAMES, Memory(ACTIONS), ACTIONS), list[Event]()
        found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(50, 10, -1))]
        ids = catalogue.ids_of(catalogue.numbers.tolist())
        for step in range(80):
            spent = policy.spend(asked(f"mary {step}"), catalogue, found, 10)
            shown = [ids[number] for number in spent.kept.numbers.tolist()]
            body = {
                "results": [{"domain": "films", "id": id} for id in shown],
                "shown": [[f"mary {step}", "films", shown]],
                "learning": {"films": {**spent.learning, "shown": list(range(len(shown)))}},
            }
            log.append(Event(f"a{step}", "answer", 0.0, body))
            told = {"answer": f"a{step}", "domain": "films", "item": shown[0], "action": "click"}
            log.append(Event(f"f{step}", "feedback", 0.0, told))
        for other in made:
            learner, again = (other(NAMES, Memory(ACTIONS), ACTIONS) for _ in range(2))
            assert isinstance(learner, LearningPolicy)
            for event in log:
                learner.learn(event)
                again.learn(event)
            assert "films 30" in learner.describe()
            if isinstance(learner, NoisyOr | GreedyQuotas) and isinstance(again, NoisyOr | GreedyQuotas):
                fresh = type(learner)(NAMES, Memory(ACTIONS), ACTIONS).of("films").arms
                assert not np.array_equal(learner.of("films").arms.mean, fresh.mean)
                assert learner.of("films").arms.drawn.tobytes() == again.of("films").arms.drawn.tobytes()


@settings(max_examples=50, deadline=None)
@given(strategies=st.lists(st.integers(0, 1), min_size=1, max_size=20), data=st.data())
def test_chances_are_chances(strategies: list[int], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(1, 60), min_size=len(strategies), max_size=len(strategies)))
    request = np.array(data.draw(st.lists(st.floats(-2, 2), min_size=len(REQUEST), max_size=len(REQUEST))))
    lists = np.random.default_rng(0).random((2, len(STRATEGY)))
    chances = arms().chances(np.array(strategies), np.array(ranks), request, lists)
    assert chances.shape == (len(strategies), DRAWS)
    assert ((chances > 0) & (chances < 1)).all()

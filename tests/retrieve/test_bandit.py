"""The policy that learns, in a toy world of two strategies: where it starts, what its scores are made of, what moves it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.encode.encoder import Vectors
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.bandit import Bandit, Mode
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.layout import Layout
from segue.retrieve.memory import Memory
from segue.retrieve.pages import Told
from segue.retrieve.query import Query
from segue.retrieve.select import ReciprocalRankFusion, Spent
from segue.retrieve.worth import seen
from segue.store import ACTIONS

NAMES = ("text", "dense")
PLACES = {name: place for place, name in enumerate(NAMES)}
FUSION = ReciprocalRankFusion({"text": 1.0, "dense": 1.0}, constant=5.0)
LAYOUT = Layout(2)
ITEMS, OPEN, BATCH = 60, 50, 25


class Flat:
    """An encoder for which all texts are the same."""

    dimensions = 4
    fingerprint = "flat"

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("bandit"), Flat())
    opened.index(from_mappings([{"id": str(n), "title": f"mary {n}"} for n in range(ITEMS)]), fingerprint="1")
    yield opened.snapshot
    opened.close()


def bandit(*, mode: Mode = "bandit", explore: bool = False, fusion: ReciprocalRankFusion = FUSION) -> Bandit:
    return Bandit(NAMES, Memory(ACTIONS), ACTIONS, incumbent=fusion, mode=mode, explore=explore)


def asked(text: str = "mary", seed: int = 0) -> Query:
    return Query(Request("", text, seed=seed), text, Flat().encode)


def listed(catalogue: Snapshot, name: str, places: Sequence[int] | NDArray[np.int64]) -> Candidates:
    scores = np.linspace(1, 0.5, len(places)).astype(np.float32)
    return Candidates(name, catalogue.numbers[list(places)], scores)


def told(policy: Bandit, catalogue: Snapshot, spent: Spent, id: str, taken: Sequence[int]) -> None:
    """Log the page and what was taken from it (numbers)."""
    ids = [str(number) for number in spent.kept.numbers.tolist()]
    learning = {**spent.learning, "shown": list(range(len(ids)))}
    body = {
        "results": [{"id": one, "domain": catalogue.domain} for one in ids],
        "shown": [["q", catalogue.domain, ids]],
        "learning": {catalogue.domain: learning},
    }
    policy.learn(Event(id, "answer", 0.0, body))
    for number in taken:
        act = {"answer": id, "domain": catalogue.domain, "item": str(number), "action": "click"}
        policy.learn(Event(f"{id} {number}", "feedback", 0.0, act))


def lived(policy: Bandit, catalogue: Snapshot, pages: int, wanted: str, start: int = 0) -> None:
    """People take the item that one strategy alone has first, if they see it; the lists share nothing."""
    for n in range(start, start + pages):
        order = np.random.default_rng(n).permutation(ITEMS)
        found = [listed(catalogue, "text", order[:20]), listed(catalogue, "dense", order[20:40])]
        spent = policy.spend(asked(f"mary {n}"), catalogue, found, 10)
        wish = found[PLACES[wanted]].numbers[0]
        told(policy, catalogue, spent, f"a{n}", [int(wish)] if wish in spent.kept.numbers else [])


def lists() -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=40), min_size=2, max_size=2)


# -- where it starts ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(drawn=lists(), weights=st.tuples(st.floats(0, 20), st.floats(0, 20)), budget=st.integers(1, 60))
def test_it_starts_with_the_incumbents_order(
    catalogue: Snapshot, drawn: list[list[int]], weights: tuple[float, float], budget: int
) -> None:
    """Of any two items whose scores differ by more than is rounded away, unless both have less than e⁻⁵ of the best."""
    fusion = ReciprocalRankFusion(dict(zip(NAMES, weights, strict=True)), constant=5.0)
    found = [listed(catalogue, name, places) for name, places in zip(NAMES, drawn, strict=True)]
    merged = fusion.merge(found, 2 * ITEMS)
    fused = dict(zip(merged.kept.numbers.tolist(), merged.totals.tolist(), strict=True))
    kept = bandit(fusion=fusion).spend(asked(), catalogue, found, budget).kept.numbers.tolist()
    assert len(kept) == min(budget, len(fused))
    best = max(fused.values(), default=0.0)
    worth = {number: max(score / best, np.exp(-5)) if best else 1.0 for number, score in fused.items()}
    order = np.array([worth[number] for number in kept])
    assert (order[1:] <= order[:-1] * 1.0002).all()
    left = [worth[number] for number in fused if number not in kept]
    assert not left or max(left) <= order[-1] * 1.0002


@pytest.mark.parametrize("mode", ["bandit", "apprentice"])
def test_a_page_of_items_unlike_each_other_is_the_incumbents(catalogue: Snapshot, mode: Mode) -> None:
    found = [listed(catalogue, "text", range(20)), listed(catalogue, "dense", [5, 30, 2, 31, 0, 32])]
    spent = bandit(mode=mode).spend(asked(), catalogue, found, 8)
    assert spent.kept.numbers.tolist() == FUSION.merge(found, 8).kept.numbers.tolist()
    assert set(np.ravel(spent.learning["propensity"])) == {1.0}


def test_an_apprentice_that_has_not_taken_over_is_the_incumbent(catalogue: Snapshot) -> None:
    policy = bandit(mode="apprentice", explore=True)
    found = [listed(catalogue, "text", range(20)), listed(catalogue, "dense", range(40, 10, -1))]
    for seed in range(20):
        spent = policy.spend(asked(seed=seed), catalogue, found, 10)
        merged = FUSION.merge(found, 10)
        assert spent.kept.numbers.tolist() == merged.kept.numbers.tolist()
        np.testing.assert_allclose(spent.contributions, merged.contributions)
        assert spent.learning["by"] == "incumbent"


# -- what a score is made of ----------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(drawn=lists(), budget=st.integers(1, 30))
@pytest.mark.parametrize("pages", [0, 100])
def test_scores_are_what_was_logged_times_what_was_learned(
    catalogue: Snapshot, drawn: list[list[int]], budget: int, pages: int, learned: dict[int, Bandit]
) -> None:
    """What is learned from is what decided (shares of scores are logged to four places)."""
    policy = learned[pages]
    found = [listed(catalogue, name, places) for name, places in zip(NAMES, drawn, strict=True)]
    spent = policy.spend(asked(), catalogue, found, budget)
    seen_by = Told.read({**spent.learning, "shown": list(range(len(spent.kept)))}, PLACES)
    rows = LAYOUT.rows(seen_by.items, seen_by.strategies, seen_by.ranks, seen_by.shares, seen_by.request, seen_by.lists)
    utilities = rows @ policy.lessons.of("films").model.belief.mean
    np.testing.assert_allclose(spent.totals, utilities, atol=1e-4)
    np.testing.assert_allclose(spent.contributions.sum(axis=1), utilities, atol=1e-4)
    assert spent.parts == (*NAMES, "popularity", "taken before")
    if len(spent.kept):
        assert spent.kept.scores[0] == 1.0
        np.testing.assert_allclose(spent.kept.scores, np.exp(utilities - utilities[0]), rtol=1e-3)
    for column, one in enumerate(found):
        absent = ~np.isin(spent.kept.numbers, one.numbers)
        assert (spent.contributions[absent, column] == 0).all()


@pytest.fixture(scope="module")
def learned(catalogue: Snapshot) -> dict[int, Bandit]:
    made = {pages: bandit() for pages in (0, 100)}
    lived(made[100], catalogue, 100 + OPEN, "dense")
    assert made[100].lessons.pages() == {"films": 100}
    return made


@pytest.mark.parametrize("explore", [False, True])
def test_scores_descend_from_one_whatever_is_explored(catalogue: Snapshot, explore: bool) -> None:
    policy = bandit(explore=explore)
    found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(59, 20, -1))]
    reserved = 0
    for seed in range(100):
        spent = policy.spend(asked(seed=seed), catalogue, found, 10)
        assert spent.kept.scores[0] == 1.0
        assert (np.diff(spent.kept.scores) <= 0).all()
        assert (spent.kept.scores > 0).all()
        reserved += spent.learning["reserved"] >= 0
    assert (reserved > 0) == explore


def test_nothing_found_is_nothing_kept(catalogue: Snapshot) -> None:
    for found in ([], [listed(catalogue, "text", [])]):
        for mode in ("bandit", "apprentice"):
            assert len(bandit(mode=mode, explore=True).spend(asked(), catalogue, found, 10).kept) == 0


# -- what moves it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", NAMES)
def test_more_clicks_on_what_one_strategy_alone_returns_raise_it(catalogue: Snapshot, wanted: str) -> None:
    """Step by step, against the other, and so do its items on the page."""
    policy, other = bandit(), NAMES[1 - PLACES[wanted]]
    fresh = np.arange(ITEMS)
    found = [listed(catalogue, "text", fresh[:20]), listed(catalogue, "dense", fresh[20:40])]
    leads, tops = [], []
    for start in (0, 50, 100, 150):
        spent = policy.spend(asked("anything"), catalogue, found, 40)
        mine = np.isin(spent.kept.numbers, found[PLACES[wanted]].numbers)
        first = {name: spent.kept.numbers.tolist().index(found[PLACES[name]].numbers[0]) for name in NAMES}
        leads.append(float(spent.totals[first[wanted]] - spent.totals[first[other]]))
        tops.append(int(mine[:10].sum()))
        lived(policy, catalogue, 50, wanted, start)
    assert leads[0] == pytest.approx(0.0, abs=1e-9)
    assert leads[1] == leads[0]  # the first pages are still open
    assert leads[1] < leads[2] < leads[3]
    assert tops[3] >= tops[0]


def test_swapping_the_strategies_swaps_what_is_learned(catalogue: Snapshot) -> None:
    """Two worlds that mirror each other teach the two strategies the same."""
    means = {}
    for wanted in NAMES:
        policy = bandit()
        for n in range(OPEN + 2 * BATCH):
            order = np.random.default_rng(n).permutation(ITEMS)
            parts = {wanted: order[:20], NAMES[1 - PLACES[wanted]]: order[20:40]}
            found = [listed(catalogue, name, parts[name]) for name in NAMES]
            spent = policy.spend(asked(f"mary {n}"), catalogue, found, 40)
            told(policy, catalogue, spent, f"a{n}", [int(catalogue.numbers[order[0]])])
        belief = policy.lessons.of("films").model.belief
        means[wanted] = [belief.mean[LAYOUT.block(PLACES[name])] for name in (wanted, NAMES[1 - PLACES[wanted]])]
        assert np.abs(means[wanted][0]).max() > 0.01
    np.testing.assert_allclose(means["text"], means["dense"], atol=0.002)


def test_a_page_depends_on_the_seed_and_what_was_learned_alone(catalogue: Snapshot) -> None:
    found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(59, 20, -1))]
    one, same = bandit(explore=True), bandit(explore=True)

    def pages(policy: Bandit) -> list[list[int]]:
        spent = [policy.spend(asked(seed=seed), catalogue, found, 10) for seed in range(30)]
        return [one.kept.numbers.tolist() for one in spent]

    assert pages(one) == pages(same)
    assert len({tuple(page) for page in pages(one)}) > 1
    assert len({tuple(page) for page in pages(bandit())}) == 1


# -- a strategy that breaks -----------------------------------------------------------------------------------------


def broke(policy: Bandit, catalogue: Snapshot) -> None:
    """The dense strategy answers for a while, and then not any more."""
    for n in range(400):
        dense = [n % ITEMS, (n + 7) % ITEMS] if n < 300 else []
        found = [listed(catalogue, "text", range(10)), listed(catalogue, "dense", dense)]
        told(policy, catalogue, policy.spend(asked(f"mary {n}"), catalogue, found, 10), f"a{n}", [])


@pytest.mark.parametrize("mode", ["bandit", "economical", "apprentice"])
def test_a_broken_strategy_is_left_out_and_asked_now_and_then(catalogue: Snapshot, mode: Mode) -> None:
    policy = bandit(mode=mode)
    broke(policy, catalogue)
    assert policy.lessons.of("films").broken == {"dense"}
    found = [listed(catalogue, "text", [1, 2]), listed(catalogue, "dense", [3, 1])]
    spent = policy.spend(asked(), catalogue, found, 10)
    assert spent.kept.numbers.tolist() == catalogue.numbers[[1, 2]].tolist()
    assert spent.learning["trusted"] == ["text"]
    assert spent.learning["watched"] == {"dense": [2, 0]}
    chosen = [policy.choose(asked(f"mary {n}"), catalogue, NAMES, 10) for n in range(1000)]
    assert all(selected[0].strategy == "text" for selected in chosen)
    trickle = [selected[1] for selected in chosen if len(selected) > 1]
    assert {(one.strategy, one.propensity) for one in trickle} == {("dense", 0.1)}
    assert 60 < len(trickle) < 140


def test_it_comes_back_when_it_is_well_again(catalogue: Snapshot) -> None:
    policy = bandit()
    broke(policy, catalogue)
    for n in range(100):
        found = [listed(catalogue, "text", range(10)), listed(catalogue, "dense", range(5, 15))]
        told(policy, catalogue, policy.spend(asked(f"again {n}"), catalogue, found, 10), f"b{n}", [])
    assert policy.lessons.of("films").broken == frozenset()
    assert [one.propensity for one in policy.choose(asked(), catalogue, NAMES, 10)] == [1.0, 1.0]


# -- economy --------------------------------------------------------------------------------------------------------


def test_the_costly_are_reached_when_no_cheap_one_is_worth_it(catalogue: Snapshot) -> None:
    """If nothing were asked at first, nothing would be asked at all."""
    policy = bandit(mode="economical")
    worth = policy.lessons.of("films").worth
    context = np.array(policy.spend(asked(), catalogue, [], 10).learning["context"])
    for _ in range(20_000):
        worth.learn(context, seen([]), NAMES, np.array([[False, True]]))
    worth.redraw(1)
    for n in range(50):
        first = policy.choose(asked(f"mary {n}"), catalogue, NAMES, 10)
        then = policy.choose(asked(f"mary {n}"), catalogue, NAMES, 10, [listed(catalogue, "text", [])])
        assert [one.strategy for one in (*first, *then)] == ["text", "dense"]


def test_no_strategy_is_offered_twice_in_a_round(catalogue: Snapshot) -> None:
    policy = bandit(mode="economical", explore=True)
    for seed in range(50):
        first = policy.choose(asked(seed=seed), catalogue, NAMES, 10)
        then = policy.choose(asked(seed=seed), catalogue, NAMES, 10, [listed(catalogue, "text", [1, 2])])
        assert {one.strategy for one in first} <= {"text"}
        assert {one.strategy for one in then} <= {"dense"}


def test_other_domains_are_not_touched(catalogue: Snapshot) -> None:
    policy = bandit()
    books = replace(catalogue, domain="books")
    lived(policy, catalogue, 2 * OPEN, "dense")
    fresh = bandit()
    found = [listed(catalogue, "text", range(30)), listed(catalogue, "dense", range(59, 20, -1))]
    one, other = (some.spend(asked(), books, found, 10) for some in (policy, fresh))
    assert one.kept.numbers.tolist() == other.kept.numbers.tolist()
    np.testing.assert_array_equal(one.contributions, other.contributions)
    assert policy.lessons.pages().keys() == {"films"}

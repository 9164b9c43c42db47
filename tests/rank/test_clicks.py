"""Simulated people: what they click, against closed forms; every tolerance is five standard deviations of a binomial."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.rank.clicks import NOISE, Behaviour, Cascade, Crowd, PositionBased, behaviour, relevance, zipf_stream

DRAWS = 20_000
PAGE = np.array([1.0, 0.0, 0.5, 1.0, 0.0])


def rates(people: Behaviour, page: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    return np.asarray(np.mean([people.clicks(page, random) for _ in range(DRAWS)], axis=0), np.float64)


def close(measured: NDArray[np.float64], expected: NDArray[np.float64], draws: int = DRAWS) -> bool:
    return bool((np.abs(measured - expected) <= 5 * np.sqrt(expected * (1 - expected) / draws)).all())


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("noise", NOISE)
def test_position_based_clicks_are_examination_times_attraction(eta: float, noise: str) -> None:
    relevant, irrelevant = NOISE[noise]
    expected = [r**-eta * (irrelevant + rel * (relevant - irrelevant)) for r, rel in enumerate(PAGE.tolist(), 1)]
    assert close(rates(behaviour("position", noise, eta=eta), PAGE), np.array(expected))


def test_trust_makes_irrelevant_items_at_the_top_clicked() -> None:
    people = PositionBased(eta=1.0, relevant=0.9, irrelevant=0.1, trust=0.5)
    expected = []
    for rank, rel in enumerate(PAGE.tolist(), 1):
        by_trust = 0.1 + 0.5 * 0.8 / rank
        expected.append((rel * 0.9 + (1 - rel) * by_trust) / rank)
    assert close(rates(people, PAGE), np.array(expected))
    certain = PositionBased(eta=0.0, relevant=0.9, irrelevant=0.1, trust=1.0)
    assert certain.probabilities(np.zeros(2)) == pytest.approx([0.9, 0.1 + 0.8 / 2])


def test_position_based_clicks_of_one_page_are_independent() -> None:
    people, random = PositionBased(eta=1.0), np.random.default_rng(1)
    clicks = np.array([people.clicks(np.ones(2), random) for _ in range(DRAWS)])
    assert close(np.array([clicks.all(1).mean()]), np.array([0.95 * 0.95 / 2]))


def cascade_by_hand(people: Cascade, page: list[float]) -> dict[tuple[bool, ...], float]:
    """Probability of every pattern of clicks, by walking through all ways to read the page."""
    patterns: dict[tuple[bool, ...], float] = {}

    def read(rank: int, so_far: tuple[bool, ...], probability: float) -> None:
        if rank > len(page):
            patterns[so_far] = patterns.get(so_far, 0.0) + probability
            return
        like = people.irrelevant + page[rank - 1] * (people.relevant - people.irrelevant)
        rest = (False,) * (len(page) - rank)
        for clicked, chance, on in (
            (True, like, people.again * rank**-people.eta),
            (False, 1 - like, 1 - people.leave),
        ):
            read(rank + 1, (*so_far, clicked), probability * chance * on)
            stopped = (*so_far, clicked, *rest)
            patterns[stopped] = patterns.get(stopped, 0.0) + probability * chance * (1 - on)

    read(1, (), 1.0)
    return patterns


@pytest.mark.parametrize("page", [[1.0, 0.0], [0.0, 0.5, 1.0]])
@pytest.mark.parametrize("people", [Cascade(), Cascade(0.5, 0.6, 0.2, again=0.7, leave=0.3)])
def test_a_cascade_gives_every_pattern_of_clicks_its_probability(people: Cascade, page: list[float]) -> None:
    random = np.random.default_rng(2)
    seen = [tuple(people.clicks(np.array(page), random).tolist()) for _ in range(DRAWS)]
    by_hand = cascade_by_hand(people, page)
    assert sum(by_hand.values()) == pytest.approx(1)
    expected = np.array(list(by_hand.values()))
    assert close(np.array([seen.count(pattern) for pattern in by_hand]) / DRAWS, expected)


def test_the_limits_of_a_cascade() -> None:
    random = np.random.default_rng(3)
    once = Cascade(relevant=1.0, irrelevant=0.0, again=0.0, leave=0.0)
    assert once.clicks(np.array([0.0, 1.0, 1.0]), random).tolist() == [False, True, False]
    impatient = Cascade(relevant=1.0, irrelevant=0.0, again=1.0, leave=1.0)
    assert impatient.clicks(np.array([0.0, 1.0]), random).tolist() == [False, False]
    tireless = Cascade(eta=0.0, relevant=1.0, irrelevant=0.0, again=1.0, leave=0.0)
    assert tireless.clicks(np.array([0.0, 1.0, 0.0, 1.0]), random).tolist() == [False, True, False, True]


@pytest.mark.parametrize("family", ["position", "cascade"])
def test_an_empty_page_has_no_clicks(family: str) -> None:
    people = behaviour(family, "low")
    assert people.clicks(np.zeros(0), np.random.default_rng(0)).shape == (0,)
    assert Crowd(people).visit(0, np.zeros(0)) == []


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**40), at=st.integers(0, 2**40), family=st.sampled_from(["position", "cascade"]))
def test_a_visit_follows_from_seed_and_number_alone(seed: int, at: int, family: str) -> None:
    people = behaviour(family, "high", eta=0.5)
    crowd, again = Crowd(people, seed=seed), Crowd(people, seed=seed)
    crowd.visit(at + 1, PAGE)
    told = crowd.visit(at, PAGE)
    assert told == again.visit(at, PAGE) == sorted(told)
    assert all(due >= at and 1 <= position <= len(PAGE) for due, position in told)
    assert len({position for _, position in told}) == len(told)


def test_other_seeds_and_other_visits_differ() -> None:
    crowd, other = (Crowd(PositionBased(eta=0.0), unseen=0.0, seed=seed) for seed in (0, 1))
    page = np.full(64, 0.5)
    assert (
        len({tuple(crowd.visit(at, page)) for at in range(20)} | {tuple(other.visit(at, page)) for at in range(20)})
        == 40
    )


def test_delays_are_geometric() -> None:
    crowd = Crowd(PositionBased(eta=0.0, relevant=1.0), bots=0.0, unseen=0.0, delay=3.0)
    delays = np.array([due - at for at in range(4000) for due, _ in crowd.visit(at, np.ones(5))])
    chances = 0.25 * 0.75 ** np.arange(6, dtype=np.float64)
    assert close(np.bincount(delays)[:6] / len(delays), chances, len(delays))
    assert delays.mean() == pytest.approx(3.0, abs=5 * math.sqrt(12 / len(delays)))
    at_once = Crowd(PositionBased(eta=0.0, relevant=1.0), bots=0.0, unseen=0.0, delay=0.0)
    assert at_once.visit(7, np.ones(3)) == [(7, 1), (7, 2), (7, 3)]


def test_bots_click_anywhere_and_some_answers_nobody_sees() -> None:
    nobody_clicks = PositionBased(relevant=0.0, irrelevant=0.0)
    everybody_clicks = PositionBased(eta=0.0, relevant=1.0, irrelevant=1.0)
    visits, places = 10_000, 40
    by_bots = [Crowd(nobody_clicks, bots=0.1).visit(at, np.zeros(places)) for at in range(visits)]
    assert close(np.array([np.mean([bool(told) for told in by_bots])]), np.array([0.1]), visits)
    spread = np.bincount([position - 1 for told in by_bots for _, position in told], minlength=places)
    assert spread.min() > 0.6 * spread.mean()
    assert spread.max() < 1.4 * spread.mean()
    seen = [bool(Crowd(everybody_clicks, bots=0.0, unseen=0.2).visit(at, np.zeros(3))) for at in range(visits)]
    assert close(np.array([np.mean(seen)]), np.array([0.8]), visits)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_a_zipf_stream_has_zipf_frequencies(exponent: float) -> None:
    queries, interactions = 20, 50_000
    stream = zipf_stream(queries, interactions, seed=5, exponent=exponent)
    assert stream.shape == (interactions,)
    assert stream.dtype == np.int64
    weights = np.arange(1, queries + 1) ** -exponent
    counts = np.bincount(stream, minlength=queries)
    by_frequency = np.sort(counts)[::-1] if exponent else counts
    assert close(by_frequency / interactions, weights / weights.sum(), interactions)
    assert (stream == zipf_stream(queries, interactions, seed=5, exponent=exponent)).all()
    assert (stream != zipf_stream(queries, interactions, seed=6, exponent=exponent)).any()
    assert zipf_stream(3, 0, seed=0).shape == (0,)


def test_which_queries_are_frequent_differs_by_seed() -> None:
    leaders = {int(np.bincount(zipf_stream(50, 2000, seed=seed)).argmax()) for seed in range(10)}
    assert len(leaders) > 5


def test_grades_become_relevance() -> None:
    assert relevance([0, 1, 2, 3], 3) == pytest.approx([0, 1 / 7, 3 / 7, 1])
    assert relevance([], 2).shape == (0,)
    for grades, highest in (([3], 2), ([-1], 2), ([0], 0), ([math.nan], 2)):
        with pytest.raises(InvalidInput):
            relevance(grades, highest)


def test_bad_settings_are_refused() -> None:
    for wrong in ({"eta": -1}, {"eta": math.nan}, {"eta": math.inf}, {"relevant": 1.1}, {"irrelevant": -0.1}):
        for kind in (PositionBased, Cascade):
            with pytest.raises(InvalidInput):
                kind(**wrong)
    for wrong in ({"relevant": 0.1, "irrelevant": 0.2}, {"trust": 1.5}):
        with pytest.raises(InvalidInput):
            PositionBased(**wrong)
    for wrong in ({"again": -0.5}, {"leave": 2.0}):
        with pytest.raises(InvalidInput):
            Cascade(**wrong)
    for family, noise, trust in (("random", "low", 0.0), ("position", "none", 0.0), ("cascade", "low", 0.5)):
        with pytest.raises(InvalidInput):
            behaviour(family, noise, trust=trust)
    with pytest.raises(InvalidInput):
        PositionBased().examination(-1)


def test_bad_crowds_and_streams_are_refused() -> None:
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(InvalidInput):
            Crowd(PositionBased(), bots=share)
        with pytest.raises(InvalidInput):
            Crowd(PositionBased(), unseen=share)
    with pytest.raises(InvalidInput):
        Crowd(PositionBased(), delay=-1.0)
    with pytest.raises(InvalidInput):
        Crowd(PositionBased(), seed=-1)
    with pytest.raises(InvalidInput):
        Crowd(PositionBased()).visit(-1, PAGE)
    for queries, interactions, exponent in ((0, 5, 1.0), (5, -1, 1.0), (5, 5, -1.0)):
        with pytest.raises(InvalidInput):
            zipf_stream(queries, interactions, seed=0, exponent=exponent)

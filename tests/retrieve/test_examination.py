"""The curve of examination: what is counted, against brute force; what is learned, against the people who clicked."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.rank.clicks import Behaviour, Cascade, PositionBased
from segue.retrieve.examination import Examination

PLACES = 8
RANKS = np.arange(1, PLACES + 1, dtype=np.float64)
ITEMS = "abcdefgh"

Answer = tuple[str, tuple[str, ...], tuple[int, ...]]


def watched(
    people: Behaviour, answers: int, *, learning: bool, seed: int = 0, queries: int = 60
) -> NDArray[np.float64]:
    """What is learned from people: pages are shuffled mildly, or ordered by clicks so far, as a memory would."""
    random = np.random.default_rng(seed)
    relevance = random.random((queries, PLACES))
    start = relevance + random.normal(0, 0.5, relevance.shape)
    clicks, shows = np.zeros(relevance.shape), np.zeros(relevance.shape)
    examination = Examination(PLACES)
    for _ in range(answers):
        query = int(random.integers(queries))
        learned = 3 * clicks[query] / (shows[query] + 3) if learning else 0.0
        order = np.argsort(-(start[query] + learned + random.normal(0, 0.1 if learning else 0.3, PLACES)))
        clicked = people.clicks(relevance[query, order], random)
        examination.learn(
            str(query), "films", [ITEMS[place] for place in order], (np.flatnonzero(clicked) + 1).tolist()
        )
        clicks[query, order[clicked]] += 1
        shows[query] += 1
    return examination.curve()


def distance(curve: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(np.log(curve / other)).mean())


@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_the_curve_of_position_based_people_is_found(eta: float) -> None:
    people = PositionBased(eta=eta, relevant=0.8, irrelevant=0.1)
    assert distance(watched(people, 6000, learning=False), people.examination(PLACES)) < 0.25


@pytest.mark.parametrize("eta", [0.5, 2.0])
def test_the_curve_is_found_where_the_ranking_learns_from_the_clicks(eta: float) -> None:
    people = PositionBased(eta=eta, relevant=0.8, irrelevant=0.1)
    curve = watched(people, 20_000, learning=True)
    assert distance(curve, people.examination(PLACES)) < distance(1 / RANKS, people.examination(PLACES)) / 2


@pytest.mark.parametrize("learning", [False, True])
def test_people_who_read_from_the_top_give_a_falling_curve(learning: bool) -> None:
    curve = watched(Cascade(relevant=0.6, irrelevant=0.2), 6000, learning=learning)
    assert curve[0] == 1
    assert curve[0] > curve[2] > curve[5]
    assert curve[-1] < 0.5


def test_without_moves_there_is_only_the_prior() -> None:
    examination = Examination(PLACES)
    assert examination.curve() == pytest.approx(1 / RANKS)
    for _ in range(50):
        examination.learn("love", "films", ITEMS, [1, 2, 3])
    assert examination.curve() == pytest.approx(1 / RANKS)


def test_a_young_log_hardly_moves_the_prior() -> None:
    examination = Examination(PLACES)
    examination.learn("love", "films", "ab", [1])
    examination.learn("love", "films", "ba", [2])
    assert distance(examination.curve(), 1 / RANKS) < 0.1


def test_places_never_reached_go_on_with_what_the_others_teach() -> None:
    random, people = np.random.default_rng(4), PositionBased(eta=2.0, relevant=0.8, irrelevant=0.1)
    examination = Examination(PLACES)
    for number in range(4000):
        order = random.permutation(4)
        clicked = np.flatnonzero(people.clicks(np.array([1.0, 0.7, 0.5, 0.3])[order], random)) + 1
        examination.learn(str(number % 40), "films", [ITEMS[place] for place in order], clicked.tolist())
    curve = examination.curve()
    assert curve[:4] == pytest.approx(RANKS[:4] ** -2, rel=0.2)
    assert distance(curve[4:], RANKS[4:] ** -2) < distance(curve[4:], 1 / RANKS[4:])


@st.composite
def logs(draw: st.DrawFn) -> list[Answer]:
    answers = []
    for _ in range(draw(st.integers(0, 25))):
        items = draw(st.lists(st.sampled_from("abcdefg"), unique=True, min_size=1, max_size=7))
        clicked = draw(st.sets(st.integers(1, len(items)), max_size=3))
        answers.append((draw(st.sampled_from(["love", "war"])), tuple(items), tuple(sorted(clicked))))
    return answers


def folded(log: list[Answer], *, positions: int = 5, pairs: int = 1000) -> Examination:
    examination = Examination(positions, pairs)
    for query, items, clicked in log:
        examination.learn(query, "films", items, clicked)
    return examination


@settings(max_examples=80, deadline=None)
@given(log=logs())
def test_shows_are_compared_with_the_next_four(log: list[Answer]) -> None:
    history: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    for query, items, clicked in log:
        for position, item in enumerate(items[:5], 1):
            history[query, item].append((position - 1, position in clicked))
    earlier, later = np.zeros((5, 5), np.int64), np.zeros((5, 5), np.int64)
    for shows in history.values():
        for first, (here, here_clicked) in enumerate(shows):
            for there, there_clicked in shows[first + 1 : first + 5]:
                earlier[here, there] += here_clicked
                later[here, there] += there_clicked
    examination = folded(log)
    assert (examination._earlier == earlier).all()
    assert (examination._later == later).all()
    assert len(examination) == len(history)


@settings(max_examples=40, deadline=None)
@given(log=logs())
def test_a_curve_starts_at_1_and_never_rises_and_is_the_same_again(log: list[Answer]) -> None:
    examination, again = folded(log), folded(log)
    curve = examination.curve()
    assert curve.shape == (5,)
    assert curve[0] == 1
    assert (curve > 0).all()
    assert (np.diff(curve) <= 0).all()
    assert (again.curve() == curve).all()
    assert again.digest() == examination.digest()


@settings(max_examples=40, deadline=None)
@given(log=logs(), seed=st.integers(0, 100))
def test_the_order_of_different_queries_does_not_matter(log: list[Answer], seed: int) -> None:
    streams = [[answer for answer in log if answer[0] == query] for query in ("love", "war")]
    random = np.random.default_rng(seed)
    mixed: list[Answer] = []
    while any(streams):
        left = [stream for stream in streams if stream]
        mixed.append(left[int(random.integers(len(left)))].pop(0))
    assert (folded(mixed).curve() == folded(log).curve()).all()


@settings(max_examples=60, deadline=None)
@given(
    places=st.permutations(range(1, 9)),
    clicks=st.lists(st.booleans(), min_size=8, max_size=8),
    late=st.lists(st.integers(0, 3), min_size=8, max_size=8),
)
def test_a_click_told_late_counts_as_if_told_at_once(places: list[int], clicks: list[bool], late: list[int]) -> None:
    at_once, told_late = Examination(8), Examination(8)
    for number, place in enumerate(places):
        at_once.learn("love", "films", ["a"], [place] if clicks[number] else [], [place])
        told_late.learn("love", "films", ["a"], positions=[place])
        for earlier in range(number + 1):
            if clicks[earlier] and earlier + late[earlier] == number:
                told_late.click("love", "films", "a", places[earlier])
    for earlier in range(8):
        if clicks[earlier] and earlier + late[earlier] >= 8:
            told_late.click("love", "films", "a", places[earlier])
    assert told_late.digest() == at_once.digest()
    assert (told_late.curve() == at_once.curve()).all()


def test_clicks_that_no_kept_show_explains_are_left_out() -> None:
    examination = Examination(PLACES)
    examination.learn("love", "films", "ab", [1])
    before = examination.digest()
    examination.click("love", "films", "a", 1)  # clicked already
    examination.click("love", "films", "a", 2)  # never stood there
    examination.click("love", "films", "z", 1)
    examination.click("love", "books", "a", 1)
    assert examination.digest() == before
    examination.click("love", "films", "b", 2)
    assert examination.digest() != before


def test_memory_is_bounded_and_the_oldest_pair_is_forgotten() -> None:
    examination = Examination(positions=2, pairs=4)
    for number in range(100):
        examination.learn(str(number), "films", "ab", [1])
        assert len(examination) == min(2 * number + 2, 4)
    unmoved = examination.curve()
    examination.learn("97", "films", "ba", [1])  # forgotten: the move is not seen
    assert (examination.curve() == unmoved).all()
    examination.learn("99", "films", "ba", [1])  # kept
    assert (examination.curve() != unmoved).any()
    examination.learn("97", "films", "ab")  # was brought back by its second show
    assert len(examination) == 4


def test_queries_domains_and_items_are_kept_apart() -> None:
    examination = Examination(PLACES)
    for query, domain in (("love", "films"), ("war", "films"), ("love", "books")):
        examination.learn(query, domain, "ab" if query == "love" else "ba", [1])
    assert len(examination) == 6
    assert examination.curve() == pytest.approx(1 / RANKS)


def test_places_beyond_the_last_are_left_out() -> None:
    short, whole = Examination(2), Examination(2)
    for items in ("abcd", "badc"):
        short.learn("love", "films", items[:2], [1])
        whole.learn("love", "films", items, [1, 4])
    assert short.digest() == whole.digest()
    whole.learn("love", "films", "xy", [7], [7, 8])
    assert short.digest() == whole.digest()


def test_a_shared_page_gives_its_own_positions() -> None:
    shared, alone = Examination(PLACES), Examination(PLACES)
    for first, second in pairwise(["ab", "ba", "ab"]):
        for items in (first, second):
            shared.learn("love", "films", items, [3], positions=[1, 3])
            alone.learn("love", "films", [items[0], "other", items[1]], [3])
    assert (shared._earlier[[0, 2]][:, [0, 2]] == alone._earlier[[0, 2]][:, [0, 2]]).all()


def test_bad_input_is_refused_and_changes_nothing() -> None:
    for positions, pairs in ((0, 10), (-1, 10), (20, 19), (1001, 10_000)):
        with pytest.raises(InvalidInput):
            Examination(positions, pairs)
    examination = Examination(PLACES)
    before = examination.digest()
    for items, clicked, places in (
        ("aa", [], None),
        ("ab", [3], None),
        ("ab", [0], None),
        ("ab", [], [1]),
        ("ab", [], [1, 1]),
        ("ab", [], [0, 1]),
    ):
        with pytest.raises(InvalidInput):
            examination.learn("love", "films", items, clicked, places)
    examination.learn("love", "films", "")
    assert examination.digest() == before

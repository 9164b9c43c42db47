"""What feedback teaches: the memory index, as a fold over the log."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import InvalidInput
from segue.events import Event, EventLog
from segue.rank.measures import ndcg
from segue.retrieve import memory as module
from segue.retrieve.memory import Memory
from segue.store import ACTIONS

FIRST = 2 / 7
"""One click on one look at the first place: (1 taken + 1 for its place) / (1 look + 6)."""


def shown(id: str, query: str, items: Sequence[str], *, domain: str = "films") -> Event:
    return Event(id, "answer", 0.0, {"shown": [[query, domain, list(items)]]})


def acted(id: str, query: str, item: str, action: str, *, domain: str = "films", undoes: str | None = None) -> Event:
    body: dict[str, Any] = {"answer": "a", "domain": domain, "item": item, "action": action, "query": query}
    return Event(id, "feedback", 0.0, body if undoes is None else {**body, "undoes": undoes})


def learned(*events: Event, actions: dict[str, float] | None = None) -> Memory:
    memory = Memory(actions or ACTIONS)
    for event in events:
        memory.learn(event)
    return memory


def test_a_click_is_remembered_under_its_words() -> None:
    memory = learned(shown("a", "Mary Poppins", ["f1", "f2"]), acted("1", "Mary Poppins", "f1", "click"))
    assert memory.recall("films", "mary  poppins") == {"f1": FIRST}
    assert memory.recall("films", "poppins mary") == {"f1": FIRST}
    assert memory.recall("films", "mary") == {}
    assert memory.recall("books", "mary poppins") == {}
    assert memory.taken_for("films", "mary poppins") == 1
    assert memory.taken_for("films", "mary") == 0


@settings(max_examples=50, deadline=None)
@given(words=st.permutations(["Running", "comedies", "amélie", "comedy", "1995"]), upper=st.booleans())
def test_the_order_of_words_and_their_forms_do_not_matter(words: list[str], upper: bool) -> None:
    memory = learned(acted("1", "amelie runs comedies 1995", "f1", "play"))
    text = " ".join(words)
    assert memory.recall("films", text.upper() if upper else text) == {"f1": 3 / 7}


def test_the_exact_text_comes_before_the_same_words() -> None:
    memory = learned(acted("1", "the birds", "f3", "click"), acted("2", "birds the", "f9", "buy"))
    assert set(memory.recall("films", "the birds")) == {"f3"}
    assert set(memory.recall("films", "birds, the")) == {"f3", "f9"}
    assert memory.taken_for("films", "The Birds") == 1
    assert memory.taken_for("films", "birds? the!") == 6


def test_showing_without_an_action_lowers_the_score() -> None:
    events = [shown("0", "love", ["f4", "f5"]), acted("1", "love", "f4", "click")]
    events += [shown(f"a{place}", "love", ["f4"]) for place in range(4)]
    memory = learned(*events)
    evidence = memory.evidence("films", "love", ["f4"]).get("f4")
    assert evidence is not None
    assert (evidence.weight, evidence.shown, evidence.examined) == (1.0, 5, 5.0)
    assert memory.recall("films", "love") == {"f4": (1 + 1) / (5 + 6)}
    assert memory.evidence("films", "love", ["f5"]).get("f5") is None
    assert memory.size == 1


def test_shows_under_other_words_do_not_count() -> None:
    memory = learned(acted("1", "love", "f4", "click"), shown("2", "drama", ["f4"]), shown("3", "love", ["f5"]))
    evidence = memory.evidence("films", "love", ["f4"]).get("f4")
    assert evidence is not None
    assert evidence.shown == 1


def test_negative_actions_hide_and_never_recall() -> None:
    memory = learned(
        acted("1", "love", "f4", "click"), acted("2", "love", "f4", "dislike"), acted("3", "love", "f5", "skip")
    )
    assert memory.recall("films", "love") == {}
    assert memory.taken_for("films", "love") == 0
    assert memory.most_taken("films", 5) == {}
    evidence = memory.evidence("films", "love", ["f4"]).get("f4")
    assert evidence is not None
    assert evidence.weight == -2


def test_an_action_that_the_settings_no_longer_name_counts_nothing() -> None:
    assert learned(acted("1", "love", "f4", "applaud")).recall("films", "love") == {}


def test_most_taken_over_all_queries() -> None:
    memory = learned(
        acted("1", "love", "f4", "click"),
        acted("2", "drama", "f4", "click"),
        acted("3", "love", "f5", "buy"),
        acted("4", "love", "f6", "click"),
        acted("5", "love", "b1", "buy", domain="books"),
    )
    assert memory.most_taken("films", 2) == {"f5": 5.0, "f4": 2.0}
    assert list(memory.most_taken("films", 2)) == ["f5", "f4"]
    assert memory.most_taken("films", 0) == {}
    assert memory.most_taken("songs", 3) == {}


@settings(max_examples=50, deadline=None)
@given(
    taken=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from([*ACTIONS]), st.sampled_from(["x", "y"])), max_size=30
    ),
    k=st.integers(1, 8),
)
def test_most_taken_is_the_sorted_sum(taken: list[tuple[str, str, str]], k: int) -> None:
    memory = learned(*(acted(str(place), query, item, action) for place, (item, action, query) in enumerate(taken)))
    total = {item: sum(ACTIONS[action] for other, action, _ in taken if other == item) for item, _, _ in taken}
    best = sorted((weight for weight in total.values() if weight > 0), reverse=True)[:k]
    found = memory.most_taken("films", k)
    assert list(found.values()) == best
    assert all(total[item] == weight for item, weight in found.items())
    assert memory.size == len({(item, query) for item, _, query in taken})


def test_undo_takes_an_action_back() -> None:
    before = learned(acted("1", "love", "f4", "click"))
    after = learned(
        acted("1", "love", "f4", "click"),
        acted("2", "love", "f4", "buy"),
        acted("3", "love", "f4", "undo", undoes="buy"),
    )
    assert before.recall("films", "love") == after.recall("films", "love")
    assert before.digest() == after.digest()
    assert before.most_taken("films", 3) == after.most_taken("films", 3)


@settings(max_examples=80, deadline=None)
@given(actions=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=8))
def test_when_everything_is_undone_nothing_is_recalled(actions: list[str]) -> None:
    """Whatever the weights: sums of tenths are not exact, and what is left over must not count as taken."""
    events = [acted(str(place), "love", "f4", action) for place, action in enumerate(actions)]
    undone = [acted(f"u{place}", "love", "f4", "undo", undoes=action) for place, action in enumerate(actions)]
    memory = learned(*events, *undone, actions={"a": 0.1, "b": 0.2, "c": 0.7, "d": -0.3})
    assert memory.recall("films", "love") == {}
    assert memory.taken_for("films", "love") == 0
    assert memory.most_taken("films", 5) == {}


def test_texts_without_a_word_are_told_apart() -> None:
    memory = learned(acted("1", "🎬", "f1", "click"), acted("2", "???", "f2", "click"))
    assert memory.recall("films", "🎬") == {"f1": FIRST}
    assert memory.recall("films", "🍿") == {}
    assert memory.taken_for("films", "!") == 0


QUERIES = st.sampled_from(["love", "Love ", "the birds", "birds the", "🎬", ""])
ITEMS = st.sampled_from(["f1", "f2", "f3"])
EVENTS = st.one_of(
    st.tuples(st.just("answer"), QUERIES, st.lists(ITEMS, unique=True), st.just("")),
    st.tuples(st.just("feedback"), QUERIES, st.lists(ITEMS, min_size=1, max_size=1), st.sampled_from([*ACTIONS])),
    st.tuples(st.just("undo"), QUERIES, st.lists(ITEMS, min_size=1, max_size=1), st.sampled_from([*ACTIONS])),
)


@settings(max_examples=15, deadline=None)
@given(told=st.lists(EVENTS, max_size=25), cut=st.integers(0, 25))
def test_replay_and_online_are_the_same_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, list[str], str]], cut: int
) -> None:
    events = [
        shown(str(place), query, items)
        if kind == "answer"
        else acted(str(place), query, items[0], action)
        if kind == "feedback"
        else acted(str(place), query, items[0], "undo", undoes=action)
        for place, (kind, query, items, action) in enumerate(told)
    ]
    folder: Path = tmp_path_factory.mktemp("log")
    online, half = Memory(ACTIONS), Memory(ACTIONS)
    log = EventLog.open(folder / "events.sqlite")
    log.follow(online.learn)
    for event in events[:cut]:
        log.append(event).result()
    log.close()
    log = EventLog.open(folder / "events.sqlite")
    log.follow(half.learn)
    log.append(*events[cut:]).result()
    log.append(*events).result()  # all of them again: they are known
    log.close()
    replayed = Memory(ACTIONS)
    log = EventLog.open(folder / "events.sqlite")
    log.follow(replayed.learn)
    log.close()
    by_hand = learned(*events)
    assert replayed.digest() == half.digest() == by_hand.digest()
    assert online.digest() == learned(*events[:cut]).digest()
    assert (replayed.answers, replayed.feedback) == (by_hand.answers, by_hand.feedback)
    for query in ("love", "the birds", "🎬"):
        assert replayed.recall("films", query) == by_hand.recall("films", query)


def test_the_digest_tells_states_apart() -> None:
    states = [
        learned(),
        learned(acted("1", "love", "f4", "click")),
        learned(acted("1", "love", "f4", "play")),
        learned(acted("1", "love", "f5", "click")),
        learned(acted("1", "drama", "f4", "click")),
        learned(acted("1", "love", "f4", "click", domain="books")),
        learned(acted("1", "love", "f4", "click"), shown("2", "love", ["f4"])),
    ]
    assert len({state.digest() for state in states}) == len(states)


# -- looks ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    pages=st.lists(st.permutations(["a", "b", "c", "d"]), min_size=1, max_size=12),
    clicks=st.lists(st.tuples(st.integers(0, 11), st.sampled_from("abcd")), max_size=8),
)
def test_the_score_is_what_was_taken_over_the_looks_it_had(
    pages: list[list[str]], clicks: list[tuple[int, str]]
) -> None:
    """Against exact fractions, with what was shown before the first action counted as well."""
    chances = (1.0, 0.5, 0.25)
    memory = Memory(ACTIONS, examination=chances)
    for place, page in enumerate(pages):
        memory.learn(shown(str(place), "love", page))
        for after, item in clicks:
            if after == place:
                memory.learn(acted("c", "love", item, "click"))
    for item in "abcd":
        looks = sum(Fraction(chances[min(page.index(item), 2)]) for page in pages)
        taken = sum(item == other and after < len(pages) for after, other in clicks)
        expected = (taken + looks / len(pages)) / (looks + 6)
        assert memory.recall("films", "love").get(item, 0.0) == pytest.approx(
            float(expected) if taken else 0.0, abs=1e-9
        )


def test_a_taken_item_further_down_scores_higher_when_there_is_enough_to_go_by() -> None:
    events = [shown("a", "love", ["f1", "f2", "f3", "f4", "f5"]) for _ in range(100)]
    events += [acted("1", "love", item, "click") for item in ("f1", "f5") for _ in range(30)]
    scores = learned(*events).recall("films", "love")
    assert scores["f5"] > scores["f1"]


def test_an_action_on_what_was_not_watched_is_a_look() -> None:
    items = [f"f{place}" for place in range(30)]
    memory = learned(shown("a", "love", items), acted("1", "love", "f29", "click"))
    evidence = memory.evidence("films", "love", ["f29"]).get("f29")
    assert evidence is not None
    assert (evidence.shown, evidence.examined) == (1, 1.0)
    assert set(memory.remembered("films", "love")) == {*items[:10], "f29"}


def test_what_was_only_shown_is_no_evidence_and_is_not_recalled() -> None:
    memory = learned(shown("a", "love", ["f1", "f2"]), shown("b", "love", ["f1"]))
    assert memory.recall("films", "love") == {}
    assert memory.evidence("films", "love", ["f1"]).get("f1") is None
    assert memory.size == 0
    assert {id: seen.shown for id, seen in memory.remembered("films", "LOVE!").items()} == {"f1": 2, "f2": 1}


def test_queries_nobody_acted_on_are_forgotten_the_longest_unseen_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 4)  # two queries: each has two keys
    memory = learned(shown("1", "one", ["a"]), acted("2", "one", "a", "click"))
    for place, query in enumerate(["love", "drama", "love", "war"]):
        memory.learn(shown(str(place), query, ["a"]))
    assert memory.remembered("films", "drama") == {}
    assert memory.remembered("films", "love")["a"].shown == 2
    assert memory.remembered("films", "war")["a"].shown == 1
    assert memory.recall("films", "one") == {"a": FIRST}


def test_a_crowded_query_takes_in_only_what_is_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CROWDED", 3)
    memory = learned(*(shown(str(place), "love", [f"f{place}"]) for place in range(5)))
    assert set(memory.remembered("films", "love")) == {"f0", "f1", "f2"}
    memory.learn(acted("1", "love", "f4", "click"))
    assert memory.recall("films", "love").keys() == {"f4"}


@pytest.mark.parametrize("examination", [(), (1.0, 0.0), (1.5,), (float("nan"),)])
def test_examination_that_is_no_probability(examination: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="probabilities"):
        Memory(ACTIONS, examination=examination)


# -- noise ------------------------------------------------------------------------------------------------------------


EXPECTED = tuple(rank**-0.7 for rank in range(1, 11))


def simulated(examination: Sequence[float], steepness: float, shows: int, *, queries: int = 60) -> tuple[float, float]:
    """nDCG@10 of what is shown and of what is remembered, against the best order of what is shown.

    Ten items of which some are right, shown in one order that is better than chance; users look at position r with
    r^-steepness and take .6 of the right and .2 of the wrong items they look at.
    """
    random = np.random.default_rng(7)
    before, after = [], []
    for query in range(queries):
        right = np.zeros(10)
        right[random.choice(10, int(random.integers(1, 6)), replace=False)] = 1
        order = np.argsort(-(right + 0.9 * random.normal(size=10)), kind="stable")
        ids, memory = [str(item) for item in order], Memory(ACTIONS, examination=examination)
        for show in range(shows):
            memory.learn(shown(str(show), "q", ids))
            looked = random.random(10) < np.arange(1, 11) ** -steepness
            taken = looked & (random.random(10) < np.where(right[order] > 0, 0.6, 0.2))
            for id in np.array(ids)[taken].tolist():
                memory.learn(acted(f"{query}", "q", id, "click"))
        scores = memory.recall("films", "q")
        grades = {str(item): float(right[item]) for item in range(10)}
        before.append(ndcg(ids, grades, 10))
        after.append(ndcg(sorted(ids, key=lambda id: -scores.get(id, 0.0)), grades, 10))
    return float(np.mean(before)), float(np.mean(after))


@pytest.mark.parametrize("steepness", [0.5, 1.0, 2.0])
def test_noisy_clicks_on_a_biased_page_teach_the_right_order(steepness: float) -> None:
    """Whether people look as we expect or not: better than the page, and than a rate that does not know of positions."""
    page, corrected = simulated(EXPECTED, steepness, 60)
    _, naive = simulated((1.0,), steepness, 60)
    assert corrected > page
    assert corrected > naive


def test_enough_noisy_clicks_reach_the_right_order() -> None:
    _, corrected = simulated(EXPECTED, 0.7, 100)
    assert corrected > 0.94


@pytest.mark.parametrize("steepness", [0.3, 1.5])
def test_how_likely_a_place_is_looked_at_is_estimated_from_the_log(steepness: float) -> None:
    """From 1 / rank at the start towards what people do, as far as items were moved."""
    random, memory = np.random.default_rng(3), Memory(ACTIONS)
    ranks = np.arange(1.0, 9.0)
    np.testing.assert_allclose(memory.examination(ranks), 1 / ranks)
    for show in range(6000):
        query, order = str(show % 40), random.permutation(8)
        memory.learn(shown(str(show), query, [str(item) for item in order]))
        looked = random.random(8) < ranks**-steepness
        for place in np.flatnonzero(looked & (random.random(8) < np.where(order < 3, 0.6, 0.2))).tolist():
            event = acted(f"{show} {place}", query, str(order[place]), "click")
            memory.learn(Event(event.id, event.kind, event.time, {**event.body, "position": place + 1}))
    estimated = memory.examination(ranks)
    assert estimated[0] == 1.0
    assert abs(estimated - ranks**-steepness).max() < 0.15
    assert abs(estimated - ranks**-steepness).sum() < 0.5 * abs(1 / ranks - ranks**-steepness).sum()


def test_what_is_known_of_an_item_is_the_log_of_its_rate() -> None:
    """Against a Beta posterior that begins with 2.5 actions in 12 looks; what nobody acted on counts against an item."""
    memory = Memory(ACTIONS, examination=[1.0])
    for place in range(12):
        memory.learn(shown(str(place), "love", ["f1", "f2"]))
        memory.learn(acted(str(place), "love", "f1", "click"))
    seen = memory.remembered("films", "love")
    assert seen["f1"].log_rate == pytest.approx(np.log((2.5 + 12) / (12 + 12) / (2.5 / 12)))
    assert seen["f2"].log_rate == pytest.approx(np.log(2.5 / (12 + 12) / (2.5 / 12)))


# -- the nearest query --------------------------------------------------------------------------------------------------


def test_a_slip_finds_what_was_taken_for_the_right_spelling() -> None:
    memory = learned(acted("1", "mary poppins", "f1", "click"), acted("2", "psycho", "f2", "click"))
    for text in ("mary popins", "marry poppins", "the mary poppins", "poppins marry", "marypoppins"):
        recalled = memory.recall("films", text)
        assert recalled.keys() == {"f1"}, text
        assert 0 < recalled["f1"] < memory.recall("films", "mary poppins")["f1"]
        assert memory.recall("books", text) == {}
        assert memory.taken_for("films", text) == 0
        assert memory.evidence("films", text, ["f1"]).get("f1") is not None
    assert memory.evidence("films", "mary popins", ["f2"]).get("f2") is None


def test_exact_and_same_words_come_before_the_nearest() -> None:
    memory = learned(acted("1", "mary poppins", "f1", "click"), acted("2", "mary popins", "f2", "click"))
    assert memory.recall("films", "mary popins") == {"f2": FIRST}
    assert memory.recall("films", "popins, mary") == {"f2": FIRST}


def test_several_near_queries_are_pooled() -> None:
    memory = learned(
        acted("1", "mary poppins", "f1", "click"),
        acted("2", "mary poppinz", "f1", "click"),
        acted("3", "mary poppinz", "f2", "click"),
        acted("4", "mary poppens", "f3", "dislike"),
    )
    evidence = memory.evidence("films", "mary poppina", ["f1"]).get("f1")
    assert evidence is not None
    assert evidence.shown == 2
    assert memory.recall("films", "mary poppina").keys() == {"f1", "f2"}


def test_what_was_turned_down_is_not_near() -> None:
    memory = learned(
        acted("1", "mary poppins", "f1", "click"), acted("2", "mary poppins", "f1", "undo", undoes="click")
    )
    assert memory.recall("films", "mary popins") == {}

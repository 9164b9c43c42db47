"""What feedback teaches: the memory index, as a fold over the log."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.events import Event, EventLog
from segue.retrieve.memory import Memory
from segue.store import ACTIONS


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
    assert memory.recall("films", "mary  poppins") == {"f1": 1 / 4}
    assert memory.recall("films", "poppins mary") == {"f1": 1 / 4}
    assert memory.recall("films", "mary") == {}
    assert memory.recall("books", "mary poppins") == {}
    assert memory.taken_for("films", "mary poppins") == 1
    assert memory.taken_for("films", "mary") == 0


@settings(max_examples=50, deadline=None)
@given(words=st.permutations(["Running", "comedies", "amélie", "comedy", "1995"]), upper=st.booleans())
def test_the_order_of_words_and_their_forms_do_not_matter(words: list[str], upper: bool) -> None:
    memory = learned(acted("1", "amelie runs comedies 1995", "f1", "play"))
    text = " ".join(words)
    assert memory.recall("films", text.upper() if upper else text) == {"f1": 2 / 4}


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
    evidence = memory.evidence("films", "love", "f4")
    assert evidence is not None
    assert (evidence.weight, evidence.shown) == (1.0, 5)
    assert memory.recall("films", "love") == {"f4": 1 / (5 + 3)}
    assert memory.evidence("films", "love", "f5") is None
    assert memory.size == 1


def test_shows_under_other_words_do_not_count() -> None:
    memory = learned(acted("1", "love", "f4", "click"), shown("2", "drama", ["f4"]), shown("3", "love", ["f5"]))
    evidence = memory.evidence("films", "love", "f4")
    assert evidence is not None
    assert evidence.shown == 1


def test_negative_actions_hide_and_never_recall() -> None:
    memory = learned(
        acted("1", "love", "f4", "click"), acted("2", "love", "f4", "dislike"), acted("3", "love", "f5", "skip")
    )
    assert memory.recall("films", "love") == {}
    assert memory.taken_for("films", "love") == 0
    assert memory.most_taken("films", 5) == {}
    evidence = memory.evidence("films", "love", "f4")
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
    assert memory.recall("films", "🎬") == {"f1": 1 / 4}
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

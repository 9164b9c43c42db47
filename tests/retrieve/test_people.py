"""What is known of people, as a fold over the log: tastes, and what others took who took the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.events import Event, EventLog
from segue.records import Candidates, Request
from segue.retrieve import people as module
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.people import Floats, People, persons
from segue.retrieve.query import Query
from segue.retrieve.strategies import Personal
from segue.store import ACTIONS

ANN = {"user": "ann"}
AXES = {f"f{place}": np.eye(6, dtype=np.float32)[place] for place in range(6)}


def asked(id: str, context: Mapping[str, str]) -> Event:
    return Event(id, "answer", 0.0, {"request": {"context": dict(context)}, "shown": []})


def acted(id: str, answer: str, item: str, action: str = "click", *, domain: str = "films", undoes: str = "") -> Event:
    body = {"answer": answer, "domain": domain, "item": item, "action": action, "query": "q", "position": 1}
    return Event(id, "feedback", 0.0, {**body, "undoes": undoes} if undoes else body)


def told(*histories: tuple[Mapping[str, str], Sequence[str]]) -> People:
    """People who were told of a click on each of the items, in order."""
    people = People(ACTIONS)
    for place, (context, items) in enumerate(histories):
        people.learn(asked(f"a{place}", context))
        for item in items:
            people.learn(acted("f", f"a{place}", item))
    return people


def vectors(ids: Sequence[str]) -> dict[str, Floats]:
    return {id: AXES[id] for id in ids if id in AXES}


def taste(people: People, context: Mapping[str, str], domain: str = "films") -> list[float] | None:
    found = people.taste(context, domain, 1, vectors)
    return None if found is None else found.tolist()


def test_who_is_named_in_a_context() -> None:
    assert persons({}) == ()
    assert persons({"user": "", "session": "s"}) == (("session", "s"),)
    assert persons({"session": "s", "user": "ann"}) == (("user", "ann"), ("session", "s"))


def test_nothing_is_known_of_strangers() -> None:
    people = told((ANN, ["f0"]), ({}, ["f1"]))
    for context in ({}, {"user": "bob"}, {"session": "ann"}):
        assert not people.knows(context)
        assert taste(people, context) is None
        assert people.together(context, "films", 5) == {}
    assert taste(people, ANN, "books") is None
    assert people.together(ANN, "books", 5) == {}


@settings(max_examples=60, deadline=None)
@given(
    actions=st.lists(st.tuples(st.sampled_from([*AXES, "gone"]), st.sampled_from([*ACTIONS])), min_size=1, max_size=70)
)
def test_taste_is_the_decayed_mean_of_what_was_taken(actions: list[tuple[str, str]]) -> None:
    """Against the definition, with the last 50 actions above 0; an item that is gone counts nothing but keeps its place."""
    people = People(ACTIONS)
    people.learn(asked("a", ANN))
    for item, action in actions:
        people.learn(acted("f", "a", item, action))
    kept = [(item, ACTIONS[action]) for item, action in actions if ACTIONS[action] > 0][-50:]
    mean = np.zeros(6)
    for age, (item, weight) in enumerate(reversed(kept)):
        mean += weight * 0.9**age * AXES.get(item, np.zeros(6))
    found = taste(people, ANN)
    if not mean.any():
        assert found is None
    else:
        assert found == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_a_session_counts_beside_its_user() -> None:
    people = told(({**ANN, "session": "s"}, ["f0"]), (ANN, ["f1"]))
    assert taste(people, {"session": "s"}) == AXES["f0"].tolist()
    user = np.array([0.9, 1, 0, 0, 0, 0]) / np.hypot(0.9, 1)
    both = user + AXES["f0"]
    assert taste(people, {**ANN, "session": "s"}) == pytest.approx(both / np.linalg.norm(both))


def test_a_taste_is_worked_out_again_after_an_action_or_a_change_of_the_catalogue() -> None:
    people, looked = told((ANN, ["f0"])), []

    def counted(ids: Sequence[str]) -> dict[str, Floats]:
        looked.append(list(ids))
        return vectors(ids)

    for version in (1, 1, 2, 2):
        people.taste(ANN, "films", version, counted)
    assert looked == [["f0"], ["f0"]]
    people.learn(acted("f", "a0", "f1"))
    assert people.taste(ANN, "films", 2, counted) is not None
    assert looked[2:] == [["f1", "f0"]] or looked[2:] == [["f0", "f1"]]


def test_together_is_what_others_took_who_took_the_same() -> None:
    people = told(
        ({"user": "bob"}, ["f0", "f1", "f2"]),
        ({"user": "cas"}, ["f0", "f1"]),
        ({"user": "dan"}, ["f4", "f3"]),
        ({"session": "s"}, ["f0", "f5"]),
        (ANN, ["f0"]),
    )
    found = people.together(ANN, "films", 5)
    assert list(found) == ["f1", "f2"]
    assert found["f1"] == 1.0
    assert found["f2"] == pytest.approx((1 / (1 + 5) ** 0.5) / (2 / (2 + 5) ** 0.5))
    assert list(people.together(ANN, "films", 1)) == ["f1"]


ITEMS = st.lists(st.sampled_from([*AXES]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(mine=ITEMS, others=st.lists(ITEMS, max_size=6))
def test_together_against_a_count_over_all_pairs(mine: list[str], others: list[list[str]]) -> None:
    """With fewer people and items than are looked at, it is the plain sum."""
    people = told(*(({"user": f"u{place}"}, items) for place, items in enumerate(others)), (ANN, mine))
    last = list(dict.fromkeys(reversed(mine)))
    takers = Counter(item for items in [*others, mine] for item in set(items))
    votes: dict[str, float] = {}
    for age, item in enumerate(last):
        for items in others:
            for other in set(items) - set(mine) if item in items else ():
                votes[other] = votes.get(other, 0.0) + 0.9**age / (takers[other] + 5) ** 0.5
    best = max(votes.values(), default=1.0)
    assert people.together(ANN, "films", 10) == pytest.approx({id: vote / best for id, vote in votes.items()}, abs=1e-5)


def test_undo_leaves_no_trace() -> None:
    events = [asked("a", ANN), asked("b", {"user": "bob"})]
    events += [acted("1", "b", "f0"), acted("2", "b", "f1"), acted("3", "a", "f0"), acted("4", "a", "f2", "buy")]
    before, after = People(ACTIONS), People(ACTIONS)
    for event in events:
        before.learn(event)
        after.learn(event)
    after.learn(acted("5", "a", "f1", "like"))
    assert before.digest() != after.digest()
    after.learn(acted("6", "a", "f1", "undo", undoes="like"))
    after.learn(acted("7", "a", "f5", "undo", undoes="like"))  # was never taken, or is not kept any more
    assert before.digest() == after.digest()
    assert taste(before, ANN) == taste(after, ANN)
    assert before.together(ANN, "films", 5) == after.together(ANN, "films", 5) == {"f1": 1.0}


def test_when_everything_is_undone_a_person_is_a_stranger() -> None:
    people = told((ANN, ["f0", "f1", "f0"]))
    for item in ("f0", "f0", "f1"):
        people.learn(acted("u", "a0", item, "undo", undoes="click"))
    assert not people.knows(ANN)


def test_what_was_not_wanted_or_has_no_weight_does_not_count() -> None:
    people = told((ANN, []))
    for action in ("skip", "dislike", "applaud"):
        people.learn(acted("f", "a0", "f0", action))
    people.learn(acted("f", "unknown answer", "f0"))
    assert not people.knows(ANN)


def test_who_acted_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PEOPLE", 2)
    people = told((ANN, ["f0"]), ({"user": "bob"}, ["f0", "f1"]))
    people.learn(acted("f", "a0", "f0"))
    people.learn(asked("c", {"user": "cas"}))
    people.learn(acted("f", "c", "f0"))
    assert people.knows(ANN)
    assert not people.knows({"user": "bob"})
    assert people.together({"user": "cas"}, "films", 5) == {}


def test_answers_of_long_ago_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWERS", 1)
    people = told((ANN, []), ({"user": "bob"}, []))
    people.learn(acted("f", "a0", "f0"))
    people.learn(acted("f", "a1", "f0"))
    assert not people.knows(ANN)
    assert people.knows({"user": "bob"})


EVENTS = st.tuples(
    st.sampled_from(["ann", "bob", "cas"]), st.sampled_from([*AXES]), st.sampled_from(["click", "buy", "skip", "undo"])
)


@settings(max_examples=15, deadline=None)
@given(told_of=st.lists(EVENTS, max_size=25), cut=st.integers(0, 25))
def test_replay_and_online_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, told_of: list[tuple[str, str, str]], cut: int
) -> None:
    events = [asked(name, {"user": name, "session": f"of {name}"}) for name in ("ann", "bob", "cas")]
    events += [
        acted(str(place), name, item, action, undoes="click" if action == "undo" else "")
        for place, (name, item, action) in enumerate(told_of)
    ]
    file = tmp_path_factory.mktemp("log") / "events.sqlite"
    followed = [logged(file, part) for part in (events[:cut], events)]
    by_hand = People(ACTIONS)
    for event in events:
        by_hand.learn(event)
    assert followed[1].digest() == by_hand.digest()
    for name in ("ann", "bob", "cas"):
        assert followed[1].together({"user": name}, "films", 5) == by_hand.together({"user": name}, "films", 5)
        assert taste(followed[1], {"user": name}) == taste(by_hand, {"user": name})


def logged(file: Path, events: Sequence[Event]) -> People:
    people, log = People(ACTIONS), EventLog.open(file)
    log.follow(people.learn)
    log.append(*events).result()
    log.close()
    return people


# -- the strategy -------------------------------------------------------------------------------------------------------

FILMS = [
    ("ring", "a ring must be destroyed in a volcano"),
    ("king", "a king returns to his throne with an army of the dead"),
    ("wizard", "a young wizard goes to a school of magic"),
    ("heist", "thieves rob three casinos in one night"),
    ("bank", "a bank robbery goes wrong"),
    ("space", "a spaceship travels through a black hole"),
    ("love", "two strangers fall in love on a train"),
]


@pytest.fixture(scope="module")
def films(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    catalogue = Catalogue("films", tmp_path_factory.mktemp("films"), encoder)
    catalogue.index(from_mappings([{"id": id, "title": title} for id, title in FILMS]), fingerprint="1")
    yield catalogue.snapshot
    catalogue.close()


def personal(people: People, films: Snapshot, text: str, context: Mapping[str, str], k: int = 10) -> Candidates:
    return Personal(people).retrieve(Query(Request("", text, context), text, films.encoder.encode), films, k)


def ids(films: Snapshot, candidates: Candidates) -> list[str]:
    known = films.ids_of(candidates.numbers.tolist())
    return [known[number] for number in candidates.numbers.tolist()]


def test_strangers_are_given_nothing(films: Snapshot) -> None:
    people = told((ANN, ["ring"]), ({"user": "gone"}, ["no such film"]))
    for context in ({}, {"user": "bob"}, {"user": "gone"}):
        assert len(personal(people, films, "a film", context)) == 0


def test_the_same_words_mean_something_else_to_another_person(films: Snapshot) -> None:
    people = told((ANN, ["ring", "wizard"]), ({"user": "bob"}, ["heist"]))
    mine, yours = (ids(films, personal(people, films, "something to watch", {"user": name})) for name in ("ann", "bob"))
    assert mine.index("king") < mine.index("bank")
    assert yours.index("bank") < yours.index("king")


def test_the_words_still_count(films: Snapshot) -> None:
    people = told((ANN, ["ring", "wizard"]))
    assert ids(films, personal(people, films, "spaceship in a black hole", ANN))[0] == "space"


def test_what_goes_with_it_is_raised(films: Snapshot) -> None:
    alone = told((ANN, ["ring"]))
    among = told(({"user": "bob"}, ["ring", "love", "gone"]), (ANN, ["ring"]))
    before, after = (ids(films, personal(people, films, "a film", ANN)) for people in (alone, among))
    assert after[0] == "love"
    assert before[0] != "love"
    assert sorted(before) == sorted(after) == sorted(id for id, _ in FILMS)


def test_descending_scores_and_the_same_twice(films: Snapshot) -> None:
    people = told(({"user": "bob"}, ["ring", "love"]), (ANN, ["ring"]))
    for k in (1, 3, 50):
        found, again = (personal(people, films, "a film", ANN, k) for _ in range(2))
        assert len(found) == min(k, len(FILMS))
        assert (np.diff(found.scores) <= 0).all()
        assert found.numbers.tolist() == again.numbers.tolist()
        assert found.scores.tolist() == again.scores.tolist()

"""The contract of a strategy, over every member of the family."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.encode.quantised import OnnxEncoder
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.retrieve.people import People
from segue.retrieve.query import Encode, Query
from segue.retrieve.strategies import family
from segue.store import ACTIONS

NAMES = list(family(Memory(ACTIONS)))
PREFIX = ("memory", "text", "title", "sparse", "misspelt", "related", "grams", "dense", "new")
"""Strategies that score an item alone: a shallower call returns the first part of a deeper one."""

ANN = {"user": "ann", "session": "of ann"}

QUERIES = [
    "mary poppins",
    "play mary poppins",
    "marry popins",
    "comedies from 1964",
    "sceince fictoin",
    "not horror",
    "horror before 1963 not comedy",
    "between 1999 and 1950",
    "the",
    "zzqx vwkj",
    "?",
    "🎬🍿",
    "メリー・ポピンズ",
    "Мэри Поппинс",
    "a" * 400,
    "night " * 160,
    "\x1f OR title:(",
    "amelie café",
]
GENRES = ("comedy", "horror", "drama", "science fiction", "western")
TITLES = ("night", "love", "storm", "mary", "road", "gold", "river", "king")


def rows(count: int = 60) -> list[dict[str, Any]]:
    """Titles of one to three words of a small vocabulary, so that many items match and some are equal."""
    made: list[dict[str, Any]] = [
        {
            "id": f"i{place}",
            "title": " ".join(TITLES[(place * step) % len(TITLES)] for step in range(1, place % 3 + 2)),
            "genres": [GENRES[place % 5], GENRES[place % 3]],
            "year": 1950 + place % 40,
            "votes": (place * 37) % 50,
        }
        for place in range(count)
    ]
    special = [
        ("mp", "Mary Poppins"),
        ("am", "Amélie"),
        ("jp", "メリー・ポピンズ"),
        ("ru", "Мэри Поппинс"),
        ("em", "🎬"),
    ]
    return made + [{"id": id, "title": title, "genres": ["comedy"], "year": 1964, "votes": 40} for id, title in special]


@dataclass(frozen=True)
class World:
    """A catalogue that was changed: before, and after an update of two items, a deletion of three and an addition."""

    before: Snapshot
    before_answers: dict[tuple[str, str], Candidates]
    after: Snapshot
    memory: Memory
    people: People
    encode: Encode

    def query(self, text: str) -> Query:
        return Query(Request("", text, ANN), text, self.encode)

    def retrieve(self, name: str, text: str, k: int, *, before: bool = False) -> Candidates:
        return family(self.memory, self.people)[name].retrieve(
            self.query(text), self.before if before else self.after, k
        )


@pytest.fixture(scope="module")
def world(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    catalogue = Catalogue("films", tmp_path_factory.mktemp("world"), encoder)
    catalogue.index(from_mappings(rows()), fingerprint="1")
    memory, people = Memory(ACTIONS), People(ACTIONS)
    others = [("i3", {"user": "bob"}), ("i9", {"user": "bob"}), ("gone", {"user": "bob"}), ("i5", {"user": "bob"})]
    for place, (item, context) in enumerate([*others, ("i3", ANN), ("mp", ANN), ("gone", ANN), ("i1", ANN)]):
        people.learn(Event(f"p{place}", "answer", 0.0, {"request": {"context": context}}))
        played = {"answer": f"p{place}", "domain": "films", "item": item, "action": "play"}
        people.learn(Event(f"q{place}", "feedback", 0.0, played))
    for place, (text, item) in enumerate(
        [("mary poppins", "i3"), ("mary poppins", "mp"), ("mary poppins", "gone"), ("?", "i7"), ("mary poppins", "i1")]
    ):
        memory.learn(Event(f"a{place}", "answer", 0.0, {"shown": [[text, "films", [item]]]}))
        body = {"answer": f"a{place}", "domain": "films", "item": item, "action": "play", "query": text, "position": 1}
        memory.learn(Event(f"f{place}", "feedback", 0.0, body))
    before = catalogue.snapshot
    asked, encode = family(memory, people), once(encoder.encode)
    answers = {
        (name, text): strategy.retrieve(Query(Request("", text, ANN), text, encode), before, 20)
        for name, strategy in asked.items()
        for text in QUERIES
    }
    changed = [{"id": "i3", "title": "mary again", "genres": ["drama"], "year": 1999, "votes": 49}]
    added = [{"id": "new", "title": "new night", "genres": ["comedy"], "year": 1964, "votes": 5}]
    again = {**rows()[8], "title": "a road not taken"}
    catalogue.index(from_mappings([*changed, again, *added]), fingerprint="2")
    catalogue.delete(["mp", "i1", "i5", "nobody"])
    yield World(before, answers, catalogue.snapshot, memory, people, encode)
    catalogue.close()


def once(encode: Encode) -> Encode:
    """Each text is encoded once for all tests: an encoder's own contract is tested elsewhere."""
    made: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def encode_once(texts: Sequence[str]) -> NDArray[np.float32]:
        key = tuple(texts)
        if key not in made:
            made[key] = encode(texts)
        return made[key]

    return encode_once


def check(found: Candidates, name: str, catalogue: Snapshot, k: int) -> None:
    assert found.strategy == name
    assert found.numbers.dtype == np.int64
    assert found.scores.dtype == np.float32
    assert len(found.numbers) == len(found.scores) <= k
    assert len(set(found.numbers.tolist())) == len(found)
    assert np.isfinite(found.scores).all()
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.numbers.tolist()) <= set(catalogue.numbers.tolist())


def same(one: Candidates, other: Candidates) -> bool:
    pairs = ((one.numbers, other.numbers), (one.scores, other.scores))
    return all(mine.tolist() == yours.tolist() for mine, yours in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_every_query_keeps_the_contract(world: World, name: str) -> None:
    for text in QUERIES:
        for k in (1, 7, 1000):
            found = world.retrieve(name, text, k)
            check(found, name, world.after, k)
            assert same(found, world.retrieve(name, text, k)), text


@settings(max_examples=40, deadline=None)
@given(
    text=st.one_of(
        st.lists(
            st.sampled_from([*TITLES, *GENRES, "not", "from", "1964", "60s", "before", "and", "mary poppins"]),
            min_size=1,
            max_size=6,
        ).map(" ".join),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    ),
    k=st.integers(1, 80),
)
def test_any_text_keeps_the_contract(world: World, text: str, k: int) -> None:
    for name in NAMES:
        check(world.retrieve(name, text, k), name, world.after, k)


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_taken_before_a_change_answers_as_before(world: World, name: str) -> None:
    for text in QUERIES:
        found = world.retrieve(name, text, 20, before=True)
        assert same(found, world.before_answers[name, text]), text
        check(found, name, world.before, 20)


@pytest.mark.parametrize("name", NAMES)
def test_deleted_items_are_gone_and_updated_ones_are_found_anew(world: World, name: str) -> None:
    old = world.before.numbers_of(["mp", "i1", "i5", "i3", "i8"])
    assert len(old) == 5
    for text in QUERIES:
        assert not set(old.values()) & set(world.retrieve(name, text, 1000).numbers.tolist()), text


@pytest.mark.parametrize("name", PREFIX)
def test_a_shallow_call_is_the_start_of_a_deep_one(world: World, name: str) -> None:
    for text in QUERIES:
        deep = world.retrieve(name, text, 1000)
        for k in (1, 3, 10, 30):
            assert same(world.retrieve(name, text, k), deep.top(k)), (text, k)


@pytest.mark.parametrize("first", NAMES)
def test_one_strategy_does_not_change_the_query_for_another(world: World, first: str) -> None:
    strategies = family(world.memory, world.people)
    for text in ("mary poppins", "comedies from 1964", "not horror"):
        shared = world.query(text)
        strategies[first].retrieve(shared, world.after, 20)
        for name, strategy in strategies.items():
            assert same(strategy.retrieve(shared, world.after, 20), world.retrieve(name, text, 20)), name


def test_an_empty_catalogue_gives_nothing(encoder: OnnxEncoder, tmp_path: Path) -> None:
    """Whether nothing was ever indexed or everything was deleted."""
    catalogue = Catalogue("films", tmp_path / "empty", encoder)
    memory, encode = Memory(ACTIONS), once(encoder.encode)
    body = {"answer": "a", "domain": "films", "item": "i1", "action": "play", "query": "mary poppins", "position": 1}
    memory.learn(Event("f", "feedback", 0.0, body))
    for emptied in (False, True):
        if emptied:
            catalogue.index(from_mappings(rows(3)), fingerprint="1")
            assert len(catalogue.delete([row["id"] for row in rows(3)])) == len(rows(3))
        for name, strategy in family(memory).items():
            for text in QUERIES:
                found = strategy.retrieve(Query(Request("", text), text, encode), catalogue.snapshot, 5)
                check(found, name, catalogue.snapshot, 5)
                assert len(found) == 0, (name, text)
    catalogue.close()


@pytest.mark.parametrize("name", ["text", "title", "sparse", "structured", "misspelt", "related", "grams", "memory"])
def test_unknown_words_find_nothing(world: World, name: str) -> None:
    assert len(world.retrieve(name, "qqqqq wwwww", 10)) == 0


def test_a_value_without_letters_meets_a_word_too_long_to_index(encoder: OnnxEncoder, tmp_path: Path) -> None:
    """Neither leaves a word behind, so both have the empty name in the index."""
    catalogue = Catalogue("songs", tmp_path / "songs", encoder)
    catalogue.index(from_mappings([{"id": "1", "title": "Me and Giuliani", "artist": "!!!"}]), fingerprint="1")
    text = "x" * 61
    for name, strategy in family(Memory(ACTIONS)).items():
        query = Query(Request("", text), text, encoder.encode)
        check(strategy.retrieve(query, catalogue.snapshot, 5), name, catalogue.snapshot, 5)
    catalogue.close()


def test_the_order_outlives_the_process(encoder: OnnxEncoder, tmp_path: Path) -> None:
    """Many items score the same; they stand in the same order after the catalogue was closed and opened again."""
    catalogue = Catalogue("films", tmp_path / "ties", encoder)
    for part in range(12):  # so many that the text index merges its segments in the meantime
        same_title = [{"id": f"{part}-{place}", "title": "night road"} for place in range(3)]
        catalogue.index(from_mappings(same_title), fingerprint=str(part))
    opened = Catalogue("films", tmp_path / "ties", encoder)
    query = Query(Request("", "night road"), "night road", encoder.encode)
    for name, strategy in family(Memory(ACTIONS)).items():
        assert same(strategy.retrieve(query, catalogue.snapshot, 50), strategy.retrieve(query, opened.snapshot, 50)), (
            name
        )
    catalogue.close()
    opened.close()


@pytest.mark.parametrize("name", ["text", "title", "sparse", "grams", "dense", "popular"])
@pytest.mark.parametrize("count", [30, 200])
def test_equal_scores_stand_in_order_of_number(encoder: OnnxEncoder, tmp_path: Path, name: str, count: int) -> None:
    catalogue = Catalogue("films", tmp_path / "ties", encoder)
    catalogue.index(
        from_mappings([{"id": str(place), "title": "night road"} for place in range(count)]), fingerprint="1"
    )
    query = Query(Request("", "night road"), "night road", encoder.encode)
    found = family(Memory(ACTIONS))[name].retrieve(query, catalogue.snapshot, 5)
    assert found.numbers.tolist() == catalogue.snapshot.numbers[:5].tolist()
    catalogue.close()


def test_a_person_of_whom_something_is_known_is_given_something_in_every_state(world: World) -> None:
    for before in (True, False):
        for text in QUERIES:
            assert len(world.retrieve("personal", text, 7, before=before)) == 7
    stranger = Query(Request("", "mary", {"user": "nobody"}), "mary", world.encode)
    assert len(family(world.memory, world.people)["personal"].retrieve(stranger, world.after, 7)) == 0

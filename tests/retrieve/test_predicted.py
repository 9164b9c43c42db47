"""Queries predicted from a document's own fields, and the memory index that begins with them."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.events import Event
from segue.records import Request
from segue.retrieve.catalogue import Catalogue, Document, Snapshot
from segue.retrieve.catalogue.predicted import PART, VALUE, WHOLE, expected, predicted, same_words
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.strategies import Remembered
from segue.store import ACTIONS

FILMS: list[dict[str, Any]] = [
    {"id": "old", "title": "Psycho", "director": "Alfred Hitchcock", "year": 1960, "votes": 900},
    {"id": "new", "title": "Psycho", "director": "Gus Van Sant", "year": 1998, "votes": 60},
    {"id": "birds", "title": "The Birds", "director": "Alfred Hitchcock", "year": 1963, "votes": 500},
    {
        "id": "wars",
        "title": "Star Wars: A New Hope (Special Edition)",
        "director": "George Lucas",
        "year": 1977,
        "votes": 990,
    },
    {"id": "dark", "title": "Dark", "director": "Nobody", "year": 2000},
    {"id": "winter", "title": "Winter", "year": 2001},
    {"id": "winner", "title": "Winner", "year": 2002},
    {"id": "love", "title": "Love", "director": "Gaspar Noé", "year": 2015, "votes": 5},
]


@pytest.fixture(scope="module")
def films(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    catalogue = Catalogue("films", tmp_path_factory.mktemp("films"), encoder)
    catalogue.index(from_mappings(FILMS), fingerprint="1")
    yield catalogue.snapshot
    catalogue.close()


def document(title: str, **fields: Any) -> Document:
    categories = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    numbers = {name: value for name, value in fields.items() if isinstance(value, float)}
    return Document("1", title, (), categories, numbers, 1.0, {})


def counts(title: str, **fields: Any) -> dict[str, float]:
    return dict(predicted(document(title, **fields)))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("star wars: a new hope (special edition)", WHOLE),
        ("a new hope star wars", WHOLE),
        ("star wars a new hope 1977", WHOLE),
        ("george lucas star wars a new hope", WHOLE),
        ("star wars", PART),
        ("a new hope", PART),
        ("george lucas", VALUE),
        ("1977", None),
        ("star wars george lucas 1977", None),
        ("action", None),
    ],
)
def test_what_is_asked_for(query: str, count: float | None) -> None:
    known = counts(
        "Star Wars: A New Hope (Special Edition)", directors=["George Lucas"], genres=["Action"], release_year=1977.0
    )
    assert known.get(same_words(query)) == count


def test_a_leading_article_may_be_left_out() -> None:
    known = counts("The Birds", director=["Alfred Hitchcock"], year=1963.0)
    assert known[same_words("the birds")] == WHOLE
    assert known[same_words("birds")] == PART
    assert known[same_words("birds 1963")] == WHOLE
    assert counts("The The")[same_words("the")] == WHOLE


def test_only_the_first_people_of_a_column_are_asked_for() -> None:
    known = counts("Heat", actors=["Al Pacino", "Robert De Niro", "Val Kilmer"])
    assert same_words("heat robert de niro") in known
    assert same_words("heat val kilmer") not in known


@pytest.mark.parametrize("title", ["???", "🎬", "(…)", ":", "x" * 1999, "a", "The", "- - -", ": (", "[]: -"])
def test_any_title(title: str) -> None:
    known = predicted(document(title, author=["!"], year=math.inf))
    assert all(0 < len(key) <= 200 and key == " ".join(sorted(set(key.split()))) for key, _ in known)


@settings(max_examples=100, deadline=None)
@given(
    title=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    person=st.text(max_size=20),
    year=st.integers(0, 3000),
)
def test_every_key_once_and_the_title_first(title: str, person: str, year: int) -> None:
    known = predicted(document(title, author=[person], year=float(year)))
    assert len(dict(known)) == len(known)
    assert {count for _, count in known} <= {WHOLE, PART, VALUE}
    if same_words(title):
        assert known[0] == (same_words(title), WHOLE)


def test_who_shares_a_query_shares_its_count_by_popularity(films: Snapshot) -> None:
    number = films.numbers_of([row["id"] for row in FILMS])
    psycho = expected("psycho", films.text)
    assert psycho.keys() == {number["old"], number["new"]}
    assert sum(psycho.values()) == pytest.approx(WHOLE)
    assert psycho[number["old"]] > psycho[number["new"]] > 0
    assert expected("PSYCHO 1998", films.text) == {number["new"]: WHOLE}
    assert expected("the birds hitchcock alfred", films.text) == {number["birds"]: WHOLE}
    assert sum(expected("alfred hitchcock", films.text).values()) == pytest.approx(VALUE)
    assert expected("dark", films.text) == {number["dark"]: WHOLE}
    for text in ("psycho 1961", "hitchcock", "zzz", "?", ""):
        assert expected(text, films.text) == {}


# -- the memory that begins with them -----------------------------------------------------------------------------------


def found(films: Snapshot, memory: Memory, text: str, k: int = 10) -> list[str]:
    candidates = Remembered(memory).retrieve(Query(Request("", text), text, films.encoder.encode), films, k)
    ids = films.ids_of(candidates.numbers.tolist())
    return [ids[number] for number in candidates.numbers.tolist()]


def told(*events: tuple[str, list[str], str]) -> Memory:
    """A memory that was told of answers: (query, what was shown, what of it was clicked)."""
    memory = Memory(ACTIONS)
    for place, (query, page, clicked) in enumerate(events):
        memory.learn(Event(f"a{place}", "answer", 0.0, {"shown": [[query, "films", page]]}))
        if clicked:
            body = {"answer": f"a{place}", "domain": "films", "item": clicked, "action": "click", "query": query}
            memory.learn(Event(f"f{place}", "feedback", 0.0, body))
    return memory


def test_without_clicks_the_order_is_that_of_the_predicted_counts(films: Snapshot) -> None:
    assert found(films, told(), "psycho") == ["old", "new"]
    assert found(films, told(), "psycho", 1) == ["old"]
    assert found(films, told(), "something else") == []


def test_a_few_clicks_overrule_what_was_predicted(films: Snapshot) -> None:
    assert found(films, told(("psycho", ["old", "new"], "new")), "psycho") == ["new", "old"]
    assert found(films, told(("psycho", ["old", "birds"], "birds")), "psycho") == ["birds", "old", "new"]


def test_what_is_shown_and_never_taken_falls_behind_what_was_not_shown(films: Snapshot) -> None:
    """Also under a query that nobody has acted on, and under another order of its words."""
    assert found(films, told(*[("Psycho", ["old"], "")] * 20), "psycho!") == ["new", "old"]
    assert found(films, told(*[("psycho", ["old"], "")] * 1), "psycho") == ["old", "new"]


def test_what_people_turn_down_is_not_predicted_any_more(films: Snapshot) -> None:
    memory = told(("psycho", ["old", "new"], ""))
    body = {"answer": "a0", "domain": "films", "item": "old", "action": "dislike", "query": "psycho"}
    memory.learn(Event("f", "feedback", 0.0, body))
    assert found(films, memory, "psycho") == ["new"]


def test_a_word_that_stands_in_a_title_is_no_slip(films: Snapshot) -> None:
    """ "Wimter" may be a slip of "winter", and is found by it; "winner" is another film."""
    assert found(films, told(("wimter", ["old"], "old")), "winter") == ["winter", "old"]
    assert found(films, told(("winter", ["old"], "old")), "wimter") == ["old"]
    assert found(films, told(("winter", ["old"], "old")), "winner") == ["winner"]
    assert found(films, told(("winner", ["old"], "old")), "winter") == ["winter"]

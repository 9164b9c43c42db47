"""Requests read as constraints on the catalogue's own columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.records import Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.catalogue.terms import value_term, words
from segue.retrieve.query import Query
from segue.retrieve.readings import KIND_WORDS, Range, Reading, Value, barely_read, kind_named, read
from segue.retrieve.strategies import Structured

FILMS: list[dict[str, Any]] = [
    {
        "id": f"c{place}",
        "title": f"Laughing {place}",
        "genres": ["comedy"] if place % 2 else ["horror", "comedy"],
        "actor": "Steve Martin" if place % 3 == 0 else "Diane Keaton",
        "year": 1955 + place,
        "minutes": 60 + 2 * place,
        "rating": round(3 + place / 8, 2),
        "votes": 10 * place,
    }
    for place in range(50)
]
MIXED: list[dict[str, Any]] = [
    {
        "id": f"{kind}{place}",
        "title": f"{'Love and War' if place % 4 == 0 else 'Night'} {place}",
        "kind": kind,
        "genre": ["war", "drama"] if place % 3 == 0 else ["family"],
        "tags": ["war"] if place % 5 == 0 else ["war movies", "not war"] if place == 7 else [],
        "year": 1990 + place,
        "votes": (place * 7) % 40,
    }
    for kind in ("movie", "song", "book")
    for place in range(30)
]
MIXED += [{"id": "scary", "title": "Scary Movie", "kind": "movie", "genre": ["comedy"], "year": 2000, "votes": 9}]
FILMS += [
    {
        "id": "sf",
        "title": "Alien",
        "genres": ["science fiction", "horror"],
        "year": 1979,
        "minutes": 117,
        "rating": 8.5,
    },
    {"id": "l1", "title": "Love Story", "genres": ["romance"], "year": 1970, "minutes": 100, "rating": 6.9},
    {"id": "l2", "title": "Love Actually", "genres": ["romance"], "year": 2003, "minutes": 135, "rating": 7.6},
    {"id": "l3", "title": "Punch", "genres": ["love"], "year": 2002, "minutes": 95, "rating": 7.3},
    {"id": "ht", "title": "Horror Express", "genres": ["thriller"], "year": 1972, "minutes": 90, "rating": 6.5},
    {"id": "none", "title": "Undated"},
]


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("films"), encoder)
    opened.index(from_mappings(FILMS), fingerprint="1")
    yield opened.snapshot
    opened.close()


@pytest.fixture(scope="module")
def mixed(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("mixed", tmp_path_factory.mktemp("mixed"), encoder)
    opened.index(from_mappings(MIXED), fingerprint="1")
    assert {"kind", "genre", "tags"} <= set(opened.snapshot.categories)
    yield opened.snapshot
    opened.close()


def best(text: str, catalogue: Snapshot) -> Reading:
    readings = read(text, catalogue)
    assert readings, text
    return readings[0]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("comedies from 1995", 1995, 1995),
        ("from 1990 to 1999", 1990, 1999),
        ("from 1990 until 1999", 1990, 1999),
        ("between 1960 and 1970", 1960, 1970),
        ("between the 60s", 1960, 1969),
        ("1990s", 1990, 1999),
        ("80s", 1980, 1989),
        ("10s", 2010, 2019),
        ("horror of the 1970s", 1970, 1979),
        ("1990-1999", 1990, 1999),
        ("between 60s and 70s", 1960, 1979),
        ("before 1980", float("-inf"), 1979),
        ("until 1980", float("-inf"), 1980),
        ("after 2000", 2001, float("inf")),
        ("since 1990", 1990, float("inf")),
        ("after 90s", 2000, float("inf")),
        ("before 90s", float("-inf"), 1989),
    ],
)
def test_years(catalogue: Snapshot, text: str, low: float, high: float) -> None:
    assert best(text, catalogue).ranges == (Range("year", low, high),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rating above 8", Range("rating", low=8)),
        ("rating over 8.5", Range("rating", low=8.5)),
        ("under 90 minutes", Range("minutes", high=90)),
        ("over 100 minutes", Range("minutes", low=100)),
        ("minutes below 75.5", Range("minutes", high=75.5)),
        ("above 8 rating", Range("rating", low=8)),
        ("under 1200 minutes", Range("minutes", high=1200)),
    ],
)
def test_other_numbers(catalogue: Snapshot, text: str, expected: Range) -> None:
    assert best(text, catalogue).ranges == (expected,)


@pytest.mark.parametrize("text", ["7", "99999 bottles", "s", "s under 5", "under", "from 1990 to", "above 8 x"])
def test_what_is_no_range(catalogue: Snapshot, text: str) -> None:
    named = [limit.field for reading in read(text, catalogue) for limit in reading.ranges]
    assert set(named) <= {"year"}


def test_a_value_in_singular_and_plural(catalogue: Snapshot) -> None:
    for text in ("comedy", "comedies", "COMEDIES"):
        (value,) = best(text, catalogue).values
        assert value.field == "genres"
        assert value.text == text.lower()


def test_a_value_of_several_words_and_a_person(catalogue: Snapshot) -> None:
    reading = best("science fiction before 1980", catalogue)
    assert reading.values == (Value("genres", "science fiction"),)
    assert reading.rest == ()
    assert reading.explained == 1
    reading = best("comedies from 1995 with steve martin", catalogue)
    assert reading.values == (Value("genres", "comedies"), Value("actor", "steve martin"))
    assert reading.ranges == (Range("year", 1995, 1995),)
    assert reading.slots() == {"genres": "comedies", "actor": "steve martin", "year": "1995"}


def test_not(catalogue: Snapshot) -> None:
    for text in ("not horror", "no horror", "without horror"):
        (reading,) = read(text, catalogue)
        assert reading.values == (Value("genres", "horror", negated=True),)
        assert reading.slots() == {"genres": "not horror"}
        assert reading.probability == 1
    reading = best("comedy not horror", catalogue)
    assert {value.text: value.negated for value in reading.values} == {"comedy": False, "horror": True}


def test_slots_show_open_ends(catalogue: Snapshot) -> None:
    assert best("before 1980", catalogue).slots() == {"year": "..1979"}
    assert best("since 1990", catalogue).slots() == {"year": "1990.."}
    assert best("from 1990 to 1999", catalogue).slots() == {"year": "1990..1999"}


def test_a_value_that_is_also_a_title_word_is_read_both_ways(catalogue: Snapshot) -> None:
    readings = read("love comedies", catalogue)
    meant = {tuple(value.text for value in reading.values): reading for reading in readings}
    assert {("comedies",), ("love", "comedies")} <= set(meant)
    assert meant["comedies",].rest == ("love",)
    assert meant["love", "comedies"].rest == ()
    assert meant["comedies",].probability > meant["love", "comedies"].probability  # two titles, one genre
    love = best("love", catalogue)
    assert love.values == (Value("genres", "love"),)
    assert love.probability == (1 + 0.5) / (1 + 2 + 1)


def test_a_value_of_several_columns_is_read_as_each_by_how_often_it_is_there(mixed: Snapshot) -> None:
    readings = read("war", mixed)
    counts = {
        name: sum("war" in (row[name] if isinstance(row[name], list) else [row[name]]) for row in MIXED if name in row)
        for name in ("genre", "tags")
    }
    titles = sum("War" in row["title"] for row in MIXED)
    total = sum(counts.values())
    meant = (total + 0.5) / (total + titles + 1)
    found = {reading.values[0].field: reading.probability for reading in readings}
    assert found == pytest.approx({name: meant * count / total for name, count in counts.items()})
    assert list(found) == sorted(found, key=lambda name: -counts[name])


def test_a_longer_value_does_not_hide_the_shorter_one_in_it(mixed: Snapshot) -> None:
    readings = read("90s war movies", mixed, most=20)
    values = [reading.values for reading in readings]
    assert (Value("tags", "war movies"),) in values
    assert readings[0].values == (Value("genre", "war"), Value("kind", "movie"))


@pytest.mark.parametrize("text", ["war movies", "war films", "war film", "film about war", "WAR MOVIE"])
def test_a_word_for_a_kind_is_a_constraint_however_the_catalogue_calls_it(mixed: Snapshot, text: str) -> None:
    assert Value("kind", "movie") in best(text, mixed).values
    found = Structured().retrieve(Query(Request("", text), text, mixed.encoder.encode), mixed, 5)
    assert all(id.startswith("movie") for id in mixed.ids_of(found.numbers.tolist()).values())


def test_a_word_for_a_kind_means_nothing_where_no_column_has_it(catalogue: Snapshot) -> None:
    assert all(kind_named(word, catalogue) is None for word in KIND_WORDS)
    assert read("movies", catalogue) == ()
    assert read("comedy movies", catalogue)[0].values == (Value("genres", "comedy"),)
    assert read("comedy movies", catalogue)[0].explained == 1


def test_a_word_for_a_kind_in_a_whole_title_is_a_title_word(mixed: Snapshot) -> None:
    assert read("scary movie", mixed) == ()
    assert read("movie", mixed)[0].values == (Value("kind", "movie"),)


def test_a_kind_that_few_items_have_is_no_kind(encoder: OnnxEncoder, tmp_path: Path) -> None:
    opened = Catalogue("films", tmp_path / "few", encoder)
    rows = [{"id": str(place), "title": f"Night {place}", "tags": ["drama", "dark"]} for place in range(200)]
    opened.index(from_mappings([*rows, {"id": "b", "title": "Pages", "tags": ["book", "dark"]}]), fingerprint="1")
    assert kind_named("books", opened.snapshot) is None
    opened.close()


def test_what_is_not_wanted_is_not_wanted_in_any_column(mixed: Snapshot) -> None:
    assert set(read("movies not war", mixed)[0].values) == {
        Value("kind", "movie"),
        Value("genre", "war", negated=True),
        Value("tags", "war", negated=True),
    }


def every_way(
    tokens: list[str], catalogue: Snapshot, *, may_be_plain: bool = True
) -> Iterator[tuple[tuple[Value, ...], float]]:
    """All ways to cut known words into values and plain runs, by recursion, for requests in which each word is in a value."""
    if not tokens:
        yield (), 1.0
        return
    frequency, size = catalogue.text.frequency, len(catalogue) + 1.0
    for length in range(1, min(5, len(tokens)) + 1):
        run = " ".join(tokens[:length])
        counts = {name: frequency("value_of", value_term(name, run)) for name in catalogue.categories}
        total = sum(counts.values())
        for name, count in counts.items():
            for values, weight in every_way(tokens[length:], catalogue) if count else ():
                yield (Value(name, run), *values), weight * (total + 0.5) / size * count / total
        if may_be_plain:
            seldom = min(frequency("title", stem) for stem in words(run)) / 4.0 ** (length - 1)
            for values, weight in every_way(tokens[length:], catalogue, may_be_plain=False):
                yield values, weight * (seldom + 0.5) / size


@settings(max_examples=60, deadline=None)
@given(tokens=st.lists(st.sampled_from(["war", "drama", "family", "comedy"]), min_size=1, max_size=4))
def test_probabilities_are_shares_of_all_ways_to_cut_the_words(mixed: Snapshot, tokens: list[str]) -> None:
    ways = list(every_way(tokens, mixed))
    total = sum(weight for _, weight in ways)
    expected = sorted((weight / total for values, weight in ways if values), reverse=True)
    found = [reading.probability for reading in read(" ".join(tokens), mixed)]
    assert found == pytest.approx(expected[:4])


def test_words_that_nothing_knows_do_not_hide_what_the_others_ask_for(catalogue: Snapshot) -> None:
    text = "steve martin oovies"
    found = Structured().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, 100)
    rows = {row["id"]: row for row in FILMS}
    ids = catalogue.ids_of(found.numbers.tolist()).values()
    assert {rows[id].get("actor") for id in ids} == {"Steve Martin"}
    assert 0 < found.scores[0] < 1


def test_what_is_left_stands_as_it_was_typed(mixed: Snapshot) -> None:
    reading = barely_read("The Wars of Movies from 1995 with Running Men", mixed)
    assert reading.values == (Value("kind", "movie"),)
    assert reading.ranges == (Range("year", 1995, 1995),)
    assert reading.left == ("wars", "running men")
    assert reading.rest == ("war", "run", "men")
    assert reading.explained == 2 / 5
    assert barely_read("the of", mixed).left == ()
    assert barely_read("night", mixed).explained == 0


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_is_barely_read(mixed: Snapshot, text: str) -> None:
    reading = barely_read(text, mixed)
    assert 0 <= reading.explained <= 1
    assert all(run and run == run.strip() for run in reading.left)
    assert np.isfinite(reading.probability)


def test_plain_words_have_no_reading(catalogue: Snapshot) -> None:
    for text in ("alien", "something else", "🎬", "", "the of and"):
        assert read(text, catalogue) == ()


WORDS = [
    *("comedy", "horror", "love", "science", "fiction", "steve", "martin", "diane", "keaton", "alien", "express"),
    *("not", "without", "from", "to", "between", "and", "before", "after", "since", "under", "above", "the", "with"),
    *("1990", "1960", "90s", "1970s", "8", "90", "minutes", "rating", "year", "xyzzy", "🎬", "メリー", "x" * 70),
]


@settings(max_examples=150, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_readings_are_a_distribution_over_constraints_that_are_there(catalogue: Snapshot, text: str) -> None:
    readings = read(text, catalogue)
    assert readings == read(text, catalogue)
    assert len(readings) <= 4
    assert sum(reading.probability for reading in readings) <= 1 + 1e-9
    assert [reading.probability for reading in readings] == sorted((r.probability for r in readings), reverse=True)
    for reading in readings:
        assert reading.values or reading.ranges
        assert 0 < reading.explained <= 1
        assert 0 <= reading.probability <= 1
        assert {limit.field for limit in reading.ranges} <= set(catalogue.slots)
        assert {value.field for value in reading.values} <= set(catalogue.categories)
        reading.slots()
    found = Structured().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, 100)
    assert not len(found) or 0 < found.scores[0] <= 1 + 1e-6


def allowed(row: dict[str, Any], reading: Reading) -> bool:
    """Whether a row satisfies a reading's constraints, by its own cells."""
    stems = {"comedies": "comedy"}
    for value in reading.values:
        cell = row.get(value.field, [])
        members = [member.lower() for member in (cell if isinstance(cell, list) else [cell])]
        if (stems.get(value.text, value.text) in members) == value.negated:
            return False
    return all(limit.field in row and limit.low <= row[limit.field] <= limit.high for limit in reading.ranges)


@pytest.mark.parametrize(
    "text",
    [
        "comedies from 1995",
        "not horror",
        "horror not comedy",
        "from 1990 to 1999",
        "between 1999 and 1990",
        "before 1960 comedies with steve martin",
        "rating above 8",
        "under 90 minutes since 1960",
        "science fiction horror",
        "1970s",
        "comedies not horror after 1990 over 140 minutes",
    ],
)
def test_structured_search_finds_exactly_the_rows_that_fit(catalogue: Snapshot, text: str) -> None:
    (reading, *_) = readings = read(text, catalogue)
    assert not reading.rest
    expected = {row["id"] for row in FILMS for one in readings if not one.rest and allowed(row, one)}
    found = Structured().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, 1000)
    ids = catalogue.ids_of(found.numbers.tolist())
    assert expected <= set(ids.values())
    if all(not one.rest for one in readings):
        assert set(ids.values()) == expected


def test_structured_search_orders_by_popularity_and_says_how_sure_it_is(catalogue: Snapshot) -> None:
    text = "from 1990 to 1999"
    found = Structured().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, 1000)
    ids = [catalogue.ids_of(found.numbers.tolist())[number] for number in found.numbers.tolist()]
    votes = {row["id"]: row.get("votes", 0) for row in FILMS}
    assert [votes[id] for id in ids] == sorted((votes[id] for id in ids), reverse=True)
    assert found.scores[0] == pytest.approx(1)

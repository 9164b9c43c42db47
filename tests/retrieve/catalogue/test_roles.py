"""The columns of real catalogues are told by name and content; what a person says goes first."""

from typing import Any

import pytest

from segue.errors import InvalidInput
from segue.retrieve.catalogue.roles import Roles, Wishes, find_roles, nested, number

LONG = "A story that goes on for quite a while, with people and places and things in it. "

SHOP = [
    {
        "product_id": f"B00{i}",
        "product_name": f"Kettle {i}",
        "brand": ["Acme", "Bolt"][i % 2],
        "category": "Kitchen|Kettles",
        "price": f"{10 + i}.99",
        "rating": 4.5,
        "review_count": str(i * 7),
        "description": LONG,
        "image_url": f"https://example.org/{i}.jpg",
        "in_stock": True,
    }
    for i in range(20)
]
PAPERS: list[dict[str, Any]] = [
    {
        "id": f"1706.{i:05}",
        "title": f"On Attention {i}",
        "authors": ["A. Vaswani", "N. Shazeer"],
        "abstract": LONG,
        "year": 2017 + i % 3,
        "venue": "NeurIPS" if i % 2 else None,
        "n_citation": i * 100,
        "doi": None,
        "references": [{"id": "x"}],
    }
    for i in range(20)
]
MOVIELENS = [{"movieId": str(i), "title": f"Toy Story {i} (1995)", "genres": "Adventure|Comedy"} for i in range(20)]
TMDB = [
    {
        "budget": 1000 * i,
        "genres": ["Drama"],
        "id": i,
        "original_language": "en",
        "original_title": f"Film {i}",
        "overview": LONG,
        "popularity": 0.5 * i,
        "poster_path": f"/p{i}.jpg",
        "release_date": "1995-10-30",
        "title": f"Film {i}",
        "vote_average": 7.1,
        "vote_count": i,
    }
    for i in range(20)
]
IMDB = [
    {
        "tconst_id": f"tt{i}",
        "primaryTitle": f"Film {i}",
        "startYear": "1994",
        "genres": "Comedy;Drama",
        "numVotes": str(i),
    }
    for i in range(20)
]
SONGS = [
    {"track_id": f"T{i}", "artist": "Abba", "song": f"Waterloo {i}", "plays": i, "lyrics": "la " * 50}
    for i in range(20)
]
GOODREADS = [
    {
        "book_id": i,
        "isbn": f"97{i}",
        "authors": "Suzanne Collins, Somebody Else",
        "original_publication_year": 2008.0,
        "title": f"The Hunger Games {i}",
        "average_rating": 4.3,
        "ratings_count": 4_780_653 - i,
    }
    for i in range(20)
]
R_FILMS = [
    {"rownames": str(i), "title": f"$ {i}", "year": "1971", "votes": "348", "Action": "0", "mpaa": ""}
    for i in range(20)
]
QUESTIONS = [
    {"_id": f"q{i}", "question": f"How many legs has beetle {i}?", "answer": "Six.", "tags": ["bugs"]}
    for i in range(20)
]

CATALOGUES: list[tuple[str, list[dict[str, Any]], Roles]] = [
    (
        "a shop",
        SHOP,
        Roles(
            "product_id",
            "product_name",
            ("description",),
            ("brand", "category", "in_stock"),
            ("price", "rating"),
            "review_count",
            {"category": "|"},
        ),
    ),
    ("papers", PAPERS, Roles("id", "title", ("abstract",), ("authors", "venue"), ("year",), "n_citation", {})),
    ("MovieLens", MOVIELENS, Roles("movieId", "title", (), ("genres",), (), None, {"genres": "|"})),
    (
        "TMDB",
        TMDB,
        Roles(
            "id",
            "title",
            ("overview",),
            ("genres", "original_language", "original_title", "release_date"),
            ("budget", "vote_average", "vote_count"),
            "popularity",
            {},
        ),
    ),
    ("IMDb", IMDB, Roles("tconst_id", "primaryTitle", (), ("genres",), ("startYear",), "numVotes", {"genres": ";"})),
    ("songs", SONGS, Roles("track_id", "song", ("lyrics",), ("artist",), (), "plays", {})),
    (
        "Goodreads",
        GOODREADS,
        Roles(
            "isbn",
            "title",
            (),
            ("authors",),
            ("book_id", "original_publication_year", "average_rating"),
            "ratings_count",
            {},
        ),
    ),
    ("films of an R package", R_FILMS, Roles("rownames", "title", (), (), ("year", "Action"), "votes", {})),
    ("questions", QUESTIONS, Roles("_id", "question", ("answer",), ("tags",), (), None, {})),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "roles"), [case[1:] for case in CATALOGUES], ids=[case[0] for case in CATALOGUES])
def test_real_catalogues(sample: list[dict[str, Any]], roles: Roles) -> None:
    assert find_roles(sample) == roles


@pytest.mark.parametrize(("sample", "roles"), [case[1:] for case in CATALOGUES], ids=[case[0] for case in CATALOGUES])
def test_roles_survive_json(sample: list[dict[str, Any]], roles: Roles) -> None:
    assert Roles.from_json(roles.to_json()) == roles


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    count = max(map(len, columns.values()))
    return [{name: values[i % len(values)] for name, values in columns.items()} for i in range(count)]


BASE: dict[str, list[Any]] = {"id": list(range(20)), "title": ["one", "two"]}


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["a|b", "c"], "|"),
        (["a;b", "c"], ";"),
        (["a", "b"], None),
        (["a|b"] + ["c"] * 19, None),  # one in twenty: a slip, or a name
        (["a|b;c", "d|e"], "|"),
    ],
    ids=["bars", "semicolons", "single values", "a rare bar", "both"],
)
def test_separators(values: list[str], mark: str | None) -> None:
    roles = find_roles(rows(**BASE, kind=values))
    assert roles.categories == ("kind",)
    assert (roles.separators or {}).get("kind") == mark


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ([1, 2.5, "3"], "numbers"),
        (["1"] * 39 + ["unknown"], "numbers"),
        (["1"] * 9 + ["unknown"], "categories"),
        (["red", "blue"], "categories"),
        ([LONG], "text"),
        ([["red", "blue"], []], "categories"),
        ([True, False], "categories"),
        (["https://a.org/x", "http://b.org/y"], None),
        ([{"a": 1}], None),
        ([[{"a": 1}]], None),
        ([b"\xff"], None),
        ([None, "", float("nan"), []], None),
    ],
    ids=["numbers", "nearly all numbers", "mostly numbers", "values", "text", "lists", "true and false",
        "links", "objects", "lists of objects", "bytes", "nothing"],
)  # fmt: skip
def test_content_tells_the_role(values: list[Any], role: str | None) -> None:
    roles = find_roles(rows(id=list(range(80)), title=["one"], column=values))
    held = [name for name in ("text", "categories", "numbers") if "column" in getattr(roles, name)]
    assert held == ([role] if role else [])


def test_names_are_taken_in_any_case() -> None:
    roles = find_roles(rows(ID=[1, 2], Title=["a"], Votes=[3], Overview=["short"]))
    assert (roles.id, roles.title, roles.popularity, roles.text) == ("ID", "Title", "Votes", ("Overview",))


def test_popularity_must_be_a_number() -> None:
    assert find_roles(rows(**BASE, popularity=["high", "low"])).popularity is None


def test_an_id_found_by_its_ending_is_another_in_every_row() -> None:
    assert find_roles(rows(shop_id=[1] * 20, film_id=list(range(20)), title=["a"])).id == "film_id"
    with pytest.raises(InvalidInput, match="looks like the id"):
        find_roles(rows(shop_id=[1, 1], title=["a"]))


WISHES: list[tuple[str, Wishes, dict[str, Any]]] = [
    ("id", Wishes(id="isbn"), {"id": "isbn"}),
    ("title", Wishes(title="authors"), {"title": "authors"}),
    ("text", Wishes(text=("authors",)), {"text": ("authors",), "categories": ()}),
    ("categories", Wishes(categories=("book_id", "authors")), {"id": "isbn", "categories": ("book_id", "authors")}),
    ("popularity", Wishes(popularity="average_rating"), {"popularity": "average_rating"}),
    ("ignore", Wishes(ignore=("ratings_count", "authors")), {"popularity": "ratings_count", "categories": ()}),
    ("ignored id", Wishes(ignore=("isbn",)), {"id": "book_id"}),
]  # fmt: skip


@pytest.mark.parametrize(("wishes", "expected"), [case[1:] for case in WISHES], ids=[case[0] for case in WISHES])
def test_wishes_go_first(wishes: Wishes, expected: dict[str, Any]) -> None:
    roles = find_roles(GOODREADS, wishes)
    if "ratings_count" in wishes.ignore:
        expected = {**expected, "popularity": None}
    assert {name: getattr(roles, name) for name in expected} == expected


def test_a_column_plays_one_part() -> None:
    for _, sample, _ in CATALOGUES:
        roles = find_roles(sample)
        parts = [roles.id, roles.title, *roles.text, *roles.categories, *roles.numbers, roles.popularity]
        assert len(parts) == len(set(parts))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), ("2.5", 2.5), (" 3 ", 3.0), ("1e3", 1000.0), (True, None), (None, None), ("x", None), ([], None),
        (b"5", None), (10**400, None)],
)  # fmt: skip
def test_number(value: Any, expected: float | None) -> None:
    assert number(value) == expected


def test_nested() -> None:
    deep: list[Any] = [{}, [{}], [[1]], b"", [b""]]
    flat: list[Any] = ["a", ["a", 1], [], None, 1.5]
    assert [nested(value) for value in deep + flat] == [True] * 5 + [False] * 5

"""A row becomes a document, whole and typed, or says why not."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.retrieve.catalogue.documents import BadRow, Document, to_document
from segue.retrieve.catalogue.roles import Roles

ROLES = Roles("id", "title", ("plot", "notes"), ("genres", "kind"), ("year",), "votes", {"genres": "|"})


def made(**values: Any) -> Document:
    return to_document({"id": "1", "title": "Alien"} | values, ROLES)


def test_every_value_finds_its_place() -> None:
    document = made(
        plot=" A ship. ", notes=["one", None, 2], genres="Horror| Science Fiction |", kind=["film"], year="1979",
        votes="900",
        studio="Fox", length=117, seen=True,
    )  # fmt: skip
    assert document == Document(
        id="1",
        title="Alien",
        text=("A ship.", "one 2"),
        categories={"genres": ("Horror", "Science Fiction"), "kind": ("film",)},
        numbers={"year": 1979.0},
        popularity=900.0,
        others={"votes": "900", "studio": "Fox", "length": 117, "seen": True},
    )


def test_what_is_empty_is_left_out() -> None:
    document = made(plot="", notes=math.nan, genres=[], kind=None, year="unknown", votes="", studio=None)
    assert (document.text, document.categories, document.numbers, document.popularity) == ((), {}, {}, 0.0)
    assert made() == Document("1", "Alien", (), {}, {}, 0.0, {})


@pytest.mark.parametrize(
    ("value", "id"),
    [(1, "1"), (1.0, "1"), (" 1 ", "1"), (1.5, "1.5"), (0, "0"), ("é/ü?", "é/ü?"), (Decimal("7"), "7"),
        (-3, "-3"), (10**30, "1" + "0" * 30)],
)  # fmt: skip
def test_ids(value: Any, id: str) -> None:
    assert made(id=value).id == id


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("id None", {"id": None}, "no id .*'id' holds None"),
    ("id empty", {"id": " "}, "no id"),
    ("id true", {"id": True}, "no id"),
    ("id NaN", {"id": math.nan}, "no id .*nan"),
    ("id infinite", {"id": -math.inf}, "no id .*-inf"),
    ("id nested", {"id": [1]}, "no id"),
    ("id bytes", {"id": b"1"}, "no id"),
    ("id long", {"id": "x" * 201}, "id of 201 characters; at most 200"),
    ("id huge", {"id": 10**5000}, "'id' that is too long"),
    ("id unprintable", {"id": "a\nb"}, "cannot be printed"),
    ("id half a character", {"id": "\ud800"}, "cannot be printed"),
    ("title None", {"title": None}, "no title .*'title' holds None"),
    ("title empty", {"title": "\0 "}, "no title"),
    ("title NaN", {"title": math.nan}, "no title .*nan"),
    ("title nested", {"title": {"en": "Alien"}}, "no title .*'en'"),
    ("title long", {"title": "x" * 2001}, "title of 2,001 characters; at most 2,000"),
    ("title half a character", {"title": "A\udfff"}, "lone surrogate.*'title'"),
    ("text nested", {"plot": {"en": "A ship"}}, "'en'.*text column 'plot'"),
    ("text long", {"plot": "x" * 1_000_001}, "1,000,001 characters in 'plot'; at most 1,000,000"),
    ("text half a character", {"notes": "\udc00"}, "lone surrogate.*'notes'"),
    ("category nested", {"kind": {"name": "film"}}, "category column 'kind'"),
    ("categories nested", {"genres": [["Horror"]]}, "category column 'genres'"),
    ("category half a character", {"genres": "a|\ud800"}, "lone surrogate.*'genres'"),
    ("popularity NaN", {"votes": math.nan}, "popularity nan in column 'votes'; a number from 0"),
    ("popularity in text", {"votes": "many"}, "popularity 'many'"),
    ("popularity negative", {"votes": -1}, "popularity -1"),
    ("popularity infinite", {"votes": "inf"}, "popularity 'inf'"),
    ("popularity beyond float32", {"votes": 1e39}, "popularity 1e\\+39"),
    ("popularity true", {"votes": True}, "popularity True"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_rows_say_why(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow, match=reason) as caught:
        made(**values)
    assert len(str(caught.value)) < 300


def test_others_hold_only_what_can_be_kept() -> None:
    document = made(a=2**63, b=math.nan, c="\ud800", d=[1], e={"x": 1}, f=2**62, g=0.5, h="ok", **{"": "index"})
    assert document.others == {"f": 2**62, "g": 0.5, "h": "ok"}


def test_fields_are_the_catalogue_s_own() -> None:
    document = made(plot="p" * 600, genres="Horror|Drama", kind="film", year=1979, studio="Fox")
    assert document.fields() == {
        "genres": ["Horror", "Drama"],
        "kind": "film",
        "year": 1979.0,
        "studio": "Fox",
        "text": "p" * 500,
    }


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.one_of(
    st.none(), text, st.integers(), st.floats(), st.booleans(), st.lists(text, max_size=3), st.binary(max_size=5)
)


@given(
    st.dictionaries(st.sampled_from(["id", "title", "plot", "notes", "genres", "kind", "year", "votes", "x"]), values)
)
def test_any_row_is_a_document_or_a_bad_row(row: dict[str, Any]) -> None:
    """No other error; and what was made comes back from disk as it was."""
    try:
        document = to_document(row, ROLES)
    except BadRow:
        return
    assert Document.from_bytes(document.to_bytes()) == document
    assert document.id
    assert document.title
    assert math.isfinite(document.popularity)

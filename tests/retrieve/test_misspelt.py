"""Values that are nearly what was typed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.query import Query
from segue.retrieve.strategies import Misspelt

NAMES = ("zarvok limdur", "quenta borpal", "wix ortag", "belmando", "tarkin", "tarkon")
GENRES = ("opera", "cartoon")
ROWS: list[dict[str, Any]] = [
    {
        "id": f"i{place}",
        "title": f"Harvest {place}",
        "creator": [NAMES[place % 6], NAMES[(place * 5 + 1) % 6]],
        "genre": GENRES[place % 2],
        "kind": ("film", "song", "book")[place % 3],
        "year": 1960 + place % 50,
        "votes": (place * 37) % 101,
    }
    for place in range(90)
]


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("mixed", tmp_path_factory.mktemp("mixed"), encoder)
    opened.index(from_mappings(ROWS), fingerprint="1")
    yield opened.snapshot
    opened.close()


def search(text: str, catalogue: Snapshot, k: int = 1000) -> Candidates:
    return Misspelt().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, k)


def ids(found: Candidates, catalogue: Snapshot) -> list[str]:
    named = catalogue.ids_of(found.numbers.tolist())
    return [named[number] for number in found.numbers.tolist()]


def items(*names: str, **cells: Any) -> set[str]:
    """The ids of rows with any of the creators and all of the cells."""
    return {
        row["id"]
        for row in ROWS
        if any(name in row["creator"] for name in names) and all(row[column] == cell for column, cell in cells.items())
    }


def distance(one: str, other: str) -> int:
    """Letters put in, left out, replaced, or neighbours swapped, by the textbook's recursion (optimal string alignment)."""
    table = [[max(row, column) for column in range(len(other) + 1)] for row in range(len(one) + 1)]
    for row, mine in enumerate(one, 1):
        for column, yours in enumerate(other, 1):
            table[row][column] = min(
                table[row - 1][column] + 1, table[row][column - 1] + 1, table[row - 1][column - 1] + (mine != yours)
            )
            if min(row, column) > 1 and mine == other[column - 2] and yours == one[row - 2]:
                table[row][column] = min(table[row][column], table[row - 2][column - 2] + 1)
    return table[-1][-1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("zarvk limdur", "zarvok limdur"),
        ("zarvok limduur", "zarvok limdur"),
        ("zravok limdur", "zarvok limdur"),
        ("zarvo klimdur", "zarvok limdur"),
        ("zarvoklimdur", "zarvok limdur"),
        ("Zarvxk Limdxr", "zarvok limdur"),
        ("bel mando", "belmando"),
        ("the best of belmndo", "belmando"),
    ],
)
def test_a_slip_or_two_are_seen_through(catalogue: Snapshot, text: str, name: str) -> None:
    found = search(text, catalogue)
    assert set(ids(found, catalogue)) == items(name)
    assert 0 < found.scores[0] < 1


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_what_is_found_is_what_is_nearest(catalogue: Snapshot, name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("xjk "))
    slips = [name[:at] + letter + name[at:], name[:at] + name[at + 1 :], name[:at] + letter + name[at + 1 :]]
    text = " ".join(data.draw(st.sampled_from([*slips, name[:at] + name[at : at + 2][::-1] + name[at + 2 :]])).split())
    assume(text not in NAMES and len(text) >= 4 and not {*name.split(), "in", "on"} & {*text.split()})
    near = [other for other in NAMES if distance(text, other) == 1]
    found = search(text, catalogue)
    assert set(ids(found, catalogue)) == (items(*near) if near else set())


def test_the_nearest_values_come_alone_and_by_popularity(catalogue: Snapshot) -> None:
    found = search("tarkion", catalogue)  # one letter too many for either name
    assert set(ids(found, catalogue)) == items("tarkin", "tarkon")
    votes = {row["id"]: row["votes"] for row in ROWS}
    shown = [votes[id] for id in ids(found, catalogue)]
    assert shown == sorted(shown, reverse=True)
    assert set(ids(search("tarkinn", catalogue), catalogue)) == items("tarkin")


def test_the_score_is_closeness_times_the_share_explained(catalogue: Snapshot) -> None:
    assert search("zarvk limdur", catalogue).scores[0] == pytest.approx(1 - 2 * 1 / 12)
    assert search("zarvxk limdxr", catalogue).scores[0] == pytest.approx(1 - 2 * 2 / 13)
    assert search("zarvk limdur films", catalogue).scores[0] == pytest.approx(1 - 2 * 1 / 12)


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("zarvk limdur films", "zarvok limdur", "film"),
        ("movies with zarvk limdur", "zarvok limdur", "film"),
        ("belmando ooks", "belmando", "book"),
        ("belmando mvoies", "belmando", "film"),
        ("belmandosongs", "belmando", "song"),
        ("belmand osongs", "belmando", "song"),
        ("belmano ssongs", "belmando", "song"),
    ],
)
def test_the_kind_may_be_named_and_misspelt_too(catalogue: Snapshot, text: str, name: str, kind: str) -> None:
    assert set(ids(search(text, catalogue), catalogue)) == items(name, kind=kind)


def test_what_else_is_asked_for_must_hold(catalogue: Snapshot) -> None:
    found = search("zarvk limdur opera", catalogue)
    assert set(ids(found, catalogue)) == items("zarvok limdur", genre="opera")
    found = search("opera by zarvk limdur from 1960", catalogue)
    assert set(ids(found, catalogue)) == items("zarvok limdur", genre="opera", year=1960)


@pytest.mark.parametrize(
    "text",
    [
        "zarvok limdur",
        "zarvok limdur films",
        "operas",
        "harvest 3",
        "1990s films",
        "wxi",  # too short to be sure of
        "something else altogether",
        "zarvok limdur " * 9,
        "films",
        "the",
        "",
        "🎬",
    ],
)
def test_it_is_silent_when_all_is_exact_or_nothing_is_near(catalogue: Snapshot, text: str) -> None:
    assert len(search(text, catalogue)) == 0


def test_without_popularity_or_kinds_it_still_finds(encoder: OnnxEncoder, tmp_path: Path) -> None:
    opened = Catalogue("plain", tmp_path / "plain", encoder)
    rows = [{"id": str(place), "title": f"Harvest {place}", "creator": NAMES[place % 3]} for place in range(30)]
    opened.index(from_mappings(rows), fingerprint="1")
    for text in ("zarvk limdur", "zarvk limdur movies"):
        found = search(text, opened.snapshot)
        assert set(ids(found, opened.snapshot)) == {row["id"] for row in rows if row["creator"] == NAMES[0]}
        assert len(set(found.scores.tolist())) == 1
    opened.close()

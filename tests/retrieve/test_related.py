"""What belongs to the item that the words name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.catalogue.terms import phrase, words
from segue.retrieve.query import Query
from segue.retrieve.strategies import Related

ARTISTS = [f"artist{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
LETTERS = "bcdfghjklm"
ROWS: list[dict[str, Any]] = [
    {
        "id": f"s{place}",
        "title": f"zu{LETTERS[place // 10]}u lo{LETTERS[place % 10]}o song",
        "artist": ARTISTS[place % 26],
        "label": ["everywhere"] + (["tiny"] if place in (3, 77) else []),
        "votes": (place * 37) % 101,
    }
    for place in range(100)
]
ROWS += [
    {"id": f"m{place}", "title": title, "artist": "gruman", "label": ["everywhere"], "votes": votes}
    for place, (title, votes) in enumerate(
        [("Minions", 90), ("Minions Rising", 50), ("Despicable", 80), ("Despicable Again", 70)]
    )
]


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("songs", tmp_path_factory.mktemp("songs"), encoder)
    opened.index(from_mappings(ROWS), fingerprint="1")
    assert {"artist", "label"} <= set(opened.snapshot.categories)
    yield opened.snapshot
    opened.close()


def search(text: str, catalogue: Snapshot, k: int = 1000) -> Candidates:
    return Related().retrieve(Query(Request("", text), text, catalogue.encoder.encode), catalogue, k)


def ids(found: Candidates, catalogue: Snapshot) -> list[str]:
    named = catalogue.ids_of(found.numbers.tolist())
    return [named[number] for number in found.numbers.tolist()]


def test_the_rest_of_a_series_is_brought_along(catalogue: Snapshot) -> None:
    found = ids(search("minions", catalogue), catalogue)
    assert found[0] == "m1"  # the artist and a word of the title
    assert set(found) == {"m1", "m2", "m3"}
    assert set(ids(search("the minions movie", catalogue), catalogue)) == {"m1", "m2", "m3"}
    assert set(ids(search("despicable minions rising", catalogue), catalogue)) == {"m0", "m2", "m3"}


def test_of_items_with_one_title_the_best_known_is_named(encoder: OnnxEncoder, tmp_path: Path) -> None:
    opened = Catalogue("songs", tmp_path / "same", encoder)
    same = [
        {"id": "little", "title": "Night Road", "artist": "one", "votes": 1},
        {"id": "much", "title": "Night Road", "artist": "other", "votes": 100},
        {"id": "his", "title": "Blue", "artist": "one", "votes": 5},
        {"id": "hers", "title": "Green", "artist": "other", "votes": 5},
    ]
    opened.index(from_mappings(same), fingerprint="1")
    found = ids(search("night road", opened.snapshot), opened.snapshot)
    assert set(found) == {"little", "hers"}
    opened.close()


@settings(max_examples=60, deadline=None)
@given(row=st.sampled_from(ROWS))
def test_relatives_are_all_that_share_something_rare_and_never_the_named_item(
    catalogue: Snapshot, row: dict[str, Any]
) -> None:
    def terms(one: dict[str, Any]) -> set[tuple[str, str]]:
        values = {("artist", phrase(one["artist"])), *(("label", label) for label in one["label"])}
        return values | {("title", word) for word in words(one["title"])}

    common = max(10, 0.02 * len(ROWS))
    count = {term: sum(term in terms(other) for other in ROWS) for term in terms(row)}
    rare = {term for term, times in count.items() if times <= common}
    expected = {other["id"] for other in ROWS if rare & terms(other)} - {row["id"]}
    found = search(row["title"], catalogue)
    assert set(ids(found, catalogue)) == expected
    for k in (1, 3):
        assert search(row["title"], catalogue, k).numbers.tolist() == found.numbers[:k].tolist()


@pytest.mark.parametrize("text", ["", "the", "🎬", "xyzzy", "song", "xyzzy wvut qrst minions"])
def test_without_a_named_item_there_are_no_relatives(catalogue: Snapshot, text: str) -> None:
    found = search(text, catalogue)
    assert set(ids(found, catalogue)) <= {row["id"] for row in ROWS}
    if text != "song":
        assert len(found) == 0


def test_a_title_must_hold_enough_of_the_words(catalogue: Snapshot) -> None:
    assert len(search("minions one", catalogue)) > 0
    assert len(search("minions one two three", catalogue)) == 0
    assert np.isfinite(search("minions", catalogue).scores).all()

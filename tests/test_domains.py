"""What a request means in each domain, and the fitted choice between them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segue import artifact
from segue.domains import Domains, Understood
from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput, NotFound
from segue.events import Event
from segue.records import Request
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.store import ACTIONS, Store

FILMS: list[dict[str, Any]] = [
    {
        "id": f"f{place}",
        "title": f"{name} {thing}",
        "genres": ["comedy" if place % 2 else "horror"],
        "year": 1950 + place,
    }
    for place, (name, thing) in enumerate(
        (name, thing)
        for name in ("Golden", "Silent", "Burning", "Lost")
        for thing in ("Road", "River", "Storm", "Night")
    )
]
BOOKS: list[dict[str, Any]] = [
    {"id": f"b{place}", "title": f"The {name} of {thing}", "author": f"{name} Smith"}
    for place, (name, thing) in enumerate(
        (name, thing)
        for name in ("History", "Art", "Book", "Theory")
        for thing in ("Cooking", "Gardens", "Bees", "War")
    )
]


@pytest.fixture
def domains(tmp_path: Path, encoder: OnnxEncoder) -> Iterator[Domains]:
    opened = Domains(Store.open(tmp_path / "store"), encoder)
    opened.get_or_create("films").index(from_mappings(FILMS), fingerprint="1")
    opened.get_or_create("books").index(from_mappings(BOOKS), fingerprint="1")
    yield opened
    opened.close()


def understand(
    domains: Domains, text: str, memory: Memory | None = None, domain: str | None = None
) -> list[Understood]:
    return domains.understand(Request("", text, domain=domain), memory or Memory(ACTIONS))


def likeliest(understood: Sequence[Understood]) -> str:
    return understood[0].hypothesis.domain


def test_names_and_folders(domains: Domains) -> None:
    assert domains.names() == ["books", "films"]
    assert domains.get("films") is domains.get_or_create("films")
    with pytest.raises(NotFound, match=r"no domain 'songs'.*books, films"):
        domains.get("songs")
    with pytest.raises(InvalidInput, match="cannot be the name"):
        domains.get_or_create("../songs")
    domains.get_or_create("songs")
    assert domains.names() == ["books", "films"]  # an empty one is not asked


def test_confidences_are_a_distribution_and_the_likeliest_comes_first(domains: Domains) -> None:
    for fitted in (False, True):
        if fitted:
            domains.fit_choice()
        for text in ("golden road", "the art of bees", "something else", "🎬", "a book", "horror from 1952", "x" * 300):
            found = understand(domains, text)
            shares = [one.hypothesis.confidence for one in found]
            assert sum(shares) == pytest.approx(1)
            assert shares == sorted(shares, reverse=True)
            assert {one.catalogue.domain for one in found} == {"films", "books"}
            again = understand(domains, text)
            assert [one.hypothesis for one in again] == [one.hypothesis for one in found]


def test_the_domain_that_knows_the_title_is_likeliest(domains: Domains) -> None:
    measured = domains.fit_choice()
    assert measured["accuracy"] > 0.8
    right = [likeliest(understand(domains, row["title"].lower())) == "films" for row in FILMS]
    right += [likeliest(understand(domains, row["title"])) == "books" for row in BOOKS]
    assert np.mean(right) > 0.9


def test_slots(domains: Domains) -> None:
    film = next(one for one in understand(domains, "horror from 1952") if one.hypothesis.domain == "films")
    assert film.hypothesis.slots == {"genres": "horror", "year": "1952"}
    title = next(one for one in understand(domains, "play Golden Road") if one.hypothesis.domain == "films")
    assert title.hypothesis.slots == {"title": "Golden Road"}
    assert title.hypothesis.intent == "play"
    assert title.query.text == "Golden Road"
    words = next(one for one in understand(domains, "golden bees") if one.hypothesis.domain == "films")
    assert words.hypothesis.slots == {"words": "golden bees"}


def test_what_people_took_counts(domains: Domains) -> None:
    domains.fit_choice()
    memory = Memory(ACTIONS)
    assert likeliest(understand(domains, "golden road", memory)) == "films"
    for place in range(5):
        body = {"answer": "a", "domain": "books", "item": "b1", "action": "buy", "query": "golden road"}
        memory.learn(Event(str(place), "feedback", 0.0, body))
    assert likeliest(understand(domains, "golden road", memory)) == "books"
    assert likeliest(understand(domains, "road golden", memory)) == "books"
    assert likeliest(understand(domains, "golden river", memory)) == "films"


def test_one_domain_is_certain(domains: Domains) -> None:
    (found,) = understand(domains, "golden road", domain="books")
    assert found.hypothesis.confidence == 1
    with pytest.raises(NotFound):
        understand(domains, "golden road", domain="songs")


def test_nothing_to_choose_between(tmp_path: Path, encoder: OnnxEncoder) -> None:
    domains = Domains(Store.open(tmp_path / "one"), encoder)
    assert domains.fit_choice() == {}
    with pytest.raises(NotFound, match="Nothing has been indexed"):
        understand(domains, "golden road")
    domains.get_or_create("films").index(from_mappings(FILMS[:1]), fingerprint="1")
    assert domains.fit_choice() == {}
    assert understand(domains, "anything")[0].hypothesis.confidence == 1
    domains.get_or_create("books").index(from_mappings(BOOKS[:1]), fingerprint="1")
    assert domains.fit_choice()["examples"] == 2
    domains.close()


def test_the_choice_is_an_artifact_with_its_parent(domains: Domains, tmp_path: Path, encoder: OnnxEncoder) -> None:
    first = domains.fit_choice()
    folder = Store.open(tmp_path / "store").live("choice")
    assert folder is not None
    part = artifact.open(folder, kind="choice")
    assert part.meta["measured"] == pytest.approx(first)
    assert part.meta["domains"] == ["books", "films"]
    assert domains.fit_choice()["accuracy"] == first["accuracy"]  # the same seed
    domains.get("films").delete([row["id"] for row in FILMS[:8]])
    domains.fit_choice()
    second = Store.open(tmp_path / "store").live("choice")
    assert second is not None
    assert second != folder
    assert artifact.open(second, kind="choice").parent == part.hash
    again = Domains(Store.open(tmp_path / "store"), encoder)
    for text in ("silent storm", "the art of war"):
        expected = [one.hypothesis for one in understand(domains, text)]
        assert [one.hypothesis for one in understand(again, text)] == expected
    again.close()


def test_a_choice_of_another_size_is_left_alone(domains: Domains, tmp_path: Path, encoder: OnnxEncoder) -> None:
    """It can be fitted anew, so a store with one that does not fit still opens and answers."""
    store = Store.open(tmp_path / "store")
    artifact.write(store.artifacts / "odd", kind="choice", name="odd", tensors={"weights": np.zeros(3)}, meta={})
    store.go_live("choice", store.artifacts / "odd")
    again = Domains(store, encoder)
    assert sum(one.hypothesis.confidence for one in understand(again, "golden road")) == pytest.approx(1)
    assert again.fit_choice()["accuracy"] > 0.8
    again.close()


def test_refresh_takes_up_what_others_indexed(domains: Domains, tmp_path: Path, encoder: OnnxEncoder) -> None:
    other = Domains(Store.open(tmp_path / "store"), encoder)
    domains.get("films").delete(["f0"])
    domains.get_or_create("songs").index(from_mappings([{"id": "s1", "title": "Song"}]), fingerprint="1")
    assert other.names() == ["books", "films"]
    other.refresh()
    assert other.names() == ["books", "films", "songs"]
    assert len(other.get("films").snapshot) == len(FILMS) - 1
    other.close()


def test_fields_of_an_item_as_they_are_now(domains: Domains) -> None:
    assert domains.fields("films", "f0") == {"genres": "horror", "year": 1950}
    assert domains.fields("films", "nobody") == {}
    assert domains.fields("nowhere", "f0") == {}
    domains.get("films").delete(["f0"])
    assert domains.fields("films", "f0") == {}

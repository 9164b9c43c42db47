"""What catalogues say of requests and of slots, each by itself and all together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from segue.encode.quantised import OnnxEncoder
from segue.resolution import NAMES, SLOTS, asked, looked_up, resolution, searched, settled
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.evidence import evidence
from segue.understand.hypotheses import Interpretation, Slot
from segue.understand.interpreter import Guess
from segue.understand.language import listen

ITEMS: dict[str, list[dict[str, Any]]] = {
    "films": [
        {"id": "1", "title": "Hands Up!", "genre": "comedy", "votes": 90},
        {"id": "2", "title": "Mary Poppins", "genre": "musical", "votes": 900},
        {"id": "3", "title": "Play Misty for Me", "genre": "thriller", "votes": 70},
    ],
    "songs": [
        {"id": "1", "title": "Feed the Birds", "artist": "Julie Andrews", "plays": 10},
        {"id": "2", "title": "Mary Poppins", "artist": "Various", "plays": 3},
    ],
}


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory, encoder: OnnxEncoder) -> Iterator[dict[str, Snapshot]]:
    opened = {name: Catalogue(name, tmp_path_factory.mktemp(name), encoder) for name in ITEMS}
    for name, catalogue in opened.items():
        catalogue.index(from_mappings(ITEMS[name]), fingerprint="1")
    yield {name: catalogue.snapshot for name, catalogue in opened.items()}
    for catalogue in opened.values():
        catalogue.close()


def _about(catalogue: Snapshot, slots: Sequence[tuple[str, str]], said: str = "") -> dict[str, float]:
    return dict(zip(SLOTS, looked_up(catalogue, slots, said), strict=True))


def test_slots(catalogues: dict[str, Snapshot]) -> None:
    found = _about(
        catalogues["films"], [("title", "mary poppins"), ("genre", "Musical"), ("year", "1964")], "mary poppins"
    )
    assert found["share of slots in the catalogue"] == pytest.approx(2 / 3)
    assert found["a slot is a title"] == found["a slot is a value"] == found["a title is all that is asked"] == 1
    assert found["popularity of that title"] == 1  # the best known
    assert found["a title that is none"] == 0
    none = _about(catalogues["films"], [("title", "poppins")], "mary poppins")
    assert none == dict.fromkeys(SLOTS, 0.0) | {"a title that is none": 1.0}
    assert not any(looked_up(catalogues["films"], []))


def test_the_request_without_its_verb_is_looked_at_too(catalogues: dict[str, Snapshot]) -> None:
    found = resolution(catalogues)
    readings = [[("title", "mary")], [("title", "mary poppins")]]
    rows = np.array(found.resolve("films", "please play Mary Poppins", readings))
    known = evidence(asked("please play Mary Poppins", catalogues["films"]), catalogues["films"])
    np.testing.assert_array_equal(rows[:, : len(known)], [known, known])
    assert known[3] == 1  # whole title
    assert rows[:, NAMES.index("a title is all that is asked")].tolist() == [0, 1]
    assert rows.shape == (2, len(NAMES))


def test_a_verb_that_belongs_to_a_title_is_searched_for(catalogues: dict[str, Snapshot]) -> None:
    text = "Play Misty for Me"
    assert searched(listen(text), text, catalogues["films"]) == text
    assert searched(listen(text), text, catalogues["songs"]) == "Misty"


def _guess(domain: str, text: str, words: str, confidence: float, slot: str = "title") -> Guess:
    start = text.index(words)
    return Guess(domain, Interpretation("find", (Slot(slot, start, start + len(words)),)), confidence)


def _settled(catalogues: dict[str, Snapshot], text: str, *guesses: Guess) -> dict[str, list[float]]:
    by_domain: dict[str, list[Guess]] = {}
    for one in guesses:
        by_domain.setdefault(one.domain, []).append(one)
    queries = [asked(text, one) for one in catalogues.values()]
    found = settled(by_domain, queries, list(catalogues.values()))
    return {name: [one.confidence for one in few] for name, few in found.items()}


def test_a_title_that_one_catalogue_alone_holds(catalogues: dict[str, Snapshot]) -> None:
    text = "hands up"
    home = Guess("home", Interpretation("lift"), 0.25)
    found = _settled(
        catalogues,
        text,
        _guess("films", text, "hands", 0.1),
        _guess("films", text, "hands up", 0.05),
        _guess("songs", text, "hands up", 0.3),
        home,
    )
    assert found == {"films": [pytest.approx(0.35), 0.1], "songs": [0.0], "home": [0.25]}


def test_a_guess_that_names_what_its_catalogue_has_stays(catalogues: dict[str, Snapshot]) -> None:
    text = "hands up"
    artist = _guess("songs", "julie andrews", "julie andrews", 0.3, slot="artist")
    found = _settled(catalogues, text, _guess("films", text, text, 0.1), _guess("songs", text, text, 0.2))
    assert found == {"films": [pytest.approx(0.3)], "songs": [0.0]}
    assert _settled(catalogues, "julie andrews", artist, _guess("films", "julie andrews", "julie", 0.1)) == {
        "songs": [0.3],
        "films": [0.1],
    }


def test_what_all_or_none_hold_is_left_to_the_rerankers(catalogues: dict[str, Snapshot]) -> None:
    for text in ("mary poppins", "supercalifragilistic"):
        guesses = _guess("films", text, text, 0.4), _guess("songs", text, text, 0.5)
        assert _settled(catalogues, text, *guesses) == {"films": [0.4], "songs": [0.5]}

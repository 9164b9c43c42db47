"""What a catalogue says about a request, against counts over the rows."""

from collections.abc import Iterator

import numpy as np
import pytest

from segue.encode.quantised import OnnxEncoder
from segue.records import Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.evidence import FEATURES, evidence
from segue.retrieve.query import Query

ROWS = [
    {"id": "1", "title": "Mary Poppins", "genres": ["comedy", "musical"], "year": 1964, "votes": 100},
    {"id": "2", "title": "Mary and Max", "genres": ["comedy"], "year": 2009, "votes": 0},
    {"id": "3", "title": "Poppins", "genres": ["horror"], "year": 1990, "votes": 10},
]


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("evidence"), encoder)
    opened.index(from_mappings(ROWS), fingerprint="1")
    yield opened.snapshot
    opened.close()


def facts(text: str, catalogue: Snapshot) -> dict[str, float]:
    query = Query(Request("", text), text, catalogue.encoder.encode)
    found = evidence(query, catalogue)
    assert found.shape == (len(FEATURES),)
    assert np.isfinite(found).all()
    return dict(zip(FEATURES, found.tolist(), strict=True))


def test_a_whole_title(catalogue: Snapshot) -> None:
    found = facts("mary poppins", catalogue)
    assert found["known"] == 1
    assert found["whole title"] == found["one title"] == 1
    assert found["its popularity"] == pytest.approx(1)
    assert found["in titles"] == pytest.approx(np.log(2.5 / 4) / 10)
    assert found["values"] == 0
    assert facts("mary and max", catalogue)["its popularity"] == 0


def test_words_of_two_titles_are_not_one_title(catalogue: Snapshot) -> None:
    assert facts("poppins max", catalogue)["one title"] == 0
    assert facts("max mary", catalogue)["one title"] == 1
    assert facts("max mary", catalogue)["whole title"] == 0


def test_words_outside_the_titles(catalogue: Snapshot) -> None:
    found = facts("comedy", catalogue)
    assert found["known"] == 1
    assert found["in titles"] == pytest.approx(np.log(0.5 / 4) / 10)
    assert found["anywhere"] == pytest.approx(np.log(2.5 / 4) / 10)
    assert found["values"] == pytest.approx(2.5 / 3)
    assert facts("comedy xyzzy", catalogue)["known"] == 0.5


def test_no_words_no_evidence(catalogue: Snapshot) -> None:
    for text in ("🎬", "?", ""):
        assert not any(facts(text, catalogue).values())


def test_an_empty_catalogue_knows_nothing(
    encoder: OnnxEncoder, catalogue: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    opened = Catalogue("films", tmp_path_factory.mktemp("empty"), encoder)
    found = facts("mary poppins", opened.snapshot)
    assert found["known"] == found["whole title"] == found["one title"] == found["values"] == 0
    opened.close()

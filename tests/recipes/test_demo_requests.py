"""The demo's labelled requests: their labels fit their texts, nothing is missing, and readers learn well from them."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from segue.recipes import demo_data
from segue.recipes.demo import REQUESTS, demo_readers
from segue.recipes.demo_requests import COUNTS, DOMAINS, Material, as_json_lines, materials, requests, split
from segue.recipes.evaluate_reader import evaluate_reader
from segue.recipes.request_templates import parsed, phrasebook
from segue.recipes.train_reader import train_reader
from segue.recipes.typed import key
from segue.understand.hypotheses import NOBODY, Utterance
from segue.understand.labelled import load
from segue.understand.readers import Readers

ASKED = Path(__file__).parents[1] / "data" / "asked.jsonl"
"""Requests written by hand, freely: none was made from a template, and no template from one of them."""

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def catalogues() -> dict[str, Rows]:
    return {
        "books": list(demo_data.books()),
        "films": [row for row in demo_data.films() if row["votes"] > 20],
        "songs": list(demo_data.songs()),
    }


@pytest.fixture(scope="module")
def made_from(catalogues: dict[str, Rows]) -> list[Material]:
    return materials(catalogues)


@pytest.fixture(scope="module")
def made(made_from: list[Material]) -> list[Utterance]:
    return requests(made_from)


def _of(made: Sequence[Utterance], domain: str) -> list[Utterance]:
    return [one for one in made if one.domain == domain]


def test_labels_fit_their_texts_and_the_file_is_what_readers_take(made: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "made.jsonl").write_text(as_json_lines(made))
    assert load(tmp_path / "made.jsonl").utterances == made
    for one in made:
        assert one.text == " ".join(one.text.split())
        assert not re.search(r"[{}|~]", one.text), one.text
        for slot in one.meaning.slots:
            value = one.text[slot.start : slot.end]
            assert value == value.strip() != "", one
            assert slot.start == 0 or not one.text[slot.start - 1].isalnum(), one
            assert slot.end == len(one.text) or not one.text[slot.end].isalnum(), one


def test_the_same_seed_makes_the_same(made_from: list[Material], made: list[Utterance]) -> None:
    assert requests(made_from) == made
    assert requests(made_from, seed=1) != made


def test_there_are_as_many_as_were_asked_for_and_none_twice(made: list[Utterance]) -> None:
    assert Counter(one.domain for one in made) == COUNTS
    assert len({(one.domain, one.text) for one in made}) == len(made)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_intent_and_slot_is_there(domain: str, made: list[Utterance]) -> None:
    book = phrasebook(domain)
    mine = _of(made, domain)
    meant = Counter(one.meaning.intent for one in mine)
    assert set(meant) == set(book.shares)
    assert min(meant.values()) >= 20
    slots = Counter(slot.name for one in mine for slot in one.meaning.slots)
    assert set(slots) == {name for one in book.templates for name, _ in one.blanks if name}
    assert min(slots.values()) >= 10


@pytest.mark.parametrize("domain", [*DOMAINS, NOBODY])
def test_every_value_comes_from_somewhere(domain: str, made_from: list[Material]) -> None:
    (material,) = (one for one in made_from if one.domain == domain)
    columns = {name for slots in material.items.slots for name in slots}
    sources = {source for one in material.book.templates for _, source in one.blanks}
    assert sources - columns - set(material.book.values) == set()
    assert set(material.book.values) <= sources
    assert all(value for listed in material.book.values.values() for value in listed)


def test_titles_that_are_shared_are_asked_for_alike(made: list[Utterance]) -> None:
    by_text: defaultdict[str, set[str]] = defaultdict(set)
    for one in made:
        by_text[one.text.lower()].add(one.domain)
    assert by_text["mary poppins"] >= {"books", "films"}
    assert sum(found >= {"books", "films"} for found in by_text.values()) >= 100
    assert sum(found >= {"songs", "films"} for found in by_text.values()) >= 5


def test_what_is_popular_is_asked_for_more_often(made: list[Utterance]) -> None:
    titles = Counter(
        key(one.text[slot.start : slot.end])
        for one in _of(made, "films")
        for slot in one.meaning.slots
        if slot.name == "title"
    )
    assert titles["matrix"] + titles["titanic"] + titles["star wars"] >= 5


def test_people_type_in_many_ways(made: list[Utterance]) -> None:
    assert 0.7 < sum(one.text == one.text.lower() for one in made) / len(made) < 0.9
    texts = {one.text.lower() for one in made}
    for begins in ("please ", "can you ", "who ", "is ", "the "):
        assert any(text.startswith(begins) for text in texts), begins
    bare = [one for one in made if [(0, len(one.text))] == [(slot.start, slot.end) for slot in one.meaning.slots]]
    assert 0.1 < len(bare) / len(made) < 0.4


def test_no_title_and_no_template_is_in_both_parts(made_from: list[Material]) -> None:
    for train, held_out in zip(*split(made_from), strict=True):
        titles = [{key(slots["title"][0]) for slots in part.items.slots} for part in (train, held_out)]
        templates = [{one.text for one in part.book.templates if not one.wordless} for part in (train, held_out)]
        for one, other in (titles, templates):
            assert not one & other
        assert len(templates[1]) > 5
        assert set(train.book.shares) == set(phrasebook(train.domain).shares)


def test_a_domain_without_rows_has_its_lists() -> None:
    made = requests(materials({}), {"home": 50, "songs": 50, "films": 50})
    assert len(_of(made, "home")) == 50
    assert _of(made, "songs")
    assert all(slot.name != "title" for one in _of(made, "films") for slot in one.meaning.slots)


def test_a_phrasebook_is_read() -> None:
    book = parsed("pets", "# about\n[feed 3]\n~ 2 feed the {pet}\n\n[ask 1]\nis {pet} in\n{pet}\ncat | dog\nbird\n")
    assert [(one.intent, one.text, one.weight, one.command) for one in book.templates] == [
        ("feed", "feed the {pet}", 2, True),
        ("ask", "is {pet} in", 1, False),
    ]
    assert (book.shares, book.values) == ({"feed": 3, "ask": 1}, {"pet": ["cat", "dog", "bird"]})


def test_what_people_ask_is_read_well(made: list[Utterance], tmp_path: Path) -> None:
    """From half of the requests, so that the test is quick; all of them make it 95, 91 and 91 in a hundred."""
    (tmp_path / "made.jsonl").write_text(as_json_lines(made[::2]))
    train_reader(tmp_path / "made.jsonl", tmp_path / "readers", processes=1)
    found = evaluate_reader(tmp_path / "readers", ASKED)
    assert found["nobody"] >= 8
    assert not any(found["unknown"].values())
    assert found["measures"]["domain accuracy"] >= 0.85
    assert found["measures"]["intent F1"] >= 0.75
    assert found["measures"]["entity F1"] >= 0.75
    said = load(ASKED).utterances
    chances = [float("-inf")] * len(said)
    for hypotheses in Readers.open(tmp_path / "readers").read([one.text for one in said]):
        for place, chance in zip(hypotheses.request.tolist(), hypotheses.logs[:, 0].tolist(), strict=True):
            chances[place] = max(chances[place], chance)
    quiet = [chance for one, chance in zip(said, chances, strict=True) if one.domain == NOBODY]
    loud = [chance for one, chance in zip(said, chances, strict=True) if one.domain != NOBODY]
    assert sum(one > other for one in loud for other in quiet) / (len(loud) * len(quiet)) >= 0.95


def test_readers_are_made_once(catalogues: dict[str, Rows], tmp_path: Path) -> None:
    counts = {"films": 80, "songs": 80, "books": 80, "home": 80, NOBODY: 20}
    rows = {domain: listed[:300] for domain, listed in catalogues.items()}
    told: list[str] = []
    first = demo_readers(rows, tmp_path, counts=counts, processes=1, progress=lambda step, done: told.append(step))
    assert first is not None
    assert set(first["domains"]) == set(DOMAINS)
    assert "training" in told
    assert Readers.open(tmp_path).domains == DOMAINS
    assert demo_readers(rows, tmp_path, counts=counts, processes=1) is None
    (tmp_path / REQUESTS).unlink()  # as if it had been stopped
    again = demo_readers(rows, tmp_path, counts=counts, processes=1)
    assert again is not None
    assert [one["hash"] for one in again["domains"].values()] == [one["hash"] for one in first["domains"].values()]
    (tmp_path / "films" / "manifest.json").unlink()
    assert demo_readers(rows, tmp_path, counts=counts, processes=1) is not None
    assert demo_readers(rows, tmp_path, counts=counts, processes=1, seed=1) is not None

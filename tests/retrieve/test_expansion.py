"""Learned sparse vectors: the head against ridge regression, its life beside the text index, and what is new."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.encoder import Vectors
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve import expansion
from segue.retrieve.catalogue import Catalogue, learned
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.expansion import FEWEST, LENGTH, PADDING, Head, fit, terms
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.strategies import FullText, New, Sparse
from segue.store import ACTIONS

TOPICS = {
    "spy": ["agent", "london", "gadget", "martini", "villain", "casino", "secret", "mission"],
    "ghost": ["haunt", "house", "night", "scream", "cellar", "curse", "shadow", "grave"],
    "space": ["rocket", "planet", "star", "alien", "moon", "orbit", "captain", "laser"],
    "love": ["kiss", "wedding", "letter", "paris", "heart", "dance", "summer", "bride"],
    "west": ["horse", "sheriff", "saloon", "desert", "outlaw", "gold", "train", "ranch"],
    "sea": ["ship", "island", "storm", "pirate", "whale", "sailor", "harbour", "wreck"],
    "war": ["soldier", "tank", "general", "battle", "trench", "medal", "retreat", "bunker"],
    "law": ["judge", "trial", "jury", "lawyer", "verdict", "witness", "prison", "appeal"],
    "ring": ["boxer", "coach", "fight", "title", "glove", "round", "knockout", "champion"],
    "farm": ["cow", "barn", "harvest", "tractor", "village", "milk", "meadow", "goat"],
    "art": ["painter", "canvas", "museum", "portrait", "forgery", "gallery", "statue", "auction"],
    "cook": ["chef", "kitchen", "recipe", "restaurant", "soup", "knife", "bakery", "spice"],
}
NAMES = list(TOPICS)


class Topical:
    """An encoder that knows what a text is about: the mean of its topics' directions and a little of its own."""

    dimensions = 24
    fingerprint = "topical"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self.dimensions))
        return rows.astype(np.float32)

    def _vector(self, text: str) -> Vectors:
        vector = 0.1 * np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimensions)
        for word in text.lower().replace(".", " ").split():
            for place, (name, members) in enumerate(TOPICS.items()):
                vector[place] += word == name or word in members
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def film(place: int, *, prefix: str = "f") -> dict[str, Any]:
    """A film of one topic, with three of the topic's eight words."""
    topic = NAMES[place % len(NAMES)]
    random = np.random.default_rng(place)
    return {
        "id": f"{prefix}{place}",
        "title": f"{topic} {place}",
        "overview": " ".join(random.choice(TOPICS[topic], 3, replace=False)),
        "votes": 1 + place % 50,
    }


def films(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    return [film(place) for place in range(start, start + count)]


def examples(count: int = 300, dimensions: int = 8, seed: int = 0) -> tuple[expansion.Floats, list[dict[str, int]]]:
    """Vectors, and bags whose words depend on them, but not only."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions)).astype(np.float32) + 0.3
    vectors *= np.linspace(2, 0.5, dimensions, dtype=np.float32)
    chances = 0.01 + 0.02 * np.maximum(vectors @ random.standard_normal((dimensions, 60)), 0)
    shown = random.random((count, 60)) < np.minimum(chances, 0.3)
    bags = [{f"w{word}": int(random.integers(1, 4)) for word in np.flatnonzero(row)} for row in shown]
    return vectors, bags


def targets(bags: Sequence[dict[str, int]], words: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[bag.get(word, 0) / (bag.get(word, 0) + 1) for word in words] for bag in bags])


def ridge_by_hand(
    vectors: expansion.Floats, wanted: np.ndarray[Any, np.dtype[np.float64]], ridge: float
) -> Callable[[expansion.Floats], np.ndarray[Any, np.dtype[np.float64]]]:
    """Predictions of ridge regression with an intercept that is not penalised, from the normal equations."""
    columns = np.hstack([vectors.astype(np.float64), np.ones((len(vectors), 1))])
    penalty = ridge * np.eye(columns.shape[1])
    penalty[-1, -1] = 0
    solution = np.linalg.solve(columns.T @ columns + penalty, columns.T @ wanted)
    return lambda other: np.hstack([other, np.ones((len(other), 1))]) @ solution


def scores(head: Head, vectors: expansion.Floats) -> expansion.Floats:
    return head.components(vectors) @ head.weights


# -- the head -------------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), ridge=st.sampled_from([0.5, 10.0, 200.0]))
def test_scores_are_ridge_predictions_in_standard_deviations(seed: int, ridge: float) -> None:
    vectors, bags = examples(seed=seed)
    head = fit(vectors, bags, ridge=ridge)
    assert head is not None
    wanted = targets(bags, head.words)
    predicted = ridge_by_hand(vectors, wanted, ridge)(vectors)
    expected = (predicted - wanted.mean(axis=0)) / predicted.std(axis=0)
    np.testing.assert_allclose(scores(head, vectors), expected, atol=2e-3)
    np.testing.assert_allclose(head.offset / head.unit, wanted.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(1 / head.unit, predicted.std(axis=0), rtol=1e-3)


def test_an_own_word_counts_as_if_its_document_had_not_been_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels are those of regressions that were each made without the document."""
    monkeypatch.setattr(expansion, "_STEP", 0.05)
    monkeypatch.setattr(expansion, "_LEVELS", 1_000)
    vectors, bags = examples(count=220)
    head = fit(vectors, bags, ridge=5.0)
    assert head is not None
    wanted = targets(bags, head.words)
    made = head.represent(vectors, bags, np.ones(len(bags), dtype=bool))
    naive = head.represent(vectors, bags, np.zeros(len(bags), dtype=bool))
    compared, corrected = 0, 0
    for place in range(0, 220, 7):
        others = np.arange(220) != place
        alone = ridge_by_hand(vectors[others], wanted[others], 5.0)(vectors[place : place + 1])[0]
        expected = (alone - wanted.mean(axis=0)) * head.unit
        for word, score in zip(head.words, expected, strict=True):
            if word in bags[place]:
                assert made[place][word] - 1 == pytest.approx(max(0, score / 0.05), abs=0.6)
                compared += 1
                corrected += made[place][word] < naive[place][word]
    assert compared > 50
    assert corrected > compared / 4


def test_words_are_added_for_what_they_share_with_neighbours() -> None:
    encoder, rows = Topical(), films(360)
    bags = [dict(Counter([*row["title"].split(), *row["overview"].split()])) for row in rows]
    vectors = encoder.encode([f"{row['title']} {row['overview']}" for row in rows])
    head = fit(vectors, bags)
    assert head is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "_SURE", 2.0)
        made = head.represent(vectors, bags, np.ones(len(bags), dtype=bool))
    added = 0
    for row, bag, representation in zip(rows, bags, made, strict=True):
        new = representation.keys() - bag.keys()
        topic = row["title"].split()[0]
        assert new <= {topic, *TOPICS[topic]}
        assert all(representation[word] == 1 for word in new)
        assert bag.keys() <= representation.keys()
        added += len(new)
    assert added > 2 * len(rows)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), sure=st.sampled_from([0.0, 0.5, 1.5]), most=st.integers(1, 5))
def test_added_words_are_the_likeliest(seed: int, sure: float, most: int) -> None:
    vectors, bags = examples(seed=seed)
    head = fit(vectors, bags)
    assert head is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "_SURE", sure)
        patch.setattr(expansion, "_ADDED", most)
        patch.setattr(expansion, "_BLOCK", 64)
        made = head.represent(vectors, bags, np.ones(len(bags), dtype=bool))
    for row, bag, representation in zip(scores(head, vectors).tolist(), bags, made, strict=True):
        lacking = sorted(((-s, word) for s, word in zip(row, head.words, strict=True) if word not in bag and s > sure))
        sums = [-s for s, _ in lacking[:most]]
        found = [row[head.words.index(word)] for word in representation.keys() - bag.keys()]
        np.testing.assert_allclose(sorted(found, reverse=True), sums, atol=1e-4)
        assert all(1 <= representation[word] <= 5 for word in bag)


def test_what_is_too_little_to_learn_from() -> None:
    vectors, bags = examples(count=FEWEST)
    assert fit(vectors, bags) is not None
    assert fit(vectors[:-1], bags[:-1]) is None
    assert fit(vectors, [{f"only{place}": 1} for place in range(FEWEST)]) is None
    assert fit(vectors, [{"the": 1}] * FEWEST) is None


def test_words_of_too_few_or_too_many_documents_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = examples(count=300)
    bags = [{"the": 1, f"group{place % 20}": 1, **({"pair": 1} if place < 2 else {})} for place in range(300)]
    head = fit(vectors, bags)
    assert head is not None
    assert set(head.words) == {f"group{place}" for place in range(20)}
    monkeypatch.setattr(expansion, "_VOCABULARY", 7)
    fewer = fit(vectors, bags)
    assert fewer is not None
    assert len(fewer.words) == 7


def test_vectors_that_are_all_equal_teach_nothing_but_break_nothing() -> None:
    bags = [{f"group{place % 20}": 1} for place in range(300)]
    head = fit(np.ones((300, 6), dtype=np.float32), bags)
    assert head is not None
    made = head.represent(np.ones((3, 6), dtype=np.float32), bags[:3], np.ones(3, dtype=bool))
    assert made == [{f"group{place}": 1} for place in range(3)]


def test_a_head_outlives_its_bytes_and_a_damaged_one_is_noticed() -> None:
    vectors, bags = examples()
    head = fit(vectors, [{**bag, "žena": 1} if place % 11 == 0 else bag for place, bag in enumerate(bags)])
    assert head is not None
    raw = head.to_bytes()
    read = Head.from_bytes(raw)
    assert read.words == head.words
    assert "žena" in read.words
    assert read.examples == 300
    assert np.array_equal(scores(read, vectors), scores(head, vectors))
    for place in (0, 20, len(raw) // 2, len(raw) - 1):
        with pytest.raises(ValueError, match="damaged"):
            Head.from_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    for cut in (0, 5, len(raw) - 1):
        with pytest.raises(ValueError, match="damaged"):
            Head.from_bytes(raw[:cut])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.integers(1, 5), max_size=120))
def test_every_representation_has_the_same_length(representation: dict[str, int]) -> None:
    made = terms(representation).split()
    assert len(made) == LENGTH
    counts = Counter(made)
    counts.pop(PADDING, None)
    assert all(count <= representation[word] for word, count in counts.items())
    if sum(representation.values()) <= LENGTH:
        assert counts == representation
    else:
        assert counts.total() == LENGTH
        lowest = min(representation[word] for word in counts)
        assert all(level <= lowest for word, level in representation.items() if word not in counts)


def test_a_bag_has_every_word_of_a_document_and_its_title_twice() -> None:
    document = Document("1", "Love Story", ("a story of rain",), {"g": ("drama",)}, {"year": 1970.0, "x": 0.5}, 0, {})
    bag = learned.bag(document)
    assert bag == {"love": 2, "stori": 3, "a": 1, "of": 1, "rain": 1, "drama": 1, "1970": 1}
    assert list(bag)[:2] == ["love", "stori"]


# -- beside the text index ------------------------------------------------------------------------------------------


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue("films", tmp_path / "films", Topical())
    yield opened
    opened.close()


def ask(catalogue: Catalogue, text: str, k: int = 1000) -> Candidates:
    return Sparse().retrieve(Query(Request("", text), text, Topical().encode), catalogue.snapshot, k)


def answers(catalogue: Catalogue) -> list[tuple[list[int], list[float]]]:
    found = [ask(catalogue, members[0]) for members in TOPICS.values()]
    return [(one.numbers.tolist(), one.scores.tolist()) for one in found]


def head_file(folder: Path) -> Path:
    return folder / "films" / "text" / "segue-head"


@pytest.fixture
def bolder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve topics are few: no word stands out of them by four standard deviations."""
    monkeypatch.setattr(expansion, "_SURE", 2.0)


@pytest.mark.usefixtures("bolder")
def test_documents_are_found_by_words_that_they_lack(catalogue: Catalogue) -> None:
    catalogue.index(from_mappings(films(360)), fingerprint="1")
    for text in ("martini", "haunt", "pirate"):
        query = Query(Request("", text), text, Topical().encode)
        plain = FullText().retrieve(query, catalogue.snapshot, 1000)
        found = ask(catalogue, text)
        assert set(plain.numbers.tolist()) < set(found.numbers.tolist())
        documents = catalogue.snapshot.documents(found.numbers.tolist())
        topic = next(name for name, members in TOPICS.items() if text in members)
        assert {document.title.split()[0] for document in documents.values()} == {topic}


def test_a_small_catalogue_has_plain_words(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.index(from_mappings(films(FEWEST - 1)), fingerprint="1")
    assert not head_file(tmp_path).exists()
    query = Query(Request("", "martini"), "martini", Topical().encode)
    plain = FullText().retrieve(query, catalogue.snapshot, 1000)
    assert set(ask(catalogue, "martini").numbers.tolist()) == set(plain.numbers.tolist())


@pytest.mark.usefixtures("bolder")
def test_a_catalogue_that_grows_learns_and_gives_every_document_its_words(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.index(from_mappings(films(150)), fingerprint="1")
    catalogue.index(from_mappings(films(210, start=150)), fingerprint="2")
    other = Catalogue("films", tmp_path / "at once", Topical())
    other.index(from_mappings(films(360)), fingerprint="1")
    assert answers(catalogue) == answers(other)
    other.close()


@pytest.mark.usefixtures("bolder")
def test_a_head_stays_until_most_documents_are_newer(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.index(from_mappings(films(240)), fingerprint="1")
    first = head_file(tmp_path).read_bytes()
    catalogue.index(from_mappings(films(200, start=240)), fingerprint="2")
    catalogue.delete(["f3"])
    assert head_file(tmp_path).read_bytes() == first
    added = catalogue.snapshot.numbers[-200:]
    lacking = set(ask(catalogue, "martini").numbers.tolist()) - set(
        FullText()
        .retrieve(Query(Request("", "martini"), "martini", Topical().encode), catalogue.snapshot, 1000)
        .numbers.tolist()
    )
    assert lacking & set(added.tolist())
    catalogue.index(from_mappings(films(100, start=440)), fingerprint="3")
    assert head_file(tmp_path).read_bytes() != first
    assert len(catalogue.snapshot.text) == 539


@pytest.mark.usefixtures("bolder")
@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "nonsense"])
def test_a_head_that_cannot_be_read_is_learned_again(catalogue: Catalogue, tmp_path: Path, damage: str) -> None:
    catalogue.index(from_mappings(films(300)), fingerprint="1")
    file = head_file(tmp_path)
    raw = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes({"cut": raw[:-9], "changed": raw[:-9] + b"x" * 9, "nonsense": b"{}\n"}[damage])
    catalogue.index(from_mappings(films(60, start=300)), fingerprint="2")
    other = Catalogue("films", tmp_path / "at once", Topical())
    other.index(from_mappings(films(360)), fingerprint="1")
    assert answers(catalogue) == answers(other)
    other.close()


@pytest.mark.usefixtures("bolder")
def test_a_lost_text_index_comes_back_the_same(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.index(from_mappings(films(300)), fingerprint="1")
    before = answers(catalogue)
    (tmp_path / "films" / "text" / "meta.json").write_text("{")
    again = Catalogue("films", tmp_path / "films", Topical())
    assert answers(again) == before
    again.close()


@pytest.mark.usefixtures("bolder")
@pytest.mark.parametrize("lost", [0, 120])
def test_what_a_killed_relearning_left_is_written_anew(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Killed with the new head on disk and the old documents in the index, and maybe some vectors lost besides."""
    catalogue.index(from_mappings(films(150)), fingerprint="1")
    with monkeypatch.context() as patch:
        patch.setattr("segue.retrieve.catalogue.text_index.TextIndex._write", _stop)
        with pytest.raises(KeyboardInterrupt):
            catalogue.index(from_mappings(films(210, start=150)), fingerprint="2")
    if lost:
        vectors = tmp_path / "films" / "vectors" / "rows.i8"
        vectors.write_bytes(vectors.read_bytes()[: -lost * 28])
    again = Catalogue("films", tmp_path / "films", Topical())
    assert len(again.snapshot) == 360
    other = Catalogue("films", tmp_path / "at once", Topical())
    other.index(from_mappings(films(360)), fingerprint="1")
    assert answers(again) == answers(other)
    assert not (tmp_path / "films" / "text" / "segue-anew").exists()
    again.close()
    other.close()


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_large_catalogue_is_learned_from_a_sample(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "_EXAMPLES", 250)
    catalogue.index(from_mappings(films(700)), fingerprint="1")
    read = learned.load(head_file(tmp_path))
    assert read is not None
    assert read.step == 3
    assert read.head.examples == 233
    assert read.taught(np.array([3, 4, 699, 702])).tolist() == [True, False, True, False]


# -- what is new ----------------------------------------------------------------------------------------------------


def new(catalogue: Catalogue, text: str, k: int = 10, memory: Memory | None = None) -> list[str]:
    query = Query(Request("", text), text, Topical().encode)
    found = New(memory or Memory(ACTIONS)).retrieve(query, catalogue.snapshot, k)
    ids = catalogue.snapshot.ids_of(found.numbers.tolist())
    return [ids[number] for number in found.numbers.tolist()]


def test_only_what_was_added_later_is_new(catalogue: Catalogue) -> None:
    catalogue.index(from_mappings(films(40)), fingerprint="1")
    assert new(catalogue, "ghost") == []
    catalogue.index(from_mappings([{**film(1), "votes": 999}, film(100), film(101)]), fingerprint="2")
    assert set(new(catalogue, "ghost")) == {"f100", "f101"}  # f1 was there before
    catalogue.index(from_mappings([{**film(100), "votes": 999}]), fingerprint="3")
    assert new(catalogue, "ghost") == ["f101"]  # an update makes nothing new, and is not the addition any more
    catalogue.delete(["f101"])
    catalogue.index(from_mappings([film(101)]), fingerprint="4")
    assert new(catalogue, "ghost") == []  # nor does being away for a while


def test_new_items_stand_in_order_of_their_cosine(catalogue: Catalogue) -> None:
    catalogue.index(from_mappings(films(40)), fingerprint="1")
    added = [film(place, prefix="n") for place in range(100, 160)]
    catalogue.index(from_mappings(added), fingerprint="2")
    texts = [f"{row['title']}. {row['overview']}" for row in added]
    encoder = Topical()
    cosines = encoder.encode(texts) @ encoder.encode(["pirate sailor"])[0]
    found = [int(id[1:]) - 100 for id in new(catalogue, "pirate sailor")]
    assert len(found) == 10
    np.testing.assert_allclose(cosines[found], np.sort(cosines)[::-1][:10], atol=0.01)  # a vector is kept in 8 bits


def test_the_latest_thousand_are_new(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.retrieve.catalogue.catalogue._NEW", 5)
    catalogue.index(from_mappings(films(10)), fingerprint="1")
    catalogue.index(from_mappings(films(20, start=10)), fingerprint="2")
    catalogue.index(from_mappings([{**film(1), "votes": 999}]), fingerprint="3")
    assert set(new(catalogue, "spy", 100)) == {"f25", "f26", "f27", "f28", "f29"}


def test_what_is_taken_often_is_not_new_any_more(catalogue: Catalogue) -> None:
    catalogue.index(from_mappings(films(40)), fingerprint="1")
    catalogue.index(from_mappings(films(3, start=40)), fingerprint="2")
    memory = Memory({"play": 2.0})
    for place in range(3):
        assert "f41" in new(catalogue, "spy", memory=memory)
        body = {"answer": "a", "domain": "films", "item": "f41", "action": "play", "query": "x", "position": 1}
        memory.learn(Event(f"{place}", "feedback", 0.0, body))
    assert set(new(catalogue, "spy", memory=memory)) == {"f40", "f42"}

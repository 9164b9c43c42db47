"""The inverted index, against ten lines of BM25."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tantivy import Query

from segue.retrieve.catalogue import text_search as module
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items
from segue.retrieve.catalogue.terms import phrase, trigrams, value_term, words
from segue.retrieve.catalogue.text_index import TextIndex, popularity_share
from segue.retrieve.catalogue.text_search import TextSearcher

VOCABULARY = ["mary", "poppins", "love", "night", "road", "gold", "king", "storm", "café", "running"]


def document(id: str, title: str, *, text: str = "", popularity: float = 0.0, genres: Sequence[str] = ()) -> Document:
    categories = {"genres": tuple(genres)} if genres else {}
    return Document(id, title, (text,) if text else (), categories, {}, popularity, {})


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Items]:
    opened = Items(tmp_path / "items.sqlite")
    yield opened
    opened.close()


def put(items: Items, *documents: Document) -> None:
    items.stage(items.begin("f"), len(documents), list(enumerate(documents, 1)), [])
    items.publish()


def searcher(items: Items, folder: Path, *, scale: float = 0.0) -> TextSearcher:
    index = TextIndex.open_or_clear(folder)
    index.catch_up(items, slots=[], scale=scale)
    return index.searcher()


def bm25(
    query: Sequence[str], texts: Mapping[int, Sequence[str]], *, k1: float = 1.2, b: float = 0.75
) -> dict[int, float]:
    mean = sum(map(len, texts.values())) / len(texts)
    scores: dict[int, float] = {}
    for word in query:
        holding = {number: count for number, text in texts.items() if (count := Counter(text)[word])}
        idf = math.log(1 + (len(texts) - len(holding) + 0.5) / (len(holding) + 0.5))
        for number, count in holding.items():
            norm = k1 * (1 - b + b * len(texts[number]) / mean)
            scores[number] = scores.get(number, 0) + idf * count * (k1 + 1) / (count + norm)
    return scores


TITLES = st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6), min_size=1, max_size=25)
ASKED = st.lists(st.sampled_from([*VOCABULARY, "unknown"]), min_size=1, max_size=4, unique=True)


@settings(max_examples=15, deadline=None)
@given(titles=TITLES, asked=ASKED)
def test_title_search_is_bm25(
    tmp_path_factory: pytest.TempPathFactory, titles: list[list[str]], asked: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("bm25")
    items = Items(folder / "items.sqlite")
    put(items, *(document(str(place), " ".join(title)) for place, title in enumerate(titles)))
    opened = searcher(items, folder / "text")
    query = list(dict.fromkeys(word for text in asked for word in words(text)))
    expected = bm25(query, {number: words(" ".join(title)) for number, title in enumerate(titles, 1)})
    found = opened.search("title", opened.any_of(("title", word, 1.0) for word in query), 100)
    assert set(found.numbers.tolist()) == set(expected)
    np.testing.assert_allclose(found.scores, [expected[number] for number in found.numbers.tolist()], rtol=1e-4)
    np.testing.assert_allclose(found.scores, sorted(expected.values(), reverse=True), rtol=1e-4)
    items.close()


def test_weights_and_fields_add_up_and_popularity_multiplies(items: Items, tmp_path: Path) -> None:
    rows = [
        document("1", "love story", text="a night on the road", popularity=0),
        document("2", "night road", text="love and gold", popularity=9),
        document("3", "gold", text="night night night", popularity=99),
        document("4", "king", text="a storm of love and gold and night", popularity=99),
    ]
    put(items, *rows)
    opened = searcher(items, tmp_path / "text", scale=99)
    titles = {number: words(one.title) for number, one in enumerate(rows, 1)}
    bodies = {number: words(one.text[0]) for number, one in enumerate(rows, 1)}
    asked = ["love", "night"]
    in_titles, in_bodies = bm25(asked, titles), bm25(asked, bodies)
    terms = [(field, word, weight) for word in asked for field, weight in (("title", 2.0), ("body", 1.0))]
    plain = opened.search("text", opened.any_of(terms), 10)
    expected = {number: 2 * in_titles.get(number, 0) + in_bodies.get(number, 0) for number in bodies}
    np.testing.assert_allclose(plain.scores, [expected[number] for number in plain.numbers.tolist()], rtol=1e-4)
    biased = opened.search("text", opened.any_of(terms), 10, by_popularity=True)
    raised = {n: score * (1 + popularity_share(rows[n - 1].popularity, 99)) for n, score in expected.items()}
    np.testing.assert_allclose(biased.scores, [raised[number] for number in biased.numbers.tolist()], rtol=1e-4)
    assert biased.numbers.tolist() == sorted(raised, key=lambda number: -raised[number])


def test_statistics_do_not_depend_on_how_many_runs_it_took(items: Items, tmp_path: Path) -> None:
    for start in range(0, 30, 5):
        titles = [" ".join(VOCABULARY[place % 7 : place % 7 + 2]) for place in range(start, start + 5)]
        put(items, *(document(str(start + place), title) for place, title in enumerate(titles)))
        several = searcher(items, tmp_path / "several")
    once = searcher(items, tmp_path / "once")
    for word in VOCABULARY:
        query = [("title", words(word)[0], 1.0)]
        one, other = (opened.search("title", opened.any_of(query), 50) for opened in (several, once))
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)
        assert set(one.numbers.tolist()) == set(other.numbers.tolist())
        assert one.numbers.tolist() == other.numbers.tolist(), word  # equal scores too


def test_deleted_and_updated_documents_leave_the_index(items: Items, tmp_path: Path) -> None:
    put(items, document("1", "love story"), document("2", "love actually"))
    index = TextIndex(tmp_path / "text")
    index.catch_up(items, slots=[], scale=0)
    before = index.searcher()
    put(items, document("1", "gold road"))
    items.retire(["2"])
    index.catch_up(items, slots=[], scale=0)
    after = index.searcher()
    love = [("title", "love", 1.0)]
    assert len(before.search("title", before.any_of(love), 10)) == 2
    assert len(after.search("title", after.any_of(love), 10)) == 0
    assert after.search("title", after.any_of([("title", "gold", 1.0)]), 10).numbers.tolist() == [3]
    assert len(after) == 1
    assert len(before) == 2


def test_catching_up_is_safe_to_repeat(items: Items, tmp_path: Path) -> None:
    put(items, document("1", "love story"))
    index = TextIndex(tmp_path / "text")
    index.catch_up(items, slots=[], scale=0)
    put(items, document("2", "love actually"))
    for _ in range(3):  # as a process does that was killed before it wrote down the version
        (tmp_path / "text" / "segue-version").write_text("1")
        index.catch_up(items, slots=[], scale=0)
        assert index.version == 2
        assert len(index.searcher()) == 2
    (tmp_path / "text" / "segue-version").write_text("nonsense")
    assert index.version == 0
    index.catch_up(items, slots=[], scale=0)
    assert len(index.searcher()) == 2


def test_an_index_that_cannot_be_opened_is_emptied(items: Items, tmp_path: Path) -> None:
    put(items, document("1", "love story"))
    searcher(items, tmp_path / "text")
    (tmp_path / "text" / "meta.json").write_text("{broken")
    index = TextIndex.open_or_clear(tmp_path / "text")
    assert index.version == 0
    index.catch_up(items, slots=[], scale=0)
    assert len(index.searcher()) == 1


def test_all_of_any_of_and_most_popular(items: Items, tmp_path: Path) -> None:
    put(
        items,
        document("1", "love story", popularity=5),
        document("2", "love gold", popularity=50),
        document("3", "gold road", popularity=0),
    )
    opened = searcher(items, tmp_path / "text", scale=50)
    assert opened.search("all", opened.all_of([("title", "love"), ("title", "gold")]), 5).numbers.tolist() == [2]
    assert len(opened.search("none", opened.any_of([]), 5)) == 0
    assert opened.frequency("title", "love") == 2
    assert opened.frequency("title", "unknown") == 0
    popular = opened.most_popular("popular", Query.all_query(), 5)
    assert popular.numbers.tolist() == [2, 1, 3]
    np.testing.assert_allclose(popular.scores, [popularity_share(value, 50) for value in (50, 5, 0)], rtol=1e-6)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextSearcher]:
    """1,500 documents whose words and popularities are as uneven as real ones."""
    folder, random = tmp_path_factory.mktemp("many"), np.random.default_rng(0)
    share = 1 / np.arange(1, len(VOCABULARY) + 1)
    rows = [
        document(
            str(place),
            " ".join(random.choice(VOCABULARY, random.integers(1, 5), p=share / share.sum())),
            text=" ".join(random.choice(VOCABULARY, 6)),
            popularity=float(random.lognormal(3, 2)),
            genres=["comedy" if place % 3 else "horror"],
        )
        for place in range(1_500)
    ]
    items = Items(folder / "items.sqlite")
    put(items, *rows)
    yield searcher(items, folder / "text", scale=max(one.popularity for one in rows))
    items.close()


@settings(max_examples=40, deadline=None)
@given(asked=ASKED, k=st.integers(1, 30), common=st.sampled_from([0, 100, 600, 20_000]))
def test_the_shortcuts_find_what_a_look_at_every_document_finds(
    many: TextSearcher, asked: list[str], k: int, common: int
) -> None:
    terms = [
        (field, word, weight)
        for text in asked
        for word in words(text)
        for field, weight in (("title", 2.0), ("body", 1.0))
    ]
    expected = many.search("text", many.any_of(terms), k, by_popularity=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_COMMON", common)
        found = many.search_any("text", terms, k)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    last = (
        expected.scores[-1] * (1 + 1e-5) if len(expected) == k else -1.0
    )  # of those equal at the cut any may be there
    assert set(found.numbers[found.scores > last].tolist()) == set(expected.numbers[expected.scores > last].tolist())


@settings(max_examples=20, deadline=None)
@given(word=st.sampled_from(VOCABULARY), k=st.integers(1, 60))
def test_most_popular_looks_at_the_well_known_first(many: TextSearcher, word: str, k: int) -> None:
    query = many.any_of([("title", words(word)[0], 1.0)])
    everything = many.most_popular("popular", query, 1_500)
    found = many.most_popular("popular", query, k)
    assert found.scores.tolist() == everything.scores[:k].tolist()


def test_whole_titles_and_values(items: Items, tmp_path: Path) -> None:
    put(items, document("1", "Play Misty for Me", genres=["Science Fiction", "x" * 100]))
    opened = searcher(items, tmp_path / "text")
    for text in ("Play Misty for Me", "play misty for ME!", "plays misty for me"):
        assert opened.holds_title(text), text
    assert not opened.holds_title("misty")
    assert opened.frequency("value", phrase("science fictions")) == 1
    assert opened.frequency("value_of", value_term("genres", "science fiction")) == 1
    assert opened.frequency("value_of", value_term("director", "science fiction")) == 0
    assert opened.frequency("value", "x" * 100) == 0
    assert opened.frequency("body", "fiction") == 1


def test_a_request_without_a_word_is_no_title(items: Items, tmp_path: Path) -> None:
    put(items, document("1", "???"), document("2", "🎬"))
    opened = searcher(items, tmp_path / "text")
    assert not opened.holds_title("!")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amélie's Running Comedies", ["ameli", "s", "run", "comedi"]),
        ("", []),
        ("🎬 !?", []),
        ("a" * 61, []),
        ("1984", ["1984"]),
        ("Мэри Поппинс", ["мэри", "поппинс"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_words_and_trigrams_of_any_text(text: str) -> None:
    assert words(text) == words(text)
    assert words(" ".join(text.split(" "))) == words(text)
    found = trigrams(text)
    assert len(set(found)) == len(found)
    plain = "".join(character for character in text if character.isascii())
    if plain == text:
        padded = f" {' '.join(text.lower().split())} "
        assert found == list(dict.fromkeys(padded[place : place + 3] for place in range(len(padded) - 2)))


def test_popularity_share() -> None:
    assert popularity_share(0, 100) == 0
    assert popularity_share(100, 100) == 1
    assert popularity_share(1_000, 100) == 1
    assert popularity_share(5, 0) == 0
    assert popularity_share(9, 99) == pytest.approx(0.5)

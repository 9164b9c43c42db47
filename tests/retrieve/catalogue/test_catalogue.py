"""A domain's catalogue: all or nothing, resumable, repaired from its rows, read as snapshots."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segue.encode.encoder import Vectors
from segue.errors import InvalidInput
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Report, Roles, Wishes, vectors
from segue.retrieve.catalogue import catalogue as module
from segue.retrieve.catalogue.catalogue import embedding_text, popularity_shares
from segue.retrieve.catalogue.documents import to_document
from segue.retrieve.catalogue.tables import Row, from_mappings
from segue.retrieve.catalogue.text_index import popularity_share
from segue.retrieve.query import Query
from segue.retrieve.strategies import Dense, FullText

Rows = list[dict[str, Any]]


class Hashed:
    """An encoder without meaning: a text's hash seeds its vector. Counts the texts that it was given."""

    dimensions = 16

    def __init__(self, fingerprint: str = "hashed") -> None:
        self.fingerprint = fingerprint
        self.texts: list[str] = []
        self.fail_after: int | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        if self.fail_after is not None and len(self.texts) + len(texts) > self.fail_after:
            raise KeyboardInterrupt
        self.texts.extend(texts)
        made = np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self.dimensions))
        return made.astype(np.float32)

    def _vector(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(self.dimensions)
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class Stopped(Exception):
    """Thrown in the middle of the rows."""


def rows(count: int, *, title: str = "title", start: int = 0) -> Rows:
    return [
        {
            "id": f"i{place}",
            "title": f"{title} {place}",
            "genre": "comedy" if place % 2 else "drama",
            "year": 1950 + place,
        }
        for place in range(start, start + count)
    ]


def stopping(values: Iterable[dict[str, Any]], after: int) -> Iterator[Row]:
    for place, row in enumerate(from_mappings(values)):
        if place == after:
            raise Stopped
        yield row


@pytest.fixture
def fake() -> Hashed:
    return Hashed()


@pytest.fixture
def catalogue(fake: Hashed, tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue("films", tmp_path / "films", fake)
    yield opened
    opened.close()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 10)
    monkeypatch.setattr(module, "_SAMPLE", 5)


def index(catalogue: Catalogue, values: Iterable[Any], mark: str = "1", **more: Any) -> Report:
    return catalogue.index(from_mappings(values), fingerprint=mark, **more)


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.deleted, report.rejected


def titles(catalogue: Catalogue) -> dict[str, str]:
    """What a reader finds in each of the three places: rows, text index and vectors agree."""
    snapshot = catalogue.snapshot
    numbers = snapshot.numbers.tolist()
    documents = snapshot.documents(numbers)
    assert set(documents) == set(numbers)
    assert len(snapshot) == len(snapshot.text) == len(numbers)
    assert snapshot.places(snapshot.numbers[::2]).tolist() == list(range(0, len(numbers), 2))
    found = snapshot.vectors.search("dense", catalogue._encoder.encode(["any"])[0], 10_000)
    assert set(found.numbers.tolist()) == set(numbers)
    return {document.id: document.title for document in documents.values()}


def search(catalogue: Catalogue, text: str) -> Candidates:
    query = Query(Request("", text), text, catalogue.snapshot.encoder.encode)
    return FullText().retrieve(query, catalogue.snapshot, 100)


def ids(catalogue: Catalogue, text: str) -> set[str]:
    return set(catalogue.snapshot.ids_of(search(catalogue, text).numbers.tolist()).values())


# -- add, update, delete --------------------------------------------------------------------------------------------


def test_counts_of_a_run(catalogue: Catalogue) -> None:
    assert counts(index(catalogue, rows(4), "1")) == (4, 0, 0, 0, 0)
    assert counts(index(catalogue, rows(4), "2")) == (0, 0, 4, 0, 0)
    changed = [*rows(2), {**rows(3)[2], "title": "another"}, *rows(2, start=4)]
    assert counts(index(catalogue, changed, "3")) == (2, 1, 2, 0, 0)
    assert titles(catalogue) == {
        "i0": "title 0",
        "i1": "title 1",
        "i2": "another",
        "i3": "title 3",
        "i4": "title 4",
        "i5": "title 5",
    }
    assert ids(catalogue, "another") == {"i2"}


def test_an_unchanged_run_makes_no_version(catalogue: Catalogue) -> None:
    assert index(catalogue, rows(4), "1").version == 1
    assert index(catalogue, rows(4), "2").version == 1
    assert catalogue.snapshot.version == 1


def test_replace_deletes_what_is_not_named(catalogue: Catalogue) -> None:
    index(catalogue, rows(5), "1")
    report = index(catalogue, [*rows(2), *rows(1, title="new", start=9)], "2", replace=True)
    assert counts(report) == (1, 0, 2, 3, 0)
    assert set(titles(catalogue)) == {"i0", "i1", "i9"}
    assert counts(index(catalogue, rows(1), "3", replace=True)) == (0, 0, 1, 2, 0)
    assert set(titles(catalogue)) == {"i0"}
    assert ids(catalogue, "title") == {"i0"}


def test_delete(catalogue: Catalogue) -> None:
    index(catalogue, rows(5), "1")
    assert sorted(catalogue.delete(["i3", "i0", "nobody", "i3"])) == ["i0", "i3"]
    assert set(titles(catalogue)) == {"i1", "i2", "i4"}
    assert catalogue.delete(["i3"]) == []
    assert catalogue.delete([]) == []
    assert set(titles(catalogue)) == {"i1", "i2", "i4"}
    assert counts(index(catalogue, rows(5), "2")) == (2, 0, 3, 0, 0)
    assert set(titles(catalogue)) == {"i0", "i1", "i2", "i3", "i4"}


def test_numbers_are_never_used_again(catalogue: Catalogue) -> None:
    seen: set[int] = set()
    for turn in range(5):
        index(catalogue, rows(3, title=str(turn)), str(turn))
        numbers = set(catalogue.snapshot.numbers.tolist())
        assert not numbers & seen
        seen |= numbers
        catalogue.delete(["i2", "i1"] if turn % 2 else ["i0", "i1", "i2"])
        with pytest.raises(Stopped):
            catalogue.index(stopping(rows(30, title="failed"), 20), fingerprint="failed")


def test_bad_rows_are_kept_out_and_told(catalogue: Catalogue) -> None:
    given_rows: list[Any] = [*rows(2), {"id": "", "title": "no id"}, {"id": "x", "title": ""}, rows(1)[0], "no row", {}]
    report = index(catalogue, given_rows, "1")
    assert counts(report) == (2, 0, 0, 0, 5)
    assert [line for line, _ in report.rejected_rows] == [3, 4, 5, 6, 7]
    reasons = " / ".join(reason for _, reason in report.rejected_rows)
    for part in ("no id", "no title", "'i0' again (first on line 1)", "not a mapping", "empty"):
        assert part in reasons


def test_when_no_row_is_good_nothing_changes(catalogue: Catalogue) -> None:
    index(catalogue, rows(3), "1")
    with pytest.raises(InvalidInput, match="None of the 2 rows"):
        index(catalogue, [{"id": "", "title": "x"}, {"id": "a", "title": ""}], "2")
    with pytest.raises(InvalidInput, match="no readable row"):
        index(catalogue, ["not a row"], "3")
    with pytest.raises(InvalidInput, match="no readable row"):
        index(catalogue, [], "4", replace=True)
    assert len(titles(catalogue)) == 3
    assert catalogue.snapshot.version == 1


def test_roles_are_told_and_kept(catalogue: Catalogue) -> None:
    told: list[Roles] = []
    assert catalogue.roles() is None
    index(catalogue, [{"id": "1", "name": "a", "title": "b"}], "1", chosen=told.append)
    index(catalogue, [{"id": "1", "name": "a", "title": "b"}], "2", wishes=Wishes(title="name"), chosen=told.append)
    index(catalogue, [{"id": "2", "name": "c", "title": "d", "new": "e"}], "3", chosen=told.append)
    assert [roles.title for roles in told] == ["title", "name", "name"]
    assert catalogue.roles() == told[-1]
    assert titles(catalogue) == {"1": "a", "2": "c"}


# -- stopped and resumed --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_a_failed_run_changes_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    index(catalogue, rows(5), "1")
    before = catalogue.snapshot
    with pytest.raises(Stopped):
        catalogue.index(stopping(rows(50, title="new"), 35), fingerprint="2")
    assert catalogue.snapshot is before
    assert not catalogue.refresh()
    assert set(titles(catalogue)) == {"i0", "i1", "i2", "i3", "i4"}
    again = Catalogue("films", tmp_path / "films", Hashed())
    assert titles(again) == titles(catalogue)
    assert ids(again, "new") == set()
    again.close()


@pytest.mark.usefixtures("small_batches")
def test_a_stopped_run_goes_on_and_encodes_nothing_twice(catalogue: Catalogue, fake: Hashed) -> None:
    told: dict[str, int] = {}

    def progress(step: str, done: int) -> None:
        told[step] = told.get(step, 0) + done

    with pytest.raises(Stopped):
        catalogue.index(stopping(rows(50), 35), fingerprint="file", progress=progress)
    assert len(fake.texts) == 30  # whole batches are kept
    report = index(catalogue, rows(50), "file", progress=progress)
    assert counts(report) == (50, 0, 0, 0, 0)
    assert len(fake.texts) == len(set(fake.texts)) == 50
    assert told["reading"] == 30 + 30 + 20  # what is skipped is told at once
    assert told["embedding"] == 50
    assert len(titles(catalogue)) == 50


@pytest.mark.usefixtures("small_batches")
def test_a_run_stopped_while_encoding_goes_on(catalogue: Catalogue, fake: Hashed) -> None:
    fake.fail_after = 15
    with pytest.raises(KeyboardInterrupt):
        index(catalogue, rows(40), "file")
    assert len(catalogue.snapshot) == 0
    fake.fail_after = None
    assert counts(index(catalogue, rows(40), "file")) == (40, 0, 0, 0, 0)
    assert len(fake.texts) == len(set(fake.texts)) == 40
    assert len(titles(catalogue)) == 40


@pytest.mark.usefixtures("small_batches")
def test_another_file_does_not_go_on_with_the_stopped_one(catalogue: Catalogue) -> None:
    with pytest.raises(Stopped):
        catalogue.index(stopping(rows(50), 35), fingerprint="file")
    assert counts(index(catalogue, rows(3, title="other", start=100), "other")) == (3, 0, 0, 0, 0)
    assert set(titles(catalogue)) == {"i100", "i101", "i102"}
    assert counts(index(catalogue, rows(50), "file")) == (50, 0, 0, 0, 0)


@pytest.mark.usefixtures("small_batches")
def test_a_row_that_repeats_an_unchanged_id_is_kept_out_after_a_stop_too(catalogue: Catalogue) -> None:
    index(catalogue, rows(12), "1")
    values = [*rows(12), *rows(5, title="again")]
    with pytest.raises(Stopped):
        catalogue.index(stopping(values, 11), fingerprint="2")
    assert counts(index(catalogue, values, "2")) == (0, 0, 12, 0, 5)
    assert titles(catalogue)["i0"] == "title 0"


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(
    first=st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), min_size=1, max_size=20),
    second=st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), min_size=1, max_size=20),
    cut=st.integers(0, 20),
    replace=st.booleans(),
)
def test_stopped_and_resumed_equals_a_run_in_one_go(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, str]],
    second: list[tuple[int, str]],
    cut: int,
    replace: bool,
) -> None:
    """Some rows name an id again, which keeps them out: the first one counts, wherever the run was stopped."""

    def as_rows(pairs: list[tuple[int, str]]) -> Rows:
        return [{"id": f"i{place}", "title": title} for place, title in pairs]

    folder = tmp_path_factory.mktemp("resume")
    whole, parts = (Catalogue("films", folder / name, Hashed()) for name in ("whole", "parts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH", 3)
        patch.setattr(module, "_SAMPLE", 1)
        for catalogue in (whole, parts):
            index(catalogue, as_rows(first), "1")
        report = index(whole, as_rows(second), "2", replace=replace)
        if 0 < cut < len(second):
            with pytest.raises(Stopped):
                parts.index(stopping(as_rows(second), cut), fingerprint="2", replace=replace)
        resumed = index(parts, as_rows(second), "2", replace=replace)
    assert titles(parts) == titles(whole)
    assert counts(resumed) == counts(report)
    assert [line for line, _ in resumed.rejected_rows] == [line for line, _ in report.rejected_rows]
    whole.close()
    parts.close()


# -- readers and writers --------------------------------------------------------------------------------------------


def test_a_reader_sees_the_old_snapshot_until_it_refreshes(catalogue: Catalogue, tmp_path: Path) -> None:
    index(catalogue, rows(3), "1")
    reader = Catalogue("films", tmp_path / "films", Hashed())
    assert not reader.refresh()
    index(catalogue, [*rows(1, title="changed"), *rows(2, start=10)], "2")
    catalogue.delete(["i1"])
    assert titles(reader) == {"i0": "title 0", "i1": "title 1", "i2": "title 2"}
    assert ids(reader, "changed") == set()
    old = reader.snapshot
    assert reader.refresh()
    assert not reader.refresh()
    assert (
        titles(reader)
        == titles(catalogue)
        == {"i0": "changed 0", "i2": "title 2", "i10": "title 10", "i11": "title 11"}
    )
    assert ids(reader, "changed") == {"i0"}
    assert len(old) == 3
    assert set(old.numbers_of(["i0", "i1", "i10"])) == {"i0", "i1"}
    reader.close()


def test_who_opens_while_another_still_writes_sees_the_version_before(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(catalogue, rows(3))
    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "_follow", _stop)  # published, and the text index does not know of it yet
        with pytest.raises(Stopped):
            index(catalogue, rows(3, title="newer"), "2")
    with FileLock(tmp_path / "films" / "lock", is_singleton=False):
        reader = Catalogue("films", tmp_path / "films", Hashed())
        assert set(titles(reader).values()) == {"title 0", "title 1", "title 2"}
        reader.close()
    later = Catalogue("films", tmp_path / "films", Hashed())
    assert set(titles(later).values()) == {"newer 0", "newer 1", "newer 2"}
    later.close()


def _stop(*_: object) -> None:
    raise Stopped


def test_two_writers_take_turns(catalogue: Catalogue, tmp_path: Path) -> None:
    other = Catalogue("films", tmp_path / "films", Hashed())
    index(catalogue, rows(2), "1")
    assert counts(index(other, rows(2, title="other", start=1), "2")) == (1, 1, 0, 0, 0)
    assert other.delete(["i0"]) == ["i0"]
    assert counts(index(catalogue, rows(1, start=5), "3")) == (1, 0, 0, 0, 0)
    assert set(titles(catalogue)) == {"i1", "i2", "i5"}
    other.refresh()
    assert titles(other) == titles(catalogue)
    other.close()


# -- repair ---------------------------------------------------------------------------------------------------------


def _no_text_index(folder: Path) -> None:
    shutil.rmtree(folder / "text")


def _no_version(folder: Path) -> None:
    (folder / "text" / "segue-version").unlink()


def _no_meta(folder: Path) -> None:
    (folder / "text" / "meta.json").unlink()


def _only_the_version(folder: Path) -> None:
    for file in (folder / "text").iterdir():
        if file.name != "segue-version":
            file.unlink()


def _broken_text_index(folder: Path) -> None:
    (folder / "text" / "meta.json").write_text("not JSON")


def _no_vectors(folder: Path) -> None:
    (folder / "vectors" / "rows.i8").unlink()


def _no_vectors_folder(folder: Path) -> None:
    shutil.rmtree(folder / "vectors")


def _half_the_vectors(folder: Path) -> None:
    raw = (folder / "vectors" / "rows.i8").read_bytes()
    (folder / "vectors" / "rows.i8").write_bytes(raw[: len(raw) // 2])


@pytest.mark.parametrize(
    "damage",
    [
        _no_text_index,
        _no_version,
        _no_meta,
        _only_the_version,
        _broken_text_index,
        _no_vectors,
        _no_vectors_folder,
        _half_the_vectors,
    ],
)
def test_what_was_lost_is_made_again_from_the_rows(
    catalogue: Catalogue, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    index(catalogue, rows(30), "1")
    index(catalogue, rows(2, title="changed"), "2")
    catalogue.delete(["i5"])
    expected, found = titles(catalogue), search(catalogue, "title 7")
    catalogue.close()
    damage(tmp_path / "films")
    again = Catalogue("films", tmp_path / "films", Hashed())
    assert titles(again) == expected
    assert search(again, "title 7").numbers.tolist()[0] == found.numbers.tolist()[0]
    assert ids(again, "changed") == {"i0", "i1"}
    query = Query(Request("", "x"), embedding_text(again.snapshot.documents([7])[7]), Hashed().encode)
    assert Dense().retrieve(query, again.snapshot, 1).numbers.tolist() == [7]
    again.close()


def test_another_encoder_embeds_anew(catalogue: Catalogue, tmp_path: Path) -> None:
    index(catalogue, rows(10), "1")
    catalogue.close()
    other = Hashed("another")
    again = Catalogue("films", tmp_path / "films", other)
    assert len(other.texts) == 10
    assert len(titles(again)) == 10
    again.close()


def test_an_inverted_file_is_built_when_there_are_many(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "EXACT", 300)
    steps: dict[str, int] = {}
    index(catalogue, rows(2_000), "1", progress=lambda step, count: steps.update({step: steps.get(step, 0) + count}))
    assert steps["clustering"] == 2_000
    assert (tmp_path / "films" / "vectors" / "ivf-2000.faiss").exists()
    index(catalogue, rows(50, title="tail", start=5_000), "2")
    catalogue.delete(["i7", "i5001"])
    again = Catalogue("films", tmp_path / "films", Hashed())
    for opened in (catalogue, again):
        snapshot = opened.snapshot
        assert len(snapshot) == 2_048
        for number in (1, 9, 500, 2_001, 2_050):
            query = Query(Request("", ""), embedding_text(snapshot.documents([number])[number]), Hashed().encode)
            assert Dense().retrieve(query, snapshot, 1).numbers.tolist() == [number]
        gone = Query(
            Request("", ""),
            embedding_text(to_document(rows(8)[7], Roles("id", "title", categories=("genre",)))),
            Hashed().encode,
        )
        assert set(Dense().retrieve(gone, snapshot, 100).numbers.tolist()) <= set(snapshot.numbers.tolist())
    again.close()


# -- smaller parts --------------------------------------------------------------------------------------------------


def test_popular_items(catalogue: Catalogue) -> None:
    index(catalogue, [{"id": str(place), "title": "t", "votes": place} for place in (5, 0, 100, 7)], "1")
    popular = catalogue.snapshot.popular
    assert catalogue.snapshot.ids_of(popular.numbers.tolist()) == {1: "5", 2: "0", 3: "100", 4: "7"}
    assert popular.numbers.tolist() == [3, 4, 1, 2]
    np.testing.assert_allclose(popular.scores, [popularity_share(value, 100) for value in (100, 7, 5, 0)], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(0, 1e9, width=32), max_size=20), scale=st.sampled_from([0.0, 1.0, 1e4]))
def test_popularity_shares_are_popularity_share(values: list[float], scale: float) -> None:
    many = popularity_shares(np.array(values, dtype=np.float32), scale)
    np.testing.assert_allclose(many, [popularity_share(value, scale) for value in values], rtol=1e-5, atol=1e-7)


def test_what_of_a_document_is_embedded() -> None:
    roles = Roles("id", "title", text=("plot",), categories=("genres", "director"))
    row = {"id": "1", "title": "Emma", "genres": ["a", "b", "c", "d", "e"], "director": "F G", "plot": "long " * 100}
    assert embedding_text(to_document(row, roles)) == f"Emma. a, b, c, d, F G. {('long ' * 100)[:200]}"
    assert embedding_text(to_document({"id": "1", "title": "Emma"}, roles)) == "Emma"

"""Vectors on disk, exact search and the inverted file, against NumPy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.encoder import Vectors
from segue.retrieve.catalogue import vectors as module
from segue.retrieve.catalogue.vectors import (
    Floats,
    VectorFile,
    VectorSearcher,
    best,
    build_ivf,
    needs_ivf,
    open_ivf,
    save_ivf,
)

DIMENSIONS = 24


class Given:
    """An encoder whose texts are the row numbers of a table of vectors."""

    dimensions = DIMENSIONS

    def __init__(self, table: Floats, fingerprint: str = "given") -> None:
        self.table = table
        self.fingerprint = fingerprint

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self.table[[int(text) for text in texts]], dtype=np.float32)


def clustered(count: int, *, clusters: int = 40, seed: int = 0) -> Floats:
    """Unit vectors in clusters, as texts about the same thing are."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, DIMENSIONS))
    made = centres[random.integers(clusters, size=count)] + 0.5 * random.standard_normal((count, DIMENSIONS))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def stored(folder: Path, table: Floats, numbers: Sequence[int] | None = None) -> VectorFile:
    """Row `i` of the table under number `i + 1`, or under the numbers given."""
    file = VectorFile(folder, Given(table))
    chosen = list(numbers) if numbers is not None else list(range(1, len(table) + 1))
    file.embed(chosen, [str(place) for place in range(len(table))])
    return file


def test_a_stored_row_is_close_to_the_vector(tmp_path: Path) -> None:
    table = clustered(200)
    file = stored(tmp_path, table)
    back = file.rows().of(np.arange(1, len(file)))
    cosine = (back * table).sum(axis=1) / np.linalg.norm(back, axis=1)
    assert cosine.min() > 0.999
    assert np.abs(back - table).max() <= np.abs(table).max() / 127 / 2 + 1e-7


def test_rows_are_appended_at_their_numbers(tmp_path: Path) -> None:
    table = clustered(6)
    file = VectorFile(tmp_path, Given(table))
    assert len(file) == 0
    assert len(file.rows()) == 0
    file.embed([], [])
    assert len(file) == 0
    file.embed([1, 2], ["0", "1"])
    mapped = file.rows()
    file.embed([5, 8], ["2", "3"])
    assert len(file) == 9
    assert len(mapped) == 3  # what was mapped before does not grow under a reader
    again = VectorFile(tmp_path, Given(table))
    back = again.rows().of(np.arange(9))
    np.testing.assert_allclose(back[[1, 2, 5, 8]], table[:4], atol=0.01)
    assert not back[[0, 3, 4, 6, 7]].any()


def test_vectors_of_another_encoder_are_dropped(tmp_path: Path) -> None:
    table = clustered(10)
    stored(tmp_path, table)
    assert len(VectorFile(tmp_path, Given(table))) == 11
    assert len(VectorFile(tmp_path, Given(table, fingerprint="another"))) == 0


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(0, 60),
    k=st.integers(1, 70),
    seed=st.integers(0, 5),
    deleted=st.sets(st.integers(1, 60), max_size=30),
)
def test_exact_search_is_a_product_and_a_sort(
    tmp_path_factory: pytest.TempPathFactory, count: int, k: int, seed: int, deleted: set[int]
) -> None:
    table = clustered(count + 1, seed=seed)
    file = stored(tmp_path_factory.mktemp("exact"), table[:count]) if count else None
    rows = (file or VectorFile(tmp_path_factory.mktemp("none"), Given(table))).rows()
    alive = np.array([number for number in range(1, count + 1) if number not in deleted], dtype=np.int64)
    found = VectorSearcher(rows, alive, None).search("dense", table[-1], k)
    scores = rows.of(alive) @ table[-1]
    order = sorted(range(len(alive)), key=lambda place: (-scores[place], alive[place]))[:k]
    assert found.numbers.tolist() == [int(alive[place]) for place in order]
    np.testing.assert_allclose(found.scores, scores[order], atol=1e-6)


def test_exact_search_agrees_with_the_unquantised_vectors(tmp_path: Path) -> None:
    table = clustered(500)
    searcher = VectorSearcher(stored(tmp_path, table).rows(), np.arange(1, 501), None)
    hits = 0
    for query in clustered(40, seed=1):
        truth = set((np.argsort(-(table @ query))[:10] + 1).tolist())
        hits += len(truth & set(searcher.search("dense", query, 10).numbers.tolist()))
    assert hits >= 0.97 * 400


def test_allowed_rows_only(tmp_path: Path) -> None:
    table = clustered(100)
    searcher = VectorSearcher(stored(tmp_path, table).rows(), np.arange(1, 101), None)
    allowed = np.array([3, 50, 99, 500])
    found = searcher.search("dense", table[0], 10, allowed=allowed)
    assert set(found.numbers.tolist()) == {3, 50, 99}
    assert len(searcher.search("dense", table[0], 10, allowed=np.zeros(0, np.int64))) == 0


@settings(max_examples=200, deadline=None)
@given(scores=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=120), k=st.integers(1, 12), data=st.data())
def test_best_is_a_sort_by_score_then_number(scores: list[float], k: int, data: st.DataObject) -> None:
    numbers = np.array(data.draw(st.permutations(range(1, len(scores) + 1))), dtype=np.int64)
    values = np.array(scores, dtype=np.float32)
    found = best("dense", numbers, values, k)
    order = sorted(range(len(scores)), key=lambda place: (-values[place], numbers[place]))[:k]
    assert found.numbers.tolist() == [int(numbers[place]) for place in order]
    assert found.scores.tolist() == [float(values[place]) for place in order]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> VectorFile:
    return stored(tmp_path_factory.mktemp("many"), clustered(5_000, clusters=200))


def recall(searcher: VectorSearcher, exact: VectorSearcher, queries: Floats) -> float:
    hits = 0
    for query in queries:
        truth = exact.search("dense", query, 10)
        found = searcher.search("dense", query, 10)
        assert (np.diff(found.scores) <= 0).all()
        assert len(set(found.numbers.tolist())) == 10
        hits += len(set(truth.numbers.tolist()) & set(found.numbers.tolist()))
    return hits / (10 * len(queries))


def test_the_inverted_file_recalls_what_exact_search_finds(many: VectorFile) -> None:
    alive = np.arange(1, 5_001)
    ivf = build_ivf(many.rows(), alive)
    assert ivf.covers == 5_000
    assert ivf.probes < ivf.index.nlist
    searcher, exact = VectorSearcher(many.rows(), alive, ivf), VectorSearcher(many.rows(), alive, None)
    assert recall(searcher, exact, many.rows().of(np.arange(1, 5_000, 100))) >= 0.9


def test_deleted_rows_and_the_tail_behind_the_inverted_file(many: VectorFile) -> None:
    random = np.random.default_rng(0)
    built = np.arange(1, 4_501)
    ivf = build_ivf(many.rows(), built)
    alive = np.setdiff1d(np.arange(1, 5_001), random.choice(5_000, 1_500, replace=False))
    searcher, exact = VectorSearcher(many.rows(), alive, ivf), VectorSearcher(many.rows(), alive, None)
    queries = many.rows().of(alive[::70])
    assert recall(searcher, exact, queries) >= 0.9
    for query in queries[:20]:
        assert set(searcher.search("dense", query, 50).numbers.tolist()) <= set(alive.tolist())
    for number in alive[alive > 4_500][:20].tolist():  # what is behind the inverted file is searched exactly
        vector = many.rows().of(np.array([number]))[0]
        assert searcher.search("dense", vector, 1).numbers.tolist() == [number]
    few = np.array([2, 4_999])
    searcher = VectorSearcher(many.rows(), few, ivf)
    found = searcher.search("dense", many.rows().of(np.array([2]))[0], 10)
    assert found.numbers.tolist()[0] == 2
    assert set(found.numbers.tolist()) <= {2, 4_999}


def test_the_same_seed_builds_the_same_inverted_file(many: VectorFile, tmp_path: Path) -> None:
    alive = np.arange(1, 5_001)
    one, other = (build_ivf(many.rows(), alive, seed=3) for _ in range(2))
    save_ivf(one, tmp_path)
    opened = open_ivf(tmp_path)
    assert opened is not None
    assert open_ivf(tmp_path, opened) is opened
    searchers = [VectorSearcher(many.rows(), alive, ivf) for ivf in (one, other, opened)]
    for query in many.rows().of(np.arange(1, 5_000, 500)):
        found = [searcher.search("dense", query, 20) for searcher in searchers]
        assert found[0].numbers.tolist() == found[1].numbers.tolist() == found[2].numbers.tolist()


def test_a_saved_inverted_file_that_cannot_be_read_is_none(many: VectorFile, tmp_path: Path) -> None:
    assert open_ivf(tmp_path) is None
    save_ivf(build_ivf(many.rows(), np.arange(1, 3_001)), tmp_path)
    larger = build_ivf(many.rows(), np.arange(1, 5_001))
    save_ivf(larger, tmp_path)
    assert [file.name for file in tmp_path.glob("ivf-*")] == ["ivf-5000.faiss"]
    (tmp_path / "ivf-5000.faiss").write_bytes(b"broken")
    assert open_ivf(tmp_path) is None
    (tmp_path / "ivf.json").write_text("{")
    assert open_ivf(tmp_path) is None


def test_when_an_inverted_file_is_needed(monkeypatch: pytest.MonkeyPatch, many: VectorFile) -> None:
    monkeypatch.setattr(module, "EXACT", 1_000)
    assert not needs_ivf(many.rows(), np.arange(1, 1_001), None)
    assert needs_ivf(many.rows(), np.arange(1, 1_002), None)
    ivf = build_ivf(many.rows(), np.arange(1, 4_001))
    assert not needs_ivf(many.rows(), np.arange(1, 4_501), ivf)
    assert needs_ivf(many.rows(), np.arange(1, 5_001), ivf)

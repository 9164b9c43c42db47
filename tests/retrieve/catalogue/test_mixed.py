"""Mixed vectors: at every moment each item has its mapped vector or its real one, and search is by what it has.

Run as a script this file is the process that is killed: it embeds a catalogue anew, `DOMAIN FOLDER`.
"""

import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.encode.bridged import BridgedEncoder
from segue.encode.encoder import Vectors
from segue.errors import InvalidInput
from segue.retrieve.catalogue import Catalogue, vectors
from segue.retrieve.catalogue.mixed import tidy
from segue.retrieve.catalogue.tables import from_mappings

ITEMS = 3_000


class Drawn:
    """A random direction for every text, always the same; counts the texts that it was given."""

    def __init__(self, fingerprint: str, dimensions: int) -> None:
        self.fingerprint, self.dimensions, self.given = fingerprint, dimensions, 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.given += len(texts)
        seeds = [zlib.crc32(f"{self.fingerprint} {text}".encode()) for text in texts]
        drawn = [np.random.default_rng(seed).normal(size=self.dimensions) for seed in seeds]
        rows = np.array(drawn, dtype=np.float32).reshape(len(texts), self.dimensions)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def old() -> Drawn:
    return Drawn("old", 16)


def across(weight: float = 0.4, real: float = 0.7) -> BridgedEncoder:
    matrix = np.random.default_rng(1).normal(size=(16, 24)).astype(np.float32)
    return BridgedEncoder(old(), Drawn("new", 24), matrix, weight, max(weight, real), name=f"bridge-{weight}")


def put(catalogue: Catalogue, ids: Sequence[int], mark: str = "1", kind: str = "film") -> None:
    rows = [{"id": f"i{place}", "title": f"{kind} {place}"} for place in ids]
    catalogue.index(from_mappings(rows), fingerprint=f"{mark} {kind} {list(ids)}")


def expected(catalogue: Catalogue, encoder: BridgedEncoder, real: NDArray[np.bool_]) -> Vectors:
    """By the definition, from the texts: no file is looked at."""
    numbers = catalogue.snapshot.numbers.tolist()
    texts = [catalogue.texts([number])[number] for number in numbers]
    before = old().encode(texts)
    new = np.where(real[:, None], Drawn("new", 24).encode(texts), encoder.map(before))
    return np.asarray(encoder.rows(before, new, real))


def check(catalogue: Catalogue, encoder: BridgedEncoder, real: NDArray[np.bool_]) -> None:
    snapshot = catalogue.snapshot
    wanted = expected(catalogue, encoder, real)
    there = snapshot.vectors.of(snapshot.numbers)
    np.testing.assert_allclose(there, wanted, atol=0.04)  # a byte a component; another vector is ten times further
    query = encoder.encode(["any"])[0]
    found = snapshot.vectors.search("dense", query, 10)
    np.testing.assert_allclose(found.scores, np.sort(wanted @ query)[::-1][: len(found.scores)], atol=0.03)
    assert set(found.numbers.tolist()) <= set(snapshot.numbers.tolist())


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Catalogue]:
    """Forty films, embedded by the old encoder."""
    catalogue = Catalogue("films", tmp_path / "films", old())
    put(catalogue, range(40))
    yield catalogue
    catalogue.close()


def test_a_bridged_score_is_the_weighted_sum() -> None:
    encoder = across(0.3, 0.8)
    texts = ["one", "two", "three"]
    by_old, by_new, queries = old().encode(texts), Drawn("new", 24).encode(texts), encoder.encode(texts)
    weights = np.array([0.3, 0.8, 0.3])
    rows = encoder.rows(by_old, by_new, np.array([False, True, False]))
    wanted = (1 - weights) * (by_old @ by_old.T) + weights * (by_new @ by_new.T)
    np.testing.assert_allclose(queries @ rows.T, wanted, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows[[0, 2]], axis=1), 1, atol=1e-6)
    assert encoder.dimensions == queries.shape[1] == rows.shape[1] == 40


def test_alone_the_old_encoder_is_not_asked() -> None:
    encoder = across(1.0)
    np.testing.assert_array_equal(encoder.encode(["one"]), Drawn("new", 24).encode(["one"]))
    assert encoder.dimensions == 24
    assert encoder.old.given == 0  # type: ignore[attr-defined]


def test_real_vectors_count_no_less_than_mapped_ones() -> None:
    with pytest.raises(InvalidInput, match="real"):
        BridgedEncoder(old(), Drawn("new", 24), across()._matrix, 0.5, 0.4, name="x")


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.1, float("nan")])
def test_bridges_that_cannot_be(weight: float) -> None:
    with pytest.raises(InvalidInput, match="weight"):
        across(weight)
    with pytest.raises(InvalidInput, match="shape"):
        BridgedEncoder(old(), Drawn("new", 24), np.zeros((24, 16), np.float32), 0.5, name="x")


@settings(max_examples=25, deadline=None)
@given(data=st.data(), weight=st.sampled_from([0.2, 1.0]))
def test_whatever_happens_search_is_by_what_each_item_has(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, weight: float
) -> None:
    folder = tmp_path_factory.mktemp("mixed") / "films"
    catalogue = Catalogue("films", folder, old())
    put(catalogue, range(20))
    encoder = across(weight)
    catalogue.use(encoder)
    real: set[int] = set()
    last = 20
    for _ in range(data.draw(st.integers(1, 6))):
        numbers = catalogue.snapshot.numbers
        match data.draw(st.sampled_from(["embed", "add", "update", "delete", "open again", "two at it"])):
            case "embed":
                some = data.draw(st.sets(st.sampled_from(numbers.tolist()), max_size=8))
                catalogue.embed_anew(sorted(some), encoder.new)
                catalogue._look_again = 0.0
                catalogue.refresh()
                real |= some
            case "add":
                put(catalogue, range(last, last + 5))
                real |= set(catalogue.snapshot.numbers.tolist()) - set(numbers.tolist())
                last += 5
            case "update":
                put(catalogue, [0, 3], mark=str(last), kind=f"other {last}")
                real |= set(catalogue.snapshot.numbers.tolist()) - set(numbers.tolist())
                last += 1
            case "delete":
                catalogue.delete([f"i{data.draw(st.integers(1, 10))}"])
            case "open again":
                catalogue.close()
                catalogue = Catalogue("films", folder, across(weight))
            case "two at it":  # another process that has not heard of the upgrade adds something
                unaware = Catalogue("films", folder, old())
                put(unaware, range(last, last + 3))
                unaware.close()
                catalogue.close()
                catalogue = Catalogue("films", folder, across(weight))
                real |= set(catalogue.snapshot.numbers.tolist()) - set(numbers.tolist())
                last += 3
        numbers = catalogue.snapshot.numbers
        check(catalogue, encoder, np.isin(numbers, list(real)))
    catalogue.close()


def test_a_snapshot_never_changes(before: Catalogue) -> None:
    encoder = across()
    before.use(encoder)
    kept = before.snapshot
    vectors_before = kept.vectors.of(kept.numbers).copy()
    before.embed_anew(kept.numbers.tolist(), encoder.new)
    np.testing.assert_array_equal(kept.vectors.of(kept.numbers), vectors_before)
    assert before.refresh()
    check(before, encoder, np.ones(40, dtype=np.bool_))
    assert before.snapshot.vectors.state != kept.vectors.state


def test_a_row_counts_when_its_byte_is_set(before: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = across()
    before.use(encoder)
    incoming = before.incoming(encoder.new)
    monkeypatch.setattr(incoming, "done", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # stopped between the row and its byte
        incoming.embed([3, 5], ["film 2", "film 4"])
    assert not before.refresh()
    check(before, encoder, np.zeros(40, dtype=np.bool_))
    assert not before.incoming(encoder.new).among(before.snapshot.numbers).any()


def test_going_back_is_to_the_last_bit_and_costs_nothing(before: Catalogue) -> None:
    numbers = before.snapshot.numbers
    kept = before.snapshot.vectors.of(numbers)
    encoder = across()
    before.use(encoder)
    before.embed_anew(numbers[:10].tolist(), encoder.new)
    put(before, range(40, 50))
    back = old()
    before.use(back)
    np.testing.assert_array_equal(before.snapshot.vectors.of(numbers), kept)
    assert len(before.snapshot) == len(before.snapshot.vectors) - 1 == 50
    assert back.given == 0  # what was added in between has an old vector as well
    again = across()
    before.use(again)
    assert again.new.given == 0  # type: ignore[attr-defined]
    check(before, again, np.isin(before.snapshot.numbers, [*numbers[:10].tolist(), *range(41, 51)]))


def test_the_new_encoder_alone_finds_all_of_its_own(before: Catalogue) -> None:
    encoder = across()
    before.use(encoder)
    before.embed_anew(before.snapshot.numbers.tolist(), encoder.new)
    alone = Drawn("new", 24)
    before.use(alone)
    texts = [before.texts([number])[number] for number in before.snapshot.numbers.tolist()]
    assert alone.given == 0
    there = before.snapshot.vectors.of(before.snapshot.numbers)
    np.testing.assert_allclose(there, Drawn("new", 24).encode(texts), atol=0.005)


def test_no_encoder_takes_the_place_of_another(before: Catalogue, tmp_path: Path) -> None:
    kept = before.snapshot.vectors.of(before.snapshot.numbers)
    other = Catalogue("films", tmp_path / "films", Drawn("third", 8))
    assert len(other.snapshot.vectors) == 41
    other.close()
    before.use(old())
    np.testing.assert_array_equal(before.snapshot.vectors.of(before.snapshot.numbers), kept)
    encoder = across()
    before.use(encoder)
    folders = {folder.name for folder in (tmp_path / "films").glob("vectors*")}
    assert folders == {"vectors", "vectors-third", "vectors-new"}
    tidy(tmp_path / "films", encoder)
    assert {folder.name for folder in (tmp_path / "films").glob("vectors*")} == {"vectors", "vectors-new"}
    tidy(tmp_path / "films", Drawn("new", 24), old())
    assert {folder.name for folder in (tmp_path / "films").glob("vectors*")} == {"vectors", "vectors-new"}
    assert not list((tmp_path / "films").glob("vectors-new/bridge-*"))


def test_how_much_is_read_stays_while_another_takes_over(before: Catalogue) -> None:
    before.use(across())
    with pytest.raises(InvalidInput, match="takes over"):
        before.index(from_mappings([{"id": "x", "title": "x"}]), fingerprint="x", whole=True)


def test_many_items_are_found_by_the_vectors_that_they_have_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is embedded anew is behind the inverted file, which holds another vector of it, until that is filled again."""
    monkeypatch.setattr(vectors, "EXACT", 1_000)
    catalogue = Catalogue("films", tmp_path / "films", old())
    put(catalogue, range(ITEMS))
    encoder = across(0.3)
    catalogue.use(encoder)
    first = catalogue._ivf
    assert first is not None
    numbers = catalogue.snapshot.numbers
    for done in (400, 2_000):
        catalogue.embed_anew(numbers[:done].tolist(), encoder.new)
        catalogue._look_again = 0.0
        catalogue.refresh()
        assert (catalogue._ivf is first) == (done == 400)
        rows, hits = catalogue.snapshot.vectors.of(numbers), 0
        for text in (f"film {place}" for place in range(0, 2000, 50)):
            query = encoder.encode([text])[0]
            scores = rows @ query
            found = catalogue.snapshot.vectors.search("dense", query, 10)
            assert len(set(found.numbers.tolist())) == 10
            hits += len(set(numbers[np.argsort(-scores)[:10]].tolist()) & set(found.numbers.tolist()))
            np.testing.assert_allclose(found.scores, scores[found.numbers - 1], atol=1e-5)
        assert hits >= 0.9 * 400
    again = Catalogue("films", tmp_path / "films", across(0.3))
    assert again._ivf is not None
    assert again._ivf.real is not None
    assert again._ivf.real.sum() == 2_000
    again.close()
    catalogue.close()


# -- killed -------------------------------------------------------------------------------------------------------------


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def embed_all(folder: Path) -> None:
    """Embed everything that is missing, in small batches, and say after each how many are acknowledged."""
    encoder = across()
    catalogue = Catalogue("films", folder, encoder)
    numbers = catalogue.snapshot.numbers
    todo = numbers[~catalogue.incoming(encoder.new).among(numbers)]
    order = np.random.default_rng(0).permutation(todo)
    tell("ready")
    for start in range(0, len(order), 20):
        batch = np.sort(order[start : start + 20])
        catalogue.embed_anew(batch.tolist(), encoder.new)
        tell(" ".join(map(str, batch.tolist())))
    tell("all")


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    catalogue = Catalogue("films", folder, old())
    put(catalogue, range(ITEMS))
    encoder = across()
    catalogue.use(encoder)
    acknowledged: set[int] = set()
    draw = random.Random(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.02, 0.25))
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            acknowledged |= {int(number) for number in line.split() if number.isdigit() and line.endswith("\n")}
        process.wait()
        process.stdout.close()
        catalogue._look_again = 0.0
        catalogue.refresh()
        real = catalogue.incoming(encoder.new).among(catalogue.snapshot.numbers)
        assert acknowledged <= set(catalogue.snapshot.numbers[real].tolist())
        check(catalogue, encoder, real)
    assert acknowledged
    finished = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, check=True)
    assert finished.stdout.endswith("all\n")
    catalogue._look_again = 0.0
    catalogue.refresh()
    check(catalogue, encoder, np.ones(ITEMS, dtype=np.bool_))
    catalogue.close()


if __name__ == "__main__":
    embed_all(Path(sys.argv[1]))
